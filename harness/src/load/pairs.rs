//! Conversations of two, both live: one sends, the other receives. In a closed loop the next message follows the
//! `ack` of the last; in an open loop it goes out at its time, whatever the server does, and its latency counts from
//! that time, so that a server that stalls cannot hide it by slowing the load down.

use super::frame::{self, Kind};
use super::latency::Latency;
use super::link::{Has, Link, Sender, Wire};
use super::seed::{Resident, Seed};
use crate::Error;
use protocol::{ConversationId, Epoch};
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

/// How long the last answers may take after the load has ended.
const DRAIN: Duration = Duration::from_secs(20);
/// Shorter waits are spun through: the timer's own step is a millisecond.
const SPIN: Duration = Duration::from_millis(2);

/// Pairs as they are seeded.
#[derive(Clone, Debug)]
pub struct Couples {
    all: Vec<(Resident, Resident, ConversationId)>,
    epoch: Epoch,
}

impl Couples {
    /// That many pairs of people with a conversation each.
    pub fn seed(seed: &mut Seed, count: usize) -> Result<Self, Error> {
        let mut people = seed.people(2 * count, "")?.into_iter();
        let mut all = Vec::with_capacity(count);
        while let (Some(one), Some(other)) = (people.next(), people.next()) {
            let conversation = seed.direct(one.id, other.id)?;
            all.push((one, other, conversation));
        }
        Ok(Self { all, epoch: seed.epoch()? })
    }

    /// Pairs that were seeded by other means.
    pub const fn new(all: Vec<(Resident, Resident, ConversationId)>, epoch: Epoch) -> Self {
        Self { all, epoch }
    }

    /// The first so many of them.
    #[must_use]
    pub fn first(&self, count: usize) -> Self {
        Self { all: self.all.iter().take(count).cloned().collect(), epoch: self.epoch }
    }

    /// For another process.
    pub fn to_line(&self) -> String {
        let mut line = self.epoch.to_string();
        for (one, other, conversation) in &self.all {
            line.push_str(&format!(" {} {} {} {} {conversation}", one.id, one.token, other.id, other.token));
        }
        line
    }

    /// What another process has seeded.
    pub fn from_line(line: &str) -> Result<Self, Error> {
        let unreadable = || Error::Unreadable("pairs".into());
        let (epoch, rest) = line.split_once(' ').ok_or_else(unreadable)?;
        let words: Vec<&str> = rest.split_whitespace().collect();
        let resident = |id: &str, token: &str| {
            let id = id.parse().map_err(|_| unreadable())?;
            Ok::<_, Error>(Resident { id, username: String::new(), token: token.to_owned() })
        };
        let pair = |words: &[&str]| match words {
            [one, ones, other, others, conversation] => {
                let conversation = conversation.parse().map_err(|_| unreadable())?;
                Ok((resident(one, ones)?, resident(other, others)?, conversation))
            }
            _ => Err(unreadable()),
        };
        let all = words.chunks(5).map(pair).collect::<Result<_, _>>()?;
        Ok(Self { all, epoch: epoch.parse().map_err(|_| unreadable())? })
    }
}

/// What the pairs have done since they were last asked.
#[derive(Debug, Default)]
pub struct Tally {
    /// From sending, or from the time it was meant for, to the `ack`.
    pub acked: Latency,
    /// The same to `accepted`, from servers that queue.
    pub accepted: Latency,
    /// The same to the event on the other socket.
    pub received: Latency,
    /// Refused sends.
    pub refused: u64,
    /// Sends that the socket did not take.
    pub unsent: u64,
}

/// One pair: what it has sent and not yet heard of.
#[derive(Debug)]
struct Pair {
    conversation: ConversationId,
    sender: RefCell<Option<Sender>>,
    unacked: RefCell<VecDeque<Instant>>,
    /// Of servers that queue; of others it is emptied with the ack.
    unaccepted: RefCell<VecDeque<Instant>>,
    unreceived: RefCell<VecDeque<Instant>>,
}

