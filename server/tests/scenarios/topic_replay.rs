//! B. Kafka as the log: the database is lost, a backup from before the first message takes its place, and the topic brings
//! back all that was written since.

use crate::cluster::{CONFAB, bus, people, until};
use harness::server::command;
use harness::{Person, Server, Socket};
use protocol::{ConversationId, Message, Nonce, ServerFrame};
use std::path::Path;

/// Runs the program to its end; what it said, on which way out.
fn confab(home: &Path, arguments: &[&str]) -> (Option<i32>, String) {
    let output = command(Path::new(CONFAB)).args(arguments).current_dir(home).output().expect("it starts");
    let said = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8_lossy(&said).into_owned())
}

async fn stop(server: &mut Server) {
    server.sigterm().unwrap();
    assert!(server.exit().await.unwrap().success());
}

/// Every message of these conversations as each of these people reads it.
async fn log(readers: [&Person; 2], rooms: &[ConversationId]) -> Vec<Vec<Message>> {
    let mut log = Vec::new();
    for reader in readers {
        for room in rooms {
            log.push(reader.client.whole_history(*room).await.unwrap());
        }
    }
    log
}

/// Waits for all of these. Each conversation is a line of its own: which is stored first is open.
async fn all_acked(socket: &mut Socket, mut waiting: Vec<Nonce>) {
    let acked = |frame: &ServerFrame| {
        if let ServerFrame::Ack { nonce, .. } = frame {
            waiting.retain(|it| it != nonce);
        }
        waiting.is_empty().then_some(())
    };
    socket.until("every ack", acked).await.unwrap();
}

#[tokio::test]
async fn scenario_b_replay_of_a_topic_into_an_empty_database_gives_the_same_log() {
    let Some(bus) = bus("kafka") else { return };
    let mut server = Server::start_with(CONFAB, &["--bus", &bus]).await.unwrap();
    let [ada, ben, cleo] = people(&server, ["ada", "ben", "cleo"]).await;
    let group = ada.client.group("Depot", &[ben.id(), cleo.id()]).await.unwrap().id;
    let other = ben.client.group("Yard", &[ada.id()]).await.unwrap().id;
    let direct = ada.client.direct(ben.id()).await.unwrap().id;
    let rooms = [group, other, direct];
    let home = server.home().to_owned();

    // A backup: people, groups, no message.
    stop(&mut server).await;
    let (code, said) =
        confab(&home, &["move", "--from", "sqlite://data/confab.db", "--to", "sqlite://backup.db"]);
    assert_eq!(code, Some(0), "{said}");
    server.start_again().await.unwrap();

    // A day's work: interleaved, with answers, names, and one that was sent twice.
    let (mut adas, mut bens) = (ada.socket().await.unwrap(), ben.socket().await.unwrap());
    for number in 1..=40 {
        let of_ada = vec![
            adas.post(group, &format!("a{number}")).await.unwrap(),
            adas.post(direct, "and you?").await.unwrap(),
        ];
        let of_ben = vec![
            bens.post(other, &format!("b{number} for @ada")).await.unwrap(),
            bens.post(group, &format!("c{number}, @cleo")).await.unwrap(),
        ];
        if number == 1 {
            let first = async || ada.client.conversation(direct).await.is_ok_and(|it| it.head_seq == 1);
            until("the worker has its lines", first).await;
        }
        all_acked(&mut adas, of_ada).await;
        all_acked(&mut bens, of_ben).await;
    }
    let asked = cleo.client.post(group, "a question").await.unwrap().message.id;
    ada.client.reply(group, asked, "its answer").await.unwrap();
    let twice: Nonce = "sent-twice".parse().unwrap();
    for duplicate in [false, true] {
        let body = harness::client::text("once");
        assert_eq!(cleo.client.post_as(group, twice.clone(), body).await.unwrap().duplicate, duplicate);
    }
    let before = log([&ada, &ben], &rooms).await;
    let lengths: Vec<_> = before.iter().map(Vec::len).collect();
    assert_eq!(lengths, [83, 40, 40, 83, 40, 40]);
    let epoch = ada.client.conversations().await.unwrap().epoch;

    // The database is lost, the backup takes its place.
    let replay = ["replay", "--all", "--bus", &bus, "--store", "sqlite://data/confab.db"];
    let (code, said) = confab(&home, &replay);
    assert_eq!(code, Some(2), "not while a server writes: {said}");
    assert!(said.contains("another confab is using"), "{said}");
    stop(&mut server).await;
    for part in ["", "-wal", "-shm"] {
        let (backup, lost) =
            (home.join(format!("backup.db{part}")), home.join(format!("data/confab.db{part}")));
        if lost.exists() {
            std::fs::remove_file(&lost).unwrap();
        }
        if backup.exists() {
            std::fs::rename(backup, lost).unwrap();
        }
    }
    let (code, said) = confab(&home, &replay);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("163 stored, 1 known, 0 refused"), "{said}");
    // Again: everything is there.
    let (code, said) = confab(&home, &replay);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("0 stored, 164 known, 0 refused"), "{said}");

    // The same log: ids, numbers, senders, nonces, words, times, who is named, what is answered.
    server.start_again().await.unwrap();
    assert_eq!(log([&ada, &ben], &rooms).await, before);
    let named = ada.client.conversation(other).await.unwrap();
    assert_eq!((named.unread, named.mentions), (40, 40));
    let (code, said) = confab(&home, &["doctor", "--data", "data"]);
    assert_eq!(code, Some(0), "{said}");
    // Clients begin anew, and go on after the last number; what was sent before is known.
    assert_ne!(ada.client.conversations().await.unwrap().epoch, epoch);
    let next: Nonce = "the-next-one".parse().unwrap();
    let post = async || ada.client.post_as(group, next.clone(), harness::client::text("the next one")).await;
    until("the worker has its lines", async || post().await.is_ok()).await;
    assert_eq!(post().await.unwrap().message.seq, 84);
    let body = harness::client::text("once");
    assert!(cleo.client.post_as(group, twice, body).await.unwrap().duplicate);
}

#[test]
fn a_topic_is_replayed_only_where_the_broker_keeps_one_and_into_what_is_there() {
    let home = tempfile::tempdir().unwrap();
    let refused = [
        (&["--all", "--bus", "redis://127.0.0.1", "--store", "sqlite://confab.db"][..], "confab.db"),
        (&["--all", "--bus", "channel", "--store", "sqlite://confab.db"], "confab.db"),
        (&["--all", "--bus", "kafka://127.0.0.1"], "--store"),
        (&["--bus", "kafka://127.0.0.1", "--store", "sqlite://confab.db"], "--all"),
    ];
    for (arguments, names) in refused {
        let (code, said) = confab(home.path(), &[&["replay"], arguments].concat());
        assert_eq!((code, said.lines().count()), (Some(2), 1), "{said}");
        assert!(said.contains(names), "{said}");
    }
    std::fs::write(home.path().join("confab.db"), "").unwrap();
    for bus in ["redis://127.0.0.1", "nats://127.0.0.1", "channel"] {
        let (code, said) =
            confab(home.path(), &["replay", "--all", "--bus", bus, "--store", "sqlite://confab.db"]);
        assert_eq!(code, Some(2), "{said}");
        assert!(said.contains("accepts `kafka://HOST`"), "{said}");
    }
}
