//! Reading: pages, the log, read marks, everything unread.

use crate::error::Error;
use crate::hub::Socket;
use crate::persist::Job;
use crate::store::{NewMark, Span, Standing};
use crate::{Chat, Identity, Result};
use futures::stream::{self, StreamExt, TryStreamExt};
use protocol::rest::{Changes, Messages, ReadMark, Unread, UnreadAll};
use protocol::{ChangeKind, Conversation, ConversationId, Kind, Message, UserId, limits};

/// Conversations whose unread messages are read at the same time: as many as the store has readers.
const AT_ONCE: usize = 4;

/// A nonce is shown to its sender only.
pub(crate) fn for_reader(message: &mut Message, reader: UserId) {
    if message.sender != reader {
        message.nonce = None;
    }
}

/// The same for the newest message of a conversation.
pub(crate) fn conversation_for_reader(conversation: &mut Conversation, reader: UserId) {
    if let Some(message) = &mut conversation.last_message {
        for_reader(message, reader);
    }
}

impl Chat {
    async fn standing(&self, who: Identity, id: ConversationId) -> Result<Standing> {
        self.inner.stores.conversations.standing(who.user, id).await?.ok_or(Error::NotFound)
    }

    /// A page of messages, ascending. The head is read first, so the page is complete up to it.
    pub async fn history(
        &self,
        who: Identity,
        id: ConversationId,
        span: Span,
        limit: u32,
    ) -> Result<Messages> {
        let standing = self.standing(who, id).await?;
        let limit = limit.clamp(1, limits::PAGE);
        let mut messages = self.inner.stores.messages.page(id, standing.joined_seq, span, limit).await?;
        // What was posted after the look at the membership comes as an event, to those who are still members.
        messages.retain(|message| message.seq <= standing.head_seq);
        messages.iter_mut().for_each(|message| for_reader(message, who.user));
        Ok(Messages { messages, head_seq: standing.head_seq, head_rev: standing.head_rev })
    }

    /// The changes after a `rev`, or [`Error::Reset`] where the asker must start over.
    pub async fn changes(
        &self,
        who: Identity,
        id: ConversationId,
        after: u64,
        limit: u32,
    ) -> Result<Changes> {
        let standing = self.standing(who, id).await?;
        if after > standing.head_rev {
            return Err(Error::Reset("This is ahead of the conversation: the database is another one."));
        }
        if after < standing.joined_rev {
            return Err(Error::Reset("You joined the conversation after this."));
        }
        if standing.head_rev - after > limits::SYNC_CHANGES {
            return Err(Error::Reset("This is too far behind."));
        }
        let limit = limit.clamp(1, limits::PAGE);
        let mut changes = self.inner.stores.messages.changes(id, after, standing.head_rev, limit).await?;
        for change in &mut changes.changes {
            if let ChangeKind::Posted { message } = &mut change.kind {
                for_reader(message, who.user);
            }
        }
        Ok(changes)
    }

    /// Raises the asker's read mark and tells the members; `from` is the socket that knows already.
    pub async fn read(
        &self,
        who: Identity,
        id: ConversationId,
        seq: u64,
        from: Option<&Socket>,
    ) -> Result<ReadMark> {
        let mark = NewMark { conversation: id, user: who.user, seq };
        let origin = from.map(Socket::id);
        let marked = self.inner.writer.ask(|waiting| Job::Mark(mark, origin, waiting)).await?;
        Ok(ReadMark { read_seq: marked.read_seq, unread: marked.unread })
    }

    /// Everything unread in one answer: the counts, and the newest messages behind them.
    pub async fn unread_all(&self, who: Identity) -> Result<UnreadAll> {
        let conversations = self.inner.stores.conversations.conversations(who.user).await?;
        let unread = conversations.into_iter().filter(|conversation| conversation.unread > 0);
        let all: Vec<(Kind, Unread)> = stream::iter(unread)
            .map(|conversation| async move { self.unread(who, conversation).await })
            .buffered(AT_ONCE)
            .try_collect()
            .await?;
        let (private, group): (Vec<_>, Vec<_>) = all.into_iter().partition(|(kind, _)| *kind == Kind::Direct);
        let strip = |list: Vec<(Kind, Unread)>| list.into_iter().map(|(_, unread)| unread).collect();
        Ok(UnreadAll { private_unreads: strip(private), group_unreads: strip(group) })
    }

    async fn unread(&self, who: Identity, conversation: Conversation) -> Result<(Kind, Unread)> {
        let floor = conversation.read_seq;
        let messages = &self.inner.stores.messages;
        let mut page = messages.page(conversation.id, floor, Span::Newest, limits::UNREAD_MESSAGES).await?;
        page.retain(|message| {
            message.seq <= conversation.head_seq && message.sender != who.user && !message.recalled
        });
        page.iter_mut().for_each(|message| for_reader(message, who.user));
        let unread = Unread {
            conversation: conversation.id,
            unread: conversation.unread,
            mentions: conversation.mentions,
            messages: page,
        };
        Ok((conversation.kind, unread))
    }
}
