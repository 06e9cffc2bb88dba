//! Every number of the database that is derived from its rows, counted again in one snapshot.

use super::{failed, rows};
use crate::doctor::{FINDINGS, Report};
use crate::store::Result;
use protocol::ConversationId;
use sqlx::sqlite::{SqliteConnectOptions, SqliteRow};
use sqlx::{ConnectOptions, Connection, Row, SqliteConnection};
use std::path::Path;

/// A recount: what a row of it means, and the query that has a row for each thing that does not agree. `id` names the
/// conversation (or account), `is` what stands there, `should` what was counted.
struct Recount {
    sentence: &'static str,
    sql: &'static str,
}

/// `{id}`, `{is}` and `{should}` are the row's columns.
const RECOUNTS: &[Recount] = &[
    Recount {
        sentence: "Conversation {id} says its newest message is {is}; it has {should} messages.",
        sql: "SELECT c.id, c.head_seq AS 'is', count(m.seq) AS should FROM conversation c \
              LEFT JOIN message m ON m.conversation = c.id GROUP BY c.id HAVING c.head_seq <> count(m.seq)",
    },
    Recount {
        sentence: "Conversation {id} has a hole or a double in its messages: the highest is {is} of {should}.",
        sql: "SELECT conversation AS id, max(seq) AS 'is', count(*) AS should FROM message \
              GROUP BY conversation HAVING max(seq) <> count(*) OR min(seq) <> 1",
    },
    Recount {
        sentence: "Conversation {id} says its newest change is {is}; it has {should} changes.",
        sql: "SELECT c.id, c.head_rev AS 'is', \
              (SELECT count(*) FROM message m WHERE m.conversation = c.id) + \
              (SELECT count(*) FROM change h WHERE h.conversation = c.id) AS should FROM conversation c \
              WHERE c.head_rev <> (SELECT count(*) FROM message m WHERE m.conversation = c.id) + \
              (SELECT count(*) FROM change h WHERE h.conversation = c.id)",
    },
    Recount {
        sentence: "Conversation {id} has a change {is} after its newest, {should}.",
        sql: "SELECT c.id, m.posted_rev AS 'is', c.head_rev AS should FROM message m \
              JOIN conversation c ON c.id = m.conversation WHERE m.posted_rev > c.head_rev OR m.posted_rev < m.seq \
              UNION ALL SELECT c.id, h.rev, c.head_rev FROM change h \
              JOIN conversation c ON c.id = h.conversation WHERE h.rev > c.head_rev OR h.rev < 1",
    },
    Recount {
        sentence: "Conversation {id} has two changes with the number {is}.",
        sql: "SELECT m.conversation AS id, m.posted_rev AS 'is', 0 AS should FROM message m \
              JOIN change h ON h.conversation = m.conversation AND h.rev = m.posted_rev",
    },
    Recount {
        sentence: "Message {is} of conversation {id} was posted as a change before the message before it.",
        sql: "SELECT m.conversation AS id, m.seq AS 'is', 0 AS should FROM message m JOIN message b \
              ON b.conversation = m.conversation AND b.seq = m.seq - 1 WHERE b.posted_rev >= m.posted_rev",
    },
    Recount {
        sentence: "Change {is} of conversation {id} says it stands after a message it does not stand after: it should be {should}.",
        sql: "SELECT id, \"is\", should FROM (SELECT conversation AS id, rev AS 'is', seq, \
              rev - row_number() OVER (PARTITION BY conversation ORDER BY rev) AS should FROM change) WHERE seq <> should",
    },
    Recount {
        sentence: "Conversation {id} has a message whose last change is not {is} but {should}.",
        sql: "SELECT m.conversation AS id, m.rev AS 'is', h.rev AS should FROM \
              (SELECT conversation, target, max(rev) AS rev FROM change WHERE target IS NOT NULL GROUP BY conversation, target) h \
              JOIN message m ON m.conversation = h.conversation AND m.seq = h.target WHERE m.rev <> h.rev",
    },
    Recount {
        sentence: "Conversation {id} says it has {is} members; it has {should}.",
        sql: "SELECT c.id, c.member_count AS 'is', count(m.account) AS should FROM conversation c \
              LEFT JOIN member m ON m.conversation = c.id GROUP BY c.id HAVING c.member_count <> count(m.account)",
    },
    Recount {
        sentence: "A read mark in conversation {id} is at {is}, after its newest message, {should}.",
        sql: "SELECT c.id, m.read_seq AS 'is', c.head_seq AS should FROM member m \
              JOIN conversation c ON c.id = m.conversation WHERE m.read_seq > c.head_seq OR m.joined_seq > c.head_seq",
    },
    Recount {
        sentence: "A member of conversation {id} counts {is} unread messages; the rows say {should}.",
        sql: "SELECT id, \"is\", should FROM (SELECT c.id, c.head_seq - m.read_seq - (SELECT count(*) FROM message r \
              WHERE r.conversation = c.id AND r.seq > m.read_seq AND r.recalled) AS 'is', (SELECT count(*) FROM message r \
              WHERE r.conversation = c.id AND r.seq > m.read_seq AND NOT r.recalled AND r.sender <> m.account) AS should \
              FROM member m JOIN conversation c ON c.id = m.conversation) WHERE \"is\" <> should",
    },
    Recount {
        sentence: "Group {id} has {is} owners; it should have {should}.",
        sql: "SELECT c.id, count(m.account) AS 'is', 1 AS should FROM conversation c \
              LEFT JOIN member m ON m.conversation = c.id AND m.role = 2 \
              WHERE c.kind = 1 AND c.member_count > 0 GROUP BY c.id HAVING count(m.account) <> 1",
    },
    Recount {
        sentence: "Message {is} of conversation {id} was recalled and still says something.",
        sql: "SELECT conversation AS id, seq AS 'is', 0 AS should FROM message WHERE recalled AND (body <> '{\"kind\":\"recalled\"}' \
              OR reactions IS NOT NULL OR pinned OR mentions IS NOT NULL OR mentions_all)",
    },
    Recount {
        sentence: "Message {is} of conversation {id} was recalled and an earlier version of it is still there.",
        sql: "SELECT e.conversation AS id, e.seq AS 'is', 0 AS should FROM edit e \
              JOIN message m ON m.conversation = e.conversation AND m.seq = e.seq WHERE m.recalled",
    },
    Recount {
        sentence: "Message {is} of conversation {id} names {should} people; as many are not counted.",
        sql: "WITH counted AS (SELECT conversation, seq, count(*) AS n FROM mention GROUP BY conversation, seq), \
              named AS (SELECT conversation, seq, CASE WHEN mentions_all THEN 1 ELSE length(mentions) / 16 - \
              (instr(mentions, sender) > 0) END AS n FROM message WHERE mentions IS NOT NULL OR mentions_all) \
              SELECT named.conversation AS id, named.seq AS 'is', named.n AS should FROM named LEFT JOIN counted \
              ON counted.conversation = named.conversation AND counted.seq = named.seq \
              WHERE named.n <> coalesce(counted.n, 0)",
    },
    Recount {
        sentence: "Conversation {id} names somebody in message {is}, which is not there or names nobody.",
        sql: "SELECT n.conversation AS id, n.seq AS 'is', 0 AS should FROM mention n LEFT JOIN message m \
              ON m.conversation = n.conversation AND m.seq = n.seq WHERE m.seq IS NULL OR (m.mentions IS NULL AND NOT m.mentions_all)",
    },
    Recount {
        sentence: "A message stands in conversation {id}, which is not there.",
        sql: "SELECT DISTINCT m.conversation AS id, 0 AS 'is', 0 AS should FROM message m \
              WHERE m.conversation NOT IN (SELECT id FROM conversation)",
    },
    Recount {
        sentence: "A change stands in conversation {id}, which is not there.",
        sql: "SELECT DISTINCT h.conversation AS id, 0 AS 'is', 0 AS should FROM change h \
              WHERE h.conversation NOT IN (SELECT id FROM conversation)",
    },
    Recount {
        sentence: "Account {id} is a member somewhere and is not there.",
        sql: "SELECT DISTINCT m.account AS id, 0 AS 'is', 0 AS should FROM member m \
              WHERE m.account NOT IN (SELECT id FROM account)",
    },
    Recount {
        sentence: "Account {id} wrote a message and is not there.",
        sql: "SELECT DISTINCT sender AS id, 0 AS 'is', 0 AS should FROM message WHERE sender NOT IN (SELECT id FROM account)",
    },
    Recount {
        sentence: "A request in conversation {id} was about message {is}, which is not there.",
        sql: "SELECT q.conversation AS id, q.seq AS 'is', 0 AS should FROM request q LEFT JOIN message m \
              ON m.conversation = q.conversation AND m.seq = q.seq WHERE q.seq IS NOT NULL AND m.seq IS NULL",
    },
    Recount {
        sentence: "A nonce stands for a message and for something else, in conversation {id}.",
        sql: "SELECT m.conversation AS id, 0 AS 'is', 0 AS should FROM request q \
              JOIN message m ON m.nonce = q.nonce AND m.sender = q.sender",
    },
    Recount {
        sentence: "Message {is} of conversation {id} was refused, and is stored.",
        sql: "SELECT m.conversation AS id, m.seq AS 'is', 0 AS should FROM refused f JOIN message m ON m.id = f.id",
    },
];

