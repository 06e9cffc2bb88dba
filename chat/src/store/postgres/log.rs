//! Reading the log: pages with what belongs to them, changes, single messages.

use super::locks;
use super::rows::{self, message_columns};
use crate::store::{Page, Span, Standing};
use protocol::rest::{Changes, Receipts, Version};
use protocol::{Change, ChangeKind, ConversationId, Message, MessageId, Timestamp, UserId, limits};
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Result, Row};
use std::collections::HashSet;

/// The columns `rows::line` reads.
macro_rules! line_columns {
    () => {
        "rev, seq AS after, kind, actor, subject, title, role, public, history, changed_at"
    };
}

fn messages(rows: &[PgRow], id: ConversationId) -> Result<Vec<Message>> {
    rows.iter().map(|row| rows::message(row, id)).collect()
}

/// The newest messages up to `top` and after `floor`, ascending.
async fn below(
    connection: &mut PgConnection,
    id: ConversationId,
    floor: u64,
    top: u64,
    limit: u32,
) -> Result<Vec<Message>> {
    let rows = sqlx::query(concat!(
        "SELECT ",
        message_columns!("message"),
        " FROM message WHERE conversation = $1 AND seq > $2 AND seq <= $3 ORDER BY seq DESC LIMIT $4"
    ))
    .bind(id.uuid())
    .bind(rows::integer(floor))
    .bind(rows::integer(top))
    .bind(i64::from(limit))
    .fetch_all(connection)
    .await?;
    let mut found = messages(&rows, id)?;
    found.reverse();
    Ok(found)
}

/// The oldest messages after a `seq`, as rows.
async fn rows_after(
    connection: &mut PgConnection,
    id: ConversationId,
    after: u64,
    limit: u32,
) -> Result<Vec<PgRow>> {
    sqlx::query(concat!(
        "SELECT ",
        message_columns!("message"),
        " FROM message WHERE conversation = $1 AND seq > $2 ORDER BY seq LIMIT $3"
    ))
    .bind(id.uuid())
    .bind(rows::integer(after))
    .bind(i64::from(limit))
    .fetch_all(connection)
    .await
}

/// The last message before a time: a binary search over `seq`, which is dense, in one statement.
async fn before(
    connection: &mut PgConnection,
    id: ConversationId,
    standing: Standing,
    time: Timestamp,
) -> Result<u64> {
    // Invariant: what stands up to `low` was sent before, what stands from `high` on was not.
    let low: i64 = sqlx::query_scalar(
        "WITH RECURSIVE search(low, high) AS (VALUES ($2::bigint, $3 + 1::bigint) UNION ALL \
         SELECT CASE WHEN sent_at < $4 THEN seq ELSE low END, CASE WHEN sent_at < $4 THEN high ELSE seq END \
         FROM search JOIN message ON conversation = $1 AND seq = (low + high) / 2 WHERE high - low > 1) \
         SELECT low FROM search WHERE high - low = 1",
    )
    .bind(id.uuid())
    .bind(rows::integer(standing.joined_seq))
    .bind(rows::integer(standing.head_seq))
    .bind(time.millis())
    .fetch_one(connection)
    .await?;
    Ok(u64::try_from(low).unwrap_or(standing.joined_seq))
}

/// A page, the messages it answers, and what else happened between its messages.
pub(super) async fn page(
    connection: &mut PgConnection,
    id: ConversationId,
    standing: Standing,
    span: Span,
    limit: u32,
) -> Result<Page> {
    let floor = standing.joined_seq;
    let (lower, upper) = match span {
        Span::Newest => (Some((u64::MAX, limit)), None),
        Span::Before(seq) => (Some((seq.saturating_sub(1), limit)), None),
        Span::After(seq) => (None, Some((seq, limit))),
        Span::At(time) => (None, Some((before(connection, id, standing, time).await?, limit))),
        // The message itself belongs to the lower half.
        Span::Around(seq) => (Some((seq, limit - limit / 2)), Some((seq, limit / 2))),
    };
    let mut found = Vec::new();
    if let Some((top, limit)) = lower {
        found = below(connection, id, floor, top, limit).await?;
    }
    if let Some((after, limit)) = upper {
        found.extend(messages(&rows_after(connection, id, floor.max(after), limit).await?, id)?);
    }
    // What was posted after the look at the membership comes as an event, to those who are still members.
    found.retain(|message| message.seq <= standing.head_seq);
    let quoted = quoted(connection, id, floor, &found).await?;
    let happened = happened(connection, id, standing, &found).await?;
    Ok(Page { messages: found, quoted, happened })
}

