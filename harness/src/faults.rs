//! `confab-harness faults`: breaks a server of its own in every way it can while people write, and judges what they saw.
//!
//! In reading order: [`team`] are the people and [`workload`] is what they do; [`stage`] is a server with a team behind a
//! [`proxy`](crate::proxy), and [`cluster`] is several on one database; [`plan`] names the faults and orders them by the seed; [`process`], [`network`],
//! [`readers`], [`hostile`], [`disk`], [`clock`] and [`nodes`] make them happen; [`rows`] reads what is stored past the server,
//! [`gaps`] counts the events it left out; [`table`] is the end; [`planted`] shows that known mistakes are found.

pub mod clock;
pub mod cluster;
pub mod disk;
pub mod gaps;
pub mod hostile;
pub mod network;
pub mod nodes;
pub mod plan;
pub mod planted;
pub mod probe;
pub mod process;
pub mod readers;
pub mod rows;
pub mod stage;
pub mod table;
pub mod team;
pub mod workload;

use crate::Error;
use crate::check::{self, Report};
use crate::history::{self, History};
use crate::proxy::Conditions;
use clap::{Args, ValueEnum};
use cluster::Setup;
use disk::Disk;
use futures::future::join_all;
use plan::{Fault, Outcome, Plan};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use stage::{Left, Recovery, Stage};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use team::Size;
use tokio::time::sleep;

/// How long a client may take to be complete after everything is healed.
const QUIESCE: Duration = Duration::from_secs(30);

/// Share of faults that happen while the network is rough too.
const ROUGH: f64 = 0.25;

/// What to run.
#[derive(Clone, Debug, Args)]
pub struct Options {
    /// The server to break.
    #[arg(long, default_value = "target/release/confab")]
    pub binary: PathBuf,
    /// The same seed gives the same plan; may be repeated, and everything is run once for each.
    #[arg(long, default_values_t = [1])]
    pub seed: Vec<u64>,
    /// How long faults happen in each round; each fault of a round happens at least once. By default as the profile says.
    #[arg(long)]
    pub seconds: Option<u64>,
    /// How much.
    #[arg(long, value_enum, default_value_t = Profile::Short)]
    pub profile: Profile,
    /// Keeps the history here, the second round's with `.2` behind the name. Without it a history is kept only of a
    /// run that failed.
    #[arg(long)]
    pub history: Option<PathBuf>,
    /// Only this fault; may be repeated.
    #[arg(long, value_enum)]
    pub only: Vec<Fault>,
    /// Not one server on SQLite but a cluster, BUS[:queued][:sqlite] with BUS one of redis, nats and kafka: three nodes
    /// on one Postgres and, where messages are queued, two workers; with `:sqlite` one node. May be repeated.
    #[arg(long, conflicts_with = "planted")]
    pub cluster: Vec<Setup>,
    /// Runs the clusters beside each other: sooner over, and recovery says more about this machine than about them.
    #[arg(long, requires = "cluster")]
    pub together: bool,
    /// What starts and breaks the database and the broker of a cluster.
    #[arg(long, default_value = "scripts/services")]
    pub services: PathBuf,
    /// Expects a server built with this mistake to be found out; `all` for every one.
    #[arg(long)]
    pub planted: Option<String>,
}

/// How much is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Profile {
    /// Every fault once, in about a minute.
    Short,
    /// Minutes of faults.
    Torture,
}

impl Profile {
    const fn seconds(self) -> u64 {
        match self {
            Self::Short => 20,
            Self::Torture => 120,
        }
    }

    const fn rate(self) -> u32 {
        match self {
            Self::Short => 30,
            Self::Torture => 60,
        }
    }
}

/// One server's life with its faults.
#[derive(Clone, Debug)]
pub struct Round {
    /// Of plan, workload and proxy.
    pub seed: u64,
    /// What happens.
    pub faults: Vec<Fault>,
    /// Whether the seed orders it; otherwise it happens in the order given.
    pub shuffled: bool,
    /// How long faults go on happening.
    pub lasting: Duration,
    /// The team.
    pub size: Size,
    /// Messages a second.
    pub rate: u32,
    /// Whether faults that need not last are short.
    pub brief: bool,
    /// The cluster in place of the one server, and the script that starts what it stands on.
    pub cluster: Option<(Setup, PathBuf)>,
    /// A mistake the server is asked to make.
    pub planted: Option<&'static str>,
    /// How long clients may take to be complete.
    pub quiesce: Duration,
}

/// A fault that happened.
#[derive(Clone, Debug)]
pub struct Happened {
    /// Which one.
    pub fault: Fault,
    /// What came of it.
    pub outcome: Outcome,
    /// How long the clients needed afterwards.
    pub recovery: Recovery,
}

/// What came of a round.
#[derive(Debug)]
pub struct Judged {
    /// In their order.
    pub happened: Vec<Happened>,
    /// Events that the server left out, though clients mended the gaps.
    pub gaps: usize,
    /// What the checker says.
    pub report: Report,
    /// The server's log, and what its doctor says.
    pub left: Left,
}

