//! What is done to messages: shown at once, kept until stored, taken back where refused.

use super::server::{Server, refused};
use super::*;
use crate::timeline::Quoted;
use protocol::{Body, Message, MessageId, rest::Messages};

fn connected() -> (World, Server) {
    let mut server = Server::new();
    server.post(ME, "mine");
    server.post(2, "theirs");
    let mut world = tab(&server);
    connect(&mut world, &mut server);
    (world, server)
}

fn shown(world: &World, id: ConversationId) -> Vec<Message> {
    let TimelineState::Ready(window) = world.timeline(id) else { panic!("not loaded") };
    let messages = window.rows.iter().filter_map(|row| match row {
        Row::Message(message) => Some(Message::clone(message)),
        _ => None,
    });
    messages.collect()
}

fn of(server: &Server, index: usize) -> MessageId {
    server.log[index].id
}

fn edit(server: &Server, index: usize, text: &str) -> Act {
    Act::Edit { message: of(server, index), text: text.parse().unwrap() }
}

fn react(server: &Server, index: usize, on: bool) -> Act {
    Act::React { message: of(server, index), emoji: "👍".parse().unwrap(), on }
}

#[test]
fn an_act_is_shown_at_once_and_becomes_the_truth() {
    let (mut world, mut server) = connected();
    let id = server.id;
    for (name, act) in [("e", edit(&server, 0, "better")), ("r", react(&server, 1, true))] {
        assert!(world.act(id, nonce(name), act, at(5)));
    }
    assert!(world.act(id, nonce("p"), Act::Pin { message: of(&server, 1), on: true }, at(5)));
    let messages = shown(&world, id);
    assert_eq!(messages[0].body.text(), Some("better"));
    assert!(messages[0].edited_at.is_some());
    assert_eq!((messages[1].reactions[0].users.as_slice(), messages[1].pinned), (&[user(ME)][..], true));
    assert!(world.conversation(id).unwrap().last_message.unwrap().pinned, "the preview too");
    assert_eq!(server.texts()[0], "mine", "not yet");
    settle(&mut world, &mut server);
    assert_eq!(shown(&world, id), server.log);
    assert_eq!(world.outbox.waiting(), 0);
    assert!(world.notices().is_empty());
    assert_eq!(world.conversation(id).unwrap(), server.object());
}

#[test]
fn acts_and_messages_of_a_conversation_keep_their_order() {
    let (mut world, mut server) = connected();
    world.disconnected();
    send(&mut world, server.id, "new");
    assert!(world.act(server.id, nonce("e"), edit(&server, 0, "later"), at(0)));
    assert!(world.act(server.id, nonce("x"), Act::Recall { message: of(&server, 0) }, at(0)));
    assert_eq!(world.outbox.waiting(), 3);
    assert!(shown(&world, server.id)[0].recalled);
    server.listen(false);
    connect(&mut world, &mut server);
    assert_eq!(server.texts(), ["", "theirs", "new"]);
    assert_eq!(shown(&world, server.id), server.log);
    assert!(world.notices().is_empty(), "the edit came before");
}

#[test]
fn a_refused_act_is_taken_back_and_said() {
    let (mut world, mut server) = connected();
    assert!(world.act(server.id, nonce("e"), edit(&server, 0, "no"), at(0)));
    world.take_requests();
    world.frame(refused(&nonce("e"), Code::Forbidden), at(0));
    assert_eq!(shown(&world, server.id)[0].body.text(), Some("mine"));
    let notices = world.notices();
    assert_eq!((notices.len(), notices[0].code), (1, Code::Forbidden));
    assert!(world.take_requests().contains(&Request::Drop { nonce: nonce("e"), stored: None }));
    world.dismiss(notices[0].number);
    assert!(world.notices().is_empty());
    // One that may succeed later stays.
    assert!(world.act(server.id, nonce("f"), edit(&server, 0, "yes"), at(0)));
    world.take_requests();
    world.frame(refused(&nonce("f"), Code::Unavailable), at(0));
    assert_eq!(shown(&world, server.id)[0].body.text(), Some("yes"));
    settle(&mut world, &mut server);
    assert_eq!(server.texts()[0], "yes");
}

#[test]
fn notices_are_bounded() {
    let (mut world, server) = connected();
    for number in 0..10 {
        let name = nonce(&format!("n{number}"));
        assert!(world.act(server.id, name.clone(), react(&server, 1, true), at(0)));
        world.frame(refused(&name, Code::Conflict), at(0));
    }
    assert_eq!(world.notices().len(), super::super::acts::NOTICES);
}

