//! New messages and read marks: a batch takes its locks, is read for, numbered and written.

use super::batch::{self, Columns};
use super::connections::Phase;
use super::locks;
use super::mentions::{self, Mentions};
use super::rows::{self, message_columns};
use crate::planted::{self, Mistake};
use crate::store::{MarkOutcome, Marked, NewMark, NewPost, PostOutcome, Source, digest};
use protocol::{ConversationId, MessageId, UserId, limits};
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Result, Row};
use std::collections::HashMap;
use uuid::Uuid;

fn json(post: &NewPost) -> Result<String> {
    serde_json::to_string(&post.body).map_err(|error| sqlx::Error::Encode(Box::new(error)))
}

/// The message of a nonce that was used before, or that it was used for something else.
async fn known(
    connection: &mut PgConnection,
    row: &PgRow,
    post: &NewPost,
    digest: i64,
) -> Result<Option<PostOutcome>> {
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
        " FROM message WHERE conversation = $1 AND seq = $2"
    ))
    .bind(conversation.uuid())
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
    columns: Columns,
    /// Heads after the batch.
    heads: HashMap<ConversationId, (u64, u64)>,
    /// Marks to raise, and to what.
    marks: HashMap<(ConversationId, UserId), u64>,
    /// What each nonce of this batch is used for.
    used: HashMap<(UserId, &'a str), usize>,
    /// Whom the texts of this batch name.
    names: Mentions,
    /// Rows of `mention`: whom, where, by whom.
    mentions: Vec<(Uuid, ConversationId, u64, UserId)>,
    /// What was refused when it was delivered before, and how.
    refused: HashMap<MessageId, i64>,
}

impl<'a> Plan<'a> {
    fn post(&mut self, row: &PgRow, post: &'a NewPost, body: String, digest: i64) -> Result<PostOutcome> {
        if let Some(noted) = self.refused.get(&post.id) {
            return Ok(PostOutcome::refused(*noted));
        }
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
        let message = post.numbered((seq, rev), named.users, named.all);
        let mentioned = mentions::accounts(&message).into_iter();
        self.mentions.extend(mentioned.map(|account| (account, post.conversation, seq, post.sender)));
        self.columns.push(&message, post, digest, body);
        Ok(PostOutcome::Stored { kind: rows::kind(row, "kind")?, message })
    }

    fn mark(&mut self, conversation: ConversationId, user: UserId, seq: u64) {
        let mark = self.marks.entry((conversation, user)).or_default();
        *mark = (*mark).max(seq);
    }

    /// What is refused for the first time, and how.
    fn newly_refused(&self, posts: &[NewPost], outcomes: &[PostOutcome]) -> Vec<(MessageId, i64)> {
        let refused =
            posts.iter().zip(outcomes).filter_map(|(post, outcome)| Some((post.id, outcome.refusal()?)));
        refused.filter(|(id, _)| !self.refused.contains_key(id)).collect()
    }

    /// How many messages of this batch name a person after a place.
    fn names_after(&self, (conversation, user, place): (ConversationId, UserId, u64)) -> u64 {
        let just_now = self.mentions.iter().filter(|(account, id, seq, sender)| {
            (*account == user.uuid() || *account == rows::EVERYBODY)
                && *id == conversation
                && *seq > place
                && *sender != user
        });
        just_now.count() as u64
    }
}

