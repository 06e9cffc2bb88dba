//! What happens to messages after they were posted: edits, recalls, reactions, pins. Each is checked, applied and
//! noted in the log inside the transaction of its batch.

use super::mentions;
use super::rows::{self, message_columns};
use crate::store::acts::{Found, Verdict, decide};
use crate::store::{Act, ActOutcome, NewAct, digest};
use protocol::{Change, ChangeKind, ConversationId, Message, Timestamp, limits};
use sqlx::{Result, Row, SqliteConnection};

fn json(value: &impl serde::Serialize) -> Result<String> {
    serde_json::to_string(value).map_err(|error| sqlx::Error::Encode(Box::new(error)))
}

async fn find(connection: &mut SqliteConnection, new: &NewAct) -> Result<Option<Found>> {
    let row = sqlx::query(concat!(
        "SELECT message.conversation, c.kind, c.head_rev, c.head_seq, m.role, ",
        message_columns!("message"),
        " FROM message JOIN conversation c ON c.id = message.conversation \
         JOIN member m ON m.conversation = message.conversation AND m.account = ?2 \
         WHERE message.id = ?1 AND message.seq > m.joined_seq"
    ))
    .bind(&new.message.as_bytes()[..])
    .bind(&new.by.as_bytes()[..])
    .fetch_optional(connection)
    .await?;
    row.map(|row| {
        Ok(Found {
            message: rows::message(&row, rows::conversation_id(&row, "conversation")?)?,
            kind: rows::kind(&row, "kind")?,
            head_rev: rows::count(&row, "head_rev")?,
            head_seq: rows::count(&row, "head_seq")?,
            role: rows::role(&row, "role")?,
        })
    })
    .transpose()
}

/// What the nonce was used for, if it was used.
async fn known(connection: &mut SqliteConnection, new: &NewAct, digest: i64) -> Result<Option<ActOutcome>> {
    let Some(nonce) = &new.nonce else { return Ok(None) };
    let row = sqlx::query(
        "SELECT digest FROM request WHERE nonce = ?1 AND sender = ?2 \
         UNION ALL SELECT NULL FROM message WHERE nonce = ?1 AND sender = ?2",
    )
    .bind(nonce.as_str())
    .bind(&new.by.as_bytes()[..])
    .fetch_optional(&mut *connection)
    .await?;
    let Some(row) = row else { return Ok(None) };
    if row.try_get::<Option<i64>, _>("digest")? != Some(digest) {
        return Ok(Some(ActOutcome::OtherUse));
    }
    // Somebody who has left since gets the same answer as for a message they never saw.
    let found = find(connection, new).await?;
    Ok(Some(found.map_or(ActOutcome::NotFound, |found| ActOutcome::Duplicate(found.message))))
}

async fn count(connection: &mut SqliteConnection, sql: &'static str, message: &Message) -> Result<u32> {
    sqlx::query_scalar(sql)
        .bind(&message.conversation.as_bytes()[..])
        .bind(rows::integer(message.seq))
        .fetch_one(connection)
        .await
}

/// Keeps what the message said until now, and finds whom it names from now on.
async fn edit(
    connection: &mut SqliteConnection,
    before: &Message,
    message: &mut Message,
    at: Timestamp,
) -> Result<bool> {
    let kept =
        count(connection, "SELECT count(*) FROM edit WHERE conversation = ? AND seq = ?", message).await?;
    if kept >= limits::EDITS {
        return Ok(false);
    }
    // Two edits within a millisecond, or a clock that went back: the versions keep their order all the same.
    let newest: Option<i64> =
        sqlx::query_scalar("SELECT max(since) FROM edit WHERE conversation = ? AND seq = ?")
            .bind(&message.conversation.as_bytes()[..])
            .bind(rows::integer(message.seq))
            .fetch_one(&mut *connection)
            .await?;
    let since = before.edited_at.unwrap_or(before.sent_at).millis();
    let since = newest.map_or(since, |newest| since.max(newest + 1));
    sqlx::query("INSERT INTO edit (conversation, seq, since, body) VALUES (?, ?, ?, ?)")
        .bind(&message.conversation.as_bytes()[..])
        .bind(rows::integer(message.seq))
        .bind(since)
        .bind(json(&before.body)?)
        .execute(&mut *connection)
        .await?;
    message.edited_at = Some(at);
    let named = mentions::resolve(connection, message.conversation, message.body.text()).await?;
    (message.mentions, message.mentions_all) = (named.users, named.all);
    mentions::replace(connection, before, message).await?;
    Ok(true)
}

