//! Who is here and who is writing, as other people's sockets hear it.

use harness::{Person, Scene, Socket};
use protocol::{ClientFrame, ConversationId, Presence, ServerFrame, UserId};
use std::time::{Duration, Instant};

const CONFAB: &str = env!("CARGO_BIN_EXE_confab");
/// After somebody left, at the latest: five seconds in case they come back, and a slow machine.
const BOUND: Duration = Duration::from_secs(10);

/// A live socket that hears what is of the moment, and who was there when it came.
async fn live(person: &Person) -> (Socket, Vec<UserId>) {
    let mut socket = person.connect().await.expect("a socket").with_moments();
    socket.hello().await.expect("an answer");
    let mut online = socket
        .until("who is here", |frame| match frame {
            ServerFrame::Present { online, away } if away.is_empty() => Some(online.clone()),
            _ => None,
        })
        .await
        .expect("it is told");
    online.sort();
    (socket, online)
}

async fn told(socket: &mut Socket, of: &Person) -> Presence {
    socket
        .until("how somebody is", |frame| match frame {
            ServerFrame::Presence { user, state, .. } if *user == of.id() => Some(*state),
            _ => None,
        })
        .await
        .expect("it is told")
}

async fn step(socket: &mut Socket, state: Presence) {
    socket.frame(&ClientFrame::Presence { state }).await.expect("sent");
}

async fn typing(socket: &mut Socket, conversation: ConversationId) {
    socket.frame(&ClientFrame::Typing { conversation }).await.expect("sent");
    // In order: once this is answered, that was carried out.
    socket.settle().await.expect("an answer");
}

#[tokio::test]
async fn people_come_step_away_and_leave() {
    let Scene { server: _server, people: [ada, ben, eve] } =
        Scene::open(CONFAB, ["ada", "ben", "eve"]).await.unwrap();
    ada.client.direct(ben.id()).await.unwrap();
    let (mut at_bens, there) = live(&ben).await;
    assert_eq!(there, []);
    let (mut at_eves, _) = live(&eve).await;

    let phone = ada.second_device().await.unwrap();
    let (mut laptop, there) = live(&ada).await;
    assert_eq!(there, [ben.id()]);
    let (mut on_phone, _) = live(&phone).await;
    assert_eq!(told(&mut at_bens, &ada).await, Presence::Online);
    let (at_bens_too, there) = live(&ben.second_device().await.unwrap()).await;
    assert_eq!(there, [ada.id()]);

    step(&mut laptop, Presence::Away).await;
    step(&mut on_phone, Presence::Away).await;
    assert_eq!(told(&mut at_bens, &ada).await, Presence::Away);
    let seen = ben.client.user(ada.id()).await.unwrap();
    assert_eq!(seen.presence, Presence::Away);
    step(&mut on_phone, Presence::Online).await;
    assert_eq!(told(&mut at_bens, &ada).await, Presence::Online);

    let left = Instant::now();
    drop((laptop, on_phone));
    assert_eq!(told(&mut at_bens, &ada).await, Presence::Offline);
    assert!(left.elapsed() < BOUND, "{:?}", left.elapsed());
    let seen = ben.client.user(ada.id()).await.unwrap();
    assert_eq!(seen.presence, Presence::Offline);
    drop(at_bens_too);

    let about = |frame: &ServerFrame| matches!(frame, ServerFrame::Presence { .. });
    assert!(!at_eves.settle().await.unwrap().iter().any(about), "strangers hear nothing");
}

#[tokio::test]
async fn only_members_hear_who_is_writing() {
    let Scene { server: _server, people: [ada, ben, eve] } =
        Scene::open(CONFAB, ["ada", "ben", "eve"]).await.unwrap();
    let room = ada.client.group("Depot", &[ben.id()]).await.unwrap().id;
    let (mut at_adas, _) = live(&ada).await;
    let (mut on_adas_phone, _) = live(&ada.second_device().await.unwrap()).await;
    let (mut at_bens, _) = live(&ben).await;
    let (mut at_eves, _) = live(&eve).await;

    let is_typing = |frame: &ServerFrame| match frame {
        ServerFrame::Typing { conversation, user } => Some((*conversation, *user)),
        _ => None,
    };
    typing(&mut at_eves, room).await;
    typing(&mut at_eves, ConversationId::generate()).await;
    for _ in 0..20 {
        typing(&mut at_adas, room).await;
    }
    assert_eq!(at_bens.until("ada writes", is_typing).await.unwrap(), (room, ada.id()));
    // What comes after a message has come after what was before it.
    ada.client.post(room, "done").await.unwrap();
    let mut since = at_bens.settle().await.unwrap();
    while !since.iter().any(|frame| matches!(frame, ServerFrame::Event { .. })) {
        since.push(at_bens.next().await.unwrap());
    }
    assert!(since.iter().filter_map(is_typing).count() <= 1, "twenty times is once every two seconds");

    // Removed: neither heard nor hearing.
    ada.client.remove(room, ben.id()).await.unwrap();
    at_bens.until("the end", |frame| matches!(frame, ServerFrame::Gone { .. }).then_some(())).await.unwrap();
    typing(&mut at_bens, room).await;
    let other = ada.second_device().await.unwrap();
    let (mut again, _) = live(&other).await;
    // Two seconds later the next one is news again; until then it is said over and over.
    let cleo = Person::register(&ada.client.anonymous(), "cleo").await.unwrap();
    ada.client.add(room, cleo.id()).await.unwrap();
    let (mut at_cleos, _) = live(&cleo).await;
    let heard = async {
        let mut tries = tokio::time::interval(Duration::from_millis(50));
        loop {
            tries.tick().await;
            typing(&mut again, room).await;
            let frames = at_cleos.settle().await.unwrap();
            if let Some(found) = frames.iter().find_map(is_typing) {
                return found;
            }
        }
    };
    assert_eq!(tokio::time::timeout(BOUND, heard).await.unwrap(), (room, ada.id()));

    for socket in [&mut at_adas, &mut on_adas_phone, &mut again, &mut at_eves, &mut at_bens] {
        let heard = socket.settle().await.unwrap();
        assert_eq!(heard.iter().filter_map(is_typing).collect::<Vec<_>>(), []);
    }
}
