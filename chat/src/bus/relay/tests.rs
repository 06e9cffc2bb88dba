//! What two nodes count of their doorbells, over a wire that can be cut.

use super::*;
use crate::bus::Subscription;
use crate::bus::channel::channel;
use crate::bus::wire::WireError;
use protocol::{SessionId, UserId};
use std::sync::atomic::AtomicU8;

const UP: u8 = 0;
/// Says that it does not work.
const AWAY: u8 = 1;
/// Takes everything and passes nothing on.
const DEAF: u8 = 2;

/// From one node to the other.
struct Pipe {
    to: mpsc::Sender<Heard>,
    state: Arc<AtomicU8>,
}

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
    let (local, subscription) = channel(None);
    let (state, metrics) = (Arc::new(AtomicU8::new(UP)), Arc::new(Metrics::default()));
    let link = Link { wire: Box::new(Pipe { to, state: state.clone() }), heard };
    (Relay::start(local, link, &[7; 32], metrics.clone()), subscription, metrics, state)
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

#[tokio::test(start_paused = true)]
async fn who_does_not_hear_the_other_is_unsure_until_it_does() {
    let (to_other, from_one) = mpsc::channel(64);
    let (to_one, from_other) = mpsc::channel(64);
    let (one, _hearing, ..) = node(to_other, from_other);
    let (other, mut hearing, _, wire) = node(to_one, from_one);
    one.publish(ended()).await;
    next(&mut hearing, is_ended).await;
    // Its beats keep it known while nothing is stored.
    tokio::time::sleep(BEAT * 10).await;
    assert!(one.whole_since().is_some() && other.whole_since().is_some());
    wire.store(DEAF, Ordering::Relaxed);
    tokio::time::sleep(BEAT * 2).await;
    assert_eq!(one.whole_since(), None, "the other may have told something");
    assert!(other.whole_since().is_some());
    wire.store(UP, Ordering::Relaxed);
    tokio::time::sleep(BEAT * 2).await;
    assert!(one.whole_since().is_some());
}