/// Writes a batch. What fails before the commit leaves no trace.
pub(super) async fn post(
    connection: &mut PgConnection,
    phase: &Phase,
    (posts, new_marks): (&[NewPost], &[NewMark]),
    source: Source,
) -> Result<(Vec<PostOutcome>, Vec<MarkOutcome>)> {
    let conversations = posts.iter().map(|post| post.conversation);
    let conversations = conversations.chain(new_marks.iter().map(|mark| mark.conversation));
    let senders = posts.iter().map(|post| post.sender);
    let mut transaction = locks::begin(connection, senders, conversations).await?;
    let mut plan = Plan::default();
    let mut outcomes: Vec<Option<PostOutcome>> = vec![None; posts.len()];
    if !posts.is_empty() {
        let found = batch::read_posts(&mut transaction, posts).await?;
        let texts = posts.iter().map(|post| (post.conversation, post.body.text()));
        plan.names = Mentions::resolve(&mut transaction, texts).await?;
        if source.heeds_refusals() {
            plan.refused = batch::read_refused(&mut transaction, posts).await?;
        }
        for ((i, post), row) in posts.iter().enumerate().zip(&found) {
            let body = json(post)?;
            let digest = digest::of_post(post, &body);
            if let Some(known) = known(&mut transaction, row, post, digest).await? {
                outcomes[i] = Some(known);
                continue;
            }
            // A nonce twice in one batch: the second is a retry of the first.
            let key = (post.sender, post.nonce.as_str());
            if let Some(first) = plan.used.get(&key).copied() {
                let same = json(&posts[first])?;
                let same = digest::of_post(&posts[first], &same) == digest;
                outcomes[i] = match &outcomes[first] {
                    Some(PostOutcome::Stored { message, .. }) if same => {
                        Some(PostOutcome::Duplicate(message.clone()))
                    }
                    _ => Some(PostOutcome::OtherUse),
                };
                continue;
            }
            let outcome = plan.post(row, post, body, digest)?;
            if let PostOutcome::Stored { .. } = outcome {
                plan.used.insert(key, i);
            }
            outcomes[i] = Some(outcome);
        }
    }
    let outcomes: Vec<_> =
        outcomes.into_iter().map(|outcome| outcome.unwrap_or(PostOutcome::NotFound)).collect();
    let marked = marks(&mut transaction, new_marks, &mut plan).await?;
    let refused = if source.notes_refusals() { plan.newly_refused(posts, &outcomes) } else { Vec::new() };
    if !refused.is_empty() {
        batch::write_refused(&mut transaction, &refused).await?;
    }
    let raised: Vec<_> = plan.marks.iter().map(|((id, user), seq)| (*id, *user, *seq)).collect();
    // Whoever sends raises their own mark: where there is none, nothing was sent either.
    if raised.is_empty() && refused.is_empty() {
        transaction.rollback().await?;
        return Ok((outcomes, marked));
    }
    if !raised.is_empty() {
        let write = if plan.columns.is_empty() {
            batch::write_marks(&raised)
        } else {
            let heads: Vec<_> = plan.heads.iter().map(|(id, (seq, rev))| (*id, *seq, *rev)).collect();
            plan.columns.write(&heads, &plan.mentions, &raised)
        };
        write.execute(&mut *transaction).await?;
    }
    locks::commit(transaction, phase).await?;
    Ok((outcomes, marked))
}

async fn marks(
    connection: &mut PgConnection,
    new: &[NewMark],
    plan: &mut Plan<'_>,
) -> Result<Vec<MarkOutcome>> {
    let mut outcomes = vec![None; new.len()];
    if new.is_empty() {
        return Ok(outcomes);
    }
    let (mut indexes, mut places) = (Vec::with_capacity(new.len()), Vec::with_capacity(new.len()));
    for row in &batch::read_marks(connection, new).await? {
        let i = usize::try_from(rows::count(row, "i")?).unwrap_or_default().wrapping_sub(1);
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
        let kept = row.try_get::<bool, _>("kept_unread")?;
        let moved = read_seq > old || kept || back;
        if moved {
            plan.mark(mark.conversation, mark.user, read_seq);
        }
        let unread = head.saturating_sub(read_seq);
        let mentions = plan.names_after((mark.conversation, mark.user, read_seq));
        let told = rows::small(row, "member_count")? <= limits::MEMBERS_INLINE;
        outcomes[i] = Some(Marked { read_seq, unread, mentions, moved, told });
        indexes.push(i);
        places.push((mark.conversation, mark.user, read_seq));
    }
    // Of what was written before this batch; nothing of this batch is recalled yet, and whom it names is counted above.
    for (i, row) in indexes.into_iter().zip(&batch::count_after(connection, &places).await?) {
        if let Some(Some(marked)) = outcomes.get_mut(i) {
            marked.unread = marked.unread.saturating_sub(rows::count(row, "recalled")?);
            marked.mentions += rows::count(row, "mentions")?;
        }
    }
    Ok(outcomes)
}

/// What the nonces of these posts were used for, if at all. Waits for commits of their senders that are under way, this
/// node's or another's: an answer of "not used" stays true.
pub(super) async fn look_up(
    connection: &mut PgConnection,
    posts: &[NewPost],
) -> Result<Vec<Option<PostOutcome>>> {
    let senders = posts.iter().map(|post| post.sender);
    let mut transaction = locks::begin(connection, senders, std::iter::empty()).await?;
    let mut outcomes = Vec::with_capacity(posts.len());
    for (post, row) in posts.iter().zip(&batch::read_posts(&mut transaction, posts).await?) {
        let digest = digest::of_post(post, &json(post)?);
        outcomes.push(known(&mut transaction, row, post, digest).await?);
    }
    transaction.rollback().await?;
    Ok(outcomes)
}
