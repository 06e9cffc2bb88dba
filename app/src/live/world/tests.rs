use super::*;
use crate::boot::Viewer;
use crate::inbox::tests::conversation;
use crate::outbox::Act;
use crate::timeline::tests::{conversation_id, user};
use crate::timeline::{PendingState, Row};
use protocol::rest::Me;
use protocol::{Code, Nonce, Presence, Refusal, ServerFrame};
use server::Server;

mod acts;
mod company;
mod personal;
mod ring;
mod server;
mod simulation;

const ME: u128 = 1;

pub(super) fn person(number: u128) -> User {
    User {
        id: user(number),
        username: format!("user{number}"),
        display_name: format!("User {number}"),
        avatar: None,
        presence: Presence::Offline,
        last_seen: None,
    }
}

fn at(now: u64) -> Moment {
    Moment { now, random: 0.5 }
}

/// A tab of mine that has what the server has, with the conversation open.
fn tab(server: &Server) -> World {
    World::new(&Viewer {
        me: Me { user: person(ME), locale: None },
        epoch: server.epoch,
        conversations: vec![server.object()],
        people: vec![person(2)],
        open: Some(crate::boot::Open {
            conversation: server.id,
            page: server.page(Span::Newest),
            pins: None,
        }),
    })
}

/// Connects and lets everything that follows happen.
fn connect(world: &mut World, server: &mut Server) {
    let hello = world.hello();
    for frame in server.answer(hello) {
        world.frame(frame, at(0));
    }
    server.listen(true);
    settle(world, server);
}

/// Carries frames and answers to and fro until there are none, at most for an hour.
fn settle(world: &mut World, server: &mut Server) {
    let mut now = 0;
    loop {
        let before = now;
        for request in world.take_requests() {
            server.perform(request, world, at(now));
            now += 1;
        }
        for frame in server.sent() {
            world.frame(frame, at(now));
            now += 1;
        }
        if now == before {
            match world.wake_at() {
                Some(wake) if wake < 3_600_000 => {
                    now = now.max(wake) + 1;
                    world.tick(at(now));
                }
                _ => return,
            }
        }
    }
}

fn texts(world: &World, id: ConversationId) -> Vec<String> {
    let TimelineState::Ready(window) = world.timeline(id) else { panic!("not loaded") };
    let text = |row: &Row| match row {
        Row::Message(message) => message.body.text().unwrap_or_default().to_owned(),
        Row::Line(change) => format!("-{}-", change.rev),
        Row::Pending(pending) => format!("({})", pending.text()),
    };
    window.rows.iter().map(text).collect()
}

fn send(world: &mut World, id: ConversationId, text: &str) {
    assert!(world.act(id, nonce(text), words(text), at(0)));
}

fn nonce(text: &str) -> Nonce {
    text.chars().take(64).collect::<String>().parse().unwrap()
}

fn words(text: &str) -> Act {
    Act::Send { text: text.parse().unwrap(), reply_to: None }
}

#[test]
fn an_echo_becomes_the_message() {
    let mut server = Server::new();
    let mut world = tab(&server);
    connect(&mut world, &mut server);
    assert!(world.is_complete());
    send(&mut world, server.id, "one");
    send(&mut world, server.id, "two");
    assert_eq!(texts(&world, server.id), ["(one)", "(two)"]);
    settle(&mut world, &mut server);
    assert_eq!(texts(&world, server.id), ["one", "two"]);
    assert_eq!(world.outbox.waiting(), 0);
}

#[test]
fn what_was_written_offline_goes_once_in_order() {
    let mut server = Server::new();
    let mut world = tab(&server);
    connect(&mut world, &mut server);
    // The first one arrives, its acknowledgement does not.
    send(&mut world, server.id, "one");
    for request in world.take_requests() {
        server.perform(request, &mut world, at(0));
    }
    server.listen(false);
    world.disconnected();
    send(&mut world, server.id, "two");
    server.post(2, "theirs");
    assert_eq!(world.outbox.waiting(), 2);
    assert!(world.take_requests().iter().all(|request| !matches!(request, Request::Frame(_))));
    connect(&mut world, &mut server);
    assert_eq!(texts(&world, server.id), ["one", "theirs", "two"]);
    assert_eq!(server.texts(), ["one", "theirs", "two"]);
}

#[test]
fn an_echo_stays_until_its_message_is_in_place() {
    let mut server = Server::new();
    let mut world = tab(&server);
    connect(&mut world, &mut server);
    server.post(2, "unheard");
    server.sent();
    send(&mut world, server.id, "mine");
    for request in world.take_requests() {
        server.perform(request, &mut world, at(0));
    }
    for frame in server.sent() {
        world.frame(frame, at(0));
    }
    assert_eq!(texts(&world, server.id), ["(mine)"], "what comes before it is missing");
    assert_eq!(world.outbox.echoes(server.id)[0].state, PendingState::Stored);
    settle(&mut world, &mut server);
    assert_eq!(texts(&world, server.id), ["unheard", "mine"]);
}

