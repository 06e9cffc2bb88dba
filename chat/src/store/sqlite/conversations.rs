//! Conversations and members in SQLite: reading them, and the transactions around what changes them.

use super::rows::{self, Fields, message_columns};
use super::settings::{self, personal_columns};
use super::{Sqlite, failed, groups, uncommitted};
use crate::planted;
use crate::store::{
    Conversations, Created, Edited, GroupEdit, NewConversation, NewSettings, Personal, Result, Standing,
};
use async_trait::async_trait;
use protocol::rest::Group;
use protocol::{Conversation, ConversationId, Member, UserId, limits};
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

/// A member's conversations with their newest message.
macro_rules! select_conversations {
    ($where:literal) => {
        concat!(
            "SELECT c.id, c.kind, c.title, c.head_rev, c.member_count, c.public, c.history, ",
            personal_columns!(),
            ", ",
            message_columns!("l"),
            " FROM member m JOIN conversation c ON c.id = m.conversation ",
            "LEFT JOIN message l ON l.conversation = c.id AND l.seq = c.head_seq AND l.seq > m.joined_seq ",
            "WHERE m.account = ?1 ",
            $where,
            " ORDER BY max(coalesce(l.sent_at, 0), m.joined_at) DESC, c.id"
        )
    };
}

/// Members of a person's conversations that are small enough to carry them.
macro_rules! select_members {
    ($where:literal) => {
        concat!(
            "SELECT o.conversation, o.account, o.role, o.read_seq FROM member m ",
            "JOIN conversation c ON c.id = m.conversation JOIN member o ON o.conversation = m.conversation ",
            "WHERE m.account = ?1 ",
            $where,
            " AND c.member_count <= ?2 ORDER BY o.conversation, o.joined_at, o.role DESC, o.account"
        )
    };
}

pub(super) fn conversation(row: &impl Fields, members: Vec<Member>) -> sqlx::Result<Conversation> {
    let id = rows::conversation_id(row, "id")?;
    let read_seq = rows::count(row, "read_seq")?;
    let last_message = match row.integer("seq")? {
        Some(_) => Some(rows::message(row, id)?),
        None => None,
    };
    Ok(Conversation {
        id,
        kind: rows::kind(row, "kind")?,
        title: rows::text(row, "title")?.to_owned(),
        head_seq: rows::count(row, "head_seq")?,
        head_rev: rows::count(row, "head_rev")?,
        read_seq,
        unread: planted::counted(id).map_or_else(|| settings::unread(row), Ok)?,
        mentions: rows::count(row, "names_me")?,
        last_message,
        members,
        member_count: rows::number(row, "member_count")?
            .try_into()
            .map_err(|_| rows::corrupt("a counter is out of range"))?,
        public: rows::flag(row, "public")?,
        history: rows::history(row, "history")?,
        settings: settings::settings(row)?,
    })
}

fn member(row: &SqliteRow) -> sqlx::Result<Member> {
    Ok(Member {
        user: rows::user_id(row, "account")?,
        role: rows::role(row, "role")?,
        read_seq: rows::count(row, "read_seq")?,
    })
}

#[async_trait]
impl Conversations for Sqlite {
    async fn create(&self, new: NewConversation) -> Result<Created> {
        let failed = || failed("create a conversation");
        let _turn = self.checkpoints.turn().await;
        let mut transaction = self.write.begin_with("BEGIN IMMEDIATE").await.map_err(failed())?;
        let created = groups::create(&mut transaction, &new).await.map_err(failed())?;
        if created == Created::New {
            transaction.commit().await.map_err(uncommitted("create a conversation"))?;
        }
        Ok(created)
    }

    async fn edit(&self, edit: GroupEdit) -> Result<Edited> {
        let failed = || failed("change a group");
        let _turn = self.checkpoints.turn().await;
        let mut transaction = self.write.begin_with("BEGIN IMMEDIATE").await.map_err(failed())?;
        let edited = groups::edit(&mut transaction, &edit).await.map_err(failed())?;
        if let Edited::Done { .. } = edited {
            transaction.commit().await.map_err(uncommitted("change a group"))?;
        }
        Ok(edited)
    }

    async fn conversation(&self, user: UserId, id: ConversationId) -> Result<Option<Conversation>> {
        let failed = || failed("read a conversation");
        let mut snapshot = self.read.begin().await.map_err(failed())?;
        let row = sqlx::query(select_conversations!("AND m.conversation = ?2"))
            .bind(&user.as_bytes()[..])
            .bind(&id.as_bytes()[..])
            .fetch_optional(&mut *snapshot)
            .await
            .map_err(failed())?;
        let Some(row) = row else { return Ok(None) };
        let members = sqlx::query(select_members!("AND m.conversation = ?3"))
            .bind(&user.as_bytes()[..])
            .bind(limits::MEMBERS_INLINE)
            .bind(&id.as_bytes()[..])
            .fetch_all(&mut *snapshot)
            .await
            .map_err(failed())?;
        let members = members.iter().map(member).collect::<Result<_, _>>().map_err(failed())?;
        conversation(&row, members).map(Some).map_err(failed())
    }

