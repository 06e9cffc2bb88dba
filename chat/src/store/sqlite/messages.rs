//! Messages in SQLite: what the trait asks, handed to the file that does it.

use super::post::{self, Written};
use super::{Sqlite, acts, failed, log, uncommitted};
use crate::planted;
use crate::store::{
    Act, ActOutcome, MarkOutcome, Messages, NewAct, NewMark, NewPost, Page, PostOutcome, Result, Source,
    Span, Standing,
};
use async_trait::async_trait;
use protocol::rest::{Changes, Receipts, Version};
use protocol::{ConversationId, Message, MessageId, UserId};

impl Sqlite {
    async fn write(
        &self,
        posts: &[NewPost],
        marks: &[NewMark],
        source: Source,
    ) -> Result<(Vec<PostOutcome>, Vec<MarkOutcome>)> {
        let turn = self.checkpoints.turn().await;
        let renamed = planted::renamed(posts);
        let new = renamed.clone().unwrap_or_else(|| posts.to_vec());
        let (written, marked) = self.writer.write(new, marks.to_vec(), source).await?;
        self.checkpoints.committed();
        drop(turn);
        let mut posted = Vec::with_capacity(written.len());
        for written in written {
            posted.push(match written {
                Written::Outcome(outcome) => outcome,
                // What stands beside it in the batch is stored by now.
                Written::Known(place) => {
                    let failed = || uncommitted("read a message that was there");
                    let mut connection = self.read.acquire().await.map_err(failed())?;
                    post::known(&mut connection, &place).await.map_err(failed())?
                }
            });
        }
        if renamed.is_some() {
            planted::named_back(posts, &mut posted);
        }
        Ok((posted, marked))
    }
}

#[async_trait]
impl Messages for Sqlite {
    async fn post(
        &self,
        posts: &[NewPost],
        marks: &[NewMark],
    ) -> Result<(Vec<PostOutcome>, Vec<MarkOutcome>)> {
        self.write(posts, marks, Source::Sender).await
    }

    async fn post_submitted(&self, posts: &[NewPost], source: Source) -> Result<Vec<PostOutcome>> {
        Ok(self.write(posts, &[], source).await?.0)
    }

    async fn look_up(&self, posts: &[NewPost]) -> Result<Vec<Option<PostOutcome>>> {
        let mut connection = self.read.acquire().await.map_err(failed("look up nonces"))?;
        post::look_up(&mut connection, posts).await
    }

    async fn act(&self, new: &[NewAct]) -> Result<Vec<ActOutcome>> {
        let failed = || failed("change messages");
        let _turn = self.checkpoints.turn().await;
        let mut transaction = self.write.begin_with("BEGIN IMMEDIATE").await.map_err(failed())?;
        let mut outcomes = Vec::with_capacity(new.len());
        for act in new {
            outcomes.push(acts::act(&mut transaction, act).await.map_err(failed())?);
        }
        transaction.commit().await.map_err(uncommitted("change messages"))?;
        if new.iter().any(|act| act.act == Act::Recall) {
            self.checkpoints.forget();
        }
        self.checkpoints.committed();
        Ok(outcomes)
    }

    async fn page(&self, id: ConversationId, standing: Standing, span: Span, limit: u32) -> Result<Page> {
        // No snapshot: the standing bounds what is shown, and a message may be as it is now.
        let mut connection = self.read.acquire().await.map_err(failed("read a page"))?;
        log::page(&mut connection, id, standing, span, limit).await.map_err(failed("read a page"))
    }

    async fn unread(
        &self,
        reader: UserId,
        spans: &[(ConversationId, u64, u64)],
        limit: u32,
    ) -> Result<Vec<Message>> {
        let mut connection = self.read.acquire().await.map_err(failed("read what is unread"))?;
        log::unread(&mut connection, reader, spans, limit).await.map_err(failed("read what is unread"))
    }

    async fn changes(
        &self,
        id: ConversationId,
        standing: Standing,
        after: u64,
        limit: u32,
    ) -> Result<Changes> {
        // One snapshot: a message committed between two reads would leave a hole.
        let mut snapshot = self.read.begin().await.map_err(failed("read changes"))?;
        log::changes(&mut snapshot, id, standing, after, limit).await.map_err(failed("read changes"))
    }

    async fn message(&self, user: UserId, id: MessageId) -> Result<Option<Message>> {
        let mut connection = self.read.acquire().await.map_err(failed("read a message"))?;
        log::message(&mut connection, user, id).await.map_err(failed("read a message"))
    }

    async fn edits(&self, message: &Message) -> Result<Vec<Version>> {
        let mut connection = self.read.acquire().await.map_err(failed("read what a message said"))?;
        log::edits(&mut connection, message).await.map_err(failed("read what a message said"))
    }

    async fn pins(&self, id: ConversationId, floor: u64) -> Result<Vec<Message>> {
        let mut connection = self.read.acquire().await.map_err(failed("read the pins"))?;
        log::pins(&mut connection, id, floor).await.map_err(failed("read the pins"))
    }

    async fn readers(&self, message: &Message, limit: u32) -> Result<Receipts> {
        let mut connection = self.read.acquire().await.map_err(failed("read receipts"))?;
        log::readers(&mut connection, message, limit).await.map_err(failed("read receipts"))
    }
}
