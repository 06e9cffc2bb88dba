//! Measures a server: starts it on one core, loads it from the other, and reads from the system what it used.
//!
//! In reading order: [`frame`] and [`link`] are a socket that costs little, [`http`] the same for REST; [`seed`]
//! fills databases, [`process`] runs the server and asks the system about it; [`pairs`] and [`crowd`] are people who
//! talk, [`beside`] a pair in a process of its own; [`rows`] are the measurements, [`report`] writes them down. Floors, the same work by bare programs, are in
//! [`floor`](crate::floor). [`cluster`] measures several nodes on what they share.

pub mod beside;
pub mod cluster;
pub mod crowd;
pub mod frame;
pub mod http;
pub mod latency;
pub mod link;
pub mod pairs;
pub mod process;
pub mod report;
pub mod rows;
pub mod seed;

use crate::Error;
use crate::floor::{self, Floors};
use clap::Args;
use report::Figure;
use serde::Serialize;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;
use tokio::task::LocalSet;

/// The load's core.
pub const LOAD_CORE: &str = "1";

/// Share of one core that others may take before the table says so.
const DISTURBING: f64 = 0.05;

/// What to measure, and on what.
#[derive(Clone, Debug, Args)]
pub struct Options {
    /// The server to measure.
    #[arg(long, default_value = "target/release/confab")]
    pub binary: PathBuf,
    /// Only these rows, with commas between them.
    #[arg(long, value_delimiter = ',')]
    pub rows: Vec<u8>,
    /// How often everything is measured; the table has medians.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=100))]
    pub runs: u64,
    /// Instead of the rows: nodes on Postgres with this bus, `channel`, `redis`, `nats` or `kafka`, queued first where
    /// `:queued` is added; several with commas between them.
    #[arg(long, value_delimiter = ',')]
    pub cluster: Vec<cluster::setup::Setup>,
    /// What starts databases and brokers for clusters.
    #[arg(long, default_value = "scripts/services")]
    pub services: PathBuf,
    /// Small numbers, for a look whether it works at all.
    #[arg(long)]
    pub quick: bool,
    /// Messages in the generated database that is read; 100,000 in a quick run.
    #[arg(long)]
    pub messages: Option<u64>,
    /// Waits up to so many seconds before each row for others to leave the machine alone.
    #[arg(long, default_value_t = 0)]
    pub patience: u64,
    /// Writes the table into this file too.
    #[arg(long)]
    pub markdown: Option<PathBuf>,
    /// Writes the figures of the table, and those of every run, into this file.
    #[arg(long)]
    pub json: Option<PathBuf>,
}

impl Options {
    /// Messages in the generated database.
    pub(crate) fn stored(&self) -> u64 {
        self.messages.unwrap_or(self.size(1_000_000, 100_000))
    }

    /// A count, smaller in a quick run.
    pub(crate) fn size<T>(&self, full: T, quick: T) -> T {
        if self.quick { quick } else { full }
    }
}

/// What a row is given.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bench<'a> {
    pub(crate) options: &'a Options,
    /// What the rows compare themselves with.
    pub(crate) floors: &'a Floors,
    /// The generated database, made by the first row that needs it.
    pub(crate) library: &'a rows::reading::Library,
}

/// Everything that was measured, as the JSON file has it.
#[derive(Debug, Serialize)]
struct Report {
    /// The machine and the conditions, in a line.
    machine: String,
    /// The medians.
    figures: Vec<Figure>,
    /// The figures of every run.
    runs: Vec<Vec<Figure>>,
    /// Rows that failed or were skipped, and why.
    failed: Vec<String>,
}

