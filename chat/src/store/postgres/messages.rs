//! Messages in Postgres: what the trait asks, handed to the file that does it.

use super::connections::{reading, writing};
use super::{Postgres, acts, connections, log, post};
use crate::planted;
use crate::store::{
    ActOutcome, MarkOutcome, Messages, NewAct, NewMark, NewPost, Page, PostOutcome, Result, Source, Span,
    Standing,
};
use async_trait::async_trait;
use protocol::rest::{Changes, Receipts, Version};
use protocol::{ConversationId, Message, MessageId, UserId};

impl Postgres {
    async fn write(
        &self,
        (posts, marks): (&[NewPost], &[NewMark]),
        source: Source,
    ) -> Result<(Vec<PostOutcome>, Vec<MarkOutcome>)> {
        let renamed = planted::renamed(posts);
        let written = renamed.as_deref().unwrap_or(posts);
        let mut outcomes = writing!(self, "write messages", |connection, phase| {
            post::post(&mut connection, &phase, (written, marks), source)
        })?;
        if renamed.is_some() {
            planted::named_back(posts, &mut outcomes.0);
        }
        Ok(outcomes)
    }
}

#[async_trait]
impl Messages for Postgres {
    async fn post(
        &self,
        posts: &[NewPost],
        marks: &[NewMark],
    ) -> Result<(Vec<PostOutcome>, Vec<MarkOutcome>)> {
        self.write((posts, marks), Source::Sender).await
    }

    async fn post_submitted(&self, posts: &[NewPost], source: Source) -> Result<Vec<PostOutcome>> {
        Ok(self.write((posts, &[]), source).await?.0)
    }

    async fn look_up(&self, posts: &[NewPost]) -> Result<Vec<Option<PostOutcome>>> {
        let doing = "look up nonces";
        let look = async { reading!(self, doing, |connection| post::look_up(&mut connection, posts)) };
        let found = tokio::time::timeout(connections::LOOK_UP, look).await;
        let found = found.unwrap_or_else(|_| Err(connections::timed_out(doing)));
        if found.is_err() {
            // What waited for this has waited long enough.
            self.breaker.open();
        }
        found
    }

    async fn act(&self, new: &[NewAct]) -> Result<Vec<ActOutcome>> {
        writing!(self, "change messages", |connection, phase| acts::all(&mut connection, &phase, new))
    }

    async fn page(&self, id: ConversationId, standing: Standing, span: Span, limit: u32) -> Result<Page> {
        // No snapshot: the standing bounds what is shown, and a message may be as it is now.
        reading!(self, "read a page", |connection| log::page(&mut connection, id, standing, span, limit))
    }

    async fn unread(
        &self,
        reader: UserId,
        spans: &[(ConversationId, u64, u64)],
        limit: u32,
    ) -> Result<Vec<Message>> {
        reading!(self, "read what is unread", |connection| log::unread(&mut connection, reader, spans, limit))
    }

    async fn changes(
        &self,
        id: ConversationId,
        standing: Standing,
        after: u64,
        limit: u32,
    ) -> Result<Changes> {
        reading!(self, "read changes", |connection| log::changes(&mut connection, id, standing, after, limit))
    }

    async fn message(&self, user: UserId, id: MessageId) -> Result<Option<Message>> {
        reading!(self, "read a message", |connection| log::message(&mut connection, user, id))
    }

    async fn edits(&self, message: &Message) -> Result<Vec<Version>> {
        reading!(self, "read what a message said", |connection| log::edits(&mut connection, message))
    }

    async fn pins(&self, id: ConversationId, floor: u64) -> Result<Vec<Message>> {
        reading!(self, "read the pins", |connection| log::pins(&mut connection, id, floor))
    }

    async fn readers(&self, message: &Message, limit: u32) -> Result<Receipts> {
        reading!(self, "read receipts", |connection| log::readers(&mut connection, message, limit))
    }
}
