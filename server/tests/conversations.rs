//! Conversations: who is in them, who may change them, and what strangers learn (nothing).

use harness::{Person, Scene, Socket};
use protocol::rest::NewConversation;
use protocol::{ChangeKind, Code, Conversation, ConversationId, Kind, Role, ServerFrame, UserId};
use reqwest::Method;
use serde_json::json;

const CONFAB: &str = env!("CARGO_BIN_EXE_confab");

/// Waits for a change of a conversation.
async fn change(socket: &mut Socket, room: ConversationId, what: &str) -> ChangeKind {
    socket
        .until(what, |frame| match frame {
            ServerFrame::Event { conversation, change, .. }
                if *conversation == room && !matches!(change.kind, ChangeKind::Posted { .. }) =>
            {
                Some(change.kind.clone())
            }
            _ => None,
        })
        .await
        .expect("the change reaches this member")
}

#[tokio::test]
async fn two_who_open_a_conversation_at_once_get_one() {
    let Scene { server: _server, people: [ada, ben] } = Scene::open(CONFAB, ["ada", "ben"]).await.unwrap();
    let open = async |from: &Person, to: &Person| {
        let body = NewConversation::Direct { user: to.id() };
        let answer = from.client.call(Method::POST, "conversations", &body).await.unwrap();
        let status = answer.status;
        (status, answer.json::<Conversation>().unwrap())
    };
    let ((one, from_ada), (other, from_ben)) = tokio::join!(open(&ada, &ben), open(&ben, &ada));
    let mut statuses = [one, other];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 201]);
    assert_eq!(from_ada.id, from_ben.id);
    assert_eq!(from_ada.id, ConversationId::direct(ada.id(), ben.id()));
    assert_eq!((from_ada.kind, from_ada.title.as_str(), from_ada.member_count), (Kind::Direct, "", 2));

    assert_eq!(open(&ada, &ben).await.0, 200);
    assert_eq!(open(&ben, &ada).await.0, 200);
    for person in [&ada, &ben] {
        let mine = person.client.conversations().await.unwrap().conversations;
        assert_eq!(mine.iter().map(|conversation| conversation.id).collect::<Vec<_>>(), [from_ada.id]);
    }
}

#[tokio::test]
async fn a_direct_conversation_is_of_two_people_who_exist() {
    let Scene { server: _server, people: [ada, ben, cleo] } =
        Scene::open(CONFAB, ["ada", "ben", "cleo"]).await.unwrap();
    assert_eq!(ada.client.direct(UserId::generate()).await.unwrap_err().code(), Some(Code::NotFound));
    assert!(matches!(ada.client.direct(ada.id()).await.unwrap_err().status(), Some(400..500)));
    assert_eq!(ada.client.conversations().await.unwrap().conversations, []);

    let room = ada.client.direct(ben.id()).await.unwrap().id;
    assert!(matches!(ada.client.add(room, cleo.id()).await.unwrap_err().status(), Some(400..500)));
    assert!(matches!(ada.client.rename(room, "Ours").await.unwrap_err().status(), Some(400..500)));
    assert!(matches!(ada.client.remove(room, ben.id()).await.unwrap_err().status(), Some(400..500)));
    let after = ben.client.conversation(room).await.unwrap();
    assert_eq!((after.member_count, after.title.as_str()), (2, ""));
    assert_eq!(cleo.client.conversation(room).await.unwrap_err().code(), Some(Code::NotFound));
}

#[tokio::test]
async fn a_group_has_its_founder_as_owner() {
    let Scene { server: _server, people: [ada, ben, cleo] } =
        Scene::open(CONFAB, ["ada", "ben", "cleo"]).await.unwrap();
    let (mut at_bens, _) = ben.live().await.unwrap();
    let room = ada.client.group("Hafen 港口 🚲", &[ben.id(), cleo.id()]).await.unwrap();
    assert_eq!((room.kind, room.title.as_str(), room.member_count), (Kind::Group, "Hafen 港口 🚲", 3));
    for member in &room.members {
        assert_eq!(member.role, if member.user == ada.id() { Role::Owner } else { Role::Member });
    }
    // Those who were invited hear of it at once, as whole objects.
    let heard = at_bens
        .until("the new group", |frame| match frame {
            ServerFrame::Heads { conversations } => conversations.iter().find(|it| it.id == room.id).cloned(),
            _ => None,
        })
        .await
        .unwrap();
    assert_eq!((heard.title.as_str(), heard.unread, heard.head_seq), ("Hafen 港口 🚲", 0, 0));

    let people = cleo.client.members(room.id).await.unwrap();
    let mut names: Vec<_> = people.users.iter().map(|user| user.username.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["ada", "ben", "cleo"]);
    assert_eq!(people.members.len(), 3);
}

