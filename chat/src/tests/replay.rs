//! What a topic brings back, in a database restored from a backup: on either store, against a real Kafka.

use super::nodes::bus;
use super::*;
use crate::bus::intake::Submission;
use crate::bus::sealed::Seal;
use crate::ingest::Submitted;

/// A store of a scene of its own, by its address.
async fn place() -> (tempfile::TempDir, Settings) {
    let folder = empty().await;
    let mut settings = Settings { ingest: IngestMode::Queued, ..settings(&folder) };
    if settings.store == StoreUrl::Sqlite(None) {
        settings.store = StoreUrl::Sqlite(Some(folder.path().join("confab.db")));
    }
    (folder, settings)
}

async fn open(settings: &Settings, bus: &BusUrl, folder: tempfile::TempDir) -> Scene {
    let chat = Chat::open(Settings { bus: bus.clone(), ..settings.clone() }).await.unwrap();
    Scene { chat, folder }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restored_database_gets_what_was_submitted_since_and_nothing_of_others() {
    let Some(bus) = bus("kafka") else { return };
    let ((folder, lost), (backup_folder, backup)) = (place().await, place().await);
    let scene = open(&lost, &bus, folder).await;
    let [ada, ben] = scene.people().await;
    let old = scene.group(ada, &[ben]).await;
    let nonce = Nonce::generate();
    let kept = NewMessage { nonce: nonce.clone(), body: body("before the backup"), reply_to: None };
    scene.chat.post(ada, old, kept).await.unwrap();
    scene.chat.shutdown().await;
    Chat::transfer(&lost.store, &backup.store).await.unwrap();

    let scene = open(&lost, &bus, scene.folder).await;
    for n in 0..10 {
        scene.say(if n % 2 == 0 { ada } else { ben }, old, &format!("{n}")).await;
    }
    let young = scene.group(ben, &[ada]).await;
    scene.say(ben, young, "in a group that the backup does not know").await;
    let log = scene.chat.history(ada, old, Span::Newest, 50).await.unwrap().messages;
    let epoch = scene.chat.conversations(ada).await.unwrap().epoch;
    // Whoever reaches the broker and not the database.
    let post = crate::store::NewPost {
        id: protocol::MessageId::generate(),
        conversation: old,
        sender: ada.user,
        nonce: Nonce::generate(),
        body: body("send me your money"),
        reply_to: None,
        sent_at: Timestamp::default(),
    };
    let origin = crate::bus::Origin { socket: crate::SocketId(0), user: ada.user, nonce: post.nonce.clone() };
    let sealed = Seal::new(&[7; 32], "submitted").close(&Submitted { post, origin }).unwrap();
    let intake = crate::open::intake(&bus).await.unwrap();
    for answer in intake.submit(vec![Submission { key: old, sealed }]).await {
        answer.unwrap();
    }
    intake.close().await;
    scene.chat.shutdown().await;

    let told = Chat::replay_all(&bus, &backup.store).await.unwrap();
    let last = told.last().unwrap();
    assert_eq!(last, "10 stored, 1 known, 1 refused", "{told:?}");
    assert!(
        told.iter().any(|line| line.contains(&young.to_string()) && line.contains("no such")),
        "{told:?}"
    );
    assert!(
        told.iter().any(|line| line.starts_with("not sealed") && line.ends_with(": 1 records")),
        "{told:?}"
    );
    assert!(!told.iter().any(|line| line.contains("older")), "nothing was trimmed: {told:?}");

    let scene = open(&backup, &bus, backup_folder).await;
    assert_eq!(scene.chat.history(ada, old, Span::Newest, 50).await.unwrap().messages, log);
    let restored = scene.chat.conversations(ada).await.unwrap();
    assert_ne!(restored.epoch, epoch);
    assert_eq!(restored.conversations.len(), 1);
    // Not while a server uses it.
    let error = Chat::replay_all(&bus, &backup.store).await.unwrap_err().to_string();
    let sentence =
        if postgres().is_some() { "store: a server uses this database" } else { "store: another confab" };
    assert!(error.starts_with(sentence), "{error}");
    scene.chat.shutdown().await;
    // Another team's database.
    let (_folder, stranger) = place().await;
    let direct = Settings { ingest: IngestMode::Direct, ..stranger.clone() };
    let scene = open(&direct, &BusUrl::Channel, tempfile::tempdir().unwrap()).await;
    scene.chat.shutdown().await;
    let error = Chat::replay_all(&bus, &stranger.store).await.unwrap_err().to_string();
    assert!(error.contains("none of the 13 records"), "{error}");
}
