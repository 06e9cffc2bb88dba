//! Rows of the tables as the protocol's objects. Private to this back end.

use protocol::{
    Body, Change, ChangeKind, ConversationId, History, Kind, Message, MessageId, Nonce, Role, Timestamp,
    User, UserId,
};
use sqlx::Row;
use sqlx::postgres::PgRow;

type Result<T> = sqlx::Result<T>;

/// A value the schema does not allow: the file was changed by something else.
fn corrupt(what: &'static str) -> sqlx::Error {
    sqlx::Error::Decode(what.into())
}

/// Bytes of a length that is known.
pub(super) fn exactly<const N: usize>(bytes: &[u8]) -> Result<[u8; N]> {
    bytes.try_into().map_err(|_| corrupt("it is of another length"))
}

pub(super) fn user_id(row: &PgRow, column: &str) -> Result<UserId> {
    row.try_get(column).map(UserId::from_uuid)
}

pub(super) fn conversation_id(row: &PgRow, column: &str) -> Result<ConversationId> {
    row.try_get(column).map(ConversationId::from_uuid)
}

/// Ids as the array of a statement.
pub(super) fn conversations(ids: &[ConversationId]) -> Vec<uuid::Uuid> {
    ids.iter().map(|id| id.uuid()).collect()
}

/// A small number that is never negative.
pub(super) fn small(row: &PgRow, column: &str) -> Result<u32> {
    u32::try_from(row.try_get::<i32, _>(column)?).map_err(|_| corrupt("a counter is negative"))
}

/// A counter. Postgres's integers are signed, ours never are negative.
pub(super) fn count(row: &PgRow, column: &str) -> Result<u64> {
    u64::try_from(row.try_get::<i64, _>(column)?).map_err(|_| corrupt("a counter is negative"))
}

