//! Conversations and members in SQLite.

use super::rows::{self, message_columns};
use super::{Sqlite, failed};
use crate::store::{
    Conversations, Created, Edited, GroupChange, GroupEdit, NewConversation, Personal, Result, Standing,
};
use async_trait::async_trait;
use protocol::rest::{Group, PatchSettings};
use protocol::{
    Change, ChangeKind, Conversation, ConversationId, Kind, Member, Role, Settings, Timestamp, UserId, limits,
};
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};
use std::collections::HashMap;

/// What is unread for member `m` of conversation `c`, as three counts. What is recalled after the mark is counted from a partial
/// index that is empty as long as nothing is. Own messages never stand after one's own mark, because sending
/// raises it: `unread` needs no count of them. Only a conversation kept as unread has more: what stands between the
/// place it is kept from and the mark, at most [`UNREAD_BACK`](limits::UNREAD_BACK).
macro_rules! unread_columns {
    () => {
        "(SELECT count(*) FROM message r INDEXED BY message_recalled \
         WHERE r.conversation = c.id AND r.seq > m.read_seq AND r.recalled) AS recalled_after, \
         (SELECT count(*) FROM message r WHERE m.unread_from IS NOT NULL AND r.conversation = c.id \
         AND r.seq >= m.unread_from AND r.seq <= m.read_seq AND r.sender <> m.account AND NOT r.recalled) AS kept, \
         (SELECT count(*) FROM mention n WHERE n.account = m.account AND n.conversation = c.id \
         AND n.seq > min(m.read_seq, coalesce(m.unread_from - 1, m.read_seq))) + \
         (SELECT count(*) FROM mention n WHERE n.account = zeroblob(16) AND n.conversation = c.id \
         AND n.seq > min(m.read_seq, coalesce(m.unread_from - 1, m.read_seq)) AND n.sender <> m.account) AS mentions"
    };
}

/// A member's conversations with their newest message.
macro_rules! select_conversations {
    ($where:literal) => {
        concat!(
            "SELECT c.id, c.kind, c.title, c.head_seq, c.head_rev, c.member_count, c.public, c.history, m.read_seq, ",
            "m.muted_until, m.pinned AS on_top, m.archived, m.draft, m.unread_from, ",
            unread_columns!(),
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

fn settings(row: &SqliteRow) -> sqlx::Result<Settings> {
    Ok(Settings {
        muted_until: row.try_get::<Option<i64>, _>("muted_until")?.map(Timestamp::from_millis),
        pinned: row.try_get("on_top")?,
        archived: row.try_get("archived")?,
        draft: row.try_get("draft")?,
        unread_from: match row.try_get::<Option<i64>, _>("unread_from")? {
            Some(_) => Some(rows::count(row, "unread_from")?),
            None => None,
        },
    })
}

fn unread(row: &SqliteRow) -> sqlx::Result<u64> {
    let (head_seq, read_seq) = (rows::count(row, "head_seq")?, rows::count(row, "read_seq")?);
    let recalled = rows::count(row, "recalled_after")?;
    Ok(head_seq.saturating_sub(read_seq).saturating_sub(recalled) + rows::count(row, "kept")?)
}

fn conversation(row: &SqliteRow, members: Vec<Member>) -> sqlx::Result<Conversation> {
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
        unread: unread(row)?,
        mentions: rows::count(row, "mentions")?,
        last_message,
        members,
        member_count: row.try_get("member_count")?,
        public: row.try_get("public")?,
        history: rows::history(row, "history")?,
        settings: settings(row)?,
    })
}

fn member(row: &SqliteRow) -> sqlx::Result<Member> {
    Ok(Member {
        user: rows::user_id(row, "account")?,
        role: rows::role(row, "role")?,
        read_seq: rows::count(row, "read_seq")?,
    })
}

/// One person more. They see what comes after: history before the join stays with those who were there.
async fn insert_member(
    connection: &mut SqliteConnection,
    conversation: ConversationId,
    (account, role): (UserId, Role),
    at: Timestamp,
) -> sqlx::Result<()> {
    sqlx::query(
        "INSERT INTO member (conversation, account, role, read_seq, joined_seq, joined_rev, joined_at) \
         SELECT id, ?2, ?3, head_seq, head_seq, head_rev, ?4 FROM conversation WHERE id = ?1",
    )
    .bind(&conversation.as_bytes()[..])
    .bind(&account.as_bytes()[..])
    .bind(rows::role_to_int(role))
    .bind(at.millis())
    .execute(connection)
    .await
    .map(drop)
}

async fn account_exists(connection: &mut SqliteConnection, account: UserId) -> sqlx::Result<bool> {
    sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM account WHERE id = ?)")
        .bind(&account.as_bytes()[..])
        .fetch_one(connection)
        .await
}

