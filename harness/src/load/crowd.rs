//! The members of one big group, all live: counts what reaches them and when the last one has it.

use super::frame::{self, Kind};
use super::latency::Latency;
use super::link::{Has, Link, Wire};
use super::seed::Resident;
use crate::Error;
use futures::{StreamExt, TryStreamExt};
use protocol::ConversationId;
use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};
use tokio::sync::Notify;
use tokio::time::timeout;

/// Sockets that are opened side by side.
const AT_ONCE: usize = 64;
/// How long a message may take to the last member.
const DELIVERY: Duration = Duration::from_secs(20);

/// Deliveries of a crowd.
#[derive(Debug, Default)]
struct Tally {
    delivered: Cell<u64>,
    refused: Cell<u64>,
    /// When this many are delivered, `rung` is rung.
    target: Cell<u64>,
    reached: Cell<Option<Instant>>,
    rung: Notify,
    sent: Cell<Option<Instant>>,
    each: RefCell<Latency>,
}

/// Live members of a group.
#[derive(Debug)]
pub struct Crowd {
    conversation: ConversationId,
    wires: Vec<Wire>,
    tally: Rc<Tally>,
}

/// Opens a live socket for each of these people, in their order.
pub async fn arrive(address: SocketAddr, people: &[Resident], has: &[Has]) -> Result<Vec<Link>, Error> {
    futures::stream::iter(people.iter().zip(has))
        .map(|(person, has)| Link::live(address, &person.token, Some(has)))
        .buffered(AT_ONCE)
        .try_collect()
        .await
}

impl Crowd {
    /// Takes live sockets as members of this conversation.
    pub fn of(conversation: ConversationId, links: Vec<Link>) -> Self {
        let tally = Rc::new(Tally::default());
        let wires = links.into_iter().map(|link| {
            let tally = tally.clone();
            link.listen(move |kind, now, _| match kind {
                Kind::Event | Kind::Ack => tally.one(now),
                Kind::Refused => tally.refused.set(tally.refused.get() + 1),
                _ => {}
            })
        });
        Self { conversation, wires: wires.collect(), tally }
    }

    /// How many members.
    pub fn size(&self) -> usize {
        self.wires.len()
    }

    /// Frames delivered so far; the sender's `ack` is one.
    pub fn delivered(&self) -> u64 {
        self.tally.delivered.get()
    }

    /// Sends that were refused.
    pub fn refused(&self) -> u64 {
        self.tally.refused.get()
    }

    /// Members that were lost.
    pub fn lost(&self) -> usize {
        self.wires.iter().filter(|wire| wire.is_lost()).count()
    }

    /// When each member had it, over all messages since the last call.
    pub fn take_each(&self) -> Latency {
        self.tally.each.take()
    }

    /// Sends that many messages in one write, as one of the members. Does not wait.
    pub fn post(&self, member: usize, count: usize) -> Result<(), Error> {
        let mut bytes = Vec::with_capacity(400 * count);
        for _ in 0..count {
            frame::send(self.conversation, &mut bytes);
        }
        self.tally.sent.set(Some(Instant::now()));
        match self.wires[member].sender().write(&bytes) {
            true => Ok(()),
            false => Err(Error::Deadline("the socket to take a burst".into())),
        }
    }

    /// Sends one message and waits until the last member has it. Answers how long that took.
    pub async fn one(&self, member: usize) -> Result<Duration, Error> {
        let begun = Instant::now();
        self.aim(self.delivered() + self.size() as u64);
        self.post(member, 1)?;
        Ok(self.reached().await?.saturating_duration_since(begun))
    }

    /// From here on, [`reached`](Self::reached) waits for this many deliveries in all.
    pub fn aim(&self, target: u64) {
        self.tally.reached.set(None);
        self.tally.target.set(target);
    }

    /// Waits for the target. Answers when it was reached.
    pub async fn reached(&self) -> Result<Instant, Error> {
        loop {
            if let Some(at) = self.tally.reached.get() {
                return Ok(at);
            }
            if self.delivered() >= self.tally.target.get() {
                return Ok(Instant::now());
            }
            if timeout(DELIVERY, self.tally.rung.notified()).await.is_err() {
                return Err(Error::Deadline(format!(
                    "{} of {} deliveries; {} of {} members were lost, {} sends refused",
                    self.delivered(),
                    self.tally.target.get(),
                    self.lost(),
                    self.size(),
                    self.refused(),
                )));
            }
        }
    }

    /// The sockets, to do something else with them.
    pub fn into_wires(self) -> Vec<Wire> {
        self.wires
    }
}

impl Tally {
    fn one(&self, now: Instant) {
        let delivered = self.delivered.get() + 1;
        self.delivered.set(delivered);
        if let Some(sent) = self.sent.get() {
            self.each.borrow_mut().record(now.saturating_duration_since(sent));
        }
        if delivered == self.target.get() {
            self.reached.set(Some(now));
            self.rung.notify_one();
        }
    }
}
