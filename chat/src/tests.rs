//! The use cases against the real store, through the public API.

use crate::store::{NewAccount, NewSession};
use crate::{
    BusUrl, Chat, Drained, Error, Identity, IngestMode, Registration, Resume, Roles, Settings, Socket, Span,
    StoreUrl,
};
use protocol::rest::{NewConversation, NewMessage, PatchMe, Register, SignIn};
use protocol::{
    Body, ChangeKind, Code, Conversation, ConversationId, Nonce, Role, ServerFrame, SessionId, Timestamp,
    UserId,
};
use sqlx::{Connection, Executor, PgConnection, SqliteConnection};
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

mod bounds;
mod cached;
mod delivery;
mod doctor;
mod histories;
mod lossy;
mod nodes;
mod numbers;
mod postgres;
mod refused;
mod replay;
mod resume;
mod statements;
mod transfer;
mod unread;

const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// A chat on a database of its own.
struct Scene {
    chat: Chat,
    folder: tempfile::TempDir,
}

/// The server whose schemas the tests run on, where one is given; a file in the scene's folder otherwise.
fn postgres() -> Option<String> {
    std::env::var("CONFAB_TEST_POSTGRES").ok().filter(|url| !url.is_empty())
}

/// The scene's own part of the given server.
fn schema(folder: &tempfile::TempDir) -> String {
    let name = folder.path().file_name().unwrap().as_encoded_bytes();
    name.iter().fold("t".to_owned(), |schema, byte| format!("{schema}{byte:02x}"))
}

fn settings(folder: &tempfile::TempDir) -> Settings {
    let store = match postgres() {
        Some(url) => {
            format!("{url}?sslmode=disable&options=-csearch_path%3D{}", schema(folder)).parse().unwrap()
        }
        None => StoreUrl::Sqlite(None),
    };
    let (data, bus) = (folder.path().join("data"), BusUrl::Channel);
    Settings {
        data,
        store,
        bus,
        ingest: IngestMode::Direct,
        roles: Roles::default(),
        presence: crate::PresenceUrl::Here,
        cache: crate::CacheUrl::Memory,
        registration: Registration::Open,
    }
}

/// A folder for a chat, and a store without anything in it.
async fn empty() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    if let Some(url) = postgres() {
        let mut connection = PgConnection::connect(&url).await.unwrap();
        let create = format!("CREATE SCHEMA {}", schema(&folder));
        connection.execute(sqlx::AssertSqlSafe(create)).await.unwrap();
    }
    folder
}

/// Changes the rows behind the chat's back: one text for each store.
async fn tamper(settings: &Settings, sqlite: &str, postgres: &str) {
    match &settings.store {
        StoreUrl::Sqlite(file) => {
            let file = file.clone().unwrap_or_else(|| settings.data.join("confab.db"));
            let url = format!("sqlite://{}", file.display());
            let mut connection = SqliteConnection::connect(&url).await.unwrap();
            let sql = format!("PRAGMA foreign_keys = OFF; {sqlite}");
            sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&mut connection).await.unwrap();
            connection.close().await.unwrap();
        }
        StoreUrl::Postgres(url) => {
            let mut connection = PgConnection::connect(url.as_str()).await.unwrap();
            let sql = format!("SET session_replication_role = replica; {postgres}");
            sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&mut connection).await.unwrap();
            connection.close().await.unwrap();
        }
    }
}

impl Scene {
    async fn new() -> Self {
        let folder = empty().await;
        let chat = Chat::open(settings(&folder)).await.unwrap();
        Self { chat, folder }
    }

    /// People with sessions, without the cost of a password each.
    async fn people<const N: usize>(&self) -> [Identity; N] {
        let mut people = Vec::new();
        for _ in 0..N {
            let (user, session) = (UserId::generate(), SessionId::generate());
            let account = NewAccount {
                id: user,
                username: name_of(Identity { user, session }),
                display_name: "Somebody".to_owned(),
                password: "unused".to_owned(),
                created_at: Timestamp::default(),
            };
            let token_hash = rand::random();
            let created_at = Timestamp::default();
            let new =
                NewSession { id: session, token_hash, account: user, device: String::new(), created_at };
            assert!(self.chat.inner.stores.accounts.create_account(account, new).await.unwrap());
            people.push(Identity { user, session });
        }
        people.try_into().unwrap()
    }