/// Runs what the options say, and prints lines as they come. False: something is not zero.
pub async fn run(options: &Options, print: &mut impl FnMut(&str)) -> Result<bool, Error> {
    // The server runs in a folder of its own.
    let binary = std::fs::canonicalize(&options.binary)
        .map_err(|error| Error::Process(format!("{}: {error}", options.binary.display())))?;
    if let Some(planted) = &options.planted {
        return planted::run(&binary, planted, &options.seed, print).await;
    }
    if options.cluster.is_empty() {
        let (judged, left_out) = each(&binary, options, None, print).await?;
        table::write(&options.seed, &judged, &left_out, print);
        return Ok(table::failures(&judged) == 0);
    }
    let mut all = Vec::new();
    if options.together {
        let apart = options.cluster.iter().map(|setup| {
            let binary = &binary;
            async move {
                let mut lines = Vec::new();
                let judged =
                    one(binary, options, *setup, &mut |line: &str| lines.push(line.to_owned())).await;
                (*setup, lines, judged)
            }
        });
        for (setup, lines, judged) in join_all(apart).await {
            lines.iter().for_each(|line| print(line));
            all.push((setup, judged));
        }
    } else {
        for setup in &options.cluster {
            all.push((*setup, one(&binary, options, *setup, print).await));
        }
    }
    if all.len() > 1 {
        table::compare(&all, print);
    }
    Ok(all.iter().all(|(_, judged)| judged.as_ref().is_some_and(|judged| table::failures(judged) == 0)))
}

/// One cluster, with its table; none where its run stopped, for the others are worth knowing all the same.
async fn one(
    binary: &Path,
    options: &Options,
    setup: Setup,
    print: &mut impl FnMut(&str),
) -> Option<Vec<Judged>> {
    print(&format!("--- {setup}"));
    let begun = Instant::now();
    let judged = match Box::pin(each(binary, options, Some(setup), print)).await {
        Ok((judged, left_out)) => {
            table::write(&options.seed, &judged, &left_out, print);
            Some(judged)
        }
        Err(error) => {
            print(&format!("the run stopped: {error}"));
            None
        }
    };
    print(&format!("{setup}: {} s", begun.elapsed().as_secs()));
    judged
}

type LeftOut = Vec<(Fault, &'static str)>;

/// Every round of one configuration.
async fn each(
    binary: &Path,
    options: &Options,
    setup: Option<Setup>,
    print: &mut impl FnMut(&str),
) -> Result<(Vec<Judged>, LeftOut), Error> {
    let (rounds, left_out) = rounds(options, setup);
    let mut judged = Vec::new();
    for (number, round) in rounds.iter().enumerate() {
        let kinds: BTreeSet<Fault> = round.faults.iter().copied().collect();
        let names: Vec<String> = kinds.iter().map(|fault| fault.name()).collect();
        let number_of = format!("round {} of {}", number + 1, rounds.len());
        print(&format!("{number_of}, seed {}: {}", round.seed, names.join(", ")));
        let name = setup.map(|setup| format!("{}-", setup.to_string().replace(':', "-"))).unwrap_or_default();
        let (path, keep) = match &options.history {
            Some(path) if number == 0 => (path.clone(), true),
            Some(path) => (numbered(path, number + 1), true),
            None => (temporary(&format!("{name}{}-{}", round.seed, number + 1)), false),
        };
        let result = play(binary, round, &path, print).await;
        let fine = result.as_ref().is_ok_and(|judged| table::failures(std::slice::from_ref(judged)) == 0);
        if !fine || keep {
            print(&format!("history: {}", path.display()));
            if let (false, Ok(judged)) = (fine, &result) {
                let log = path.with_added_extension("log");
                std::fs::write(&log, &judged.left.log)?;
                print(&format!("the servers' log: {}", log.display()));
            }
        } else if let Err(error) = std::fs::remove_file(&path) {
            print(&format!("{} could not be removed: {error}", path.display()));
        }
        judged.push(result?);
    }
    Ok((judged, left_out))
}

fn numbered(path: &Path, number: usize) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{number}"));
    name.into()
}

fn temporary(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("confab-faults-{}-{name}.jsonl", std::process::id()))
}

