//! What only I see of a conversation.

use super::server::Server;
use super::*;
use protocol::rest::PatchSettings;
use protocol::{Settings, Timestamp};

fn connected() -> (World, Server) {
    let mut server = Server::new();
    for number in 1..=9 {
        server.post(2, &format!("{number} @me"));
    }
    server.read = 9;
    let mut world = tab(&server);
    connect(&mut world, &mut server);
    (world, server)
}

fn frames(world: &mut World) -> Vec<ClientFrame> {
    let frames = world.take_requests().into_iter().filter_map(|request| match request {
        Request::Frame(frame) => Some(frame),
        _ => None,
    });
    frames.collect()
}

fn pinned(pinned: bool) -> PatchSettings {
    PatchSettings { pinned: Some(pinned), ..PatchSettings::default() }
}

fn pong(world: &mut World) {
    world.frame(ServerFrame::Pong { n: 1, heads: Vec::new() }, at(0));
}

#[test]
fn settings_are_shown_at_once_and_wait_for_a_connection_as_one() {
    let (mut world, mut server) = connected();
    world.disconnected();
    server.listen(false);
    world.set(server.id, pinned(true), at(0));
    world.set(server.id, PatchSettings { archived: Some(true), ..PatchSettings::default() }, at(1));
    world.set(server.id, pinned(false), at(2));
    assert!(world.conversation(server.id).unwrap().settings.archived);
    assert!(frames(&mut world).is_empty());
    let hello = world.hello();
    for frame in server.answer(hello) {
        world.frame(frame, at(3));
    }
    assert!(world.conversation(server.id).unwrap().settings.archived, "also over the server's object");
    let sent = frames(&mut world);
    let settings = PatchSettings { pinned: Some(false), archived: Some(true), ..PatchSettings::default() };
    assert_eq!(sent, [ClientFrame::Settings { conversation: server.id, settings }]);
}

#[test]
fn a_setting_lost_with_its_connection_goes_again_until_it_must_have_arrived() {
    let (mut world, mut server) = connected();
    world.set(server.id, pinned(true), at(0));
    assert_eq!(frames(&mut world).len(), 1, "lost");
    world.disconnected();
    server.listen(false);
    connect(&mut world, &mut server);
    assert!(server.settings.pinned);
    assert!(world.conversation(server.id).unwrap().settings.pinned);
    pong(&mut world);
    pong(&mut world);
    // From now on another device decides, as it does a while after.
    server.set(pinned(false), None);
    settle(&mut world, &mut server);
    assert!(!world.conversation(server.id).unwrap().settings.pinned);
}

#[test]
fn of_two_devices_at_once_the_server_says_who_was_last() {
    let (mut world, mut server) = connected();
    world.set(server.id, pinned(true), at(0));
    let mine = frames(&mut world);
    server.set(pinned(true), Some(0));
    server.set(pinned(false), None);
    for frame in server.sent() {
        world.frame(frame, at(10));
    }
    assert_eq!(mine.len(), 1);
    assert!(world.conversation(server.id).unwrap().settings.pinned, "mine may be the later one");
    pong(&mut world);
    pong(&mut world);
    settle(&mut world, &mut server);
    assert!(!world.conversation(server.id).unwrap().settings.pinned);
}

#[test]
fn a_draft_sent_by_another_device_is_gone_two_seconds_later_at_most() {
    let (mut world, mut server) = connected();
    let id = server.id;
    let draft = |text: &str| PatchSettings { draft: Some(text.to_owned()), ..PatchSettings::default() };
    world.set_draft(id, "I think".to_owned(), at(0));
    world.flush_draft(id, at(0));
    server.set(draft("I think"), Some(0));
    server.set(draft(""), None);
    frames(&mut world);
    for frame in server.sent() {
        world.frame(frame, at(500));
    }
    assert_eq!(world.conversation(id).unwrap().settings.draft, "I think", "mine may be the later one");
    assert_eq!(world.wake_at(), Some(2_000));
    settle(&mut world, &mut server);
    assert_eq!(world.conversation(id).unwrap().settings.draft, "");
}

#[test]
fn drafts_are_here_at_once_and_elsewhere_every_two_seconds() {
    let (mut world, mut server) = connected();
    let id = server.id;
    let drafts = |world: &mut World| {
        let drafts = frames(world).into_iter().filter_map(|frame| match frame {
            ClientFrame::Settings { settings, .. } => settings.draft,
            _ => None,
        });
        drafts.collect::<Vec<_>>()
    };
    for (now, text) in [(0, "h"), (500, "he"), (900, "hel")] {
        world.set_draft(id, text.to_owned(), at(now));
    }
    assert_eq!(world.conversation(id).unwrap().settings.draft, "hel");
    assert!(drafts(&mut world).is_empty());
    assert_eq!(world.wake_at(), Some(super::super::personal::DRAFT_EVERY));
    world.tick(at(2_000));
    assert_eq!(drafts(&mut world), ["hel"]);
    world.set_draft(id, "hell".to_owned(), at(2_100));
    world.flush_draft(id, at(2_200));
    assert_eq!(drafts(&mut world), ["hell"], "at once where the field is left");
    world.set_draft(id, "x".repeat(limits::TEXT_CHARS + 1), at(9_000));
    assert_eq!(
        world.conversation(id).unwrap().settings.draft,
        "hell",
        "what no message can be stays in the field"
    );
    pong(&mut world);
    pong(&mut world);
    server.set(PatchSettings { draft: Some("from the phone".to_owned()), ..PatchSettings::default() }, None);
    settle(&mut world, &mut server);
    assert_eq!(world.conversation(id).unwrap().settings.draft, "from the phone");
}

