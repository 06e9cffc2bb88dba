//! What two nodes count of their doorbells, over a wire that can be cut.

use super::*;
use crate::bus::Subscription;
use crate::bus::channel::channel;
use crate::bus::wire::WireError;
use protocol::{Change, ConversationId, SessionId, UserId};
use std::sync::atomic::AtomicU8;
use tokio::time::sleep;

const UP: u8 = 0;
/// Says that it does not work.
const AWAY: u8 = 1;
/// Takes everything and passes nothing on.
const DEAF: u8 = 2;

/// From one node to the other.
struct Pipe {
    to: mpsc::Sender<Heard>,
    state: Arc<AtomicU8>,
    notes: Notes,
}

/// What was noted.
type Notes = Arc<std::sync::Mutex<Vec<Event>>>;

#[async_trait]
impl Wire for Pipe {
    async fn send(&self, parcels: Vec<Parcel>) -> Result<(), WireError> {
        match self.state.load(Ordering::Relaxed) {
            AWAY => return Err(WireError("away".to_owned())),
            DEAF => return Ok(()),
            _ => {}
        }
        for parcel in parcels {
            let _ended = self.to.send(Heard::Sealed(parcel.sealed)).await;
        }
        Ok(())
    }

    fn note(&self, event: Event) {
        self.notes.lock().unwrap().push(event);
    }

    fn is_up(&self) -> bool {
        true
    }

    async fn close(&self) {}
}

/// A node whose doorbells go to `to`, and which hears `heard`.
fn node(
    to: mpsc::Sender<Heard>,
    heard: mpsc::Receiver<Heard>,
) -> (Relay, impl Subscription, Arc<Metrics>, Arc<AtomicU8>) {
    let (relay, subscription, metrics, state, _) = noting(to, heard);
    (relay, subscription, metrics, state)
}

/// The same, and what it notes.
fn noting(
    to: mpsc::Sender<Heard>,
    heard: mpsc::Receiver<Heard>,
) -> (Relay, impl Subscription, Arc<Metrics>, Arc<AtomicU8>, Notes) {
    let (local, subscription) = channel(None);
    let (state, metrics) = (Arc::new(AtomicU8::new(UP)), Arc::new(Metrics::default()));
    let notes = Notes::default();
    let wire = Box::new(Pipe { to, state: state.clone(), notes: notes.clone() });
    let relay = Relay::start(local, Link { wire, heard }, &[7; 32], metrics.clone());
    (relay, subscription, metrics, state, notes)
}

fn ended() -> Stored {
    Stored::Ended { user: UserId::generate(), session: SessionId::generate(), token: None }
}

/// The next thing heard that is one of these.
async fn next(hearing: &mut impl Subscription, wanted: impl Fn(&Stored) -> bool) {
    while !wanted(&hearing.next().await.expect("the bus is open")) {}
}

fn is_ended(stored: &Stored) -> bool {
    matches!(stored, Stored::Ended { .. })
}

#[tokio::test(start_paused = true)]
async fn doorbells_are_counted_where_they_are_sent_heard_lost_and_missed() {
    let (to_other, from_one) = mpsc::channel(64);
    let (to_one, from_other) = mpsc::channel(64);
    let (one, _hearing, sent, wire) = node(to_other.clone(), from_other);
    let (other, mut hearing, heard, _) = node(to_one, from_one);
    for _ in 0..5 {
        one.publish(ended()).await;
        next(&mut hearing, is_ended).await;
    }
    // The clock of the paused runtime gives idle doorbells time to pass between.
    assert!(sent.doorbells_published.get() >= 5 && heard.doorbells_heard.get() >= 5);
    assert_eq!(heard.delivery.buckets().1, heard.doorbells_heard.get());
    assert_eq!((heard.doorbells_missed.get(), heard.bus_gaps_number.get()), (0, 0));
    assert_eq!(sent.publish.buckets().1, sent.doorbells_published.get(), "each by itself");

    // A broker that refuses: dropped here, and missed there once something is heard again.
    wire.store(AWAY, Ordering::Relaxed);
    one.publish(ended()).await;
    while sent.doorbells_dropped_broker.get() == 0 {
        tokio::task::yield_now().await;
    }
    wire.store(UP, Ordering::Relaxed);
    next(&mut hearing, |stored| matches!(stored, Stored::Missed)).await;
    assert_eq!(heard.doorbells_missed.get(), sent.doorbells_dropped_broker.get());
    assert_eq!(heard.bus_gaps_number.get(), 1);

    // One that swallows: nobody here knows, the other side does.
    let (dropped, missed) = (sent.doorbells_dropped_broker.get(), heard.doorbells_missed.get());
    wire.store(DEAF, Ordering::Relaxed);
    let published = sent.doorbells_published.get();
    one.publish(ended()).await;
    while sent.doorbells_published.get() == published {
        tokio::task::yield_now().await;
    }
    wire.store(UP, Ordering::Relaxed);
    next(&mut hearing, |stored| matches!(stored, Stored::Missed)).await;
    assert!(heard.doorbells_missed.get() > missed);
    assert_eq!(sent.doorbells_dropped_broker.get(), dropped);

    // What nobody sealed, and what a client dropped.
    to_other.send(Heard::Sealed(bytes::Bytes::from_static(b"nonsense"))).await.unwrap();
    to_other.send(Heard::Gap).await.unwrap();
    next(&mut hearing, |stored| matches!(stored, Stored::Missed)).await;
    assert_eq!((heard.doorbells_unsealed.get(), heard.bus_gaps_broker.get()), (1, 1));
    drop(to_other);
    let queues: Vec<_> =
        one.depths().into_iter().map(|depth| (depth.queue, depth.waiting, depth.room)).collect();
    assert_eq!(queues, [("delivery", queues[0].1, 1024), ("outgoing", 0, 4096)]);
    drop(other);
}

