//! Groups: roles and handing over, public groups, and what newcomers and those who left do not see.

use harness::{Error, Person, Scene, Socket};
use protocol::rest::{NewConversation, PatchConversation};
use protocol::{
    ChangeKind, ClientFrame, Code, Conversation, ConversationId, History, MessageId, Nonce, Role,
    ServerFrame, UserId,
};
use reqwest::Method;
use serde_json::json;

const CONFAB: &str = env!("CARGO_BIN_EXE_confab");

/// What nobody who joined later may read.
const CANARY: &str = "kanarienvogel-7731";

fn code<T: std::fmt::Debug>(result: Result<T, Error>) -> Option<Code> {
    result.expect_err("a refusal").code()
}

fn public(title: &str, members: &[&Person], history: History) -> NewConversation {
    NewConversation::Group {
        title: title.to_owned(),
        members: members.iter().map(|person| person.id()).collect(),
        nonce: None,
        public: true,
        history,
    }
}

/// Everything a socket hears until somebody says these words.
async fn heard_until(socket: &mut Socket, words: &str) -> Vec<ServerFrame> {
    let mut heard = Vec::new();
    socket
        .until(words, |frame| {
            heard.push(frame.clone());
            match frame {
                ServerFrame::Event { change, .. } => match &change.kind {
                    ChangeKind::Posted { message } => (message.body.text() == Some(words)).then_some(()),
                    _ => None,
                },
                _ => None,
            }
        })
        .await
        .expect("these words reach this device");
    heard
}

/// The changes of a conversation among what was heard.
fn changes(heard: &[ServerFrame], room: ConversationId) -> Vec<protocol::Change> {
    heard
        .iter()
        .filter_map(|frame| match frame {
            ServerFrame::Event { conversation, change, .. } if *conversation == room => Some(change.clone()),
            _ => None,
        })
        .collect()
}

fn roles(room: &Conversation) -> Vec<(UserId, Role)> {
    let mut roles: Vec<_> = room.members.iter().map(|member| (member.user, member.role)).collect();
    roles.sort_unstable();
    roles
}

fn sorted(mut roles: Vec<(UserId, Role)>) -> Vec<(UserId, Role)> {
    roles.sort_unstable();
    roles
}

