//! What the database file holds, read past the server: SQLite's files speak for themselves.

use crate::Error;
use crate::history::{RowChange, RowMember, Rows, Seen};
use protocol::{Body, ConversationId, MessageId, Nonce, Reaction, UserId};
use rusqlite::types::FromSql;
use rusqlite::{Connection, OpenFlags, Row};
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;
use tokio::task::spawn_blocking;

/// How long a query waits where the server just writes.
const BUSY: Duration = Duration::from_secs(10);

/// Bytes of an id.
const ID: usize = 16;

/// Every conversation in the file, as it is at one moment. The server may be running.
pub async fn read(database: PathBuf) -> Result<Vec<Rows>, Error> {
    let reading = spawn_blocking(move || read_now(&database)).await;
    reading.map_err(|error| Error::Process(error.to_string()))?
}

type Found = BTreeMap<ConversationId, Rows>;

fn read_now(database: &Path) -> Result<Vec<Rows>, Error> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(database, flags).map_err(of_database)?;
    connection.busy_timeout(BUSY).map_err(of_database)?;
    // One transaction: everything is of one moment.
    let snapshot = connection.transaction().map_err(of_database)?;
    let mut found = Found::new();
    each(&snapshot, "SELECT id, head_seq, head_rev FROM conversation", |row| {
        let conversation = id(row, "id")?;
        let rows = Rows {
            conversation,
            messages: Vec::new(),
            head_seq: number(row, "head_seq")?,
            head_rev: number(row, "head_rev")?,
            members: Vec::new(),
            changes: Vec::new(),
            versions: Vec::new(),
        };
        found.insert(conversation, rows);
        Ok(())
    })?;
    // Mentions are counted from their own rows, which hold the messages' own lists once more.
    let members = "SELECT conversation, account, joined_seq, joined_rev, read_seq, \
        (SELECT count(*) FROM mention n WHERE n.conversation = m.conversation AND n.seq > m.read_seq \
        AND n.sender <> m.account AND n.account IN (m.account, zeroblob(16))) AS mentions FROM member m";
    each(&snapshot, members, |row| {
        let member = RowMember {
            user: id(row, "account")?,
            joined_seq: number(row, "joined_seq")?,
            joined_rev: number(row, "joined_rev")?,
            read_seq: number(row, "read_seq")?,
            mentions: Some(number(row, "mentions")?),
        };
        of(&mut found, row)?.members.push(member);
        Ok(())
    })?;
    each(&snapshot, "SELECT * FROM message ORDER BY conversation, seq", |row| {
        let seen = seen(row)?;
        of(&mut found, row)?.messages.push(seen);
        Ok(())
    })?;
    each(
        &snapshot,
        "SELECT conversation, rev, kind, subject FROM change ORDER BY conversation, rev",
        |row| {
            let change = RowChange {
                rev: number(row, "rev")?,
                change: kind(get(row, "kind")?).to_owned(),
                subject: get::<Option<Vec<u8>>>(row, "subject")?.map(|bytes| id_of(&bytes)).transpose()?,
            };
            of(&mut found, row)?.changes.push(change);
            Ok(())
        },
    )?;
    each(&snapshot, "SELECT conversation, seq FROM edit", |row| {
        let seq = number(row, "seq")?;
        of(&mut found, row)?.versions.push(seq);
        Ok(())
    })?;
    Ok(found.into_values().collect())
}

/// `chat/migrations/sqlite` says what the numbers are.
const fn kind(number: i64) -> &'static str {
    match number {
        1 => "joined",
        2 => "left",
        3 => "renamed",
        4 => "role",
        5 => "edited",
        6 => "recalled",
        7 => "reacted",
        8 => "pinned",
        9 => "access",
        _ => "unsupported",
    }
}

fn seen(row: &Row<'_>) -> Result<Seen, Error> {
    let body: Body = json(&get::<String>(row, "body")?, "a body")?;
    let (body, intact) = Seen::body_of(body.text());
    let nonce: String = get(row, "nonce")?;
    let nonce: Nonce = nonce.parse().map_err(|error| unreadable("a nonce", error))?;
    let mentions: Option<Vec<u8>> = get(row, "mentions")?;
    let mentions: Result<Vec<UserId>, Error> = mentions.unwrap_or_default().chunks(ID).map(id_of).collect();
    let reactions: Option<String> = get(row, "reactions")?;
    let reactions: Option<Vec<Reaction>> =
        reactions.map(|reactions| json(&reactions, "reactions")).transpose()?;
    let reply_to: Option<Vec<u8>> = get(row, "reply_to")?;
    let reply_to: Option<MessageId> = reply_to.map(|bytes| id_of(&bytes)).transpose()?;
    Ok(Seen {
        seq: number(row, "seq")?,
        rev: number(row, "rev")?,
        posted_rev: Some(number(row, "posted_rev")?),
        id: id(row, "id")?,
        sender: id(row, "sender")?,
        nonce: Some(nonce),
        body,
        intact,
        recalled: get(row, "recalled")?,
        edited: get::<Option<i64>>(row, "edited_at")?.is_some(),
        mentions: mentions?,
        mentions_all: get(row, "mentions_all")?,
        reactions: reactions.unwrap_or_default(),
        pinned: get(row, "pinned")?,
        reply_to,
    })
}

/// The conversation that a row belongs to.
fn of<'a>(found: &'a mut Found, row: &Row<'_>) -> Result<&'a mut Rows, Error> {
    let id = id(row, "conversation")?;
    found.get_mut(&id).ok_or_else(|| unreadable("a row", format!("there is no conversation {id}")))
}

fn each(
    connection: &Connection,
    sql: &str,
    mut take: impl FnMut(&Row<'_>) -> Result<(), Error>,
) -> Result<(), Error> {
    let mut statement = connection.prepare(sql).map_err(of_database)?;
    let mut rows = statement.query([]).map_err(of_database)?;
    while let Some(row) = rows.next().map_err(of_database)? {
        take(row)?;
    }
    Ok(())
}

fn get<T: FromSql>(row: &Row<'_>, column: &str) -> Result<T, Error> {
    row.get(column).map_err(of_database)
}

fn number(row: &Row<'_>, column: &str) -> Result<u64, Error> {
    get::<i64>(row, column)?.try_into().map_err(|error| unreadable(column, error))
}

fn id<T: FromStr<Err: std::fmt::Display>>(row: &Row<'_>, column: &str) -> Result<T, Error> {
    id_of(&get::<Vec<u8>>(row, column)?)
}

fn id_of<T: FromStr<Err: std::fmt::Display>>(bytes: &[u8]) -> Result<T, Error> {
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    hex.parse().map_err(|error| unreadable("an id", error))
}

fn json<T: DeserializeOwned>(text: &str, what: &str) -> Result<T, Error> {
    serde_json::from_str(text).map_err(|error| unreadable(what, error))
}

fn of_database(error: rusqlite::Error) -> Error {
    unreadable("something", error)
}

fn unreadable(what: &str, error: impl std::fmt::Display) -> Error {
    Error::Unreadable(format!("{what} in the database: {error}"))
}
