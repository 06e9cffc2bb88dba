//! What happens to a message after it was posted: edits, recalls, reactions, pins, receipts.

use harness::{Error, Person, Scene, Socket};
use protocol::rest::{EditMessage, Posted};
use protocol::{
    Body, ChangeKind, ClientFrame, Code, ConversationId, Message, MessageId, Nonce, Reaction, ServerFrame,
    limits,
};
use reqwest::Method;
use serde_json::json;

const CONFAB: &str = env!("CARGO_BIN_EXE_confab");

/// What is taken back and may be nowhere any more.
const CANARY: &str = "kanarienvogel-4402";

fn code<T: std::fmt::Debug>(result: Result<T, Error>) -> Option<Code> {
    result.expect_err("a refusal").code()
}

fn words(text: &str) -> Body {
    harness::client::text(text)
}

/// The next change of a message that a socket hears.
async fn heard(socket: &mut Socket, what: &str) -> ChangeKind {
    socket
        .until(what, |frame| match frame {
            ServerFrame::Event { change, .. } => match &change.kind {
                ChangeKind::Posted { .. } => None,
                kind => kind.message().is_some().then(|| kind.clone()),
            },
            _ => None,
        })
        .await
        .expect("the change reaches this device")
}

/// Two people and a message of the first one's in their group.
async fn said(ada: &Person, others: &[&Person]) -> (ConversationId, Message) {
    let others: Vec<_> = others.iter().map(|person| person.id()).collect();
    let room = ada.client.group("Depot", &others).await.expect("a group").id;
    let posted = ada.client.post(room, "first words").await.expect("a message of its owner");
    (room, posted.message)
}

#[tokio::test]
async fn an_edit_keeps_what_was_said_before() {
    let Scene { server: _server, people: [ada, ben] } = Scene::open(CONFAB, ["ada", "ben"]).await.unwrap();
    let (room, first) = said(&ada, &[&ben]).await;
    let phone = ada.second_device().await.unwrap();
    let (mut at_adas, mut on_the_phone) = (ada.socket().await.unwrap(), phone.socket().await.unwrap());
    let mut at_bens = ben.socket().await.unwrap();
    let edit = ClientFrame::Edit { nonce: Nonce::generate(), message: first.id, body: words("second words") };
    at_adas.frame(&edit).await.unwrap();
    let ClientFrame::Edit { nonce, .. } = &edit else { unreachable!() };
    let (second, duplicate) = at_adas.ack(nonce).await.unwrap();
    assert!(!duplicate);
    assert_eq!((second.seq, second.rev, second.body.text()), (1, 2, Some("second words")));
    assert_eq!((second.sent_at, second.nonce.clone()), (first.sent_at, first.nonce.clone()));
    assert!(second.edited_at.is_some());
    // Her other device gets the event whole, Ben gets it without her nonce.
    assert_eq!(heard(&mut on_the_phone, "the edit").await, ChangeKind::Edited { message: second.clone() });
    let without_nonce = Message { nonce: None, ..second.clone() };
    assert_eq!(heard(&mut at_bens, "the edit").await, ChangeKind::Edited { message: without_nonce.clone() });

    let third = ada.client.edit(first.id, None, "third words").await.unwrap();
    let versions = ben.client.edits(first.id).await.unwrap().versions;
    let said: Vec<_> = versions.iter().map(|version| version.body.text().unwrap()).collect();
    assert_eq!(said, ["first words", "second words"]);
    assert_eq!((Some(versions[0].at), Some(versions[1].at)), (Some(first.sent_at), second.edited_at));
    assert_eq!(ben.client.message(first.id).await.unwrap().body, third.body);
    assert_eq!(ben.client.messages(room, "").await.unwrap().messages[0].body, third.body);
    // The log has every change, each with the message as it is now.
    let log = ben.client.changes(room, "after=0").await.unwrap().changes;
    assert_eq!(log.iter().map(|change| change.rev).collect::<Vec<_>>(), [1, 2, 3]);
    assert!(log.iter().all(|change| change.kind.message().unwrap().body == third.body));
    // The same words again are no change.
    assert_eq!(ada.client.edit(first.id, None, "third words").await.unwrap().rev, 3);
    let last = ben.client.conversation(room).await.unwrap();
    assert_eq!((last.head_rev, last.last_message.unwrap().body), (3, third.body));
}

