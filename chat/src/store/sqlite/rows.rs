//! Rows of the tables as the protocol's objects. Private to this back end.

use protocol::{
    Body, Change, ChangeKind, ConversationId, History, Kind, Message, MessageId, Nonce, Role, Timestamp,
    User, UserId,
};
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

type Result<T> = sqlx::Result<T>;

/// A value the schema does not allow: the file was changed by something else.
pub(super) fn corrupt(what: &'static str) -> sqlx::Error {
    sqlx::Error::Decode(what.into())
}

/// Bytes of a length that is known.
pub(super) fn exactly<const N: usize>(bytes: &[u8]) -> Result<[u8; N]> {
    bytes.try_into().map_err(|_| corrupt("it is of another length"))
}

pub(super) fn uuid(bytes: &[u8]) -> Result<uuid::Uuid> {
    uuid::Uuid::from_slice(bytes).map_err(|_| corrupt("an id is not 16 bytes"))
}

/// A row, by the names of its columns, however it was read.
pub(super) trait Fields {
    fn integer(&self, column: &str) -> Result<Option<i64>>;
    fn text(&self, column: &str) -> Result<Option<&str>>;
    fn bytes(&self, column: &str) -> Result<Option<&[u8]>>;
}

impl Fields for SqliteRow {
    fn integer(&self, column: &str) -> Result<Option<i64>> {
        self.try_get(column)
    }

    fn text(&self, column: &str) -> Result<Option<&str>> {
        self.try_get(column)
    }

    fn bytes(&self, column: &str) -> Result<Option<&[u8]>> {
        self.try_get(column)
    }
}

fn missing<T>(value: Option<T>) -> Result<T> {
    value.ok_or_else(|| corrupt("a value is missing"))
}

/// A number that is always there.
pub(super) fn number(row: &impl Fields, column: &str) -> Result<i64> {
    missing(row.integer(column)?)
}

pub(super) fn flag(row: &impl Fields, column: &str) -> Result<bool> {
    Ok(number(row, column)? != 0)
}

/// A text that is always there.
pub(super) fn text<'a>(row: &'a impl Fields, column: &str) -> Result<&'a str> {
    missing(row.text(column)?)
}

pub(super) fn user_id(row: &impl Fields, column: &str) -> Result<UserId> {
    uuid(missing(row.bytes(column)?)?).map(UserId::from_uuid)
}

pub(super) fn conversation_id(row: &impl Fields, column: &str) -> Result<ConversationId> {
    uuid(missing(row.bytes(column)?)?).map(ConversationId::from_uuid)
}

/// A counter. SQLite's integers are signed, ours never are negative.
pub(super) fn count(row: &impl Fields, column: &str) -> Result<u64> {
    u64::try_from(number(row, column)?).map_err(|_| corrupt("a counter is negative"))
}