/// The other way: our counters stay far below the sign.
pub(super) fn integer(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

pub(super) fn time(row: &PgRow, column: &str) -> Result<Timestamp> {
    row.try_get(column).map(Timestamp::from_millis)
}

pub(super) const fn kind_to_int(kind: Kind) -> i16 {
    match kind {
        Kind::Direct => 0,
        Kind::Group => 1,
    }
}

pub(super) fn kind(row: &PgRow, column: &str) -> Result<Kind> {
    match row.try_get::<i16, _>(column)? {
        0 => Ok(Kind::Direct),
        1 => Ok(Kind::Group),
        _ => Err(corrupt("unknown kind of conversation")),
    }
}

pub(super) const fn role_to_int(role: Role) -> i16 {
    match role {
        Role::Member => 0,
        Role::Admin => 1,
        Role::Owner => 2,
    }
}

pub(super) fn role(row: &PgRow, column: &str) -> Result<Role> {
    role_from_int(row.try_get(column)?)
}

pub(super) fn role_from_int(role: i16) -> Result<Role> {
    match role {
        0 => Ok(Role::Member),
        1 => Ok(Role::Admin),
        2 => Ok(Role::Owner),
        _ => Err(corrupt("unknown role")),
    }
}

/// Columns of [`user`].
macro_rules! user_columns {
    () => {
        "id, username, display_name, avatar, last_seen_at"
    };
}
pub(super) use user_columns;

/// Presence is not stored: whoever answers fills it in.
pub(super) fn user(row: &PgRow) -> Result<User> {
    Ok(User {
        id: user_id(row, "id")?,
        username: row.try_get("username")?,
        display_name: row.try_get("display_name")?,
        avatar: row.try_get("avatar")?,
        presence: protocol::Presence::Offline,
        last_seen: row.try_get::<Option<i64>, _>("last_seen_at")?.map(Timestamp::from_millis),
    })
}

/// Columns of [`message`] except the conversation, of a table called `message` or an alias of it.
macro_rules! message_columns {
    ($table:literal) => {
        concat!(
            $table,
            ".seq, ",
            $table,
            ".rev, ",
            $table,
            ".posted_rev, ",
            $table,
            ".id AS message_id, ",
            $table,
            ".sender, ",
            $table,
            ".nonce, ",
            $table,
            ".body, ",
            $table,
            ".sent_at, ",
            $table,
            ".edited_at, ",
            $table,
            ".recalled, ",
            $table,
            ".reply_to, ",
            $table,
            ".mentions, ",
            $table,
            ".mentions_all, ",
            $table,
            ".reactions, ",
            $table,
            ".pinned"
        )
    };
}
pub(super) use message_columns;

pub(super) fn message(row: &PgRow, conversation: ConversationId) -> Result<Message> {
    let body: &str = row.try_get("body")?;
    let nonce: String = row.try_get("nonce")?;
    Ok(Message {
        id: MessageId::from_uuid(row.try_get("message_id")?),
        conversation,
        seq: count(row, "seq")?,
        rev: count(row, "rev")?,
        sender: user_id(row, "sender")?,
        nonce: Some(Nonce::try_from(nonce).map_err(|_| corrupt("a nonce is malformed"))?),
        body: body_from_json(body)?,
        sent_at: time(row, "sent_at")?,
        edited_at: row.try_get::<Option<i64>, _>("edited_at")?.map(Timestamp::from_millis),
        recalled: row.try_get("recalled")?,
        reply_to: row.try_get::<Option<uuid::Uuid>, _>("reply_to")?.map(MessageId::from_uuid),
        mentions: ids_from_bytes(row.try_get::<Option<&[u8]>, _>("mentions")?.unwrap_or_default())?,
        mentions_all: row.try_get("mentions_all")?,
        reactions: match row.try_get::<Option<&str>, _>("reactions")? {
            Some(json) => serde_json::from_str(json).map_err(|_| corrupt("reactions are malformed"))?,
            None => Vec::new(),
        },
        pinned: row.try_get("pinned")?,
    })
}

/// People as they stand in `message.mentions`: 16 bytes each.
pub(super) fn ids_from_bytes(bytes: &[u8]) -> Result<Vec<UserId>> {
    bytes.chunks(16).map(|id| exactly(id).map(|id| UserId::from_uuid(uuid::Uuid::from_bytes(id)))).collect()
}

/// The other way; none where nobody is named.
pub(super) fn ids_to_bytes(ids: &[UserId]) -> Option<Vec<u8>> {
    (!ids.is_empty()).then(|| ids.iter().flat_map(|id| *id.as_bytes()).collect())
}

/// Everybody, in `mention.account`.
pub(super) const EVERYBODY: uuid::Uuid = uuid::Uuid::nil();

pub(super) const fn history_to_int(history: History) -> i16 {
    match history {
        History::Join => 0,
        History::All => 1,
    }
}

pub(super) fn history(row: &PgRow, column: &str) -> Result<History> {
    match row.try_get::<i16, _>(column)? {
        0 => Ok(History::Join),
        1 => Ok(History::All),
        _ => Err(corrupt("unknown history")),
    }
}

pub(super) fn body_from_json(text: &str) -> Result<Body> {
    serde_json::from_str(text).map_err(|_| corrupt("a body is malformed"))
}

pub(super) const JOINED: i16 = 1;
pub(super) const LEFT: i16 = 2;
pub(super) const RENAMED: i16 = 3;
pub(super) const ROLE: i16 = 4;
pub(super) const EDITED: i16 = 5;
pub(super) const RECALLED: i16 = 6;
pub(super) const REACTED: i16 = 7;
pub(super) const PINNED: i16 = 8;
pub(super) const ACCESS: i16 = 9;

/// A row of `change` that is not about a message, with its place and time.
pub(super) fn line(row: &PgRow) -> Result<Change> {
    let by = user_id(row, "actor")?;
    let kind = match row.try_get::<i16, _>("kind")? {
        JOINED => ChangeKind::Joined { by, user: user_id(row, "subject")? },
        LEFT => ChangeKind::Left { by, user: user_id(row, "subject")? },
        RENAMED => ChangeKind::Renamed { by, title: row.try_get("title")? },
        ROLE => ChangeKind::Role { by, user: user_id(row, "subject")?, role: role(row, "role")? },
        ACCESS => {
            ChangeKind::Access { by, public: row.try_get("public")?, history: history(row, "history")? }
        }
        _ => return Err(corrupt("unknown kind of change")),
    };
    Ok(Change {
        rev: count(row, "rev")?,
        after: Some(count(row, "after")?),
        at: Some(time(row, "changed_at")?),
        kind,
    })
}

/// A change about a message, from its kind.
pub(super) fn about(kind: i16, message: Message) -> Result<ChangeKind> {
    match kind {
        EDITED => Ok(ChangeKind::Edited { message }),
        RECALLED => Ok(ChangeKind::Recalled { message }),
        REACTED => Ok(ChangeKind::Reacted { message }),
        PINNED => Ok(ChangeKind::Pinned { message }),
        _ => Err(corrupt("unknown kind of change")),
    }
}

/// A list that Postgres made as JSON.
pub(super) fn list<T: serde::de::DeserializeOwned>(row: &PgRow, column: &str) -> Result<Vec<T>> {
    let json: &str = row.try_get(column)?;
    serde_json::from_str(json).map_err(|error| sqlx::Error::Decode(error.into()))
}

/// Postgres's text has no U+0000, so nothing that has one is there to be found. What is written is checked before it
/// comes here.
pub(super) fn unstorable(text: &str) -> bool {
    text.contains('\0')
}
