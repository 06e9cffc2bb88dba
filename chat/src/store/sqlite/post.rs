//! New messages and read marks: one transaction a batch, row by row, on the writer's own thread.

use super::failed;
use super::mentions::{self, Named};
use super::rows::{self, message_columns};
use super::writer;
use crate::planted::{self, Mistake};
use crate::store::{
    MarkOutcome, Marked, NewMark, NewPost, PostOutcome, Result, Source, StoreError, digest, refused_before,
};
use protocol::{ConversationId, MessageId, UserId, limits};
use rusqlite::{CachedStatement, Connection, OptionalExtension, TransactionBehavior, params};
use sqlx::{Row, SqliteConnection};
use std::collections::HashMap;

/// What is known of a message to be written, by conversation, sender, nonce and the message it answers: one row always.
const KNOWN: &str = "SELECT c.kind, c.head_seq, c.head_rev, m.account IS NOT NULL AS member, \
     k.conversation AS known_in, k.seq AS known_seq, k.digest AS known_digest, \
     q.nonce IS NOT NULL AS used_otherwise, p.seq AS reply_seq FROM (SELECT 1) \
     LEFT JOIN request q ON q.nonce = ?3 AND q.sender = ?2 \
     LEFT JOIN message k ON k.nonce = ?3 AND k.sender = ?2 \
     LEFT JOIN conversation c ON c.id = ?1 \
     LEFT JOIN member m ON m.conversation = ?1 AND m.account = ?2 \
     LEFT JOIN message p ON p.id = ?4 AND p.conversation = ?1 AND p.seq > m.joined_seq";
const INSERT: &str = "INSERT INTO message (conversation, seq, rev, posted_rev, id, sender, nonce, digest, body, sent_at, \
     reply_to, mentions, mentions_all) VALUES (?1, ?2, ?3, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)";
const MENTION: &str = "INSERT INTO mention (account, conversation, seq, sender) VALUES (?1, ?2, ?3, ?4)";
const HEAD: &str = "UPDATE conversation SET head_seq = ?2, head_rev = ?3 WHERE id = ?1";
const REFUSED: &str = "SELECT reason FROM refused WHERE id = ?1";
const REFUSE: &str = "INSERT INTO refused (id, reason) VALUES (?1, ?2) ON CONFLICT DO NOTHING";
const FORGET: &str = "DELETE FROM refused WHERE id < ?1";
/// Marks are computed in the transaction that writes them, so that what is written is never lower.
const MARK: &str =
    "UPDATE member SET read_seq = ?3, unread_from = NULL WHERE conversation = ?1 AND account = ?2";
const STANDING: &str = "SELECT c.head_seq, c.member_count, m.read_seq, m.unread_from IS NOT NULL AS kept_unread \
     FROM member m JOIN conversation c ON c.id = m.conversation WHERE m.conversation = ?1 AND m.account = ?2";
const RECALLED_AFTER: &str = "SELECT count(*) FROM message INDEXED BY message_recalled \
     WHERE conversation = ?1 AND seq > ?2 AND recalled";
const MENTIONS_AFTER: &str = "SELECT count(*) FROM mention WHERE account IN (?1, ?2) AND conversation = ?3 AND seq > ?4 AND sender <> ?1";

fn json(post: &NewPost) -> Result<String> {
    serde_json::to_string(&post.body).map_err(|error| StoreError {
        doing: "encode a body",
        unknown: false,
        source: Box::new(error),
    })
}

/// What became of a post, or where its nonce was used before for the same: that message is read once it is all committed.
pub(super) enum Written {
    Outcome(PostOutcome),
    Known(Known),
}

/// The place of a message that is there already.
pub(super) struct Known {
    conversation: ConversationId,
    seq: i64,
    /// Whether its sender still is in the conversation.
    member: bool,
}

/// One row of [`KNOWN`].
struct Found {
    kind: Option<i64>,
    head_seq: Option<i64>,
    head_rev: Option<i64>,
    member: bool,
    known: Option<(ConversationId, i64, i64)>,
    used_otherwise: bool,
    reply_seq: Option<i64>,
}