#[test]
fn words_that_were_never_a_draft_elsewhere_leave_nothing_to_tell() {
    let (mut world, server) = connected();
    let id = server.id;
    world.set_draft(id, "hello".to_owned(), at(0));
    world.set_draft(id, String::new(), at(500));
    world.flush_draft(id, at(500));
    assert_eq!(world.conversation(id).unwrap().settings.draft, "");
    assert_eq!(world.wake_at(), None);
    assert_eq!(frames(&mut world), []);
}

#[test]
fn what_is_kept_as_unread_counts_until_it_is_read() {
    let (mut world, mut server) = connected();
    world.mark_unread(server.id, 7, at(0));
    let id = server.id;
    let counts = |world: &World| {
        let one = world.conversation(id).unwrap();
        (one.unread, one.mentions, one.read_seq)
    };
    assert_eq!(counts(&world), (3, 3, 9), "at once, from the cached messages");
    assert_eq!(frames(&mut world), [ClientFrame::Unread { conversation: server.id, seq: 7 }]);
    server.settings.unread_from = Some(7);
    server.post(2, "ten");
    settle(&mut world, &mut server);
    assert_eq!(counts(&world), (4, 3, 9));
    world.mark_read(server.id, 10, at(10));
    assert_eq!(counts(&world), (0, 0, 10));
    settle(&mut world, &mut server);
    assert_eq!((server.settings.unread_from, server.read), (None, 10));
    // On another device, and read there again.
    server.settings.unread_from = None;
    server.on = 1;
    server.answer(ClientFrame::Unread { conversation: id, seq: 9 });
    server.on = 0;
    for frame in server.sent() {
        world.frame(frame, at(60_000));
    }
    assert_eq!(counts(&world), (2, 1, 10));
    server.on = 1;
    server.answer(ClientFrame::Read { conversation: server.id, seq: 10 });
    server.on = 0;
    settle(&mut world, &mut server);
    assert_eq!(world.conversation(server.id).unwrap(), server.object());
}

#[test]
fn a_mark_that_is_told_late_changes_nothing() {
    let (mut world, mut server) = connected();
    world.mark_unread(server.id, 7, at(0));
    settle(&mut world, &mut server);
    let before = world.conversation(server.id).unwrap();
    assert_eq!(before.settings.unread_from, Some(7));
    let (conversation, user) = (server.id, user(ME));
    world.frame(ServerFrame::Read { conversation, user, seq: 3, unread: Some(6), mentions: Some(6) }, at(0));
    assert_eq!(world.conversation(server.id).unwrap(), before);
}

#[test]
fn reading_again_is_told_even_where_the_mark_stays() {
    let (mut world, mut server) = connected();
    world.mark_unread(server.id, 7, at(0));
    settle(&mut world, &mut server);
    world.mark_read(server.id, 9, at(5_000));
    assert_eq!(world.conversation(server.id).unwrap().unread, 0);
    world.take_requests(); // lost
    world.disconnected();
    server.listen(false);
    connect(&mut world, &mut server);
    assert_eq!(server.settings.unread_from, None);
    assert_eq!(world.conversation(server.id).unwrap(), server.object());
}

#[test]
fn a_refused_setting_goes_back() {
    let (mut world, mut server) = connected();
    world.set(server.id, pinned(true), at(0));
    frames(&mut world);
    let refusal = Refusal {
        nonce: None,
        in_reply_to: Some("settings".to_owned()),
        code: Code::Invalid,
        message: String::new(),
        retryable: false,
        retry_after_ms: None,
    };
    world.frame(ServerFrame::Refused(refusal), at(0));
    settle(&mut world, &mut server);
    assert_eq!(world.conversation(server.id).unwrap(), server.object());
}

#[test]
fn the_list_has_pinned_ones_first_and_puts_archived_ones_away() {
    let mut world = tab(&Server::new());
    let put = |world: &mut World, number: u128, head: u64, unread: u64, settings: Settings| {
        let mut one = conversation(number, head, head - unread, unread);
        one.settings = settings;
        world.know(one, Vec::new(), at(0));
        conversation_id(number)
    };
    world.forget(conversation_id(1));
    let archived = Settings { archived: true, ..Settings::default() };
    let muted = |until| Settings { muted_until: Some(Timestamp::from_millis(until)), ..archived.clone() };
    let newer = put(&mut world, 2, 9, 0, Settings::default());
    let older = put(&mut world, 3, 5, 0, Settings { pinned: true, ..Settings::default() });
    let away = put(&mut world, 4, 8, 0, archived.clone());
    let back = put(&mut world, 5, 7, 2, archived.clone());
    let quiet = put(&mut world, 6, 6, 2, muted(5_000));
    world.clock(1_000);
    assert_eq!(world.order(), [older, newer, back]);
    assert_eq!(world.archived(), [away, quiet]);
    world.clock(6_000);
    assert_eq!(world.order(), [older, newer, back, quiet], "the silence is over");
}
