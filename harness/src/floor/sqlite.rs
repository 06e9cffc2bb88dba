//! The server's tables written by SQLite's own interface, row by row: what the store costs without a server.

use crate::Error;
use crate::load::frame::TEXT;
use crate::load::seed::sql;
use protocol::{ConversationId, MessageId, Nonce, UserId};
use rusqlite::{Connection, params};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// The server's tables.
const TABLES: [&str; 2] = [
    include_str!("../../../chat/migrations/sqlite/0001_first.sql"),
    include_str!("../../../chat/migrations/sqlite/0002_semantics.sql"),
];
/// Messages in a transaction.
const BATCH: usize = 128;
/// Conversations they go to in turn, as in row 5.
const CONVERSATIONS: usize = 128;
/// Batches after which the log is begun anew: about the length at which the server does it.
const LOG_BATCHES: usize = 100;
/// Between two checkpoints, as in the server.
const CHECKPOINT_EVERY: Duration = Duration::from_millis(100);

fn open(file: &Path, page: u32) -> Result<Connection, Error> {
    let database = Connection::open(file).map_err(sql)?;
    database.execute_batch(&format!("PRAGMA page_size = {page}")).map_err(sql)?;
    database
        .execute_batch(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA cache_size = -16384; PRAGMA secure_delete = 1; \
             PRAGMA wal_autocheckpoint = 0; PRAGMA busy_timeout = 4000",
        )
        .map_err(sql)?;
    Ok(database)
}

/// Writes for this long into pages of this many bytes (the server has 4,096). Answers messages a second, and how big the
/// log has grown, in MiB.
pub fn measure(time: Duration, page: u32) -> Result<(f64, f64), Error> {
    let folder = tempfile::TempDir::new()?;
    let file = folder.path().join("bare.db");
    let database = open(&file, page)?;
    for tables in TABLES {
        database.execute_batch(tables).map_err(sql)?;
    }
    let rooms = fill(&database)?;
    let stop = Arc::new(AtomicBool::new(false));
    let checkpoints = {
        let (stop, database) = (stop.clone(), open(&file, page)?);
        std::thread::spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                std::thread::sleep(CHECKPOINT_EVERY);
                // What could not be moved now is moved the next time.
                let _busy = database.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()));
            }
        })
    };
    let body = format!(r#"{{"kind":"text","text":"{TEXT}"}}"#);
    let (begun, mut written) = (Instant::now(), 0_usize);
    while begun.elapsed() < time {
        batch(&database, &rooms, written, &body).map_err(sql)?;
        written += BATCH;
        if written % (LOG_BATCHES * BATCH) == 0 {
            let _busy = database.query_row("PRAGMA wal_checkpoint(RESTART)", [], |_| Ok(()));
        }
    }
    let rate = written as f64 / begun.elapsed().as_secs_f64();
    stop.store(true, Ordering::Relaxed);
    checkpoints.join().map_err(|_| Error::Process("the checkpoints ended early".into()))?;
    let log = std::fs::metadata(folder.path().join("bare.db-wal"))?.len();
    Ok((rate, log as f64 / 1_048_576.0))
}

/// A conversation and one of its members.
type Room = (ConversationId, UserId);

fn fill(database: &Connection) -> Result<Vec<Room>, Error> {
    database.execute_batch("BEGIN").map_err(sql)?;
    let mut rooms = Vec::with_capacity(CONVERSATIONS);
    for number in 0..CONVERSATIONS {
        let people = [UserId::generate(), UserId::generate()];
        let id = ConversationId::direct(people[0], people[1]);
        database
            .execute(
                "INSERT INTO conversation (id, kind, title, member_count, created_at) VALUES (?, 0, '', 2, 0)",
                [&id.as_bytes()[..]],
            )
            .map_err(sql)?;
        for (side, person) in people.iter().enumerate() {
            let name = format!("{number}.{side}");
            database
                .execute(
                    "INSERT INTO account (id, username, display_name, password, created_at) VALUES (?1, ?2, ?2, '', 0)",
                    params![&person.as_bytes()[..], name],
                )
                .and_then(|_| {
                    database.execute(
                        "INSERT INTO member (conversation, account, role, read_seq, joined_seq, joined_rev, joined_at) \
                         VALUES (?, ?, 0, 0, 0, 0, 0)",
                        params![&id.as_bytes()[..], &person.as_bytes()[..]],
                    )
                })
                .map_err(sql)?;
        }
        rooms.push((id, people[0]));
    }
    database.execute_batch("COMMIT").map_err(sql)?;
    Ok(rooms)
}

/// One transaction: for each message its conversation's head and the sender's membership are read, the message is
/// inserted, head and read mark are moved.
fn batch(database: &Connection, rooms: &[Room], from: usize, body: &str) -> rusqlite::Result<()> {
    database.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
    for number in from..from + BATCH {
        let (conversation, sender) = &rooms[number % rooms.len()];
        let (conversation, sender) = (&conversation.as_bytes()[..], &sender.as_bytes()[..]);
        let nonce = Nonce::generate();
        let known: Option<i64> = database
            .prepare_cached(
                "SELECT coalesce((SELECT seq FROM message WHERE nonce = ?1 AND sender = ?2), \
                 (SELECT seq FROM request WHERE nonce = ?1 AND sender = ?2))",
            )?
            .query_row(params![nonce.as_str(), sender], |row| row.get(0))?;
        if known.is_some() {
            continue;
        }
        let (seq, rev): (i64, i64) = database
            .prepare_cached(
                "SELECT c.head_seq, c.head_rev FROM conversation c JOIN member m ON m.conversation = c.id \
                 AND m.account = ?2 WHERE c.id = ?1",
            )?
            .query_row([conversation, sender], |row| Ok((row.get(0)?, row.get(1)?)))?;
        database
            .prepare_cached(
                "INSERT INTO message (conversation, seq, posted_rev, rev, id, sender, nonce, digest, body, sent_at) \
                 VALUES (?1, ?2, ?3, ?3, ?4, ?5, ?6, 0, ?7, 0)",
            )?
            .execute(params![
                conversation,
                seq + 1,
                rev + 1,
                &MessageId::generate().as_bytes()[..],
                sender,
                nonce.as_str(),
                body
            ])?;
        database
            .prepare_cached("UPDATE conversation SET head_seq = ?2, head_rev = ?3 WHERE id = ?1")?
            .execute(params![conversation, seq + 1, rev + 1])?;
        database
            .prepare_cached(
                "UPDATE member SET read_seq = max(read_seq, ?3), unread_from = NULL WHERE conversation = ?1 AND account = ?2",
            )?
            .execute(params![conversation, sender, seq + 1])?;
    }
    database.prepare_cached("COMMIT")?.execute([])?;
    Ok(())
}
