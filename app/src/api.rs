//! What the page asks of the server besides the socket: pages of history, people, and changes to groups. Each is
//! three lines: who asks, call `Chat`, return protocol types.
#![expect(missing_docs, reason = "the structs of arguments are the macro's")]

pub mod groups;

use leptos::prelude::*;
use leptos::server_fn::codec::{JsonEncoding, Post};
use leptos::server_fn::error::{FromServerFnError, ServerFnErrorErr};
use leptos::server_fn::{Bytes, ContentType, Decodes, Encodes, Format, FormatType};
use protocol::rest::{Edits, Members, Messages, Pins};
use protocol::{Code, Conversation, ConversationId, FieldError, Member, Message, MessageId, User, UserId};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::fmt;

/// JSON that is read as a text, like the page's start and the frames of the socket: leptos' own reads bytes, and every
/// struct would be compiled a second time for that.
#[derive(Debug)]
pub struct JsonText;

/// Arguments and results as JSON.
pub type Json = Post<JsonText>;

impl ContentType for JsonText {
    const CONTENT_TYPE: &'static str = JsonEncoding::CONTENT_TYPE;
}

impl FormatType for JsonText {
    const FORMAT_TYPE: Format = Format::Text;
}

impl<T: Serialize> Encodes<T> for JsonText {
    type Error = serde_json::Error;

    fn encode(output: &T) -> Result<Bytes, Self::Error> {
        JsonEncoding::encode(output)
    }
}

impl<T: DeserializeOwned> Decodes<T> for JsonText {
    type Error = serde_json::Error;

    fn decode(bytes: Bytes) -> Result<T, Self::Error> {
        let text = std::str::from_utf8(&bytes).map_err(serde::de::Error::custom)?;
        serde_json::from_str(text)
    }
}

/// Why the server did not do it, or why it could not be asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiError {
    /// The stable reason; [`Code::Unavailable`] also where the server was not reached.
    pub code: Code,
    /// For people.
    pub message: String,
    /// Per field, where `code` is [`Code::Invalid`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldError>,
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for ApiError {}

impl FromServerFnError for ApiError {
    type Encoder = JsonText;

    fn from_server_fn_error(error: ServerFnErrorErr) -> Self {
        let code = match error {
            ServerFnErrorErr::Request(_) => Code::Unavailable,
            ServerFnErrorErr::Args(_) | ServerFnErrorErr::MissingArg(_) => Code::Invalid,
            _ => Code::Internal,
        };
        Self { code, message: error.to_string(), errors: Vec::new() }
    }
}

/// Which part of a conversation's messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Span {
    /// The newest ones.
    Newest,
    /// Those before this `seq`.
    Before(u64),
    /// Those after this `seq`.
    After(u64),
    /// Those around this `seq`, itself included.
    Around(u64),
}

#[cfg(feature = "ssr")]
mod asking {
    //! Who asks, and the `Chat` that answers.

    use super::{ApiError, Span};
    use axum::Extension;
    use chat::{Chat, Identity};
    use leptos::prelude::use_context;
    use protocol::Code;

    /// The request's identity, put into its extensions by the server's session layer, and the `Chat` of the context.
    pub(super) async fn asking() -> Result<(Identity, Chat), ApiError> {
        let error =
            |code: Code, message: &str| ApiError { code, message: message.to_owned(), errors: Vec::new() };
        let Ok(Extension(who)) = leptos_axum::extract::<Extension<Identity>>().await else {
            return Err(error(Code::Unauthorized, "Nobody is signed in."));
        };
        let chat = use_context::<Chat>().ok_or_else(|| error(Code::Internal, "The server failed."))?;
        Ok((who, chat))
    }

    impl From<chat::Error> for ApiError {
        fn from(error: chat::Error) -> Self {
            Self { code: error.code(), message: error.message(), errors: error.problem().errors }
        }
    }

    impl From<Span> for chat::Span {
        fn from(span: Span) -> Self {
            match span {
                Span::Newest => Self::Newest,
                Span::Before(seq) => Self::Before(seq),
                Span::After(seq) => Self::After(seq),
                Span::Around(seq) => Self::Around(seq),
            }
        }
    }
}
#[cfg(feature = "ssr")]
use asking::asking;

/// A page of messages.
#[server(prefix = "/fn", endpoint = "history", input = Json, output = Json)]
pub async fn history(conversation: ConversationId, span: Span, limit: u32) -> Result<Messages, ApiError> {
    let (who, chat) = asking().await?;
    Ok(chat.history(who, conversation, span.into(), limit).await?)
}

