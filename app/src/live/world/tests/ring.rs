//! What makes a sound.

use super::server::Server;
use super::*;
use protocol::{Change, ChangeKind, Kind, Settings, Timestamp};

fn connected() -> (World, Server) {
    let mut server = Server::new();
    server.post(2, "before");
    let mut world = tab(&server);
    connect(&mut world, &mut server);
    (world, server)
}

/// Carries frames and answers to and fro until there are none; the changes that ring.
fn rung(world: &mut World, server: &mut Server) -> Vec<u64> {
    let mut rung = Vec::new();
    loop {
        let frames = server.sent();
        let carried = !frames.is_empty();
        for frame in frames {
            world.frame(frame, at(1_000));
        }
        let requests = world.take_requests();
        if requests.is_empty() && !carried {
            return rung;
        }
        for request in requests {
            match request {
                Request::Ring(_, rev) => rung.push(rev),
                other => server.perform(other, world, at(1_000)),
            }
        }
    }
}

#[test]
fn what_somebody_else_writes_rings_once() {
    let (mut world, mut server) = connected();
    assert!(rung(&mut world, &mut server).is_empty(), "what the page came with");
    server.post(2, "news");
    let news = server.sent();
    for frame in news.iter().chain(&news) {
        world.frame(frame.clone(), at(0));
    }
    assert_eq!(rung(&mut world, &mut server), [2], "the second time it is known");
    server.post(ME, "from my other device");
    server.react(0, 2, true, None);
    assert!(rung(&mut world, &mut server).is_empty());
}

#[test]
fn a_silent_conversation_does_not_ring_until_its_time_is_over() {
    for (until, rings) in [(1_001, false), (1_000, true)] {
        let (mut world, mut server) = connected();
        let settings = Settings { muted_until: Some(Timestamp::from_millis(until)), ..Settings::default() };
        let frame = ServerFrame::Settings { conversation: server.id, settings, unread: 0, mentions: 0 };
        world.frame(frame, at(0));
        server.post(2, "psst @me");
        assert_eq!(rung(&mut world, &mut server), if rings { vec![2] } else { vec![] });
    }
}

#[test]
fn what_is_caught_up_does_not_ring() {
    let (mut world, mut server) = connected();
    world.disconnected();
    server.listen(false);
    server.post(2, "missed");
    let hello = world.hello();
    for frame in server.answer(hello) {
        world.frame(frame, at(0));
    }
    server.listen(true);
    assert!(rung(&mut world, &mut server).is_empty());
    // A gap: what shows it is news, what fills it is none.
    server.post(2, "lost");
    drop(server.sent());
    server.post(2, "heard");
    assert_eq!(rung(&mut world, &mut server), [4]);
    assert_eq!(world.conversation(server.id).unwrap().head_seq, 4);
}

#[test]
fn a_conversation_that_begins_rings() {
    let (mut world, mut server) = connected();
    let other = conversation_id(9);
    let posted =
        Change::new(1, ChangeKind::Posted { message: crate::timeline::tests::message(1, 1, user(2)) });
    world.frame(ServerFrame::Event { conversation: other, kind: Kind::Direct, change: posted }, at(0));
    assert_eq!(rung(&mut world, &mut server), [1]);
}
