//! Transactions that begin with their locks. Everybody takes them in the same order, so that two nodes never wait for
//! each other: first people by key, then conversations by id.
//!
//! A person's lock covers their nonces: two nodes that hear the same nonce at once write it one after the other, and who
//! asks what became of a nonce waits for a commit that is still under way.

use super::connections::Phase;
use protocol::{ConversationId, UserId};
use sqlx::{AssertSqlSafe, Connection, PgConnection, Postgres, Transaction};
use std::collections::BTreeSet;
use std::fmt::Write;

/// 64 bits of an id. Two people with the same wait for each other, that is all.
fn key(user: UserId) -> i64 {
    let (high, low) = user.uuid().as_u64_pair();
    i64::from_ne_bytes((high ^ low).to_ne_bytes())
}

/// `BEGIN` and the locks as one string, because each crossing costs more than a lock.
fn begin_sql(people: &BTreeSet<i64>, conversations: &BTreeSet<ConversationId>) -> String {
    let mut sql = "BEGIN".to_owned();
    let list = |sql: &mut String, items: &mut dyn Iterator<Item = String>| {
        for (i, item) in items.enumerate() {
            // Writing to a string does not fail.
            let _ = write!(sql, "{}{item}", if i == 0 { "" } else { ", " });
        }
    };
    if !people.is_empty() {
        sql.push_str("; SELECT count(pg_advisory_xact_lock(k)) FROM unnest('{");
        list(&mut sql, &mut people.iter().map(i64::to_string));
        sql.push_str("}'::bigint[]) AS k");
    }
    if !conversations.is_empty() {
        // Not FOR UPDATE: that would also hold up whoever adds a member elsewhere, for the key, which never changes.
        sql.push_str("; SELECT FROM conversation WHERE id = ANY ('{");
        list(&mut sql, &mut conversations.iter().map(|id| id.uuid().to_string()));
        sql.push_str("}'::uuid[]) ORDER BY id FOR NO KEY UPDATE");
    }
    sql
}

/// Begins a transaction that holds these locks until its end. What is read in it is as it is after they were taken.
pub(super) async fn begin(
    connection: &mut PgConnection,
    people: impl Iterator<Item = UserId>,
    conversations: impl Iterator<Item = ConversationId>,
) -> sqlx::Result<Transaction<'_, Postgres>> {
    // The text is made of numbers and ids only.
    let sql = begin_sql(&people.map(key).collect(), &conversations.collect());
    connection.begin_with(AssertSqlSafe(sql)).await
}

/// One state of the database for several reads.
pub(super) async fn snapshot(connection: &mut PgConnection) -> sqlx::Result<Transaction<'_, Postgres>> {
    connection.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await
}

/// Ends it: from here on a lost answer leaves the outcome unknown.
pub(super) async fn commit(transaction: Transaction<'_, Postgres>, phase: &Phase) -> sqlx::Result<()> {
    phase.committing();
    transaction.commit().await
}