async fn quoted(
    connection: &mut PgConnection,
    id: ConversationId,
    floor: u64,
    page: &[Message],
) -> Result<Vec<Message>> {
    let here: HashSet<MessageId> = page.iter().map(|message| message.id).collect();
    let missing: HashSet<MessageId> =
        page.iter().filter_map(|message| message.reply_to).filter(|id| !here.contains(id)).collect();
    if missing.is_empty() {
        return Ok(Vec::new());
    }
    let rows = sqlx::query(concat!(
        "SELECT ",
        message_columns!("message"),
        " FROM message WHERE id = ANY ($3) AND conversation = $1 AND seq > $2"
    ))
    .bind(id.uuid())
    .bind(rows::integer(floor))
    .bind(missing.iter().map(|id| id.uuid()).collect::<Vec<_>>())
    .fetch_all(connection)
    .await?;
    messages(&rows, id)
}

/// Joins, leaves and the like that stand between the messages of a page. The first page also has what came before
/// its first message.
async fn happened(
    connection: &mut PgConnection,
    id: ConversationId,
    standing: Standing,
    page: &[Message],
) -> Result<Vec<Change>> {
    let floor = standing.joined_seq;
    let (from, to) = match (page.first(), page.last()) {
        (Some(first), Some(last)) if first.seq == floor + 1 => (floor, last.seq),
        (Some(first), Some(last)) => (first.seq, last.seq),
        _ if standing.head_seq == floor => (floor, floor),
        _ => return Ok(Vec::new()),
    };
    let rows = sqlx::query(concat!(
        "SELECT ",
        line_columns!(),
        " FROM change WHERE conversation = $1 AND seq >= $2 AND seq <= $3 AND target IS NULL \
         AND rev > $4 AND rev <= $5 ORDER BY seq DESC, rev DESC LIMIT $6"
    ))
    .bind(id.uuid())
    .bind(rows::integer(from))
    .bind(rows::integer(to))
    .bind(rows::integer(standing.joined_rev))
    .bind(rows::integer(standing.head_rev))
    .bind(i64::from(limits::PAGE))
    .fetch_all(connection)
    .await?;
    rows.iter().rev().map(rows::line).collect()
}

/// The changes after `after`. A message stands in all of its changes as it is now.
pub(super) async fn changes(
    connection: &mut PgConnection,
    id: ConversationId,
    standing: Standing,
    after: u64,
    limit: u32,
) -> Result<Changes> {
    // One snapshot: a message committed between two reads would leave a hole.
    let mut snapshot = locks::snapshot(connection).await?;
    // The last row at or before `after`; from there on every rev posted one message.
    let anchor = sqlx::query(
        "SELECT rev, seq FROM change WHERE conversation = $1 AND rev <= $2 ORDER BY rev DESC LIMIT 1",
    )
    .bind(id.uuid())
    .bind(rows::integer(after))
    .fetch_optional(&mut *snapshot)
    .await?;
    let (rev, seq) = match &anchor {
        Some(row) => (rows::count(row, "rev")?, rows::count(row, "seq")?),
        None => (0, 0),
    };
    let posted = rows_after(&mut snapshot, id, seq + (after - rev), limit).await?;
    let lines = sqlx::query(concat!(
        "SELECT ",
        line_columns!(),
        " FROM change WHERE conversation = $1 AND rev > $2 AND target IS NULL ORDER BY rev LIMIT $3"
    ))
    .bind(id.uuid())
    .bind(rows::integer(after))
    .bind(i64::from(limit))
    .fetch_all(&mut *snapshot)
    .await?;
    let about = sqlx::query(concat!(
        "SELECT c.rev AS change_rev, c.kind, ",
        message_columns!("t"),
        " FROM change c JOIN message t ON t.conversation = c.conversation AND t.seq = c.target \
         WHERE c.conversation = $1 AND c.rev > $2 ORDER BY c.rev LIMIT $3"
    ))
    .bind(id.uuid())
    .bind(rows::integer(after))
    .bind(i64::from(limit))
    .fetch_all(&mut *snapshot)
    .await?;
    snapshot.rollback().await?;
    let posted = posted.iter().map(|row| {
        let message = rows::message(row, id)?;
        Ok(Change::new(rows::count(row, "posted_rev")?, ChangeKind::Posted { message }))
    });
    let about = about.iter().map(|row| {
        let message = rows::message(row, id)?;
        let kind = if message.seq > standing.joined_seq {
            rows::about(row.try_get("kind")?, message)?
        } else {
            ChangeKind::Unsupported
        };
        Ok(Change::new(rows::count(row, "change_rev")?, kind))
    });
    let mut changes: Vec<Change> =
        posted.chain(lines.iter().map(rows::line)).chain(about).collect::<Result<_>>()?;
    // What came after the caller's look at the membership is not theirs to see yet.
    changes.retain(|change| change.rev <= standing.head_rev);
    changes.sort_by_key(|change| change.rev);
    changes.truncate(limit as usize);
    let to = changes.last().map_or(after, |change| change.rev);
    Ok(Changes { from: after, to, changes, more: to < standing.head_rev })
}