#[tokio::test]
async fn the_owner_gives_roles_and_hands_the_group_over() {
    let Scene { server: _server, people: [ada, ben, cleo, dan] } =
        Scene::open(CONFAB, ["ada", "ben", "cleo", "dan"]).await.unwrap();
    let room = ada.client.group("Depot", &[ben.id(), cleo.id(), dan.id()]).await.unwrap().id;
    let mut at_dans = dan.socket().await.unwrap();
    ada.client.post(room, "before").await.unwrap();
    assert_eq!(code(ben.client.set_role(room, ben.id(), Role::Admin).await), Some(Code::Forbidden));
    assert_eq!(code(ada.client.set_role(room, UserId::generate(), Role::Admin).await), Some(Code::NotFound));
    assert_eq!(code(ada.client.set_role(room, ada.id(), Role::Member).await), Some(Code::Conflict));
    let admin = ada.client.set_role(room, ben.id(), Role::Admin).await.unwrap();
    assert_eq!((admin.user, admin.role), (ben.id(), Role::Admin));
    // Once more changes nothing.
    ada.client.set_role(room, ben.id(), Role::Admin).await.unwrap();
    // An admin looks after the group, and gives no roles.
    assert_eq!(code(ben.client.set_role(room, cleo.id(), Role::Admin).await), Some(Code::Forbidden));
    assert_eq!(code(ben.client.remove(room, ada.id()).await), Some(Code::Forbidden));
    ben.client.rename(room, "Harbour").await.unwrap();
    ben.client.remove(room, cleo.id()).await.unwrap();

    ada.client.set_role(room, ben.id(), Role::Owner).await.unwrap();
    assert_eq!(code(ada.client.set_role(room, dan.id(), Role::Admin).await), Some(Code::Forbidden));
    let now = ada.client.conversation(room).await.unwrap();
    let expected = vec![(ada.id(), Role::Admin), (ben.id(), Role::Owner), (dan.id(), Role::Member)];
    assert_eq!(roles(&now), sorted(expected));
    ada.client.post(room, "after").await.unwrap();

    let heard = changes(&heard_until(&mut at_dans, "after").await, room);
    assert_eq!(heard.iter().map(|change| change.rev).collect::<Vec<_>>(), (1..=7).collect::<Vec<_>>());
    let kinds: Vec<_> = heard[1..6].iter().map(|change| change.kind.clone()).collect();
    assert_eq!(
        kinds,
        [
            ChangeKind::Role { by: ada.id(), user: ben.id(), role: Role::Admin },
            ChangeKind::Renamed { by: ben.id(), title: "Harbour".into() },
            ChangeKind::Left { by: ben.id(), user: cleo.id() },
            ChangeKind::Role { by: ada.id(), user: ben.id(), role: Role::Owner },
            ChangeKind::Role { by: ada.id(), user: ada.id(), role: Role::Admin },
        ]
    );
    // Each says where it stands and when; the log and the page say the same.
    assert!(heard[1..6].iter().all(|change| change.after == Some(1) && change.at.is_some()));
    let log = dan.client.changes(room, "after=0").await.unwrap();
    assert_eq!(log.changes[1..6], heard[1..6]);
    assert_eq!(dan.client.messages(room, "").await.unwrap().happened, heard[1..6]);

    let wrong = json!({"role": "king"});
    let path = format!("conversations/{room}/members/{}", dan.id());
    assert_eq!(ben.client.call(Method::PATCH, &path, &wrong).await.unwrap().status, 422);
}

#[tokio::test]
async fn an_owner_leaves_last_and_nobody_comes_back_to_an_empty_group() {
    let Scene { server: _server, people: [ada, ben] } = Scene::open(CONFAB, ["ada", "ben"]).await.unwrap();
    let room = ada.client.create(&public("Depot", &[&ben], History::All)).await.unwrap().id;
    let answer = ada
        .client
        .call(Method::DELETE, &format!("conversations/{room}/members/{}", ada.id()), &json!(null))
        .await
        .unwrap();
    assert_eq!(answer.status, 409);
    let problem: protocol::Problem = answer.json().unwrap();
    assert_eq!(problem.detail.as_deref(), Some("Hand the group over before you leave."));
    ben.client.remove(room, ben.id()).await.unwrap();
    ada.client.remove(room, ada.id()).await.unwrap();
    assert_eq!(code(ada.client.conversation(room).await), Some(Code::NotFound));
    assert_eq!(ben.client.groups("Depot").await.unwrap().groups, []);
    assert_eq!(code(ben.client.join(room).await), Some(Code::NotFound));
}

