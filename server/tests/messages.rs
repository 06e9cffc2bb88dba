//! One message: its numbers, retries, limits, pages and the log of changes.

use futures::future::join_all;
use harness::Scene;
use harness::client::text;
use protocol::rest::{NewMessage, Posted};
use protocol::{ChangeKind, ClientFrame, Code, Message, MessageId, Nonce, ServerFrame, limits};
use reqwest::Method;
use serde_json::json;

const CONFAB: &str = env!("CARGO_BIN_EXE_confab");

fn seqs(messages: &[Message]) -> Vec<u64> {
    messages.iter().map(|message| message.seq).collect()
}

#[tokio::test]
async fn a_message_is_numbered_and_acknowledged() {
    let Scene { server: _server, people: [ada, ben] } = Scene::open(CONFAB, ["ada", "ben"]).await.unwrap();
    let room = ada.client.direct(ben.id()).await.unwrap();
    let mut socket = ada.socket().await.unwrap();
    for seq in 1..=3 {
        let words = format!("number {seq}: 你好 👋 مرحبا");
        let nonce = socket.post(room.id, &words).await.unwrap();
        let (message, duplicate) = socket.ack(&nonce).await.unwrap();
        assert!(!duplicate);
        assert_eq!((message.seq, message.rev, message.conversation), (seq, room.head_rev + seq, room.id));
        assert_eq!((message.sender, message.body.text()), (ada.id(), Some(words.as_str())));
        assert_eq!(message.nonce, Some(nonce));
        assert!(!message.recalled && !message.pinned && message.edited_at.is_none());
        let stored = ben.client.messages(room.id, "").await.unwrap().messages.pop().unwrap();
        assert_eq!(stored, Message { nonce: None, ..message }, "what was acknowledged is what is read");
    }
}

#[tokio::test]
async fn a_retried_nonce_is_the_same_message_wherever_it_comes_from() {
    let Scene { server: _server, people: [ada, ben] } = Scene::open(CONFAB, ["ada", "ben"]).await.unwrap();
    let room = ada.client.direct(ben.id()).await.unwrap().id;
    let other_room = ada.client.group("Another", &[ben.id()]).await.unwrap().id;
    let phone = ada.second_device().await.unwrap();
    let (mut at_desk, mut on_phone) = (ada.socket().await.unwrap(), phone.socket().await.unwrap());

    let nonce = at_desk.post(room, "once").await.unwrap();
    let (first, _) = at_desk.ack(&nonce).await.unwrap();
    for socket in [&mut at_desk, &mut on_phone] {
        socket.post_as(room, nonce.clone(), text("once")).await.unwrap();
        assert_eq!(socket.ack(&nonce).await.unwrap(), (first.clone(), true));
    }
    let body = NewMessage { nonce: nonce.clone(), body: text("once"), reply_to: None };
    let answer =
        ada.client.call(Method::POST, &format!("conversations/{room}/messages"), &body).await.unwrap();
    assert_eq!(answer.status, 200);
    assert_eq!(answer.json::<Posted>().unwrap(), Posted { message: first.clone(), duplicate: true });

    // Another body or another conversation under the same nonce is refused, and stores nothing.
    at_desk.post_as(room, nonce.clone(), text("twice")).await.unwrap();
    let refused = at_desk.refusal().await.unwrap();
    assert_eq!((refused.nonce.as_deref(), refused.code), (Some(nonce.as_str()), Code::IdempotencyConflict));
    assert!(!refused.retryable);
    let error = phone.client.post_as(room, nonce.clone(), text("twice")).await.unwrap_err();
    assert_eq!((error.status(), error.code()), (Some(409), Some(Code::IdempotencyConflict)));
    let error = ada.client.post_as(other_room, nonce.clone(), text("once")).await.unwrap_err();
    assert_eq!(error.code(), Some(Code::IdempotencyConflict));

    // A nonce is the sender's own: ben may use the same one.
    let bens = ben.client.post_as(room, nonce, text("mine")).await.unwrap();
    assert!(!bens.duplicate);
    assert_eq!(seqs(&ada.client.whole_history(room).await.unwrap()), [1, 2]);
    assert_eq!(ada.client.conversation(other_room).await.unwrap().head_seq, 0);
}

