//! What the start of a socket reads, in one query each.

use super::Postgres;
use super::connections::reading;
use super::conversations::{INLINE, conversation};
use super::rows::{self, message_columns, user_columns};
use super::settings::{self, personal_columns};
use crate::store::{Head, Hello, Result, Start};
use async_trait::async_trait;
use protocol::{Conversation, ConversationId, Member, SessionId, UserId};
use sqlx::Row;
use sqlx::postgres::PgRow;

/// A list that Postgres made as JSON.
fn list<T: serde::de::DeserializeOwned>(row: &PgRow, column: &str) -> sqlx::Result<Vec<T>> {
    let json: &str = row.try_get(column)?;
    serde_json::from_str(json).map_err(|error| sqlx::Error::Decode(error.into()))
}

fn id_from_text(text: &str) -> sqlx::Result<uuid::Uuid> {
    uuid::Uuid::try_parse(text).map_err(|error| sqlx::Error::Decode(error.into()))
}

fn start(row: &PgRow) -> sqlx::Result<Start> {
    let memberships = list::<(String, u64)>(row, "memberships")?;
    let memberships = memberships
        .iter()
        .map(|(text, floor)| Ok((ConversationId::from_uuid(id_from_text(text)?), *floor)))
        .collect::<sqlx::Result<_>>()?;
    Ok(Start { user: rows::user(row)?, memberships })
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

fn whole(row: &PgRow) -> sqlx::Result<Conversation> {
    let members = list::<(String, i16, u64)>(row, "members")?;
    let members = members
        .iter()
        .map(|(text, role, read_seq)| {
            let user = UserId::from_uuid(id_from_text(text)?);
            Ok(Member { user, role: rows::role_from_int(*role)?, read_seq: *read_seq })
        })
        .collect::<sqlx::Result<_>>()?;
    conversation(row, members)
}

#[async_trait]
impl Hello for Postgres {
    async fn start(&self, session: SessionId, account: UserId) -> Result<Option<Start>> {
        reading!(self, "read the start of a socket", |connection| async {
            let row = sqlx::query(concat!(
                "SELECT ",
                user_columns!(),
                ", (SELECT coalesce(json_agg(json_build_array(m.conversation, m.joined_seq)), '[]')::text \
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

    async fn whole(&self, user: UserId, ids: &[ConversationId]) -> Result<Vec<Conversation>> {
        let ids = rows::conversations(ids);
        reading!(self, "read what differs", |connection| async {
            let rows = sqlx::query(concat!(
                "SELECT c.id, c.kind, c.title, c.head_rev, c.member_count, c.public, c.history, ",
                personal_columns!(),
                ", ",
                message_columns!("l"),
                ", (SELECT coalesce(json_agg(json_build_array(o.account, o.role, o.read_seq) \
                 ORDER BY o.joined_at, o.role DESC, o.account), '[]')::text FROM member o \
                 WHERE o.conversation = c.id AND c.member_count <= $3) AS members \
                 FROM unnest($2) AS asked (id) JOIN member m ON m.conversation = asked.id AND m.account = $1 \
                 JOIN conversation c ON c.id = m.conversation \
                 LEFT JOIN message l ON l.conversation = c.id AND l.seq = c.head_seq AND l.seq > m.joined_seq \
                 ORDER BY greatest(coalesce(l.sent_at, 0), m.joined_at) DESC, c.id"
            ))
            .bind(user.uuid())
            .bind(&ids)
            .bind(INLINE)
            .fetch_all(&mut *connection)
            .await?;
            rows.iter().map(whole).collect()
        })
    }
}