#[tokio::test]
async fn a_public_group_is_found_and_joined() {
    let Scene { server: _server, people: [ada, ben, eve] } =
        Scene::open(CONFAB, ["ada", "ben", "eve"]).await.unwrap();
    let room = ada.client.create(&public("Harbour 100%", &[], History::Join)).await.unwrap();
    assert!(room.public);
    let larger = ada.client.create(&public("Harbour crew", &[&ben], History::All)).await.unwrap().id;
    ada.client.group("Harbour secrets", &[ben.id()]).await.unwrap();
    let room = room.id;
    let found = eve.client.groups("harBOUR").await.unwrap().groups;
    let found: Vec<_> = found
        .iter()
        .map(|group| (group.id, group.title.as_str(), group.member_count, group.joined))
        .collect();
    assert_eq!(found, [(larger, "Harbour crew", 2, false), (room, "Harbour 100%", 1, false)]);
    let found = eve.client.groups("0%").await.unwrap().groups;
    assert_eq!(found.iter().map(|group| group.id).collect::<Vec<_>>(), [room], "what is typed is no pattern");
    assert!(ben.client.groups("crew").await.unwrap().groups[0].joined);

    let (mut at_adas, mut at_eves) = (ada.socket().await.unwrap(), eve.socket().await.unwrap());
    let path = format!("conversations/{room}/join");
    let first = eve.client.call(Method::POST, &path, &json!({})).await.unwrap();
    assert_eq!(first.status, 201, "{}", first.text());
    let joined: Conversation = first.json().unwrap();
    assert_eq!((joined.member_count, joined.head_rev), (2, 1));
    let again = eve.client.call(Method::POST, &path, &json!({})).await.unwrap();
    assert_eq!((again.status, again.json::<Conversation>().unwrap().head_rev), (200, 1));
    ada.client.post(room, "welcome").await.unwrap();
    let heard = heard_until(&mut at_adas, "welcome").await;
    assert_eq!(changes(&heard, room)[0].kind, ChangeKind::Joined { by: eve.id(), user: eve.id() });
    // Her own device gets the whole group, then what comes after.
    let heard = heard_until(&mut at_eves, "welcome").await;
    assert!(
        heard.iter().any(
            |frame| matches!(frame, ServerFrame::Heads { conversations } if conversations[0].id == room)
        )
    );
    assert_eq!(changes(&heard, room).last().map(|change| change.rev), Some(2));
}

#[tokio::test]
async fn a_private_group_is_never_found_and_who_may_find_it_is_its_admins_business() {
    let Scene { server: _server, people: [ada, ben, eve] } =
        Scene::open(CONFAB, ["ada", "ben", "eve"]).await.unwrap();
    let room = ada.client.group("Secret plans", &[ben.id()]).await.unwrap().id;
    let direct = ada.client.direct(ben.id()).await.unwrap().id;
    let join = async |id: ConversationId| {
        let answer = eve.client.call(Method::POST, &format!("conversations/{id}/join"), &json!({})).await;
        answer.unwrap().without_its_own()
    };
    let of_none = join(ConversationId::generate()).await;
    assert_eq!(of_none.0, 404);
    assert_eq!((join(room).await, join(direct).await), (of_none.clone(), of_none.clone()));
    assert_eq!(eve.client.groups("").await.unwrap().groups, []);

    let open = PatchConversation { public: Some(true), ..Default::default() };
    assert_eq!(code(ben.client.patch(room, &open).await), Some(Code::Forbidden));
    assert_eq!(code(eve.client.patch(room, &open).await), Some(Code::NotFound));
    assert_eq!(code(ada.client.patch(direct, &open).await), Some(Code::Forbidden));
    // All that is named, in one step: two changes.
    let both = PatchConversation { title: Some("Plans".into()), history: Some(History::All), ..open };
    let mut at_bens = ben.socket().await.unwrap();
    let now = ada.client.patch(room, &both).await.unwrap();
    assert_eq!((now.title.as_str(), now.public, now.history, now.head_rev), ("Plans", true, History::All, 2));
    // What is so already is no change, and nothing of a patch with a bad title is done.
    assert_eq!(ada.client.patch(room, &both).await.unwrap().head_rev, 2);
    let bad = PatchConversation { title: Some(String::new()), public: Some(false), history: None };
    assert_eq!(code(ada.client.patch(room, &bad).await), Some(Code::Invalid));
    ada.client.post(room, "open").await.unwrap();
    let heard = changes(&heard_until(&mut at_bens, "open").await, room);
    assert_eq!(
        heard[..2].iter().map(|change| change.kind.clone()).collect::<Vec<_>>(),
        [
            ChangeKind::Renamed { by: ada.id(), title: "Plans".into() },
            ChangeKind::Access { by: ada.id(), public: true, history: History::All },
        ]
    );
    assert_eq!(eve.client.groups("plans").await.unwrap().groups.len(), 1);
    let shut = PatchConversation { public: Some(false), ..Default::default() };
    ada.client.patch(room, &shut).await.unwrap();
    assert_eq!(join(room).await, of_none);
    assert_eq!(eve.client.groups("plans").await.unwrap().groups, []);
}