#[derive(Debug, Default)]
struct Shared {
    tally: RefCell<Tally>,
    /// Whether an `ack` is followed by the next message.
    closed: Cell<bool>,
    /// Messages without an answer yet.
    open: Cell<usize>,
}

/// Live pairs.
#[derive(Debug)]
pub struct Pairs {
    pairs: Vec<Rc<Pair>>,
    shared: Rc<Shared>,
    wires: Vec<Wire>,
}

impl Pairs {
    /// Connects both sides of every pair.
    pub async fn connect(address: SocketAddr, couples: &Couples) -> Result<Self, Error> {
        Self::spread(&[address], couples).await
    }

    /// The same over several nodes in turn: where there is more than one, sender and receiver are never at the same.
    pub async fn spread(nodes: &[SocketAddr], couples: &Couples) -> Result<Self, Error> {
        let shared = Rc::new(Shared::default());
        let (mut pairs, mut wires) = (Vec::new(), Vec::new());
        let mut turn = nodes.iter().copied().cycle();
        for (one, other, conversation) in &couples.all {
            let Some(mine) = turn.next() else { break };
            let other_node = turn.clone().next().unwrap_or(mine);
            let has = Has { epoch: couples.epoch, cursors: vec![(*conversation, 0)] };
            let pair = Rc::new(Pair {
                conversation: *conversation,
                sender: RefCell::new(None),
                unacked: RefCell::default(),
                unaccepted: RefCell::default(),
                unreceived: RefCell::default(),
            });
            let (theirs, all) = (pair.clone(), shared.clone());
            let wire = Link::live(mine, &one.token, Some(&has)).await?.listen(move |kind, now, _| {
                match kind {
                    Kind::Accepted => {
                        if let Some(sent) = theirs.unaccepted.borrow_mut().pop_front() {
                            let time = now.saturating_duration_since(sent);
                            all.tally.borrow_mut().accepted.record(time);
                        }
                        return;
                    }
                    Kind::Ack => {}
                    Kind::Refused => {
                        all.tally.borrow_mut().refused += 1;
                        theirs.unreceived.borrow_mut().pop_back();
                        theirs.unaccepted.borrow_mut().pop_back();
                    }
                    _ => return,
                }
                let Some(sent) = theirs.unacked.borrow_mut().pop_front() else { return };
                all.open.set(all.open.get().saturating_sub(1));
                if kind == Kind::Ack {
                    all.tally.borrow_mut().acked.record(now.saturating_duration_since(sent));
                }
                // What a server does not queue it does not accept; and whoever has an ack waits for nothing before it.
                while theirs.unaccepted.borrow().len() > theirs.unacked.borrow().len() {
                    theirs.unaccepted.borrow_mut().pop_front();
                }
                if all.closed.get() {
                    theirs.send(&all, Instant::now());
                }
            });
            *pair.sender.borrow_mut() = Some(wire.sender().clone());
            let (theirs, all) = (pair.clone(), shared.clone());
            let other =
                Link::live(other_node, &other.token, Some(&has)).await?.listen(move |kind, now, _| {
                    if kind == Kind::Event
                        && let Some(sent) = theirs.unreceived.borrow_mut().pop_front()
                    {
                        all.tally.borrow_mut().received.record(now.saturating_duration_since(sent));
                    }
                });
            wires.extend([wire, other]);
            pairs.push(pair);
        }
        Ok(Self { pairs, shared, wires })
    }

    /// What was done since the last call.
    pub fn take(&self) -> Tally {
        self.shared.tally.take()
    }

    /// Sockets that were lost.
    pub fn lost(&self) -> usize {
        self.wires.iter().filter(|wire| wire.is_lost()).count()
    }

