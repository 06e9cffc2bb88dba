//! Many messages and read marks in one transaction, in two calls to the database.
//!
//! A call crosses to sqlx's worker thread and back, about 58 us, far more than SQLite needs for a row. So a batch
//! is one read (heads, memberships, nonces already used) and one string of statements from `BEGIN IMMEDIATE` to
//! `COMMIT` with many-row `VALUES`. Between the two nobody else writes: there is one writing connection, and one
//! task that calls this. Batches are padded with rows of NULL to a few sizes, so that the statements stay cached.

use super::rows;
use crate::planted::{self, Mistake};
use crate::store::BATCH;
use protocol::{ConversationId, UserId};
use sqlx::AssertSqlSafe;
use sqlx::query::Query;
use sqlx::sqlite::{Sqlite, SqliteArguments};
use std::sync::OnceLock;

/// Numbers of rows a statement is prepared for; a batch takes the next larger one.
const SIZES: [usize; 5] = [1, 4, 16, 64, BATCH];

/// Index of the smallest size that holds `count` rows; `SIZES.len()` stands for none at all.
fn class(count: usize) -> usize {
    if count == 0 {
        return SIZES.len();
    }
    SIZES.iter().position(|size| *size >= count).unwrap_or(SIZES.len() - 1)
}

fn size(class: usize) -> usize {
    SIZES.get(class).copied().unwrap_or(0)
}

/// `(?, ?), (?, ?)` …
fn values(sql: &mut String, rows: usize, columns: usize) {
    for row in 0..rows {
        sql.push_str(if row == 0 { "(" } else { ", (" });
        for column in 0..columns {
            sql.push_str(if column == 0 { "?" } else { ", ?" });
        }
        sql.push(')');
    }
}

pub(super) type Statement = Query<'static, Sqlite, SqliteArguments>;

/// A cached statement. The text is made of the constants of this file and question marks only.
fn statement(cache: &'static OnceLock<String>, make: impl FnOnce() -> String) -> Statement {
    sqlx::query(AssertSqlSafe(cache.get_or_init(make).as_str()))
}

fn bind_id(statement: Statement, id: Option<&[u8; 16]>) -> Statement {
    statement.bind(id.map(|bytes| bytes.to_vec()))
}

/// What is asked about a message to be written.
pub(super) struct Asked<'a> {
    pub(super) conversation: ConversationId,
    pub(super) sender: UserId,
    pub(super) nonce: &'a str,
    pub(super) reply_to: Option<&'a [u8; 16]>,
}

