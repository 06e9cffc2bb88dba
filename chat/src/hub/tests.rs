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
    let hub = Hub::new(Arc::default());
    let (ada, conversation) = (somebody(), ConversationId::generate());
    let (one, other) = (hub.attach(ada), hub.attach(ada));
    hub.subscribe(&one, conversation, Floor::default());
    hub.subscribe(&one, conversation, Floor::default());
    hub.fan_out(conversation, None, |_, _| Some(Bytes::from_static(b"{}")));
    assert_eq!((drained(&one), drained(&other)), (1, 0));

    assert!(!hub.detach(&one), "not the last one");
    assert!(!hub.hears(conversation));
    hub.subscribe(&one, conversation, Floor::default());
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
    let hub = Hub::new(Arc::default());
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

#[tokio::test]
async fn a_crowd_is_woken_in_turns_and_who_asked_at_once() {
    let hub = Hub::new(Arc::default());
    let conversation = ConversationId::generate();
    let sockets: Vec<_> = (0..AT_ONCE * 3).map(|_| hub.attach(somebody())).collect();
    let woken = Arc::new(AtomicUsize::new(0));
    let mut waiting = Vec::new();
    for socket in &sockets {
        hub.subscribe(socket, conversation, Floor::default());
        let (socket, woken) = (socket.clone(), woken.clone());
        waiting.push(tokio::spawn(async move {
            socket.wait().await;
            woken.fetch_add(1, Ordering::Relaxed);
        }));
    }
    tokio::task::yield_now().await;
    let asked = sockets.last().unwrap();
    hub.fan_out(conversation, Some(asked.id()), |_, _| Some(Bytes::from_static(b"{}")));
    assert_eq!(
        sockets.iter().map(|socket| drained(socket)).sum::<usize>(),
        sockets.len(),
        "all have it already"
    );
    waiting.pop().unwrap().await.unwrap();
    // A task that is ready now stands behind a part of the crowd, not behind all of it.
    let other = tokio::spawn({
        let woken = woken.clone();
        async move { woken.load(Ordering::Relaxed) }
    });
    let before = other.await.unwrap();
    assert!(before <= 2 * TURN, "{before} of the crowd came first");
    for waiting in waiting {
        waiting.await.unwrap();
    }
}