#[test]
fn a_node_knows_its_own_doorbells_by_their_beginning() {
    let seal = Seal::new(&[7; 32], "stored");
    for node in [NodeId::draw(), NodeId(1), NodeId(u64::MAX)] {
        let doorbell = Doorbell { node, number: 3, at: 0, stored: Cow::Owned(ended()) };
        let sealed = seal.close(&doorbell).unwrap();
        assert!(sealed[SEAL..].starts_with(beginning(node).as_bytes()));
        assert!(!sealed[SEAL..].starts_with(beginning(NodeId(12)).as_bytes()));
    }
}

#[tokio::test(start_paused = true)]
async fn it_is_noted_who_joined_and_left_and_which_node_is_silent() {
    let (to_other, from_one) = mpsc::channel(64);
    let (to_one, from_other) = mpsc::channel(64);
    let (one, _hearing, .., notes) = noting(to_other, from_other);
    let (other, _hears, _, wire, noted_there) = noting(to_one, from_one);
    let (conversation, user) = (ConversationId::generate(), UserId::generate());
    let change = |kind| Change { rev: 1, after: Some(0), at: None, kind };
    for kind in [ChangeKind::Joined { by: user, user }, ChangeKind::Left { by: user, user }] {
        let change = change(kind);
        one.publish(Stored::Change { conversation, kind: Kind::Group, change, origin: None }).await;
    }
    {
        let notes = notes.lock().unwrap();
        assert!(matches!(notes[0], Event::NodeStarted { .. }));
        assert!(matches!(notes[1], Event::Joined { user: whose, .. } if whose == user));
        assert!(matches!(notes[2], Event::Left { conversation: whose, .. } if whose == conversation));
    }
    let silent = || notes.lock().unwrap().iter().filter(|e| matches!(e, Event::NodeSilent { .. })).count();
    // The clock is paused: it goes on while everybody waits. Nobody is silent while there are beats.
    sleep(SILENT * 3).await;
    assert_eq!(silent(), 0);
    wire.store(DEAF, Ordering::Relaxed);
    sleep(SILENT * 3).await;
    assert_eq!(silent(), 1, "once");
    wire.store(UP, Ordering::Relaxed);
    sleep(SILENT * 3).await;
    wire.store(DEAF, Ordering::Relaxed);
    sleep(SILENT * 3).await;
    assert_eq!(silent(), 2, "and again when it was heard meanwhile");
    // What others noted of changes is theirs.
    assert_eq!(noted_there.lock().unwrap().len(), 1);
    // Its wire goes with it, and with that what the other one hears.
    drop(one);
    other.close().await;
    assert!(matches!(noted_there.lock().unwrap()[1], Event::NodeStopped { .. }));
}

#[tokio::test(start_paused = true)]
async fn who_does_not_hear_the_other_is_unsure_until_it_does() {
    let (to_other, from_one) = mpsc::channel(64);
    let (to_one, from_other) = mpsc::channel(64);
    let (one, _hearing, ..) = node(to_other, from_other);
    let (other, mut hearing, _, wire) = node(to_one, from_one);
    one.publish(ended()).await;
    next(&mut hearing, is_ended).await;
    // Its beats keep it known while nothing is stored.
    sleep(BEAT * 10).await;
    assert!(one.whole_since().is_some() && other.whole_since().is_some());
    wire.store(DEAF, Ordering::Relaxed);
    sleep(BEAT * 2).await;
    assert_eq!(one.whole_since(), None, "the other may have told something");
    assert!(other.whole_since().is_some());
    wire.store(UP, Ordering::Relaxed);
    sleep(BEAT * 2).await;
    assert!(one.whole_since().is_some());
}