#[tokio::test]
async fn a_nonce_founds_a_group_once() {
    let Scene { server: _server, people: [ada, ben] } = Scene::open(CONFAB, ["ada", "ben"]).await.unwrap();
    let found = async |title: &str| {
        let body = json!({"kind": "group", "title": title, "members": [ben.id()], "nonce": "founding-1"});
        ada.client.call(Method::POST, "conversations", &body).await.unwrap()
    };
    let (first, again, other) = (found("Depot").await, found("Depot").await, found("Other").await);
    assert_eq!((first.status, again.status, other.status), (201, 200, 409));
    assert_eq!(first.json::<Conversation>().unwrap().id, again.json::<Conversation>().unwrap().id);
    assert_eq!(other.json::<protocol::Problem>().unwrap().code, Code::IdempotencyConflict);
    assert_eq!(ben.client.conversations().await.unwrap().conversations.len(), 1);
}

#[tokio::test]
async fn where_newcomers_see_all_they_see_all() {
    let Scene { server: _server, people: [ada, ben, cleo] } =
        Scene::open(CONFAB, ["ada", "ben", "cleo"]).await.unwrap();
    let room = ada.client.create(&public("Depot", &[&ben], History::All)).await.unwrap().id;
    let old = ada.client.post(room, "the first words").await.unwrap().message;
    ada.client.pin(old.id).await.unwrap();
    ada.client.edit(old.id, None, "the first words, edited").await.unwrap();
    let joined = cleo.client.join(room).await.unwrap();
    assert_eq!((joined.read_seq, joined.unread, joined.head_seq), (1, 0, 1), "read already");
    assert_eq!(
        joined.last_message.as_ref().and_then(|last| last.body.text()),
        Some("the first words, edited")
    );
    let page = cleo.client.messages(room, "after=0").await.unwrap();
    assert_eq!(page.messages.len(), 1);
    assert!(matches!(page.happened[0].kind, ChangeKind::Joined { .. }));
    let log = cleo.client.changes(room, "after=0").await.unwrap();
    assert_eq!((log.changes.len() as u64, log.more), (joined.head_rev, false));
    assert_eq!(cleo.client.edits(old.id).await.unwrap().versions.len(), 1);
    assert_eq!(cleo.client.pins(room).await.unwrap().messages.len(), 1);
    let mut at_cleos = cleo.socket().await.unwrap();
    ben.client.react(old.id, "👍").await.unwrap();
    ben.client.post(room, "on").await.unwrap();
    let heard = changes(&heard_until(&mut at_cleos, "on").await, room);
    assert!(matches!(&heard[0].kind, ChangeKind::Reacted { message } if message.id == old.id), "{heard:?}");
    let kept = cleo.client.mark_unread(room, 1).await.unwrap();
    assert_eq!((kept.read_seq, kept.unread), (1, 2));
}

/// A group with a past: messages of every fate, before anybody else came.
struct Past {
    room: ConversationId,
    /// Edited, pinned, reacted to, answered later.
    edited: MessageId,
    /// Taken back later.
    recalled: MessageId,
    /// When the last of them was sent.
    at: protocol::Timestamp,
}

async fn past(ada: &Person, ben: &Person) -> Past {
    let room = ada.client.group("Depot", &[ben.id()]).await.expect("a member may").id;
    let edited = ada.client.post(room, &format!("{CANARY} one")).await.expect("a member may").message.id;
    ada.client.edit(edited, None, &format!("{CANARY} @all two")).await.expect("a member may");
    ada.client.pin(edited).await.expect("a member may");
    ben.client.react(edited, "👍").await.expect("a member may");
    let recalled = ben.client.post(room, &format!("{CANARY} three")).await.expect("a member may").message;
    Past { room, edited, recalled: recalled.id, at: recalled.sent_at }
}

