//! The statements of a batch. Each takes arrays, one per column, so that a batch of any size is the same few statements
//! and each is planned once per connection.

use crate::planted::{self, Mistake};
use crate::store::{NewMark, NewPost, refused_before};
use protocol::{ConversationId, MessageId, UserId};
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::query::Query;
use sqlx::{PgConnection, Result, Row};
use std::collections::HashMap;
use uuid::Uuid;

use super::rows;

/// What a message answers is joined by its id alone: with more in the condition, a plan made while the table was empty went
/// through another index as a whole.
const READ_POSTS: &str = "SELECT c.kind, c.head_seq, c.head_rev, m.account IS NOT NULL AS member, \
     k.conversation AS known_in, k.seq AS known_seq, k.digest AS known_digest, q.nonce IS NOT NULL AS used_otherwise, \
     CASE WHEN p.conversation = v.conversation AND p.seq > m.joined_seq THEN p.seq END AS reply_seq \
     FROM unnest($1, $2, $3, $4) WITH ORDINALITY AS v (conversation, sender, nonce, reply_to, i) \
     LEFT JOIN request q ON q.nonce = v.nonce AND q.sender = v.sender \
     LEFT JOIN message k ON k.nonce = v.nonce AND k.sender = v.sender \
     LEFT JOIN conversation c ON c.id = v.conversation \
     LEFT JOIN member m ON m.conversation = v.conversation AND m.account = v.sender \
     LEFT JOIN message p ON p.id = v.reply_to \
     ORDER BY v.i";

/// One row a message, in order: `kind`, `head_seq`, `head_rev` (NULL: no such conversation), `member`, `known_in`,
/// `known_seq`, `known_digest` (NULL: nonce unused), `used_otherwise` (for something else than a message), `reply_seq`
/// (NULL: no such message for the sender).
pub(super) async fn read_posts(connection: &mut PgConnection, posts: &[NewPost]) -> Result<Vec<PgRow>> {
    let conversations: Vec<_> = posts.iter().map(|post| post.conversation.uuid()).collect();
    let senders: Vec<_> = posts.iter().map(|post| post.sender.uuid()).collect();
    let nonces: Vec<_> = posts.iter().map(|post| post.nonce.as_str().to_owned()).collect();
    let replies: Vec<_> = posts.iter().map(|post| post.reply_to.map(MessageId::uuid)).collect();
    sqlx::query(READ_POSTS)
        .bind(conversations)
        .bind(senders)
        .bind(nonces)
        .bind(replies)
        .fetch_all(connection)
        .await
}

/// Which of these were refused when they were delivered before, and how.
pub(super) async fn read_refused(
    connection: &mut PgConnection,
    posts: &[NewPost],
) -> Result<HashMap<MessageId, i64>> {
    let ids: Vec<_> = posts.iter().map(|post| post.id.uuid()).collect();
    let rows = sqlx::query("SELECT id, reason FROM refused WHERE id = ANY($1)")
        .bind(ids)
        .fetch_all(connection)
        .await?;
    rows.iter().map(|row| Ok((MessageId::from_uuid(row.try_get("id")?), row.try_get("reason")?))).collect()
}

/// Notes what is refused, and forgets what was long ago.
pub(super) async fn write_refused(connection: &mut PgConnection, refused: &[(MessageId, i64)]) -> Result<()> {
    let (ids, reasons): (Vec<_>, Vec<_>) = refused.iter().map(|(id, reason)| (id.uuid(), *reason)).unzip();
    sqlx::query(
        "WITH forgotten AS (DELETE FROM refused WHERE id < $3) INSERT INTO refused (id, reason) \
         SELECT * FROM unnest($1, $2) ON CONFLICT DO NOTHING",
    )
    .bind(ids)
    .bind(reasons)
    .bind(refused_before().uuid())
    .execute(connection)
    .await?;
    Ok(())
}

/// One row a mark whose owner is a member: `i` (from 1), `head_seq`, `member_count`, `read_seq`, `kept_unread`.
pub(super) async fn read_marks(connection: &mut PgConnection, marks: &[NewMark]) -> Result<Vec<PgRow>> {
    let conversations: Vec<_> = marks.iter().map(|mark| mark.conversation.uuid()).collect();
    let users: Vec<_> = marks.iter().map(|mark| mark.user.uuid()).collect();
    sqlx::query(
        "SELECT v.i, c.head_seq, c.member_count, m.read_seq, m.unread_from IS NOT NULL AS kept_unread \
         FROM unnest($1, $2) WITH ORDINALITY AS v (conversation, account, i) \
         JOIN member m ON m.conversation = v.conversation AND m.account = v.account \
         JOIN conversation c ON c.id = v.conversation",
    )
    .bind(conversations)
    .bind(users)
    .fetch_all(connection)
    .await
}

