//! Fills the database of a server that is not running: ten thousand people would take five minutes to register,
//! because a password costs 30 ms, and ten million messages the better part of an hour to send.
//!
//! The one place where the harness knows the server's tables. The server itself has made them; a column that is
//! renamed stops the bench with SQLite's own words.

use super::frame::TEXT;
use crate::Error;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use protocol::{ConversationId, Epoch, MessageId, Nonce, SessionId, UserId};
use rusqlite::{Connection, params};
use sha2::{Digest, Sha256};
use std::path::Path;

/// Beginning of the times in a seeded database, in milliseconds since 1970: 2026-01-01.
const BEGINNING: i64 = 1_767_225_600_000;
/// Messages in one transaction of the generator.
const BATCH: u64 = 20_000;

/// Somebody with an account and a session.
#[derive(Clone, Debug)]
pub struct Resident {
    /// Their id.
    pub id: UserId,
    /// Their user name.
    pub username: String,
    /// Their session's token.
    pub token: String,
}

/// Writes into the database file.
#[derive(Debug)]
pub struct Seed {
    database: Connection,
    people: u32,
}

/// A failure of SQLite, in the harness's words.
pub fn sql(error: rusqlite::Error) -> Error {
    Error::Process(format!("the database: {error}"))
}

impl Seed {
    /// Opens the file a server has made and left.
    pub fn open(file: &Path) -> Result<Self, Error> {
        let database = Connection::open(file).map_err(sql)?;
        // Nothing here has to survive a power cut.
        database
            .execute_batch("PRAGMA synchronous = OFF; PRAGMA cache_size = -262144; BEGIN")
            .map_err(sql)?;
        Ok(Self { database, people: 0 })
    }

    /// Everything so far becomes durable enough for the server to find it.
    pub fn close(self) -> Result<(), Error> {
        self.database.execute_batch("COMMIT; PRAGMA wal_checkpoint(TRUNCATE)").map_err(sql)?;
        self.database.close().map_err(|(_, error)| sql(error))
    }

    /// Incarnation of the database.
    pub fn epoch(&self) -> Result<Epoch, Error> {
        let bytes: Vec<u8> = self
            .database
            .query_row("SELECT value FROM meta WHERE key = 'epoch'", [], |row| row.get(0))
            .map_err(sql)?;
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        hex.parse().map_err(|_| Error::Unreadable("the epoch".into()))
    }

    /// The stored password of an account, to give it to others.
    pub fn password_of(&self, username: &str) -> Result<String, Error> {
        let sentence = "SELECT password FROM account WHERE username = ?";
        self.database.query_row(sentence, [username], |row| row.get(0)).map_err(sql)
    }

    /// More people, each with a session and this stored password (none fits where it is empty).
    pub fn people(&mut self, count: usize, password: &str) -> Result<Vec<Resident>, Error> {
        let mut account = self
            .database
            .prepare_cached(
                "INSERT INTO account (id, username, display_name, password, created_at) VALUES (?, ?, ?, ?, ?)",
            )
            .map_err(sql)?;
        let mut session = self
            .database
            .prepare_cached(
                "INSERT INTO session (id, token_hash, account, device, created_at, last_used_at) \
                 VALUES (?, ?, ?, 'bench', ?, ?)",
            )
            .map_err(sql)?;
        // Sessions used just now: the server writes down the use of one that was not used for a while.
        let now = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .map_or(BEGINNING, |time| time.as_millis() as i64);
        let mut all = Vec::with_capacity(count);
        for _ in 0..count {
            self.people += 1;
            let id = UserId::generate();
            let username = format!("bench{:06}", self.people);
            let secret: [u8; 32] = rand::random();
            let hash: [u8; 32] = Sha256::digest(secret).into();
            account
                .execute(params![&id.as_bytes()[..], username, username, password, BEGINNING])
                .map_err(sql)?;
            let device = SessionId::generate();
            session
                .execute(params![&device.as_bytes()[..], &hash[..], &id.as_bytes()[..], now, now])
                .map_err(sql)?;
            all.push(Resident { id, username, token: URL_SAFE_NO_PAD.encode(secret) });
        }
        Ok(all)
    }

