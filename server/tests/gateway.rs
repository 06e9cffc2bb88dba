//! The live connection: the door, bad frames, hello, heartbeats and slow readers.

use harness::client::text;
use harness::replica::Applied;
use harness::{Error, Handshake, Person, Replica, Scene, Server, Socket};
use protocol::frame::close;
use protocol::{ChangeKind, ClientFrame, Code, ConversationId, Epoch, ServerFrame, limits};
use serde_json::json;
use std::time::Duration;
use tokio::time::timeout;

const CONFAB: &str = env!("CARGO_BIN_EXE_confab");

/// The status a handshake is refused with; 101 where it is not.
async fn door(base: &str, handshake: Handshake) -> u16 {
    match Socket::open(base, handshake).await {
        Ok(_) => 101,
        Err(error) => error.status().unwrap_or_else(|| panic!("neither in nor refused: {error}")),
    }
}

#[tokio::test]
async fn a_cookie_only_works_from_our_own_pages() {
    let Scene { server, people: [ada] } = Scene::open(CONFAB, ["ada"]).await.unwrap();
    let base = server.base();
    let cookie = || Handshake::cookie(ada.client.token());
    assert_eq!(door(base, cookie().origin(base)).await, 101);
    let host = base.trim_start_matches("http://");
    let strangers = [
        "http://evil.example".to_owned(),
        "null".to_owned(),
        String::new(),
        format!("{base}.evil.example"),
        format!("http://evil.example/{host}"),
        format!("http://{host}@evil.example"),
        "http://127.0.0.1".to_owned(),
        "http://127.0.0.1:1".to_owned(),
    ];
    for origin in strangers {
        assert_eq!(door(base, cookie().origin(&origin)).await, 403, "{origin}");
    }
    assert_eq!(door(base, cookie()).await, 403, "no Origin at all");

    // Programs carry a header no page can set.
    assert_eq!(door(base, Handshake::bearer(ada.client.token())).await, 101);
}

#[tokio::test]
async fn the_public_address_is_our_own_page_too() {
    let server = Server::start_with(CONFAB, &["--public-url", "https://chat.example"]).await.unwrap();
    let ada = Person::register(&server.client().unwrap(), "ada").await.unwrap();
    let cookie = || Handshake::bare().header("Cookie", format!("__Host-confab={}", ada.client.token()));
    assert_eq!(door(server.base(), cookie().origin("https://chat.example")).await, 101);
    for origin in ["https://chat.example.evil.example", "http://chat.example", "https://evil.example"] {
        assert_eq!(door(server.base(), cookie().origin(origin)).await, 403, "{origin}");
    }
}

#[tokio::test]
async fn nobody_comes_in_without_a_session() {
    let Scene { server, people: [ada] } = Scene::open(CONFAB, ["ada"]).await.unwrap();
    let base = server.base();
    assert!(matches!(door(base, Handshake::bare()).await, 401 | 403));
    assert_eq!(door(base, Handshake::bare().origin(base)).await, 401);
    assert_eq!(door(base, Handshake::cookie("made-up").origin(base)).await, 401);
    assert_eq!(door(base, Handshake::bearer("made-up")).await, 401);
    assert_eq!(door(base, Handshake::bearer("")).await, 401);
    let by_name = Handshake::ticket(&format!("x&user_id={}&client_id={}", ada.id(), ada.id()));
    assert_eq!(door(base, by_name).await, 401);
    let token_in_address = Handshake::ticket(&format!("x&token={}", ada.client.token()));
    assert_eq!(door(base, token_in_address).await, 401);
    assert_eq!(door(base, Handshake::ticket(ada.client.token())).await, 401, "a token is no ticket");
}