/// One row a message: `i`, `kind`, `head_seq`, `head_rev` (NULL: no such conversation), `member`, `known_in`,
/// `known_seq`, `known_digest` (NULL: nonce unused), `used_otherwise` (for something else than a message), `reply_seq` (NULL: no such message for the sender).
pub(super) fn read_posts(asked: &[Asked<'_>]) -> Statement {
    static CACHE: [OnceLock<String>; SIZES.len()] = [const { OnceLock::new() }; SIZES.len()];
    let class = class(asked.len());
    let rows = size(class);
    let mut statement = statement(&CACHE[class], || {
        let mut sql = "WITH v(i, conversation, sender, nonce, reply_to) AS (VALUES ".to_owned();
        values(&mut sql, rows, 5);
        sql.push_str(
            ") SELECT v.i, c.kind, c.head_seq, c.head_rev, m.account IS NOT NULL AS member, \
             k.conversation AS known_in, k.seq AS known_seq, k.digest AS known_digest, \
             q.nonce IS NOT NULL AS used_otherwise, p.seq AS reply_seq \
             FROM v LEFT JOIN request q ON q.nonce = v.nonce AND q.sender = v.sender \
             LEFT JOIN message k ON k.nonce = v.nonce AND k.sender = v.sender \
             LEFT JOIN conversation c ON c.id = v.conversation \
             LEFT JOIN member m ON m.conversation = v.conversation AND m.account = v.sender \
             LEFT JOIN message p ON p.id = v.reply_to AND p.conversation = v.conversation AND p.seq > m.joined_seq \
             WHERE v.i IS NOT NULL ORDER BY v.i",
        );
        sql
    });
    for (i, post) in asked.iter().enumerate() {
        statement = statement.bind(rows::integer(i as u64));
        statement = bind_id(statement, Some(post.conversation.as_bytes()));
        statement = bind_id(statement, Some(post.sender.as_bytes()));
        statement = bind_id(statement.bind(post.nonce.to_owned()), post.reply_to);
    }
    pad(statement, rows - asked.len(), 5)
}

/// One row a mark whose owner is a member: `i`, `head_seq`, `member_count`, `read_seq`, `kept_unread`, and
/// `recalled_after` and `mentions_after` the later of the two marks.
pub(super) fn read_marks(marks: &[(ConversationId, UserId, u64)]) -> Statement {
    static CACHE: [OnceLock<String>; SIZES.len()] = [const { OnceLock::new() }; SIZES.len()];
    let class = class(marks.len());
    let rows = size(class);
    let mut statement = statement(&CACHE[class], || {
        let mut sql = "WITH v(i, conversation, account, seq) AS (VALUES ".to_owned();
        values(&mut sql, rows, 4);
        sql.push_str(
            ") SELECT v.i, c.head_seq, c.member_count, m.read_seq, m.unread_from IS NOT NULL AS kept_unread, \
             (SELECT count(*) FROM mention n WHERE n.account = m.account AND n.conversation = m.conversation \
             AND n.seq > max(m.read_seq, v.seq)) + (SELECT count(*) FROM mention n WHERE n.account = zeroblob(16) \
             AND n.conversation = m.conversation AND n.seq > max(m.read_seq, v.seq) AND n.sender <> m.account) \
             AS mentions_after, (SELECT count(*) FROM message r INDEXED BY message_recalled \
             WHERE r.conversation = m.conversation AND r.seq > max(m.read_seq, v.seq) AND r.recalled) AS recalled_after \
             FROM v JOIN member m ON m.conversation = v.conversation AND m.account = v.account \
             JOIN conversation c ON c.id = v.conversation",
        );
        sql
    });
    for (i, (conversation, user, seq)) in marks.iter().enumerate() {
        statement = statement.bind(rows::integer(i as u64));
        statement = bind_id(statement, Some(conversation.as_bytes()));
        statement = bind_id(statement, Some(user.as_bytes())).bind(rows::integer(*seq));
    }
    pad(statement, rows - marks.len(), 4)
}

/// A message with its place, ready to be written.
pub(super) struct Row<'a> {
    pub(super) conversation: ConversationId,
    pub(super) seq: u64,
    pub(super) rev: u64,
    pub(super) id: &'a [u8; 16],
    pub(super) sender: UserId,
    pub(super) nonce: &'a str,
    pub(super) digest: i64,
    pub(super) body: String,
    pub(super) sent_at: i64,
    pub(super) reply_to: Option<&'a [u8; 16]>,
    pub(super) mentions: Option<Vec<u8>>,
    pub(super) mentions_all: bool,
}

const MESSAGE_COLUMNS: usize = 12;

