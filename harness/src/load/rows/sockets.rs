//! Many idle sockets: what they cost (row 1), and all of them lost and back at once (row 9).

use crate::Error;
use crate::load::Bench;
use crate::load::crowd::arrive;
use crate::load::frame::Kind;
use crate::load::latency::Latency;
use crate::load::link::{Has, Link, Wire};
use crate::load::process::Process;
use crate::load::report::Figure;
use crate::load::seed::{Resident, Seed};
use protocol::{ConversationId, UserId};
use std::cell::Cell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};
use tokio::task::spawn_local;

/// Conversations everybody holds.
const HELD: usize = 20;
/// Members of each.
const MEMBERS: usize = 10;
/// Sockets that are there before memory is first read: what the first ones bring with them is no cost of a socket.
const FIRST: usize = 1_000;
/// Files this process, and the server, need beside the sockets.
const OTHER_FILES: usize = 400;
/// Messages everybody has missed when they come back.
const MISSED: u64 = 5;
/// First and longest wait of a client that could not connect, as the contract says.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(30));

/// How often a client that is turned away comes again before the row is given up.
const TRIES: u32 = 20;

/// People who hold twenty conversations each, and one that all of them hold.
struct Town {
    people: Vec<Resident>,
    has: Vec<Has>,
    everybody: ConversationId,
}

fn town(seed: &mut Seed, count: usize) -> Result<Town, Error> {
    let people = seed.people(count, "")?;
    let mut cursors: Vec<Vec<(ConversationId, u64)>> = vec![Vec::with_capacity(HELD); count];
    for round in 0..HELD - 1 {
        let order: Vec<usize> = (0..count).map(|place| (place + round * (MEMBERS / 2)) % count).collect();
        for members in order.chunks(MEMBERS) {
            let ids: Vec<UserId> = members.iter().map(|&member| people[member].id).collect();
            let conversation = seed.group(&ids)?;
            members.iter().for_each(|&member| cursors[member].push((conversation, 0)));
        }
    }
    let ids: Vec<UserId> = people.iter().map(|person| person.id).collect();
    let everybody = seed.group(&ids)?;
    let epoch = seed.epoch()?;
    let has = cursors.into_iter().map(|mut cursors| {
        cursors.push((everybody, 0));
        Has { epoch, cursors }
    });
    Ok(Town { has: has.collect(), people, everybody })
}

fn idle(links: Vec<Link>) -> Vec<Wire> {
    links.into_iter().map(|link| link.listen(|_, _, _| {})).collect()
}

/// User memory for each idle, authenticated socket with twenty conversations.
pub(crate) async fn row_1(bench: Bench<'_>) -> Result<Vec<Figure>, Error> {
    let most = crate::load::files().saturating_sub(OTHER_FILES) / 1000 * 1000;
    let sizes = bench.options.size(vec![10_000.min(most), most], vec![2_000.min(most)]);
    let largest = sizes.last().copied().unwrap_or(FIRST);
    let (process, town) = Process::seeded(&bench.options.binary, |seed| town(seed, largest)).await?;
    // Everybody was here once: the store's page cache is full, and none of it counts as a socket's.
    for (people, has) in town.people.chunks(FIRST / 4).zip(town.has.chunks(FIRST / 4)) {
        cut(idle(arrive(process.address, people, has).await?))?;
    }
    process.rest().await?;
    let mut wires = idle(arrive(process.address, &town.people[..FIRST], &town.has[..FIRST]).await?);
    process.rest().await?;
    let before = process.memory()?;
    let mut figures = Vec::new();
    for size in sizes {
        let (cpu, from) = (process.cpu()?, wires.len());
        let (people, has) = (&town.people[from..size], &town.has[from..size]);
        wires.extend(idle(arrive(process.address, people, has).await?));
        let arrival = (process.cpu()? - cpu).as_secs_f64();
        process.rest().await?;
        let lost = wires.iter().filter(|wire| wire.is_lost()).count();
        let after = process.memory()?;
        let each = (after.anonymous as f64 - before.anonymous as f64) / (size - FIRST) as f64 / 1024.0;
        figures.push(
            Figure::new(
                1,
                format!("user memory of an idle socket, {size} sockets"),
                "KiB",
                each,
                size as u64,
            )
            .at_most(8.0)
            .cost((size - from) as f64, arrival)
            .note(format!(
                "{HELD} conversations held; {:.0} MiB resident; {lost} lost; CPU-seconds: upgrade and hello",
                after.resident as f64 / 1_048_576.0
            )),
        );
    }
    Ok(figures)
}

fn cut(wires: Vec<Wire>) -> Result<(), Error> {
    wires.into_iter().try_for_each(Wire::cut)
}