fn sentence(recount: &Recount, row: &SqliteRow) -> sqlx::Result<String> {
    let id: &[u8] = row.try_get("id")?;
    let id = rows::uuid(id).map_or_else(|_| "with a malformed id".to_owned(), |id| id.to_string());
    let number = |column| row.try_get::<Option<i64>, _>(column).map(|n| n.unwrap_or_default().to_string());
    Ok(recount
        .sentence
        .replace("{id}", &id)
        .replace("{is}", &number("is")?)
        .replace("{should}", &number("should")?))
}

async fn recount(connection: &mut SqliteConnection, recount: &Recount) -> sqlx::Result<Vec<String>> {
    let found = sqlx::query(recount.sql).fetch_all(connection).await?;
    let told = found.iter().take(FINDINGS as usize);
    let mut findings = told.map(|row| sentence(recount, row)).collect::<sqlx::Result<Vec<_>>>()?;
    if found.len() > findings.len() {
        findings.push(format!("And {} more of these.", found.len() - findings.len()));
    }
    Ok(findings)
}

/// What SQLite itself finds, and ids that are not derived as they should be.
async fn other(connection: &mut SqliteConnection) -> sqlx::Result<Vec<String>> {
    let mut findings = Vec::new();
    for line in
        sqlx::query_scalar::<_, String>("PRAGMA integrity_check(20)").fetch_all(&mut *connection).await?
    {
        if line != "ok" {
            findings.push(format!("The file is damaged: {line}."));
        }
    }
    let foreign = sqlx::query("PRAGMA foreign_key_check").fetch_all(&mut *connection).await?;
    if !foreign.is_empty() {
        findings.push(format!("{} rows point at something that is not there.", foreign.len()));
    }
    let epoch: Option<Vec<u8>> = sqlx::query_scalar("SELECT value FROM meta WHERE key = 'epoch'")
        .fetch_optional(&mut *connection)
        .await?;
    if epoch.is_none_or(|epoch| epoch.len() != 16) {
        findings.push("The database has no epoch: clients could not tell a restore.".to_owned());
    }
    let pairs = sqlx::query(
        "SELECT c.id, min(m.account) AS one, max(m.account) AS other, count(*) AS members FROM conversation c \
         LEFT JOIN member m ON m.conversation = c.id WHERE c.kind = 0 GROUP BY c.id",
    )
    .fetch_all(connection)
    .await?;
    for row in &pairs {
        let id = rows::conversation_id(row, "id")?;
        let pair = (row.try_get::<i64, _>("members")? == 2)
            .then(|| Ok::<_, sqlx::Error>((rows::user_id(row, "one")?, rows::user_id(row, "other")?)))
            .transpose()?;
        if pair.is_none_or(|(one, other)| ConversationId::direct(one, other) != id) {
            findings.push(format!("Direct conversation {id} is not that of its two people."));
        }
    }
    Ok(findings)
}