    async fn group(&self, owner: Identity, others: &[Identity]) -> ConversationId {
        let members = others.iter().map(|who| who.user).collect();
        let new = NewConversation::Group {
            title: "Group".to_owned(),
            members,
            nonce: None,
            public: false,
            history: protocol::History::Join,
        };
        self.chat.create(owner, new).await.unwrap().0.id
    }

    async fn say(&self, who: Identity, id: ConversationId, text: &str) -> u64 {
        self.chat.post(who, id, message(text)).await.unwrap().message.seq
    }

    /// A socket that has said hello without cursors.
    async fn socket(&self, who: Identity) -> Arc<Socket> {
        let socket = self.chat.attach(who);
        self.chat.hello(&socket, Resume::default()).await.unwrap();
        socket
    }
}

/// The user name of somebody of [`Scene::people`].
fn name_of(who: Identity) -> String {
    let id = who.user.uuid().simple().to_string();
    format!("p{}", &id[12..])
}

fn message(text: &str) -> NewMessage {
    NewMessage { nonce: Nonce::generate(), body: body(text), reply_to: None }
}

fn body(text: &str) -> Body {
    Body::Text { text: text.parse().unwrap() }
}

/// Frames that arrive until `done` says that these are enough.
async fn frames_until(socket: &Socket, mut done: impl FnMut(&[ServerFrame]) -> bool) -> Vec<ServerFrame> {
    let collect = async {
        let (mut frames, mut raw) = (Vec::new(), Vec::new());
        loop {
            socket.drain(&mut raw);
            frames.extend(raw.drain(..).map(|frame| serde_json::from_slice(&frame).unwrap()));
            if done(&frames) {
                return frames;
            }
            socket.wait().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(10), collect).await.expect("frames that never came")
}

/// Waits until a socket is told to close; with which code.
async fn closed(socket: &Socket) -> u16 {
    let closing = async {
        loop {
            if let Drained::Close { code, .. } = socket.drain(&mut Vec::new()) {
                return code;
            }
            socket.wait().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(10), closing).await.expect("it stays open")
}

#[tokio::test]
async fn an_account_is_made_once_and_signs_in_with_its_password_only() {
    let scene = Scene::new().await;
    let new = |name: &str| Register {
        username: name.to_owned(),
        password: "long enough".to_owned(),
        display_name: Some("  Ada L. ".to_owned()),
    };
    let ada = scene.chat.register(new("Ada"), "test", HERE).await.unwrap();
    assert_eq!((ada.user.username.as_str(), ada.user.display_name.as_str()), ("ada", "Ada L."));
    let who = scene.chat.authenticate(&ada.token).await.unwrap().unwrap();
    assert_eq!(who.user, ada.user.id);
    assert!(matches!(scene.chat.register(new("ADA"), "test", HERE).await, Err(Error::Conflict(_))));

    let sign_in = |name: &str, password: &str| SignIn { username: name.into(), password: password.into() };
    let again = scene.chat.sign_in(sign_in("aDa", "long enough"), "phone", HERE).await.unwrap();
    let unknown = scene.chat.sign_in(sign_in("nobody", "long enough"), "", HERE).await;
    let wrong = scene.chat.sign_in(sign_in("ada", "not the one"), "", HERE).await;
    assert_eq!((unknown, wrong), (Err(Error::Unauthorized), Err(Error::Unauthorized)));

    let phone = scene.chat.authenticate(&again.token).await.unwrap().unwrap();
    assert_eq!(scene.chat.sessions(who).await.unwrap().len(), 2);
    scene.chat.revoke(who, phone.session).await.unwrap();
    assert_eq!(scene.chat.authenticate(&again.token).await.unwrap(), None);
    assert_eq!(scene.chat.revoke(who, phone.session).await, Err(Error::NotFound));
}

#[tokio::test]
async fn every_bad_field_is_named() {
    let scene = Scene::new().await;
    let bad = Register { username: "ä".to_owned(), password: "short".to_owned(), display_name: None };
    let Err(Error::Invalid(errors)) = scene.chat.register(bad, "", HERE).await else { panic!("accepted") };
    let fields: Vec<_> = errors.iter().map(|error| error.field.as_str()).collect();
    assert_eq!(fields, ["username", "password"]);
    let [ada] = scene.people().await;
    let patch = PatchMe { locale: Some("xx".to_owned()), ..PatchMe::default() };
    assert_eq!(scene.chat.update_me(ada, patch).await.unwrap_err().code(), Code::Invalid);
    let patch = PatchMe { locale: Some("zh-CN".to_owned()), display_name: Some("艾达".to_owned()) };
    let me = scene.chat.update_me(ada, patch).await.unwrap();
    assert_eq!((me.locale.as_deref(), me.user.display_name.as_str()), (Some("zh-CN"), "艾达"));
}

#[tokio::test]
async fn people_are_found_by_part_of_a_name_as_it_is_written() {
    let scene = Scene::new().await;
    let [ada, ben] = scene.people().await;
    let rename = |name: &str| PatchMe { display_name: Some(name.to_owned()), ..PatchMe::default() };
    scene.chat.update_me(ben, rename("100% Bén 陈")).await.unwrap();
    for q in ["100%", "Bén", "陈", " 0% "] {
        let found = scene.chat.search_people(ada, q).await.unwrap();
        assert_eq!(found.iter().map(|user| user.id).collect::<Vec<_>>(), [ben.user], "{q}");
    }
    assert!(scene.chat.search_people(ada, "_").await.unwrap().is_empty(), "no wildcard");
    assert!(scene.chat.search_people(ada, "").await.unwrap().iter().all(|user| user.id != ada.user));
}

#[tokio::test]
async fn members_are_found_by_members_only() {
    let scene = Scene::new().await;
    let [ada, ben, cleo] = scene.people().await;
    let id = scene.group(ada, &[ben]).await;
    let found = scene.chat.search_members(ada, id, "").await.unwrap();
    assert_eq!(found.iter().map(|user| user.id).collect::<Vec<_>>(), [ben.user]);
    assert_eq!(scene.chat.search_members(cleo, id, "").await.unwrap_err(), Error::NotFound);
    assert_eq!(scene.chat.my_role(ada, id).await.unwrap(), Role::Owner);
    assert_eq!(scene.chat.my_role(ben, id).await.unwrap(), Role::Member);
    assert_eq!(scene.chat.my_role(cleo, id).await.unwrap_err(), Error::NotFound);
}

#[tokio::test]
async fn a_ticket_opens_one_socket() {
    let scene = Scene::new().await;
    let [ada] = scene.people().await;
    let ticket = scene.chat.ticket(ada).unwrap().ticket;
    assert_eq!(scene.chat.redeem(&ticket).await.unwrap(), Some(ada));
    assert_eq!(scene.chat.redeem(&ticket).await.unwrap(), None);
    let ticket = scene.chat.ticket(ada).unwrap().ticket;
    scene.chat.sign_out(ada).await.unwrap();
    assert_eq!(scene.chat.redeem(&ticket).await.unwrap(), None);
}

#[tokio::test]
async fn a_data_folder_serves_one_chat_at_a_time_and_keeps_what_it_got() {
    let scene = Scene::new().await;
    let [ada, ben] = scene.people().await;
    let id = scene.group(ada, &[ben]).await;
    scene.say(ada, id, "hello").await;
    let epoch = scene.chat.conversations(ada).await.unwrap().epoch;
    if postgres().is_none() {
        let error = Chat::open(settings(&scene.folder)).await.err().expect("opened twice").to_string();
        assert!(error.starts_with("store: another confab"), "{error}");
    }

    scene.chat.shutdown().await;
    assert!(matches!(scene.chat.post(ada, id, message("late")).await, Err(Error::Unavailable { .. })));
    let Scene { chat, folder } = scene;
    drop(chat);
    let chat = Chat::open(settings(&folder)).await.unwrap();
    assert_eq!(chat.conversations(ada).await.unwrap().epoch, epoch);
    assert_eq!(chat.history(ben, id, Span::Newest, 50).await.unwrap().messages.len(), 1);
    assert!(chat.ready().await.ready);
}

#[tokio::test]
async fn who_made_the_first_account_is_the_administrator() {
    let scene = Scene::new().await;
    assert_eq!(scene.chat.inner.stores.accounts.first_account().await.unwrap(), None);
    let [ada, ben] = scene.people().await;
    scene.chat.admit_admin(ada).await.unwrap();
    assert_eq!(scene.chat.admit_admin(ben).await.unwrap_err().code(), Code::Forbidden);
}