#[tokio::test]
async fn only_its_author_edits_a_message_and_only_while_it_stands() {
    let Scene { server: _server, people: [ada, ben] } = Scene::open(CONFAB, ["ada", "ben"]).await.unwrap();
    let (room, message) = said(&ada, &[&ben]).await;
    let of_bens = ben.client.post(room, "mine").await.unwrap().message;
    assert_eq!(code(ben.client.edit(message.id, None, "other words").await), Some(Code::Forbidden));
    assert_eq!(code(ada.client.edit(of_bens.id, None, "an owner's words").await), Some(Code::Forbidden));
    for (body, field) in [
        (json!({"body": {"kind": "text", "text": ""}}), "body"),
        (json!({"body": {"kind": "recalled"}}), "body.kind"),
        (json!({"body": {"kind": "hologram"}}), "body.kind"),
    ] {
        let path = format!("messages/{}", message.id);
        let answer = ada.client.call(Method::PATCH, &path, &body).await.unwrap();
        let problem: protocol::Problem = answer.json().unwrap();
        assert_eq!((answer.status, problem.errors[0].field.as_str()), (422, field));
    }
    ada.client.recall(message.id).await.unwrap();
    assert_eq!(code(ada.client.edit(message.id, None, "never mind").await), Some(Code::Conflict));
    assert_eq!(code(ben.client.react(message.id, "👍").await), Some(Code::Conflict));
    assert_eq!(code(ben.client.pin(message.id).await), Some(Code::Conflict));
    // Twice taken back is taken back.
    let rev = ada.client.conversation(room).await.unwrap().head_rev;
    assert!(ada.client.recall(message.id).await.unwrap().recalled);
    assert_eq!(ada.client.conversation(room).await.unwrap().head_rev, rev);
}

#[tokio::test]
async fn a_message_is_taken_back_by_its_author_or_who_looks_after_the_group() {
    let Scene { server: _server, people: [ada, ben, cleo] } =
        Scene::open(CONFAB, ["ada", "ben", "cleo"]).await.unwrap();
    let (room, of_adas) = said(&ada, &[&ben, &cleo]).await;
    let one = cleo.client.post(room, "one").await.unwrap().message.id;
    let two = cleo.client.post(room, "two").await.unwrap().message.id;
    assert_eq!(code(ben.client.recall(one).await), Some(Code::Forbidden));
    let mut at_bens = ben.socket().await.unwrap();
    let recalled = cleo.client.recall(one).await.unwrap();
    assert_eq!((&recalled.body, recalled.recalled), (&Body::Recalled, true));
    assert!(
        matches!(heard(&mut at_bens, "the recall").await, ChangeKind::Recalled { message } if message.id == one)
    );
    ada.client.set_role(room, ben.id(), protocol::Role::Admin).await.unwrap();
    ben.client.recall(two).await.unwrap();
    ben.client.recall(of_adas.id).await.unwrap();
    let page = cleo.client.messages(room, "").await.unwrap().messages;
    assert!(page.iter().all(|message| message.recalled && message.body == Body::Recalled));

    let direct = ada.client.direct(ben.id()).await.unwrap().id;
    let ours = ada.client.post(direct, "between us").await.unwrap().message.id;
    assert_eq!(code(ben.client.recall(ours).await), Some(Code::Forbidden));
}

