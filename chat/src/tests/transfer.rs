//! Data that moves to another store and back is the same data.

use super::*;
use crate::Act;

pub(super) fn file(folder: &tempfile::TempDir, name: &str) -> StoreUrl {
    StoreUrl::Sqlite(Some(folder.path().join(name)))
}

/// A store on the server that the tests run on, or in a file. A database of its own: who moves is alone in it.
pub(super) async fn between(folder: &tempfile::TempDir) -> StoreUrl {
    let Some(url) = postgres() else { return file(folder, "between.db") };
    let name = schema(folder);
    let mut connection = PgConnection::connect(&url).await.unwrap();
    let create = format!("CREATE DATABASE {name}");
    connection.execute(sqlx::AssertSqlSafe(create)).await.unwrap();
    let (server, _) = url.rsplit_once('/').unwrap();
    format!("{server}/{name}").parse().unwrap()
}

/// A store with a little of everything, and somebody who sees it; its server has stopped.
async fn lived_in(store: &StoreUrl) -> (Settings, Identity, ConversationId) {
    let folder = tempfile::tempdir().unwrap();
    let settings =
        Settings { store: store.clone(), data: folder.keep(), ..settings(&tempfile::tempdir().unwrap()) };
    let scene =
        Scene { chat: Chat::open(settings.clone()).await.unwrap(), folder: tempfile::tempdir().unwrap() };
    let [ada, ben] = scene.people().await;
    let id = scene.group(ada, &[ben]).await;
    for n in 0..1_200 {
        scene.say(if n % 3 == 0 { ben } else { ada }, id, &format!("@all number {n} \u{1f600}")).await;
    }
    let page = scene.chat.history(ada, id, Span::Newest, 9).await.unwrap().messages;
    let mine: Vec<_> = page.iter().filter(|message| message.sender == ada.user).collect();
    let edit = Act::Edit(body("other \\u0000 words"));
    scene.chat.act(ada, mine[0].id, Some(Nonce::generate()), edit).await.unwrap();
    scene.chat.act(ada, mine[1].id, None, Act::Recall).await.unwrap();
    scene.chat.act(ben, mine[2].id, None, Act::Pin(true)).await.unwrap();
    let react = Act::React("👍".parse().unwrap(), true);
    scene.chat.act(ben, mine[3].id, Some(Nonce::generate()), react).await.unwrap();
    scene.chat.mark_unread(ada, id, 1_190, None).await.unwrap();
    scene.chat.shutdown().await;
    (settings, ada, id)
}

/// What somebody sees of a store, and what opens the work that its servers left at a broker.
async fn seen(settings: &Settings, who: Identity, id: ConversationId) -> String {
    let chat = Chat::open(settings.clone()).await.unwrap();
    let seen = format!(
        "{:?} {:?} {:?} {:?} {:?}",
        chat.inner.stores.database.key(),
        chat.conversations(who).await.unwrap(),
        chat.history(who, id, Span::Newest, 200).await.unwrap(),
        chat.changes(who, id, 1_000, 200).await.unwrap(),
        chat.sessions(who).await.unwrap(),
    );
    chat.shutdown().await;
    let report = Chat::examine(settings).await.unwrap();
    assert_eq!(report.findings, Vec::<String>::new());
    seen
}

#[tokio::test(flavor = "multi_thread")]
async fn there_and_back_it_is_the_same_data() {
    let folder = tempfile::tempdir().unwrap();
    let (first, last) = (file(&folder, "first.db"), file(&folder, "last.db"));
    let between = between(&folder).await;
    let (settings, ada, id) = lived_in(&first).await;
    let expected = seen(&settings, ada, id).await;
    let there = Chat::transfer(&first, &between).await.unwrap();
    assert!(there.iter().any(|line| line.contains("message") && line.contains(" 1200 rows")), "{there:?}");
    // It holds something now, and nothing is written over it.
    let refused = Chat::transfer(&first, &between).await.unwrap_err().to_string();
    assert!(refused.contains("not empty"), "{refused}");
    assert_eq!(seen(&Settings { store: between.clone(), ..settings.clone() }, ada, id).await, expected);
    let back = Chat::transfer(&between, &last).await.unwrap();
    assert_eq!(back.len(), there.len());
    assert_eq!(seen(&Settings { store: last, ..settings }, ada, id).await, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_transfer_goes_on_and_no_server_starts_on_half_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let first = file(&folder, "first.db");
    let (settings, ada, id, target) = {
        let target = Settings { store: between(&folder).await, ..settings(&folder) };
        let (settings, ada, id) = lived_in(&first).await;
        (settings, ada, id, target)
    };
    let expected = seen(&settings, ada, id).await;
    Chat::transfer(&first, &target.store).await.unwrap();
    // As it would be if it had ended in the middle of the messages.
    let end = "INSERT INTO meta SELECT 'moving', value FROM meta WHERE key = 'epoch'; \
               DELETE FROM message WHERE seq > 700; DELETE FROM change; DELETE FROM mention; DELETE FROM edit; \
               DELETE FROM request";
    tamper(&target, end, end).await;
    let error = Chat::open(target.clone()).await.err().expect("started").to_string();
    assert!(error.contains("not finished"), "{error}");
    Chat::transfer(&first, &target.store).await.unwrap();
    assert_eq!(seen(&target, ada, id).await, expected);
}