/// Measures, tells how far it is, writes the files. Blocks the calling thread, which is bound to the load's core.
pub fn run(options: &Options, mut tell: impl FnMut(&str)) -> Result<(), Error> {
    let report =
        if options.cluster.is_empty() { measure(options, &mut tell) } else { together(options, &mut tell) }?;
    let mut table = report::markdown(&report.machine, &report.figures);
    if !options.cluster.is_empty() {
        table.push('\n');
        table.push_str(&cluster::table::markdown(&options.cluster, &report.figures));
    }
    for failed in &report.failed {
        table.push_str(&format!("\n- {failed}"));
    }
    tell("");
    tell(&table);
    if let Some(file) = &options.markdown {
        std::fs::write(file, &table)?;
    }
    if let Some(file) = &options.json {
        let json =
            serde_json::to_vec_pretty(&report).map_err(|error| Error::Unreadable(error.to_string()))?;
        std::fs::write(file, json)?;
    }
    Ok(())
}

fn measure(options: &Options, mut told: impl FnMut(&str)) -> Result<Report, Error> {
    bind()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let machine = report::machine(options.runs);
    let library = rows::reading::Library::default();
    let (mut runs, mut failed) = (Vec::new(), Vec::new());
    for run in 1..=options.runs {
        let mut figures = Vec::new();
        process::quiet(Duration::from_secs(options.patience), DISTURBING)?;
        told(&format!("run {run}: floors"));
        let floors = LocalSet::new().block_on(&runtime, floor::measure(options.quick))?;
        figures.extend(floors.figures());
        for (number, what) in rows::ALL {
            if !options.rows.is_empty() && !options.rows.contains(&number) {
                continue;
            }
            process::quiet(Duration::from_secs(options.patience), DISTURBING)?;
            told(&format!("run {run}: row {number}, {what}"));
            let before = process::Machine::now()?;
            match LocalSet::new()
                .block_on(&runtime, rows::one(number, Bench { options, floors: &floors, library: &library }))
            {
                Ok(found) => {
                    for figure in &found {
                        told(&format!(
                            "    {}: {} {}",
                            figure.metric,
                            report::number(figure.value),
                            figure.unit
                        ));
                    }
                    figures.extend(found);
                }
                Err(error) => {
                    told(&format!("    failed: {error}"));
                    failed.push(format!("row {number} ({what}): {error}"));
                }
            }
            let others = before.others(process::Machine::now()?);
            if others > DISTURBING {
                failed.push(format!(
                    "row {number}: others took {:.0} % of a core during run {run}",
                    others * 100.0
                ));
            }
        }
        runs.push(figures);
    }
    failed.sort();
    failed.dedup();
    Ok(Report { machine, figures: report::medians(&runs), runs, failed })
}

/// The same of clusters; nothing is bound to a core.
fn together(options: &Options, told: impl FnMut(&str)) -> Result<Report, Error> {
    open_files()?;
    let machine = report::shared_machine(options.runs);
    let (runs, failed) = cluster::measure(options, told)?;
    Ok(Report { machine, figures: report::medians(&runs), runs, failed })
}

/// Binds this process to the load's core and takes all the files the system allows.
fn bind() -> Result<(), Error> {
    let pid = std::process::id().to_string();
    command(Command::new("taskset").args(["-a", "-c", "-p", LOAD_CORE, &pid]))?;
    open_files()
}

/// Takes all the files the system allows.
fn open_files() -> Result<(), Error> {
    let pid = std::process::id().to_string();
    let limit = std::fs::read_to_string("/proc/self/limits")?;
    let hard = limit
        .lines()
        .find(|line| line.starts_with("Max open files"))
        .and_then(|line| line.split_whitespace().nth(4))
        .ok_or_else(|| Error::Process("no limit of open files".into()))?;
    command(Command::new("prlimit").args(["--pid", &pid, &format!("--nofile={hard}:{hard}")]))
}

fn command(command: &mut Command) -> Result<(), Error> {
    let output = command.output()?;
    if output.status.success() {
        return Ok(());
    }
    Err(Error::Process(format!("{command:?}: {}", String::from_utf8_lossy(&output.stderr).trim())))
}

/// Files this process may open.
pub(crate) fn files() -> usize {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    limits
        .lines()
        .find(|line| line.starts_with("Max open files"))
        .and_then(|line| line.split_whitespace().nth(3)?.parse().ok())
        .unwrap_or(1024)
}