#[tokio::test]
async fn a_ticket_works_once() {
    let Scene { server, people: [ada] } = Scene::open(CONFAB, ["ada"]).await.unwrap();
    let ticket = ada.client.ticket().await.unwrap();
    assert!(ticket.expires_in_ms > 0 && ticket.expires_in_ms <= 30_000);
    let mut socket = Socket::open(server.base(), Handshake::ticket(&ticket.ticket)).await.unwrap();
    assert_eq!(socket.hello().await.unwrap().user.id, ada.id());
    assert_eq!(door(server.base(), Handshake::ticket(&ticket.ticket)).await, 401);

    // It stands for the session it was asked from, and falls with it.
    let phone = ada.second_device().await.unwrap();
    let ticket = phone.client.ticket().await.unwrap();
    phone.client.sign_out().await.unwrap();
    assert_eq!(door(server.base(), Handshake::ticket(&ticket.ticket)).await, 401);
}

#[tokio::test]
async fn an_ordinary_request_to_the_socket_is_answered_like_one() {
    let Scene { server: _server, people: [ada] } = Scene::open(CONFAB, ["ada"]).await.unwrap();
    let answer = ada.client.get("/ws").await.unwrap();
    assert!((400..500).contains(&answer.status), "{}", answer.status);
    ada.socket().await.unwrap();
}

#[derive(Debug)]
enum Bad {
    Text(String),
    Bytes(Vec<u8>),
    NotUtf8(Vec<u8>),
}