#[tokio::test]
async fn what_is_taken_back_is_gone_from_every_answer_and_from_the_disk() {
    let Scene { mut server, people: [ada, ben] } = Scene::open(CONFAB, ["ada", "ben"]).await.unwrap();
    let room = ada.client.group("Depot", &[ben.id()]).await.unwrap().id;
    let mut gone = Vec::new();
    // Short and long: a long text fills pages of its own.
    for repeated in [1, 3, 400] {
        let message = ada.client.post(room, &format!("{CANARY} ").repeat(repeated)).await.unwrap().message;
        ada.client.edit(message.id, None, &format!("@ben {CANARY}, edited ").repeat(repeated)).await.unwrap();
        ben.client.react(message.id, "👍").await.unwrap();
        ben.client.pin(message.id).await.unwrap();
        gone.push(message);
    }
    let answer = ben.client.reply(room, gone[0].id, "an answer").await.unwrap().message;
    let last = ada.client.post(room, &format!("{CANARY} at the end")).await.unwrap().message;
    gone.push(last);
    let mut at_bens = ben.socket().await.unwrap();
    let mut at_adas = ada.socket().await.unwrap();
    for message in &gone {
        at_adas.frame(&ClientFrame::Recall { nonce: Nonce::generate(), message: message.id }).await.unwrap();
    }
    let mut frames = Vec::new();
    for _ in &gone {
        frames.push(serde_json::to_string(&heard(&mut at_bens, "the recall").await).unwrap());
    }
    assert!(!frames.concat().contains(CANARY));

    let mut everything = Vec::new();
    for path in [
        "conversations".to_owned(),
        "unread/all".to_owned(),
        format!("conversations/{room}"),
        format!("conversations/{room}/messages"),
        format!("conversations/{room}/messages?around={}&limit=1", answer.seq),
        format!("conversations/{room}/changes?after=0&limit=200"),
        format!("conversations/{room}/pins"),
        format!("messages/{}", gone[0].id),
        format!("messages/{}/edits", gone[0].id),
    ] {
        for person in [&ada, &ben] {
            let answer = person.client.get(&format!("/api/v1/{path}")).await.unwrap();
            assert_eq!(answer.status, 200, "{path}: {}", answer.text());
            assert!(!answer.text().contains(CANARY), "{path}: {}", answer.text());
            everything.push(answer.text());
        }
    }
    assert!(everything.concat().contains("an answer"));
    assert_eq!(ben.client.edits(gone[0].id).await.unwrap().versions, []);
    assert_eq!(ben.client.pins(room).await.unwrap().messages, []);
    // A retry of what posted it brings nothing back.
    let nonce = gone[0].nonce.clone().unwrap();
    let again: Posted = ada.client.post_as(room, nonce, words(&format!("{CANARY} "))).await.unwrap();
    assert_eq!((again.duplicate, again.message.body), (true, Body::Recalled));

    server.sigterm().unwrap();
    assert!(server.exit().await.unwrap().success());
    let mut files = 0;
    for entry in std::fs::read_dir(server.data()).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if name.starts_with("confab.db") && path.is_file() {
            let bytes = std::fs::read(&path).unwrap();
            files += usize::from(!bytes.is_empty());
            let found = bytes.windows(CANARY.len()).filter(|window| *window == CANARY.as_bytes()).count();
            assert_eq!(found, 0, "{name} still has it");
        }
    }
    assert!(files > 0, "there is a database");
}

#[tokio::test]
async fn a_reaction_is_one_a_person_and_emoji() {
    let Scene { server: _server, people: [ada, ben, cleo] } =
        Scene::open(CONFAB, ["ada", "ben", "cleo"]).await.unwrap();
    let (room, message) = said(&ada, &[&ben, &cleo]).await;
    let mut at_cleos = cleo.socket().await.unwrap();
    for person in [&ben, &ada, &ben] {
        person.client.react(message.id, "👍").await.unwrap();
    }
    let now = ben.client.react(message.id, "👩🏽‍🚀").await.unwrap();
    let reaction = |emoji: &str, users: &[&Person]| Reaction {
        emoji: emoji.to_owned(),
        users: users.iter().map(|person| person.id()).collect(),
    };
    assert_eq!(now.reactions, [reaction("👍", &[&ben, &ada]), reaction("👩🏽‍🚀", &[&ben])]);
    assert_eq!((now.nonce, now.edited_at), (None, None), "a reaction is no edit");
    // The second 👍 of Ben's changed nothing: three changes.
    assert_eq!(ada.client.conversation(room).await.unwrap().head_rev, 4);
    for expected in [1, 1, 2] {
        match heard(&mut at_cleos, "a reaction").await {
            ChangeKind::Reacted { message } => assert_eq!(message.reactions.len(), expected),
            other => panic!("{other:?}"),
        }
    }
    let now = ben.client.unreact(message.id, "👍").await.unwrap();
    assert_eq!(now.reactions, [reaction("👍", &[&ada]), reaction("👩🏽‍🚀", &[&ben])]);
    ada.client.unreact(message.id, "👍").await.unwrap();
    let now = ben.client.unreact(message.id, "👩🏽‍🚀").await.unwrap();
    assert_eq!(now.reactions, []);
    assert_eq!(ben.client.unreact(message.id, "👍").await.unwrap().rev, now.rev, "it was not there");

    for wrong in ["x", ":+1:", "👍👍", "thumbs"] {
        assert_eq!(code(ben.client.react(message.id, wrong).await), Some(Code::Invalid), "{wrong}");
    }
    let twenty_one = "🐶🐱🐭🐹🐰🦊🐻🐼🐨🐯🦁🐮🐷🐸🐵🐔🐧🐦🐤🦆🦅";
    let (twenty, last) = twenty_one.split_at(twenty_one.len() - "🦅".len());
    for emoji in twenty.chars() {
        cleo.client.react(message.id, &emoji.to_string()).await.unwrap();
    }
    assert_eq!(code(cleo.client.react(message.id, last).await), Some(Code::Conflict));
    // One that is there may still be joined.
    assert_eq!(ben.client.react(message.id, "🐶").await.unwrap().reactions.len(), limits::REACTIONS);
    assert_eq!(ada.client.message(message.id).await.unwrap().reactions[0], reaction("🐶", &[&cleo, &ben]));
}

