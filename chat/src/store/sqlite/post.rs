//! New messages and read marks: a batch is read for, numbered and written.

use super::batch::{self, Asked, Row as NewRow};
use super::mentions::{self, Mentions};
use super::rows::{self, message_columns};
use super::{failed, uncommitted};
use crate::planted::{self, Mistake};
use crate::store::{MarkOutcome, Marked, NewMark, NewPost, PostOutcome, Result, StoreError};
use protocol::{ConversationId, Message, UserId, limits};
use sha2::{Digest, Sha256};
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};
use std::collections::HashMap;

/// What a nonce was used for, in 64 bits: the first bytes of SHA-256 over conversation, answered message and body.
/// It only has to tell a retry from a mistake of the same person's, so no more bits are needed.
fn digest(post: &NewPost, body: &str) -> i64 {
    let mut hash = Sha256::new();
    hash.update(post.conversation.as_bytes());
    hash.update(post.reply_to.map_or([0; 16], |id| *id.as_bytes()));
    hash.update(body.as_bytes());
    let bytes = hash.finalize();
    let mut first = [0; 8];
    first.copy_from_slice(&bytes[..8]);
    i64::from_be_bytes(first)
}

fn json(post: &NewPost) -> Result<String> {
    serde_json::to_string(&post.body).map_err(|error| StoreError {
        doing: "encode a body",
        unknown: false,
        source: Box::new(error),
    })
}

fn asked(post: &NewPost) -> Asked<'_> {
    Asked {
        conversation: post.conversation,
        sender: post.sender,
        nonce: post.nonce.as_str(),
        reply_to: post.reply_to.as_ref().map(protocol::MessageId::as_bytes),
    }
}

/// The message of a nonce that was used before, or that it was used for something else.
async fn known(
    connection: &mut SqliteConnection,
    row: &SqliteRow,
    post: &NewPost,
    digest: i64,
) -> sqlx::Result<Option<PostOutcome>> {
    if row.try_get::<bool, _>("used_otherwise")? {
        return Ok(Some(PostOutcome::OtherUse));
    }
    let Some(seq) = row.try_get::<Option<i64>, _>("known_seq")? else { return Ok(None) };
    let conversation = rows::conversation_id(row, "known_in")?;
    if conversation != post.conversation || row.try_get::<i64, _>("known_digest")? != digest {
        return Ok(Some(PostOutcome::OtherUse));
    }
    // Their own message stays theirs to see, even if they have left since: the retry gets the first answer.
    let found = sqlx::query(concat!(
        "SELECT ",
        message_columns!("message"),
        " FROM message WHERE conversation = ? AND seq = ?"
    ))
    .bind(&conversation.as_bytes()[..])
    .bind(seq)
    .fetch_one(connection)
    .await?;
    let mut message = rows::message(&found, conversation)?;
    if !row.try_get::<bool, _>("member")? {
        // What others did to it since is not theirs to see.
        message.reactions.clear();
        message.pinned = false;
    }
    Ok(Some(PostOutcome::Duplicate(message)))
}

/// A batch as it is being numbered, before anything is written.
#[derive(Default)]
struct Plan<'a> {
    rows: Vec<NewRow<'a>>,
    /// Heads after the batch.
    heads: HashMap<ConversationId, (u64, u64)>,
    /// Marks to raise, and to what.
    marks: HashMap<(ConversationId, UserId), u64>,
    /// What each nonce of this batch is used for.
    used: HashMap<(UserId, &'a str), usize>,
    /// Whom the texts of this batch name.
    names: Mentions,
    /// Rows of `mention`: whom, where, by whom.
    mentions: Vec<([u8; 16], ConversationId, u64, UserId)>,
}

