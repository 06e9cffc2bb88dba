//! What people do all the time: they send, answer and name one another, edit, take back, react and pin, ask again for what
//! may have been lost, read, come and go.

use super::team::{Room, Team};
use crate::Error;
use crate::history::{History, compose};
use crate::recorder::Recent;
use crate::recorder::request::Request;
use crate::recorder::truth::change_membership;
use protocol::{ConversationId, Emoji, Nonce};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval};

/// Requests that are remembered for late retries; the oldest are forgotten.
const REMEMBERED: usize = 2_000;
/// Share of requests that are repeated with the same nonce.
const REPEATED: f64 = 0.3;
/// Share of ticks at which somebody reads, and of those that name an older message.
const READ: f64 = 0.5;
const READ_BACK: f64 = 0.4;
/// Older messages that are named: the first ones, so that a mark that moves there has moved back.
const OLDEST: u64 = 20;
/// How often, beside each 100 sends, something is done to a message: edits, recalls, reactions, pins.
const EDITS: u32 = 5;
const RECALLS: u32 = 2;
const REACTIONS: u32 = 5;
const PINS: u32 = 1;
/// Share of sends that name somebody or everybody, and of those that answer a message.
const NAMING: f64 = 0.1;
const ANSWERING: f64 = 0.1;
/// Share of reactions and pins that are taken away; of the names, how many are everybody.
const AWAY: f64 = 0.3;
const EVERYBODY: f64 = 0.2;
/// Few, so that people choose the same ones.
const EMOJI: [&str; 3] = ["👍", "❤️", "🎉"];
/// Between two changes of membership.
const CHURN: Duration = Duration::from_secs(1);
/// Characters of most messages, of some, and of the few that fill queues.
const SHORT: std::ops::Range<usize> = 10..200;
const MIDDLE: std::ops::Range<usize> = 1_000..3_000;
const LONG: usize = 15_000;

/// A request that was handed to a device.
#[derive(Clone, Debug)]
struct Sent {
    device: usize,
    nonce: Nonce,
    conversation: ConversationId,
    request: Request,
}

/// Everything the tasks of a workload share.
#[derive(Debug)]
struct Shared {
    team: Arc<Team>,
    history: History,
    sent: Mutex<Ledger>,
}

#[derive(Debug, Default)]
struct Ledger {
    sent: VecDeque<Sent>,
    count: u64,
}

/// A workload, running or paused. Dropped, it ends.
#[derive(Debug)]
pub struct Workload {
    shared: Arc<Shared>,
    active: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
}

impl Workload {
    /// Starts one that does so much each second. It is paused at first.
    pub fn new(team: Arc<Team>, history: History, per_second: u32, seed: u64) -> Self {
        let shared = Arc::new(Shared { team, history, sent: Mutex::default() });
        let active = watch::Sender::new(false);
        let each = Duration::from_secs(1) / per_second.max(1);
        let talking = talk(Arc::clone(&shared), active.subscribe(), each, StdRng::seed_from_u64(seed));
        let moving = churn(Arc::clone(&shared), active.subscribe(), StdRng::seed_from_u64(!seed));
        let tasks = vec![tokio::spawn(talking), tokio::spawn(moving)];
        Self { shared, active, tasks }
    }

    /// Goes on.
    pub fn go(&self) {
        self.active.send_replace(true);
    }

    /// Stops after what is being done just now.
    pub fn pause(&self) {
        self.active.send_replace(false);
    }

    /// Hands out `count` messages at once, all long or all short, from all sides.
    pub async fn burst(&self, count: usize, long: bool, random: &mut StdRng) -> Result<(), Error> {
        for _ in 0..count {
            let room = if long { &self.shared.team.rooms[0] } else { self.shared.room(random) };
            let size = if long { LONG } else { random.random_range(SHORT) };
            self.shared.send(room, size, random).await?;
        }
        Ok(())
    }

