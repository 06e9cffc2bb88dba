//! Founding groups and changing them, inside the transaction of the caller.

use super::rows;
use crate::store::groups::{self as rules, Asked, Happened, STAYS, TOO_MANY};
use crate::store::{Created, Edited, GroupChange, GroupEdit, NewConversation, digest};
use protocol::{Change, ChangeKind, ConversationId, History, Kind, Role, Timestamp, UserId, limits};
use sqlx::{PgConnection, Result, Row};

/// One person more. Where newcomers see what comes after, history before the join stays with those who were there;
/// where they see all, it is read already, so that a join does not bring thousands of unread messages.
async fn insert_member(
    connection: &mut PgConnection,
    conversation: ConversationId,
    (account, role): (UserId, Role),
    at: Timestamp,
) -> Result<()> {
    sqlx::query(
        "INSERT INTO member (conversation, account, role, read_seq, joined_seq, joined_rev, joined_at) \
         SELECT id, $2, $3, head_seq, CASE WHEN history = $5 THEN 0 ELSE head_seq END, CASE WHEN history = $5 THEN 0 ELSE head_rev END, $4 \
         FROM conversation WHERE id = $1",
    )
    .bind(conversation.uuid())
    .bind(account.uuid())
    .bind(rows::role_to_int(role))
    .bind(at.millis())
    .bind(rows::history_to_int(History::All))
    .execute(connection)
    .await
    .map(drop)
}

/// Whether one of them is in as many conversations as one can be in.
async fn any_full(connection: &mut PgConnection, accounts: &[uuid::Uuid]) -> Result<bool> {
    sqlx::query_scalar(
        "SELECT EXISTS (SELECT 1 FROM unnest($1) AS asked (id) WHERE EXISTS \
         (SELECT 1 FROM member m WHERE m.account = asked.id LIMIT 1 OFFSET $2 - 1))",
    )
    .bind(accounts)
    .bind(i64::from(limits::CONVERSATIONS))
    .fetch_one(connection)
    .await
}

/// How many of these people there are. They are locked against joining something elsewhere at the same time, in order of
/// their ids, so that nobody gets past the most conversations that one can be in.
async fn known_people(connection: &mut PgConnection, accounts: &[uuid::Uuid]) -> Result<usize> {
    let found = sqlx::query("SELECT id FROM account WHERE id = ANY ($1) ORDER BY id FOR NO KEY UPDATE")
        .bind(accounts)
        .fetch_all(connection)
        .await?;
    Ok(found.len())
}

/// What the nonce was used for, if it was used.
async fn known(
    connection: &mut PgConnection,
    founder: UserId,
    new: &NewConversation,
) -> Result<Option<Created>> {
    let Some(nonce) = &new.nonce else { return Ok(None) };
    let row = sqlx::query(
        "SELECT digest, conversation, seq FROM request WHERE nonce = $1 AND sender = $2 \
         UNION ALL SELECT 0::bigint, conversation, seq FROM message WHERE nonce = $1 AND sender = $2",
    )
    .bind(nonce.as_str())
    .bind(founder.uuid())
    .fetch_optional(connection)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let about_message = row.try_get::<Option<i64>, _>("seq")?.is_some();
    if about_message || row.try_get::<i64, _>("digest")? != digest::of_founding(new) {
        return Ok(Some(Created::OtherUse));
    }
    rows::conversation_id(&row, "conversation").map(|id| Some(Created::Existing(id)))
}