#[tokio::test]
async fn a_conversation_has_so_many_pins_and_no_more() {
    let Scene { server: _server, people: [ada, ben] } = Scene::open(CONFAB, ["ada", "ben"]).await.unwrap();
    let room = ada.client.direct(ben.id()).await.unwrap().id;
    let mut socket = ada.socket().await.unwrap();
    let mut ids = Vec::new();
    for number in 0..=limits::PINS {
        ids.push(socket.say(room, &number.to_string()).await.unwrap().id);
    }
    // Either of the two pins; backwards, to see that the list has the order of the messages.
    for id in ids[1..].iter().rev() {
        socket.frame(&ClientFrame::Pin { nonce: Nonce::generate(), message: *id, on: true }).await.unwrap();
    }
    let mut at_bens = ben.socket().await.unwrap();
    socket.settle().await.unwrap();
    // What is asked over the socket is written in its order, so one more request comes after all of it.
    assert_eq!(code(ben.client.pin(ids[0]).await), Some(Code::Conflict));
    let pinned = ben.client.pins(room).await.unwrap().messages;
    assert_eq!(pinned.iter().map(|message| message.id).collect::<Vec<_>>(), ids[1..]);
    assert!(pinned.iter().all(|message| message.pinned && message.nonce.is_none()));
    assert!(ada.client.pin(ids[1]).await.unwrap().pinned, "it is there already");
    assert!(!ben.client.unpin(ids[1]).await.unwrap().pinned);
    assert!(matches!(
        socket_heard_unpin(&mut at_bens, ids[1]).await,
        ChangeKind::Pinned { message } if !message.pinned
    ));
    assert!(ben.client.pin(ids[0]).await.unwrap().pinned);
}

async fn socket_heard_unpin(socket: &mut Socket, id: MessageId) -> ChangeKind {
    loop {
        let kind = heard(socket, "the unpinning").await;
        if kind.message().is_some_and(|message| message.id == id && !message.pinned) {
            return kind;
        }
    }
}

#[tokio::test]
async fn a_late_retry_of_an_edit_does_not_undo_a_later_one() {
    let Scene { server: _server, people: [ada, ben] } = Scene::open(CONFAB, ["ada", "ben"]).await.unwrap();
    let (room, message) = said(&ada, &[&ben]).await;
    let mut socket = ada.socket().await.unwrap();
    let nonce: Nonce = "edit-1".parse().unwrap();
    let edit =
        |text: &str| ClientFrame::Edit { nonce: nonce.clone(), message: message.id, body: words(text) };
    socket.frame(&edit("second")).await.unwrap();
    assert!(!socket.ack(&nonce).await.unwrap().1);
    let third = ada.client.edit(message.id, Some("edit-2".parse().unwrap()), "third").await.unwrap();
    let rev = ada.client.conversation(room).await.unwrap().head_rev;
    socket.frame(&edit("second")).await.unwrap();
    assert_eq!(socket.ack(&nonce).await.unwrap(), (third.clone(), true));
    assert_eq!(ada.client.edit(message.id, Some(nonce.clone()), "second").await.unwrap(), third);
    assert_eq!(ada.client.conversation(room).await.unwrap().head_rev, rev, "nothing changed");
    assert_eq!(ada.client.edits(message.id).await.unwrap().versions.len(), 2);

    // The same nonce is good for nothing else: other words, another message, another kind of request, by any way.
    let other = ada.client.post(room, "another").await.unwrap().message;
    let conflict = Some(Code::IdempotencyConflict);
    assert_eq!(code(ada.client.edit(message.id, Some(nonce.clone()), "fourth").await), conflict);
    assert_eq!(code(ada.client.edit(other.id, Some(nonce.clone()), "second").await), conflict);
    assert_eq!(code(ada.client.post_as(room, nonce.clone(), words("second")).await), conflict);
    let of_post = other.nonce.clone().unwrap();
    assert_eq!(code(ada.client.edit(message.id, Some(of_post.clone()), "fifth").await), conflict);
    for frame in [
        ClientFrame::Recall { nonce: nonce.clone(), message: message.id },
        ClientFrame::Pin { nonce: of_post, message: message.id, on: true },
        ClientFrame::React { nonce, message: message.id, emoji: "👍".parse().unwrap(), on: true },
    ] {
        socket.frame(&frame).await.unwrap();
        assert_eq!(socket.refusal().await.unwrap().code, Code::IdempotencyConflict, "{frame:?}");
    }
    assert_eq!(ada.client.message(message.id).await.unwrap(), third);
    // Somebody else's nonce is another one.
    let of_bens = ben.client.post(room, "mine").await.unwrap().message;
    ben.client.edit(of_bens.id, Some("edit-1".parse().unwrap()), "mine, edited").await.unwrap();
    // An act that changed nothing has used its nonce too.
    let body = EditMessage { nonce: Some("edit-3".parse().unwrap()), body: words("third") };
    let path = format!("messages/{}", message.id);
    assert_eq!(ada.client.call(Method::PATCH, &path, &body).await.unwrap().status, 200);
    assert_eq!(code(ada.client.edit(message.id, Some("edit-3".parse().unwrap()), "x").await), conflict);
}