impl Found {
    /// Where the nonce was used before, or that it was used for something else.
    fn known(&self, post: &NewPost, digest: i64) -> Option<Written> {
        if self.used_otherwise {
            return Some(Written::Outcome(PostOutcome::OtherUse));
        }
        let (conversation, seq, known_digest) = self.known?;
        if conversation != post.conversation || known_digest != digest {
            return Some(Written::Outcome(PostOutcome::OtherUse));
        }
        Some(Written::Known(Known { conversation, seq, member: self.member }))
    }
}

fn find(statement: &mut CachedStatement<'_>, post: &NewPost) -> rusqlite::Result<Found> {
    let reply_to = post.reply_to.as_ref().map(MessageId::as_bytes);
    let asked = params![
        post.conversation.as_bytes(),
        post.sender.as_bytes(),
        post.nonce.as_str(),
        reply_to.map(|id| &id[..])
    ];
    statement.query_row(asked, |row| {
        let known = match row.get::<_, Option<[u8; 16]>>("known_in")? {
            Some(id) => Some((
                ConversationId::from_uuid(uuid::Uuid::from_bytes(id)),
                row.get("known_seq")?,
                row.get("known_digest")?,
            )),
            None => None,
        };
        Ok(Found {
            kind: row.get("kind")?,
            head_seq: row.get("head_seq")?,
            head_rev: row.get("head_rev")?,
            member: row.get("member")?,
            known,
            used_otherwise: row.get("used_otherwise")?,
            reply_seq: row.get("reply_seq")?,
        })
    })
}

/// A value the schema does not allow.
fn corrupt(what: &'static str) -> rusqlite::Error {
    rusqlite::Error::ToSqlConversionFailure(what.into())
}

fn count(value: i64) -> rusqlite::Result<u64> {
    u64::try_from(value).map_err(|_| corrupt("a counter is negative"))
}

/// A batch on its way: the heads and marks that its messages move are written once each, after the messages.
struct Batch<'c> {
    connection: &'c Connection,
    known: CachedStatement<'c>,
    insert: CachedStatement<'c>,
    heads: HashMap<ConversationId, (u64, u64)>,
    marks: HashMap<(ConversationId, UserId), u64>,
    source: Source,
}

impl<'c> Batch<'c> {
    fn new(connection: &'c Connection, source: Source) -> rusqlite::Result<Self> {
        let (known, insert) = (connection.prepare_cached(KNOWN)?, connection.prepare_cached(INSERT)?);
        Ok(Self { connection, known, insert, heads: HashMap::new(), marks: HashMap::new(), source })
    }

    /// The answer that it got when it was delivered before, if that was a refusal.
    fn refused(&self, post: &NewPost) -> rusqlite::Result<Option<PostOutcome>> {
        if !self.source.heeds_refusals() {
            return Ok(None);
        }
        let mut statement = self.connection.prepare_cached(REFUSED)?;
        let noted = statement.query_row([post.id.as_bytes()], |row| row.get(0)).optional()?;
        Ok(noted.map(PostOutcome::refused))
    }

    fn refuse(&self, post: &NewPost, outcome: PostOutcome) -> rusqlite::Result<Written> {
        if let (true, Some(reason)) = (self.source.notes_refusals(), outcome.refusal()) {
            self.connection.prepare_cached(REFUSE)?.execute(params![post.id.as_bytes(), reason])?;
            self.connection.prepare_cached(FORGET)?.execute([refused_before().as_bytes()])?;
        }
        Ok(Written::Outcome(outcome))
    }

