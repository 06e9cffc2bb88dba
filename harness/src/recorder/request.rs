//! What a device asks for under a nonce: a message, or something that is to happen to one.

use crate::history::{BodyHash, Deed, What};
use protocol::message::TextError;
use protocol::{Body, ClientFrame, ConversationId, Emoji, MessageId, Nonce};

/// One request, whole: it is sent again as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// A new message.
    Send {
        /// Its words.
        text: String,
        /// The message it answers.
        reply_to: Option<MessageId>,
    },
    /// Other words for a message.
    Edit {
        /// Which one.
        message: MessageId,
        /// What it is to say.
        text: String,
    },
    /// A message is taken back.
    Recall {
        /// Which one.
        message: MessageId,
    },
    /// A reaction is put under a message or taken away.
    React {
        /// Which one.
        message: MessageId,
        /// Which reaction.
        emoji: Emoji,
        /// Put, otherwise taken away.
        on: bool,
    },
    /// A message is pinned or unpinned.
    Pin {
        /// Which one.
        message: MessageId,
        /// Pinned, otherwise unpinned.
        on: bool,
    },
}

impl Request {
    /// The type on the wire of the change it makes.
    pub const fn change(&self) -> &'static str {
        match self {
            Self::Send { .. } => "posted",
            Self::Edit { .. } => "edited",
            Self::Recall { .. } => "recalled",
            Self::React { .. } => "reacted",
            Self::Pin { .. } => "pinned",
        }
    }

    /// What goes into the history when it is tried.
    pub fn record(&self, nonce: Nonce, conversation: ConversationId, attempt: u32) -> What {
        let (message, deed) = match self {
            Self::Send { text, .. } => {
                return What::Invoke { nonce, conversation, body: BodyHash::of(text), attempt };
            }
            Self::Edit { message, text } => (*message, Deed::Edit { body: BodyHash::of(text) }),
            Self::Recall { message } => (*message, Deed::Recall),
            Self::React { message, emoji, on } => {
                (*message, Deed::React { emoji: emoji.to_string(), on: *on })
            }
            Self::Pin { message, on } => (*message, Deed::Pin { on: *on }),
        };
        What::Act { nonce, conversation, message, deed, attempt }
    }

    /// The frame that asks for it. Fails where its words are outside the limits of a message.
    pub fn frame(&self, nonce: Nonce, conversation: ConversationId) -> Result<ClientFrame, TextError> {
        let body = |text: &str| Ok(Body::Text { text: text.parse()? });
        Ok(match self {
            Self::Send { text, reply_to } => {
                ClientFrame::Send { nonce, conversation, body: body(text)?, reply_to: *reply_to }
            }
            Self::Edit { message, text } => ClientFrame::Edit { nonce, message: *message, body: body(text)? },
            Self::Recall { message } => ClientFrame::Recall { nonce, message: *message },
            Self::React { message, emoji, on } => {
                ClientFrame::React { nonce, message: *message, emoji: emoji.clone(), on: *on }
            }
            Self::Pin { message, on } => ClientFrame::Pin { nonce, message: *message, on: *on },
        })
    }
}