/// Founds a group or opens a direct conversation. Whatever is not [`Created::New`] has to be rolled back.
pub(super) async fn create(connection: &mut PgConnection, new: &NewConversation) -> Result<Created> {
    let founder = new.members.first().map(|(user, _)| *user).filter(|_| new.kind == Kind::Group);
    if let Some(founder) = founder
        && let Some(known) = known(connection, founder, new).await?
    {
        return Ok(known);
    }
    let members: Vec<_> = new.members.iter().map(|(account, _)| account.uuid()).collect();
    if known_people(connection, &members).await? != members.len() {
        return Ok(Created::UnknownMember);
    }
    let inserted = sqlx::query(
        "INSERT INTO conversation (id, kind, title, member_count, public, history, created_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (id) DO NOTHING",
    )
    .bind(new.id.uuid())
    .bind(rows::kind_to_int(new.kind))
    .bind(&new.title)
    .bind(i32::try_from(new.members.len()).unwrap_or(i32::MAX))
    .bind(new.public)
    .bind(rows::history_to_int(new.history))
    .bind(new.created_at.millis())
    .execute(&mut *connection)
    .await?;
    if inserted.rows_affected() == 0 {
        return Ok(Created::Existing(new.id));
    }
    if any_full(connection, &members).await? {
        return Ok(Created::Full(TOO_MANY));
    }
    // One statement for all of them: the only writer waits for it. The group is new, so all of them start from nothing.
    sqlx::query(
        "INSERT INTO member (conversation, account, role, read_seq, joined_seq, joined_rev, joined_at) \
         SELECT $1, id, CASE WHEN place = 1 THEN $2 ELSE 0 END, 0, 0, 0, $3 \
         FROM unnest($4) WITH ORDINALITY AS asked (id, place)",
    )
    .bind(new.id.uuid())
    .bind(new.members.first().map(|(_, role)| rows::role_to_int(*role)))
    .bind(new.created_at.millis())
    .bind(&members)
    .execute(&mut *connection)
    .await?;
    if let (Some(nonce), Some(founder)) = (&new.nonce, founder) {
        sqlx::query(
            "INSERT INTO request (nonce, sender, digest, conversation, seq) VALUES ($1, $2, $3, $4, NULL)",
        )
        .bind(nonce.as_str())
        .bind(founder.uuid())
        .bind(digest::of_founding(new))
        .bind(new.id.uuid())
        .execute(connection)
        .await?;
    }
    Ok(Created::New)
}

async fn group(connection: &mut PgConnection, edit: &GroupEdit) -> Result<Option<Asked>> {
    let row = sqlx::query(
        "SELECT c.kind, c.head_seq, c.head_rev, c.member_count, c.title, c.public, c.history, m.role \
         FROM conversation c LEFT JOIN member m ON m.conversation = c.id AND m.account = $2 WHERE c.id = $1",
    )
    .bind(edit.conversation.uuid())
    .bind(edit.by.uuid())
    .fetch_optional(connection)
    .await?;
    row.map(|row| {
        Ok(Asked {
            kind: rows::kind(&row, "kind")?,
            head_seq: rows::count(&row, "head_seq")?,
            head_rev: rows::count(&row, "head_rev")?,
            member_count: rows::small(&row, "member_count")?,
            title: row.try_get("title")?,
            public: row.try_get("public")?,
            history: rows::history(&row, "history")?,
            role: match row.try_get::<Option<i16>, _>("role")? {
                Some(_) => Some(rows::role(&row, "role")?),
                None => None,
            },
        })
    })
    .transpose()
}

async fn role_of(
    connection: &mut PgConnection,
    conversation: ConversationId,
    account: UserId,
) -> Result<Option<Role>> {
    let row = sqlx::query("SELECT role FROM member WHERE conversation = $1 AND account = $2")
        .bind(conversation.uuid())
        .bind(account.uuid())
        .fetch_optional(connection)
        .await?;
    row.map(|row| rows::role(&row, "role")).transpose()
}

async fn set_role(
    connection: &mut PgConnection,
    conversation: ConversationId,
    account: UserId,
    role: Role,
) -> Result<()> {
    sqlx::query("UPDATE member SET role = $3 WHERE conversation = $1 AND account = $2")
        .bind(conversation.uuid())
        .bind(account.uuid())
        .bind(rows::role_to_int(role))
        .execute(connection)
        .await
        .map(drop)
}