#[test]
fn a_gap_is_fetched_once() {
    let mut server = Server::new();
    let mut world = tab(&server);
    connect(&mut world, &mut server);
    for text in ["one", "two", "three"] {
        server.post(2, text);
    }
    let events = server.sent();
    world.frame(events[1].clone(), at(0));
    world.frame(events[2].clone(), at(0));
    let mut syncs = world.take_requests();
    syncs.retain(|request| matches!(request, Request::Frame(_)));
    assert_eq!(syncs.len(), 1);
    assert!(matches!(syncs[0], Request::Frame(ClientFrame::Sync { after: 0, .. })));
    server.perform(syncs[0].clone(), &mut world, at(0));
    settle(&mut world, &mut server);
    assert_eq!(texts(&world, server.id), ["one", "two", "three"]);
    assert_eq!(world.unread_total(), 3);
}

#[test]
fn a_pong_shows_a_silent_gap() {
    let mut server = Server::new();
    let mut world = tab(&server);
    connect(&mut world, &mut server);
    server.post(2, "unheard");
    server.sent();
    world.frame(ServerFrame::Pong { n: 1, heads: vec![(server.id, 1)] }, at(0));
    settle(&mut world, &mut server);
    assert_eq!(texts(&world, server.id), ["unheard"]);
}

#[test]
fn a_long_absence_is_fetched_in_parts_and_only_then_complete() {
    let mut server = Server::new();
    let mut world = tab(&server);
    for number in 0..450 {
        server.post(2, &number.to_string());
    }
    let hello = world.hello();
    server.listen(true);
    for frame in server.answer(hello) {
        world.frame(frame, at(0));
    }
    assert!(!world.is_complete());
    settle(&mut world, &mut server);
    assert!(world.is_complete());
    assert_eq!(texts(&world, server.id).last().map(String::as_str), Some("449"));
    assert_eq!(world.unread_total(), 450);
}

#[test]
fn a_reset_loads_everything_anew() {
    let mut server = Server::new();
    let mut world = tab(&server);
    connect(&mut world, &mut server);
    for number in 0..60 {
        server.post(2, &number.to_string());
    }
    server.sent();
    world.frame(ServerFrame::Reset { conversation: server.id, reason: "too far behind".to_owned() }, at(0));
    assert_eq!(world.timeline(server.id), TimelineState::Loading);
    settle(&mut world, &mut server);
    assert_eq!(texts(&world, server.id).len(), 50);
    assert_eq!(world.unread_total(), 60);
}

#[test]
fn a_restored_backup_replaces_everything() {
    let mut server = Server::new();
    let mut world = tab(&server);
    connect(&mut world, &mut server);
    for text in ["one", "two", "three"] {
        server.post(2, text);
    }
    settle(&mut world, &mut server);
    world.disconnected();
    server.restore(1);
    connect(&mut world, &mut server);
    assert_eq!(texts(&world, server.id), ["one"]);
    assert_eq!(world.inbox.get(server.id).map(|entry| entry.rev()), Some(1));
    // A conversation that is not in the backup goes.
    world.disconnected();
    server.epoch = Epoch::generate();
    server.member = false;
    connect(&mut world, &mut server);
    assert!(world.inbox.get(server.id).is_none());
    assert_eq!(world.timeline(server.id), TimelineState::Absent);
}

#[test]
fn leaving_and_losing_a_conversation_drops_it() {
    let mut server = Server::new();
    let mut world = tab(&server);
    connect(&mut world, &mut server);
    send(&mut world, server.id, "never");
    world.frame(ServerFrame::Gone { conversation: server.id }, at(0));
    assert!(world.inbox.get(server.id).is_none());
    assert_eq!(world.outbox.waiting(), 0);
    assert!(world.take_changed().conversations.contains(&server.id));
}

#[test]
fn a_refusal_is_shown_and_can_be_retried() {
    let mut server = Server::new();
    let mut world = tab(&server);
    connect(&mut world, &mut server);
    send(&mut world, server.id, "no");
    world.take_requests();
    let refusal = |code: Code| {
        ServerFrame::Refused(Refusal {
            nonce: Some("no".to_owned()),
            in_reply_to: None,
            code,
            message: "No.".to_owned(),
            retryable: code.retryable(),
            retry_after_ms: None,
        })
    };
    world.frame(refusal(Code::Forbidden), at(0));
    let state = world.outbox.echoes(server.id)[0].state.clone();
    assert_eq!(
        state,
        PendingState::Refused { code: Code::Forbidden, message: "No.".to_owned(), retryable: false }
    );
    world.retry(server.id, &"no".parse().unwrap(), "fresh".parse().unwrap(), at(0));
    settle(&mut world, &mut server);
    assert_eq!(texts(&world, server.id), ["no"]);
}

