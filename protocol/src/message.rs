//! Messages and what they carry.

use crate::{ConversationId, MessageId, Timestamp, UserId, limits};
use serde::{Deserialize, Serialize};
use std::fmt;

/// One message of a conversation, as it is after its last change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// Its id, for ever.
    pub id: MessageId,
    /// Where it stands.
    pub conversation: ConversationId,
    /// Its place: 1, 2, 3 … without holes. Order of display, paging and unread.
    pub seq: u64,
    /// Number of its last change in the conversation's log.
    pub rev: u64,
    /// Who wrote it.
    pub sender: UserId,
    /// The sender's own key for it; shown to the sender's devices only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nonce: Option<Nonce>,
    /// What it says.
    pub body: Body,
    /// When the server stored it. For display; nothing is ordered by it.
    pub sent_at: Timestamp,
    /// When it was last edited.
    pub edited_at: Option<Timestamp>,
    /// Whether it was taken back; the body is then [`Body::Recalled`].
    pub recalled: bool,
    /// The message of the same conversation it answers.
    pub reply_to: Option<MessageId>,
    /// People it names with `@name`, resolved by the server among the members.
    pub mentions: Vec<UserId>,
    /// Whether it names everybody with `@all`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub mentions_all: bool,
    /// Reactions, oldest emoji first.
    pub reactions: Vec<Reaction>,
    /// Whether it is pinned.
    pub pinned: bool,
}

impl Message {
    /// Whether it names this person, by name or with everybody else.
    pub fn names(&self, user: UserId) -> bool {
        self.sender != user && (self.mentions_all || self.mentions.contains(&user))
    }
}

/// One emoji and the people who chose it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reaction {
    /// The emoji.
    pub emoji: String,
    /// Who, first to last.
    pub users: Vec<UserId>,
}

/// What a message carries.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", try_from = "BodyFields")]
pub enum Body {
    /// Words.
    Text {
        /// 1 to 16,000 characters, not only white space.
        text: Text,
    },
    /// The sender took it back; its words are gone everywhere.
    Recalled,
    /// A kind this program does not know. A newer server may send one; a server refuses it.
    Unsupported,
}

impl Body {
    /// The words, if it has any.
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Text { text } => Some(text.as_str()),
            Self::Recalled | Self::Unsupported => None,
        }
    }
}

/// Every field that any kind of body has, read at once for the reason given in [`change`](crate::change).
#[derive(Deserialize)]
struct BodyFields {
    kind: String,
    text: Option<String>,
}

impl TryFrom<BodyFields> for Body {
    type Error = String;

    fn try_from(fields: BodyFields) -> Result<Self, String> {
        match (fields.kind.as_str(), fields.text) {
            ("text", Some(text)) => {
                text.try_into().map(|text| Self::Text { text }).map_err(|error: TextError| error.to_string())
            }
            ("text", None) => Err("missing field `text`".to_owned()),
            ("recalled", _) => Ok(Self::Recalled),
            _ => Ok(Self::Unsupported),
        }
    }
}

/// Why a bounded text was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TextError {
    /// Nothing, or white space only.
    Empty,
    /// More characters than allowed; the limit.
    TooLong(usize),
    /// A character that may not stand there.
    Character,
}

impl fmt::Display for TextError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("must not be empty"),
            Self::TooLong(limit) => write!(f, "must have at most {limit} characters"),
            Self::Character => f.write_str("has a character that is not allowed"),
        }
    }
}

impl std::error::Error for TextError {}

/// The words of a message: 1 to 16,000 characters, not only white space, no NUL.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Text(String);

/// A client's own key for what it asks for: 1 to 64 characters without control characters, unique for ever per
/// sender. A retry with the same nonce gets the first result.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Nonce(String);

impl Nonce {
    /// A new time-ordered nonce (UUIDv7): the unique index on nonces then grows at its end.
    pub fn generate() -> Self {
        Self(uuid::Uuid::now_v7().to_string())
    }
}

/// One emoji as it is typed: 1 to 64 bytes, no white space, no control characters. The server knows which of them are
/// emoji.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Emoji(String);

macro_rules! bounded {
    ($name:ident) => {
        impl $name {
            /// The characters.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl From<$name> for String {
            fn from(value: $name) -> Self {
                value.0
            }
        }

        impl std::str::FromStr for $name {
            type Err = TextError;

            fn from_str(text: &str) -> Result<Self, TextError> {
                Self::try_from(text.to_owned())
            }
        }
    };
}
bounded!(Text);
bounded!(Nonce);
bounded!(Emoji);

impl TryFrom<String> for Text {
    type Error = TextError;

    fn try_from(text: String) -> Result<Self, TextError> {
        if text.contains('\0') {
            return Err(TextError::Character);
        }
        if text.trim().is_empty() {
            return Err(TextError::Empty);
        }
        // Bytes bound characters from above, so most texts are not counted at all.
        if text.len() > limits::TEXT_CHARS && text.chars().count() > limits::TEXT_CHARS {
            return Err(TextError::TooLong(limits::TEXT_CHARS));
        }
        Ok(Self(text))
    }
}

impl TryFrom<String> for Nonce {
    type Error = TextError;

    fn try_from(text: String) -> Result<Self, TextError> {
        if text.is_empty() {
            return Err(TextError::Empty);
        }
        if text.chars().any(char::is_control) {
            return Err(TextError::Character);
        }
        if text.chars().count() > limits::NONCE_CHARS {
            return Err(TextError::TooLong(limits::NONCE_CHARS));
        }
        Ok(Self(text))
    }
}

impl TryFrom<String> for Emoji {
    type Error = TextError;

    fn try_from(text: String) -> Result<Self, TextError> {
        if text.is_empty() {
            return Err(TextError::Empty);
        }
        if text.chars().any(|c| c.is_control() || c.is_whitespace()) {
            return Err(TextError::Character);
        }
        if text.len() > limits::EMOJI_BYTES {
            return Err(TextError::TooLong(limits::EMOJI_BYTES));
        }
        Ok(Self(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_bounded_in_characters_not_bytes() {
        assert!(Text::try_from("字".repeat(limits::TEXT_CHARS)).is_ok());
        assert_eq!(
            Text::try_from("字".repeat(limits::TEXT_CHARS + 1)),
            Err(TextError::TooLong(limits::TEXT_CHARS))
        );
        assert_eq!(Text::try_from(" \n\t ".to_owned()), Err(TextError::Empty));
        assert_eq!(Text::try_from("a\0b".to_owned()), Err(TextError::Character));
    }

    #[test]
    fn nonce_is_short_and_plain() {
        assert!(Nonce::try_from("n".repeat(64)).is_ok());
        assert!(Nonce::try_from("n".repeat(65)).is_err());
        assert!(Nonce::try_from(String::new()).is_err());
        assert!(Nonce::try_from("a\nb".to_owned()).is_err());
    }
}