#[tokio::test]
async fn a_newcomer_never_sees_what_was_before() {
    let Scene { server: _server, people: [ada, ben, cleo] } =
        Scene::open(CONFAB, ["ada", "ben", "cleo"]).await.unwrap();
    let Past { room, edited, recalled, at } = past(&ada, &ben).await;
    let mut at_cleos = cleo.socket().await.unwrap();
    ada.client.add(room, cleo.id()).await.unwrap();
    let mut seen = vec![serde_json::to_string(&cleo.client.conversation(room).await.unwrap()).unwrap()];
    let joined = cleo.client.conversation(room).await.unwrap();
    assert_eq!((joined.last_message, joined.unread, joined.mentions), (None, 0, 0));

    // The past goes on changing, and is spoken of.
    ada.client.edit(edited, None, &format!("{CANARY} four")).await.unwrap();
    ada.client.react(edited, "🎉").await.unwrap();
    ada.client.unpin(edited).await.unwrap();
    ada.client.pin(edited).await.unwrap();
    ben.client.recall(recalled).await.unwrap();
    let answer = ada.client.reply(room, edited, "an answer to the past").await.unwrap().message;
    ada.client.pin(answer.id).await.unwrap();
    ada.client.post(room, "the end").await.unwrap();
    let heard = heard_until(&mut at_cleos, "the end").await;
    seen.push(serde_json::to_string(&heard).unwrap());
    // Nothing of it but that something happened: the numbers have no hole.
    let kinds = changes(&heard, room);
    let after: Vec<_> = kinds.iter().filter(|change| change.rev > joined.head_rev).collect();
    let revs: Vec<_> = after.iter().map(|change| change.rev).collect();
    assert_eq!(revs, (joined.head_rev + 1..=joined.head_rev + 8).collect::<Vec<_>>());
    assert!(after[..5].iter().all(|change| change.kind == ChangeKind::Unsupported), "{after:?}");

    for query in
        ["", "after=0", "before=99", "before=3", "around=1", "around=3", &format!("at={at}"), "limit=1"]
    {
        let answer =
            cleo.client.get(&format!("/api/v1/conversations/{room}/messages?{query}")).await.unwrap();
        assert_eq!(answer.status, 200, "{query}: {}", answer.text());
        let page: protocol::rest::Messages = answer.json().unwrap();
        assert!(page.messages.iter().all(|message| message.seq > joined.head_seq), "{query}");
        assert_eq!(page.quoted, [], "{query}");
        // The first thing that she sees happen is her own join.
        assert!(page.happened.iter().all(|change| change.rev >= joined.head_rev), "{query}");
        seen.push(answer.text());
    }
    let log = cleo.client.changes(room, &format!("after={}", joined.head_rev)).await.unwrap();
    // The log says the same; a message in it is as it is now.
    assert_eq!(log.changes.iter().map(|change| change.rev).collect::<Vec<_>>(), revs);
    assert!(log.changes[..5].iter().all(|change| change.kind == ChangeKind::Unsupported));
    seen.push(serde_json::to_string(&log).unwrap());
    assert_eq!(cleo.client.changes(room, "after=0").await.unwrap_err().status(), Some(410));
    seen.push(cleo.client.get("/api/v1/unread/all").await.unwrap().text());
    seen.push(cleo.client.get("/api/v1/conversations").await.unwrap().text());
    let pins = cleo.client.pins(room).await.unwrap().messages;
    assert_eq!(pins.iter().map(|pin| pin.id).collect::<Vec<_>>(), [answer.id]);

    // A message of the past is none at all, to read or to act on.
    let nobodys = MessageId::generate();
    let routes = [
        (Method::GET, "", json!(null)),
        (Method::GET, "/edits", json!(null)),
        (Method::GET, "/receipts", json!(null)),
        (Method::PATCH, "", json!({"body": {"kind": "text", "text": "mine"}})),
        (Method::DELETE, "", json!(null)),
        (Method::PUT, "/reactions/%F0%9F%91%8D", json!(null)),
        (Method::PUT, "/pin", json!(null)),
        (Method::DELETE, "/pin", json!(null)),
    ];
    for (method, route, body) in &routes {
        let ask = async |id: MessageId| {
            let path = format!("messages/{id}{route}");
            cleo.client.call(method.clone(), &path, body).await.unwrap().without_its_own()
        };
        let of_none = ask(nobodys).await;
        assert_eq!(of_none.0, 404, "{method} {route}");
        assert_eq!((ask(edited).await, ask(recalled).await), (of_none.clone(), of_none), "{method} {route}");
    }
    assert_eq!(code(cleo.client.reply(room, edited, "what?").await), Some(Code::Invalid));
    // Nor does keeping it unread reach behind the join.
    cleo.client.mark_unread(room, 1).await.unwrap();
    let kept = cleo.client.conversation(room).await.unwrap();
    assert_eq!((kept.settings.unread_from, kept.unread), (Some(joined.head_seq + 1), 2));
    seen.push(cleo.client.get("/api/v1/unread/all").await.unwrap().text());
    assert!(!seen.concat().contains(CANARY));
    // Who was there still has all of it.
    assert!(ben.client.messages(room, "").await.unwrap().messages[0].body.text().unwrap().contains(CANARY));
}