/// The faults of the options, those that need a disk or a clock of our own in a round of their own, and those that this
/// machine does not allow, with the reason.
fn rounds(options: &Options, setup: Option<Setup>) -> (Vec<Round>, LeftOut) {
    let brief = setup.is_some() && options.profile == Profile::Short;
    let chosen = |fault: &&Fault| match options.only.is_empty() {
        true => fault.suits(setup) && (!brief || fault.is_of_clusters()),
        false => options.only.contains(fault),
    };
    let mut left_out = Vec::new();
    let (mut ordinary, mut special) = (Vec::new(), Vec::new());
    for fault in Fault::all().iter().filter(chosen).copied() {
        if !fault.suits(setup) {
            left_out.push((fault, "it does not happen to this configuration"));
        } else if fault.needs_disk() && !Disk::is_allowed() {
            left_out.push((fault, "a tmpfs cannot be mounted here"));
        } else if fault.needs_clock() && clock::library().is_none() {
            left_out.push((fault, "libfaketime is not installed"));
        } else if fault.needs_disk() || fault.needs_clock() {
            special.push(fault);
        } else {
            ordinary.push(fault);
        }
    }
    if options.only.is_empty() && !brief {
        // The server's death is the fault that matters most, and it is over soon: three times as many.
        let deaths = [Fault::Kill, Fault::KillInBurst];
        ordinary.extend(deaths.iter().chain(&deaths));
    }
    if options.only.is_empty() && !special.is_empty() {
        special.push(Fault::Kill); // a full disk, or a wrong clock, and then a crash
    }
    let seconds = options.seconds.unwrap_or(options.profile.seconds());
    let round = |seed, faults: &[Fault], share| Round {
        seed,
        faults: faults.to_vec(),
        shuffled: true,
        lasting: Duration::from_secs(seconds) / share,
        size: Size::default(),
        rate: options.profile.rate(),
        brief: options.profile == Profile::Short,
        cluster: setup.map(|setup| (setup, options.services.clone())),
        planted: None,
        quiesce: QUIESCE,
    };
    let kinds = [(ordinary, 1), (special, 4)];
    let kinds: Vec<_> = kinds.iter().filter(|(faults, _)| !faults.is_empty()).collect();
    let seeds = options.seed.iter();
    let rounds = seeds.flat_map(|seed| kinds.iter().map(|(faults, share)| round(*seed, faults, *share)));
    (rounds.collect(), left_out)
}

/// One round, from a new server to the checker's word.
pub async fn play(
    binary: &Path,
    round: &Round,
    path: &Path,
    print: &mut impl FnMut(&str),
) -> Result<Judged, Error> {
    let mut random = StdRng::seed_from_u64(round.seed);
    let (history, writer) = History::begin(path)?;
    let mut stage = Box::pin(Stage::open(binary, round, history, &mut random)).await?;
    let happened = match Box::pin(break_it(&mut stage, round, &mut random, print)).await {
        Ok(happened) => happened,
        Err(error) => return Err(with_log(error, &stage)),
    };
    let left = Box::pin(stage.finish(writer, round.quiesce)).await?;
    let parsed = history::read(path)?;
    Ok(Judged { happened, gaps: gaps::left_out(&parsed.records), report: check::check(&parsed), left })
}

/// The server's last words help more than the error.
fn with_log(error: Error, stage: &Stage) -> Error {
    let log = stage.log();
    let last: Vec<&str> = log.lines().rev().take(20).collect();
    let last: Vec<&str> = last.into_iter().rev().collect();
    Error::Process(format!("{error}\nthe servers' last words:\n{}", last.join("\n")))
}

/// Faults one after another until the time is over and each has happened as often as any other.
async fn break_it(
    stage: &mut Stage,
    round: &Round,
    random: &mut StdRng,
    print: &mut impl FnMut(&str),
) -> Result<Vec<Happened>, Error> {
    let begun = Instant::now();
    let mut plan = Plan::new(round.faults.clone(), round.shuffled);
    let mut happened = Vec::new();
    // A beginning without faults: everybody is in and something is stored.
    stage.workload.go();
    stage.more_acks(0, QUIESCE).await?;
    while let Some((fault, begins)) = plan.next(random) {
        if begins && !happened.is_empty() && begun.elapsed() >= round.lasting {
            break;
        }
        stage.workload.go();
        sleep(Duration::from_millis(random.random_range(300..1_000))).await; // work of a length the seed says
        // Each fault has dice of its own: how often it throws them depends on what it meets, and the plan must not.
        let dice = &mut StdRng::seed_from_u64(random.random());
        let rough = dice.random_bool(ROUGH);
        if rough {
            stage.proxy.set(network::rough(dice));
        }
        stage.note(&fault.name(), if rough { "on a rough network" } else { "" }, false).await;
        let outcome = fault.happen(stage, dice).await?;
        stage.proxy.set(Conditions::default());
        stage.note(&fault.name(), &outcome.detail, true).await;
        let recovery = stage.recover(round.quiesce).await?;
        print(&format!(
            "  {:<14} {}{}; complete after {} ms{}",
            fault.name(),
            outcome.detail,
            if rough { ", on a rough network" } else { "" },
            recovery.waited.as_millis(),
            if recovery.stuck == 0 { String::new() } else { format!(", {} STUCK", recovery.stuck) }
        ));
        for wrong in &outcome.wrong {
            print(&format!("    WRONG: {wrong}"));
        }
        let found = round.planted.is_some() && recovery.stuck > 0;
        happened.push(Happened { fault, outcome, recovery });
        if found {
            break; // the mistake shows; more would only take longer
        }
    }
    Ok(happened)
}