    /// Everybody sends one message after the other for this long. `measured` is called when the warm-up is over and
    /// at the end, before the last answers are waited for.
    pub async fn closed(
        &self,
        warm_up: Duration,
        time: Duration,
        mut measured: impl FnMut() -> Result<(), Error>,
    ) -> Result<(), Error> {
        self.shared.closed.set(true);
        for pair in &self.pairs {
            pair.send(&self.shared, Instant::now());
        }
        tokio::time::sleep(warm_up).await;
        measured()?;
        tokio::time::sleep(time).await;
        measured()?;
        self.shared.closed.set(false);
        self.drain().await
    }

    /// Sends `rate` messages a second in turn over all pairs, for this long.
    pub async fn open(&self, rate: f64, time: Duration) -> Result<(), Error> {
        self.send_all(rate, time, true).await
    }

    /// The same on cores that the servers need as well: what is due within a step of the timer goes out at its end, at
    /// most a millisecond or two late, which counts.
    pub async fn open_beside(&self, rate: f64, time: Duration) -> Result<(), Error> {
        self.send_all(rate, time, false).await
    }

    async fn send_all(&self, rate: f64, time: Duration, spin: bool) -> Result<(), Error> {
        let schedule = Schedule::new(Instant::now(), rate);
        let end = Instant::now() + time;
        for turn in 0_u32.. {
            let due = schedule.due(turn);
            if due >= end {
                break;
            }
            if spin {
                until(due).await;
            } else if due > Instant::now() {
                tokio::time::sleep_until(due.into()).await;
            }
            self.pairs[turn as usize % self.pairs.len()].send(&self.shared, due);
        }
        self.drain().await
    }

    async fn drain(&self) -> Result<(), Error> {
        let end = Instant::now() + DRAIN;
        while self.shared.open.get() > 0 {
            if Instant::now() > end || self.lost() > 0 {
                let (open, lost) = (self.shared.open.get(), self.lost());
                return Err(Error::Deadline(format!("answers to {open} messages; {lost} sockets were lost")));
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Ok(())
    }
}

impl Pair {
    fn send(&self, shared: &Shared, intended: Instant) {
        let mut bytes = Vec::with_capacity(400);
        frame::send(self.conversation, &mut bytes);
        let sent = self.sender.borrow().as_ref().is_some_and(|sender| sender.write(&bytes));
        if sent {
            self.unacked.borrow_mut().push_back(intended);
            self.unaccepted.borrow_mut().push_back(intended);
            self.unreceived.borrow_mut().push_back(intended);
            shared.open.set(shared.open.get() + 1);
        } else {
            shared.tally.borrow_mut().unsent += 1;
        }
    }
}

/// When each message of an open loop is due. Computed from the beginning, so that nothing drifts.
#[derive(Clone, Copy, Debug)]
pub struct Schedule {
    begun: Instant,
    rate: f64,
}

impl Schedule {
    /// So many a second, from `begun` on.
    pub fn new(begun: Instant, rate: f64) -> Self {
        Self { begun, rate: rate.max(0.001) }
    }

    /// When the nth one (from 0) is due, whatever became of those before.
    pub fn due(&self, turn: u32) -> Instant {
        self.begun + Duration::from_secs_f64(f64::from(turn) / self.rate)
    }
}

/// Waits for a time, to the microsecond: the load has a core of its own to spin on.
pub async fn until(due: Instant) {
    loop {
        let left = due.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return;
        } else if left > SPIN {
            tokio::time::sleep(left - SPIN).await;
        } else {
            tokio::task::yield_now().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_open_loop_does_not_drift_and_does_not_wait() {
        let begun = Instant::now();
        let schedule = Schedule::new(begun, 400.0);
        assert_eq!(schedule.due(0), begun);
        assert_eq!(schedule.due(1) - begun, Duration::from_micros(2500));
        assert_eq!(schedule.due(400_000) - begun, Duration::from_secs(1000));
    }

    #[tokio::test]
    async fn a_time_that_is_over_is_not_waited_for() {
        let now = Instant::now();
        until(now).await;
        let due = Instant::now() + Duration::from_millis(5);
        until(due).await;
        assert!(Instant::now() >= due);
    }
}