#[tokio::test]
async fn who_is_removed_hears_and_changes_nothing_more() {
    let Scene { server: _server, people: [ada, ben, cleo] } =
        Scene::open(CONFAB, ["ada", "ben", "cleo"]).await.unwrap();
    let room = ada.client.group("Depot", &[ben.id(), cleo.id()]).await.unwrap().id;
    let elsewhere = ada.client.direct(cleo.id()).await.unwrap().id;
    let own = cleo.client.post(room, "my words").await.unwrap().message.id;
    let mut at_cleos = cleo.socket().await.unwrap();
    ada.client.remove(room, cleo.id()).await.unwrap();
    ada.client.react(own, "👍").await.unwrap();
    ada.client.post(room, CANARY).await.unwrap();
    ada.client.post(elsewhere, "over here").await.unwrap();
    let heard = heard_until(&mut at_cleos, "over here").await;
    let gone = heard
        .iter()
        .filter(|frame| matches!(frame, ServerFrame::Gone { conversation } if *conversation == room));
    assert_eq!(gone.count(), 1);
    assert_eq!(changes(&heard, room), []);

    // Not even her own words are hers to change now, over REST or a socket.
    assert_eq!(code(cleo.client.edit(own, None, "other words").await), Some(Code::NotFound));
    assert_eq!(code(cleo.client.recall(own).await), Some(Code::NotFound));
    assert_eq!(code(cleo.client.message(own).await), Some(Code::NotFound));
    assert_eq!(code(cleo.client.mark_unread(room, 1).await), Some(Code::NotFound));
    assert_eq!(code(cleo.client.set(room, &Default::default()).await), Some(Code::NotFound));
    assert_eq!(code(cleo.client.join(room).await), Some(Code::NotFound));
    at_cleos.frame(&ClientFrame::Recall { nonce: Nonce::generate(), message: own }).await.unwrap();
    assert_eq!(at_cleos.refusal().await.unwrap().code, Code::NotFound);

    // Who comes back begins anew.
    let head = ben.client.conversation(room).await.unwrap();
    ben.client.add(room, cleo.id()).await.unwrap();
    assert_eq!(code(cleo.client.message(own).await), Some(Code::NotFound));
    ada.client.post(room, "welcome back").await.unwrap();
    let heard = heard_until(&mut at_cleos, "welcome back").await;
    assert!(!serde_json::to_string(&heard).unwrap().contains(CANARY));
    let page = cleo.client.messages(room, "").await.unwrap();
    assert_eq!(page.messages.iter().map(|message| message.seq).collect::<Vec<_>>(), [head.head_seq + 1]);
}
