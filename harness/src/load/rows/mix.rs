//! Row 21: the realistic mix. What Mattermost's load test does for one post, from people who pause between two
//! actions as they do there, until the server is too slow for them.

use crate::Error;
use crate::load::Bench;
use crate::load::crowd::arrive;
use crate::load::frame::{self, Kind};
use crate::load::http::Http;
use crate::load::latency::Latency;
use crate::load::link::{Has, Link, Wire};
use crate::load::pairs::{Schedule, until};
use crate::load::process::Process;
use crate::load::report::Figure;
use crate::load::seed::{Resident, Seed};
use protocol::{ConversationId, UserId};
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::net::Ipv4Addr;
use std::rc::Rc;
use std::time::{Duration, Instant};
use tokio::task::spawn_local;

/// Actions for each post, and their share of it. Searches (0.02 a post) are left out: this server has none yet.
const MIX: [(Action, f64); 6] = [
    (Action::Switch, 6.5),
    (Action::Scroll, 2.0),
    (Action::Unread, 1.0),
    (Action::Post, 1.0),
    (Action::Open, 0.98),
    (Action::Reconnect, 0.14),
];
/// Seconds between two actions of one person: AvgIdleTimeMs of Mattermost's load test.
const PAUSE: f64 = 20.0;
/// What an action may take, 99 times of 100, in milliseconds.
const LIMIT: f64 = 2_000.0;
/// Members of a group, groups and direct conversations of a person, messages in each of them.
const MEMBERS: usize = 20;
const GROUPS: usize = 8;
const DIRECTS: usize = 4;
const HISTORY: u64 = 100;
/// Connections for requests, used in turn; an action waits for one.
const CONNECTIONS: usize = 64;
/// Actions under way; more, and the server is behind for good.
const UNDER_WAY: usize = 4_000;

#[derive(Clone, Copy, Debug)]
enum Action {
    Switch,
    Scroll,
    Unread,
    Post,
    Open,
    Reconnect,
}

/// One person of the mix.
#[derive(Debug)]
struct Citizen {
    who: Resident,
    rooms: Vec<ConversationId>,
    friend: UserId,
    has: Has,
    wire: RefCell<Option<Wire>>,
    unacked: RefCell<VecDeque<Instant>>,
}

#[derive(Debug, Default)]
struct Tally {
    times: RefCell<Latency>,
    failed: Cell<u64>,
    under_way: Cell<usize>,
}

impl Tally {
    fn done(&self, due: Instant, well: bool) {
        self.under_way.set(self.under_way.get().saturating_sub(1));
        self.times.borrow_mut().record(due.elapsed());
        if !well {
            self.failed.set(self.failed.get() + 1);
        }
    }
}

fn city(seed: &mut Seed, count: usize) -> Result<Vec<Citizen>, Error> {
    let people = seed.people(count, "")?;
    let mut rooms: Vec<Vec<ConversationId>> = vec![Vec::new(); count];
    let mut all = Vec::new();
    for round in 0..GROUPS {
        let order: Vec<usize> = (0..count).map(|place| (place * (2 * round + 1) + round) % count).collect();
        for members in order.chunks(MEMBERS) {
            let mut members = members.to_vec();
            members.sort_unstable();
            members.dedup();
            let ids: Vec<UserId> = members.iter().map(|&member| people[member].id).collect();
            let group = seed.group(&ids)?;
            members.iter().for_each(|&member| rooms[member].push(group));
            all.push((group, ids[0]));
        }
    }
    for step in 1..=DIRECTS / 2 {
        for one in 0..count {
            let other = (one + step) % count;
            let direct = seed.direct(people[one].id, people[other].id)?;
            rooms[one].push(direct);
            rooms[other].push(direct);
            all.push((direct, people[one].id));
        }
    }
    seed.messages(&all, all.len() as u64 * HISTORY / 4)?;
    let epoch = seed.epoch()?;
    let friends: Vec<UserId> = (0..count).map(|place| people[(place + 1) % count].id).collect();
    let citizens = people.into_iter().zip(rooms).zip(friends).map(|((who, rooms), friend)| Citizen {
        who,
        has: Has { epoch, cursors: rooms.iter().map(|room| (*room, 0)).collect() },
        rooms,
        friend,
        wire: RefCell::default(),
        unacked: RefCell::default(),
    });
    Ok(citizens.collect())
}