    /// Asks so many of the oldest requests once more, each from any device of its sender.
    pub async fn repeat_old(&self, count: usize, random: &mut StdRng) -> Result<usize, Error> {
        let oldest: Vec<Sent> = self.shared.ledger().sent.iter().take(count).cloned().collect();
        for sent in &oldest {
            self.shared.repeat(sent, random).await?;
        }
        Ok(oldest.len())
    }

    /// Ends it, after what is being done: everything that was asked for is in the history.
    pub async fn stop(self) -> Result<(), Error> {
        let Self { active, tasks, .. } = self;
        active.send_replace(false);
        drop(active);
        for task in tasks {
            task.await.map_err(|error| Error::Unreadable(format!("the workload failed: {error}")))?;
        }
        Ok(())
    }
}

impl Shared {
    /// Held for a few instructions, never over an await.
    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.sent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn room(&self, random: &mut StdRng) -> &Room {
        &self.team.rooms[random.random_range(0..self.team.rooms.len())]
    }

    /// Any device of the same person, the given one among them.
    fn device_of(&self, person: usize, random: &mut StdRng) -> usize {
        let devices = &self.team.people[person].devices;
        devices[random.random_range(0..devices.len())]
    }

    async fn send(&self, room: &Room, size: usize, random: &mut StdRng) -> Result<(), Error> {
        let person = room.members[random.random_range(0..room.members.len())];
        let place = self.device_of(person, random);
        let device = &self.team.devices[place];
        let mut text = words(size, random);
        if random.random_bool(NAMING) {
            let named = room.members[random.random_range(0..room.members.len())];
            let everybody = random.random_bool(EVERYBODY);
            let name = if everybody { "all" } else { &self.team.people[named].username };
            text = format!("{text} @{name}.");
        }
        let text = compose(device.name(), self.number(), &text);
        let known =
            random.random_bool(ANSWERING).then(|| device.recent(|it| it.conversation == room.conversation));
        let reply_to = known.and_then(|known| pick(&known, random)).map(|recent| recent.message);
        self.ask(place, room.conversation, Request::Send { text, reply_to }, random).await
    }

    /// Does something to a message that came lately, where there is one.
    async fn act(&self, random: &mut StdRng) -> Result<(), Error> {
        let dice = random.random_range(0..100);
        if dice >= EDITS + RECALLS + REACTIONS + PINS {
            return Ok(());
        }
        let own = dice < EDITS + RECALLS;
        let place = random.random_range(0..self.team.devices.len());
        let device = &self.team.devices[place];
        let Some(recent) = pick(&device.recent(|it| !own || it.sender == device.user()), random) else {
            return Ok(());
        };
        let message = recent.message;
        let on = !random.random_bool(AWAY);
        let request = if dice < EDITS {
            let text = compose(device.name(), self.number(), &words(random.random_range(SHORT), random));
            Request::Edit { message, text }
        } else if own {
            Request::Recall { message }
        } else if dice < EDITS + RECALLS + REACTIONS {
            let emoji = EMOJI[random.random_range(0..EMOJI.len())];
            let emoji: Emoji =
                emoji.parse().map_err(|error| Error::Unreadable(format!("{emoji}: {error}")))?;
            Request::React { message, emoji, on }
        } else {
            Request::Pin { message, on }
        };
        self.ask(place, recent.conversation, request, random).await
    }

    /// A number that no other text of the run has.
    fn number(&self) -> u64 {
        let mut ledger = self.ledger();
        ledger.count += 1;
        ledger.count
    }

    /// Hands a request to a device, perhaps twice, and remembers it.
    async fn ask(
        &self,
        place: usize,
        conversation: ConversationId,
        request: Request,
        random: &mut StdRng,
    ) -> Result<(), Error> {
        let device = &self.team.devices[place];
        let settled = device.status().unsent == 0;
        let nonce = device.request(conversation, request.clone()).await?;
        let sent = Sent { device: place, nonce, conversation, request };
        if random.random_bool(REPEATED) {
            // At once only where nothing of the same device waits before it: a repeat that overtakes what waits would
            // break the sender's order by its own doing.
            let again = if settled { Some(sent.clone()) } else { self.any_settled(random) };
            if let Some(again) = again {
                self.repeat(&again, random).await?;
            }
        }
        let mut ledger = self.ledger();
        ledger.sent.push_back(sent);
        if ledger.sent.len() > REMEMBERED {
            ledger.sent.pop_front();
        }
        Ok(())
    }