/// Takes away everything the message said, wherever it stands.
async fn forget(connection: &mut SqliteConnection, before: &Message, message: &Message) -> Result<()> {
    sqlx::query("DELETE FROM edit WHERE conversation = ? AND seq = ?")
        .bind(&message.conversation.as_bytes()[..])
        .bind(rows::integer(message.seq))
        .execute(&mut *connection)
        .await?;
    mentions::replace(connection, before, message).await
}

async fn write(
    connection: &mut SqliteConnection,
    found: &Found,
    new: &NewAct,
    rev: u64,
) -> Result<ChangeKind> {
    let message = &found.message;
    let reactions = if message.reactions.is_empty() { None } else { Some(json(&message.reactions)?) };
    sqlx::query(
        "UPDATE message SET rev = ?3, body = ?4, edited_at = ?5, recalled = ?6, mentions = ?7, mentions_all = ?8, \
         reactions = ?9, pinned = ?10 WHERE conversation = ?1 AND seq = ?2",
    )
    .bind(&message.conversation.as_bytes()[..])
    .bind(rows::integer(message.seq))
    .bind(rows::integer(rev))
    .bind(json(&message.body)?)
    .bind(message.edited_at.map(Timestamp::millis))
    .bind(message.recalled)
    .bind(rows::ids_to_bytes(&message.mentions))
    .bind(message.mentions_all)
    .bind(reactions)
    .bind(message.pinned)
    .execute(&mut *connection)
    .await?;
    let kind = match new.act {
        Act::Edit(_) => rows::EDITED,
        Act::Recall => rows::RECALLED,
        Act::React(..) => rows::REACTED,
        Act::Pin(_) => rows::PINNED,
    };
    sqlx::query("UPDATE conversation SET head_rev = ?2 WHERE id = ?1")
        .bind(&message.conversation.as_bytes()[..])
        .bind(rows::integer(rev))
        .execute(&mut *connection)
        .await?;
    sqlx::query(
        "INSERT INTO change (conversation, rev, seq, kind, actor, changed_at, target) VALUES (?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(&message.conversation.as_bytes()[..])
    .bind(rows::integer(rev))
    .bind(rows::integer(found.head_seq))
    .bind(kind)
    .bind(&new.by.as_bytes()[..])
    .bind(new.at.millis())
    .bind(rows::integer(message.seq))
    .execute(connection)
    .await?;
    rows::about(kind, message.clone())
}

async fn note(
    connection: &mut SqliteConnection,
    new: &NewAct,
    digest: i64,
    conversation: ConversationId,
    seq: u64,
) -> Result<()> {
    let Some(nonce) = &new.nonce else { return Ok(()) };
    sqlx::query("INSERT INTO request (nonce, sender, digest, conversation, seq) VALUES (?, ?, ?, ?, ?)")
        .bind(nonce.as_str())
        .bind(&new.by.as_bytes()[..])
        .bind(digest)
        .bind(&conversation.as_bytes()[..])
        .bind(rows::integer(seq))
        .execute(connection)
        .await
        .map(drop)
}

/// One act. What it refuses has written nothing.
pub(super) async fn act(connection: &mut SqliteConnection, new: &NewAct) -> Result<ActOutcome> {
    let digest = digest::of_act(new).map_err(|error| sqlx::Error::Encode(Box::new(error)))?;
    if let Some(known) = known(connection, new, digest).await? {
        return Ok(known);
    }
    let Some(mut found) = find(connection, new).await? else { return Ok(ActOutcome::NotFound) };
    let before = found.message.clone();
    match decide(&mut found, new) {
        Verdict::Forbidden(why) => return Ok(ActOutcome::Forbidden(why)),
        Verdict::Conflict(why) => return Ok(ActOutcome::Conflict(why)),
        Verdict::Nothing => {
            note(connection, new, digest, before.conversation, before.seq).await?;
            return Ok(ActOutcome::Unchanged(before));
        }
        Verdict::Write => {}
    }
    match new.act {
        Act::Edit(_) => {
            if !edit(connection, &before, &mut found.message, new.at).await? {
                return Ok(ActOutcome::Conflict("This message was edited a hundred times."));
            }
        }
        Act::Recall => forget(connection, &before, &found.message).await?,
        Act::Pin(true) => {
            let sql = "SELECT count(*) FROM message INDEXED BY message_pinned WHERE conversation = ?1 AND seq <> ?2 AND pinned";
            if count(connection, sql, &found.message).await? >= limits::PINS {
                return Ok(ActOutcome::Conflict("A conversation has at most 100 pinned messages."));
            }
        }
        Act::Pin(false) | Act::React(..) => {}
    }
    let rev = found.head_rev + 1;
    found.message.rev = rev;
    let kind = write(connection, &found, new, rev).await?;
    note(connection, new, digest, before.conversation, before.seq).await?;
    Ok(ActOutcome::Stored { kind: found.kind, change: Change::new(rev, kind) })
}
