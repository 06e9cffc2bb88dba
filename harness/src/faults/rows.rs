//! What the database file holds, read past the server by the `sqlite3` program.

use crate::Error;
use crate::history::{RowChange, RowMember, Rows, Seen};
use protocol::{Body, ConversationId};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::str::FromStr;
use tokio::task::spawn_blocking;

/// Milliseconds a query waits where the server just writes.
const BUSY: &str = ".timeout 10000";

/// Whether rows can be read here: the program is part of no installation of ours.
pub fn readable() -> bool {
    Command::new("sqlite3").arg("-version").output().is_ok_and(|output| output.status.success())
}

#[derive(Deserialize)]
struct ConversationRow {
    id: String,
    head_seq: u64,
    head_rev: u64,
}

#[derive(Deserialize)]
struct MemberRow {
    conversation: String,
    account: String,
    joined_seq: u64,
    joined_rev: u64,
    read_seq: u64,
}

#[derive(Deserialize)]
struct MessageRow {
    conversation: String,
    seq: u64,
    posted_rev: u64,
    rev: u64,
    id: String,
    sender: String,
    nonce: String,
    body: String,
    recalled: u8,
}

#[derive(Deserialize)]
struct ChangeRow {
    conversation: String,
    rev: u64,
    kind: u8,
    subject: Option<String>,
}

/// Every conversation in the file, as it is now. The server may be running.
pub async fn read(database: &Path) -> Result<Vec<Rows>, Error> {
    let conversations: Vec<ConversationRow> =
        query(database, "SELECT hex(id) id, head_seq, head_rev FROM conversation").await?;
    let mut found = BTreeMap::new();
    for ConversationRow { id, head_seq, head_rev } in conversations {
        let conversation = id_of(&id)?;
        let (messages, members, changes) = (Vec::new(), Vec::new(), Vec::new());
        found.insert(conversation, Rows { conversation, messages, head_seq, head_rev, members, changes });
    }
    let members: Vec<MemberRow> = query(
        database,
        "SELECT hex(conversation) conversation, hex(account) account, joined_seq, joined_rev, read_seq FROM member",
    )
    .await?;
    for row in members {
        let MemberRow { joined_seq, joined_rev, read_seq, .. } = row;
        let member = RowMember { user: id_of(&row.account)?, joined_seq, joined_rev, read_seq };
        of(&mut found, &row.conversation)?.members.push(member);
    }
    let messages: Vec<MessageRow> = query(
        database,
        "SELECT hex(conversation) conversation, seq, posted_rev, rev, hex(id) id, hex(sender) sender, nonce, body, \
         recalled FROM message ORDER BY conversation, seq",
    )
    .await?;
    for row in messages {
        let seen = seen(&row)?;
        of(&mut found, &row.conversation)?.messages.push(seen);
    }
    let changes: Vec<ChangeRow> = query(
        database,
        "SELECT hex(conversation) conversation, rev, kind, hex(subject) subject FROM change ORDER BY conversation, rev",
    )
    .await?;
    for row in changes {
        let change = RowChange {
            rev: row.rev,
            change: kind(row.kind).to_owned(),
            // `hex` makes an empty text of NULL.
            subject: row.subject.filter(|id| !id.is_empty()).map(|id| id_of(&id)).transpose()?,
        };
        of(&mut found, &row.conversation)?.changes.push(change);
    }
    Ok(found.into_values().collect())
}

/// `chat/migrations/sqlite` says what the numbers are.
fn kind(number: u8) -> &'static str {
    match number {
        1 => "joined",
        2 => "left",
        3 => "renamed",
        4 => "role",
        _ => "unsupported",
    }
}

fn seen(row: &MessageRow) -> Result<Seen, Error> {
    let body: Body = serde_json::from_str(&row.body).map_err(|error| unreadable("a body", error))?;
    let (body, intact) = Seen::body_of(body.text());
    Ok(Seen {
        seq: row.seq,
        rev: row.rev,
        posted_rev: Some(row.posted_rev),
        id: id_of(&row.id)?,
        sender: id_of(&row.sender)?,
        nonce: Some(row.nonce.parse().map_err(|error| unreadable("a nonce", error))?),
        body,
        intact,
        recalled: row.recalled != 0,
        mentions: Vec::new(), // not stored yet
    })
}

fn of<'a>(found: &'a mut BTreeMap<ConversationId, Rows>, id: &str) -> Result<&'a mut Rows, Error> {
    let id = id_of(id)?;
    // The queries are not one transaction: a conversation may have been founded between them.
    Ok(found.entry(id).or_insert_with(|| Rows {
        conversation: id,
        messages: Vec::new(),
        head_seq: 0,
        head_rev: 0,
        members: Vec::new(),
        changes: Vec::new(),
    }))
}

fn id_of<T: FromStr<Err: std::fmt::Display>>(hex: &str) -> Result<T, Error> {
    hex.parse().map_err(|error| unreadable("an id", error))
}

fn unreadable(what: &str, error: impl std::fmt::Display) -> Error {
    Error::Unreadable(format!("{what} in the database: {error}"))
}

async fn query<T: DeserializeOwned>(database: &Path, sql: &str) -> Result<Vec<T>, Error> {
    let mut command = Command::new("sqlite3");
    command.args(["-readonly", "-json", "-cmd", BUSY]).arg(database).arg(sql);
    let output = spawn_blocking(move || command.output()).await;
    let output = output.map_err(|error| Error::Process(error.to_string()))??;
    if !output.status.success() {
        return Err(unreadable("sqlite3", String::from_utf8_lossy(&output.stderr)));
    }
    // No rows are written as nothing at all.
    if output.stdout.iter().all(u8::is_ascii_whitespace) {
        return Ok(Vec::new());
    }
    serde_json::from_slice(&output.stdout).map_err(|error| unreadable("sqlite3's answer", error))
}