    /// Some request whose device has an answer to everything it sent.
    fn any_settled(&self, random: &mut StdRng) -> Option<Sent> {
        let ledger = self.ledger();
        let place = (!ledger.sent.is_empty()).then(|| random.random_range(0..ledger.sent.len()))?;
        ledger.sent.get(place).filter(|sent| self.team.devices[sent.device].status().unsent == 0).cloned()
    }

    async fn repeat(&self, sent: &Sent, random: &mut StdRng) -> Result<(), Error> {
        let device = self.device_of(self.team.owners[sent.device], random);
        self.team.devices[device].repeat(sent.nonce.clone(), sent.conversation, sent.request.clone()).await
    }

    async fn read(&self, random: &mut StdRng) -> Result<(), Error> {
        let room = self.room(random);
        let device = self.device_of(room.members[random.random_range(0..room.members.len())], random);
        let seq = random.random_bool(READ_BACK).then(|| random.random_range(1..=OLDEST));
        self.team.devices[device].read(room.conversation, seq).await
    }
}

/// Waits while the workload is paused; false once it has ended.
async fn goes_on(active: &mut watch::Receiver<bool>) -> bool {
    active.wait_for(|active| *active).await.is_ok() && active.has_changed().is_ok()
}

fn pick(known: &[Recent], random: &mut StdRng) -> Option<Recent> {
    (!known.is_empty()).then(|| known[random.random_range(0..known.len())])
}

fn words(size: usize, random: &mut StdRng) -> String {
    let letters: String = (0..size).map(|_| char::from(random.random_range(b'a'..=b'z'))).collect();
    // Quotes, escapes and characters of every length on the wire.
    format!("{letters} \"\\ äß 字 🦀")
}

async fn talk(shared: Arc<Shared>, mut active: watch::Receiver<bool>, each: Duration, mut random: StdRng) {
    let mut ticks = interval(each);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        if !goes_on(&mut active).await {
            return;
        }
        let size = match random.random_range(0..100) {
            0 => LONG,
            1..10 => random.random_range(MIDDLE),
            _ => random.random_range(SHORT),
        };
        let room = shared.room(&mut random);
        let done = async {
            shared.send(room, size, &mut random).await?;
            shared.act(&mut random).await?;
            if random.random_bool(READ) { shared.read(&mut random).await } else { Ok(()) }
        };
        // A device only fails by ending, and then the run is over.
        if done.await.is_err() {
            return;
        }
    }
}

/// Lets people come to and go from the revolving rooms: added and removed by the founder, or leaving by themselves.
async fn churn(shared: Arc<Shared>, mut active: watch::Receiver<bool>, mut random: StdRng) {
    let rooms: Vec<&Room> = shared.team.rooms.iter().filter(|room| room.revolving).collect();
    if rooms.is_empty() {
        return;
    }
    let mut away: Vec<Vec<usize>> = vec![Vec::new(); rooms.len()];
    let mut ticks = interval(CHURN);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        if !goes_on(&mut active).await {
            return;
        }
        let place = random.random_range(0..rooms.len());
        let room = rooms[place];
        let others = &room.members[1..];
        let subject = others[random.random_range(0..others.len())];
        // What was asked for without an answer may have been done: asking for the other way next tells.
        let join = away[place].contains(&subject);
        away[place].retain(|&person| person != subject);
        if !join {
            away[place].push(subject);
        }
        let people = &shared.team.people;
        let by = if join || random.random_bool(0.5) { &people[room.members[0]] } else { &people[subject] };
        let (conversation, subject) = (room.conversation, people[subject].user);
        change_membership(&by.client, by.user, &shared.history, conversation, subject, join).await;
    }
}