/// How many people one machine carries.
pub(crate) async fn row_21(bench: Bench<'_>) -> Result<Vec<Figure>, Error> {
    let (count, seconds, mut rate) = bench.options.size((2_000, 6, 500.0), (200, 2, 200.0));
    let (process, citizens) = Process::seeded(&bench.options.binary, |seed| city(seed, count)).await?;
    let tally = Rc::new(Tally::default());
    let citizens: Vec<Rc<Citizen>> = citizens.into_iter().map(Rc::new).collect();
    let people: Vec<Resident> = citizens.iter().map(|citizen| citizen.who.clone()).collect();
    let has: Vec<Has> = citizens.iter().map(|citizen| citizen.has.clone()).collect();
    for (link, citizen) in arrive(process.address, &people, &has).await?.into_iter().zip(&citizens) {
        live(citizen, link, &tally);
    }
    let mut kept = Vec::new();
    for _ in 0..CONNECTIONS {
        kept.push(Rc::new(tokio::sync::Mutex::new(None)));
    }
    process.rest().await?;
    let mut best = None;
    loop {
        let cpu = process.cpu()?;
        let begun = Instant::now();
        tally.times.take();
        tally.failed.set(0);
        let begun_all = step(&process, &citizens, &kept, &tally, rate, Duration::from_secs(seconds)).await;
        let (times, failed) = (tally.times.take(), tally.failed.get());
        let busy = (process.cpu()? - cpu).as_secs_f64() / begun.elapsed().as_secs_f64();
        let fits = begun_all && times.p99() < LIMIT && failed * 1000 <= times.count();
        if fits {
            best = Some((rate, times, failed, busy));
            rate *= 1.4;
        }
        if !fits || bench.options.quick {
            break;
        }
    }
    let Some((rate, times, failed, busy)) = best else {
        return Err(Error::Deadline(format!("{rate} actions a second were too many")));
    };
    Ok(vec![
        Figure::new(21, "users carried with p99 < 2 s", "users", rate * PAUSE, times.count())
            .at_least(217.0)
            .times(&times)
            .note(format!(
                "{rate:.0} actions/s, one each {PAUSE} s a user; {count} sockets live; {failed} failed; the server's \
                 core {:.0} % busy; target: Mattermost's 217 on 2 + 2 CPUs; no searches",
                busy * 100.0
            )),
    ])
}

fn live(citizen: &Rc<Citizen>, link: Link, tally: &Rc<Tally>) {
    let (theirs, tally) = (citizen.clone(), tally.clone());
    let wire = link.listen(move |kind, _, _| {
        if matches!(kind, Kind::Ack | Kind::Refused)
            && let Some(due) = theirs.unacked.borrow_mut().pop_front()
        {
            tally.done(due, kind == Kind::Ack);
        }
    });
    *citizen.wire.borrow_mut() = Some(wire);
}

type Kept = Rc<tokio::sync::Mutex<Option<Http>>>;