#[tokio::test]
async fn a_nonce_sent_many_times_at_once_is_one_message() {
    let Scene { server: _server, people: [ada, ben] } = Scene::open(CONFAB, ["ada", "ben"]).await.unwrap();
    let room = ada.client.direct(ben.id()).await.unwrap().id;
    let nonces: Vec<Nonce> = (0..10).map(|_| Nonce::generate()).collect();
    let client = &ada.client;
    let sends = nonces.iter().flat_map(|nonce| {
        (0..5).map(move |_| client.post_as(room, nonce.clone(), text(&format!("words of {nonce}"))))
    });
    let answers: Vec<Posted> = join_all(sends).await.into_iter().map(Result::unwrap).collect();
    assert_eq!(answers.iter().filter(|posted| !posted.duplicate).count(), nonces.len());
    for posted in &answers {
        let twins = answers.iter().filter(|other| other.message.nonce == posted.message.nonce);
        assert!(twins.clone().all(|other| other.message == posted.message));
    }
    assert_eq!(seqs(&ada.client.whole_history(room).await.unwrap()), (1..=10).collect::<Vec<_>>());
}

#[tokio::test]
async fn history_comes_in_pages_from_any_place() {
    let Scene { server: _server, people: [ada, ben] } = Scene::open(CONFAB, ["ada", "ben"]).await.unwrap();
    let room = ada.client.direct(ben.id()).await.unwrap().id;
    let empty = ben.client.messages(room, "").await.unwrap();
    assert_eq!((empty.messages, empty.head_seq), (vec![], 0));
    let mut socket = ada.socket().await.unwrap();
    for number in 1..=230 {
        socket.say(room, &number.to_string()).await.unwrap();
    }

    let page = async |query: &str| {
        let page = ben.client.messages(room, query).await.unwrap();
        assert_eq!(page.head_seq, 230, "{query}");
        assert_eq!(
            page.head_rev,
            page.messages.last().map_or(page.head_rev, |last| last.rev + 230 - last.seq)
        );
        for message in &page.messages {
            assert_eq!(message.body.text(), Some(message.seq.to_string().as_str()));
        }
        seqs(&page.messages)
    };
    let span = |from: u64, to: u64| (from..=to).collect::<Vec<_>>();
    assert_eq!(page("").await, span(181, 230));
    assert_eq!(page("limit=7").await, span(224, 230));
    assert_eq!(page("before=100&limit=5").await, span(95, 99));
    assert_eq!(page("before=3&limit=5").await, span(1, 2));
    assert_eq!(page("before=1").await, span(1, 0));
    assert_eq!(page("after=100&limit=5").await, span(101, 105));
    assert_eq!(page("after=0&limit=2").await, span(1, 2));
    assert_eq!(page("after=228").await, span(229, 230));
    assert_eq!(page("after=230").await, span(1, 0));
    assert_eq!(page("after=0&limit=100000").await, span(1, u64::from(limits::PAGE)));

    let around = page("around=100&limit=11").await;
    assert_eq!(around.len(), 11);
    assert!(around.contains(&100) && around[0] > 90 && around[0] < 100, "{around:?}");
    assert_eq!(around, span(around[0], around[0] + 10));
    assert!(page("around=1&limit=10").await.starts_with(&[1]));
    assert!(page("around=230&limit=10").await.ends_with(&[230]));

    for query in ["before=x", "limit=-1", "after=-1"] {
        let answer = ben.client.get(&format!("/api/v1/conversations/{room}/messages?{query}")).await.unwrap();
        assert_eq!(answer.status, 422, "{query}: {}", answer.text());
        assert_eq!(answer.json::<protocol::Problem>().unwrap().code, Code::Invalid);
    }
}

