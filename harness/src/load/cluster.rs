//! Several nodes on one Postgres and one broker: what they do together, and what the second node costs.
//!
//! Nothing is bound to a core here: nodes, Postgres, broker and load share the machine, so that a figure a second says
//! as much about the machine as about the server. The processor time of a message, told apart by whose it is, does not.
//!
//! In reading order: [`setup`] is what is combined, [`stage`] runs it and asks the system what it used, [`town`] fills
//! the database, [`bare`] are the floors, [`table`] writes all setups side by side.

pub mod bare;
pub mod setup;
pub mod stage;
pub mod table;
pub mod town;

use super::latency::Latency;
use super::pairs::{Couples, Pairs, Tally};
use super::report::Figure;
use super::{Options, process};
use crate::Error;
use setup::Setup;
use stage::{Spent, Stage, Store};
use std::time::Duration;
use tokio::task::LocalSet;

/// People who send at once, as in row 5; their partners are at another node.
const SENDERS: usize = 128;
/// Messages a second that count as idle: each is alone on its way.
const IDLE: f64 = 100.0;
/// Seconds of load before a broker is measured that compiles itself while it runs, as Kafka does: it uses half a core for
/// that in the beginning.
const COMPILING: u64 = 20;
/// Messages in a transaction of the floor, and the most that the server writes together.
pub const BATCH: usize = 128;

/// Measures the floors and every setup, `runs` times. Answers the figures of each run, and what failed.
pub fn measure(
    options: &Options,
    mut told: impl FnMut(&str),
) -> Result<(Vec<Vec<Figure>>, Vec<String>), Error> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (mut runs, mut failed) = (Vec::new(), Vec::new());
    for run in 1..=options.runs {
        process::quiet(Duration::from_secs(options.patience), super::DISTURBING)?;
        told(&format!("run {run}: Postgres and the floors"));
        let store = runtime.block_on(Store::start(&options.services))?;
        let mut figures = LocalSet::new().block_on(&runtime, bare::measure(options, &store))?;
        for setup in &options.cluster {
            process::quiet(Duration::from_secs(options.patience), super::DISTURBING)?;
            told(&format!("run {run}: {setup}"));
            match LocalSet::new().block_on(&runtime, one(options, &store, *setup)) {
                Ok(found) => {
                    for figure in &found {
                        let value = super::report::number(figure.value);
                        told(&format!("    {}: {value} {}", figure.metric, figure.unit));
                    }
                    figures.extend(found);
                }
                Err(error) => {
                    told(&format!("    failed: {error}"));
                    failed.push(format!("{setup}: {error}"));
                }
            }
        }
        runs.push(figures);
    }
    Ok((runs, failed))
}

/// What a load that was as fast as it could be has done.
struct Throughput {
    tally: Tally,
    rate: f64,
    spent: Spent,
    remarks: String,
}

async fn fastest(
    stage: &Stage<'_>,
    couples: &Couples,
    warm_up: Duration,
    seconds: Duration,
) -> Result<Throughput, Error> {
    let pairs = Pairs::spread(&stage.addresses()?, couples).await?;
    let (mut tally, mut spent) = (Tally::default(), Vec::new());
    pairs
        .closed(warm_up, seconds, || {
            tally = pairs.take();
            spent.push(stage.spent()?);
            Ok(())
        })
        .await?;
    let rest = pairs.take();
    let remarks = format!(
        "{} refused, {} unsent, {} sockets lost",
        tally.refused + rest.refused,
        tally.unsent + rest.unsent,
        pairs.lost()
    );
    let spent = match spent.as_slice() {
        [first, .., last] => *last - *first,
        _ => Spent::default(),
    };
    Ok(Throughput { rate: tally.acked.count() as f64 / seconds.as_secs_f64(), tally, spent, remarks })
}

/// One setup: at its fastest with one node and with two, idle, at half load.
async fn one(options: &Options, store: &Store, setup: Setup) -> Result<Vec<Figure>, Error> {
    let seconds = Duration::from_secs(options.size(8, 2));
    let mut stage = Stage::set(options, store, setup).await?;
    let couples = town::seed(&stage, SENDERS).await?;
    let warm_up = match setup.bus {
        setup::Bus::Kafka => Duration::from_secs(options.size(COMPILING, 6)),
        _ => seconds / 4,
    };
    let single = fastest(&stage, &couples, warm_up, seconds).await?;
    let mut figures = vec![throughput(setup, 1, &single)];
    let mut fast = single;
    if setup.is_shared() {
        stage.another().await?;
        fast = fastest(&stage, &couples, seconds / 4, seconds).await?;
        figures.push(throughput(setup, 2, &fast));
    }
    stage.rest().await?;

    let pairs = Pairs::spread(&stage.addresses()?, &couples.first(1)).await?;
    pairs.open(IDLE, Duration::from_secs(1)).await?;
    pairs.take();
    pairs.open(IDLE, seconds).await?;
    let idle = pairs.take();
    drop(pairs);
    figures.extend(latencies(setup, "idle", &idle, true));

    let pairs = Pairs::spread(&stage.addresses()?, &couples).await?;
    let half = fast.rate / 2.0;
    // The load has no core of its own: one that spins would leave half the machine to what it measures.
    pairs.open_beside(half, seconds).await?;
    figures.extend(latencies(setup, "at half load", &pairs.take(), false));
    Ok(figures)
}

fn throughput(setup: Setup, nodes: usize, done: &Throughput) -> Figure {
    let count = done.tally.acked.count();
    let each = |time: Duration| time.as_secs_f64() * 1e6 / count.max(1) as f64;
    let Spent { nodes: ours, store, broker, load } = done.spent;
    let figure = Figure::new(
        6,
        format!("{setup}: sends, {}", if nodes == 1 { "one node" } else { "two nodes" }),
        "acks/s",
        done.rate,
        count,
    )
    .cost(count as f64, ours.as_secs_f64())
    .times(&done.tally.acked)
    .note(format!(
        "CPU a message: nodes {:.0}, Postgres {:.0}, broker {:.0}, load {:.0} µs; {}",
        each(ours),
        each(store),
        each(broker),
        each(load),
        done.remarks
    ));
    match setup.sends() {
        Some(least) => figure.at_least(least),
        None => figure,
    }
}

/// Medians with their distributions; targets are for idle nodes.
fn latencies(setup: Setup, when: &str, tally: &Tally, idle: bool) -> Vec<Figure> {
    let figure = |what: &str, latency: &Latency, most: Option<f64>| {
        let metric = format!("{setup}: {what}, {when}");
        let figure = Figure::new(7, metric, "ms", latency.p50(), latency.count()).times(latency);
        match most.filter(|_| idle) {
            Some(most) => figure.at_most(most),
            None => figure,
        }
    };
    let accepted = tally.accepted.count() > 0;
    let mut figures = Vec::new();
    if setup.queued && accepted {
        figures.push(figure("send to accepted", &tally.accepted, Some(setup::ACCEPTED)));
    }
    figures.push(figure("send to ack", &tally.acked, setup.ack()));
    let delivered = if setup.is_shared() { "send to the other node" } else { "send to receive" };
    figures.push(figure(delivered, &tally.received, setup.delivery()));
    figures
}
