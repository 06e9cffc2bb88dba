//! What only one member sees of a conversation: silence, place, draft, and what is unread to them.

use harness::{Person, Scene, Socket};
use protocol::rest::PatchSettings;
use protocol::{
    ClientFrame, Code, ConversationId, Message, MessageId, ServerFrame, Settings, Timestamp, limits,
};
use reqwest::Method;
use serde_json::json;

const CONFAB: &str = env!("CARGO_BIN_EXE_confab");

/// The next settings of a conversation that a socket is told: all of them, what is unread, how much of it names me.
async fn told(socket: &mut Socket, room: ConversationId) -> (Settings, u64, u64) {
    socket
        .until("the settings", |frame| match frame {
            ServerFrame::Settings { conversation, settings, unread, mentions } if *conversation == room => {
                Some((settings.clone(), *unread, *mentions))
            }
            _ => None,
        })
        .await
        .expect("the settings reach this device")
}

fn silent_in(settings: &[ServerFrame]) -> bool {
    !settings.iter().any(|frame| matches!(frame, ServerFrame::Settings { .. }))
}

#[tokio::test]
async fn settings_reach_my_other_devices_and_nobody_else() {
    let Scene { server: _server, people: [ada, ben] } = Scene::open(CONFAB, ["ada", "ben"]).await.unwrap();
    let room = ada.client.direct(ben.id()).await.unwrap().id;
    let phone = ada.second_device().await.unwrap();
    let (mut at_adas, mut on_the_phone) = (ada.socket().await.unwrap(), phone.socket().await.unwrap());
    let mut at_bens = ben.socket().await.unwrap();
    let rev = ada.client.conversation(room).await.unwrap().head_rev;

    let until = "2999-01-01T00:00:00.000Z".parse::<Timestamp>().unwrap();
    let patch = PatchSettings { muted_until: Some(until), pinned: Some(true), ..Default::default() };
    at_adas.frame(&ClientFrame::Settings { conversation: room, settings: patch }).await.unwrap();
    let mut expected = Settings { muted_until: Some(until), pinned: true, ..Default::default() };
    assert_eq!(told(&mut on_the_phone, room).await, (expected.clone(), 0, 0));
    // Only what is named changes.
    let patch =
        PatchSettings { archived: Some(true), draft: Some("half a thou".into()), ..Default::default() };
    on_the_phone.frame(&ClientFrame::Settings { conversation: room, settings: patch }).await.unwrap();
    expected = Settings { archived: true, draft: "half a thou".into(), ..expected };
    let first_told_to_ada = told(&mut at_adas, room).await.0;
    assert_eq!(first_told_to_ada, expected, "of her own change she was not told");
    assert_eq!(ada.client.conversation(room).await.unwrap().settings, expected);
    // Over REST every device is told; a time that is past ends the silence, an empty draft is none.
    let past = "2001-01-01T00:00:00.000Z".parse().unwrap();
    let patch = PatchSettings {
        muted_until: Some(past),
        pinned: Some(false),
        draft: Some(String::new()),
        ..Default::default()
    };
    let stored = ada.client.set(room, &patch).await.unwrap();
    assert_eq!(stored, Settings { archived: true, ..Default::default() });
    assert_eq!(told(&mut at_adas, room).await.0, stored);
    assert_eq!(told(&mut on_the_phone, room).await.0, stored);

    let of_bens = ben.client.conversation(room).await.unwrap();
    assert_eq!(
        (of_bens.settings, of_bens.head_rev),
        (Settings::default(), rev),
        "nobody else's, and no change"
    );
    assert!(silent_in(&at_bens.settle().await.unwrap()));
    assert!(silent_in(&on_the_phone.settle().await.unwrap()));
}