#[tokio::test]
async fn the_longest_text_fits_and_one_more_does_not() {
    let Scene { server: _server, people: [ada, ben] } = Scene::open(CONFAB, ["ada", "ben"]).await.unwrap();
    let room = ada.client.direct(ben.id()).await.unwrap().id;
    let (mut socket, hello) = ada.live().await.unwrap();
    assert_eq!((hello.limits.text_chars, hello.limits.frame_bytes), (16_000, 65_536));
    let longest = "字".repeat(limits::TEXT_CHARS);
    assert_eq!(ada.client.post(room, &longest).await.unwrap().message.body.text(), Some(longest.as_str()));
    assert_eq!(socket.say(room, &longest).await.unwrap().body.text(), Some(longest.as_str()));

    let cases = [
        (json!({"kind": "text", "text": format!("{longest}字")}), "one character too many"),
        (json!({"kind": "text", "text": ""}), "nothing"),
        (json!({"kind": "text", "text": " \n\t "}), "white space"),
        (json!({"kind": "text", "text": "a\u{0}b"}), "a NUL"),
        (json!({"kind": "text"}), "no text"),
        (json!({"kind": "hologram", "shape": "cube"}), "an unknown kind"),
        (json!({"kind": "recalled"}), "recalled from the start"),
        (json!("hello"), "no object"),
    ];
    for (body, what) in cases {
        let nonce = Nonce::generate();
        let request = json!({"nonce": nonce, "body": body});
        let path = format!("conversations/{room}/messages");
        let answer = ada.client.call(Method::POST, &path, &request).await.unwrap();
        assert!(matches!(answer.status, 413 | 422), "{what}: {} {}", answer.status, answer.text());
        let code = answer.json::<protocol::Problem>().unwrap().code;
        assert!(matches!(code, Code::Invalid | Code::TooLarge), "{what}: {code}");

        let frame = json!({"type": "send", "nonce": nonce, "conversation": room, "body": body});
        socket.text(&frame.to_string()).await.unwrap();
        let refused = socket.refusal().await.unwrap();
        assert_eq!(refused.nonce.as_deref(), Some(nonce.as_str()), "{what}");
        assert_eq!((refused.code, refused.retryable), (code, false), "{what}: {}", refused.message);
        // A refusal promises that nothing was stored, so the nonce is free.
        assert!(!ada.client.post_as(room, nonce, text(what)).await.unwrap().duplicate);
    }
    assert_eq!(ada.client.conversation(room).await.unwrap().head_seq, 10);
    for nonce in [String::new(), "n".repeat(65), "a\nb".to_owned()] {
        let request = json!({"nonce": nonce, "body": {"kind": "text", "text": "hello"}});
        let answer =
            ada.client.call(Method::POST, &format!("conversations/{room}/messages"), &request).await.unwrap();
        assert_eq!(answer.status, 422, "{nonce:?}");
    }
}

#[tokio::test]
async fn a_flood_is_refused_in_part_and_what_is_refused_is_not_stored() {
    let Scene { server: _server, people: [ada, ben] } = Scene::open(CONFAB, ["ada", "ben"]).await.unwrap();
    let room = ada.client.direct(ben.id()).await.unwrap().id;
    let mut socket = ada.socket().await.unwrap();
    let mut refused = None;
    let (mut stored, mut sent) = (0, 0);
    while refused.is_none() {
        for _ in 0..200 {
            socket.post(room, "flood").await.unwrap();
            sent += 1;
        }
        for _ in 0..200 {
            match socket.next().await.unwrap() {
                ServerFrame::Ack { .. } => stored += 1,
                ServerFrame::Refused(refusal) => {
                    assert_eq!((refusal.code, refusal.retryable), (Code::RateLimited, true));
                    assert!(refusal.retry_after_ms.is_some_and(|wait| wait <= 30_000));
                    refused = refusal.nonce;
                }
                other => panic!("{other:?}"),
            }
        }
        assert!(sent < 20_000, "a flood is held back at some point");
    }
    assert_eq!(ada.client.conversation(room).await.unwrap().head_seq, stored);
    // Somebody else is not held back, and the refused message may be sent again.
    ben.client.post(room, "what is going on?").await.unwrap();
    let nonce: Nonce = refused.unwrap().parse().unwrap();
    loop {
        socket.post_as(room, nonce.clone(), text("flood")).await.unwrap();
        match socket.until("an answer", |frame| answer_to(frame, &nonce)).await.unwrap() {
            Ok(duplicate) => break assert!(!duplicate),
            Err(code) => assert_eq!(code, Code::RateLimited),
        }
    }
    assert_eq!(ada.client.conversation(room).await.unwrap().head_seq, stored + 2);
}

/// Whether a send was a duplicate, or why it was refused.
fn answer_to(frame: &ServerFrame, of: &Nonce) -> Option<Result<bool, Code>> {
    match frame {
        ServerFrame::Ack { nonce, duplicate, .. } if nonce == of => Some(Ok(*duplicate)),
        ServerFrame::Refused(refusal) if refusal.nonce.as_deref() == Some(of.as_str()) => {
            Some(Err(refusal.code))
        }
        _ => None,
    }
}