/// What an edit needs to know of the group and of who asks.
struct Asked {
    kind: Kind,
    head_rev: u64,
    member_count: u32,
    title: String,
    role: Role,
}

async fn group(connection: &mut SqliteConnection, edit: &GroupEdit) -> sqlx::Result<Option<Asked>> {
    let row = sqlx::query(
        "SELECT c.kind, c.head_rev, c.member_count, c.title, m.role FROM conversation c \
         JOIN member m ON m.conversation = c.id AND m.account = ?2 WHERE c.id = ?1",
    )
    .bind(&edit.conversation.as_bytes()[..])
    .bind(&edit.by.as_bytes()[..])
    .fetch_optional(connection)
    .await?;
    row.map(|row| {
        Ok(Asked {
            kind: rows::kind(&row, "kind")?,
            head_rev: rows::count(&row, "head_rev")?,
            member_count: row.try_get("member_count")?,
            title: row.try_get("title")?,
            role: rows::role(&row, "role")?,
        })
    })
    .transpose()
}

async fn role_of(
    connection: &mut SqliteConnection,
    conversation: ConversationId,
    account: UserId,
) -> sqlx::Result<Option<Role>> {
    let row = sqlx::query("SELECT role FROM member WHERE conversation = ? AND account = ?")
        .bind(&conversation.as_bytes()[..])
        .bind(&account.as_bytes()[..])
        .fetch_optional(connection)
        .await?;
    row.map(|row| rows::role(&row, "role")).transpose()
}

/// Who becomes the owner when the only one leaves: the one longest there among those with the highest role.
async fn heir(
    connection: &mut SqliteConnection,
    conversation: ConversationId,
    leaving: UserId,
) -> sqlx::Result<Option<(UserId, Role)>> {
    let row = sqlx::query(
        "SELECT account, role FROM member WHERE conversation = ? AND account <> ? \
         ORDER BY role DESC, joined_at, account LIMIT 1",
    )
    .bind(&conversation.as_bytes()[..])
    .bind(&leaving.as_bytes()[..])
    .fetch_optional(connection)
    .await?;
    row.map(|row| Ok((rows::user_id(&row, "account")?, rows::role(&row, "role")?))).transpose()
}

/// Numbers a change and writes it to the log.
async fn insert_change(
    connection: &mut SqliteConnection,
    edit: &GroupEdit,
    rev: u64,
    kind: &ChangeKind,
) -> sqlx::Result<()> {
    let (kind, subject, title, role) = match kind {
        ChangeKind::Joined { user, .. } => (rows::JOINED, Some(*user), None, None),
        ChangeKind::Left { user, .. } => (rows::LEFT, Some(*user), None, None),
        ChangeKind::Renamed { title, .. } => (rows::RENAMED, None, Some(title), None),
        ChangeKind::Role { user, role, .. } => {
            (rows::ROLE, Some(*user), None, Some(rows::role_to_int(*role)))
        }
        ChangeKind::Access { .. } => todo!(),
        ChangeKind::Posted { .. }
        | ChangeKind::Edited { .. }
        | ChangeKind::Recalled { .. }
        | ChangeKind::Reacted { .. }
        | ChangeKind::Pinned { .. }
        | ChangeKind::Unsupported => {
            return Err(sqlx::Error::Protocol("messages are not written as changes".into()));
        }
    };
    sqlx::query("UPDATE conversation SET head_rev = ?2 WHERE id = ?1")
        .bind(&edit.conversation.as_bytes()[..])
        .bind(rows::integer(rev))
        .execute(&mut *connection)
        .await?;
    sqlx::query(
        "INSERT INTO change (conversation, rev, seq, kind, actor, subject, title, role, changed_at) \
         SELECT id, ?2, head_seq, ?3, ?4, ?5, ?6, ?7, ?8 FROM conversation WHERE id = ?1",
    )
    .bind(&edit.conversation.as_bytes()[..])
    .bind(rows::integer(rev))
    .bind(kind)
    .bind(&edit.by.as_bytes()[..])
    .bind(subject.map(|user| user.as_bytes().to_vec()))
    .bind(title)
    .bind(role)
    .bind(edit.at.millis())
    .execute(connection)
    .await
    .map(drop)
}

