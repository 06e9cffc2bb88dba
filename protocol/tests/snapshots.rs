//! The wire, pinned: every frame, object and REST body as JSON. A snapshot that changes is a change of the
//! contract and needs its line in the CHANGELOG.

use protocol::limits::Limits;
use protocol::rest::{
    Changes, Conversations, Discovery, EditMessage, Edits, Group, Groups, Health, MarkUnread, Me, Members,
    Messages, NewConversation, NewMember, NewMessage, Node, Nodes, PatchConversation, PatchMe, PatchMember,
    PatchSettings, Pins, Posted, Read, ReadMark, Readiness, Receipts, Register, Session, Sessions, SignIn,
    SignedIn, Ticket, Unread, UnreadAll, Users, Version,
};
use protocol::{
    Body, Change, ChangeKind, ClientFrame, Code, Conversation, ConversationId, Emoji, Epoch, FieldError,
    History, Kind, Member, Message, MessageId, Nonce, Presence, Problem, Reaction, Refusal, Role,
    ServerFrame, SessionId, Settings, Timestamp, User, UserId,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;
use std::fmt::Debug;
use uuid::Uuid;

/// Pins the JSON of a value and checks that it is read back as the same value, also with a field more than
/// this program knows.
macro_rules! pin {
    ($name:literal, $value:expr) => {{
        let value = $value;
        insta::assert_json_snapshot!($name, &value);
        reads_back(&value);
    }};
}

fn reads_back<T: Serialize + DeserializeOwned + PartialEq + Debug>(value: &T) {
    let text = serde_json::to_string(value).expect("wire values serialise");
    assert_eq!(&serde_json::from_str::<T>(&text).expect("what is written is read"), value);

    let mut json = serde_json::to_value(value).expect("wire values serialise");
    let object = json.as_object_mut().expect("frames, objects and bodies are JSON objects");
    object.insert("of_a_later_version".into(), json!({"ignored": [1, 2, 3]}));
    let text = json.to_string();
    assert_eq!(&serde_json::from_str::<T>(&text).expect("unknown fields are ignored"), value);
}

/// Both ways of reading a frame of the server give the same.
macro_rules! pin_frame {
    ($name:literal, $value:expr) => {{
        let frame = $value;
        insta::assert_json_snapshot!($name, &frame);
        reads_back_both_ways(&frame);
    }};
}

fn reads_back_both_ways(frame: &ServerFrame) {
    reads_back(frame);
    let mut json = serde_json::to_value(frame).expect("wire values serialise");
    json["of_a_later_version"] = json!({"ignored": [1, 2, 3]});
    assert_eq!(&read(&json).expect("what is written is read"), frame);
}

/// Reads a frame as the page does.
fn read(json: &serde_json::Value) -> Result<ServerFrame, serde_json::Error> {
    let kind = json["type"].as_str().expect("a frame has a type");
    ServerFrame::read(kind, &mut serde_json::Deserializer::from_str(&json.to_string()))
}

fn ada() -> UserId {
    UserId::from_uuid(Uuid::from_u128(0x0199_0000_0000_7000_8000_0000_0000_00a1))
}

fn ben() -> UserId {
    UserId::from_uuid(Uuid::from_u128(0x0199_0000_0000_7000_8000_0000_0000_00b2))
}

fn group() -> ConversationId {
    ConversationId::from_uuid(Uuid::from_u128(0x0199_0000_0000_7000_8000_0000_0000_0c01))
}

fn epoch() -> Epoch {
    Epoch::from_uuid(Uuid::from_u128(0x0199_0000_0000_7000_8000_0000_0000_0e01))
}

fn session() -> SessionId {
    SessionId::from_uuid(Uuid::from_u128(0x0199_0000_0000_7000_8000_0000_0000_0501))
}

fn message_id(n: u128) -> MessageId {
    MessageId::from_uuid(Uuid::from_u128(0x0199_0000_0000_7000_8000_0000_0000_1000 + n))
}

fn nonce() -> Nonce {
    "0199-nonce".parse().expect("a valid nonce")
}

fn text(words: &str) -> Body {
    Body::Text { text: words.parse().expect("a valid text") }
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millis(1_795_334_400_123 + seconds * 1000)
}

fn user() -> User {
    User {
        id: ada(),
        username: "ada".into(),
        display_name: "Ada L.".into(),
        avatar: None,
        presence: Presence::Online,
        last_seen: Some(at(0)),
    }
}

fn message() -> Message {
    Message {
        id: message_id(17),
        conversation: group(),
        seq: 17,
        rev: 23,
        sender: ada(),
        nonce: None,
        body: text("hello, 世界 👋"),
        sent_at: at(0),
        edited_at: None,
        recalled: false,
        reply_to: None,
        mentions: vec![],
        mentions_all: false,
        reactions: vec![],
        pinned: false,
    }
}

/// Everything a message can have at once, as its sender sees it.
fn full_message() -> Message {
    Message {
        nonce: Some(nonce()),
        edited_at: Some(at(60)),
        reply_to: Some(message_id(3)),
        mentions: vec![ben()],
        mentions_all: false,
        reactions: vec![Reaction { emoji: "👍".into(), users: vec![ada(), ben()] }],
        pinned: true,
        ..message()
    }
}

fn conversation() -> Conversation {
    Conversation {
        id: group(),
        kind: Kind::Group,
        title: "Harbour depot".into(),
        head_seq: 17,
        head_rev: 23,
        read_seq: 12,
        unread: 5,
        mentions: 1,
        last_message: Some(message()),
        members: vec![
            Member { user: ada(), role: Role::Owner, read_seq: 17 },
            Member { user: ben(), role: Role::Member, read_seq: 12 },
        ],
        member_count: 2,
        public: true,
        history: History::All,
        settings: settings(),
    }
}

/// Everything one member can have set at once.
fn settings() -> Settings {
    Settings {
        muted_until: Some(at(3600)),
        pinned: true,
        archived: true,
        draft: "half a thou".into(),
        unread_from: Some(9),
    }
}

fn thumb() -> Emoji {
    "👍".parse().expect("a valid emoji")
}

/// One change of every kind.
fn changes() -> Vec<Change> {
    let kinds = [
        ChangeKind::Posted { message: message() },
        ChangeKind::Edited { message: full_message() },
        ChangeKind::Recalled { message: Message { body: Body::Recalled, recalled: true, ..message() } },
        ChangeKind::Reacted { message: full_message() },
        ChangeKind::Pinned { message: full_message() },
        ChangeKind::Joined { by: ada(), user: ben() },
        ChangeKind::Left { by: ben(), user: ben() },
        ChangeKind::Renamed { by: ada(), title: "Harbour".into() },
        ChangeKind::Role { by: ada(), user: ben(), role: Role::Admin },
        ChangeKind::Access { by: ada(), public: true, history: History::All },
        // What somebody who joined later learns of a change of an older message.
        ChangeKind::Unsupported,
    ];
    let stands = |kind: &ChangeKind| kind.message().is_none() && *kind != ChangeKind::Unsupported;
    let change = |(rev, kind)| {
        let (after, when) = if stands(&kind) { (Some(17), Some(at(30))) } else { (None, None) };
        Change { rev, after, at: when, kind }
    };
    (23..).zip(kinds).map(change).collect()
}

#[test]
fn objects() {
    pin!("user", user());
    pin!(
        "user_never_seen",
        User { avatar: Some("/avatars/ada".into()), presence: Presence::Offline, last_seen: None, ..user() }
    );
    pin!("message", message());
    pin!("message_full", full_message());
    pin!("message_to_all", Message { mentions_all: true, ..message() });
    pin!("message_recalled", Message { body: Body::Recalled, recalled: true, ..message() });
    pin!("conversation_group", conversation());
    pin!(
        "conversation_direct",
        Conversation {
            id: ConversationId::direct(ada(), ben()),
            kind: Kind::Direct,
            title: String::new(),
            head_seq: 0,
            head_rev: 0,
            read_seq: 0,
            unread: 0,
            mentions: 0,
            last_message: None,
            public: false,
            history: History::Join,
            settings: Settings::default(),
            ..conversation()
        }
    );
    for role in [Role::Member, Role::Admin, Role::Owner] {
        reads_back(&Member { user: ada(), role, read_seq: 1 });
    }
    for presence in [Presence::Online, Presence::Away, Presence::Offline] {
        reads_back(&User { presence, ..user() });
    }
}

#[test]
fn changes_of_every_kind() {
    insta::assert_json_snapshot!("changes_of_every_kind", changes());
    for change in changes() {
        reads_back(&change);
    }
}

#[test]
fn limits() {
    pin!("limits", Limits::default());
}

#[test]
fn a_limit_an_older_server_does_not_name_is_ours() {
    let older: Limits = serde_json::from_value(json!({"text_chars": 5})).unwrap();
    assert_eq!(older, Limits { text_chars: 5, ..Limits::default() });
}

#[test]
fn client_hello() {
    pin!("client_hello_first", ClientFrame::Hello { protocol: 1, epoch: None, cursors: None, states: None });
    pin!(
        "client_hello_again",
        ClientFrame::Hello {
            protocol: protocol::frame::PROTOCOL,
            epoch: Some(epoch()),
            cursors: Some(vec![(group(), 23), (ConversationId::direct(ada(), ben()), 0)]),
            states: Some(vec![(group(), conversation().state())]),
        }
    );
}

#[test]
fn client_requests() {
    pin!(
        "client_send",
        ClientFrame::Send { nonce: nonce(), conversation: group(), body: text("hello"), reply_to: None }
    );
    pin!(
        "client_send_reply",
        ClientFrame::Send {
            nonce: nonce(),
            conversation: group(),
            body: text("yes"),
            reply_to: Some(message_id(16))
        }
    );
    pin!(
        "client_edit",
        ClientFrame::Edit { nonce: nonce(), message: message_id(17), body: text("hello again") }
    );
    pin!("client_recall", ClientFrame::Recall { nonce: nonce(), message: message_id(17) });
    pin!(
        "client_react",
        ClientFrame::React { nonce: nonce(), message: message_id(17), emoji: thumb(), on: true }
    );
    pin!("client_pin", ClientFrame::Pin { nonce: nonce(), message: message_id(17), on: false });
    pin!("client_unread", ClientFrame::Unread { conversation: group(), seq: 9 });
    pin!(
        "client_settings",
        ClientFrame::Settings {
            conversation: group(),
            settings: PatchSettings { pinned: Some(true), ..PatchSettings::default() }
        }
    );
    pin!("client_typing", ClientFrame::Typing { conversation: group() });
    pin!("client_presence", ClientFrame::Presence { state: Presence::Away });
    pin!("client_sync", ClientFrame::Sync { conversation: group(), after: 22 });
    pin!("client_read", ClientFrame::Read { conversation: group(), seq: 17 });
    pin!("client_ping", ClientFrame::Ping { n: 3 });
}

#[test]
fn server_answers_to_hello() {
    pin_frame!(
        "server_welcome",
        ServerFrame::Welcome {
            user: user(),
            session: session(),
            epoch: epoch(),
            heartbeat_ms: protocol::limits::HEARTBEAT_MS,
            limits: Limits::default(),
            server_time: at(0),
        }
    );
    pin_frame!("server_heads", ServerFrame::Heads { conversations: vec![conversation()] });
    pin_frame!("server_gone", ServerFrame::Gone { conversation: group() });
    pin_frame!("server_live", ServerFrame::Live {});
}

#[test]
fn server_answers_to_requests() {
    pin_frame!("server_accepted", ServerFrame::Accepted { nonce: nonce() });
    pin_frame!("server_ack", ServerFrame::Ack { nonce: nonce(), message: full_message(), duplicate: false });
    pin_frame!(
        "server_refused_send",
        ServerFrame::Refused(Refusal {
            nonce: Some("0199-nonce".into()),
            in_reply_to: None,
            code: Code::Unavailable,
            message: "The server cannot store messages right now.".into(),
            retryable: true,
            retry_after_ms: Some(1500),
        })
    );
    pin_frame!(
        "server_refused_unknown_type",
        ServerFrame::Refused(Refusal {
            nonce: None,
            in_reply_to: Some("dance".into()),
            code: Code::UnknownType,
            message: "This server does not know frames of this type.".into(),
            retryable: false,
            retry_after_ms: None,
        })
    );
    pin_frame!(
        "server_changes",
        ServerFrame::Changes { conversation: group(), from: 22, to: 33, changes: changes(), more: true }
    );
    pin_frame!(
        "server_reset",
        ServerFrame::Reset { conversation: group(), reason: "further behind than 1000 changes".into() }
    );
    pin_frame!("server_pong", ServerFrame::Pong { n: 3, heads: vec![(group(), 23)] });
}

#[test]
fn server_news() {
    for (kind, name) in [(Kind::Group, "server_event_group"), (Kind::Direct, "server_event_direct")] {
        let event = ServerFrame::Event { conversation: group(), kind, change: changes().remove(0) };
        insta::assert_json_snapshot!(name, &event);
        reads_back_both_ways(&event);
    }
    for change in changes() {
        reads_back_both_ways(&ServerFrame::Event { conversation: group(), kind: Kind::Group, change });
    }
    pin_frame!(
        "server_read_of_another",
        ServerFrame::Read { conversation: group(), user: ben(), seq: 17, unread: None, mentions: None }
    );
    pin_frame!(
        "server_read_of_my_own",
        ServerFrame::Read { conversation: group(), user: ada(), seq: 17, unread: Some(1), mentions: Some(0) }
    );
    pin_frame!(
        "server_settings",
        ServerFrame::Settings { conversation: group(), settings: settings(), unread: 5, mentions: 1 }
    );
    pin_frame!("server_typing", ServerFrame::Typing { conversation: group(), user: ben() });
    pin_frame!(
        "server_presence",
        ServerFrame::Presence { user: ben(), state: Presence::Offline, last_seen: Some(at(60)) }
    );
    pin_frame!("server_present", ServerFrame::Present { online: vec![ada()], away: vec![ben()] });
    pin_frame!("server_bye", ServerFrame::Bye { reason: "restarting".into(), retry_after_ms: 700 });
}

#[test]
fn rest_accounts_and_sessions() {
    pin!(
        "rest_register",
        Register {
            username: "ada".into(),
            password: "correct horse".into(),
            display_name: Some("Ada L.".into())
        }
    );
    pin!(
        "rest_register_short",
        Register { username: "ada".into(), password: "correct horse".into(), display_name: None }
    );
    pin!("rest_sign_in", SignIn { username: "ada".into(), password: "correct horse".into() });
    pin!("rest_signed_in", SignedIn { user: user(), token: "shown-once".into() });
    pin!(
        "rest_sessions",
        Sessions {
            sessions: vec![Session {
                id: session(),
                device: "Firefox on Linux".into(),
                created_at: at(0),
                last_used_at: at(600),
                current: true,
            }]
        }
    );
    pin!("rest_ticket", Ticket { ticket: "works-once".into(), expires_in_ms: 30_000 });
    pin!("rest_me", Me { user: user(), locale: Some("zh-CN".into()) });
    pin!("rest_patch_me", PatchMe { display_name: Some("Ada".into()), locale: Some("en".into()) });
    pin!("rest_patch_me_nothing", PatchMe::default());
    pin!("rest_users", Users { users: vec![user()] });
}

#[test]
fn rest_conversations() {
    pin!("rest_conversations", Conversations { conversations: vec![conversation()], epoch: epoch() });
    pin!("rest_new_direct", NewConversation::Direct { user: ben() });
    pin!(
        "rest_new_group",
        NewConversation::Group {
            title: "Harbour depot".into(),
            members: vec![ben()],
            nonce: Some(nonce()),
            public: true,
            history: History::All,
        }
    );
    pin!(
        "rest_patch_conversation",
        PatchConversation {
            title: Some("Harbour".into()),
            public: Some(false),
            history: Some(History::Join)
        }
    );
    pin!("rest_patch_conversation_nothing", PatchConversation::default());
    pin!(
        "rest_patch_settings",
        PatchSettings {
            muted_until: Some(at(3600)),
            pinned: Some(true),
            archived: Some(false),
            draft: Some(String::new())
        }
    );
    pin!("rest_patch_settings_nothing", PatchSettings::default());
    pin!("rest_settings", settings());
    pin!("rest_settings_none", Settings::default());
    pin!(
        "rest_groups",
        Groups {
            groups: vec![Group {
                id: group(),
                title: "Harbour depot".into(),
                member_count: 2,
                joined: false
            }]
        }
    );
    pin!("rest_patch_member", PatchMember { role: Role::Owner });
    pin!(
        "rest_members",
        Members {
            members: vec![Member { user: ada(), role: Role::Owner, read_seq: 17 }],
            users: vec![user()]
        }
    );
    pin!("rest_new_member", NewMember { user: ben() });
}

#[test]
fn rest_messages() {
    pin!(
        "rest_messages",
        Messages { messages: vec![message()], quoted: vec![], happened: vec![], head_seq: 17, head_rev: 23 }
    );
    let happened = Change {
        rev: 24,
        after: Some(17),
        at: Some(at(30)),
        kind: ChangeKind::Joined { by: ada(), user: ben() },
    };
    pin!(
        "rest_messages_with_what_belongs_to_them",
        Messages {
            messages: vec![full_message()],
            quoted: vec![Message { id: message_id(3), seq: 3, rev: 3, ..message() }],
            happened: vec![happened],
            head_seq: 17,
            head_rev: 24,
        }
    );
    pin!("rest_edit_message", EditMessage { nonce: Some(nonce()), body: text("hello again") });
    pin!("rest_edits", Edits { versions: vec![Version { body: text("hello"), at: at(0) }] });
    pin!("rest_pins", Pins { messages: vec![Message { pinned: true, ..message() }] });
    pin!("rest_receipts", Receipts { read: 1, of: 2, readers: vec![ben()] });
    pin!("rest_new_message", NewMessage { nonce: nonce(), body: text("hello"), reply_to: None });
    pin!(
        "rest_new_message_reply",
        NewMessage { nonce: nonce(), body: text("yes"), reply_to: Some(message_id(16)) }
    );
    pin!("rest_posted", Posted { message: full_message(), duplicate: true });
    pin!("rest_changes", Changes { from: 22, to: 33, changes: changes(), more: false });
    pin!("rest_read", Read { seq: 17 });
    pin!("rest_mark_unread", MarkUnread { seq: 9 });
    pin!("rest_read_mark", ReadMark { read_seq: 17, unread: 5, mentions: 1 });
    pin!(
        "rest_unread_all",
        UnreadAll {
            private_unreads: vec![Unread {
                conversation: ConversationId::direct(ada(), ben()),
                unread: 1,
                mentions: 0,
                messages: vec![message()],
            }],
            group_unreads: vec![],
        }
    );
    let here = Node {
        name: "north".into(),
        address: "http://10.0.0.5:3000".into(),
        health: Health::Passing,
        users: Some(41),
        sockets: Some(57),
        is_self: true,
        seen_at: Some(at(30)),
    };
    let away = Node {
        name: "south".into(),
        health: Health::Unknown,
        users: None,
        sockets: None,
        is_self: false,
        seen_at: None,
        ..here.clone()
    };
    pin!("rest_nodes", Nodes { nodes: vec![here, away], discovery: Discovery::Consul, fresh: true });
    for discovery in [Discovery::Consul, Discovery::Static, Discovery::None] {
        reads_back(&Nodes { nodes: Vec::new(), discovery, fresh: false });
    }
    pin!(
        "rest_readiness",
        Readiness { ready: true, dependencies: [("store".to_owned(), "ok".to_owned())].into() }
    );
}

#[test]
fn problems() {
    pin!(
        "problem_invalid",
        Problem {
            title: "Some fields are not valid".into(),
            status: 422,
            code: Code::Invalid,
            detail: None,
            errors: vec![FieldError {
                field: "username".into(),
                message: "must have 2 to 32 characters".into()
            }],
            retry_after_ms: None,
        }
    );
    pin!(
        "problem_rate_limited",
        Problem {
            title: "Too many requests".into(),
            status: 429,
            code: Code::RateLimited,
            detail: Some("Wait before signing in again.".into()),
            errors: vec![],
            retry_after_ms: Some(2000),
        }
    );
}

#[test]
fn codes_keep_their_words_and_statuses() {
    let codes = [
        (Code::Unauthorized, "unauthorized", 401, false),
        (Code::Forbidden, "forbidden", 403, false),
        (Code::NotFound, "not_found", 404, false),
        (Code::Invalid, "invalid", 422, false),
        (Code::Conflict, "conflict", 409, false),
        (Code::IdempotencyConflict, "idempotency_conflict", 409, false),
        (Code::Reset, "reset", 410, false),
        (Code::TooLarge, "too_large", 413, false),
        (Code::RateLimited, "rate_limited", 429, true),
        (Code::Unavailable, "unavailable", 503, true),
        (Code::UnknownType, "unknown_type", 422, false),
        (Code::Internal, "internal", 500, false),
    ];
    for (code, word, status, retryable) in codes {
        assert_eq!(serde_json::to_value(code).unwrap(), json!(word));
        assert_eq!(serde_json::from_value::<Code>(json!(word)).unwrap(), code);
        assert_eq!((code.as_str(), code.status(), code.retryable()), (word, status, retryable));
    }
    assert_eq!(serde_json::from_value::<Code>(json!("of_a_later_version")).unwrap(), Code::Internal);
}

#[test]
fn close_codes_keep_their_numbers() {
    use protocol::frame::close;
    let codes = [
        (close::PROTOCOL, 1002),
        (close::TYPE, 1003),
        (close::NOT_UTF8, 1007),
        (close::POLICY, 1008),
        (close::TOO_LARGE, 1009),
        (close::RESTARTING, 1012),
        (close::OVERLOADED, 1013),
        (close::SESSION_ENDED, 4001),
        (close::UPGRADE, 4003),
        (close::RESYNC, 4008),
        (close::RATE_LIMITED, 4029),
    ];
    for (code, number) in codes {
        assert_eq!(code, number);
    }
}

#[test]
fn a_client_ignores_a_frame_it_does_not_know() {
    for frame in [json!({"type": "dance"}), json!({"type": "call", "conversation": 7, "signal": {"sdp": []}})]
    {
        assert_eq!(read(&frame).unwrap(), ServerFrame::Unsupported);
        assert_eq!(serde_json::from_value::<ServerFrame>(frame).unwrap(), ServerFrame::Unsupported);
    }
}

#[test]
fn a_server_does_not_take_a_frame_it_does_not_know() {
    assert!(serde_json::from_value::<ClientFrame>(json!({"type": "dance"})).is_err());
    assert!(serde_json::from_value::<ClientFrame>(json!({"n": 1})).is_err());
}

#[test]
fn a_change_of_an_unknown_kind_keeps_its_number() {
    let event = json!({"type": "event", "conversation": group(), "kind": "group",
        "change": {"rev": 24, "type": "frozen", "by": ada()}});
    let change = Change::new(24, ChangeKind::Unsupported);
    assert_eq!(
        serde_json::from_value::<ServerFrame>(event).unwrap(),
        ServerFrame::Event { conversation: group(), kind: Kind::Group, change }
    );
}

#[test]
fn what_is_missing_is_named() {
    let event = json!({"type": "event", "conversation": group(), "kind": "group",
        "change": {"rev": 24, "type": "joined", "user": ada()}});
    for error in [read(&event), serde_json::from_value(event)].map(Result::unwrap_err) {
        assert!(error.to_string().contains("missing field `by`"), "{error}");
    }
    let error = read(&json!({"type": "gone"})).unwrap_err();
    assert!(error.to_string().contains("missing field `conversation`"), "{error}");
    let error = serde_json::from_value::<Body>(json!({"kind": "text"})).unwrap_err();
    assert!(error.to_string().contains("missing field `text`"), "{error}");
}

#[test]
fn a_body_of_an_unknown_kind_leaves_the_message_readable() {
    let mut json = serde_json::to_value(message()).unwrap();
    json["body"] = json!({"kind": "voice", "file": "01", "seconds": 3});
    let read: Message = serde_json::from_value(json).unwrap();
    assert_eq!(read, Message { body: Body::Unsupported, ..message() });
}

#[test]
fn a_presence_of_an_unknown_kind_is_offline() {
    let mut json = serde_json::to_value(user()).unwrap();
    json["presence"] = json!("on_holiday");
    assert_eq!(serde_json::from_value::<User>(json).unwrap().presence, Presence::Offline);
}

#[test]
fn a_body_outside_its_bounds_is_no_frame() {
    let send = |text: String, nonce: &str| {
        serde_json::from_value::<ClientFrame>(json!({"type": "send", "nonce": nonce, "conversation": group(),
            "body": {"kind": "text", "text": text}}))
    };
    assert!(send("字".repeat(protocol::limits::TEXT_CHARS), "n").is_ok());
    assert!(send("字".repeat(protocol::limits::TEXT_CHARS + 1), "n").is_err());
    assert!(send(" \n".into(), "n").is_err());
    assert!(send("hello".into(), "").is_err());
    assert!(send("hello".into(), &"n".repeat(protocol::limits::NONCE_CHARS + 1)).is_err());
}

#[test]
fn all_of_a_new_group_but_its_title_may_be_left_out() {
    let group: NewConversation = serde_json::from_value(json!({"kind": "group", "title": "Alone"})).unwrap();
    let (title, members) = ("Alone".to_owned(), vec![]);
    let (nonce, public, history) = (None, false, History::Join);
    assert_eq!(group, NewConversation::Group { title, members, nonce, public, history });
}

#[test]
fn a_conversation_of_an_older_server_is_read() {
    let old = Conversation {
        public: false,
        history: History::Join,
        settings: Settings::default(),
        ..conversation()
    };
    let mut json = serde_json::to_value(&old).unwrap();
    for name in ["public", "history", "settings"] {
        json.as_object_mut().unwrap().remove(name);
    }
    assert_eq!(serde_json::from_value::<Conversation>(json).unwrap(), old);
}

/// Programs outside compute it too: the numbers pin the algorithm.
#[test]
fn a_state_is_the_same_everywhere() {
    let nothing =
        Conversation { read_seq: 0, members: vec![], settings: Settings::default(), ..conversation() };
    insta::assert_json_snapshot!("states", [nothing.state(), conversation().state()]);
}
