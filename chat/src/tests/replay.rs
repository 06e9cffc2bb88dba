//! What a topic brings back, in a database restored from a backup: on either store, against a real Kafka.

use super::nodes::bus;
use super::transfer::{between, file};
use super::*;
use crate::bus::intake::Submission;
use crate::bus::sealed::Seal;
use crate::ingest::Submitted;

/// A chat on a store, with a queue or without one.
async fn open(store: &StoreUrl, bus: &BusUrl, ingest: IngestMode) -> Scene {
    let folder = tempfile::tempdir().unwrap();
    let settings = Settings { store: store.clone(), bus: bus.clone(), ingest, ..settings(&folder) };
    Scene { chat: Chat::open(settings).await.unwrap(), folder }
}

/// Posts until it is stored: a worker takes a while until it has its lines. What is submitted twice is stored once.
async fn say(scene: &Scene, who: Identity, id: ConversationId, text: &str) {
    let new = message(text);
    let stored = async { while scene.chat.post(who, id, new.clone()).await.is_err() {} };
    tokio::time::timeout(std::time::Duration::from_secs(60), stored).await.expect("no worker stores it");
}

/// Ends it, so that others may use its store.
async fn close(scene: Scene) {
    scene.chat.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restored_database_gets_what_was_submitted_since_and_nothing_of_others() {
    let Some(bus) = bus("kafka") else { return };
    let (folder, queued) = (tempfile::tempdir().unwrap(), IngestMode::Queued);
    let (lost, backup) = (file(&folder, "lost.db"), between(&folder).await);
    let scene = open(&lost, &bus, queued).await;
    let [ada, ben] = scene.people().await;
    let old = scene.group(ada, &[ben]).await;
    say(&scene, ada, old, "before the backup").await;
    close(scene).await;
    Chat::transfer(&lost, &backup).await.unwrap();

    let scene = open(&lost, &bus, queued).await;
    for n in 0..10 {
        say(&scene, if n % 2 == 0 { ada } else { ben }, old, &format!("{n}")).await;
    }
    let young = scene.group(ben, &[ada]).await;
    say(&scene, ben, young, "in a group that the backup does not know").await;
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
    close(scene).await;

    let told = Chat::replay_all(&bus, &backup).await.unwrap();
    let last = told.last().unwrap();
    assert!(last.starts_with("10 stored, ") && !last.ends_with(" 0 refused"), "{told:?}");
    assert!(
        told.iter().any(|line| line.contains(&young.to_string()) && line.contains("no such")),
        "{told:?}"
    );
    assert!(
        told.iter().any(|line| line.starts_with("not sealed") && line.ends_with(": 1 records")),
        "{told:?}"
    );
    assert!(!told.iter().any(|line| line.contains("older")), "nothing was trimmed: {told:?}");

    let scene = open(&backup, &bus, queued).await;
    assert_eq!(scene.chat.history(ada, old, Span::Newest, 50).await.unwrap().messages, log);
    let restored = scene.chat.conversations(ada).await.unwrap();
    assert_ne!(restored.epoch, epoch);
    assert_eq!(restored.conversations.len(), 1);
    // Not while a server uses it.
    let error = Chat::replay_all(&bus, &backup).await.unwrap_err().to_string();
    let sentence =
        if postgres().is_some() { "store: a server uses this database" } else { "store: another confab" };
    assert!(error.starts_with(sentence), "{error}");
    close(scene).await;
    // Another team's database.
    let stranger = file(&folder, "stranger.db");
    close(open(&stranger, &BusUrl::Channel, IngestMode::Direct).await).await;
    let error = Chat::replay_all(&bus, &stranger).await.unwrap_err().to_string();
    assert!(error.contains("none of the "), "{error}");
}
