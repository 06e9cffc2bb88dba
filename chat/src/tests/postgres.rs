//! What only a store of several nodes has to keep: starts at once, writes at once, a server that dies or freezes. Each needs
//! the server that `CONFAB_TEST_POSTGRES` names; two start one of their own with `scripts/services`.

use super::*;
use crate::Act;
use crate::watch::Pace;
use sqlx::Row;
use std::process::Command;
use std::time::{Duration, Instant};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// Longest time a request may take to be refused (G11).
const REFUSED: Duration = Duration::from_secs(5);

/// Another node of the same store, with a data folder of its own, that does not say that it uses it.
async fn node(store: &StoreUrl) -> Scene {
    let folder = tempfile::tempdir().unwrap();
    let settings = Settings { store: store.clone(), ..settings(&folder) };
    let chat = Chat::open_with(settings, |bus| bus, Pace::default()).await.unwrap();
    Scene { chat, folder }
}

#[tokio::test]
async fn nodes_that_would_not_hear_each_other_do_not_start_together() {
    if postgres().is_none() {
        return;
    }
    let first = Scene::new().await;
    let (alone, folder) = (settings(&first.folder), tempfile::tempdir().unwrap());
    let second = Settings { data: folder.path().join("data"), ..alone };
    let refused = Chat::open(second.clone()).await.err().unwrap().to_string();
    assert!(refused.starts_with("bus: accepts `kafka://HOST`"), "{refused}");
    // A broker that is not there does not keep a node from starting; another bus does.
    let together = Settings { bus: "redis://127.0.0.1:1".parse().unwrap(), ..second.clone() };
    let refused = Chat::open(together.clone()).await.err().unwrap().to_string();
    assert!(refused.starts_with("bus: another node"), "{refused}");
    first.chat.shutdown().await;
    let third = tempfile::tempdir().unwrap();
    let beside = Settings { data: third.path().join("data"), ..together.clone() };
    let (one, two) = (Chat::open(together).await.unwrap(), Chat::open(beside).await.unwrap());
    assert!(Chat::open(second).await.is_err(), "alone beside two");
    one.shutdown().await;
    two.shutdown().await;
}

/// Every message of a conversation, in order.
async fn everything(chat: &Chat, who: Identity, id: ConversationId) -> Vec<protocol::Message> {
    let mut all: Vec<protocol::Message> = Vec::new();
    loop {
        let after = all.last().map_or(0, |message| message.seq);
        let page = chat.history(who, id, Span::After(after), 200).await.unwrap().messages;
        if page.is_empty() {
            return all;
        }
        all.extend(page);
    }
}

