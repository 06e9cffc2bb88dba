//! Who else is here, who is writing, and connections that lie.

use super::server::Server;
use super::*;
use protocol::UserId;

fn connected() -> (World, Server) {
    let mut server = Server::new();
    let mut world = tab(&server);
    connect(&mut world, &mut server);
    world.take_requests();
    (world, server)
}

fn types(world: &mut World, server: &Server, who: u128, now: u64) {
    world.frame(ServerFrame::Typing { conversation: server.id, user: user(who) }, at(now));
}

#[test]
fn i_say_that_i_write_every_three_seconds_and_after_each_message() {
    let (mut world, server) = connected();
    let mut said = |now: u64, sent: bool| {
        if sent {
            send(&mut world, server.id, &now.to_string());
        }
        world.typing(server.id, at(now));
        let typing = |request: &Request| matches!(request, Request::Frame(ClientFrame::Typing { .. }));
        world.take_requests().iter().filter(|request| typing(request)).count()
    };
    assert_eq!(
        [said(10_000, false), said(11_000, false), said(12_999, false), said(13_000, false)],
        [1, 0, 0, 1]
    );
    assert_eq!(said(13_500, true), 1);
    world.disconnected();
    world.typing(server.id, at(90_000));
    assert!(world.take_requests().is_empty());
}

#[test]
fn a_writer_is_shown_for_a_while_or_until_the_message() {
    let (mut world, mut server) = connected();
    let lease = u64::from(limits::TYPING_MS);
    types(&mut world, &server, 2, 1_000);
    types(&mut world, &server, 3, 2_000);
    types(&mut world, &server, ME, 2_000);
    assert_eq!(world.typists(server.id), [user(2), user(3)]);
    types(&mut world, &server, 2, 3_000);
    assert_eq!(world.wake_at(), Some(2_000 + lease));
    world.take_changed();
    world.tick(at(2_000 + lease));
    assert_eq!(world.typists(server.id), [user(2)]);
    assert!(world.take_changed().typists.contains(&server.id));
    server.post(2, "there");
    for frame in server.sent() {
        world.frame(frame, at(4_000));
    }
    assert_eq!(world.typists(server.id), []);
    types(&mut world, &server, 3, 5_000);
    world.disconnected();
    assert_eq!(world.typists(server.id), []);
    types(&mut world, &server, 2, 6_000);
    assert_eq!(world.wake_at(), None, "and nothing rings without a connection");
}

#[test]
fn writers_are_bounded() {
    let (mut world, server) = connected();
    for who in 10..200 {
        types(&mut world, &server, who, 0);
    }
    assert_eq!(world.typists(server.id).len(), 20);
}

#[test]
fn whoever_is_not_named_is_not_here() {
    let (mut world, _) = connected();
    world.know_people(vec![person(2), person(3), person(4)]);
    let is = |world: &World, who: u128| world.people.get(user(who)).map(|user| user.presence);
    world.frame(ServerFrame::Present { online: vec![user(2)], away: vec![user(3)] }, at(0));
    assert_eq!([is(&world, 2), is(&world, 3)], [Some(Presence::Online), Some(Presence::Away)]);
    world.frame(ServerFrame::Presence { user: user(4), state: Presence::Online, last_seen: None }, at(0));
    assert_eq!(is(&world, 4), Some(Presence::Online));
    // An answer that was on its way does not undo it, and whoever is met later is as was said.
    world.know_people(vec![person(4)]);
    assert_eq!(is(&world, 4), Some(Presence::Online));
    world.take_changed();
    world.frame(ServerFrame::Present { online: vec![user(2)], away: Vec::new() }, at(0));
    let changed: HashSet<UserId> = [user(3), user(4)].into();
    assert_eq!(world.take_changed().people, changed);
    assert_eq!([is(&world, 3), is(&world, 4)], [Some(Presence::Offline), Some(Presence::Offline)]);
}

#[test]
fn a_page_nobody_sees_is_away_also_after_a_lost_connection() {
    let (mut world, mut server) = connected();
    let said = |world: &mut World| {
        let said = world.take_requests().into_iter().filter_map(|request| match request {
            Request::Frame(ClientFrame::Presence { state }) => Some(state),
            _ => None,
        });
        said.collect::<Vec<_>>()
    };
    world.step(Presence::Online);
    assert_eq!(said(&mut world), [], "the server thinks so already");
    world.step(Presence::Away);
    world.step(Presence::Away);
    assert_eq!(said(&mut world), [Presence::Away]);
    world.disconnected();
    let hello = world.hello();
    for frame in server.answer(hello) {
        world.frame(frame, at(0));
    }
    assert_eq!(said(&mut world), [Presence::Away]);
    world.step(Presence::Online);
    assert_eq!(said(&mut world), [Presence::Online]);
}

#[test]
fn a_connection_that_answers_but_brings_nothing_is_given_up() {
    let (mut world, server) = connected();
    let pong = |rev| ServerFrame::Pong { n: 1, heads: vec![(server.id, rev)] };
    world.frame(pong(3), at(0));
    let asked = world.take_requests();
    assert!(matches!(asked.as_slice(), [Request::Frame(ClientFrame::Sync { after: 0, .. })]), "{asked:?}");
    world.frame(pong(3), at(25_000));
    assert!(world.take_requests().is_empty(), "the answer may be behind this pong");
    world.frame(pong(3), at(50_000));
    assert_eq!(world.take_requests(), [Request::Reconnect]);
}
