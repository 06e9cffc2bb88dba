//! The bus of several nodes: each hears itself at once, through a channel, and the others over a wire.
//!
//! Doorbells of a node are numbered. A hearer that misses a number tells its node so ([`Stored::Missed`]); a node that has
//! nothing to say says that every [`BEAT`], so that a loss shows while nobody writes. While the broker is away doorbells are
//! dropped, and numbered all the same: writers do not wait for it, and who hears again knows what they missed.

mod peers;

use self::peers::Peers;
use super::channel::Channel;
use super::sealed::{SEAL, Seal};
use super::wire::{Event, Heard, Link, Parcel, Subject, Wire};
use super::{Bus, NodeId, Stored};
use crate::clock::micros;
use crate::metrics::{Depth, Metrics};
use crate::pace::Pace;
use async_trait::async_trait;
use protocol::{ChangeKind, Kind};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock, Weak};
use std::time::Duration;
use tokio::sync::{Mutex, mpsc};
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout, timeout_at};

/// Doorbells that may wait for the broker. When full, publishing waits for [`FULL`], then they are dropped until the
/// broker takes some again.
const OUTGOING: usize = 4096;
const FULL: Duration = Duration::from_millis(200);
/// Doorbells handed to the broker together.
const BATCH: usize = 256;
/// Between two sendings under load: the broker works for each, and so does every node that hears it.
const GATHER: Duration = Duration::from_millis(1);
/// How long a node is silent at most.
const BEAT: Duration = Duration::from_secs(1);
/// Nodes whose last number is remembered; more than any cluster has. When full, all are forgotten and begin anew.
const NODES: usize = 1_000;
/// A node that is not heard for so long has stopped, hangs or is cut off.
const SILENT: Duration = Duration::from_secs(10);

/// What goes over the wire, under seal.
#[derive(Serialize, Deserialize)]
struct Doorbell<'a> {
    node: NodeId,
    number: u64,
    /// When it was published, by its node's clock, in microseconds since 1970; 0 where the node is too old to say.
    #[serde(default)]
    at: u64,
    stored: Cow<'a, Stored>,
}

/// What every doorbell of a node begins with behind its seal. Some brokers give a node its own back, which is half of what
/// it hears or more, and needs no opening; whoever forges one is not heard.
fn beginning(node: NodeId) -> String {
    format!("{{\"node\":{},", node.0)
}

/// Where a doorbell goes; none where it stays here.
fn subject(stored: &Stored) -> Option<Subject> {
    match stored {
        Stored::Change { conversation, kind: Kind::Direct, .. } => Some(Subject::Direct(*conversation)),
        Stored::Change { conversation, .. }
        | Stored::Opened { conversation, .. }
        | Stored::Read { conversation, .. }
        | Stored::Typing { conversation, .. } => Some(Subject::Group(*conversation)),
        Stored::Personal { user, .. } | Stored::Ended { user, .. } | Stored::Presence { user, .. } => {
            Some(Subject::User(*user))
        }
        Stored::Answered { origin, .. } => Some(Subject::User(origin.user)),
        Stored::Redeemed { .. } | Stored::Beat => Some(Subject::Nodes),
        Stored::Missed => None,
    }
}

/// What those who run the cluster may want to know of it.
fn event(stored: &Stored) -> Option<Event> {
    let Stored::Change { conversation, kind: Kind::Group, change, .. } = stored else { return None };
    let conversation = *conversation;
    match change.kind {
        ChangeKind::Joined { by, user } => Some(Event::Joined { conversation, user, by }),
        ChangeKind::Left { by, user } => Some(Event::Left { conversation, user, by }),
        _ => None,
    }
}

/// The name of this machine, where the system says it.
fn machine() -> String {
    #[cfg(target_os = "linux")]
    return rustix::system::uname().nodename().to_string_lossy().into_owned();
    #[cfg(not(target_os = "linux"))]
    return String::new();
}

/// What publishers and the task that sends share.
struct Outgoing {
    node: NodeId,
    wire: Box<dyn Wire>,
    /// Dropped since the last one that was sent: they have numbers too.
    dropped: AtomicU64,
    /// The broker takes nothing: no use waiting for it.
    stuck: AtomicBool,
    metrics: Arc<Metrics>,
}

/// A doorbell that waits, and since when.
type Waiting = (u64, Stored);

/// See the module.
pub(crate) struct Relay {
    local: Arc<Channel>,
    queue: RwLock<Option<mpsc::Sender<Waiting>>>,
    outgoing: Arc<Outgoing>,
    peers: Arc<Peers>,
    tasks: Mutex<Option<(JoinHandle<()>, JoinHandle<()>)>>,
}

