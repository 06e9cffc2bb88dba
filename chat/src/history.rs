//! Reading: pages, the log, read marks, everything unread.

use crate::error::Error;
use crate::hub::Socket;
use crate::persist::Job;
use crate::rates::Action;
use crate::store::{NewMark, Page, Span, Standing};
use crate::{Chat, Identity, Result};
use protocol::rest::{Changes, Edits, Messages, Pins, ReadMark, Receipts, Unread, UnreadAll};
use protocol::{Conversation, ConversationId, Kind, Message, MessageId, UserId, limits};
use std::collections::HashMap;

/// A nonce is shown to its sender only.
pub(crate) fn for_reader(message: &mut Message, reader: UserId) {
    if message.sender != reader {
        message.nonce = None;
    }
}

/// A message as this reader may see it.
pub(crate) fn shown_to(mut message: Message, reader: UserId) -> Message {
    for_reader(&mut message, reader);
    message
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
        let mut page = self.inner.stores.messages.page(id, standing, span, limit).await?;
        page.messages.iter_mut().chain(&mut page.quoted).for_each(|message| for_reader(message, who.user));
        let Page { messages, quoted, happened } = page;
        let (head_seq, head_rev) = (standing.head_seq, standing.head_rev);
        Ok(Messages { messages, quoted, happened, head_seq, head_rev })
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
        let mut changes = self.inner.stores.messages.changes(id, standing, after, limit).await?;
        for change in &mut changes.changes {
            if let Some(message) = change.kind.message_mut() {
                for_reader(message, who.user);
            }
        }
        Ok(changes)
    }

    /// One message the asker may see.
    pub async fn message(&self, who: Identity, id: MessageId) -> Result<Message> {
        let found = self.inner.stores.messages.message(who.user, id).await?;
        found.map(|message| shown_to(message, who.user)).ok_or(Error::NotFound)
    }

    /// What a message said before.
    pub async fn edits(&self, who: Identity, id: MessageId) -> Result<Edits> {
        let message = self.message(who, id).await?;
        Ok(Edits { versions: self.inner.stores.messages.edits(&message).await? })
    }

    /// The pinned messages of a conversation.
    pub async fn pins(&self, who: Identity, id: ConversationId) -> Result<Pins> {
        let standing = self.standing(who, id).await?;
        let mut messages = self.inner.stores.messages.pins(id, standing.joined_seq).await?;
        messages.iter_mut().for_each(|message| for_reader(message, who.user));
        Ok(Pins { messages })
    }

    /// Who has read a message.
    pub async fn receipts(&self, who: Identity, id: MessageId) -> Result<Receipts> {
        let message = self.message(who, id).await?;
        Ok(self.inner.stores.messages.readers(&message, limits::READERS).await?)
    }

    /// Raises the asker's read mark and tells the members; `from` is the socket that knows already.
    pub async fn read(
        &self,
        who: Identity,
        id: ConversationId,
        seq: u64,
        from: Option<&Socket>,
    ) -> Result<ReadMark> {
        self.inner.rates.check(Action::Mark, who.user)?;
        let mark = NewMark { conversation: id, user: who.user, seq };
        let origin = from.map(Socket::id);
        let marked = self.inner.writer.ask(|waiting| Job::Mark(mark, origin, waiting)).await?;
        Ok(ReadMark { read_seq: marked.read_seq, unread: marked.unread, mentions: marked.mentions })
    }

    /// Everything unread in one answer: the counts, and the newest messages behind them. Three queries, whatever the
    /// number of conversations.
    pub async fn unread_all(&self, who: Identity) -> Result<UnreadAll> {
        let mut conversations = self.inner.stores.conversations.conversations(who.user).await?;
        conversations.retain(|conversation| conversation.unread > 0);
        let spans: Vec<_> = conversations.iter().map(unread_span).collect();
        let count = u32::try_from(spans.len()).unwrap_or(u32::MAX).max(1);
        let each = (limits::UNREAD_MESSAGES_ALL / count).clamp(1, limits::UNREAD_MESSAGES);
        let mut messages = self.inner.stores.messages.unread(who.user, &spans, each).await?;
        messages.iter_mut().for_each(|message| for_reader(message, who.user));
        let mut found: HashMap<ConversationId, Vec<Message>> = HashMap::new();
        for message in messages {
            found.entry(message.conversation).or_default().push(message);
        }
        let mut all = UnreadAll { private_unreads: Vec::new(), group_unreads: Vec::new() };
        for Conversation { id, kind, unread, mentions, .. } in conversations {
            let messages = found.remove(&id).unwrap_or_default();
            let list = if kind == Kind::Direct { &mut all.private_unreads } else { &mut all.group_unreads };
            list.push(Unread { conversation: id, unread, mentions, messages });
        }
        Ok(all)
    }
}

/// Where the unread messages of a conversation stand: after the mark or where it is kept from, up to its head.
fn unread_span(conversation: &Conversation) -> (ConversationId, u64, u64) {
    let kept = conversation.settings.unread_from.map_or(u64::MAX, |seq| seq.saturating_sub(1));
    (conversation.id, conversation.read_seq.min(kept), conversation.head_seq)
}
