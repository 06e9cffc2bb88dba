//! A database with history in it: catching up (row 10), the conversation list (row 11), pages (row 12).

use crate::Error;
use crate::load::Bench;
use crate::load::http::Http;
use crate::load::latency::Latency;
use crate::load::link::{Has, Link};
use crate::load::process::Process;
use crate::load::report::Figure;
use crate::load::seed::{Resident, Seed, sql};
use protocol::{ConversationId, Epoch};
use rusqlite::{Connection, OpenFlags};
use std::cell::RefCell;
use std::net::Ipv4Addr;
use std::rc::Rc;
use std::time::Instant;
use tempfile::TempDir;

/// Conversations of the one who reads.
const CONVERSATIONS: usize = 500;
/// Messages a conversation has on the average.
const EACH: u64 = 2_000;
/// Messages a conversation that changed has moved on by.
const BEHIND: u64 = 20;

/// The generated database, shared by the rows and runs that read it.
#[derive(Debug, Default)]
pub struct Library(RefCell<Option<Rc<Shelf>>>);

/// A generated database and the one who reads in it.
#[derive(Debug)]
pub(super) struct Shelf {
    pub(super) folder: TempDir,
    reader: Resident,
    epoch: Epoch,
    /// The reader's conversations with their heads.
    heads: Vec<(ConversationId, u64)>,
    messages: u64,
}

impl Library {
    /// The database; generated when it is first asked for.
    pub(super) async fn shelf(&self, bench: Bench<'_>) -> Result<Rc<Shelf>, Error> {
        if let Some(shelf) = self.0.borrow().clone() {
            return Ok(shelf);
        }
        let folder = TempDir::new()?;
        let mut process = Process::on(&bench.options.binary, folder.path()).await?;
        process.stop().await?;
        let mut seed = Seed::open(&folder.path().join("confab.db"))?;
        let messages = bench.options.stored();
        let shelf = Rc::new(fill(&mut seed, folder, messages)?);
        seed.close()?;
        *self.0.borrow_mut() = Some(shelf.clone());
        Ok(shelf)
    }
}

fn fill(seed: &mut Seed, folder: TempDir, messages: u64) -> Result<Shelf, Error> {
    let count = CONVERSATIONS.max((messages / EACH) as usize);
    let people = seed.people(count + 1, "")?;
    let (reader, others) = (people[0].clone(), &people[1..]);
    let mut rooms = Vec::with_capacity(count);
    // The reader's conversations are spread over the busy and the quiet ones.
    let mine = |place: usize| place * CONVERSATIONS / count != (place + 1) * CONVERSATIONS / count;
    for (place, other) in others.iter().enumerate() {
        let next = &others[(place + 1) % others.len()];
        let members = if mine(place) { [reader.id, other.id] } else { [next.id, other.id] };
        rooms.push((seed.group(&members)?, other.id));
    }
    let heads = seed.messages(&rooms, messages)?;
    let all = rooms.iter().zip(heads).enumerate();
    let heads = all.filter(|(place, _)| mine(*place)).map(|(_, ((id, _), head))| (*id, head)).collect();
    Ok(Shelf { folder, reader, epoch: seed.epoch()?, heads, messages })
}

/// Back after an absence in which some conversations moved on.
pub(crate) async fn row_10(bench: Bench<'_>) -> Result<Vec<Figure>, Error> {
    let shelf = bench.library.shelf(bench).await?;
    let process = Process::on(&bench.options.binary, shelf.folder.path()).await?;
    let repeats = bench.options.size(40, 5);
    let mut figures = Vec::new();
    for changed in [0, 10, 100, CONVERSATIONS] {
        let cursors = shelf.heads.iter().enumerate().map(|(place, (id, head))| {
            let behind = if place < changed { BEHIND } else { 0 };
            (*id, head.saturating_sub(behind))
        });
        let has = Has { epoch: shelf.epoch, cursors: cursors.collect() };
        let mut latency = Latency::default();
        let mut cpu = process.cpu()?;
        for turn in 0..=repeats {
            if turn == 1 {
                (latency, cpu) = (Latency::default(), process.cpu()?); // the first one filled the caches
            }
            let begun = Instant::now();
            let mut link = Link::open(process.address, &shelf.reader.token).await?;
            let (_, differing) = link.hello(Some(&has)).await?;
            for (conversation, rev) in differing {
                let mine = has.cursors.iter().find(|(id, _)| *id == conversation).map_or(0, |(_, rev)| *rev);
                if link.catch_up(conversation, mine).await? < rev {
                    return Err(Error::Unreadable("a sync that is not complete".into()));
                }
            }
            latency.record(begun.elapsed());
        }
        let spent = (process.cpu()? - cpu).as_secs_f64();
        figures.push(
            Figure::new(
                10,
                format!("catch-up, {changed} of {CONVERSATIONS} conversations changed"),
                "ms",
                latency.p50(),
                repeats,
            )
            .cost(repeats as f64, spent)
            .times(&latency)
            .note(format!(
                "{:.2} ms CPU; each changed one synced by {BEHIND} messages",
                spent * 1e3 / repeats as f64
            )),
        );
    }
    Ok(figures)
}