/// A message, for a quote of it.
#[server(name = FetchMessage, prefix = "/fn", endpoint = "message", input = Json, output = Json)]
pub async fn message(id: MessageId) -> Result<Message, ApiError> {
    let (who, chat) = asking().await?;
    Ok(chat.message(who, id).await?)
}

/// What a message said before it was edited.
#[server(name = FetchEdits, prefix = "/fn", endpoint = "edits", input = Json, output = Json)]
pub async fn edits(message: MessageId) -> Result<Edits, ApiError> {
    let (who, chat) = asking().await?;
    Ok(chat.edits(who, message).await?)
}

/// The pinned messages of a conversation.
#[server(name = FetchPins, prefix = "/fn", endpoint = "pins", input = Json, output = Json)]
pub async fn pins(conversation: ConversationId) -> Result<Pins, ApiError> {
    let (who, chat) = asking().await?;
    Ok(chat.pins(who, conversation).await?)
}

/// One of my conversations, as it is now.
#[server(name = FetchConversation, prefix = "/fn", endpoint = "conversation", input = Json, output = Json)]
pub async fn conversation(id: ConversationId) -> Result<Conversation, ApiError> {
    let (who, chat) = asking().await?;
    Ok(chat.conversation(who, id).await?)
}

/// All members of a conversation, also of one too large to carry them itself.
#[server(name = FetchMembers, prefix = "/fn", endpoint = "members", input = Json, output = Json)]
pub async fn members(conversation: ConversationId) -> Result<Members, ApiError> {
    let (who, chat) = asking().await?;
    Ok(chat.members(who, conversation).await?)
}

/// People by id, at most [`PEOPLE_IDS`](protocol::limits::PEOPLE_IDS); unknown ids are left out.
#[server(prefix = "/fn", endpoint = "people", input = Json, output = Json)]
pub async fn people(ids: Vec<UserId>) -> Result<Vec<User>, ApiError> {
    let (who, chat) = asking().await?;
    let ids = &ids[..ids.len().min(protocol::limits::PEOPLE_IDS)];
    Ok(chat.people(who, ids).await?)
}

/// People whose name matches, within one of my conversations or on the whole server; some people where `q` is empty.
/// Never myself.
#[server(prefix = "/fn", endpoint = "search-people", input = Json, output = Json)]
pub async fn search_people(q: String, within: Option<ConversationId>) -> Result<Vec<User>, ApiError> {
    let (who, chat) = asking().await?;
    Ok(match within {
        Some(id) => chat.search_members(who, id, &q).await?,
        None => chat.search_people(who, &q).await?,
    })
}

/// Opens the conversation with somebody: the existing one, if there is one.
#[server(prefix = "/fn", endpoint = "create-direct", input = Json, output = Json)]
pub async fn create_direct(user: UserId) -> Result<Conversation, ApiError> {
    let (who, chat) = asking().await?;
    Ok(chat.create(who, protocol::rest::NewConversation::Direct { user }).await?.0)
}

/// Gives a group another title.
#[server(prefix = "/fn", endpoint = "rename", input = Json, output = Json)]
pub async fn rename(conversation: ConversationId, title: String) -> Result<Conversation, ApiError> {
    let (who, chat) = asking().await?;
    Ok(chat.rename(who, conversation, title).await?)
}

/// Adds somebody to a group.
#[server(prefix = "/fn", endpoint = "add-member", input = Json, output = Json)]
pub async fn add_member(conversation: ConversationId, user: UserId) -> Result<Member, ApiError> {
    let (who, chat) = asking().await?;
    Ok(chat.add_member(who, conversation, user).await?)
}

/// Takes somebody out of a group.
#[server(prefix = "/fn", endpoint = "remove-member", input = Json, output = Json)]
pub async fn remove_member(conversation: ConversationId, user: UserId) -> Result<(), ApiError> {
    let (who, chat) = asking().await?;
    Ok(chat.remove_member(who, conversation, user).await?)
}

/// Leaves a group.
#[server(prefix = "/fn", endpoint = "leave", input = Json, output = Json)]
pub async fn leave(conversation: ConversationId) -> Result<(), ApiError> {
    let (who, chat) = asking().await?;
    Ok(chat.remove_member(who, conversation, who.user).await?)
}
