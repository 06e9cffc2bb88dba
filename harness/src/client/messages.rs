//! Messages, what happens to them, and the log.

use super::{Client, text};
use crate::Error;
use protocol::rest::{Changes, EditMessage, Edits, Messages, NewMessage, Pins, Posted, Receipts};
use protocol::{Body, ConversationId, Message, MessageId, Nonce, limits};
use reqwest::Method;
use std::fmt::Write as _;

/// An emoji as it stands in a path: every byte escaped.
fn escaped(emoji: &str) -> String {
    emoji.bytes().fold(String::new(), |mut path, byte| {
        let _ = write!(path, "%{byte:02X}"); // writing into a String does not fail
        path
    })
}

impl Client {
    /// A page of history; `query` as in the contract, for example `before=17&limit=5`.
    pub async fn messages(&self, id: ConversationId, query: &str) -> Result<Messages, Error> {
        self.fetch(&format!("conversations/{id}/messages?{query}")).await
    }

    /// Every message of a conversation, read page by page from the start.
    pub async fn whole_history(&self, id: ConversationId) -> Result<Vec<Message>, Error> {
        let mut all: Vec<Message> = Vec::new();
        loop {
            let after = all.last().map_or(0, |message| message.seq);
            let page = self.messages(id, &format!("after={after}&limit={}", limits::PAGE)).await?;
            if page.messages.is_empty() {
                return Ok(all);
            }
            all.extend(page.messages);
        }
    }

    /// Posts words under a fresh nonce.
    pub async fn post(&self, id: ConversationId, words: &str) -> Result<Posted, Error> {
        self.post_as(id, Nonce::generate(), text(words)).await
    }

    /// Posts under a nonce of the caller's choice.
    pub async fn post_as(&self, id: ConversationId, nonce: Nonce, body: Body) -> Result<Posted, Error> {
        let body = NewMessage { nonce, body, reply_to: None };
        self.submit(&format!("conversations/{id}/messages"), &body).await
    }

    /// The log after a `rev`; `query` for example `after=3&limit=10`.
    pub async fn changes(&self, id: ConversationId, query: &str) -> Result<Changes, Error> {
        self.fetch(&format!("conversations/{id}/changes?{query}")).await
    }

    /// Posts an answer to a message.
    pub async fn reply(&self, id: ConversationId, to: MessageId, words: &str) -> Result<Posted, Error> {
        let body = NewMessage { nonce: Nonce::generate(), body: text(words), reply_to: Some(to) };
        self.submit(&format!("conversations/{id}/messages"), &body).await
    }

    /// One message.
    pub async fn message(&self, id: MessageId) -> Result<Message, Error> {
        self.fetch(&format!("messages/{id}")).await
    }

    /// Gives a message other words, under a nonce of the caller's choice or none.
    pub async fn edit(&self, id: MessageId, nonce: Option<Nonce>, words: &str) -> Result<Message, Error> {
        let body = EditMessage { nonce, body: text(words) };
        self.change(Method::PATCH, &format!("messages/{id}"), &body).await
    }

    /// Takes a message back.
    pub async fn recall(&self, id: MessageId) -> Result<Message, Error> {
        self.order(Method::DELETE, &format!("messages/{id}")).await
    }

    /// Puts my reaction under a message.
    pub async fn react(&self, id: MessageId, emoji: &str) -> Result<Message, Error> {
        self.order(Method::PUT, &format!("messages/{id}/reactions/{}", escaped(emoji))).await
    }

    /// Takes my reaction away.
    pub async fn unreact(&self, id: MessageId, emoji: &str) -> Result<Message, Error> {
        self.order(Method::DELETE, &format!("messages/{id}/reactions/{}", escaped(emoji))).await
    }

    /// Pins a message.
    pub async fn pin(&self, id: MessageId) -> Result<Message, Error> {
        self.order(Method::PUT, &format!("messages/{id}/pin")).await
    }

    /// Unpins a message.
    pub async fn unpin(&self, id: MessageId) -> Result<Message, Error> {
        self.order(Method::DELETE, &format!("messages/{id}/pin")).await
    }

    /// What a message said before.
    pub async fn edits(&self, id: MessageId) -> Result<Edits, Error> {
        self.fetch(&format!("messages/{id}/edits")).await
    }

    /// Who has read a message.
    pub async fn receipts(&self, id: MessageId) -> Result<Receipts, Error> {
        self.fetch(&format!("messages/{id}/receipts")).await
    }

    /// The pinned messages of a conversation.
    pub async fn pins(&self, id: ConversationId) -> Result<Pins, Error> {
        self.fetch(&format!("conversations/{id}/pins")).await
    }
}
