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

/// Names of several texts, resolved with one query, and none where no text has an `@`.
#[derive(Default)]
pub(super) struct Mentions {
    members: HashMap<(ConversationId, String), UserId>,
}

impl Mentions {
    pub(super) async fn resolve<'a>(
        connection: &mut SqliteConnection,
        texts: impl Iterator<Item = (ConversationId, Option<&'a str>)>,
    ) -> Result<Self> {
        let mut asked = HashSet::new();
        for (conversation, text) in texts {
            for named in names(text.unwrap_or_default()) {
                asked.extend(named.candidates().map(|name| (conversation, name.to_ascii_lowercase())));
            }
        }
        if asked.is_empty() {
            return Ok(Self::default());
        }
        let asked: Vec<_> =
            asked.into_iter().map(|(id, name)| (id.uuid().simple().to_string(), name)).collect();
        let rows = sqlx::query(
            "SELECT m.conversation, a.username, a.id FROM json_each(?) j \
             JOIN account a ON a.username = j.value ->> 1 \
             JOIN member m ON m.conversation = unhex(j.value ->> 0) AND m.account = a.id",
        )
        .bind(serde_json::json!(asked).to_string())
        .fetch_all(connection)
        .await?;
        let members = rows
            .iter()
            .map(|row| {
                let key = (rows::conversation_id(row, "conversation")?, row.try_get("username")?);
                Ok((key, rows::user_id(row, "id")?))
            })
            .collect::<Result<_>>()?;
        Ok(Self { members })
    }

    /// Whom this text names, in its order, each once.
    pub(super) fn of(&self, conversation: ConversationId, text: Option<&str>) -> Named {
        let mut found = Named::default();
        for named in names(text.unwrap_or_default()) {
            for name in named.candidates() {
                let name = name.to_ascii_lowercase();
                // A person may be called `all`: in their conversations they are named, and so is everybody.
                found.all |= name == ALL;
                if let Some(user) = self.members.get(&(conversation, name)) {
                    if !found.users.contains(user) {
                        found.users.push(*user);
                    }
                    break;
                }
            }
        }
        found
    }
}

/// The same for one text.
pub(super) async fn resolve_one(
    connection: &mut SqliteConnection,
    conversation: ConversationId,
    text: Option<&str>,
) -> Result<Named> {
    let mentions = Mentions::resolve(connection, std::iter::once((conversation, text))).await?;
    Ok(mentions.of(conversation, text))
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