#[test]
fn an_answer_that_got_lost_is_asked_for_again_with_the_same_nonce() {
    let (mut world, mut server) = connected();
    assert!(world.act(server.id, nonce("r"), react(&server, 1, true), at(0)));
    for request in world.take_requests() {
        server.perform(request, &mut world, at(0));
    }
    world.disconnected();
    server.listen(false);
    server.react(1, ME, false, None); // on another device, meanwhile
    connect(&mut world, &mut server);
    assert!(server.log[1].reactions.is_empty(), "the first one counts once");
    assert_eq!(shown(&world, server.id), server.log);
}

#[test]
fn one_tab_sends_for_all() {
    let (mut world, mut server) = connected();
    let (mut other, id) = (tab(&server), server.id);
    other.may_send(false, at(0));
    server.on = 1;
    connect(&mut other, &mut server);
    server.on = 0;
    other.outbox.keep();
    assert!(other.act(id, nonce("far"), words("far"), at(1)));
    assert!(other.act(id, nonce("e"), edit(&server, 0, "better"), at(2)));
    assert_eq!(other.take_requests(), [Request::Keep(nonce("far")), Request::Keep(nonce("e"))]);
    for name in ["far", "e"] {
        other.kept(&nonce(name), at(2));
        world.restore(vec![other.outbox.saved(&nonce(name)).unwrap()], at(2));
    }
    assert!(other.take_requests().is_empty(), "the other one sends");
    assert!(other.is_left(&nonce("far")));
    let mut dropped = Vec::new();
    for now in 3..20 {
        for request in world.take_requests() {
            if let Request::Drop { nonce, stored } = &request {
                dropped.push((nonce.clone(), *stored));
            }
            server.perform(request, &mut world, at(now));
        }
        for frame in server.sent() {
            world.frame(frame, at(now));
        }
    }
    assert_eq!(dropped, [(nonce("far"), Some(3)), (nonce("e"), Some(4))]);
    assert_eq!(texts(&world, id), ["better", "theirs", "far"]);
    // The others hear that it is done before they hear what it became: nothing flickers.
    for (name, stored) in dropped {
        other.dropped(&name, stored, at(30));
    }
    assert_eq!(texts(&other, id), ["better", "theirs", "(far)"]);
    assert_eq!(other.outbox.waiting(), 0);
    assert!(other.take_requests().is_empty(), "and tell nobody once more");
    server.on = 1;
    settle(&mut other, &mut server);
    assert_eq!(texts(&other, id), ["better", "theirs", "far"]);
    assert_eq!(server.log.len(), 3);
}

#[test]
fn whoever_gets_to_send_starts_from_what_is_kept() {
    let (mut world, server) = connected();
    world.may_send(false, at(0));
    world.outbox.keep();
    for name in ["done", "open"] {
        assert!(world.act(server.id, nonce(name), words(name), at(1)));
        world.kept(&nonce(name), at(1));
    }
    let (before, kept) = (world.outbox.all_kept(), world.outbox.saved(&nonce("open")).unwrap());
    assert!(world.act(server.id, nonce("new"), words("new"), at(2)));
    world.take_requests();
    world.adopt(&before, vec![kept], at(3));
    let rest = ["(open)", "(new)"];
    assert_eq!(texts(&world, server.id)[2..], rest);
    let sent = world.take_requests().into_iter().filter(|request| matches!(request, Request::Frame(_)));
    assert_eq!(sent.count(), 1);
}

#[test]
fn a_refusal_shows_in_every_tab() {
    let (mut world, server) = connected();
    let mut other = tab(&server);
    other.may_send(false, at(0));
    for tab in [&mut world, &mut other] {
        assert!(tab.act(server.id, nonce("no"), words("no"), at(0)));
        tab.take_requests();
    }
    world.frame(refused(&nonce("no"), Code::Forbidden), at(0));
    let told = world.take_requests();
    let [Request::Refused(name, refusal)] = told.as_slice() else { panic!("{told:?}") };
    other.told_refused(name, refusal, at(0));
    assert!(matches!(other.outbox.echoes(server.id)[0].state, PendingState::Refused { .. }));
    assert!(other.take_requests().is_empty());
}