#[tokio::test]
async fn an_answer_names_a_message_of_the_same_conversation() {
    let Scene { server: _server, people: [ada, ben] } = Scene::open(CONFAB, ["ada", "ben"]).await.unwrap();
    let room = ada.client.direct(ben.id()).await.unwrap().id;
    let elsewhere = ada.client.group("Elsewhere", &[]).await.unwrap().id;
    let question = ada.client.post(room, "tea?").await.unwrap().message;
    let foreign = ada.client.post(elsewhere, "a note to myself").await.unwrap().message;
    let mut socket = ben.socket().await.unwrap();
    let mut reply = async |to: MessageId| {
        let nonce = Nonce::generate();
        let frame = ClientFrame::Send {
            nonce: nonce.clone(),
            conversation: room,
            body: text("yes"),
            reply_to: Some(to),
        };
        socket.frame(&frame).await.unwrap();
        socket
            .until("an answer", |frame| match frame {
                ServerFrame::Ack { message, .. } => Some(Ok(message.reply_to)),
                ServerFrame::Refused(refusal) => Some(Err(refusal.code)),
                _ => None,
            })
            .await
            .unwrap()
    };
    assert_eq!(reply(question.id).await, Ok(Some(question.id)));
    let (of_foreign, of_none) = (reply(foreign.id).await, reply(MessageId::generate()).await);
    assert!(of_foreign.is_err());
    assert_eq!(of_foreign, of_none);
}

#[tokio::test]
async fn the_log_can_be_read_from_any_rev() {
    let Scene { server: _server, people: [ada, ben, cleo] } =
        Scene::open(CONFAB, ["ada", "ben", "cleo"]).await.unwrap();
    let room = ada.client.group("Depot", &[ben.id()]).await.unwrap();
    let (id, start) = (room.id, room.head_rev);
    ada.client.post(id, "one").await.unwrap();
    ada.client.rename(id, "Harbour depot").await.unwrap();
    ada.client.add(id, cleo.id()).await.unwrap();
    ben.client.post(id, "two").await.unwrap();
    ada.client.remove(id, cleo.id()).await.unwrap();

    let log = ben.client.changes(id, &format!("after={start}")).await.unwrap();
    assert_eq!((log.from, log.to, log.more), (start, start + 5, false));
    assert_eq!(
        log.changes.iter().map(|change| change.rev).collect::<Vec<_>>(),
        (start + 1..=start + 5).collect::<Vec<_>>()
    );
    let kinds: Vec<_> = log.changes.into_iter().map(|change| change.kind).collect();
    assert!(matches!(&kinds[0], ChangeKind::Posted { message } if message.body.text() == Some("one")));
    assert_eq!(kinds[1], ChangeKind::Renamed { by: ada.id(), title: "Harbour depot".into() });
    assert_eq!(kinds[2], ChangeKind::Joined { by: ada.id(), user: cleo.id() });
    assert!(
        matches!(&kinds[3], ChangeKind::Posted { message } if message.nonce.is_some()),
        "my own nonce is mine"
    );
    assert_eq!(kinds[4], ChangeKind::Left { by: ada.id(), user: cleo.id() });

    // Page by page it is the same log, and the socket tells the same.
    let mut socket = ben.socket().await.unwrap();
    let mut after = 0;
    let mut kinds_by_page = Vec::new();
    loop {
        let page = ben.client.changes(id, &format!("after={after}&limit=2")).await.unwrap();
        assert!(page.changes.len() <= 2);
        assert_eq!((page.from, page.to), (after, page.changes.last().map_or(after, |change| change.rev)));
        after = page.to;
        kinds_by_page.extend(page.changes.into_iter().filter(|it| it.rev > start).map(|it| it.kind));
        if !page.more {
            break;
        }
    }
    assert_eq!((after, &kinds_by_page), (start + 5, &kinds));
    socket.frame(&ClientFrame::Sync { conversation: id, after: start }).await.unwrap();
    let over_socket = socket
        .until("the changes", |frame| match frame {
            ServerFrame::Changes { conversation, from, to, changes, more } => {
                assert_eq!((*conversation, *from, *to, *more), (id, start, start + 5, false));
                Some(changes.iter().map(|change| change.kind.clone()).collect::<Vec<_>>())
            }
            _ => None,
        })
        .await
        .unwrap();
    assert_eq!(over_socket, kinds);

    // From the head there is nothing, from beyond it there is no way on.
    let none = ben.client.changes(id, &format!("after={}", start + 5)).await.unwrap();
    assert_eq!((none.changes, none.to, none.more), (vec![], start + 5, false));
    let error = ben.client.changes(id, &format!("after={}", start + 6)).await.unwrap_err();
    assert_eq!((error.status(), error.code()), (Some(410), Some(Code::Reset)));
    socket.frame(&ClientFrame::Sync { conversation: id, after: start + 6 }).await.unwrap();
    let reset =
        |frame: &ServerFrame| matches!(frame, ServerFrame::Reset { conversation, .. } if *conversation == id);
    socket.until("the reset", |frame| reset(frame).then_some(())).await.unwrap();
}