/// The list with exact unread counts.
pub(crate) async fn row_11(bench: Bench<'_>) -> Result<Vec<Figure>, Error> {
    let shelf = bench.library.shelf(bench).await?;
    let process = Process::on(&bench.options.binary, shelf.folder.path()).await?;
    let mut http = Http::open(process.address, Ipv4Addr::LOCALHOST, &shelf.reader.token).await?;
    let repeats = bench.options.size(300, 20);
    let (latency, cpu, bytes) =
        repeat(&process, &mut http, repeats, || "/api/v1/conversations".into()).await?;
    Ok(vec![
        Figure::new(
            11,
            format!("list of {CONVERSATIONS} conversations with unread, p50"),
            "ms",
            latency.p50(),
            repeats,
        )
        .at_most(5.0)
        .cost(repeats as f64, cpu)
        .times(&latency)
        .note(format!("{:.2} ms CPU, {} KiB", cpu * 1e3 / repeats as f64, bytes / 1024)),
    ])
}

/// Pages of 50 at any depth.
pub(crate) async fn row_12(bench: Bench<'_>) -> Result<Vec<Figure>, Error> {
    let shelf = bench.library.shelf(bench).await?;
    let process = Process::on(&bench.options.binary, shelf.folder.path()).await?;
    let mut http = Http::open(process.address, Ipv4Addr::LOCALHOST, &shelf.reader.token).await?;
    let repeats = bench.options.size(5_000, 200);
    let anywhere = || {
        let (id, head) = shelf.heads[(rand::random::<f64>() * shelf.heads.len() as f64) as usize];
        (id, 51 + (rand::random::<f64>() * head.saturating_sub(50) as f64) as u64)
    };
    let bare = bare_pages(&shelf, repeats, anywhere)?;
    let path = || {
        let (id, before) = anywhere();
        format!("/api/v1/conversations/{id}/messages?before={before}&limit=50")
    };
    let (latency, cpu, bytes) = repeat(&process, &mut http, repeats, path).await?;
    Ok(vec![
        Figure::new(
            12,
            format!("page of 50 in {} messages, any depth, p99", shelf.messages),
            "ms",
            latency.p99(),
            repeats,
        )
        .at_most(1.0)
        .over(Some(bare.p99()))
        .cost(repeats as f64, cpu)
        .times(&latency)
        .note(format!(
            "{:.0} µs CPU, {} KiB over HTTP; floor: bare SQLite",
            cpu * 1e6 / repeats as f64,
            bytes / 1024
        )),
    ])
}

/// Requests one after the other: times, processor time in seconds, bytes of the last answer.
async fn repeat(
    process: &Process,
    http: &mut Http,
    repeats: u64,
    mut path: impl FnMut() -> String,
) -> Result<(Latency, f64, usize), Error> {
    let (mut latency, mut cpu, mut bytes) = (Latency::default(), process.cpu()?, 0);
    let warm_up = repeats / 5;
    for turn in 0..warm_up + repeats {
        if turn == warm_up {
            (latency, cpu) = (Latency::default(), process.cpu()?);
        }
        let path = path();
        let begun = Instant::now();
        let answer = http.get(&path).await?;
        latency.record(begun.elapsed());
        if answer.status != 200 {
            return Err(Error::Unreadable(format!("{path} was answered with {}", answer.status)));
        }
        bytes = answer.body.len();
    }
    Ok((latency, (process.cpu()? - cpu).as_secs_f64(), bytes))
}

/// The same pages read by SQLite directly.
fn bare_pages(
    shelf: &Shelf,
    repeats: u64,
    anywhere: impl Fn() -> (ConversationId, u64),
) -> Result<Latency, Error> {
    let file = shelf.folder.path().join("confab.db");
    let database = Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_ONLY).map_err(sql)?;
    let mut page = database
        .prepare("SELECT id, sender, nonce, body, sent_at FROM message WHERE conversation = ? AND seq < ? ORDER BY seq DESC LIMIT 50")
        .map_err(sql)?;
    let mut latency = Latency::default();
    for _ in 0..repeats {
        let (id, before) = anywhere();
        let begun = Instant::now();
        let bodies: Result<Vec<String>, _> = page
            .query_map(rusqlite::params![&id.as_bytes()[..], before as i64], |row| row.get(3))
            .map_err(sql)?
            .collect();
        bodies.map_err(sql)?;
        latency.record(begun.elapsed());
    }
    Ok(latency)
}