impl Relay {
    /// Starts to relay between a channel and a wire.
    pub(crate) fn start(local: Channel, link: Link, key: &[u8; 32], metrics: Arc<Metrics>) -> Self {
        let (seal, node, local) = (Seal::new(key, "stored"), NodeId::draw(), Arc::new(local));
        let Link { wire, heard } = link;
        let (dropped, stuck) = (AtomicU64::default(), AtomicBool::default());
        let outgoing = Arc::new(Outgoing { node, wire, dropped, stuck, metrics });
        let version = env!("CARGO_PKG_VERSION");
        outgoing.wire.note(Event::NodeStarted { node, machine: machine(), version });
        let (queue, waiting) = mpsc::channel(OUTGOING);
        let sending = tokio::spawn(send(outgoing.clone(), waiting, seal.clone()));
        let peers = Arc::new(Peers::default());
        let hearing =
            tokio::spawn(hear(local.clone(), heard, seal, node, peers.clone(), Arc::downgrade(&outgoing)));
        let (queue, tasks) = (RwLock::new(Some(queue)), Mutex::new(Some((sending, hearing))));
        Self { local, queue, outgoing, peers, tasks }
    }

    fn queue(&self) -> Option<mpsc::Sender<Waiting>> {
        self.queue.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn drop_one(&self) {
        self.outgoing.dropped.fetch_add(1, Ordering::Relaxed);
        self.outgoing.metrics.doorbells_dropped_full.inc();
    }
}

#[async_trait]
impl Bus for Relay {
    async fn publish(&self, stored: Stored) {
        if let Some(event) = event(&stored) {
            self.outgoing.wire.note(event);
        }
        self.local.publish(stored.clone()).await;
        let Some(queue) = self.queue() else { return };
        let Err(full) = queue.try_send((micros(), stored)) else { return };
        if self.outgoing.stuck.load(Ordering::Relaxed) {
            return self.drop_one();
        }
        if timeout(FULL, queue.send(full.into_inner())).await.is_err() {
            if !self.outgoing.stuck.swap(true, Ordering::Relaxed) {
                tracing::warn!("the broker takes nothing: other nodes look into the store by themselves");
            }
            self.drop_one();
        }
    }

    fn whisper(&self, stored: Stored) -> bool {
        if let Some(queue) = self.queue()
            && queue.capacity() > OUTGOING / 2
            && queue.try_send((micros(), stored.clone())).is_err()
        {
            self.drop_one();
        }
        self.local.whisper(stored)
    }

    fn is_up(&self) -> bool {
        self.outgoing.wire.is_up()
    }

    fn whole_since(&self) -> Option<Instant> {
        self.peers.whole_since().filter(|_| self.is_up())
    }

    fn depths(&self) -> Vec<Depth> {
        let outgoing = self.queue().map(|queue| Depth::of("outgoing", &queue));
        self.local.depths().into_iter().chain(outgoing).collect()
    }