#[tokio::test]
async fn what_is_wrong_with_a_new_group_is_said() {
    let Scene { server: _server, people: [ada, ben] } = Scene::open(CONFAB, ["ada", "ben"]).await.unwrap();
    let long = "字".repeat(101);
    for title in ["", "   ", long.as_str()] {
        let error = ada.client.group(title, &[ben.id()]).await.unwrap_err();
        assert_eq!((error.status(), error.code()), (Some(422), Some(Code::Invalid)), "{title}: {error}");
        assert_eq!(error.problem().unwrap().errors[0].field, "title");
    }
    let error = ada.client.group("Ghosts", &[UserId::generate()]).await.unwrap_err();
    assert!(matches!(error.code(), Some(Code::NotFound | Code::Invalid)), "{error}");
    assert_eq!(ada.client.conversations().await.unwrap().conversations, []);
    assert_eq!(ben.client.conversations().await.unwrap().conversations, []);

    let longest = "字".repeat(100);
    // Naming somebody twice, or myself, still means one membership each.
    let room = ada.client.group(&longest, &[ben.id(), ben.id(), ada.id()]).await.unwrap();
    assert_eq!((room.title, room.member_count), (longest, 2));
}

#[tokio::test]
async fn a_new_title_reaches_everybody_and_only_the_entitled_give_one() {
    let Scene { server: _server, people: [ada, ben] } = Scene::open(CONFAB, ["ada", "ben"]).await.unwrap();
    let room = ada.client.group("Before", &[ben.id()]).await.unwrap();
    let (mut at_bens, _) = ben.live().await.unwrap();
    let renamed = ada.client.rename(room.id, "After").await.unwrap();
    assert_eq!((renamed.title.as_str(), renamed.head_rev), ("After", room.head_rev + 1));
    let heard = change(&mut at_bens, room.id, "the new title").await;
    assert_eq!(heard, ChangeKind::Renamed { by: ada.id(), title: "After".into() });

    let error = ben.client.rename(room.id, "Mine").await.unwrap_err();
    assert_eq!((error.status(), error.code()), (Some(403), Some(Code::Forbidden)));
    let error = ada.client.rename(room.id, "").await.unwrap_err();
    assert_eq!(error.code(), Some(Code::Invalid));
    let after = ben.client.conversation(room.id).await.unwrap();
    assert_eq!((after.title.as_str(), after.head_rev), ("After", renamed.head_rev));
}

#[tokio::test]
async fn somebody_added_takes_part_from_then_on() {
    let Scene { server: _server, people: [ada, ben, cleo] } =
        Scene::open(CONFAB, ["ada", "ben", "cleo"]).await.unwrap();
    let room = ada.client.group("Depot", &[ben.id()]).await.unwrap().id;
    ada.client.post(room, "before cleo").await.unwrap();
    let mut at_bens = ben.socket().await.unwrap();
    let mut at_cleos = cleo.socket().await.unwrap();

    // Any member adds people; a stranger does not, not even themselves.
    let error = cleo.client.add(room, cleo.id()).await.unwrap_err();
    assert_eq!((error.status(), error.code()), (Some(404), Some(Code::NotFound)));
    let body = json!({"user": cleo.id()});
    let answer =
        ben.client.call(Method::POST, &format!("conversations/{room}/members"), &body).await.unwrap();
    assert_eq!(answer.status, 201, "{}", answer.text());
    assert_eq!(
        change(&mut at_bens, room, "cleo joining").await,
        ChangeKind::Joined { by: ben.id(), user: cleo.id() }
    );
    let head = at_cleos
        .until("the group as a whole", |frame| match frame {
            ServerFrame::Heads { conversations } => conversations.iter().find(|it| it.id == room).cloned(),
            _ => None,
        })
        .await
        .unwrap();
    assert_eq!((head.member_count, head.members.last().map(|member| member.user)), (3, Some(cleo.id())));

    ben.client.post(room, "hello cleo").await.unwrap();
    let (rev, words) = at_cleos
        .until("ben's message", |frame| match frame {
            ServerFrame::Event { conversation, change, .. } if *conversation == room => match &change.kind {
                ChangeKind::Posted { message } => Some((change.rev, message.body.text()?.to_owned())),
                _ => None,
            },
            _ => None,
        })
        .await
        .unwrap();
    assert_eq!((rev, words.as_str()), (head.head_rev + 1, "hello cleo"));
    assert_eq!(
        cleo.client.messages(room, "").await.unwrap().messages.last().unwrap().body.text(),
        Some("hello cleo")
    );

    // Once more changes nothing, and nobody is added who does not exist.
    let again = ada.client.call(Method::POST, &format!("conversations/{room}/members"), &body).await.unwrap();
    assert!(again.status < 500, "{}", again.text());
    assert_eq!(ada.client.add(room, UserId::generate()).await.unwrap_err().code(), Some(Code::NotFound));
    assert_eq!(ada.client.conversation(room).await.unwrap().member_count, 3);
}