/// The newest unread messages of several conversations. The place where each one's begin is found first, by walking
/// back from its head, so that thousands of unread messages cost no more than the `limit` that is shown.
pub(super) async fn unread(
    connection: &mut PgConnection,
    reader: UserId,
    spans: &[(ConversationId, u64, u64)],
    limit: u32,
) -> Result<Vec<Message>> {
    if spans.is_empty() {
        return Ok(Vec::new());
    }
    let (ids, (floors, tops)): (Vec<_>, (Vec<_>, Vec<_>)) = spans
        .iter()
        .map(|(id, floor, top)| (id.uuid(), (rows::integer(*floor), rows::integer(*top))))
        .unzip();
    let rows = sqlx::query(concat!(
        "WITH span AS (SELECT * FROM unnest($1, $2, $3) AS s (id, floor, top)), \
         newest AS MATERIALIZED (SELECT id, coalesce((SELECT x.seq FROM message x \
         WHERE x.conversation = span.id AND x.seq > floor AND x.seq <= top AND x.sender <> $4 AND NOT x.recalled \
         ORDER BY x.seq DESC LIMIT 1 OFFSET $5 - 1), floor + 1) AS first, top FROM span) \
         SELECT message.conversation, ",
        message_columns!("message"),
        " FROM newest JOIN message ON message.conversation = newest.id AND message.seq >= newest.first \
         AND message.seq <= newest.top WHERE message.sender <> $4 AND NOT message.recalled \
         ORDER BY message.conversation, message.seq"
    ))
    .bind(ids)
    .bind(floors)
    .bind(tops)
    .bind(reader.uuid())
    .bind(i64::from(limit))
    .fetch_all(connection)
    .await?;
    rows.iter().map(|row| rows::message(row, rows::conversation_id(row, "conversation")?)).collect()
}

/// One message a person may see.
pub(super) async fn message(
    connection: &mut PgConnection,
    user: UserId,
    id: MessageId,
) -> Result<Option<Message>> {
    let row = sqlx::query(concat!(
        "SELECT message.conversation, ",
        message_columns!("message"),
        " FROM message JOIN member m ON m.conversation = message.conversation AND m.account = $2 \
         WHERE message.id = $1 AND message.seq > m.joined_seq"
    ))
    .bind(id.uuid())
    .bind(user.uuid())
    .fetch_optional(connection)
    .await?;
    row.map(|row| rows::message(&row, rows::conversation_id(&row, "conversation")?)).transpose()
}

/// What a message said before, oldest first.
pub(super) async fn edits(connection: &mut PgConnection, message: &Message) -> Result<Vec<Version>> {
    let rows = sqlx::query(
        "SELECT since, body FROM edit WHERE conversation = $1 AND seq = $2 ORDER BY since LIMIT $3",
    )
    .bind(message.conversation.uuid())
    .bind(rows::integer(message.seq))
    .bind(i64::from(limits::EDITS))
    .fetch_all(connection)
    .await?;
    rows.iter()
        .map(|row| {
            Ok(Version { body: rows::body_from_json(row.try_get("body")?)?, at: rows::time(row, "since")? })
        })
        .collect()
}

/// The pinned messages after `floor`.
pub(super) async fn pins(
    connection: &mut PgConnection,
    id: ConversationId,
    floor: u64,
) -> Result<Vec<Message>> {
    let rows = sqlx::query(concat!(
        "SELECT ",
        message_columns!("message"),
        " FROM message WHERE conversation = $1 AND seq > $2 AND pinned ORDER BY seq LIMIT $3"
    ))
    .bind(id.uuid())
    .bind(rows::integer(floor))
    .bind(i64::from(limits::PINS))
    .fetch_all(connection)
    .await?;
    messages(&rows, id)
}

fn total(row: &PgRow, column: &str) -> Result<u32> {
    Ok(u32::try_from(rows::count(row, column)?).unwrap_or(u32::MAX))
}

/// Who has read a message: marks compared, of the members who may see it.
pub(super) async fn readers(
    connection: &mut PgConnection,
    message: &Message,
    limit: u32,
) -> Result<Receipts> {
    let seq = rows::integer(message.seq);
    let counts = sqlx::query(
        "SELECT count(*) AS total, count(*) FILTER (WHERE read_seq >= $3) AS read FROM member \
         WHERE conversation = $1 AND account <> $2 AND joined_seq < $3",
    )
    .bind(message.conversation.uuid())
    .bind(message.sender.uuid())
    .bind(seq)
    .fetch_one(&mut *connection)
    .await?;
    let readers = sqlx::query(
        "SELECT account FROM member WHERE conversation = $1 AND account <> $2 AND joined_seq < $3 AND read_seq >= $3 \
         ORDER BY joined_at, account LIMIT $4",
    )
    .bind(message.conversation.uuid())
    .bind(message.sender.uuid())
    .bind(seq)
    .bind(i64::from(limit))
    .fetch_all(connection)
    .await?;
    Ok(Receipts {
        read: total(&counts, "read")?,
        of: total(&counts, "total")?,
        readers: readers.iter().map(|row| rows::user_id(row, "account")).collect::<Result<_>>()?,
    })
}
