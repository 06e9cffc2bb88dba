//! `@name` and `@all` in SQLite: resolved among the members, and kept where unread mentions are counted.

use super::rows;
use protocol::mention::{ALL, names};
use protocol::{ConversationId, Message, UserId};
use sqlx::{Result, Row, SqliteConnection};
use std::collections::{HashMap, HashSet};

/// Whom a text names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Named {
    pub(super) users: Vec<UserId>,
    pub(super) all: bool,
}

/// Who has one of the names in a JSON list, among the members of a conversation.
pub(super) const RESOLVE: &str = "SELECT a.username, a.id FROM json_each(?1) j JOIN account a ON a.username = j.value \
     JOIN member m ON m.conversation = ?2 AND m.account = a.id";

/// The list for [`RESOLVE`]; none where the text has no `@`.
pub(super) fn asked(text: Option<&str>) -> Option<String> {
    let mut asked = HashSet::new();
    for named in names(text.unwrap_or_default()) {
        asked.extend(named.candidates().map(str::to_ascii_lowercase));
    }
    (!asked.is_empty()).then(|| serde_json::json!(asked).to_string())
}

/// Whom a text names, in its order, each once, of the members that [`RESOLVE`] found.
pub(super) fn named(text: Option<&str>, members: &HashMap<String, UserId>) -> Named {
    let mut found = Named::default();
    for named in names(text.unwrap_or_default()) {
        for name in named.candidates() {
            let name = name.to_ascii_lowercase();
            // A person may be called `all`: in their conversations they are named, and so is everybody.
            found.all |= name == ALL;
            if let Some(user) = members.get(&name) {
                if !found.users.contains(user) {
                    found.users.push(*user);
                }
                break;
            }
        }
    }
    found
}

/// Whom a text names.
pub(super) async fn resolve(
    connection: &mut SqliteConnection,
    conversation: ConversationId,
    text: Option<&str>,
) -> Result<Named> {
    let Some(asked) = asked(text) else { return Ok(Named::default()) };
    let rows =
        sqlx::query(RESOLVE).bind(asked).bind(&conversation.as_bytes()[..]).fetch_all(connection).await?;
    let members = rows.iter().map(|row| Ok((row.try_get("username")?, rows::user_id(row, "id")?)));
    Ok(named(text, &members.collect::<Result<_>>()?))
}

/// The rows of `mention` a message has: everybody counts once, whoever else is named.
pub(super) fn accounts(message: &Message) -> Vec<[u8; 16]> {
    if message.mentions_all {
        return vec![rows::EVERYBODY];
    }
    let others = message.mentions.iter().filter(|user| **user != message.sender);
    others.map(|user| *user.as_bytes()).collect()
}

/// Makes the rows of a message those it has now, instead of those it had.
pub(super) async fn replace(
    connection: &mut SqliteConnection,
    before: &Message,
    message: &Message,
) -> Result<()> {
    for account in accounts(before) {
        sqlx::query("DELETE FROM mention WHERE account = ? AND conversation = ? AND seq = ?")
            .bind(&account[..])
            .bind(&message.conversation.as_bytes()[..])
            .bind(rows::integer(message.seq))
            .execute(&mut *connection)
            .await?;
    }
    for account in accounts(message) {
        sqlx::query("INSERT INTO mention (account, conversation, seq, sender) VALUES (?, ?, ?, ?)")
            .bind(&account[..])
            .bind(&message.conversation.as_bytes()[..])
            .bind(rows::integer(message.seq))
            .bind(&message.sender.as_bytes()[..])
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}
