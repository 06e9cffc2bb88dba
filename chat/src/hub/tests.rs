//! Subscriptions from both sides.

use super::*;

fn somebody() -> Identity {
    Identity { user: UserId::generate(), session: SessionId::generate() }
}

fn drained(socket: &Socket) -> usize {
    let mut frames = Vec::new();
    socket.drain(&mut frames);
    frames.len()
}

#[test]
fn a_subscription_counts_once_and_ends_with_its_socket() {
    let hub = Hub::new();
    let (ada, conversation) = (somebody(), ConversationId::generate());
    let (one, other) = (hub.attach(ada), hub.attach(ada));
    hub.subscribe(&one, conversation, 0);
    hub.subscribe(&one, conversation, 0);
    hub.fan_out(conversation, |_, _| Some(Bytes::from_static(b"{}")));
    assert_eq!((drained(&one), drained(&other)), (1, 0));

    assert!(!hub.detach(&one), "not the last one");
    assert!(!hub.hears(conversation));
    hub.subscribe(&one, conversation, 0);
    assert!(!hub.hears(conversation), "a detached socket is not subscribed again");
    assert_eq!(hub.presence(ada.user), Presence::Offline, "without a hello");
    other.step(Presence::Online);
    assert_eq!(hub.presence(ada.user), Presence::Online);
    assert!(hub.detach(&other), "the last one");
    assert_eq!(hub.presence(ada.user), Presence::Offline);
    assert_eq!(hub.count(), 0);
}

#[test]
fn a_queue_is_bounded_in_frames_and_in_bytes() {
    let hub = Hub::new();
    let (frames, bytes) = (hub.attach(somebody()), hub.attach(somebody()));
    for _ in 0..protocol::limits::QUEUE_FRAMES {
        frames.push_bytes(Bytes::from_static(b"{}"));
    }
    assert!(!frames.is_closing());
    frames.push_bytes(Bytes::from_static(b"{}"));
    assert!(frames.is_closing());
    let half = Bytes::from(vec![b' '; protocol::limits::QUEUE_BYTES / 2 + 1]);
    bytes.push_bytes(half.clone());
    assert!(!bytes.is_closing());
    bytes.push_bytes(half);
    assert!(bytes.is_closing());
    let large = hub.attach(somebody());
    large.push_bytes(Bytes::from(vec![b' '; protocol::limits::QUEUE_BYTES * 2]));
    assert!(!large.is_closing(), "one large frame passes when it is alone");
    assert_eq!(drained(&large), 1);
}
