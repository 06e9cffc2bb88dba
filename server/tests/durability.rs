//! What survives: an acknowledged message survives anything, a retried one is stored once.

use harness::client::text;
use harness::{Error, Scene, Server};
use protocol::frame::close;
use protocol::{Nonce, ServerFrame};
use std::collections::BTreeMap;
use std::time::Instant;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const CONFAB: &str = env!("CARGO_BIN_EXE_confab");

#[tokio::test]
async fn an_acknowledged_message_survives_the_servers_death() {
    let Scene { mut server, people: [ada, ben] } = Scene::open(CONFAB, ["ada", "ben"]).await.unwrap();
    let room = ada.client.direct(ben.id()).await.unwrap().id;
    let epoch = ada.client.conversations().await.unwrap().epoch;
    let mut acknowledged = Vec::new();
    for round in 1..=5 {
        let mut socket = ada.socket().await.unwrap();
        for number in 0..round {
            let message = socket.say(room, &format!("round {round}, message {number}")).await.unwrap();
            acknowledged.push(message);
        }
        server.kill9().unwrap();
        server.start_again().await.unwrap();
        // The same session, the same incarnation, every message as it was acknowledged.
        let listed = ada.client.conversations().await.unwrap();
        assert_eq!(listed.epoch, epoch, "round {round}");
        assert_eq!(ada.client.whole_history(room).await.unwrap(), acknowledged, "round {round}");
    }
    assert_eq!(ben.client.conversation(room).await.unwrap().unread, acknowledged.len() as u64);
}

#[tokio::test]
async fn a_message_without_an_ack_is_retried_into_exactly_one() {
    let Scene { mut server, people: [ada, ben] } = Scene::open(CONFAB, ["ada", "ben"]).await.unwrap();
    let room = ada.client.direct(ben.id()).await.unwrap().id;
    let mut everything: Vec<Nonce> = Vec::new();
    let mut acknowledged = BTreeMap::new();
    for round in 0..5 {
        let mut socket = ada.socket().await.unwrap();
        let mut sent = Vec::new();
        for _ in 0..40 {
            let nonce = Nonce::generate();
            socket.post_as(room, nonce.clone(), text(nonce.as_str())).await.unwrap();
            sent.push(nonce);
        }
        // Killed in the middle of it, at another place in every round.
        for _ in 0..=round * 7 {
            if let ServerFrame::Ack { nonce, message, duplicate: false } = socket.next().await.unwrap() {
                acknowledged.insert(nonce, message.seq);
            }
        }
        server.kill9().unwrap();
        server.start_again().await.unwrap();
        let mut socket = ada.socket().await.unwrap();
        for nonce in &sent {
            socket.post_as(room, nonce.clone(), text(nonce.as_str())).await.unwrap();
        }
        for nonce in &sent {
            let (message, duplicate) = socket.ack(nonce).await.unwrap();
            if let Some(seq) = acknowledged.insert(nonce.clone(), message.seq) {
                assert!(duplicate && seq == message.seq, "an ack is for ever");
            }
        }
        everything.extend(sent);
    }
    let stored = ada.client.whole_history(room).await.unwrap();
    let seqs: Vec<u64> = stored.iter().map(|message| message.seq).collect();
    assert_eq!(seqs, (1..=everything.len() as u64).collect::<Vec<_>>(), "no holes, no twins");
    let nonces: Vec<Nonce> = stored.into_iter().filter_map(|message| message.nonce).collect();
    assert_eq!(nonces, everything, "one client's messages keep their order, through retries too");
}

#[tokio::test]
async fn read_marks_and_groups_survive_too() {
    let Scene { mut server, people: [ada, ben] } = Scene::open(CONFAB, ["ada", "ben"]).await.unwrap();
    let room = ada.client.group("Before", &[ben.id()]).await.unwrap().id;
    for number in 0..4 {
        ada.client.post(room, &number.to_string()).await.unwrap();
    }
    ben.client.read(room, 3).await.unwrap();
    ada.client.rename(room, "After").await.unwrap();
    let before = ben.client.conversation(room).await.unwrap();
    server.kill9().unwrap();
    server.start_again().await.unwrap();
    assert_eq!(ben.client.conversation(room).await.unwrap(), before);
    assert_eq!((before.title.as_str(), before.read_seq, before.unread), ("After", 3, 1));
}

#[tokio::test]
async fn sigterm_says_goodbye_and_leaves_nothing_behind() {
    let Scene { mut server, people: [ada, ben] } = Scene::open(CONFAB, ["ada", "ben"]).await.unwrap();
    let room = ada.client.direct(ben.id()).await.unwrap().id;
    let mut sockets =
        [ada.socket().await.unwrap(), ben.socket().await.unwrap(), ben.connect().await.unwrap()];
    // An idle connection that is kept open, and half a request, must not hold the end up.
    let address = server.base().trim_start_matches("http://").to_owned();
    let mut idle = tokio::net::TcpStream::connect(&address).await.unwrap();
    idle.write_all(b"GET /health/live HTTP/1.1\r\nhost: confab\r\n\r\n").await.unwrap();
    let mut answer = [0; 12];
    idle.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200");
    let mut half = tokio::net::TcpStream::connect(&address).await.unwrap();
    half.write_all(b"POST /api/v1/accounts HTTP/1.1\r\nhost: confab\r\ncontent-len").await.unwrap();

    let mut sent = Vec::new();
    for number in 0..30 {
        sent.push(sockets[0].post(room, &number.to_string()).await.unwrap());
    }
    let begun = Instant::now();
    server.sigterm().unwrap();
    let mut acknowledged = 0;
    for (number, socket) in sockets.iter_mut().enumerate() {
        let mut goodbye = None;
        let code = loop {
            match socket.next().await {
                Ok(ServerFrame::Bye { reason, retry_after_ms }) => goodbye = Some((reason, retry_after_ms)),
                Ok(ServerFrame::Ack { .. }) => acknowledged += 1,
                Ok(_) => {}
                Err(Error::Closed { code, .. }) => break code,
                Err(error) => panic!("socket {number}: {error}"),
            }
        };
        assert_eq!(code, close::RESTARTING, "socket {number}");
        // One that never said hello has nothing to be told but the code.
        let told = goodbye.is_some_and(|(reason, _): (String, u64)| !reason.is_empty());
        assert!(told || number == 2, "socket {number}: closed without bye");
    }
    let status = server.exit().await.unwrap();
    assert_eq!(status.code(), Some(0), "{status}");
    assert!(begun.elapsed() < harness::DEADLINE);
    assert!(tokio::net::TcpStream::connect(&address).await.is_err(), "nobody listens any more");

    server.start_again().await.unwrap();
    let stored = ada.client.whole_history(room).await.unwrap();
    assert!(stored.len() >= acknowledged, "{} of {acknowledged}", stored.len());
    let nonces: Vec<_> = stored.into_iter().filter_map(|message| message.nonce).collect();
    assert_eq!(nonces, sent[..nonces.len()], "what was stored is what was sent, in order");
}

#[tokio::test]
async fn an_idle_server_stops_too() {
    let mut server = Server::start(CONFAB).await.unwrap();
    server.sigterm().unwrap();
    assert_eq!(server.exit().await.unwrap().code(), Some(0));
    assert_eq!(server.printed().len(), 1, "standard output has the ready line only");
}
