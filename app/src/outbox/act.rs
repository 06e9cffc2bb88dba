//! What I can ask for that gets a nonce, and what it looks like before the server says so.

use protocol::{
    Body, ChangeKind, ClientFrame, ConversationId, Emoji, Message, MessageId, Nonce, Reaction, Text,
    Timestamp, UserId,
};
use serde::{Deserialize, Serialize};

/// A request with a nonce.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Act {
    /// A new message.
    Send {
        /// What it says.
        text: Text,
        /// The message it answers.
        reply_to: Option<MessageId>,
    },
    /// Other words for one of my messages.
    Edit {
        /// Which one.
        message: MessageId,
        /// What it says from now on.
        text: Text,
    },
    /// A message is taken back.
    Recall {
        /// Which one.
        message: MessageId,
    },
    /// My reaction.
    React {
        /// To which message.
        message: MessageId,
        /// Which one.
        emoji: Emoji,
        /// Put or taken away.
        on: bool,
    },
    /// A pin.
    Pin {
        /// On which message.
        message: MessageId,
        /// Pinned or not.
        on: bool,
    },
}

impl Act {
    /// The message it changes; none for a new one.
    pub fn message(&self) -> Option<MessageId> {
        match self {
            Self::Send { .. } => None,
            Self::Edit { message, .. }
            | Self::Recall { message }
            | Self::React { message, .. }
            | Self::Pin { message, .. } => Some(*message),
        }
    }

    /// The frame that asks for it.
    pub fn frame(&self, conversation: ConversationId, nonce: Nonce) -> ClientFrame {
        match self.clone() {
            Self::Send { text, reply_to } => {
                ClientFrame::Send { nonce, conversation, body: Body::Text { text }, reply_to }
            }
            Self::Edit { message, text } => ClientFrame::Edit { nonce, message, body: Body::Text { text } },
            Self::Recall { message } => ClientFrame::Recall { nonce, message },
            Self::React { message, emoji, on } => ClientFrame::React { nonce, message, emoji, on },
            Self::Pin { message, on } => ClientFrame::Pin { nonce, message, on },
        }
    }

    /// The change it makes of a message that is now as given.
    pub fn change(&self, message: Message) -> ChangeKind {
        match self {
            Self::Send { .. } => ChangeKind::Posted { message },
            Self::Edit { .. } => ChangeKind::Edited { message },
            Self::Recall { .. } => ChangeKind::Recalled { message },
            Self::React { .. } => ChangeKind::Reacted { message },
            Self::Pin { .. } => ChangeKind::Pinned { message },
        }
    }

    /// What `message` looks like with it, done by `me` at this time.
    pub fn show(&self, message: &mut Message, me: UserId, at: Timestamp) {
        if message.recalled || self.message() != Some(message.id) {
            return; // nothing more happens to what was taken back
        }
        match self {
            Self::Send { .. } => {}
            Self::Edit { text, .. } => {
                message.body = Body::Text { text: text.clone() };
                message.edited_at = Some(at);
            }
            Self::Recall { .. } => {
                message.body = Body::Recalled;
                message.recalled = true;
                message.reactions.clear();
                message.pinned = false;
            }
            Self::React { emoji, on, .. } => react(&mut message.reactions, emoji.as_str(), me, *on),
            Self::Pin { on, .. } => message.pinned = *on,
        }
    }
}

fn react(reactions: &mut Vec<Reaction>, emoji: &str, me: UserId, on: bool) {
    match reactions.iter_mut().find(|reaction| reaction.emoji == emoji) {
        Some(reaction) => {
            let there = reaction.users.contains(&me);
            if on && !there {
                reaction.users.push(me);
            } else if !on {
                reaction.users.retain(|user| *user != me);
            }
        }
        None if on => reactions.push(Reaction { emoji: emoji.to_owned(), users: vec![me] }),
        None => {}
    }
    reactions.retain(|reaction| !reaction.users.is_empty());
}