/// One rate for a while. False: too many were under way, or did not come to an end.
async fn step(
    process: &Process,
    citizens: &[Rc<Citizen>],
    kept: &[Kept],
    tally: &Rc<Tally>,
    rate: f64,
    time: Duration,
) -> bool {
    let schedule = Schedule::new(Instant::now(), rate);
    let end = Instant::now() + time;
    for turn in 0_u32.. {
        let due = schedule.due(turn);
        if due >= end {
            break;
        }
        until(due).await;
        if tally.under_way.get() > UNDER_WAY {
            return false;
        }
        let citizen = citizens[(rand::random::<f64>() * citizens.len() as f64) as usize].clone();
        let http = kept[turn as usize % kept.len()].clone();
        let (address, tally) = (process.address, tally.clone());
        let action = draw(rand::random());
        tally.under_way.set(tally.under_way.get() + 1);
        spawn_local(async move {
            if let Action::Post = action {
                post(&citizen, &tally, due);
                return;
            }
            let well = match action {
                Action::Reconnect => reconnect(address, &citizen, &tally).await,
                _ => request(address, &citizen, &http, action).await,
            };
            tally.done(due, well.is_ok());
        });
    }
    let patience = Instant::now() + Duration::from_secs(10);
    while tally.under_way.get() > 0 {
        if Instant::now() > patience {
            return false;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    true
}

fn draw(share: f64) -> Action {
    let whole: f64 = MIX.iter().map(|(_, weight)| weight).sum();
    let mut left = share * whole;
    for (action, weight) in MIX {
        if left < weight {
            return action;
        }
        left -= weight;
    }
    Action::Switch
}

fn post(citizen: &Citizen, tally: &Tally, due: Instant) {
    let room = citizen.rooms[(rand::random::<f64>() * citizen.rooms.len() as f64) as usize];
    let mut bytes = Vec::with_capacity(400);
    frame::send(room, &mut bytes);
    let wire = citizen.wire.borrow();
    match wire.as_ref() {
        Some(wire) if wire.sender().write(&bytes) => citizen.unacked.borrow_mut().push_back(due),
        // Between two connections: a client keeps it in its outbox, here it is no action.
        None => tally.under_way.set(tally.under_way.get().saturating_sub(1)),
        Some(_) => tally.done(due, false),
    }
}

async fn reconnect(
    address: std::net::SocketAddr,
    citizen: &Rc<Citizen>,
    tally: &Rc<Tally>,
) -> Result<(), Error> {
    // Whoever waits for an ack stays.
    if !citizen.unacked.borrow().is_empty() {
        return Ok(());
    }
    let Some(wire) = citizen.wire.take() else { return Ok(()) };
    wire.cut()?;
    let link = Link::live(address, &citizen.who.token, Some(&citizen.has)).await?;
    live(citizen, link, tally);
    Ok(())
}

async fn request(
    address: std::net::SocketAddr,
    citizen: &Citizen,
    kept: &Kept,
    action: Action,
) -> Result<(), Error> {
    let mut kept = kept.lock().await;
    let mut http = match kept.take() {
        Some(http) => http,
        None => Http::open(address, Ipv4Addr::LOCALHOST, "").await?,
    };
    http.speak_for(&citizen.who.token);
    let room = citizen.rooms[(rand::random::<f64>() * citizen.rooms.len() as f64) as usize];
    let path = format!("/api/v1/conversations/{room}");
    let answers = match action {
        Action::Switch => {
            let page = http.get(&format!("{path}/messages?limit=50")).await?;
            let read = http.post(&format!("{path}/read"), r#"{"seq":1000000000}"#).await?;
            vec![page, read]
        }
        Action::Scroll => vec![http.get(&format!("{path}/messages?before=60&limit=50")).await?],
        Action::Unread => vec![http.get("/api/v1/conversations").await?],
        _ => {
            let json = format!(r#"{{"kind":"direct","user":"{}"}}"#, citizen.friend);
            vec![http.post("/api/v1/conversations", &json).await?]
        }
    };
    *kept = Some(http);
    match answers.iter().find(|answer| answer.status >= 300) {
        Some(answer) => Err(Error::Unreadable(format!("{action:?} was answered with {}", answer.status))),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn actions_come_in_the_shares_of_the_mix() {
        let mut posts = 0;
        let mut switches = 0;
        for step in 0..11_620 {
            match draw(f64::from(step) / 11_620.0) {
                Action::Post => posts += 1,
                Action::Switch => switches += 1,
                _ => {}
            }
        }
        assert_eq!((posts, switches), (1_000, 6_500));
    }
}