impl<'a> Plan<'a> {
    fn post(
        &mut self,
        row: &SqliteRow,
        post: &'a NewPost,
        body: String,
        digest: i64,
    ) -> sqlx::Result<PostOutcome> {
        if !row.try_get::<bool, _>("member")? {
            return Ok(PostOutcome::NotFound);
        }
        if post.reply_to.is_some() && row.try_get::<Option<i64>, _>("reply_seq")?.is_none() {
            return Ok(PostOutcome::NoSuchReply);
        }
        let (seq, rev) = match self.heads.get(&post.conversation) {
            Some((seq, rev)) => (seq + 1, rev + 1),
            None => (rows::count(row, "head_seq")? + 1, rows::count(row, "head_rev")? + 1),
        };
        self.heads.insert(post.conversation, (seq, rev));
        self.mark(post.conversation, post.sender, seq);
        let named = self.names.of(post.conversation, post.body.text());
        let message = Message {
            id: post.id,
            conversation: post.conversation,
            seq,
            rev,
            sender: post.sender,
            nonce: Some(post.nonce.clone()),
            body: post.body.clone(),
            sent_at: post.sent_at,
            edited_at: None,
            recalled: false,
            reply_to: post.reply_to,
            mentions: named.users,
            mentions_all: named.all,
            reactions: Vec::new(),
            pinned: false,
        };
        let mentioned = mentions::accounts(&message).into_iter();
        self.mentions.extend(mentioned.map(|account| (account, post.conversation, seq, post.sender)));
        self.rows.push(NewRow {
            conversation: post.conversation,
            seq,
            rev,
            id: post.id.as_bytes(),
            sender: post.sender,
            nonce: post.nonce.as_str(),
            digest,
            body,
            sent_at: post.sent_at.millis(),
            reply_to: post.reply_to.as_ref().map(protocol::MessageId::as_bytes),
            mentions: rows::ids_to_bytes(&message.mentions),
            mentions_all: message.mentions_all,
        });
        Ok(PostOutcome::Stored { kind: rows::kind(row, "kind")?, message })
    }

    fn mark(&mut self, conversation: ConversationId, user: UserId, seq: u64) {
        let mark = self.marks.entry((conversation, user)).or_default();
        *mark = (*mark).max(seq);
    }
}

async fn recalled_after(
    connection: &mut SqliteConnection,
    id: ConversationId,
    seq: u64,
) -> sqlx::Result<u64> {
    let count: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM message INDEXED BY message_recalled WHERE conversation = ? AND seq > ? AND recalled",
    )
    .bind(&id.as_bytes()[..])
    .bind(rows::integer(seq))
    .fetch_one(connection)
    .await?;
    Ok(u64::try_from(count).unwrap_or(0))
}

async fn mentions_after(connection: &mut SqliteConnection, mark: &NewMark, seq: u64) -> sqlx::Result<u64> {
    let count: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM mention WHERE account IN (?1, ?2) AND conversation = ?3 AND seq > ?4 AND sender <> ?1",
    )
    .bind(&mark.user.as_bytes()[..])
    .bind(&rows::EVERYBODY[..])
    .bind(&mark.conversation.as_bytes()[..])
    .bind(rows::integer(seq))
    .fetch_one(connection)
    .await?;
    Ok(u64::try_from(count).unwrap_or(0))
}

/// Reads what the batch needs, numbers it, writes it. Everything up to the write leaves no trace when it fails.
pub(super) async fn post(
    connection: &mut SqliteConnection,
    posts: &[NewPost],
    new_marks: &[NewMark],
) -> Result<(Vec<PostOutcome>, Vec<MarkOutcome>)> {
    let failed = || failed("write messages");
    let mut plan = Plan::default();
    let mut outcomes: Vec<Option<PostOutcome>> = vec![None; posts.len()];
    if !posts.is_empty() {
        let asked: Vec<_> = posts.iter().map(asked).collect();
        let found = batch::read_posts(&asked).fetch_all(&mut *connection).await.map_err(failed())?;
        let texts = posts.iter().map(|post| (post.conversation, post.body.text()));
        plan.names = Mentions::resolve(connection, texts).await.map_err(failed())?;
        for ((i, post), row) in posts.iter().enumerate().zip(&found) {
            let body = json(post)?;
            let digest = digest(post, &body);
            if let Some(known) = known(connection, row, post, digest).await.map_err(failed())? {
                outcomes[i] = Some(known);
                continue;
            }
            // A nonce twice in one batch: the second is a retry of the first.
            let key = (post.sender, post.nonce.as_str());
            if let Some(first) = plan.used.get(&key).copied() {
                let same = json(&posts[first])?;
                let same = self::digest(&posts[first], &same) == digest;
                outcomes[i] = match &outcomes[first] {
                    Some(PostOutcome::Stored { message, .. }) if same => {
                        Some(PostOutcome::Duplicate(message.clone()))
                    }
                    _ => Some(PostOutcome::OtherUse),
                };
                continue;
            }
            let outcome = plan.post(row, post, body, digest).map_err(failed())?;
            if let PostOutcome::Stored { .. } = outcome {
                plan.used.insert(key, i);
            }
            outcomes[i] = Some(outcome);
        }
    }
    let marked = marks(connection, new_marks, &mut plan).await.map_err(failed())?;
    write(connection, &plan).await?;
    let outcomes = outcomes.into_iter().map(|outcome| outcome.unwrap_or(PostOutcome::NotFound)).collect();
    Ok((outcomes, marked))
}

