//! What the bus of a single process has to keep.

use super::super::channel::channel;
use super::super::{Bus, Stored, Subscription};
use super::*;
use futures::FutureExt;
use protocol::{ConversationId, UserId};

fn numbered(number: u128) -> Stored {
    let user = UserId::from_uuid(uuid::Uuid::from_u128(number));
    Stored::Typing { conversation: ConversationId::generate(), user }
}

/// The number of the next one; none where the bus is closed.
async fn next(subscription: &mut impl Subscription) -> Option<u128> {
    match within(SOON, "something is heard", subscription.next()).await? {
        Stored::Typing { user, .. } => Some(user.uuid().as_u128()),
        other => panic!("{other:?} was not published"),
    }
}

#[tokio::test]
async fn what_is_published_is_heard_once_in_order() {
    let (bus, mut subscription) = channel(None);
    let publishing = async {
        for number in 0..5000 {
            bus.publish(numbered(number)).await;
        }
    };
    let hearing = async {
        for number in 0..5000 {
            assert_eq!(next(&mut subscription).await, Some(number));
        }
    };
    tokio::join!(publishing, hearing);
}

#[tokio::test]
async fn a_full_bus_makes_publishing_wait_and_drops_whispers() {
    let (bus, mut subscription) = channel(None);
    let mut kept: Vec<u128> = Vec::new();
    while bus.whisper(numbered(kept.len() as u128)) {
        kept.push(kept.len() as u128);
        assert!(kept.len() < 100_000, "a bound");
    }
    let mut number = 1_000_000;
    while bus.publish(numbered(number)).now_or_never().is_some() {
        kept.push(number);
        number += 1;
        assert!(kept.len() < 100_000, "a bound");
    }
    let waiting = bus.publish(numbered(2_000_000));
    tokio::pin!(waiting);
    assert!(waiting.as_mut().now_or_never().is_none());
    for number in kept {
        assert_eq!(next(&mut subscription).await, Some(number));
    }
    within(SOON, "there is room", waiting).await;
    assert_eq!(next(&mut subscription).await, Some(2_000_000));
}

#[tokio::test]
async fn a_closed_bus_ends_after_what_was_published() {
    let (bus, mut subscription) = channel(None);
    for number in 0..10 {
        bus.publish(numbered(number)).await;
    }
    bus.close().await;
    bus.publish(numbered(10)).await;
    assert!(!bus.whisper(numbered(11)));
    for number in 0..10 {
        assert_eq!(next(&mut subscription).await, Some(number));
    }
    assert_eq!(next(&mut subscription).await, None);
}