#[tokio::test]
async fn settings_of_a_device_that_was_away_come_back_by_their_state() {
    let Scene { server: _server, people: [ada, ben] } = Scene::open(CONFAB, ["ada", "ben"]).await.unwrap();
    let (one, other) =
        (ada.client.direct(ben.id()).await.unwrap().id, ada.client.group("Depot", &[]).await.unwrap().id);
    let (socket, had) = ada.live().await.unwrap();
    socket.close().await.unwrap();
    let draft = PatchSettings { draft: Some("later".into()), ..Default::default() };
    ada.client.set(one, &draft).await.unwrap();
    let cursors: Vec<_> = had.heads.iter().map(|room| (room.id, room.head_rev)).collect();
    let states: Vec<_> = had.heads.iter().map(|room| (room.id, room.state())).collect();
    assert!(cursors.iter().any(|(room, _)| *room == other));
    let mut again = ada.connect().await.unwrap();
    let hello = again.hello_with(Some(had.epoch), Some(cursors), Some(states)).await.unwrap();
    let came: Vec<_> = hello.heads.iter().map(|room| (room.id, room.settings.draft.as_str())).collect();
    assert_eq!(came, [(one, "later")]);
}

#[tokio::test]
async fn what_is_wrong_with_settings_is_said_and_strangers_learn_nothing() {
    let Scene { server: _server, people: [ada, ben, eve] } =
        Scene::open(CONFAB, ["ada", "ben", "eve"]).await.unwrap();
    let room = ada.client.direct(ben.id()).await.unwrap().id;
    let longest = PatchSettings { draft: Some("字".repeat(limits::TEXT_CHARS)), ..Default::default() };
    assert_eq!(ada.client.set(room, &longest).await.unwrap().draft, longest.draft.unwrap());
    let long = PatchSettings { draft: Some("字".repeat(limits::TEXT_CHARS + 1)), ..Default::default() };
    let error = ada.client.set(room, &long).await.unwrap_err();
    assert_eq!(
        (error.code(), error.problem().unwrap().errors[0].field.as_str()),
        (Some(Code::Invalid), "draft")
    );
    let settings = format!("conversations/{room}/settings");
    let wrong = json!({"muted_until": "tomorrow"});
    assert_eq!(ada.client.call(Method::PATCH, &settings, &wrong).await.unwrap().status, 422);

    for (method, route, body) in
        [(Method::PATCH, "settings", json!({"pinned": true})), (Method::POST, "unread", json!({"seq": 1}))]
    {
        let ask = async |id: ConversationId| {
            let path = format!("conversations/{id}/{route}");
            eve.client.call(method.clone(), &path, &body).await.unwrap().without_its_own()
        };
        let of_none = ask(ConversationId::generate()).await;
        assert_eq!((of_none.0, ask(room).await), (404, of_none.clone()), "{route}");
    }
}

#[tokio::test]
async fn a_conversation_is_kept_as_unread_until_it_is_read_or_written_to() {
    let Scene { server: _server, people: [ada, ben] } = Scene::open(CONFAB, ["ada", "ben"]).await.unwrap();
    let room = ada.client.direct(ben.id()).await.unwrap().id;
    let nothing = ben.client.mark_unread(room, 1).await.unwrap();
    assert_eq!((nothing.read_seq, nothing.unread), (0, 0));
    assert_eq!(ben.client.conversation(room).await.unwrap().settings.unread_from, None);
    for number in 1..=6 {
        let from = if number == 4 { &ben } else { &ada };
        from.client.post(room, &format!("{number} @ben")).await.unwrap();
    }
    ben.client.read(room, 6).await.unwrap();
    let (mut at_bens, mut on_his_phone) =
        (ben.socket().await.unwrap(), ben.second_device().await.unwrap().socket().await.unwrap());
    at_bens.frame(&ClientFrame::Unread { conversation: room, seq: 3 }).await.unwrap();
    let kept = Settings { unread_from: Some(3), ..Default::default() };
    // 3, 5 and 6: 4 is his own.
    assert_eq!(told(&mut on_his_phone, room).await, (kept, 3, 3));
    let seen = ben.client.conversation(room).await.unwrap();
    assert_eq!((seen.read_seq, seen.unread, seen.mentions, seen.settings.unread_from), (6, 3, 3, Some(3)));
    let all = ben.client.unread_all().await.unwrap();
    let seqs: Vec<_> = all.private_unreads[0].messages.iter().map(|message| message.seq).collect();
    assert_eq!((all.private_unreads[0].unread, seqs), (3, vec![3, 5, 6]));
    assert_eq!(
        ada.client.conversation(room).await.unwrap().members.iter().map(|member| member.read_seq).max(),
        Some(6),
        "the others are told nothing of it"
    );
    // What is taken back there counts no more.
    let third = seen_id(&ada, room, 3).await;
    ada.client.recall(third).await.unwrap();
    let seen = ben.client.conversation(room).await.unwrap();
    assert_eq!((seen.unread, seen.mentions), (2, 2));

    // The next read ends it, also one that moves nothing; the other device hears of it.
    let read = ben.client.read(room, 1).await.unwrap();
    assert_eq!((read.read_seq, read.unread, read.mentions), (6, 0, 0));
    let heard = on_his_phone
        .until("the read", |frame| match frame {
            ServerFrame::Read { seq, unread, mentions, .. } => Some((*seq, *unread, *mentions)),
            _ => None,
        })
        .await
        .unwrap();
    assert_eq!(heard, (6, Some(0), Some(0)));
    assert_eq!(ben.client.conversation(room).await.unwrap().settings.unread_from, None);
    // And so does writing.
    ben.client.mark_unread(room, 5).await.unwrap();
    ben.client.post(room, "here I am").await.unwrap();
    let seen = ben.client.conversation(room).await.unwrap();
    assert_eq!((seen.unread, seen.settings.unread_from), (0, None));
}