async fn is_sound(store: &StoreUrl, folder: &tempfile::TempDir) {
    let report = Chat::examine(&Settings { store: store.clone(), ..settings(folder) }).await.unwrap();
    assert_eq!(report.findings, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn three_nodes_start_at_once_on_an_empty_database() {
    if postgres().is_none() {
        return;
    }
    let folder = empty().await;
    let store = settings(&folder).store;
    let (one, two, three) = tokio::join!(node(&store), node(&store), node(&store));
    let [ada] = one.people().await;
    let mut epochs = BTreeSet::new();
    for scene in [&one, &two, &three] {
        assert!(scene.chat.ready().await.ready);
        epochs.insert(format!("{:?}", scene.chat.conversations(ada).await.unwrap().epoch));
    }
    assert_eq!(epochs.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_nodes_that_write_at_once_number_densely_and_store_each_nonce_once() {
    if postgres().is_none() {
        return;
    }
    let first = Scene::new().await;
    let store = settings(&first.folder).store;
    let second = node(&store).await;
    let people = first.people::<6>().await;
    let mut ids = Vec::new();
    for _ in 0..8 {
        ids.push(first.group(people[0], &people[1..]).await);
    }
    let mut writing = JoinSet::new();
    for writer in 0..24 {
        let chats = [first.chat.clone(), second.chat.clone()];
        let (who, ids) = (people[writer % 6], ids.clone());
        writing.spawn(async move {
            for n in 0..12 {
                // The same nonce at both nodes at once, in conversations that follow each other differently for each.
                let id = ids[(n * (writer + 1)) % ids.len()];
                let new = message(&format!("{writer} {n} @all"));
                let (a, b) = tokio::join!(chats[0].post(who, id, new.clone()), chats[1].post(who, id, new));
                let (a, b) = (a.unwrap(), b.unwrap());
                assert_eq!(a.message, b.message);
                assert!(a.duplicate != b.duplicate, "one of them stored it");
                let chat = &chats[n % 2];
                match n % 4 {
                    0 => drop(chat.act(who, a.message.id, None, Act::Recall).await.unwrap()),
                    1 => drop(chat.act(who, a.message.id, Some(Nonce::generate()), Act::Pin(true)).await),
                    2 => drop(chat.read(who, id, a.message.seq, None).await.unwrap()),
                    _ => {
                        let patch = protocol::rest::PatchSettings {
                            draft: Some(format!("{n}")),
                            ..Default::default()
                        };
                        drop(chat.set(who, id, patch, None).await.unwrap());
                    }
                }
            }
        });
    }
    for round in 0..6 {
        let chat = if round % 2 == 0 { &first.chat } else { &second.chat };
        for id in &ids {
            chat.rename(people[0], *id, format!("Round {round}")).await.unwrap();
        }
    }
    while let Some(done) = writing.join_next().await {
        done.unwrap();
    }
    let mut total = 0;
    for id in &ids {
        let all = everything(&second.chat, people[1], *id).await;
        assert_eq!(
            all.iter().map(|message| message.seq).collect::<Vec<_>>(),
            (1..=all.len() as u64).collect::<Vec<_>>()
        );
        total += all.len();
        let (here, there) =
            tokio::join!(first.chat.conversation(people[2], *id), second.chat.conversation(people[2], *id));
        assert_eq!(here.unwrap(), there.unwrap());
    }
    assert_eq!(total, 24 * 12);
    is_sound(&store, &first.folder).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_nodes_that_open_the_same_at_once_open_it_once() {
    if postgres().is_none() {
        return;
    }
    let first = Scene::new().await;
    let store = settings(&first.folder).store;
    let second = node(&store).await;
    let people = first.people::<10>().await;
    for pair in people.chunks(2) {
        let direct = |other: Identity| NewConversation::Direct { user: other.user };
        let (a, b) = tokio::join!(
            first.chat.create(pair[0], direct(pair[1])),
            second.chat.create(pair[1], direct(pair[0])),
        );
        let ((a, first), (b, second)) = (a.unwrap(), b.unwrap());
        assert_eq!(a.id, b.id);
        assert!(first != second, "one of them opened it");
    }
    let group = NewConversation::Group {
        title: "Once".to_owned(),
        members: vec![people[1].user],
        nonce: Some("once".parse().unwrap()),
        public: false,
        history: protocol::History::Join,
    };
    let (a, b) =
        tokio::join!(first.chat.create(people[0], group.clone()), second.chat.create(people[0], group));
    assert_eq!(a.unwrap().0.id, b.unwrap().0.id);
    is_sound(&store, &first.folder).await;
}

/// A server of a test's own, that may be ill-treated.
struct Cluster(&'static str);

impl Cluster {
    async fn start(name: &'static str) -> Self {
        run("start", name).await;
        Self(name)
    }

    async fn url(&self) -> String {
        run("url", self.0).await
    }

    async fn crash(&self) {
        run("restart", self.0).await;
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let _stopped = script("stop", self.0).output();
    }
}

fn script(what: &str, name: &str) -> Command {
    let mut command = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../scripts/services"));
    command.args([what, "postgres", name]);
    command
}

async fn run(what: &'static str, name: &'static str) -> String {
    let output = tokio::task::spawn_blocking(move || script(what, name).output().unwrap()).await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_certificate_of_the_database_is_checked_where_that_is_asked_for() {
    if postgres().is_none() {
        return;
    }
    let cluster = Cluster::start("certified").await;
    let url = cluster.url().await;
    let authority = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/services/certified/authority.pem");
    let open = async |with: &str| {
        let folder = tempfile::tempdir().unwrap();
        let store = format!("{url}?sslmode={with}").parse().unwrap();
        let chat = Chat::open(Settings { store, ..settings(&folder) }).await?;
        chat.shutdown().await;
        Ok::<_, crate::OpenError>(())
    };
    open("disable").await.unwrap();
    open("require").await.unwrap();
    open(&format!("verify-full&sslrootcert={authority}")).await.unwrap();
    let error = open("verify-full").await.unwrap_err().to_string();
    assert!(error.starts_with("store: "), "an unknown authority: {error}");
}

/// Sends a message until it is acknowledged, as an outbox does; counts how often it was refused or left open.
async fn insist(
    chat: &Chat,
    who: Identity,
    id: ConversationId,
    new: NewMessage,
    refused: &watch::Sender<usize>,
) -> u64 {
    loop {
        let asked = Instant::now();
        match chat.post(who, id, new.clone()).await {
            Ok(posted) => return posted.message.seq,
            Err(error @ (Error::Unavailable { .. } | Error::Internal)) => {
                assert!(asked.elapsed() < REFUSED, "answered after {:?}", asked.elapsed());
                refused.send_modify(|refused| *refused += 1);
                tokio::time::sleep(error.retry_after().unwrap_or(Duration::from_millis(100))).await;
            }
            Err(error) => panic!("{error:?}"),
        }
    }
}

/// How many write at once in [`nothing_is_lost_while`].
const WRITERS: usize = 16;

/// Answers so far: what was stored, what was refused.
#[derive(Default)]
struct Answers {
    stored: watch::Sender<usize>,
    refused: watch::Sender<usize>,
}

/// Many people insist on many messages while something happens; every answer is found in the store afterwards.
async fn nothing_is_lost_while(store: StoreUrl, happens: impl AsyncFnOnce(&Answers)) {
    const EACH: usize = 25;
    let scene = node(&store).await;
    let people = scene.people::<4>().await;
    let id = scene.group(people[0], &people[1..]).await;
    let answers = Arc::new(Answers::default());
    let mut writing = JoinSet::new();
    for writer in 0..WRITERS {
        let (chat, who, answers) = (scene.chat.clone(), people[writer % 4], answers.clone());
        writing.spawn(async move {
            let mut told = Vec::new();
            for n in 0..EACH {
                let words = format!("{writer} {n}");
                told.push((insist(&chat, who, id, message(&words), &answers.refused).await, words));
                answers.stored.send_modify(|stored| *stored += 1);
            }
            told
        });
    }
    happens(&answers).await;
    let mut told: Vec<_> = writing.join_all().await.into_iter().flatten().collect();
    told.sort();
    let there: Vec<_> = everything(&scene.chat, people[0], id)
        .await
        .into_iter()
        .map(|message| (message.seq, message.body.text().unwrap_or_default().to_owned()))
        .collect();
    assert_eq!(told, there, "what was told is what is there, once each");
    assert!(scene.chat.ready().await.ready);
    is_sound(&store, &scene.folder).await;
}

/// Waits until there are so many.
async fn until(answers: &watch::Sender<usize>, count: usize) {
    answers.subscribe().wait_for(|there| *there >= count).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_of_the_database_loses_nothing_that_was_acknowledged() {
    if postgres().is_none() {
        return;
    }
    let cluster = Cluster::start("crashing").await;
    let store = cluster.url().await.parse().unwrap();
    nothing_is_lost_while(store, async |answers| {
        for count in [50, 150] {
            until(&answers.stored, count).await;
            cluster.crash().await;
        }
        assert!(*answers.refused.borrow() > 0, "the crash was noticed");
    })
    .await;
}

/// Stands between a chat and its database, and can hold everything back: the network is there, and nothing comes.
async fn freezer(to: String) -> (u16, watch::Sender<bool>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (frozen, watched) = watch::channel(false);
    tokio::spawn(async move {
        while let Ok((from, _)) = listener.accept().await {
            let to = TcpStream::connect(&to).await.unwrap();
            let (from, to) = (from.into_split(), to.into_split());
            for (from, to) in [(from.0, to.1), (to.0, from.1)] {
                tokio::spawn(carry(from, to, watched.clone()));
            }
        }
    });
    (port, frozen)
}

async fn carry(
    from: tokio::net::tcp::OwnedReadHalf,
    to: tokio::net::tcp::OwnedWriteHalf,
    mut frozen: watch::Receiver<bool>,
) {
    let mut bytes = [0; 4096];
    loop {
        if from.readable().await.is_err() || frozen.wait_for(|frozen| !frozen).await.is_err() {
            return;
        }
        let count = match from.try_read(&mut bytes) {
            Ok(0) => return,
            Ok(count) => count,
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => continue,
            Err(_) => return,
        };
        let mut sent = 0;
        while sent < count {
            if to.writable().await.is_err() {
                return;
            }
            match to.try_write(&bytes[sent..count]) {
                Ok(more) => sent += more,
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                Err(_) => return,
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_says_nothing_is_refused_in_time_and_goes_on_afterwards() {
    let Some(url) = postgres() else { return };
    let folder = empty().await;
    let server = url.split('@').nth(1).unwrap().split('/').next().unwrap().to_owned();
    let (port, frozen) = freezer(server.clone()).await;
    let through = settings(&folder).store;
    let StoreUrl::Postgres(through) = through else { unreachable!("a server was given") };
    let through = through.as_str().replace(&server, &format!("127.0.0.1:{port}"));
    nothing_is_lost_while(through.parse().unwrap(), async |answers| {
        until(&answers.stored, 60).await;
        frozen.send(true).unwrap();
        // Everybody is refused, and refused again.
        until(&answers.refused, 3 * WRITERS).await;
        frozen.send(false).unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_somebody_else_holds_is_not_waited_for_long() {
    let Some(url) = postgres() else { return };
    let scene = Scene::new().await;
    let [ada] = scene.people().await;
    let (held, free) = (scene.group(ada, &[]).await, scene.group(ada, &[]).await);
    let mut other = PgConnection::connect(&url).await.unwrap();
    let sql = format!(
        "SET search_path = {}; BEGIN; SELECT FROM conversation WHERE id = '{}' FOR UPDATE",
        schema(&scene.folder),
        held.uuid()
    );
    sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&mut other).await.unwrap();
    let asked = Instant::now();
    let answer = scene.chat.post(ada, held, message("hello")).await;
    assert!(matches!(answer, Err(Error::Unavailable { .. })), "{answer:?}");
    assert!(asked.elapsed() < REFUSED);
    let refused = watch::Sender::default();
    assert_eq!(insist(&scene.chat, ada, free, message("hello"), &refused).await, 1);
    sqlx::raw_sql("ROLLBACK").execute(&mut other).await.unwrap();
    assert_eq!(insist(&scene.chat, ada, held, message("hello"), &refused).await, 1);
}

#[tokio::test]
async fn what_was_taken_back_is_in_no_row() {
    let Some(url) = postgres() else { return };
    let scene = Scene::new().await;
    let [ada] = scene.people().await;
    let id = scene.group(ada, &[]).await;
    let sent = scene.chat.post(ada, id, message("unspeakable words")).await.unwrap().message;
    let edit = Act::Edit(body("unspeakable sentences"));
    scene.chat.act(ada, sent.id, Some(Nonce::generate()), edit).await.unwrap();
    scene.chat.act(ada, sent.id, None, Act::Recall).await.unwrap();
    let mut connection = PgConnection::connect(&url).await.unwrap();
    for table in ["message", "edit", "request", "change", "mention"] {
        let sql = format!(
            "SELECT count(*) FROM {schema}.{table} t WHERE t::text LIKE '%unspeakable%'",
            schema = schema(&scene.folder)
        );
        let found = sqlx::query(sqlx::AssertSqlSafe(sql)).fetch_one(&mut connection).await.unwrap();
        assert_eq!(found.get::<i64, _>(0), 0, "{table}");
    }
}

#[tokio::test]
async fn a_character_that_a_store_cannot_keep_is_refused_as_malformed() {
    let scene = Scene::new().await;
    let [ada] = scene.people().await;
    let id = scene.group(ada, &[]).await;
    let patch = protocol::rest::PatchSettings { draft: Some("a\0b".to_owned()), ..Default::default() };
    assert_eq!(scene.chat.set(ada, id, patch, None).await.unwrap_err().code(), Code::Invalid);
    let name = PatchMe { display_name: Some("a\0b".to_owned()), ..PatchMe::default() };
    assert_eq!(scene.chat.update_me(ada, name).await.unwrap_err().code(), Code::Invalid);
    assert!(scene.chat.search_people(ada, "a\0b").await.unwrap().is_empty());
    let sign_in = SignIn { username: "a\0b".to_owned(), password: "long enough".to_owned() };
    assert_eq!(scene.chat.sign_in(sign_in, "", HERE).await, Err(Error::Unauthorized));
    let words = "before \u{1}\u{2028}\u{fffd}\u{1f600} after";
    let sent = scene.chat.post(ada, id, message(words)).await.unwrap().message;
    assert_eq!(scene.chat.history(ada, id, Span::Newest, 1).await.unwrap().messages, [sent]);
}

#[tokio::test]
async fn an_address_is_not_told_with_its_password() {
    let store: StoreUrl = "postgres://user:secret@127.0.0.1:1/nothing".parse().unwrap();
    assert_eq!(format!("{store:?}"), "Postgres(postgres://…)");
    let folder = tempfile::tempdir().unwrap();
    for url in ["postgres://user:secret@127.0.0.1:1/nothing", "postgres://user:secret@:port:/x"] {
        let store = url.parse().unwrap();
        let error = Chat::open(Settings { store, ..settings(&folder) }).await.err().unwrap().to_string();
        assert!(error.starts_with("store: ") && !error.contains("secret"), "{error}");
    }
}