    fn post(&mut self, post: &NewPost, body: &str) -> rusqlite::Result<Written> {
        let digest = digest::of_post(post, body);
        let found = find(&mut self.known, post)?;
        // A nonce twice in one batch is found here too: the first one's row is in the table by now.
        if let Some(known) = found.known(post, digest) {
            return Ok(known);
        }
        if let Some(refused) = self.refused(post)? {
            return Ok(Written::Outcome(refused));
        }
        let (true, Some(kind), Some(head_seq), Some(head_rev)) =
            (found.member, found.kind, found.head_seq, found.head_rev)
        else {
            return self.refuse(post, PostOutcome::NotFound);
        };
        if post.reply_to.is_some() && found.reply_seq.is_none() {
            return self.refuse(post, PostOutcome::NoSuchReply);
        }
        let (seq, rev) = match self.heads.get(&post.conversation) {
            Some((seq, rev)) => (seq + 1, rev + 1),
            None => (count(head_seq)? + 1, count(head_rev)? + 1),
        };
        let named = self.named(post)?;
        let message = post.numbered((seq, rev), named.users, named.all);
        self.insert.execute(params![
            post.conversation.as_bytes(),
            rows::integer(seq),
            rows::integer(rev),
            post.id.as_bytes(),
            post.sender.as_bytes(),
            post.nonce.as_str(),
            digest,
            body,
            post.sent_at.millis(),
            post.reply_to.as_ref().map(|id| &id.as_bytes()[..]),
            rows::ids_to_bytes(&message.mentions),
            message.mentions_all,
        ])?;
        for account in mentions::accounts(&message) {
            self.connection.prepare_cached(MENTION)?.execute(params![
                account,
                post.conversation.as_bytes(),
                rows::integer(seq),
                post.sender.as_bytes()
            ])?;
        }
        self.heads.insert(post.conversation, (seq, rev));
        self.marks.insert((post.conversation, post.sender), seq);
        let kind = rows::kind_from_int(kind).ok_or_else(|| corrupt("unknown kind of conversation"))?;
        Ok(Written::Outcome(PostOutcome::Stored { kind, message }))
    }

    /// Whom a text names among the members; none is asked for where it has no `@`.
    fn named(&self, post: &NewPost) -> rusqlite::Result<Named> {
        let text = post.body.text();
        let Some(asked) = mentions::asked(text) else { return Ok(Named::default()) };
        let mut statement = self.connection.prepare_cached(mentions::RESOLVE)?;
        let members = statement.query_map(params![asked, post.conversation.as_bytes()], |row| {
            Ok((row.get("username")?, UserId::from_uuid(uuid::Uuid::from_bytes(row.get("id")?))))
        })?;
        Ok(mentions::named(text, &members.collect::<rusqlite::Result<_>>()?))
    }

    /// Writes what the messages moved.
    fn settle(self) -> rusqlite::Result<()> {
        let mut head = self.connection.prepare_cached(HEAD)?;
        for (id, (seq, rev)) in &self.heads {
            head.execute(params![id.as_bytes(), rows::integer(*seq), rows::integer(*rev)])?;
        }
        // Nobody has read further than the last message, so this only raises them.
        let mut mark = self.connection.prepare_cached(MARK)?;
        for ((id, user), seq) in &self.marks {
            mark.execute(params![id.as_bytes(), user.as_bytes(), rows::integer(*seq)])?;
        }
        Ok(())
    }
}

fn mark(connection: &Connection, mark: &NewMark) -> rusqlite::Result<MarkOutcome> {
    let (conversation, user) = (mark.conversation.as_bytes(), mark.user.as_bytes());
    let standing = connection.prepare_cached(STANDING)?.query_row([conversation, user], |row| {
        Ok((
            row.get::<_, i64>("head_seq")?,
            row.get::<_, u32>("member_count")?,
            row.get::<_, i64>("read_seq")?,
            row.get::<_, bool>("kept_unread")?,
        ))
    });
    let Some((head, member_count, old, kept)) = standing.optional()? else { return Ok(None) };
    let (head, old) = (count(head)?, count(old)?);
    let back = planted::is(Mistake::ReadMovesBack);
    let read_seq = if back { mark.seq.min(head) } else { old.max(mark.seq.min(head)) };
    let moved = read_seq > old || kept || back;
    let seq = rows::integer(read_seq);
    if moved {
        connection.prepare_cached(MARK)?.execute(params![conversation, user, seq])?;
    }
    let recalled = connection
        .prepare_cached(RECALLED_AFTER)?
        .query_row(params![conversation, seq], |row| row.get::<_, i64>(0))?;
    let mentions = connection
        .prepare_cached(MENTIONS_AFTER)?
        .query_row(params![user, rows::EVERYBODY, conversation, seq], |row| row.get::<_, i64>(0))?;
    Ok(Some(Marked {
        read_seq,
        unread: head.saturating_sub(read_seq).saturating_sub(count(recalled)?),
        mentions: count(mentions)?,
        moved,
        told: member_count <= limits::MEMBERS_INLINE,
    }))
}