#[tokio::test]
async fn somebody_removed_hears_nothing_more() {
    let Scene { server: _server, people: [ada, ben, cleo] } =
        Scene::open(CONFAB, ["ada", "ben", "cleo"]).await.unwrap();
    let room = ada.client.group("Depot", &[ben.id(), cleo.id()]).await.unwrap().id;
    let elsewhere = ada.client.direct(cleo.id()).await.unwrap().id;
    let mut at_bens = ben.socket().await.unwrap();
    let mut at_cleos = cleo.socket().await.unwrap();

    let error = ben.client.remove(room, cleo.id()).await.unwrap_err();
    assert_eq!((error.status(), error.code()), (Some(403), Some(Code::Forbidden)));
    ada.client.remove(room, cleo.id()).await.unwrap();
    assert_eq!(
        change(&mut at_bens, room, "cleo leaving").await,
        ChangeKind::Left { by: ada.id(), user: cleo.id() }
    );
    at_cleos
        .until("the group going", |frame| match frame {
            ServerFrame::Gone { conversation } if *conversation == room => Some(()),
            _ => None,
        })
        .await
        .unwrap();

    ada.client.post(room, "without cleo").await.unwrap();
    ada.client.post(elsewhere, "still friends").await.unwrap();
    let mut heard = Vec::new();
    at_cleos
        .until("the message elsewhere", |frame| {
            heard.push(frame.clone());
            matches!(frame, ServerFrame::Event { conversation, .. } if *conversation == elsewhere)
                .then_some(())
        })
        .await
        .unwrap();
    heard.extend(at_cleos.settle().await.unwrap());
    assert!(!serde_json::to_string(&heard).unwrap().contains("without cleo"));
    assert_eq!(cleo.client.messages(room, "").await.unwrap_err().code(), Some(Code::NotFound));
    let nonce = at_cleos.post(room, "may I?").await.unwrap();
    let refused = at_cleos.refusal().await.unwrap();
    assert_eq!((refused.nonce.as_deref(), refused.code), (Some(nonce.as_str()), Code::NotFound));
    assert_eq!(ada.client.conversation(room).await.unwrap().member_count, 2);
}

#[tokio::test]
async fn anybody_but_the_owner_may_leave() {
    let Scene { server: _server, people: [ada, ben, cleo] } =
        Scene::open(CONFAB, ["ada", "ben", "cleo"]).await.unwrap();
    let room = ada.client.group("Depot", &[ben.id(), cleo.id()]).await.unwrap().id;
    let mut at_cleos = cleo.socket().await.unwrap();
    ben.client.remove(room, ben.id()).await.unwrap();
    assert_eq!(
        change(&mut at_cleos, room, "ben leaving").await,
        ChangeKind::Left { by: ben.id(), user: ben.id() }
    );
    assert_eq!(ben.client.conversation(room).await.unwrap_err().code(), Some(Code::NotFound));
    assert_eq!(ben.client.conversations().await.unwrap().conversations, []);

    let error = ada.client.remove(room, ada.id()).await.unwrap_err();
    assert_eq!((error.status(), error.code()), (Some(409), Some(Code::Conflict)));
    assert_eq!(ada.client.conversation(room).await.unwrap().member_count, 2);
}

#[tokio::test]
async fn the_list_has_the_newest_activity_first() {
    let Scene { server: _server, people: [ada, ben] } = Scene::open(CONFAB, ["ada", "ben"]).await.unwrap();
    let first = ada.client.group("First", &[ben.id()]).await.unwrap().id;
    let second = ada.client.group("Second", &[ben.id()]).await.unwrap().id;
    let order = async || {
        let list = ben.client.conversations().await.unwrap().conversations;
        list.iter().map(|conversation| conversation.id).collect::<Vec<_>>()
    };
    ada.client.post(first, "one").await.unwrap();
    ada.client.post(second, "two").await.unwrap();
    assert_eq!(order().await, [second, first]);
    ada.client.post(first, "three").await.unwrap();
    assert_eq!(order().await, [first, second]);
    let list = ben.client.conversations().await.unwrap().conversations;
    assert_eq!(list[0].last_message.as_ref().and_then(|message| message.body.text()), Some("three"));
    assert_eq!((list[0].head_seq, list[0].unread, list[1].unread), (2, 2, 1));
}