async fn marks(
    connection: &mut SqliteConnection,
    new: &[NewMark],
    plan: &mut Plan<'_>,
) -> sqlx::Result<Vec<MarkOutcome>> {
    let mut outcomes = vec![None; new.len()];
    if new.is_empty() {
        return Ok(outcomes);
    }
    let asked: Vec<_> = new.iter().map(|mark| (mark.conversation, mark.user, mark.seq)).collect();
    let found = batch::read_marks(&asked).fetch_all(&mut *connection).await?;
    for row in &found {
        let i = usize::try_from(rows::count(row, "i")?).unwrap_or(usize::MAX);
        let Some(mark) = new.get(i) else { continue };
        let head = match plan.heads.get(&mark.conversation) {
            Some((seq, _)) => *seq,
            None => rows::count(row, "head_seq")?,
        };
        let stored = rows::count(row, "read_seq")?;
        let planned = plan.marks.get(&(mark.conversation, mark.user)).copied().unwrap_or(0);
        let old = stored.max(planned);
        let back = planted::is(Mistake::ReadMovesBack);
        let read_seq = if back { mark.seq.min(head) } else { old.max(mark.seq.min(head)) };
        let mut recalled = rows::count(row, "recalled_after")?;
        if recalled > 0 && read_seq != stored.max(mark.seq) {
            recalled = recalled_after(connection, mark.conversation, read_seq).await?;
        }
        let kept = row.try_get::<bool, _>("kept_unread")?;
        let moved = read_seq > old || kept || back;
        if moved {
            plan.mark(mark.conversation, mark.user, read_seq);
        }
        let unread = head.saturating_sub(read_seq).saturating_sub(recalled);
        let mut mentions = rows::count(row, "mentions_after")?;
        if mentions > 0 && read_seq != stored.max(mark.seq) {
            mentions = mentions_after(connection, mark, read_seq).await?;
        }
        let me = mark.user.as_bytes();
        let just_now = plan.mentions.iter().filter(|(account, conversation, seq, sender)| {
            (account == me || *account == rows::EVERYBODY)
                && *conversation == mark.conversation
                && *seq > read_seq
                && *sender != mark.user
        });
        let mentions = mentions + just_now.count() as u64;
        let told = row.try_get::<u32, _>("member_count")? <= limits::MEMBERS_INLINE;
        outcomes[i] = Some(Marked { read_seq, unread, mentions, moved, told });
    }
    Ok(outcomes)
}

async fn write(connection: &mut SqliteConnection, plan: &Plan<'_>) -> Result<()> {
    if plan.rows.is_empty() && plan.marks.is_empty() {
        return Ok(());
    }
    let heads: Vec<_> = plan.heads.iter().map(|(id, (seq, rev))| (*id, *seq, *rev)).collect();
    let marks: Vec<_> = plan.marks.iter().map(|((id, user), seq)| (*id, *user, *seq)).collect();
    let written = batch::write(&plan.rows, &heads, &marks, &plan.mentions).execute(&mut *connection).await;
    if let Err(error) = written {
        // SQLite may have rolled back by itself (a full disk); a second ROLLBACK then only says so.
        if let Err(rollback) = sqlx::query("ROLLBACK").execute(connection).await {
            tracing::debug!(store.error = %rollback, "nothing left to roll back");
        }
        return Err(uncommitted("write messages")(error));
    }
    Ok(())
}

/// What the nonces of these posts were used for, if at all.
pub(super) async fn look_up(
    connection: &mut SqliteConnection,
    posts: &[NewPost],
) -> Result<Vec<Option<PostOutcome>>> {
    let failed = || failed("look up nonces");
    let mut outcomes = Vec::with_capacity(posts.len());
    for post in posts {
        let body = json(post)?;
        let row = batch::read_posts(&[asked(post)]).fetch_one(&mut *connection).await.map_err(failed())?;
        let digest = digest(post, &body);
        outcomes.push(known(connection, &row, post, digest).await.map_err(failed())?);
    }
    Ok(outcomes)
}
