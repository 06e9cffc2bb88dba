//! Who hears of a message, in which order, and who does not.

use futures::future::join_all;
use harness::client::text;
use harness::replica::Applied;
use harness::{Person, Replica, Scene, Socket};
use protocol::{Body, ChangeKind, ConversationId, Kind, Message, ServerFrame};

const CONFAB: &str = env!("CARGO_BIN_EXE_confab");

fn seqs(messages: &[Message]) -> Vec<u64> {
    messages.iter().map(|message| message.seq).collect()
}

/// Waits for the event of the next message of a conversation.
async fn posted(socket: &mut Socket, room: ConversationId) -> Message {
    socket
        .until("a message", |frame| match frame {
            ServerFrame::Event { conversation, change, .. } if *conversation == room => match &change.kind {
                ChangeKind::Posted { message } => Some(message.clone()),
                _ => None,
            },
            _ => None,
        })
        .await
        .expect("the message reaches this member")
}

#[tokio::test]
async fn everybody_else_hears_of_it_and_the_sender_gets_the_ack_in_its_place() {
    let Scene { server: _server, people: [ada, ben] } = Scene::open(CONFAB, ["ada", "ben"]).await.unwrap();
    let room = ada.client.group("Depot", &[ben.id()]).await.unwrap();
    let phone = ada.second_device().await.unwrap();
    let (mut at_desk, mut on_phone) = (ada.socket().await.unwrap(), phone.socket().await.unwrap());
    let mut at_bens = ben.socket().await.unwrap();
    for number in 1..=5 {
        let nonce = at_desk.post(room.id, &format!("number {number}")).await.unwrap();
        let mine = match at_desk.next().await.unwrap() {
            ServerFrame::Ack { nonce: of, message, duplicate: false } if of == nonce => message,
            other => panic!("{other:?} came before the ack"),
        };
        for (socket, whose) in [(&mut on_phone, Some(nonce)), (&mut at_bens, None)] {
            match socket.next().await.unwrap() {
                ServerFrame::Event { conversation, kind, change } => {
                    assert_eq!((conversation, kind), (room.id, Kind::Group));
                    assert_eq!(change.rev, room.head_rev + number, "dense");
                    let message = Message { nonce: whose, ..mine.clone() };
                    assert_eq!(change.kind, ChangeKind::Posted { message });
                }
                other => panic!("{other:?} instead of the event"),
            }
        }
        assert_eq!(at_desk.settle().await.unwrap(), [], "no event beside the ack");
    }
    // Over REST there is no sending connection: all of the sender's sockets hear of it.
    ada.client.post(room.id, "by REST").await.unwrap();
    for socket in [&mut at_desk, &mut on_phone, &mut at_bens] {
        assert_eq!(posted(socket, room.id).await.body, text("by REST"));
    }
}

#[tokio::test]
async fn two_groups_hear_nothing_of_each_other() {
    let Scene { server: _server, people: [ada, ben, cleo] } =
        Scene::open(CONFAB, ["ada", "ben", "cleo"]).await.unwrap();
    let bens = ada.client.group("With ben", &[ben.id()]).await.unwrap().id;
    let cleos = ada.client.group("With cleo", &[cleo.id()]).await.unwrap().id;
    let (mut at_adas, mut at_bens, mut at_cleos) =
        (ada.socket().await.unwrap(), ben.socket().await.unwrap(), cleo.socket().await.unwrap());
    for number in 0..20 {
        at_adas.post(bens, &format!("for ben {number}")).await.unwrap();
        at_adas.post(cleos, &format!("for cleo {number}")).await.unwrap();
    }
    for (socket, room, words) in [(&mut at_bens, bens, "for ben"), (&mut at_cleos, cleos, "for cleo")] {
        for number in 0..20 {
            match socket.next().await.unwrap() {
                ServerFrame::Event { conversation, change, .. } => {
                    assert_eq!(conversation, room);
                    assert!(matches!(change.kind, ChangeKind::Posted { message }
                        if message.body.text() == Some(format!("{words} {number}").as_str())));
                }
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(socket.settle().await.unwrap(), []);
    }
}

/// Sends fifty messages without waiting, then takes in what comes until the replica is complete to `rev`.
async fn talk_and_listen(person: &Person, name: usize, room: ConversationId, until: u64) -> Vec<Message> {
    let (mut socket, hello) = person.live().await.expect("a live socket");
    let mut replica = Replica::from_heads(&hello.heads);
    for number in 0..50 {
        socket.post(room, &format!("{name}:{number}")).await.expect("sent");
    }
    while replica.cursors[&room] < until {
        let frame = socket.next().await.expect("every message arrives");
        assert!(!matches!(frame, ServerFrame::Refused(_)), "{frame:?}");
        let applied = replica.take(&frame);
        assert!(!matches!(applied, Applied::Gap { .. }), "{name}: {applied:?}");
    }
    replica.messages.remove(&room).unwrap_or_default()
}

#[tokio::test]
async fn two_hundred_sent_at_once_have_one_order_for_everybody() {
    let Scene { server: _server, people: [ada, ben] } = Scene::open(CONFAB, ["ada", "ben"]).await.unwrap();
    let room = ada.client.group("Depot", &[ben.id()]).await.unwrap();
    let (phone, tablet) = (ada.second_device().await.unwrap(), ben.second_device().await.unwrap());
    let devices = [&ada, &phone, &ben, &tablet];
    let until = room.head_rev + 200;
    let talks =
        devices.into_iter().enumerate().map(|(name, device)| talk_and_listen(device, name, room.id, until));
    let heard = join_all(talks).await;

    let stored = ada.client.whole_history(room.id).await.unwrap();
    assert_eq!(seqs(&stored), (1..=200).collect::<Vec<_>>(), "no holes");
    let words = |messages: &[Message]| {
        messages.iter().map(|message| message.body.text().unwrap_or_default().to_owned()).collect::<Vec<_>>()
    };
    for (name, messages) in heard.iter().enumerate() {
        // A device that connected late has the first ones in its heads; from there on it has every one.
        let missing = 200 - messages.len();
        assert_eq!(words(messages), words(&stored[missing..]), "device {name}");
    }
    for name in 0..devices.len() {
        let prefix = format!("{name}:");
        let sent: Vec<String> = (0..50).map(|number| format!("{prefix}{number}")).collect();
        let kept: Vec<String> =
            words(&stored).into_iter().filter(|words| words.starts_with(&prefix)).collect();
        assert_eq!(kept, sent, "one client's messages keep their order");
    }
    let bodies_are_text = stored.iter().all(|message| matches!(message.body, Body::Text { .. }));
    assert!(bodies_are_text);
}