/// Writes a change to the log; its head is moved by the caller.
async fn insert_change(
    connection: &mut PgConnection,
    conversation: ConversationId,
    change: &Change,
) -> Result<()> {
    let (kind, by, subject) = match &change.kind {
        ChangeKind::Joined { by, user } => (rows::JOINED, by, Some(user)),
        ChangeKind::Left { by, user } => (rows::LEFT, by, Some(user)),
        ChangeKind::Renamed { by, .. } => (rows::RENAMED, by, None),
        ChangeKind::Role { by, user, .. } => (rows::ROLE, by, Some(user)),
        ChangeKind::Access { by, .. } => (rows::ACCESS, by, None),
        ChangeKind::Posted { .. }
        | ChangeKind::Edited { .. }
        | ChangeKind::Recalled { .. }
        | ChangeKind::Reacted { .. }
        | ChangeKind::Pinned { .. }
        | ChangeKind::Unsupported => {
            return Err(sqlx::Error::Protocol("changes of messages are not written here".into()));
        }
    };
    let (mut title, mut role, mut access) = (None, None, None);
    match &change.kind {
        ChangeKind::Renamed { title: new, .. } => title = Some(new),
        ChangeKind::Role { role: new, .. } => role = Some(rows::role_to_int(*new)),
        ChangeKind::Access { public, history, .. } => {
            access = Some((*public, rows::history_to_int(*history)))
        }
        _ => {}
    }
    sqlx::query(
        "INSERT INTO change (conversation, rev, seq, kind, actor, subject, title, role, public, history, changed_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
    )
    .bind(conversation.uuid())
    .bind(rows::integer(change.rev))
    .bind(rows::integer(change.after.unwrap_or_default()))
    .bind(kind)
    .bind(by.uuid())
    .bind(subject.map(|user| user.uuid()))
    .bind(title)
    .bind(role)
    .bind(access.map(|(public, _)| public))
    .bind(access.map(|(_, history)| history))
    .bind(change.at.unwrap_or_default().millis())
    .execute(connection)
    .await
    .map(drop)
}

/// Applies an edit: checks, changes the tables, numbers what happened. Whatever is not [`Edited::Done`] has written
/// nothing.
pub(super) async fn edit(connection: &mut PgConnection, edit: &GroupEdit) -> Result<Edited> {
    let Some(group) = group(connection, edit).await? else { return Ok(Edited::NotFound) };
    let happened = match (&edit.what, group.role) {
        (GroupChange::JoinPublic, Some(_)) => return Ok(Edited::Nothing),
        (GroupChange::JoinPublic, None) => join_public(connection, edit, &group).await?,
        // A group one is not in is answered like one that is not there.
        (_, None) => return Ok(Edited::NotFound),
        (_, Some(_)) if group.kind == Kind::Direct => return Ok(Edited::Forbidden(STAYS)),
        (GroupChange::Join(user), Some(_)) => join(connection, edit, &group, *user).await?,
        (GroupChange::Leave(user), Some(role)) => leave(connection, edit, &group, role, *user).await?,
        (GroupChange::Role(user, new), Some(role)) => give_role(connection, edit, role, *user, *new).await?,
        (GroupChange::Patch { title, public, history }, Some(role)) => {
            patch(connection, edit, &group, role, (title.as_deref(), *public, *history)).await?
        }
    };
    let happened = match happened {
        Ok(happened) => happened,
        Err(refused) => return Ok(refused),
    };
    let (after, at) = (Some(group.head_seq), Some(edit.at));
    let changes: Vec<_> =
        (group.head_rev + 1..).zip(happened).map(|(rev, kind)| Change { rev, after, at, kind }).collect();
    let Some(last) = changes.last() else { return Ok(Edited::Nothing) };
    // Recounted where it changes, not counted up: a number that is derived cannot drift.
    let recount = changes
        .iter()
        .any(|change| matches!(change.kind, ChangeKind::Joined { .. } | ChangeKind::Left { .. }));
    sqlx::query(
        "UPDATE conversation SET head_rev = $2, member_count = CASE WHEN $3 THEN \
         (SELECT count(*) FROM member WHERE conversation = $1) ELSE member_count END WHERE id = $1",
    )
    .bind(edit.conversation.uuid())
    .bind(rows::integer(last.rev))
    .bind(recount)
    .execute(&mut *connection)
    .await?;
    for change in &changes {
        insert_change(connection, edit.conversation, change).await?;
    }
    Ok(Edited::Done { changes })
}