/// Writes messages, the heads they moved, the marks they raised and the people they name, from `BEGIN` to `COMMIT`.
pub(super) fn write(
    messages: &[Row<'_>],
    heads: &[(ConversationId, u64, u64)],
    marks: &[(ConversationId, UserId, u64)],
    mentions: &[([u8; 16], ConversationId, u64, UserId)],
) -> Statement {
    const CLASSES: usize = SIZES.len() + 1;
    static CACHE: [[[OnceLock<String>; CLASSES]; CLASSES]; 2] =
        [const { [const { [const { OnceLock::new() }; CLASSES] }; CLASSES] }; 2];
    // A batch moves at most as many heads as it has messages, so both share a size.
    let (post_class, mark_class) = (class(messages.len()), class(marks.len()));
    let (post_rows, mark_rows) = (size(post_class), size(mark_class));
    let named = !mentions.is_empty();
    let mut statement = statement(&CACHE[usize::from(named)][post_class][mark_class], || {
        write_sql(post_rows, mark_rows, named)
    });
    for message in messages {
        statement = bind_id(statement, Some(message.conversation.as_bytes()));
        statement = statement.bind(rows::integer(message.seq)).bind(rows::integer(message.rev));
        statement = bind_id(statement, Some(message.id));
        statement = bind_id(statement, Some(message.sender.as_bytes()));
        statement = statement.bind(message.nonce.to_owned()).bind(message.digest).bind(message.body.clone());
        statement = bind_id(statement.bind(message.sent_at), message.reply_to);
        statement = statement.bind(message.mentions.clone()).bind(message.mentions_all);
    }
    statement = pad(statement, post_rows - messages.len(), MESSAGE_COLUMNS);
    for (conversation, seq, rev) in heads {
        statement = bind_id(statement, Some(conversation.as_bytes()));
        statement = statement.bind(rows::integer(*seq)).bind(rows::integer(*rev));
    }
    statement = pad(statement, post_rows - heads.len(), 3);
    for (conversation, user, seq) in marks {
        statement = bind_id(statement, Some(conversation.as_bytes()));
        statement = bind_id(statement, Some(user.as_bytes())).bind(rows::integer(*seq));
    }
    statement = pad(statement, mark_rows - marks.len(), 3);
    if !named {
        return statement;
    }
    let hex = |bytes: &[u8; 16]| uuid::Uuid::from_bytes(*bytes).simple().to_string();
    let rows: Vec<_> = mentions
        .iter()
        .map(|(account, id, seq, sender)| (hex(account), hex(id.as_bytes()), *seq, hex(sender.as_bytes())))
        .collect();
    statement.bind(serde_json::json!(rows).to_string())
}

fn write_sql(post_rows: usize, mark_rows: usize, named: bool) -> String {
    let mut sql = "BEGIN IMMEDIATE; ".to_owned();
    if post_rows > 0 {
        sql.push_str(
            "WITH v(conversation, seq, rev, id, sender, nonce, digest, body, sent_at, reply_to, mentions, mentions_all) \
             AS (VALUES ",
        );
        values(&mut sql, post_rows, MESSAGE_COLUMNS);
        sql.push_str(
            ") INSERT INTO message (conversation, seq, rev, posted_rev, id, sender, nonce, digest, body, sent_at, \
             reply_to, mentions, mentions_all) SELECT conversation, seq, rev, rev, id, sender, nonce, digest, body, \
             sent_at, reply_to, mentions, mentions_all FROM v WHERE id IS NOT NULL; WITH h(id, seq, rev) AS (VALUES ",
        );
        values(&mut sql, post_rows, 3);
        sql.push_str(
            ") UPDATE conversation SET head_seq = h.seq, head_rev = h.rev FROM h WHERE conversation.id = h.id; ",
        );
    }
    if mark_rows > 0 {
        sql.push_str("WITH k(conversation, account, seq) AS (VALUES ");
        values(&mut sql, mark_rows, 3);
        let mark = if planted::is(Mistake::ReadMovesBack) { "k.seq" } else { "max(read_seq, k.seq)" };
        sql.push_str(&format!(
            ") UPDATE member SET read_seq = {mark}, unread_from = NULL FROM k \
             WHERE member.conversation = k.conversation AND member.account = k.account; ",
        ));
    }
    if named {
        // One list in JSON: few messages name anybody, so this is not prepared by size.
        sql.push_str(
            "INSERT INTO mention (account, conversation, seq, sender) SELECT unhex(value ->> 0), unhex(value ->> 1), \
             value ->> 2, unhex(value ->> 3) FROM json_each(?); ",
        );
    }
    sql.push_str("COMMIT");
    sql
}

/// Rows of NULL, which no statement acts on.
fn pad(mut statement: Statement, rows: usize, columns: usize) -> Statement {
    for _ in 0..rows * columns {
        statement = statement.bind(None::<i64>);
    }
    statement
}