async fn seen_id(person: &Person, room: ConversationId, seq: u64) -> MessageId {
    let page = person.client.messages(room, &format!("around={seq}&limit=1")).await;
    page.expect("a page for a member").messages[0].id
}

#[tokio::test]
async fn unread_is_kept_within_bounds() {
    let Scene { server: _server, people: [ada, ben] } = Scene::open(CONFAB, ["ada", "ben"]).await.unwrap();
    let room = ada.client.group("Depot", &[ben.id()]).await.unwrap().id;
    let mut socket = ada.socket().await.unwrap();
    let head = limits::UNREAD_BACK + 30;
    for number in 1..head {
        socket.post(room, &number.to_string()).await.unwrap();
    }
    socket.say(room, "the last").await.unwrap();
    ben.client.read(room, head).await.unwrap();
    let from = async |seq: u64| {
        let mark = ben.client.mark_unread(room, seq).await.unwrap();
        (ben.client.conversation(room).await.unwrap().settings.unread_from, mark.unread)
    };
    assert_eq!(from(0).await, (Some(31), limits::UNREAD_BACK));
    assert_eq!(from(30).await, (Some(31), limits::UNREAD_BACK));
    assert_eq!(from(32).await, (Some(32), limits::UNREAD_BACK - 1));
    assert_eq!(from(head).await, (Some(head), 1));
    assert_eq!(from(u64::MAX >> 1).await, (Some(head), 1));
}

#[tokio::test]
async fn names_are_counted_and_edits_and_recalls_count_them_anew() {
    let Scene { server: _server, people: [ada, ben, cleo] } =
        Scene::open(CONFAB, ["ada", "ben", "cleo"]).await.unwrap();
    let room = ada.client.group("Depot", &[ben.id(), cleo.id()]).await.unwrap().id;
    let counts = async |who: &Person| {
        let seen = who.client.conversation(room).await.unwrap();
        let all = who.client.unread_all().await.unwrap().group_unreads;
        assert_eq!(all.first().map_or(0, |unread| unread.mentions), seen.mentions);
        (seen.unread, seen.mentions)
    };
    let first = ada.client.post(room, "hello @ben, @Ben and @nobody").await.unwrap().message;
    assert_eq!((first.mentions, first.mentions_all), (vec![ben.id()], false));
    assert_eq!((counts(&ben).await, counts(&cleo).await), ((1, 1), (1, 0)));
    let second = ada.client.post(room, "@all hands, @cleo too").await.unwrap().message;
    assert!(second.mentions_all);
    assert_eq!((counts(&ben).await, counts(&cleo).await, counts(&ada).await), ((2, 2), (2, 1), (0, 0)));
    // Other words name other people.
    let edited = ada.client.edit(first.id, None, "hello @cleo").await.unwrap();
    assert_eq!(edited.mentions, [cleo.id()]);
    assert_eq!((counts(&ben).await, counts(&cleo).await), ((2, 1), (2, 2)));
    ada.client.recall(second.id).await.unwrap();
    assert_eq!((counts(&ben).await, counts(&cleo).await), ((1, 0), (1, 1)));
    // Reading tells the device that read what is left.
    let mut at_cleos = cleo.socket().await.unwrap();
    let third = ada.client.post(room, "@cleo again").await.unwrap().message.seq;
    let mark = cleo.client.read(room, 1).await.unwrap();
    assert_eq!((mark.unread, mark.mentions), (1, 1));
    let mark = cleo.client.read(room, third).await.unwrap();
    assert_eq!((mark.unread, mark.mentions), (0, 0));
    let heard = at_cleos
        .until("her own mark", |frame| match frame {
            ServerFrame::Read { seq, unread, mentions, .. } if *seq == third => Some((*unread, *mentions)),
            _ => None,
        })
        .await
        .unwrap();
    assert_eq!(heard, (Some(0), Some(0)));
}