#[tokio::test]
async fn a_foreign_message_is_answered_like_none() {
    let Scene { server: _server, people: [ada, ben, eve] } =
        Scene::open(CONFAB, ["ada", "ben", "eve"]).await.unwrap();
    let (room, message) = said(&ada, &[&ben]).await;
    let routes = [
        (Method::GET, "", json!(null)),
        (Method::PATCH, "", json!({"body": {"kind": "text", "text": "mine"}})),
        (Method::PATCH, "", json!({"body": {"kind": "text", "text": ""}})),
        (Method::DELETE, "", json!(null)),
        (Method::PUT, "/reactions/%F0%9F%91%8D", json!(null)),
        (Method::DELETE, "/reactions/%F0%9F%91%8D", json!(null)),
        (Method::PUT, "/reactions/x", json!(null)),
        (Method::PUT, "/pin", json!(null)),
        (Method::DELETE, "/pin", json!(null)),
        (Method::GET, "/edits", json!(null)),
        (Method::GET, "/receipts", json!(null)),
    ];
    for (method, route, body) in &routes {
        let ask = async |id: MessageId| {
            let path = format!("messages/{id}{route}");
            eve.client.call(method.clone(), &path, body).await.unwrap().without_its_own()
        };
        let of_none = ask(MessageId::generate()).await;
        assert!(matches!(of_none.0, 404 | 422), "{method} {route}: {of_none:?}");
        assert_eq!(ask(message.id).await, of_none, "{method} {route}");
    }
    let pins = async |id: ConversationId| {
        eve.client.get(&format!("/api/v1/conversations/{id}/pins")).await.unwrap().without_its_own()
    };
    assert_eq!(pins(room).await, pins(ConversationId::generate()).await);

    let mut socket = eve.socket().await.unwrap();
    for frame in [
        json!({"type": "edit", "body": {"kind": "text", "text": "mine"}}),
        json!({"type": "recall"}),
        json!({"type": "react", "emoji": "👍", "on": true}),
        json!({"type": "pin", "on": true}),
    ] {
        let mut ask = async |id: MessageId, nonce: &str| {
            let mut frame = frame.clone();
            (frame["message"], frame["nonce"]) = (json!(id), json!(nonce));
            socket.text(&frame.to_string()).await.unwrap();
            serde_json::to_string(&socket.next().await.unwrap()).unwrap().replace(nonce, "NONCE")
        };
        let of_none = ask(MessageId::generate(), "eve-1").await;
        assert!(of_none.contains("refused") && of_none.contains("not_found"), "{of_none}");
        assert_eq!(ask(message.id, "eve-2").await, of_none, "{frame}");
    }
    assert_eq!(ada.client.message(message.id).await.unwrap().rev, message.rev);
}

#[tokio::test]
async fn receipts_say_who_has_read_a_message() {
    let Scene { server: _server, people: [ada, ben, cleo, dan] } =
        Scene::open(CONFAB, ["ada", "ben", "cleo", "dan"]).await.unwrap();
    let (room, message) = said(&ada, &[&ben, &cleo]).await;
    let receipts = async |person: &Person| {
        let it = person.client.receipts(message.id).await.unwrap();
        (it.read, it.of, it.readers)
    };
    assert_eq!(receipts(&ada).await, (0, 2, vec![]));
    ben.client.read(room, message.seq).await.unwrap();
    assert_eq!(receipts(&cleo).await, (1, 2, vec![ben.id()]));
    // Writing is reading. Who came later cannot have read it and is not waited for.
    cleo.client.post(room, "seen").await.unwrap();
    ada.client.add(room, dan.id()).await.unwrap();
    let (read, of, mut readers) = receipts(&ada).await;
    readers.sort_unstable();
    let mut expected = vec![ben.id(), cleo.id()];
    expected.sort_unstable();
    assert_eq!((read, of, readers), (2, 2, expected));
}