/// Writes a batch. An error leaves nothing behind, unless it says that this is not known.
pub(super) fn batch(
    connection: &mut Connection,
    posts: &[NewPost],
    marks: &[NewMark],
    source: Source,
) -> Result<writer::Outcomes> {
    let failed = || writer::failed("write messages");
    let bodies = posts.iter().map(json).collect::<Result<Vec<_>>>()?;
    let transaction =
        connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed())?;
    let mut written = Vec::with_capacity(posts.len());
    if !posts.is_empty() {
        let mut batch = Batch::new(&transaction, source).map_err(failed())?;
        for (post, body) in posts.iter().zip(&bodies) {
            written.push(batch.post(post, body).map_err(failed())?);
        }
        batch.settle().map_err(failed())?;
    }
    let marked = marks.iter().map(|new| mark(&transaction, new)).collect::<rusqlite::Result<_>>();
    let marked = marked.map_err(failed())?;
    // A commit may have come to the disk although it failed.
    transaction.commit().map_err(|error| StoreError { unknown: true, ..failed()(error) })?;
    Ok((written, marked))
}

/// The message of a nonce that was used before.
pub(super) async fn known(connection: &mut SqliteConnection, known: &Known) -> sqlx::Result<PostOutcome> {
    // Their own message stays theirs to see, even if they have left since: the retry gets the first answer.
    let found = sqlx::query(concat!(
        "SELECT ",
        message_columns!("message"),
        " FROM message WHERE conversation = ? AND seq = ?"
    ))
    .bind(&known.conversation.as_bytes()[..])
    .bind(known.seq)
    .fetch_one(connection)
    .await?;
    let mut message = rows::message(&found, known.conversation)?;
    if !known.member {
        // What others did to it since is not theirs to see.
        message.reactions.clear();
        message.pinned = false;
    }
    Ok(PostOutcome::Duplicate(message))
}

/// What the nonces of these posts were used for, if at all.
pub(super) async fn look_up(
    connection: &mut SqliteConnection,
    posts: &[NewPost],
) -> Result<Vec<Option<PostOutcome>>> {
    let mut outcomes = Vec::with_capacity(posts.len());
    for post in posts {
        outcomes.push(look_up_one(connection, post, &json(post)?).await.map_err(failed("look up nonces"))?);
    }
    Ok(outcomes)
}

async fn look_up_one(
    connection: &mut SqliteConnection,
    post: &NewPost,
    body: &str,
) -> sqlx::Result<Option<PostOutcome>> {
    let row = sqlx::query(KNOWN)
        .bind(&post.conversation.as_bytes()[..])
        .bind(&post.sender.as_bytes()[..])
        .bind(post.nonce.as_str())
        .bind(post.reply_to.as_ref().map(|id| &id.as_bytes()[..]))
        .fetch_one(&mut *connection)
        .await?;
    let known = match row.try_get::<Option<i64>, _>("known_seq")? {
        Some(seq) => Some((rows::conversation_id(&row, "known_in")?, seq, row.try_get("known_digest")?)),
        None => None,
    };
    let found = Found {
        kind: None,
        head_seq: None,
        head_rev: None,
        member: row.try_get("member")?,
        known,
        used_otherwise: row.try_get("used_otherwise")?,
        reply_seq: None,
    };
    match found.known(post, digest::of_post(post, body)) {
        Some(Written::Known(place)) => self::known(connection, &place).await.map(Some),
        Some(Written::Outcome(outcome)) => Ok(Some(outcome)),
        None => Ok(None),
    }
}