/// Applies an edit inside a transaction: checks, changes the tables, returns what happened in order.
async fn apply(connection: &mut SqliteConnection, edit: &GroupEdit) -> sqlx::Result<Edited> {
    let Some(group) = group(connection, edit).await? else { return Ok(Edited::NotFound) };
    if group.kind == Kind::Direct {
        return Ok(Edited::Forbidden("A direct conversation stays between its two people."));
    }
    let conversation = &edit.conversation.as_bytes()[..];
    let by = edit.by;
    let mut happened = Vec::with_capacity(2);
    match &edit.what {
        GroupChange::Join(user) => {
            if role_of(connection, edit.conversation, *user).await?.is_some() {
                return Ok(Edited::Nothing);
            }
            if !account_exists(connection, *user).await? {
                return Ok(Edited::NotFound);
            }
            if group.member_count >= limits::GROUP_MEMBERS {
                return Ok(Edited::Full);
            }
            insert_member(connection, edit.conversation, (*user, Role::Member), edit.at).await?;
            happened.push(ChangeKind::Joined { by, user: *user });
        }
        GroupChange::Leave(user) => {
            let Some(role) = role_of(connection, edit.conversation, *user).await? else {
                return Ok(Edited::NotFound);
            };
            if *user != by && (group.role < Role::Admin || role >= group.role) {
                return Ok(Edited::Forbidden("Only an owner or an admin may remove a member."));
            }
            if role == Role::Owner
                && let Some((heir, role)) = heir(connection, edit.conversation, *user).await?
                && role != Role::Owner
            {
                sqlx::query("UPDATE member SET role = ?3 WHERE conversation = ?1 AND account = ?2")
                    .bind(conversation)
                    .bind(&heir.as_bytes()[..])
                    .bind(rows::role_to_int(Role::Owner))
                    .execute(&mut *connection)
                    .await?;
                happened.push(ChangeKind::Role { by, user: heir, role: Role::Owner });
            }
            sqlx::query("DELETE FROM member WHERE conversation = ?1 AND account = ?2")
                .bind(conversation)
                .bind(&user.as_bytes()[..])
                .execute(&mut *connection)
                .await?;
            happened.push(ChangeKind::Left { by, user: *user });
        }
        GroupChange::Rename(title) => {
            if group.role < Role::Admin {
                return Ok(Edited::Forbidden("Only an owner or an admin may rename the group."));
            }
            if group.title == *title {
                return Ok(Edited::Nothing);
            }
            sqlx::query("UPDATE conversation SET title = ?2 WHERE id = ?1")
                .bind(conversation)
                .bind(title)
                .execute(&mut *connection)
                .await?;
            happened.push(ChangeKind::Renamed { by, title: title.clone() });
        }
        GroupChange::JoinPublic | GroupChange::Role(..) | GroupChange::Access { .. } => todo!(),
    }
    // Recounted, not counted up: a number that is derived cannot drift.
    sqlx::query(
        "UPDATE conversation SET member_count = (SELECT count(*) FROM member WHERE conversation = ?1) WHERE id = ?1",
    )
    .bind(conversation)
    .execute(&mut *connection)
    .await?;
    let mut changes = Vec::with_capacity(happened.len());
    for (kind, rev) in happened.into_iter().zip(group.head_rev + 1..) {
        insert_change(connection, edit, rev, &kind).await?;
        changes.push(Change::new(rev, kind));
    }
    Ok(Edited::Done { changes })
}

