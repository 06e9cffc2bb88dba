//! Conversations and members in Postgres: reading them, and the transactions around what changes them.

use super::connections::{Phase, reading, writing};
use super::rows::{self, message_columns};
use super::settings::{self, personal_columns};
use super::{Postgres, groups, locks};
use crate::planted;
use crate::store::{
    Conversations, Created, Edited, GroupEdit, NewConversation, NewSettings, Personal, Result, Standing,
};
use async_trait::async_trait;
use protocol::rest::Group;
use protocol::{Conversation, ConversationId, Member, UserId, limits};
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row};

/// Most members a conversation carries, as a statement takes it.
pub(super) const INLINE: i64 = limits::MEMBERS_INLINE as i64;

/// A person's conversations with their newest message and, where they are small enough, their members; newest activity
/// first. One statement, so one state of the database. `$1`: the person, `$2`: [`INLINE`].
macro_rules! select_conversations {
    ($from:literal) => {
        concat!(
            "SELECT c.id, c.kind, c.title, c.head_rev, c.member_count, c.public, c.history, ",
            personal_columns!(),
            ", ",
            message_columns!("l"),
            ", (SELECT coalesce(json_agg(json_build_array(o.account, o.role, o.read_seq) \
             ORDER BY o.joined_at, o.role DESC, o.account), '[]')::text FROM member o \
             WHERE o.conversation = c.id AND c.member_count <= $2) AS members FROM ",
            $from,
            " JOIN conversation c ON c.id = m.conversation \
             LEFT JOIN message l ON l.conversation = c.id AND l.seq = c.head_seq AND l.seq > m.joined_seq \
             WHERE m.account = $1 ORDER BY greatest(coalesce(l.sent_at, 0), m.joined_at) DESC, c.id"
        )
    };
}

fn conversation(row: &PgRow) -> sqlx::Result<Conversation> {
    let members = rows::list::<(uuid::Uuid, i16, u64)>(row, "members")?;
    let members = members
        .into_iter()
        .map(|(user, role, read_seq)| {
            Ok(Member { user: UserId::from_uuid(user), role: rows::role_from_int(role)?, read_seq })
        })
        .collect::<sqlx::Result<_>>()?;
    let id = rows::conversation_id(row, "id")?;
    let read_seq = rows::count(row, "read_seq")?;
    let last_message = match row.try_get::<Option<i64>, _>("seq")? {
        Some(_) => Some(rows::message(row, id)?),
        None => None,
    };
    Ok(Conversation {
        id,
        kind: rows::kind(row, "kind")?,
        title: row.try_get("title")?,
        head_seq: rows::count(row, "head_seq")?,
        head_rev: rows::count(row, "head_rev")?,
        read_seq,
        unread: planted::counted(id).map_or_else(|| settings::unread(row), Ok)?,
        mentions: rows::count(row, "names_me")?,
        last_message,
        members,
        member_count: rows::small(row, "member_count")?,
        public: row.try_get("public")?,
        history: rows::history(row, "history")?,
        settings: settings::settings(row)?,
    })
}

fn member(row: &PgRow) -> sqlx::Result<Member> {
    Ok(Member {
        user: rows::user_id(row, "account")?,
        role: rows::role(row, "role")?,
        read_seq: rows::count(row, "read_seq")?,
    })
}

/// A membership as its owner's look at the log is bounded by.
fn standing(row: &PgRow) -> sqlx::Result<Standing> {
    Ok(Standing {
        head_seq: rows::count(row, "head_seq")?,
        head_rev: rows::count(row, "head_rev")?,
        joined_seq: rows::count(row, "joined_seq")?,
        joined_rev: rows::count(row, "joined_rev")?,
    })
}

/// Those of these conversations the person is a member of.
pub(super) async fn some(
    connection: &mut PgConnection,
    user: UserId,
    ids: &[ConversationId],
) -> sqlx::Result<Vec<Conversation>> {
    let rows = sqlx::query(select_conversations!(
        "unnest($3) AS asked (id) JOIN member m ON m.conversation = asked.id"
    ))
    .bind(user.uuid())
    .bind(INLINE)
    .bind(rows::conversations(ids))
    .fetch_all(connection)
    .await?;
    rows.iter().map(conversation).collect()
}

async fn all(connection: &mut PgConnection, user: UserId) -> sqlx::Result<Vec<Conversation>> {
    let rows = sqlx::query(select_conversations!("member m"))
        .bind(user.uuid())
        .bind(INLINE)
        .fetch_all(connection)
        .await?;
    rows.iter().map(conversation).collect()
}

async fn create(
    connection: &mut PgConnection,
    phase: &Phase,
    new: &NewConversation,
) -> sqlx::Result<Created> {
    // The founder's lock covers the nonce. The conversation is not there yet; two nodes that open the same one meet at
    // its key.
    let founder = new.members.iter().take(1).map(|(founder, _)| *founder);
    let mut transaction = locks::begin(connection, founder, std::iter::empty()).await?;
    let created = groups::create(&mut transaction, new).await?;
    if created == Created::New {
        locks::commit(transaction, phase).await?;
    } else {
        transaction.rollback().await?;
    }
    Ok(created)
}