#[tokio::test]
async fn a_bad_frame_closes_its_own_socket_only() {
    let Scene { server: _server, people: [ada, ben] } = Scene::open(CONFAB, ["ada", "ben"]).await.unwrap();
    let room = ada.client.direct(ben.id()).await.unwrap().id;
    let (mut bystander, mut bens_other) = (ada.socket().await.unwrap(), ben.socket().await.unwrap());
    let hello = json!({"type": "hello", "protocol": 1}).to_string();
    let ping = json!({"type": "ping", "n": 1}).to_string();
    let huge = format!(r#"{{"type": "ping", "n": 1, "pad": "{}"}}"#, "x".repeat(limits::FRAME_BYTES));
    let deep = "[".repeat(60_000);
    let cases = [
        (true, Bad::Text(r#"{"type": "ping", "n""#.into()), close::PROTOCOL),
        (true, Bad::Text("hello there".into()), close::PROTOCOL),
        (true, Bad::Text(String::new()), close::PROTOCOL),
        (true, Bad::Text("[1, 2]".into()), close::PROTOCOL),
        (true, Bad::Text(deep), close::PROTOCOL),
        (true, Bad::Bytes(ping.clone().into_bytes()), close::TYPE),
        (true, Bad::Bytes(Vec::new()), close::TYPE),
        (true, Bad::NotUtf8(vec![b'"', 0xff, 0xfe, b'"']), close::NOT_UTF8),
        (true, Bad::NotUtf8(vec![0xed, 0xa0, 0x80]), close::NOT_UTF8),
        (true, Bad::Text(huge.clone()), close::TOO_LARGE),
        (true, Bad::Bytes(vec![0; limits::FRAME_BYTES + 1]), close::TOO_LARGE),
        (false, Bad::Text(ping), close::PROTOCOL),
        (false, Bad::Text(r#"{"type": "dance"}"#.into()), close::PROTOCOL),
        (false, Bad::Text("{".into()), close::PROTOCOL),
        (false, Bad::Bytes(hello.into_bytes()), close::TYPE),
        (false, Bad::Text(huge), close::TOO_LARGE),
        (false, Bad::Text(r#"{"type": "hello", "protocol": 2}"#.into()), close::UPGRADE),
        (false, Bad::Text(r#"{"type": "hello", "protocol": 0}"#.into()), close::UPGRADE),
    ];
    for (number, (after_hello, bad, code)) in cases.into_iter().enumerate() {
        let mut socket = ben.connect().await.unwrap();
        if after_hello {
            socket.hello().await.unwrap();
        }
        let case = format!("case {number}, after hello: {after_hello}, wanted {code}");
        match bad {
            Bad::Text(text) => socket.text(&text).await.unwrap(),
            Bad::Bytes(bytes) => socket.binary(&bytes).await.unwrap(),
            Bad::NotUtf8(bytes) => socket.claimed_text(&bytes).await.unwrap(),
        }
        assert_eq!(socket.closed().await.unwrap(), code, "{case}");
        // Everybody else, ben's other socket included, goes on as if nothing had been.
        bystander.say(room, &case).await.unwrap();
        let heard = bens_other.next().await.unwrap();
        assert!(
            matches!(&heard, ServerFrame::Event { change, .. }
            if matches!(&change.kind, ChangeKind::Posted { message } if message.body == text(&case))),
            "{heard:?}"
        );
    }
}

#[tokio::test]
async fn a_frame_it_does_not_know_is_refused_and_the_socket_lives() {
    let Scene { server: _server, people: [ada] } = Scene::open(CONFAB, ["ada"]).await.unwrap();
    let mut socket = ada.socket().await.unwrap();
    // Exactly as long as a frame may be.
    let frame = |pad: usize| json!({"type": "dance", "pad": "x".repeat(pad)}).to_string();
    let longest = frame(limits::FRAME_BYTES - frame(0).len());
    assert_eq!(longest.len(), limits::FRAME_BYTES);
    for frame in [r#"{"type": "dance", "step": 1}"#.to_owned(), longest] {
        socket.text(&frame).await.unwrap();
        let refused = socket.refusal().await.unwrap();
        assert_eq!((refused.code, refused.in_reply_to.as_deref()), (Code::UnknownType, Some("dance")));
        assert!(!refused.retryable && !refused.message.is_empty());
    }
    // A field more than this server knows is no reason to refuse.
    socket.text(r#"{"type": "ping", "n": 7, "mood": "good"}"#).await.unwrap();
    assert_eq!(socket.next().await.unwrap(), ServerFrame::Pong { n: 7, heads: vec![] });
}

#[tokio::test]
async fn a_socket_that_says_nothing_is_closed() {
    let Scene { server: _server, people: [ada] } = Scene::open(CONFAB, ["ada"]).await.unwrap();
    let mut socket = ada.connect().await.unwrap();
    let longest = Duration::from_millis(u64::from(limits::HELLO_MS)) + harness::DEADLINE;
    match timeout(longest, socket.recv()).await.unwrap() {
        Err(Error::Closed { code, .. }) => assert_eq!(code, close::POLICY),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn welcome_says_who_where_and_within_which_limits() {
    let Scene { server: _server, people: [ada, ben] } = Scene::open(CONFAB, ["ada", "ben"]).await.unwrap();
    let room = ada.client.direct(ben.id()).await.unwrap();
    ben.client.post(room.id, "hello").await.unwrap();
    let (_socket, hello) = ada.live().await.unwrap();
    assert_eq!((hello.user.id, hello.limits), (ada.id(), limits::Limits::default()));
    assert!(hello.heartbeat_ms >= 1000);
    let sessions = ada.client.sessions().await.unwrap().sessions;
    assert_eq!(hello.session, sessions[0].id);
    let listed = ada.client.conversations().await.unwrap();
    assert_eq!((hello.heads, hello.epoch), (listed.conversations, listed.epoch));
}

#[tokio::test]
async fn a_returning_client_is_told_only_what_differs() {
    let Scene { server: _server, people: [ada, ben, cleo] } =
        Scene::open(CONFAB, ["ada", "ben", "cleo"]).await.unwrap();
    let first = ada.client.group("First", &[ben.id()]).await.unwrap().id;
    let second = ada.client.group("Second", &[ben.id()]).await.unwrap().id;
    let foreign = ada.client.group("Foreign", &[cleo.id()]).await.unwrap().id;
    ada.client.post(first, "one").await.unwrap();
    ada.client.post(second, "two").await.unwrap();
    let (_socket, hello) = ben.live().await.unwrap();
    let cursors: Vec<_> = hello.heads.iter().map(|head| (head.id, head.head_rev)).collect();
    let states: Vec<_> = hello.heads.iter().map(|head| (head.id, head.state())).collect();
    let again = async |epoch: Epoch, cursors: &[(ConversationId, u64)], states: &[(ConversationId, u32)]| {
        let mut socket = ben.connect().await.unwrap();
        let hello =
            socket.hello_with(Some(epoch), Some(cursors.to_vec()), Some(states.to_vec())).await.unwrap();
        let mut heads: Vec<_> = hello.heads.into_iter().map(|head| (head.id, head.head_rev)).collect();
        heads.sort_unstable();
        (heads, hello.gone)
    };
    let epoch = hello.epoch;
    assert_eq!(again(epoch, &cursors, &states).await, (vec![], vec![]), "nothing happened");

    ada.client.post(second, "three").await.unwrap();
    let moved = ben.client.conversation(second).await.unwrap().head_rev;
    assert_eq!(again(epoch, &cursors, &states).await, (vec![(second, moved)], vec![]));
    // A conversation the client has never heard of comes whole.
    let third = ada.client.direct(ben.id()).await.unwrap();
    let (heads, gone) = again(epoch, &cursors, &states).await;
    assert_eq!((heads.len(), heads.contains(&(third.id, third.head_rev)), gone), (2, true, vec![]));

    // Read elsewhere: no change, but the client's state is behind.
    let known: Vec<_> = ben.client.conversations().await.unwrap().conversations;
    let cursors: Vec<_> = known.iter().map(|head| (head.id, head.head_rev)).collect();
    let states: Vec<_> = known.iter().map(|head| (head.id, head.state())).collect();
    ben.client.read(first, 1).await.unwrap();
    let rev = |id: ConversationId| cursors.iter().find(|cursor| cursor.0 == id).unwrap().1;
    assert_eq!(again(epoch, &cursors, &states).await.0, [(first, rev(first))]);

    // What is not mine, was never mine, or is no longer mine is gone, and nothing tells which.
    let unknown = ConversationId::generate();
    ben.client.remove(second, ben.id()).await.unwrap();
    let mut strange = cursors.clone();
    strange.extend([(foreign, 1), (unknown, 1)]);
    let (_, mut gone) = again(epoch, &strange, &states).await;
    gone.sort_unstable();
    let mut wanted = vec![second, foreign, unknown];
    wanted.sort_unstable();
    assert_eq!(gone, wanted);

    // Another incarnation of the database: everything the client has is void.
    let (heads, _) = again(Epoch::generate(), &cursors, &states).await;
    assert_eq!(heads.len(), 2);
}

#[tokio::test]
async fn a_pong_shows_what_moved_since_the_last_one() {
    let Scene { server: _server, people: [ada, ben] } = Scene::open(CONFAB, ["ada", "ben"]).await.unwrap();
    let room = ada.client.direct(ben.id()).await.unwrap().id;
    let quiet = ada.client.group("Quiet", &[ben.id()]).await.unwrap().id;
    let mut socket = ada.socket().await.unwrap();
    let mut pong = async |n: u64| {
        socket.frame(&ClientFrame::Ping { n }).await.unwrap();
        socket
            .until("the pong", |frame| match frame {
                ServerFrame::Pong { n: of, heads } if *of == n => Some(heads.clone()),
                _ => None,
            })
            .await
            .unwrap()
    };
    assert_eq!(pong(1).await, []);
    let rev = ben.client.post(room, "hello").await.unwrap().message.rev;
    // The news reaches the socket a moment after the commit; from then on the pong knows.
    let mut heads = Vec::new();
    for n in 2..200 {
        heads = pong(n).await;
        if !heads.is_empty() {
            break;
        }
    }
    assert_eq!(heads, [(room, rev)], "and nothing of {quiet}");
    assert_eq!(pong(200).await, []);
}

#[tokio::test]
async fn a_slow_reader_is_let_go_and_nobody_waits_for_it() {
    let Scene { server: _server, people: [ada, ben] } = Scene::open(CONFAB, ["ada", "ben"]).await.unwrap();
    let room = ada.client.direct(ben.id()).await.unwrap();
    let phone = ben.second_device().await.unwrap();
    let handshake = Handshake::bearer(phone.client.token()).receive_buffer(4096);
    let mut slow = Socket::open(ben.client.base(), handshake).await.unwrap();
    let hello = slow.hello().await.unwrap();
    let (mut fast, mut sender) = (ben.socket().await.unwrap(), ada.socket().await.unwrap());

    // Far more than the system's buffers and the queue of one socket hold.
    let count = 150;
    let words = "慢".repeat(limits::TEXT_CHARS);
    let listening = async {
        for number in 1..=count {
            match fast.next().await.unwrap() {
                ServerFrame::Event { change, .. } => assert_eq!(change.rev, room.head_rev + number),
                other => panic!("{other:?}"),
            }
        }
    };
    let sending = async {
        for _ in 0..count {
            sender.say(room.id, &words).await.unwrap();
        }
    };
    tokio::join!(listening, sending);

    assert_eq!(slow.closed().await.unwrap(), close::RESYNC);
    // It comes back with its cursors and is complete again.
    let cursors = hello.heads.iter().map(|head| (head.id, head.head_rev)).collect();
    let mut back = phone.connect().await.unwrap();
    let again = back.hello_with(Some(hello.epoch), Some(cursors), None).await.unwrap();
    assert_eq!(again.heads[0].head_rev, room.head_rev + count);
    assert_eq!(fast.settle().await.unwrap(), []);
}

#[tokio::test]
async fn no_event_is_lost_between_heads_and_live() {
    let Scene { server: _server, people: [ada, ben] } = Scene::open(CONFAB, ["ada", "ben"]).await.unwrap();
    let room = ada.client.direct(ben.id()).await.unwrap();
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let mut sender = ada.socket().await.unwrap();
    let sending = tokio::spawn(async move {
        let mut last = 0;
        while !*stopped.borrow() {
            last = sender.say(room.id, "one more").await.unwrap().rev;
        }
        last
    });
    for round in 0..30 {
        let (mut socket, hello) = ben.live().await.unwrap();
        let mut replica = Replica::from_heads(&hello.heads);
        let mut applied = 0;
        while applied < 5 {
            match replica.take(&socket.next().await.unwrap()) {
                Applied::Yes => applied += 1,
                Applied::Gap { last, came } => panic!("round {round}: from {last} to {came}"),
                Applied::Known | Applied::Nothing => {}
            }
        }
    }
    stop.send(true).unwrap();
    let last = sending.await.unwrap();
    assert_eq!(ben.client.conversation(room.id).await.unwrap().head_rev, last);
}

#[tokio::test]
async fn a_client_that_stays_has_everything_that_one_who_returns_is_told() {
    let Scene { server: _server, people: [ada, ben] } = Scene::open(CONFAB, ["ada", "ben"]).await.unwrap();
    let room = ada.client.group("Depot", &[ben.id()]).await.unwrap().id;
    let (mut socket, hello) = ben.live().await.unwrap();
    let mut replica = Replica::from_heads(&hello.heads);
    for number in 0..10 {
        ada.client.post(room, &number.to_string()).await.unwrap();
        ben.client.post(room, &format!("ben {number}")).await.unwrap();
        ada.client.rename(room, &format!("Depot {number}")).await.unwrap();
    }
    let head = ben.client.conversation(room).await.unwrap();
    while replica.cursors[&room] < head.head_rev {
        let frame = socket.next().await.unwrap();
        assert!(!matches!(replica.take(&frame), Applied::Gap { .. }), "{frame:?}");
    }
    let stored = ben.client.whole_history(room).await.unwrap();
    assert_eq!(replica.messages[&room], stored);
}

#[tokio::test]
async fn one_person_has_a_bounded_number_of_sockets() {
    let Scene { server, people: [ada, ben] } = Scene::open(CONFAB, ["ada", "ben"]).await.unwrap();
    let mut sockets = Vec::new();
    for _ in 0..limits::SOCKETS {
        sockets.push(ada.socket().await.unwrap());
    }
    assert_eq!(door(server.base(), Handshake::bearer(ada.client.token())).await, 429);
    assert_eq!(door(server.base(), Handshake::bearer(ben.client.token())).await, 101);
    sockets.pop();
    let again = async { while door(server.base(), Handshake::bearer(ada.client.token())).await != 101 {} };
    timeout(Duration::from_secs(10), again).await.expect("a place is free again");
}