/// The other way: our counters stay far below the sign.
pub(super) fn integer(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

pub(super) fn time(row: &impl Fields, column: &str) -> Result<Timestamp> {
    number(row, column).map(Timestamp::from_millis)
}

pub(super) const fn kind_to_int(kind: Kind) -> i64 {
    match kind {
        Kind::Direct => 0,
        Kind::Group => 1,
    }
}

pub(super) fn kind(row: &impl Fields, column: &str) -> Result<Kind> {
    kind_from_int(number(row, column)?).ok_or_else(|| corrupt("unknown kind of conversation"))
}

pub(super) const fn kind_from_int(kind: i64) -> Option<Kind> {
    match kind {
        0 => Some(Kind::Direct),
        1 => Some(Kind::Group),
        _ => None,
    }
}

pub(super) const fn role_to_int(role: Role) -> i64 {
    match role {
        Role::Member => 0,
        Role::Admin => 1,
        Role::Owner => 2,
    }
}

pub(super) fn role(row: &SqliteRow, column: &str) -> Result<Role> {
    role_from_int(row.try_get(column)?)
}

pub(super) fn role_from_int(role: i64) -> Result<Role> {
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
pub(super) fn user(row: &SqliteRow) -> Result<User> {
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

pub(super) fn message(row: &impl Fields, conversation: ConversationId) -> Result<Message> {
    let body = text(row, "body")?;
    let nonce = text(row, "nonce")?.to_owned();
    Ok(Message {
        id: MessageId::from_uuid(uuid(missing(row.bytes("message_id")?)?)?),
        conversation,
        seq: count(row, "seq")?,
        rev: count(row, "rev")?,
        sender: user_id(row, "sender")?,
        nonce: Some(Nonce::try_from(nonce).map_err(|_| corrupt("a nonce is malformed"))?),
        body: body_from_json(body)?,
        sent_at: time(row, "sent_at")?,
        edited_at: row.integer("edited_at")?.map(Timestamp::from_millis),
        recalled: flag(row, "recalled")?,
        reply_to: match row.bytes("reply_to")? {
            Some(bytes) => Some(MessageId::from_uuid(uuid(bytes)?)),
            None => None,
        },
        mentions: ids_from_bytes(row.bytes("mentions")?.unwrap_or_default())?,
        mentions_all: flag(row, "mentions_all")?,
        reactions: match row.text("reactions")? {
            Some(json) => serde_json::from_str(json).map_err(|_| corrupt("reactions are malformed"))?,
            None => Vec::new(),
        },
        pinned: flag(row, "pinned")?,
    })
}

/// People as they stand in `message.mentions`: 16 bytes each.
pub(super) fn ids_from_bytes(bytes: &[u8]) -> Result<Vec<UserId>> {
    bytes.chunks(16).map(|id| uuid(id).map(UserId::from_uuid)).collect()
}

/// The other way; none where nobody is named.
pub(super) fn ids_to_bytes(ids: &[UserId]) -> Option<Vec<u8>> {
    (!ids.is_empty()).then(|| ids.iter().flat_map(|id| *id.as_bytes()).collect())
}

/// Everybody, in `mention.account`.
pub(super) const EVERYBODY: [u8; 16] = [0; 16];

/// A list for `json_each`: ids as hexadecimal digits, which `unhex` turns back.
pub(super) fn hex_list<'a>(ids: impl Iterator<Item = &'a [u8; 16]>) -> String {
    let ids: Vec<_> = ids.map(|id| uuid::Uuid::from_bytes(*id).simple().to_string()).collect();
    serde_json::Value::from(ids).to_string()
}

pub(super) const fn history_to_int(history: History) -> i64 {
    match history {
        History::Join => 0,
        History::All => 1,
    }
}

pub(super) fn history(row: &impl Fields, column: &str) -> Result<History> {
    match number(row, column)? {
        0 => Ok(History::Join),
        1 => Ok(History::All),
        _ => Err(corrupt("unknown history")),
    }
}

pub(super) fn body_from_json(text: &str) -> Result<Body> {
    serde_json::from_str(text).map_err(|_| corrupt("a body is malformed"))
}

pub(super) const JOINED: i64 = 1;
pub(super) const LEFT: i64 = 2;
pub(super) const RENAMED: i64 = 3;
pub(super) const ROLE: i64 = 4;
pub(super) const EDITED: i64 = 5;
pub(super) const RECALLED: i64 = 6;
pub(super) const REACTED: i64 = 7;
pub(super) const PINNED: i64 = 8;
pub(super) const ACCESS: i64 = 9;

/// A row of `change` that is not about a message, with its place and time.
pub(super) fn line(row: &SqliteRow) -> Result<Change> {
    let by = user_id(row, "actor")?;
    let kind = match row.try_get::<i64, _>("kind")? {
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
pub(super) fn about(kind: i64, message: Message) -> Result<ChangeKind> {
    match kind {
        EDITED => Ok(ChangeKind::Edited { message }),
        RECALLED => Ok(ChangeKind::Recalled { message }),
        REACTED => Ok(ChangeKind::Reacted { message }),
        PINNED => Ok(ChangeKind::Pinned { message }),
        _ => Err(corrupt("unknown kind of change")),
    }
}