    async fn close(&self) {
        self.queue.write().unwrap_or_else(PoisonError::into_inner).take();
        if let Some((sending, hearing)) = self.tasks.lock().await.take() {
            let _ended = sending.await;
            self.outgoing.wire.note(Event::NodeStopped { node: self.outgoing.node });
            self.outgoing.wire.close().await;
            let _ended = hearing.await;
        }
        self.local.close().await;
    }
}

/// Numbers, seals and sends what waits, until the queue is closed and empty.
async fn send(outgoing: Arc<Outgoing>, mut waiting: mpsc::Receiver<Waiting>, seal: Seal) {
    let node = outgoing.node;
    let (mut number, mut batch) = (0, Vec::with_capacity(BATCH));
    let mut pace = Pace::new(GATHER);
    loop {
        pace.turn().await;
        // Measured from the last one, whatever it was.
        let silence = Instant::now() + BEAT;
        match timeout_at(silence, waiting.recv_many(&mut batch, BATCH)).await {
            Ok(0) => return,
            Ok(_) => {}
            Err(_) => batch.push((micros(), Stored::Beat)),
        }
        pace.begun(batch.len(), BATCH);
        number += outgoing.dropped.swap(0, Ordering::Relaxed);
        let parcels = batch.drain(..).filter_map(|(at, stored)| {
            let subject = subject(&stored)?;
            number += 1;
            let sealed = seal.close(&Doorbell { node, number, at, stored: Cow::Owned(stored) }).ok()?;
            Some(Parcel { subject, sealed })
        });
        let parcels: Vec<_> = parcels.collect();
        let (count, began) = (parcels.len() as u64, Instant::now());
        let sent = outgoing.wire.send(parcels).await;
        outgoing.metrics.publish.time(began.elapsed());
        match sent {
            Ok(()) => {
                outgoing.metrics.doorbells_published.add(count);
                if outgoing.stuck.swap(false, Ordering::Relaxed) {
                    tracing::info!("the broker takes doorbells again");
                }
            }
            Err(error) => {
                outgoing.metrics.doorbells_dropped_broker.add(count);
                tracing::debug!(%error, "doorbells were lost");
            }
        }
    }
}

/// What was heard of a node.
struct Neighbour {
    /// The number of its last doorbell.
    number: u64,
    at: Instant,
    /// That it is silent has been told.
    silent: bool,
}

/// Tells of those that are not heard any more, once.
fn look_for_silent(neighbours: &mut HashMap<NodeId, Neighbour>, wire: &dyn Wire) {
    for (node, neighbour) in neighbours {
        if !neighbour.silent && neighbour.at.elapsed() > SILENT {
            neighbour.silent = true;
            wire.note(Event::NodeSilent { node: *node });
        }
    }
}

/// How long something was on its way, which its node published at `at` by its own clock, in microseconds.
fn late(at: u64) -> Duration {
    // A node that is too old to say is believed to be quick.
    Duration::from_micros(if at > 0 { micros().saturating_sub(at) } else { 0 })
}

/// Hands what other nodes tell to this one, until the wire is closed.
async fn hear(
    local: Arc<Channel>,
    mut heard: mpsc::Receiver<Heard>,
    seal: Seal,
    node: NodeId,
    peers: Arc<Peers>,
    // Not more: it has the wire, and the hearing ends when that is dropped.
    outgoing: Weak<Outgoing>,
) {
    let Some(metrics) = outgoing.upgrade().map(|outgoing| outgoing.metrics.clone()) else { return };
    let (mut last, own) = (HashMap::new(), beginning(node));
    let mut strangers = false;
    let mut look = interval(SILENT / 4);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let heard = tokio::select! {
            // Whoever waits here to be heard is not silent.
            biased;
            heard = heard.recv() => heard,
            _ = look.tick() => {
                if let Some(outgoing) = outgoing.upgrade() {
                    look_for_silent(&mut last, &*outgoing.wire);
                }
                continue;
            }
        };
        let sealed = match heard {
            None => return,
            Some(Heard::Sealed(sealed))
                if sealed.get(SEAL..).is_some_and(|json| json.starts_with(own.as_bytes())) =>
            {
                continue;
            }
            Some(Heard::Sealed(sealed)) => sealed,
            Some(Heard::Gap) => {
                last.clear();
                if let Some(outgoing) = outgoing.upgrade() {
                    outgoing.wire.note(Event::NodeMissed { node });
                }
                metrics.bus_gaps_broker.inc();
                local.publish(Stored::Missed).await;
                continue;
            }
        };
        let Some(Doorbell { node: from, number, at, stored }) = seal.open::<Doorbell>(&sealed) else {
            metrics.doorbells_unsealed.inc();
            if !strangers {
                strangers = true;
                tracing::error!(
                    "somebody who does not share this database rings on the bus: give each team a prefix of its own"
                );
            }
            continue;
        };
        if last.len() >= NODES && !last.contains_key(&from) {
            last.clear();
        }
        let now = Neighbour { number, at: Instant::now(), silent: false };
        match last.insert(from, now).map(|before| before.number) {
            // A node that was not heard before: a new one begins with the first number.
            None if number == 1 => {}
            Some(before) if before + 1 == number => {}
            // Doubled, or overtaken: that it was missing has been told.
            Some(before) if number <= before => {
                if let Some(neighbour) = last.get_mut(&from) {
                    neighbour.number = before;
                }
                continue;
            }
            before => {
                match before {
                    Some(before) => {
                        metrics.bus_gaps_number.inc();
                        metrics.doorbells_missed.add(number - before - 1);
                    }
                    None => metrics.bus_gaps_newcomer.inc(),
                }
                local.publish(Stored::Missed).await;
            }
        }
        metrics.heard(at);
        match stored.into_owned() {
            Stored::Missed | Stored::Beat => {}
            moment @ (Stored::Typing { .. } | Stored::Presence { .. }) => {
                local.whisper(moment);
            }
            stored => local.publish(stored).await,
        }
        // After it, so that what waits here counts as late, too.
        peers.heard(from, late(at));
    }
}

#[cfg(test)]
mod tests;