async fn edit(connection: &mut PgConnection, phase: &Phase, edit: &GroupEdit) -> sqlx::Result<Edited> {
    let conversation = std::iter::once(edit.conversation);
    let mut transaction = locks::begin(connection, std::iter::empty(), conversation).await?;
    let edited = groups::edit(&mut transaction, edit).await?;
    if let Edited::Done { .. } = edited {
        locks::commit(transaction, phase).await?;
    } else {
        transaction.rollback().await?;
    }
    Ok(edited)
}

async fn set(
    connection: &mut PgConnection,
    phase: &Phase,
    new: &[NewSettings],
) -> sqlx::Result<Vec<Option<Personal>>> {
    let conversations = new.iter().map(|new| new.conversation);
    let mut transaction = locks::begin(connection, std::iter::empty(), conversations).await?;
    let mut found = Vec::with_capacity(new.len());
    for new in new {
        found.push(settings::set(&mut transaction, new).await?);
    }
    locks::commit(transaction, phase).await?;
    Ok(found)
}

#[async_trait]
impl Conversations for Postgres {
    async fn create(&self, new: NewConversation) -> Result<Created> {
        let new = &new;
        writing!(self, "create a conversation", |connection, phase| create(&mut connection, &phase, new))
    }

    async fn edit(&self, new: GroupEdit) -> Result<Edited> {
        let new = &new;
        writing!(self, "change a group", |connection, phase| edit(&mut connection, &phase, new))
    }

    async fn conversation(&self, user: UserId, id: ConversationId) -> Result<Option<Conversation>> {
        let ids = [id];
        let found = reading!(self, "read a conversation", |connection| some(&mut connection, user, &ids))?;
        Ok(found.into_iter().next())
    }

    async fn conversations(&self, user: UserId) -> Result<Vec<Conversation>> {
        reading!(self, "read the conversations", |connection| all(&mut connection, user))
    }

    async fn set(&self, new: &[NewSettings]) -> Result<Vec<Option<Personal>>> {
        let doing = "change what only one member sees";
        writing!(self, doing, |connection, phase| set(&mut connection, &phase, new))
    }

    async fn public_groups(&self, user: UserId, q: &str, limit: u32) -> Result<Vec<Group>> {
        if rows::unstorable(q) {
            return Ok(Vec::new());
        }
        // strpos, not LIKE: what people type is taken as it is. A group that everybody has left has no owner who could
        // let anybody in, so it is not there.
        reading!(self, "search groups", |connection| async {
            let rows = sqlx::query(
                "SELECT c.id, c.title, c.member_count, \
                 EXISTS (SELECT 1 FROM member m WHERE m.conversation = c.id AND m.account = $2) AS joined \
                 FROM conversation c \
                 WHERE c.public AND c.member_count > 0 AND strpos(lower(c.title), lower($1 COLLATE \"C\")) > 0 \
                 ORDER BY c.member_count DESC, c.id LIMIT $3",
            )
            .bind(q)
            .bind(user.uuid())
            .bind(i64::from(limit))
            .fetch_all(&mut *connection)
            .await?;
            rows.iter()
                .map(|row| {
                    Ok(Group {
                        id: rows::conversation_id(row, "id")?,
                        title: row.try_get("title")?,
                        member_count: rows::small(row, "member_count")?,
                        joined: row.try_get("joined")?,
                    })
                })
                .collect()
        })
    }

    async fn head_revs(&self, ids: &[ConversationId]) -> Result<Vec<(ConversationId, u64)>> {
        let ids = rows::conversations(ids);
        reading!(self, "read heads", |connection| async {
            let rows = sqlx::query("SELECT id, head_rev FROM conversation WHERE id = ANY ($1)")
                .bind(&ids)
                .fetch_all(&mut *connection)
                .await?;
            rows.iter()
                .map(|row| Ok((rows::conversation_id(row, "id")?, rows::count(row, "head_rev")?)))
                .collect()
        })
    }

    async fn standing(&self, user: UserId, id: ConversationId) -> Result<Option<Standing>> {
        reading!(self, "read a membership", |connection| async {
            let row = sqlx::query(
                "SELECT c.head_seq, c.head_rev, m.joined_seq, m.joined_rev FROM member m \
                 JOIN conversation c ON c.id = m.conversation WHERE m.conversation = $1 AND m.account = $2",
            )
            .bind(id.uuid())
            .bind(user.uuid())
            .fetch_optional(&mut *connection)
            .await?;
            row.as_ref().map(standing).transpose()
        })
    }

    async fn member(&self, id: ConversationId, user: UserId) -> Result<Option<Member>> {
        reading!(self, "read a member", |connection| async {
            let row = sqlx::query(
                "SELECT account, role, read_seq FROM member WHERE conversation = $1 AND account = $2",
            )
            .bind(id.uuid())
            .bind(user.uuid())
            .fetch_optional(&mut *connection)
            .await?;
            row.as_ref().map(member).transpose()
        })
    }

    async fn members(&self, id: ConversationId) -> Result<Vec<Member>> {
        reading!(self, "read the members", |connection| async {
            let rows = sqlx::query(
                "SELECT account, role, read_seq FROM member WHERE conversation = $1 \
                 ORDER BY joined_at, role DESC, account",
            )
            .bind(id.uuid())
            .fetch_all(&mut *connection)
            .await?;
            rows.iter().map(member).collect()
        })
    }
}
