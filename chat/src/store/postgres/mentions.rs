//! `@name` and `@all` in Postgres: resolved among the members, and kept where unread mentions are counted.

use super::rows;
use protocol::mention::{ALL, names};
use protocol::{ConversationId, Message, UserId};
use sqlx::{PgConnection, Result, Row};
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
        connection: &mut PgConnection,
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
        let (ids, asked): (Vec<_>, Vec<_>) = asked.into_iter().map(|(id, name)| (id.uuid(), name)).unzip();
        let rows = sqlx::query(
            "SELECT m.conversation, a.username, a.id FROM unnest($1, $2) AS asked (conversation, name) \
             JOIN account a ON a.username = asked.name \
             JOIN member m ON m.conversation = asked.conversation AND m.account = a.id",
        )
        .bind(ids)
        .bind(asked)
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
    connection: &mut PgConnection,
    conversation: ConversationId,
    text: Option<&str>,
) -> Result<Named> {
    let mentions = Mentions::resolve(connection, std::iter::once((conversation, text))).await?;
    Ok(mentions.of(conversation, text))
}

/// The rows of `mention` a message has: everybody counts once, whoever else is named.
pub(super) fn accounts(message: &Message) -> Vec<uuid::Uuid> {
    if message.mentions_all {
        return vec![rows::EVERYBODY];
    }
    let others = message.mentions.iter().filter(|user| **user != message.sender);
    others.map(|user| user.uuid()).collect()
}

/// Makes the rows of a message those it has now, instead of those it had.
pub(super) async fn replace(
    connection: &mut PgConnection,
    before: &Message,
    message: &Message,
) -> Result<()> {
    let (gone, new) = (accounts(before), accounts(message));
    if !gone.is_empty() {
        sqlx::query("DELETE FROM mention WHERE account = ANY ($1) AND conversation = $2 AND seq = $3")
            .bind(gone)
            .bind(message.conversation.uuid())
            .bind(rows::integer(message.seq))
            .execute(&mut *connection)
            .await?;
    }
    if !new.is_empty() {
        sqlx::query("INSERT INTO mention (account, conversation, seq, sender) SELECT unnest($1), $2, $3, $4")
            .bind(new)
            .bind(message.conversation.uuid())
            .bind(rows::integer(message.seq))
            .bind(message.sender.uuid())
            .execute(connection)
            .await?;
    }
    Ok(())
}