/// Everybody is lost at once, five messages are posted meanwhile, and everybody comes back and fetches them.
pub(crate) async fn row_9(bench: Bench<'_>) -> Result<Vec<Figure>, Error> {
    let size = bench.options.size(10_000, 1_000);
    let (process, town) = Process::seeded(&bench.options.binary, |seed| town(seed, size + 1)).await?;
    let poster = &town.people[size];
    let mut figures = Vec::new();
    let mut reached = 0;
    for jitter in [true, false] {
        let mut has: Vec<Has> = town.has[..size].to_vec();
        has.iter_mut().for_each(|has| {
            has.cursors.iter_mut().for_each(|(id, rev)| {
                if *id == town.everybody {
                    *rev = reached;
                }
            })
        });
        let wires = idle(arrive(process.address, &town.people[..size], &has).await?);
        process.rest().await?;
        cut(wires)?;
        let cut_at = Instant::now();
        post(process.address, poster, &town.has[size], town.everybody).await?;
        reached += MISSED;
        process.forget_peak()?;
        let cpu = process.cpu()?;
        let tries = Rc::new(Cell::new(0_u64));
        let begun = Instant::now();
        let coming = town.people[..size].iter().zip(has).map(|(person, has)| {
            let (token, tries) = (person.token.clone(), tries.clone());
            let (address, everybody) = (process.address, town.everybody);
            spawn_local(async move {
                let link = come_back(address, &token, &has, everybody, reached, jitter, &tries).await?;
                Ok::<_, Error>((link, begun.elapsed()))
            })
        });
        let coming: Vec<_> = coming.collect();
        let mut times = Latency::default();
        let mut wires = Vec::with_capacity(size);
        for coming in coming {
            let (link, time) = coming.await.map_err(|error| Error::Process(error.to_string()))??;
            times.record(time);
            wires.push(link);
        }
        let all = cut_at.elapsed().as_secs_f64();
        let cpu = (process.cpu()? - cpu).as_secs_f64();
        let how = if jitter { "full jitter" } else { "no jitter" };
        figures.push(
            Figure::new(
                9,
                format!("{size} sockets dropped, all back and complete, {how}"),
                "s",
                all,
                size as u64,
            )
            .at_most(10.0)
            .cost(size as f64, cpu)
            .times(&times)
            .note(format!(
                "{:.0} µs CPU a resume with one sync of {MISSED} messages; {} tries; peak {} MiB",
                cpu * 1e6 / size as f64,
                tries.get(),
                process.memory()?.peak / 1_048_576
            )),
        );
        cut(idle(wires))?;
        process.rest().await?;
    }
    Ok(figures)
}

/// What everybody misses.
async fn post(address: SocketAddr, poster: &Resident, has: &Has, to: ConversationId) -> Result<(), Error> {
    let acks = Rc::new(Cell::new(0));
    let theirs = acks.clone();
    let wire = Link::live(address, &poster.token, Some(has)).await?.listen(move |kind, _, _| {
        if kind == Kind::Ack {
            theirs.set(theirs.get() + 1);
        }
    });
    let mut bytes = Vec::new();
    (0..MISSED).for_each(|_| crate::load::frame::send(to, &mut bytes));
    if !wire.sender().write(&bytes) {
        return Err(Error::Deadline("a socket to take five messages".into()));
    }
    let begun = Instant::now();
    while acks.get() < MISSED {
        if wire.is_lost() || begun.elapsed() > Duration::from_secs(60) {
            return Err(Error::Deadline("the acks of what everybody misses".into()));
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    Ok(())
}

/// Connects as a client does that was cut off, until it is live and has everything.
async fn come_back(
    address: SocketAddr,
    token: &str,
    has: &Has,
    everybody: ConversationId,
    head: u64,
    jitter: bool,
    tries: &Cell<u64>,
) -> Result<Link, Error> {
    let (mut wait, mut turned_away) = (BACKOFF.0, 0);
    if jitter {
        tokio::time::sleep(wait.mul_f64(rand::random())).await;
    }
    loop {
        tries.set(tries.get() + 1);
        let coming = async {
            let mut link = Link::open(address, token).await?;
            let (_, differing) = link.hello(Some(has)).await?;
            for (conversation, rev) in differing {
                let mine = has.cursors.iter().find(|(id, _)| *id == conversation).map_or(0, |(_, rev)| *rev);
                let reached = link.catch_up(conversation, mine).await?;
                if reached < rev || (conversation == everybody && reached < head) {
                    return Err(Error::Unreadable(format!("complete to {reached} of {rev}")));
                }
            }
            Ok(link)
        };
        match coming.await {
            Ok(link) => return Ok(link),
            Err(error) if turned_away == TRIES => return Err(error),
            Err(_) => {
                turned_away += 1;
                wait = (wait * 2).min(BACKOFF.1);
                tokio::time::sleep(wait.mul_f64(rand::random())).await;
            }
        }
    }
}
