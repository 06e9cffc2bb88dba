//! How often one person may do what.

use harness::Scene;
use protocol::{ClientFrame, Code, ServerFrame};

const CONFAB: &str = env!("CARGO_BIN_EXE_confab");

#[tokio::test]
async fn who_founds_too_many_groups_waits_and_nobody_else_does() {
    let Scene { server: _server, people: [ada, ben] } = Scene::open(CONFAB, ["ada", "ben"]).await.unwrap();
    let mut founded = 0;
    let error = loop {
        match ada.client.group("Another", &[]).await {
            Ok(_) => founded += 1,
            Err(error) => break error,
        }
        assert!(founded < 1_000, "never refused");
    };
    assert!(founded >= 30, "{founded}");
    assert_eq!((error.status(), error.code()), (Some(429), Some(Code::RateLimited)));
    let wait = error.problem().unwrap().retry_after_ms.unwrap();
    assert!((1..=2_000).contains(&wait), "{wait}");
    assert_eq!(ada.client.conversations().await.unwrap().conversations.len(), founded, "nothing was stored");

    ben.client.group("Ben's", &[]).await.unwrap();
    let room = ada.client.direct(ben.id()).await.unwrap().id;
    ada.client.post(room, "and everything else goes on").await.unwrap();
}

#[tokio::test]
async fn too_many_acts_are_refused_by_name_and_the_socket_lives() {
    let Scene { server: _server, people: [ada] } = Scene::open(CONFAB, ["ada"]).await.unwrap();
    let room = ada.client.group("Depot", &[]).await.unwrap().id;
    let message = ada.client.post(room, "a").await.unwrap().message.id;
    let mut socket = ada.socket().await.unwrap();
    for n in 0..400 {
        let nonce = format!("pin-{n}").parse().unwrap();
        socket.frame(&ClientFrame::Pin { nonce, message, on: n % 2 == 0 }).await.unwrap();
    }
    let (mut stored, mut refused) = (0, 0);
    while stored + refused < 400 {
        match socket.next().await.unwrap() {
            ServerFrame::Ack { .. } => stored += 1,
            ServerFrame::Refused(refusal) => {
                assert_eq!((refusal.code, refusal.retryable), (Code::RateLimited, true));
                assert!(refusal.nonce.is_some() && refusal.retry_after_ms.is_some_and(|wait| wait > 0));
                refused += 1;
            }
            other => panic!("{other:?}"),
        }
    }
    assert!(stored >= 200 && refused > 0, "{stored} stored, {refused} refused");
    ada.client.post(room, "b").await.unwrap();
    socket
        .until("the next message", |frame| matches!(frame, ServerFrame::Event { .. }).then_some(()))
        .await
        .unwrap();
}