/// Examines a database file without writing to it, in one snapshot.
pub(crate) async fn examine(file: &Path) -> Result<Report> {
    let doing = "examine the database";
    let mut connection = SqliteConnectOptions::new()
        .filename(file)
        .read_only(true)
        .busy_timeout(super::BUSY)
        .disable_statement_logging()
        .connect()
        .await
        .map_err(failed(doing))?;
    let mut snapshot = connection.begin().await.map_err(failed(doing))?;
    let mut findings = Vec::new();
    for one in RECOUNTS {
        findings.extend(recount(&mut snapshot, one).await.map_err(failed(doing))?);
    }
    findings.extend(other(&mut snapshot).await.map_err(failed(doing))?);
    let counts = sqlx::query(
        "SELECT (SELECT count(*) FROM account) AS accounts, (SELECT count(*) FROM conversation) AS conversations, \
         (SELECT count(*) FROM message) AS messages, (SELECT count(*) FROM change) AS changes, \
         (SELECT count(*) FROM member) AS members",
    )
    .fetch_one(&mut *snapshot)
    .await
    .map_err(failed(doing))?;
    let count = |column| counts.try_get::<i64, _>(column).map_err(failed(doing));
    let looked_at = format!(
        "{} accounts, {} conversations with {} members, {} messages and {} other changes, counted {} ways.",
        count("accounts")?,
        count("conversations")?,
        count("members")?,
        count("messages")?,
        count("changes")?,
        RECOUNTS.len() + 4,
    );
    drop(snapshot);
    connection.close().await.map_err(failed(doing))?;
    Ok(Report { looked_at, findings })
}
