//! One message to many: what a delivery costs (row 2), how many go out in bursts (row 3), when the last member has
//! it and whether others wait meanwhile (row 4).

use crate::Error;
use crate::load::Bench;
use crate::load::beside::Beside;
use crate::load::crowd::{Crowd, arrive};
use crate::load::latency::Latency;
use crate::load::link::Has;
use crate::load::pairs::Couples;
use crate::load::process::Process;
use crate::load::report::Figure;
use protocol::UserId;
use std::time::{Duration, Instant};

/// Messages in a burst.
const BURST: usize = 16;
/// Bursts that may be on their way to the members at once: far below the 256 frames a socket's queue holds.
const AHEAD: u64 = 2;
/// Members who send bursts in turn, so that nobody's rate limit is the measure.
const SENDERS: usize = 16;
/// Messages a second of the pair that talks beside the crowd.
const BESIDE: f64 = 100.0;

async fn group(bench: Bench<'_>, size: usize) -> Result<(Process, Crowd, Couples), Error> {
    let (process, (people, has, conversation, couples)) = Process::seeded(&bench.options.binary, |seed| {
        let people = seed.people(size, "")?;
        let ids: Vec<UserId> = people.iter().map(|person| person.id).collect();
        let conversation = seed.group(&ids)?;
        let has = vec![Has { epoch: seed.epoch()?, cursors: vec![(conversation, 0)] }; size];
        Ok((people, has, conversation, Couples::seed(seed, 1)?))
    })
    .await?;
    let links = arrive(process.address, &people, &has).await?;
    let crowd = Crowd::of(conversation, links);
    process.rest().await?;
    Ok((process, crowd, couples))
}

/// Messages one after the other, each when the last member has the one before.
async fn singles(crowd: &Crowd, count: usize) -> Result<Latency, Error> {
    let mut last = Latency::default();
    for _ in 0..count {
        last.record(crowd.one(0).await?);
    }
    Ok(last)
}

/// Processor time of a delivery when messages come one by one.
pub(crate) async fn row_2(bench: Bench<'_>) -> Result<Vec<Figure>, Error> {
    let (size, count) = bench.options.size((1_000, 500), (200, 50));
    let (process, crowd, _) = group(bench, size).await?;
    singles(&crowd, count / 10).await?;
    let (cpu, delivered) = (process.cpu()?, crowd.delivered());
    let last = singles(&crowd, count).await?;
    let (cpu, delivered) = ((process.cpu()? - cpu).as_secs_f64(), crowd.delivered() - delivered);
    Ok(vec![
        Figure::new(
            2,
            format!("single messages to {size} members, CPU per delivery"),
            "µs",
            cpu * 1e6 / delivered as f64,
            delivered,
        )
        .at_most(3.0)
        .over(Some(bench.floors.event.cpu_us))
        .cost(delivered as f64, cpu)
        .times(&last)
        .note("times: to the last member; commit and fsync included"),
    ])
}

/// Deliveries in bursts.
pub(crate) async fn row_3(bench: Bench<'_>) -> Result<Vec<Figure>, Error> {
    let (size, seconds) = bench.options.size((1_000, 8), (200, 2));
    let (process, crowd, _) = group(bench, size).await?;
    let burst = (BURST * size) as u64;
    let mut turn = 0;
    let mut sent = 0;
    let mut run = async |time: Duration| -> Result<(), Error> {
        let begun = Instant::now();
        while begun.elapsed() < time {
            crowd.post(turn % SENDERS, BURST)?;
            turn += 1;
            sent += burst;
            crowd.aim((sent + burst).saturating_sub(AHEAD * burst));
            crowd.reached().await?;
        }
        Ok(())
    };
    run(Duration::from_secs(1)).await?;
    let (cpu, delivered, begun) = (process.cpu()?, crowd.delivered(), Instant::now());
    run(Duration::from_secs(seconds)).await?;
    let (wall, delivered) = (begun.elapsed().as_secs_f64(), crowd.delivered() - delivered);
    let cpu = (process.cpu()? - cpu).as_secs_f64();
    let lost = crowd.lost();
    let note = format!("{lost} lost, {} refused", crowd.refused());
    let mut figures = vec![
        Figure::new(
            3,
            format!("bursts of {BURST} to {size} members"),
            "deliveries/s",
            delivered as f64 / wall,
            delivered,
        )
        .at_least(1.5e6)
        .over(Some(bench.floors.events.rate))
        .cost(delivered as f64, cpu)
        .note(note),
        Figure::new(
            3,
            format!("bursts of {BURST} to {size} members, CPU per delivery"),
            "µs",
            cpu * 1e6 / delivered as f64,
            delivered,
        )
        .at_most(0.5)
        .over(Some(bench.floors.events.cpu_us))
        .note(format!(
            "the server's core was {:.0} % busy; floor: frames of the same size",
            100.0 * cpu / wall
        )),
    ];
    if let Some(redis) = bench.floors.redis {
        let rate = delivered as f64 / wall;
        figures.push(
            Figure::new(3, "the same against redis", "deliveries/s", rate, delivered).over(Some(redis)),
        );
    }
    Ok(figures)
}

/// When the last of many has a message, and how long a pair beside them waits.
pub(crate) async fn row_4(bench: Bench<'_>) -> Result<Vec<Figure>, Error> {
    let mut figures = Vec::new();
    let sizes = bench.options.size(vec![(1_000, 200, 5.0), (10_000, 40, 60.0)], vec![(200, 20, 5.0)]);
    for (size, count, target) in sizes {
        let (process, crowd, couples) = group(bench, size).await?;
        singles(&crowd, 5).await?;
        crowd.take_each();
        let last = singles(&crowd, count).await?;
        let each = crowd.take_each();
        figures.push(
            Figure::new(
                4,
                format!("one message to {size} live members, last of them, p50"),
                "ms",
                last.p50(),
                count as u64,
            )
            .at_most(target)
            .times(&last)
            .note(format!("any member: p50 {:.2} ms; {} lost", each.p50(), crowd.lost())),
        );
        let mut pair = Beside::start(process.address, &couples, BESIDE)?;
        tokio::time::sleep(Duration::from_secs(1)).await;
        pair.take()?;
        tokio::time::sleep(bench.options.size(Duration::from_secs(4), Duration::from_secs(1))).await;
        let alone = pair.take()?;
        singles(&crowd, count).await?;
        let beside = pair.take()?;
        let delay = beside.p99() - alone.p50();
        figures.push(
            Figure::new(
                4,
                format!("delay of another conversation beside {size} members, p99"),
                "ms",
                delay,
                beside.count(),
            )
            .at_most(10.0)
            .times(&beside)
            .note(format!("alone p50 {:.2}, p99 {:.2} ms", alone.p50(), alone.p99())),
        );
    }
    Ok(figures)
}