/// Counts by the definitions: what is unread, and how much of it names me.
fn recount(history: &[Message], me: &Person, mark: u64, from: Option<u64>) -> (u64, u64) {
    let kept = from.unwrap_or(u64::MAX);
    let unread = |message: &&Message| {
        (message.seq > mark || message.seq >= kept) && message.sender != me.id() && !message.recalled
    };
    let named = history.iter().filter(unread).filter(|message| message.names(me.id()));
    (history.iter().filter(unread).count() as u64, named.count() as u64)
}

#[tokio::test]
async fn counts_are_what_a_recount_says_after_every_order_of_steps() {
    let Scene { server: _server, people: [ada, ben, cleo] } =
        Scene::open(CONFAB, ["ada", "ben", "cleo"]).await.unwrap();
    let room = ada.client.group("Depot", &[ben.id(), cleo.id()]).await.unwrap().id;
    let people = [&ada, &ben, &cleo];
    let texts = ["plain", "@ben", "@cleo and @ada", "@all", "@all and @ben", "ada@ben"];
    let mut inside = [true; 3];
    let mut dice = 0x9e37_79b9_7f4a_7c15_u64; // xorshift: the same orders every time
    let mut roll = |sides: u64| {
        dice ^= dice << 13;
        dice ^= dice >> 7;
        dice ^= dice << 17;
        dice % sides
    };
    for step in 0..120 {
        let who = roll(3) as usize;
        let person = people[who];
        let head = ada.client.conversation(room).await.unwrap().head_seq;
        let words = texts[roll(6) as usize];
        let seq = roll(head + 2);
        if !inside[who] {
            ada.client.add(room, person.id()).await.unwrap();
            inside[who] = true;
            continue;
        }
        match roll(10) {
            0..4 => drop(person.client.post(room, words).await.unwrap()),
            4 => drop(person.client.read(room, seq).await.unwrap()),
            5 => drop(person.client.mark_unread(room, seq).await.unwrap()),
            6 | 7 => {
                let history = person.client.whole_history(room).await.unwrap();
                let own = history.iter().rfind(|message| message.sender == person.id() && !message.recalled);
                if let Some(message) = own {
                    drop(person.client.edit(message.id, None, words).await.unwrap());
                }
            }
            8 => {
                let history = ada.client.whole_history(room).await.unwrap();
                if let Some(message) = history.iter().find(|message| message.seq == seq) {
                    drop(ada.client.recall(message.id).await.unwrap());
                }
            }
            _ if who != 0 => {
                person.client.remove(room, person.id()).await.unwrap();
                inside[who] = false;
            }
            _ => {}
        }
        for (who, person) in people.into_iter().enumerate().filter(|(who, _)| inside[*who]) {
            let history = person.client.whole_history(room).await.unwrap();
            let seen = person.client.conversation(room).await.unwrap();
            let expected = recount(&history, person, seen.read_seq, seen.settings.unread_from);
            assert_eq!((seen.unread, seen.mentions), expected, "step {step}, person {who}");
            let all = person.client.unread_all().await.unwrap().group_unreads;
            assert_eq!(all.first().map_or((0, 0), |it| (it.unread, it.mentions)), expected, "step {step}");
        }
    }
}
