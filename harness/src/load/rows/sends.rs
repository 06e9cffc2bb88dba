//! Conversations of two: durable sends a second (row 5), how long a send takes (row 7), what it leaves on the disk
//! (row 19).

use crate::Error;
use crate::load::Bench;
use crate::load::pairs::{Couples, Pairs, Tally};
use crate::load::process::Process;
use crate::load::report::Figure;
use std::path::Path;
use std::time::Duration;

/// People who send at once; their partners are there too.
const SENDERS: usize = 128;
/// Messages a second that count as idle: each is alone on its way.
const IDLE: f64 = 100.0;

fn remarks(tally: &Tally, pairs: &Pairs) -> String {
    format!("{} refused, {} unsent, {} sockets lost", tally.refused, tally.unsent, pairs.lost())
}

/// Sends a second with the fsync before the ack, then latency at half that rate.
pub(crate) async fn row_5(bench: Bench<'_>) -> Result<Vec<Figure>, Error> {
    let seconds = Duration::from_secs(bench.options.size(10, 2));
    let (process, couples) =
        Process::seeded(&bench.options.binary, |seed| Couples::seed(seed, SENDERS)).await?;
    let pairs = Pairs::connect(process.address, &couples).await?;
    process.rest().await?;
    let (mut tally, mut cpu) = (Tally::default(), Vec::new());
    pairs
        .closed(seconds / 5, seconds, || {
            tally = pairs.take();
            cpu.push(process.cpu()?);
            Ok(())
        })
        .await?;
    let rest = pairs.take();
    let log = std::fs::metadata(process.data().join("confab.db-wal"))?.len();
    let rate = tally.acked.count() as f64 / seconds.as_secs_f64();
    let spent = cpu.last().zip(cpu.first()).map_or(0.0, |(last, first)| (*last - *first).as_secs_f64());
    let mut figures = vec![
        Figure::new(5, format!("durable sends, {SENDERS} senders 1:1"), "acks/s", rate, tally.acked.count())
            .at_least(20_000.0)
            .over(Some(bench.floors.sqlite))
            .cost(tally.acked.count() as f64, spent)
            .times(&tally.acked)
            .note(format!(
                "{:.0} µs CPU a message; the log grew to {} MiB; {}; floor: bare SQLite",
                spent * 1e6 / tally.acked.count().max(1) as f64,
                log / 1_048_576,
                remarks(&rest, &pairs)
            )),
    ];
    process.rest().await?;
    let (cpu, half) = (process.cpu()?, rate / 2.0);
    pairs.open(half, seconds).await?;
    let spent = (process.cpu()? - cpu).as_secs_f64();
    let tally = pairs.take();
    let count = tally.acked.count();
    figures.push(
        Figure::new(5, "send to ack at half load, p50", "ms", tally.acked.p50(), count)
            .at_most(2.0)
            .cost(count as f64, spent)
            .times(&tally.acked)
            .note(format!("open loop, {half:.0} a second; {}", remarks(&tally, &pairs))),
    );
    figures.push(
        Figure::new(
            7,
            "send to receive at half load, p99",
            "ms",
            tally.received.p99(),
            tally.received.count(),
        )
        .at_most(10.0)
        .times(&tally.received),
    );
    Ok(figures)
}

/// One message at a time.
pub(crate) async fn row_7(bench: Bench<'_>) -> Result<Vec<Figure>, Error> {
    let seconds = Duration::from_secs(bench.options.size(20, 3));
    let (process, couples) = Process::seeded(&bench.options.binary, |seed| Couples::seed(seed, 1)).await?;
    let pairs = Pairs::connect(process.address, &couples).await?;
    pairs.open(IDLE, Duration::from_secs(1)).await?;
    pairs.take();
    let cpu = process.cpu()?;
    pairs.open(IDLE, seconds).await?;
    let spent = (process.cpu()? - cpu).as_secs_f64();
    let tally = pairs.take();
    let count = tally.acked.count();
    let floor = bench.floors.idle.p50() + bench.floors.disk.idle;
    Ok(vec![
        Figure::new(7, "send to ack, idle, p50", "ms", tally.acked.p50(), count)
            .at_most(0.5)
            .over(Some(floor))
            .cost(count as f64, spent)
            .times(&tally.acked)
            .note(format!(
                "{}; floor: echo and one commit's write and fdatasync, as seldom",
                remarks(&tally, &pairs)
            )),
        Figure::new(7, "send to ack, idle, p99", "ms", tally.acked.p99(), count).at_most(2.0),
        Figure::new(7, "send to receive, idle, p50", "ms", tally.received.p50(), tally.received.count())
            .at_most(0.5)
            .over(Some(floor))
            .times(&tally.received),
    ])
}

/// What messages leave on the disk once the log is moved into the file.
pub(crate) async fn row_19(bench: Bench<'_>) -> Result<Vec<Figure>, Error> {
    let seconds = Duration::from_secs(bench.options.size(5, 1));
    let (mut process, couples) =
        Process::seeded(&bench.options.binary, |seed| Couples::seed(seed, SENDERS)).await?;
    let before = stored(process.data())?;
    let pairs = Pairs::connect(process.address, &couples).await?;
    pairs.closed(Duration::ZERO, seconds, || Ok(())).await?;
    let count = pairs.take().acked.count();
    drop(pairs);
    process.stop().await?;
    let bytes = stored(process.data())?.saturating_sub(before) as f64 / count.max(1) as f64;
    let figure = Figure::new(19, "stored for a message of 200 bytes", "bytes", bytes, count);
    Ok(vec![figure.at_most(1024.0).note("indexes included; this server has no search yet")])
}

/// Bytes of all files of the database.
fn stored(data: &Path) -> Result<u64, Error> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(data)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with("confab.db") {
            bytes += entry.metadata()?.len();
        }
    }
    Ok(bytes)
}
