//! What the start of a socket reads, in one query each.

use super::Postgres;
use super::connections::reading;
use super::conversations::{INLINE, some};
use super::rows::{self, user_columns};
use super::settings;
use crate::hub::{CROWD, Floor};
use crate::store::{Head, Hello, Result, Start};
use async_trait::async_trait;
use protocol::{Conversation, ConversationId, SessionId, UserId};
use sqlx::postgres::PgRow;

fn start(row: &PgRow) -> sqlx::Result<Start> {
    let memberships = rows::list::<(uuid::Uuid, u64, u64)>(row, "memberships")?;
    let memberships =
        memberships.into_iter().map(|(id, seq, rev)| (ConversationId::from_uuid(id), Floor { seq, rev }));
    Ok(Start { user: rows::user(row)?, memberships: memberships.collect() })
}

fn head(row: &PgRow) -> sqlx::Result<Head> {
    let settings = settings::settings(row)?;
    let (read_seq, marks) = (rows::count(row, "read_seq")?, rows::count(row, "marks")?);
    Ok(Head {
        id: rows::conversation_id(row, "id")?,
        kind: rows::kind(row, "kind")?,
        rev: rows::count(row, "head_rev")?,
        state: protocol::conversation::state(read_seq, marks, &settings),
    })
}

#[async_trait]
impl Hello for Postgres {
    async fn start(&self, session: SessionId, account: UserId) -> Result<Option<Start>> {
        reading!(self, "read the start of a socket", |connection| async {
            let row = sqlx::query(concat!(
                "SELECT ",
                user_columns!(),
                ", (SELECT coalesce(json_agg(json_build_array(m.conversation, m.joined_seq, m.joined_rev)), '[]')::text \
                 FROM member m WHERE m.account = $2) AS memberships \
                 FROM account WHERE id = $2 AND EXISTS (SELECT 1 FROM session s WHERE s.id = $1 AND s.account = $2)"
            ))
            .bind(session.uuid())
            .bind(account.uuid())
            .fetch_optional(&mut *connection)
            .await?;
            row.as_ref().map(start).transpose()
        })
    }

    async fn heads(&self, user: UserId) -> Result<Vec<Head>> {
        reading!(self, "read the heads", |connection| async {
            let rows = sqlx::query(
                "SELECT c.id, c.kind, c.head_rev, m.read_seq, m.muted_until, m.pinned AS on_top, m.archived, m.draft, \
                 m.unread_from, CASE WHEN c.member_count <= $2 THEN (SELECT coalesce(sum(o.read_seq), 0)::bigint \
                 FROM member o WHERE o.conversation = c.id) ELSE 0 END AS marks \
                 FROM member m JOIN conversation c ON c.id = m.conversation WHERE m.account = $1",
            )
            .bind(user.uuid())
            .bind(INLINE)
            .fetch_all(&mut *connection)
            .await?;
            rows.iter().map(head).collect()
        })
    }

    async fn company(&self, user: UserId, most: usize) -> Result<Vec<UserId>> {
        reading!(self, "read who shares a conversation", |connection| async {
            let rows = sqlx::query(
                "SELECT DISTINCT o.account FROM member m JOIN conversation c ON c.id = m.conversation AND c.member_count <= $2 \
                 JOIN member o ON o.conversation = m.conversation AND o.account <> $1 WHERE m.account = $1 LIMIT $3",
            )
            .bind(user.uuid())
            .bind(i32::try_from(CROWD).unwrap_or(i32::MAX))
            .bind(i64::try_from(most).unwrap_or(i64::MAX))
            .fetch_all(&mut *connection)
            .await?;
            rows.iter().map(|row| rows::user_id(row, "account")).collect()
        })
    }

    async fn whole(&self, user: UserId, ids: &[ConversationId]) -> Result<Vec<Conversation>> {
        reading!(self, "read what differs", |connection| some(&mut connection, user, ids))
    }
}