async fn join_public(connection: &mut PgConnection, edit: &GroupEdit, group: &Asked) -> Result<Happened> {
    if !group.is_open() {
        return Ok(Err(Edited::NotFound));
    }
    join(connection, edit, group, edit.by).await
}

async fn join(
    connection: &mut PgConnection,
    edit: &GroupEdit,
    group: &Asked,
    user: UserId,
) -> Result<Happened> {
    if role_of(connection, edit.conversation, user).await?.is_some() {
        return Ok(Ok(Vec::new()));
    }
    if known_people(connection, &[user.uuid()]).await? == 0 {
        return Ok(Err(Edited::NotFound));
    }
    if group.member_count >= limits::GROUP_MEMBERS {
        return Ok(Err(Edited::Full));
    }
    if any_full(connection, &[user.uuid()]).await? {
        return Ok(Err(Edited::Conflict(TOO_MANY)));
    }
    insert_member(connection, edit.conversation, (user, Role::Member), edit.at).await?;
    Ok(Ok(vec![ChangeKind::Joined { by: edit.by, user }]))
}

async fn leave(
    connection: &mut PgConnection,
    edit: &GroupEdit,
    group: &Asked,
    mine: Role,
    user: UserId,
) -> Result<Happened> {
    let Some(theirs) = role_of(connection, edit.conversation, user).await? else {
        return Ok(Err(Edited::NotFound));
    };
    let left = group.leave((edit.by, mine), (user, theirs));
    if left.is_err() {
        return Ok(left);
    }
    sqlx::query("DELETE FROM member WHERE conversation = $1 AND account = $2")
        .bind(edit.conversation.uuid())
        .bind(user.uuid())
        .execute(connection)
        .await?;
    Ok(left)
}

async fn give_role(
    connection: &mut PgConnection,
    edit: &GroupEdit,
    mine: Role,
    user: UserId,
    role: Role,
) -> Result<Happened> {
    if let Err(refused) = rules::gives(mine) {
        return Ok(Err(refused));
    }
    let Some(before) = role_of(connection, edit.conversation, user).await? else {
        return Ok(Err(Edited::NotFound));
    };
    let given = match rules::roles(edit.by, (user, before), role) {
        Ok(given) => given,
        Err(refused) => return Ok(Err(refused)),
    };
    let mut happened = Vec::with_capacity(given.len());
    for (user, role) in given {
        set_role(connection, edit.conversation, user, role).await?;
        happened.push(ChangeKind::Role { by: edit.by, user, role });
    }
    Ok(Ok(happened))
}

async fn patch(
    connection: &mut PgConnection,
    edit: &GroupEdit,
    group: &Asked,
    mine: Role,
    (title, public, history): (Option<&str>, Option<bool>, Option<History>),
) -> Result<Happened> {
    let (public, history) = (public.unwrap_or(group.public), history.unwrap_or(group.history));
    let happened = group.patch((edit.by, mine), title, public, history);
    if happened.as_ref().map_or(true, Vec::is_empty) {
        return Ok(happened);
    }
    sqlx::query("UPDATE conversation SET title = $2, public = $3, history = $4 WHERE id = $1")
        .bind(edit.conversation.uuid())
        .bind(title.unwrap_or(&group.title))
        .bind(public)
        .bind(rows::history_to_int(history))
        .execute(connection)
        .await?;
    Ok(happened)
}