#[async_trait]
impl Conversations for Sqlite {
    async fn create(&self, new: NewConversation) -> Result<Created> {
        let failed = || failed("create a conversation");
        let mut transaction = self.write.begin_with("BEGIN IMMEDIATE").await.map_err(failed())?;
        let connection = &mut *transaction;
        for (account, _) in &new.members {
            if !account_exists(connection, *account).await.map_err(failed())? {
                return Ok(Created::UnknownMember);
            }
        }
        let inserted = sqlx::query(
            "INSERT INTO conversation (id, kind, title, member_count, created_at) VALUES (?, ?, ?, ?, ?) \
             ON CONFLICT (id) DO NOTHING",
        )
        .bind(&new.id.as_bytes()[..])
        .bind(rows::kind_to_int(new.kind))
        .bind(&new.title)
        .bind(rows::integer(new.members.len() as u64))
        .bind(new.created_at.millis())
        .execute(&mut *connection)
        .await
        .map_err(failed())?;
        if inserted.rows_affected() == 0 {
            return Ok(Created::Existing(new.id));
        }
        for account in &new.members {
            insert_member(connection, new.id, *account, new.created_at).await.map_err(failed())?;
        }
        transaction.commit().await.map_err(failed())?;
        Ok(Created::New)
    }

    async fn edit(&self, edit: GroupEdit) -> Result<Edited> {
        let failed = || failed("change a group");
        let mut transaction = self.write.begin_with("BEGIN IMMEDIATE").await.map_err(failed())?;
        let edited = apply(&mut transaction, &edit).await.map_err(failed())?;
        if let Edited::Done { .. } = edited {
            transaction.commit().await.map_err(failed())?;
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
        let failed = || failed("read the conversations");
        let mut snapshot = self.read.begin().await.map_err(failed())?;
        let found = sqlx::query(select_conversations!(""))
            .bind(&user.as_bytes()[..])
            .fetch_all(&mut *snapshot)
            .await
            .map_err(failed())?;
        let people = sqlx::query(select_members!(""))
            .bind(&user.as_bytes()[..])
            .bind(limits::MEMBERS_INLINE)
            .fetch_all(&mut *snapshot)
            .await
            .map_err(failed())?;
        let mut members: HashMap<ConversationId, Vec<Member>> = HashMap::with_capacity(found.len());
        for row in &people {
            let id = rows::conversation_id(row, "conversation").map_err(failed())?;
            members.entry(id).or_default().push(member(row).map_err(failed())?);
        }
        found
            .iter()
            .map(|row| {
                let id = rows::conversation_id(row, "id")?;
                conversation(row, members.remove(&id).unwrap_or_default())
            })
            .collect::<sqlx::Result<_>>()
            .map_err(failed())
    }

    async fn memberships(&self, user: UserId) -> Result<Vec<(ConversationId, u64)>> {
        let rows = sqlx::query("SELECT conversation, joined_seq FROM member WHERE account = ?")
            .bind(&user.as_bytes()[..])
            .fetch_all(&self.read)
            .await
            .map_err(failed("read memberships"))?;
        rows.iter()
            .map(|row| Ok((rows::conversation_id(row, "conversation")?, rows::count(row, "joined_seq")?)))
            .collect::<sqlx::Result<_>>()
            .map_err(failed("read memberships"))
    }

    async fn set(&self, user: UserId, id: ConversationId, patch: &PatchSettings) -> Result<Option<Personal>> {
        todo!()
    }

    async fn mark_unread(&self, user: UserId, id: ConversationId, seq: u64) -> Result<Option<Personal>> {
        todo!()
    }

    async fn public_groups(&self, user: UserId, q: &str, limit: u32) -> Result<Vec<Group>> {
        todo!()
    }

    async fn head_revs(&self, ids: &[ConversationId]) -> Result<Vec<(ConversationId, u64)>> {
        todo!()
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