/// One row a place, in order: `recalled` and `mentions`, how many messages after it were taken back, and name the person.
pub(super) async fn count_after(
    connection: &mut PgConnection,
    places: &[(ConversationId, UserId, u64)],
) -> Result<Vec<PgRow>> {
    let conversations: Vec<_> = places.iter().map(|(id, ..)| id.uuid()).collect();
    let users: Vec<_> = places.iter().map(|(_, user, _)| user.uuid()).collect();
    let seqs: Vec<_> = places.iter().map(|(.., seq)| rows::integer(*seq)).collect();
    sqlx::query(
        "SELECT (SELECT count(*) FROM message r WHERE r.conversation = v.conversation AND r.seq > v.seq AND r.recalled) \
         AS recalled, (SELECT count(*) FROM mention n WHERE n.account IN (v.account, $4) \
         AND n.conversation = v.conversation AND n.seq > v.seq AND n.sender <> v.account) AS mentions \
         FROM unnest($1, $2, $3) WITH ORDINALITY AS v (conversation, account, seq, i) ORDER BY v.i",
    )
    .bind(conversations)
    .bind(users)
    .bind(seqs)
    .bind(rows::EVERYBODY)
    .fetch_all(connection)
    .await
}

/// Messages with their places, one array a column.
#[derive(Default)]
pub(super) struct Columns {
    conversation: Vec<Uuid>,
    seq: Vec<i64>,
    rev: Vec<i64>,
    id: Vec<Uuid>,
    sender: Vec<Uuid>,
    nonce: Vec<String>,
    digest: Vec<i64>,
    body: Vec<String>,
    sent_at: Vec<i64>,
    reply_to: Vec<Option<Uuid>>,
    mentions: Vec<Option<Vec<u8>>>,
    mentions_all: Vec<bool>,
}

impl Columns {
    pub(super) const fn is_empty(&self) -> bool {
        self.id.is_empty()
    }

    pub(super) fn push(&mut self, message: &protocol::Message, post: &NewPost, digest: i64, body: String) {
        self.conversation.push(message.conversation.uuid());
        self.seq.push(rows::integer(message.seq));
        self.rev.push(rows::integer(message.rev));
        self.id.push(message.id.uuid());
        self.sender.push(message.sender.uuid());
        self.nonce.push(post.nonce.as_str().to_owned());
        self.digest.push(digest);
        self.body.push(body);
        self.sent_at.push(message.sent_at.millis());
        self.reply_to.push(message.reply_to.map(MessageId::uuid));
        self.mentions.push(rows::ids_to_bytes(&message.mentions));
        self.mentions_all.push(message.mentions_all);
    }

    /// The messages, the people they name, the heads and the marks in one statement, because each crossing costs more
    /// than what it carries. Every part of it sees the tables as they were before.
    pub(super) fn write(
        self,
        heads: &[(ConversationId, u64, u64)],
        mentions: &[(Uuid, ConversationId, u64, UserId)],
        marks: &[(ConversationId, UserId, u64)],
    ) -> Query<'static, sqlx::Postgres, PgArguments> {
        let (heads_id, (heads_seq, heads_rev)): (Vec<_>, (Vec<_>, Vec<_>)) = heads
            .iter()
            .map(|(id, seq, rev)| (id.uuid(), (rows::integer(*seq), rows::integer(*rev))))
            .unzip();
        let (accounts, (places, (seqs, senders))): (Vec<_>, (Vec<_>, (Vec<_>, Vec<_>))) = mentions
            .iter()
            .map(|(account, id, seq, sender)| (*account, (id.uuid(), (rows::integer(*seq), sender.uuid()))))
            .unzip();
        let (marked, (users, marks)) = split(marks);
        sqlx::query(
            "WITH posted AS (INSERT INTO message (conversation, seq, rev, posted_rev, id, sender, nonce, digest, body, \
             sent_at, reply_to, mentions, mentions_all) SELECT conversation, seq, rev, rev, id, sender, nonce, digest, \
             body, sent_at, reply_to, mentions, mentions_all FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, \
             $12) AS v (conversation, seq, rev, id, sender, nonce, digest, body, sent_at, reply_to, mentions, \
             mentions_all)), named AS (INSERT INTO mention (account, conversation, seq, sender) \
             SELECT * FROM unnest($16, $17, $18, $19)), raised AS (UPDATE member m SET read_seq = \
             CASE WHEN $23 THEN k.seq ELSE greatest(m.read_seq, k.seq) END, unread_from = NULL \
             FROM unnest($20, $21, $22) AS k (conversation, account, seq) \
             WHERE m.conversation = k.conversation AND m.account = k.account) \
             UPDATE conversation c SET head_seq = h.seq, head_rev = h.rev FROM unnest($13, $14, $15) AS h (id, seq, rev) \
             WHERE c.id = h.id",
        )
        .bind(self.conversation)
        .bind(self.seq)
        .bind(self.rev)
        .bind(self.id)
        .bind(self.sender)
        .bind(self.nonce)
        .bind(self.digest)
        .bind(self.body)
        .bind(self.sent_at)
        .bind(self.reply_to)
        .bind(self.mentions)
        .bind(self.mentions_all)
        .bind(heads_id)
        .bind(heads_seq)
        .bind(heads_rev)
        .bind(accounts)
        .bind(places)
        .bind(seqs)
        .bind(senders)
        .bind(marked)
        .bind(users)
        .bind(marks)
        .bind(planted::is(Mistake::ReadMovesBack))
    }
}