    async fn conversations(&self, user: UserId) -> Result<Vec<Conversation>> {
        self.list(user).await
    }

    async fn set(&self, new: &[NewSettings]) -> Result<Vec<Option<Personal>>> {
        let failed = || failed("change what only one member sees");
        let _turn = self.checkpoints.turn().await;
        let mut transaction = self.write.begin_with("BEGIN IMMEDIATE").await.map_err(failed())?;
        let mut found = Vec::with_capacity(new.len());
        for new in new {
            found.push(settings::set(&mut transaction, new).await.map_err(failed())?);
        }
        transaction.commit().await.map_err(uncommitted("change what only one member sees"))?;
        Ok(found)
    }

    async fn public_groups(&self, user: UserId, q: &str, limit: u32) -> Result<Vec<Group>> {
        // instr, not LIKE: what people type is taken as it is. A group that everybody has left has no owner who could
        // let anybody in, so it is not there.
        let rows = sqlx::query(
            "SELECT c.id, c.title, c.member_count, \
             EXISTS (SELECT 1 FROM member m WHERE m.conversation = c.id AND m.account = ?2) AS joined \
             FROM conversation c INDEXED BY conversation_public \
             WHERE c.public AND c.member_count > 0 AND instr(lower(c.title), lower(?1)) \
             ORDER BY c.member_count DESC, c.id LIMIT ?3",
        )
        .bind(q)
        .bind(&user.as_bytes()[..])
        .bind(limit)
        .fetch_all(&self.read)
        .await
        .map_err(failed("search groups"))?;
        rows.iter()
            .map(|row| {
                Ok(Group {
                    id: rows::conversation_id(row, "id")?,
                    title: row.try_get("title")?,
                    member_count: row.try_get("member_count")?,
                    joined: row.try_get("joined")?,
                })
            })
            .collect::<sqlx::Result<_>>()
            .map_err(failed("search groups"))
    }

    async fn head_revs(&self, ids: &[ConversationId]) -> Result<Vec<(ConversationId, u64)>> {
        let rows = sqlx::query(
            "SELECT id, head_rev FROM conversation WHERE id IN (SELECT unhex(value) FROM json_each(?))",
        )
        .bind(rows::hex_list(ids.iter().map(ConversationId::as_bytes)))
        .fetch_all(&self.read)
        .await
        .map_err(failed("read heads"))?;
        rows.iter()
            .map(|row| Ok((rows::conversation_id(row, "id")?, rows::count(row, "head_rev")?)))
            .collect::<sqlx::Result<_>>()
            .map_err(failed("read heads"))
    }

    async fn standing(&self, user: UserId, id: ConversationId) -> Result<Option<Standing>> {
        let failed = || failed("read a membership");
        let row = sqlx::query(
            "SELECT c.head_seq, c.head_rev, m.joined_seq, m.joined_rev FROM member m \
             JOIN conversation c ON c.id = m.conversation WHERE m.conversation = ? AND m.account = ?",
        )
        .bind(&id.as_bytes()[..])
        .bind(&user.as_bytes()[..])
        .fetch_optional(&self.read)
        .await
        .map_err(failed())?;
        row.map(|row| {
            Ok(Standing {
                head_seq: rows::count(&row, "head_seq")?,
                head_rev: rows::count(&row, "head_rev")?,
                joined_seq: rows::count(&row, "joined_seq")?,
                joined_rev: rows::count(&row, "joined_rev")?,
            })
        })
        .transpose()
        .map_err(failed())
    }

    async fn member(&self, id: ConversationId, user: UserId) -> Result<Option<Member>> {
        let row =
            sqlx::query("SELECT account, role, read_seq FROM member WHERE conversation = ? AND account = ?")
                .bind(&id.as_bytes()[..])
                .bind(&user.as_bytes()[..])
                .fetch_optional(&self.read)
                .await
                .map_err(failed("read a member"))?;
        row.as_ref().map(member).transpose().map_err(failed("read a member"))
    }

    async fn members(&self, id: ConversationId) -> Result<Vec<Member>> {
        let rows = sqlx::query(
            "SELECT account, role, read_seq FROM member WHERE conversation = ? ORDER BY joined_at, role DESC, account",
        )
        .bind(&id.as_bytes()[..])
        .fetch_all(&self.read)
        .await
        .map_err(failed("read the members"))?;
        rows.iter().map(member).collect::<Result<_, _>>().map_err(failed("read the members"))
    }
}