#[test]
fn quotes_come_from_here_or_are_asked_for_once_and_follow() {
    let (mut world, mut server) = connected();
    let id = server.id;
    world.quote(id, of(&server, 0));
    let text = |world: &World, id| match world.quoted(id) {
        Quoted::Here(message) => message.body.text().map(str::to_owned),
        other => panic!("{other:?}"),
    };
    assert_eq!(text(&world, of(&server, 0)).as_deref(), Some("mine"));
    assert!(world.take_requests().is_empty());
    server.edit(0, "edited", None);
    settle(&mut world, &mut server);
    assert_eq!(text(&world, of(&server, 0)).as_deref(), Some("edited"));
    server.recall(0, None);
    settle(&mut world, &mut server);
    assert_eq!(text(&world, of(&server, 0)), None, "recalled");
    // One that is nowhere here.
    let far = MessageId::generate();
    world.quote(id, far);
    world.quote(id, far);
    assert_eq!(world.quoted(far), Quoted::Unknown);
    assert_eq!(world.take_requests(), [Request::Message(far)]);
    world.message_fetched(far, Err(Code::Unavailable));
    world.disconnected();
    server.listen(false);
    connect(&mut world, &mut server);
    assert_eq!(world.quoted(far), Quoted::Gone, "asked for again, and not there");
    let mut quoted = crate::timeline::tests::message(900, 900, user(2));
    quoted.id = far;
    let page = Messages { quoted: vec![quoted], ..server.page(Span::Newest) };
    world.show_around(id, 700);
    let asked = world.take_requests();
    let [Request::Page(ask)] = asked.as_slice() else { panic!("{asked:?}") };
    world.page(*ask, Ok(page));
    assert_eq!(text(&world, far).as_deref(), Some("message 900"));
}

#[test]
fn quotes_are_bounded() {
    let (mut world, server) = connected();
    for _ in 0..600 {
        world.quote(server.id, MessageId::generate());
    }
    let known = world
        .take_requests()
        .into_iter()
        .filter(|request| matches!(request, Request::Message(id) if world.quotes.knows(*id)));
    assert_eq!(known.count(), quotes::QUOTES);
}

#[test]
fn what_happened_stands_between_the_messages() {
    let (mut world, mut server) = connected();
    server.rename("Design");
    server.post(2, "after");
    settle(&mut world, &mut server);
    assert_eq!(texts(&world, server.id), ["mine", "theirs", "-3-", "after"]);
    let fresh = tab(&server);
    assert_eq!(texts(&fresh, server.id), texts(&world, server.id), "and the same from a page");
    // A change that does not say where stands at the end, now.
    let change = protocol::Change::new(5, protocol::ChangeKind::Joined { by: user(2), user: user(3) });
    world.frame(ServerFrame::Event { conversation: server.id, kind: protocol::Kind::Group, change }, at(77));
    assert_eq!(texts(&world, server.id).last().map(String::as_str), Some("-5-"));
    assert!(world.people.wants(), "who that is");
}

#[test]
fn a_hidden_change_counts() {
    let (mut world, server) = connected();
    let hidden = protocol::Change::new(3, protocol::ChangeKind::Unsupported);
    world.frame(
        ServerFrame::Event { conversation: server.id, kind: protocol::Kind::Group, change: hidden },
        at(0),
    );
    assert_eq!(world.inbox.get(server.id).map(|entry| entry.rev()), Some(3));
    assert!(world.take_requests().is_empty());
}

#[test]
fn a_recalled_message_is_unread_no_more() {
    let mut server = Server::new();
    for text in ["one", "two @me", "three"] {
        server.post(2, text);
    }
    let mut world = tab(&server);
    connect(&mut world, &mut server);
    let id = server.id;
    let counts = |world: &World| {
        let one = world.conversation(id).unwrap();
        (one.unread, one.mentions)
    };
    assert_eq!(counts(&world), (3, 1));
    server.recall(1, None);
    server.edit(2, "three @me", None);
    server.post(2, "four @me");
    server.recall(3, None);
    for frame in server.sent() {
        world.frame(frame, at(0));
    }
    assert_eq!(counts(&world), (2, 1), "exact from the cached messages, without asking");
    assert_eq!(world.take_requests(), [Request::Ring(id, 6)]);
    assert_eq!(world.conversation(server.id).unwrap().last_message.unwrap().body, Body::Recalled);
    // Without them the server is asked.
    let mut far = tab(&server);
    far.timelines.clear();
    connect(&mut far, &mut server);
    server.recall(0, None);
    settle(&mut far, &mut server);
    assert_eq!(far.conversation(server.id).unwrap(), server.object());
}