#[test]
fn a_text_no_frame_can_carry_is_refused_here() {
    let mut server = Server::new();
    let mut world = tab(&server);
    connect(&mut world, &mut server);
    let text = "\u{1}x".repeat(limits::TEXT_CHARS / 2);
    assert!(world.act(server.id, nonce("n"), words(&text), at(0)));
    assert!(world.take_requests().iter().any(|request| matches!(request, Request::Frame(_))));
    let text = format!("x{}", "\u{1}".repeat(limits::TEXT_CHARS - 1));
    let other = conversation_id(9);
    assert!(world.act(other, nonce("m"), words(&text), at(0)));
    assert!(world.take_requests().iter().all(|request| !matches!(request, Request::Frame(_))));
    assert!(matches!(
        world.outbox.echoes(other)[0].state,
        PendingState::Refused { code: Code::TooLarge, .. }
    ));
}

#[test]
fn what_i_send_elsewhere_raises_my_mark_however_it_comes() {
    let mut server = Server::new();
    for number in 1..=4 {
        server.post(2, &number.to_string());
    }
    let unread = |world: &World, id| {
        let one = world.conversation(id).unwrap();
        (one.read_seq, one.unread)
    };
    let mut live = tab(&server);
    connect(&mut live, &mut server);
    let mut behind = tab(&server);
    assert_eq!(unread(&live, server.id), (0, 4));
    // As an event.
    server.post(ME, "from my phone");
    settle(&mut live, &mut server);
    assert_eq!(unread(&live, server.id), (5, 0));
    // In a page, before the change is heard of: all that is known here is read.
    let id = server.id;
    behind.load(id, Span::Newest);
    settle(&mut behind, &mut server);
    assert_eq!(unread(&behind, id), (4, 0));
    // In what a connection brings after an absence, and what came after my message counts.
    server.post(3, "and?");
    connect(&mut behind, &mut server);
    assert_eq!(unread(&behind, id), (5, 1));
    assert_eq!(behind.unread_total(), 1);
}

#[test]
fn marks_are_told_once_a_second() {
    let mut server = Server::new();
    for number in 0..9 {
        server.post(2, &number.to_string());
    }
    let mut world = tab(&server);
    connect(&mut world, &mut server);
    let told = |world: &mut World| {
        let reads = world.take_requests().into_iter().filter_map(|request| match request {
            Request::Frame(ClientFrame::Read { seq, .. }) => Some(seq),
            _ => None,
        });
        reads.collect::<Vec<_>>()
    };
    for seq in 1..=4 {
        world.mark_read(server.id, seq, at(5_000 + seq));
    }
    assert_eq!(world.unread_total(), 5, "at once, and exact");
    assert_eq!(told(&mut world), [1]);
    assert_eq!(world.wake_at(), Some(6_001));
    world.tick(at(6_001));
    assert_eq!(told(&mut world), [4]);
    world.mark_read(server.id, 2, at(9_000));
    assert!(told(&mut world).is_empty());
}

#[test]
fn a_mark_made_offline_is_told_later() {
    let mut server = Server::new();
    server.post(2, "one");
    let mut world = tab(&server);
    world.mark_read(server.id, 1, at(0));
    assert_eq!(world.unread_total(), 0);
    connect(&mut world, &mut server);
    assert_eq!(server.read, 1);
}

#[test]
fn a_message_is_shown_in_its_surroundings() {
    let mut server = Server::new();
    let world = &mut tab(&server);
    for number in 1..=400 {
        server.post(2, &number.to_string());
    }
    world.forget(server.id);
    connect(world, &mut server);
    world.show_around(server.id, 200);
    settle(world, &mut server);
    assert!(texts(world, server.id).contains(&"200".to_owned()));
    world.show_around(server.id, 20);
    settle(world, &mut server);
    assert!(texts(world, server.id).contains(&"20".to_owned()));
    send(world, server.id, "mine");
    settle(world, &mut server);
    assert_eq!(texts(world, server.id).last().map(String::as_str), Some("mine"));
}

#[test]
fn timelines_are_bounded() {
    let server = Server::new();
    let mut world = tab(&server);
    for number in 0..TIMELINES as u128 + 5 {
        let id = conversation_id(100 + number);
        world.know(conversation(100 + number, 0, 0, 0), Vec::new(), at(0));
        world.open(id);
    }
    assert_eq!(world.timelines.len(), TIMELINES);
    assert_eq!(world.timeline(server.id), TimelineState::Absent, "not looked at for longest");
}

#[test]
fn a_conversation_never_heard_of_is_fetched() {
    let mut server = Server::new();
    let mut world = tab(&server);
    world.forget(server.id);
    connect(&mut world, &mut server);
    assert!(world.inbox.get(server.id).is_some(), "it came in heads");
    world.forget(server.id);
    server.post(2, "hello");
    settle(&mut world, &mut server);
    assert_eq!(world.unread_total(), 1);
}
