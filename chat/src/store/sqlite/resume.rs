//! What the start of a socket reads, in one query each.

use super::conversations::conversation;
use super::rows::{self, Fields, message_columns, user_columns};
use super::settings::{self, personal_columns};
use super::{Sqlite, failed};
use crate::hub::Floor;
use crate::store::{Head, Hello, Result, Start};
use async_trait::async_trait;
use protocol::{Conversation, ConversationId, Member, SessionId, UserId, limits};
use sqlx::sqlite::SqliteRow;

const HEADS: &str = "SELECT c.id, c.kind, c.head_rev, m.read_seq, m.muted_until, m.pinned AS on_top, m.archived, m.draft, \
     m.unread_from, iif(c.member_count <= ?2, (SELECT coalesce(sum(o.read_seq), 0) FROM member o \
     WHERE o.conversation = c.id), 0) AS marks \
     FROM member m JOIN conversation c ON c.id = m.conversation WHERE m.account = ?1";

/// Conversations as these memberships see them, with their newest message, and with their members where those are at
/// most `?2`.
macro_rules! select_whole {
    ($memberships:literal) => {
        concat!(
            "SELECT c.id, c.kind, c.title, c.head_rev, c.member_count, c.public, c.history, ",
            personal_columns!(),
            ", ",
            message_columns!("l"),
            ", (SELECT json_group_array(json_array(hex(o.account), o.role, o.read_seq) \
             ORDER BY o.joined_at, o.role DESC, o.account) FROM member o \
             WHERE o.conversation = c.id AND c.member_count <= ?2) AS members FROM ",
            $memberships,
            " JOIN conversation c ON c.id = m.conversation \
             LEFT JOIN message l ON l.conversation = c.id AND l.seq = c.head_seq AND l.seq > m.joined_seq \
             ORDER BY max(coalesce(l.sent_at, 0), m.joined_at) DESC, c.id"
        )
    };
}

/// A list that SQLite made as JSON.
fn list<T: serde::de::DeserializeOwned>(row: &impl Fields, column: &str) -> sqlx::Result<Vec<T>> {
    serde_json::from_str(rows::text(row, column)?).map_err(|error| sqlx::Error::Decode(error.into()))
}

fn id_from_hex(hex: &str) -> sqlx::Result<uuid::Uuid> {
    uuid::Uuid::try_parse(hex).map_err(|error| sqlx::Error::Decode(error.into()))
}

fn start(row: &SqliteRow) -> sqlx::Result<Start> {
    let memberships = list::<(String, u64, u64)>(row, "memberships")?;
    let memberships = memberships
        .iter()
        .map(|(hex, seq, rev)| {
            Ok((ConversationId::from_uuid(id_from_hex(hex)?), Floor { seq: *seq, rev: *rev }))
        })
        .collect::<sqlx::Result<_>>()?;
    Ok(Start { user: rows::user(row)?, memberships })
}

fn head(row: &impl Fields) -> sqlx::Result<Head> {
    let settings = settings::settings(row)?;
    let (read_seq, marks) = (rows::count(row, "read_seq")?, rows::count(row, "marks")?);
    Ok(Head {
        id: rows::conversation_id(row, "id")?,
        kind: rows::kind(row, "kind")?,
        rev: rows::count(row, "head_rev")?,
        state: protocol::conversation::state(read_seq, marks, &settings),
    })
}

fn whole(row: &impl Fields) -> sqlx::Result<Conversation> {
    let members = list::<(String, i64, u64)>(row, "members")?;
    let members = members
        .iter()
        .map(|(hex, role, read_seq)| {
            let user = UserId::from_uuid(id_from_hex(hex)?);
            Ok(Member { user, role: rows::role_from_int(*role)?, read_seq: *read_seq })
        })
        .collect::<sqlx::Result<_>>()?;
    conversation(row, members)
}

#[async_trait]
impl Hello for Sqlite {
    async fn start(&self, session: SessionId, account: UserId) -> Result<Option<Start>> {
        let row = sqlx::query(concat!(
            "SELECT ",
            user_columns!(),
            ", (SELECT json_group_array(json_array(hex(m.conversation), m.joined_seq, m.joined_rev)) FROM member m \
             WHERE m.account = ?2) AS memberships \
             FROM account WHERE id = ?2 AND EXISTS (SELECT 1 FROM session s WHERE s.id = ?1 AND s.account = ?2)"
        ))
        .bind(&session.as_bytes()[..])
        .bind(&account.as_bytes()[..])
        .fetch_optional(&self.read)
        .await
        .map_err(failed("read the start of a socket"))?;
        row.as_ref().map(start).transpose().map_err(failed("read the start of a socket"))
    }

    async fn heads(&self, user: UserId) -> Result<Vec<Head>> {
        let values = vec![user.as_bytes().to_vec().into(), limits::MEMBERS_INLINE.into()];
        self.readers.all("read the heads", HEADS, values, |row| head(row)).await
    }

    /// One node: whoever is here is known here.
    async fn company(&self, _: UserId, _: usize) -> Result<Vec<UserId>> {
        Ok(Vec::new())
    }

    async fn whole(&self, user: UserId, ids: &[ConversationId]) -> Result<Vec<Conversation>> {
        let asked = rows::hex_list(ids.iter().map(ConversationId::as_bytes));
        let values = vec![user.as_bytes().to_vec().into(), limits::MEMBERS_INLINE.into(), asked.into()];
        let statement = select_whole!(
            "json_each(?3) asked CROSS JOIN member m ON m.conversation = unhex(asked.value) AND m.account = ?1"
        );
        self.readers.all("read what differs", statement, values, |row| whole(row)).await
    }
}

impl Sqlite {
    /// All of a person's conversations, newest activity first.
    pub(super) async fn list(&self, user: UserId) -> Result<Vec<Conversation>> {
        let values = vec![user.as_bytes().to_vec().into(), limits::MEMBERS_INLINE.into()];
        let statement = select_whole!("(SELECT * FROM member WHERE account = ?1) m");
        self.readers.all("read the conversations", statement, values, |row| whole(row)).await
    }
}