    /// A conversation without messages.
    fn conversation(&self, id: ConversationId, title: Option<&str>, members: &[UserId]) -> Result<(), Error> {
        let key = &id.as_bytes()[..];
        self.database
            .prepare_cached(
                "INSERT INTO conversation (id, kind, title, member_count, created_at) VALUES (?, ?, ?, ?, ?)",
            )
            .and_then(|mut insert| {
                let kind = i64::from(title.is_some());
                insert.execute(params![key, kind, title.unwrap_or_default(), members.len() as i64, BEGINNING])
            })
            .map_err(sql)?;
        let mut insert = self
            .database
            .prepare_cached(
                "INSERT INTO member (conversation, account, role, read_seq, joined_seq, joined_rev, joined_at) \
                 VALUES (?, ?, ?, 0, 0, 0, ?)",
            )
            .map_err(sql)?;
        for (place, member) in members.iter().enumerate() {
            let role = if place == 0 && title.is_some() { 2 } else { 0 };
            insert.execute(params![key, &member.as_bytes()[..], role, BEGINNING]).map_err(sql)?;
        }
        Ok(())
    }

    /// A group; the first member owns it.
    pub fn group(&mut self, members: &[UserId]) -> Result<ConversationId, Error> {
        let id = ConversationId::generate();
        self.conversation(id, Some("Bench"), members)?;
        Ok(id)
    }

    /// The conversation of two.
    pub fn direct(&mut self, one: UserId, other: UserId) -> Result<ConversationId, Error> {
        let id = ConversationId::direct(one, other);
        self.conversation(id, None, &[one, other])?;
        Ok(id)
    }

    /// Messages in order of arrival: `count` of them, shared out over conversations given with one member each, the
    /// early ones of the list getting more (as some rooms are busy and most are not). Answers the head of each.
    pub fn messages(
        &mut self,
        conversations: &[(ConversationId, UserId)],
        count: u64,
    ) -> Result<Vec<u64>, Error> {
        let mut heads = vec![0_u64; conversations.len()];
        let body = format!(r#"{{"kind":"text","text":"{TEXT}"}}"#);
        let mut random = 0x9e37_79b9_7f4a_7c15_u64;
        for done in 0..count {
            if done % BATCH == BATCH - 1 {
                self.database.execute_batch("COMMIT; BEGIN").map_err(sql)?;
            }
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let share = (random >> 11) as f64 / (1_u64 << 53) as f64;
            // Squared: the first tenth of the conversations gets about a third of the messages.
            let place = ((share * share) * conversations.len() as f64) as usize % conversations.len();
            heads[place] += 1;
            let (conversation, sender) = conversations[place];
            let seq = heads[place];
            let time = BEGINNING + done as i64 * 20;
            self.database
                .prepare_cached(
                    "INSERT INTO message (conversation, seq, posted_rev, rev, id, sender, nonce, digest, body, sent_at) \
                     VALUES (?1, ?2, ?2, ?2, ?3, ?4, ?5, 0, ?6, ?7)",
                )
                .and_then(|mut insert| {
                    insert.execute(params![
                        &conversation.as_bytes()[..],
                        seq as i64,
                        &MessageId::generate().as_bytes()[..],
                        &sender.as_bytes()[..],
                        Nonce::generate().as_str(),
                        body,
                        time
                    ])
                })
                .map_err(sql)?;
        }
        for ((conversation, _), head) in conversations.iter().zip(&heads) {
            self.database
                .prepare_cached("UPDATE conversation SET head_seq = ?2, head_rev = ?2 WHERE id = ?1")
                .and_then(|mut update| update.execute(params![&conversation.as_bytes()[..], *head as i64]))
                .map_err(sql)?;
        }
        Ok(heads)
    }
}
