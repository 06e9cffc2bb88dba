//! What a client has of its conversations, kept by the rules of the contract: an event counts only if its `rev`
//! follows the last one.

use protocol::{Change, ChangeKind, Conversation, ConversationId, Message, ServerFrame};
use std::collections::BTreeMap;

/// Everything applied so far.
#[derive(Clone, Debug, Default)]
pub struct Replica {
    /// Last applied `rev` of each conversation.
    pub cursors: BTreeMap<ConversationId, u64>,
    /// Messages that arrived as changes, in the order they were applied.
    pub messages: BTreeMap<ConversationId, Vec<Message>>,
}

/// What one change did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Applied {
    /// It was the next one.
    Yes,
    /// It was known already.
    Known,
    /// Changes before it are missing: the last `rev` I have, and the one that came.
    Gap {
        /// The last one I have.
        last: u64,
        /// The one that came.
        came: u64,
    },
    /// The frame carries no change.
    Nothing,
}

impl Replica {
    /// Starts from the conversations of a `heads`: each is complete up to its `head_rev`.
    pub fn from_heads(heads: &[Conversation]) -> Self {
        let mut replica = Self::default();
        replica.take_heads(heads);
        replica
    }

    /// Takes whole objects in.
    pub fn take_heads(&mut self, heads: &[Conversation]) {
        self.cursors.extend(heads.iter().map(|conversation| (conversation.id, conversation.head_rev)));
    }

    /// Takes any frame in. Several changes in one frame count as the worst of them.
    pub fn take(&mut self, frame: &ServerFrame) -> Applied {
        match frame {
            ServerFrame::Heads { conversations } => {
                self.take_heads(conversations);
                Applied::Nothing
            }
            ServerFrame::Event { conversation, change, .. } => self.apply(*conversation, change),
            // The connection that asked learns of its message, or of what it did to one, by the ack, which stands in the
            // event's place.
            ServerFrame::Ack { message, duplicate: false, .. } => {
                let kind = ChangeKind::Posted { message: message.clone() };
                self.apply(message.conversation, &Change::new(message.rev, kind))
            }
            ServerFrame::Changes { conversation, changes, .. } => changes
                .iter()
                .map(|change| self.apply(*conversation, change))
                .find(|applied| matches!(applied, Applied::Gap { .. }))
                .unwrap_or(Applied::Yes),
            _ => Applied::Nothing,
        }
    }

    /// Applies one change by the rule for clients.
    pub fn apply(&mut self, conversation: ConversationId, change: &Change) -> Applied {
        let last = self.cursors.entry(conversation).or_default();
        if change.rev <= *last {
            return Applied::Known;
        }
        if change.rev > *last + 1 {
            return Applied::Gap { last: *last, came: change.rev };
        }
        *last = change.rev;
        if let Some(message) = change.kind.message() {
            let messages = self.messages.entry(conversation).or_default();
            match messages.iter_mut().find(|known| known.id == message.id) {
                Some(known) => *known = message.clone(),
                None if matches!(change.kind, ChangeKind::Posted { .. }) => messages.push(message.clone()),
                // It was posted before this replica began.
                None => {}
            }
        }
        Applied::Yes
    }

    /// Starts a conversation over from a page that is complete up to `rev`.
    pub fn replace(&mut self, conversation: ConversationId, messages: Vec<Message>, rev: u64) {
        self.cursors.insert(conversation, rev);
        self.messages.insert(conversation, messages);
    }

    /// Drops a conversation.
    pub fn forget(&mut self, conversation: ConversationId) {
        self.cursors.remove(&conversation);
        self.messages.remove(&conversation);
    }

    /// The words of a conversation in the order they were applied.
    pub fn words(&self, conversation: ConversationId) -> Vec<String> {
        let messages = self.messages.get(&conversation).map(Vec::as_slice).unwrap_or_default();
        messages.iter().map(|message| message.body.text().unwrap_or_default().to_owned()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::UserId;

    #[test]
    fn a_gap_is_seen_and_what_is_known_is_dropped() {
        let conversation = ConversationId::generate();
        let joined =
            |rev| Change::new(rev, ChangeKind::Joined { by: UserId::generate(), user: UserId::generate() });
        let mut replica = Replica::default();
        assert_eq!(replica.apply(conversation, &joined(1)), Applied::Yes);
        assert_eq!(replica.apply(conversation, &joined(1)), Applied::Known);
        assert_eq!(replica.apply(conversation, &joined(3)), Applied::Gap { last: 1, came: 3 });
        assert_eq!(replica.apply(conversation, &joined(2)), Applied::Yes);
    }
}