#[tokio::test]
async fn a_stranger_cannot_tell_a_foreign_conversation_from_none() {
    let Scene { server: _server, people: [ada, ben, eve] } =
        Scene::open(CONFAB, ["ada", "ben", "eve"]).await.unwrap();
    let group = ada.client.group("Secret plans", &[ben.id()]).await.unwrap().id;
    let direct = ada.client.direct(ben.id()).await.unwrap().id;
    ada.client.post(group, "the treasure is under the bakery").await.unwrap();
    ada.client.post(direct, "hush").await.unwrap();

    let message = json!({"nonce": "eve-1", "body": {"kind": "text", "text": "let me in"}});
    let routes = [
        (Method::GET, "", json!(null)),
        (Method::PATCH, "", json!({"title": "Mine"})),
        (Method::PATCH, "", json!({"title": ""})),
        (Method::GET, "/members", json!(null)),
        (Method::POST, "/members", json!({"user": eve.id()})),
        (Method::POST, "/members", json!({"user": UserId::generate()})),
        (Method::DELETE, &format!("/members/{}", eve.id()), json!(null)),
        (Method::DELETE, &format!("/members/{}", ada.id()), json!(null)),
        (Method::GET, "/messages", json!(null)),
        (Method::GET, "/messages?before=2", json!(null)),
        (Method::GET, "/messages?after=0&limit=1", json!(null)),
        (Method::GET, "/messages?around=1", json!(null)),
        (Method::POST, "/messages", message),
        (Method::GET, "/changes?after=0", json!(null)),
        (Method::GET, "/changes?after=99999", json!(null)),
        (Method::POST, "/read", json!({"seq": 1})),
        (Method::POST, "/read", json!({"seq": 99999})),
    ];
    for foreign in [group, direct] {
        for (method, route, body) in &routes {
            let call = async |room: ConversationId| {
                eve.client.call(method.clone(), &format!("conversations/{room}{route}"), body).await.unwrap()
            };
            let (of_foreign, of_none) = (call(foreign).await, call(ConversationId::generate()).await);
            let case = format!("{method} {route}");
            assert_eq!(of_foreign.without_its_own(), of_none.without_its_own(), "{case}");
            if *body != json!({"title": ""}) {
                assert_eq!(of_foreign.status, 404, "{case}: {}", of_foreign.text());
                assert_eq!(of_foreign.json::<protocol::Problem>().unwrap().code, Code::NotFound, "{case}");
            }
        }
    }
    let before = ada.client.conversation(group).await.unwrap();
    assert_eq!((before.title.as_str(), before.member_count, before.head_seq), ("Secret plans", 2, 1));
    assert_eq!(before.members.iter().find(|member| member.user == ben.id()).unwrap().read_seq, 0);

    // An id that is not even an id is no different in kind.
    assert_eq!(eve.client.get("/api/v1/conversations/not-an-id").await.unwrap().status, 404);
}

#[tokio::test]
async fn a_stranger_cannot_tell_them_apart_over_a_socket_either() {
    let Scene { server: _server, people: [ada, ben, eve] } =
        Scene::open(CONFAB, ["ada", "ben", "eve"]).await.unwrap();
    let foreign = ada.client.group("Secret plans", &[ben.id()]).await.unwrap().id;
    ada.client.post(foreign, "the treasure is under the bakery").await.unwrap();
    let (mut socket, hello) = eve.live().await.unwrap();
    assert_eq!(hello.heads, []);
    for frame in [
        json!({"type": "send", "nonce": "eve-1", "body": {"kind": "text", "text": "let me in"}}),
        json!({"type": "sync", "after": 0}),
        json!({"type": "sync", "after": 99999}),
        json!({"type": "read", "seq": 1}),
    ] {
        let mut ask = async |room: ConversationId| {
            let mut frame = frame.clone();
            frame["conversation"] = json!(room);
            socket.text(&frame.to_string()).await.unwrap();
            let answer = socket.next().await.unwrap();
            serde_json::to_string(&answer).unwrap().replace(&room.to_string(), "ID")
        };
        let (of_foreign, of_none) = (ask(foreign).await, ask(ConversationId::generate()).await);
        assert_eq!(of_foreign, of_none, "{frame}");
        assert!(of_foreign.contains("refused") && of_foreign.contains("not_found"), "{of_foreign}");
    }
    ada.client.post(foreign, "and more").await.unwrap();
    let mine = eve.client.direct(ada.id()).await.unwrap().id;
    ada.client.post(mine, "hello eve").await.unwrap();
    let mut heard = Vec::new();
    socket
        .until("the message to eve", |frame| {
            heard.push(frame.clone());
            matches!(frame, ServerFrame::Event { conversation, .. } if *conversation == mine).then_some(())
        })
        .await
        .unwrap();
    assert!(!serde_json::to_string(&heard).unwrap().contains(&foreign.to_string()));
}