type MarkColumns = (Vec<Uuid>, (Vec<Uuid>, Vec<i64>));

fn split(marks: &[(ConversationId, UserId, u64)]) -> MarkColumns {
    marks.iter().map(|(id, user, seq)| (id.uuid(), (user.uuid(), rows::integer(*seq)))).unzip()
}

/// Raises marks, and forgets what was kept as unread, where nothing else is written.
pub(super) fn write_marks(
    marks: &[(ConversationId, UserId, u64)],
) -> Query<'static, sqlx::Postgres, PgArguments> {
    let (conversations, (users, seqs)) = split(marks);
    sqlx::query(
        "UPDATE member m SET read_seq = CASE WHEN $4 THEN k.seq ELSE greatest(m.read_seq, k.seq) END, \
         unread_from = NULL FROM unnest($1, $2, $3) AS k (conversation, account, seq) \
         WHERE m.conversation = k.conversation AND m.account = k.account",
    )
    .bind(conversations)
    .bind(users)
    .bind(seqs)
    .bind(planted::is(Mistake::ReadMovesBack))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::postgres::{BY_KEY, MIGRATIONS};
    use sqlx::{AssertSqlSafe, Connection, raw_sql};

    /// A plan is kept, and the tables it was made for grow: it must look up keys even where they were known to be empty.
    #[tokio::test]
    async fn a_plan_made_for_empty_tables_looks_up_keys() {
        let Some(url) = std::env::var("CONFAB_TEST_POSTGRES").ok().filter(|url| !url.is_empty()) else {
            return;
        };
        let mut connection = PgConnection::connect(&url).await.unwrap();
        let schema = format!("plan{}", Uuid::now_v7().simple());
        let run = async |connection: &mut PgConnection, sql: String| {
            raw_sql(AssertSqlSafe(sql)).execute(connection).await.unwrap();
        };
        run(&mut connection, format!("CREATE SCHEMA {schema}; SET search_path TO {schema}")).await;
        MIGRATIONS.run(&mut connection).await.unwrap();
        for (setting, value) in BY_KEY {
            run(&mut connection, format!("SET {setting} = {value}")).await;
        }
        run(&mut connection, "VACUUM ANALYZE message, request, member, conversation".to_owned()).await;
        let prepare = format!("PREPARE posts (uuid[], uuid[], text[], uuid[]) AS {READ_POSTS}");
        run(&mut connection, format!("SET plan_cache_mode = force_generic_plan; {prepare}")).await;
        let explain = "EXPLAIN (COSTS OFF) EXECUTE posts ('{}', '{}', '{}', '{}')";
        let plan: Vec<String> =
            sqlx::query_scalar(explain).persistent(false).fetch_all(&mut connection).await.unwrap();
        let (plan, mut scans) = (plan.join("\n"), 0);
        for scan in plan.split("->").filter(|part| part.contains("Index")) {
            scans += 1;
            assert!(scan.contains("Index Cond"), "{plan}");
        }
        assert_eq!(scans, 5, "{plan}");
        assert!(plan.contains("message_id on message p") && !plan.contains("Materialize"), "{plan}");
        run(&mut connection, format!("DROP SCHEMA {schema} CASCADE")).await;
    }
}
