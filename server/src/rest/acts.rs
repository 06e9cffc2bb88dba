//! `messages/{id}` and what happens to a message.

use super::input::{Json, Path, Who};
use crate::problem::Failure;
use crate::router::Edge;
use axum::extract::State;
use chat::Act;
use protocol::rest::{EditMessage, Edits, Receipts};
use protocol::{Emoji, Message, MessageId};

type Answer<T> = Result<axum::Json<T>, Failure>;

/// `GET messages/{id}`
pub(super) async fn show(
    State(edge): State<Edge>,
    Who(who): Who,
    Path(message): Path<MessageId>,
) -> Answer<Message> {
    Ok(axum::Json(edge.chat.message(who, message).await?))
}

/// `PATCH messages/{id}`: other words.
pub(super) async fn edit(
    State(edge): State<Edge>,
    Who(who): Who,
    Path(message): Path<MessageId>,
    Json(EditMessage { nonce, body }): Json<EditMessage>,
) -> Answer<Message> {
    Ok(axum::Json(edge.chat.act(who, message, nonce, Act::Edit(body)).await?.message))
}

/// `DELETE messages/{id}`: taken back for everybody.
pub(super) async fn recall(
    State(edge): State<Edge>,
    Who(who): Who,
    Path(message): Path<MessageId>,
) -> Answer<Message> {
    Ok(axum::Json(edge.chat.act(who, message, None, Act::Recall).await?.message))
}

/// `PUT messages/{id}/reactions/{emoji}`
pub(super) async fn react(
    State(edge): State<Edge>,
    Who(who): Who,
    Path((message, emoji)): Path<(MessageId, Emoji)>,
) -> Answer<Message> {
    Ok(axum::Json(edge.chat.act(who, message, None, Act::React(emoji, true)).await?.message))
}

/// `DELETE messages/{id}/reactions/{emoji}`
pub(super) async fn unreact(
    State(edge): State<Edge>,
    Who(who): Who,
    Path((message, emoji)): Path<(MessageId, Emoji)>,
) -> Answer<Message> {
    Ok(axum::Json(edge.chat.act(who, message, None, Act::React(emoji, false)).await?.message))
}

/// `PUT messages/{id}/pin`
pub(super) async fn pin(
    State(edge): State<Edge>,
    Who(who): Who,
    Path(message): Path<MessageId>,
) -> Answer<Message> {
    Ok(axum::Json(edge.chat.act(who, message, None, Act::Pin(true)).await?.message))
}

/// `DELETE messages/{id}/pin`
pub(super) async fn unpin(
    State(edge): State<Edge>,
    Who(who): Who,
    Path(message): Path<MessageId>,
) -> Answer<Message> {
    Ok(axum::Json(edge.chat.act(who, message, None, Act::Pin(false)).await?.message))
}

/// `GET messages/{id}/edits`
pub(super) async fn edits(
    State(edge): State<Edge>,
    Who(who): Who,
    Path(message): Path<MessageId>,
) -> Answer<Edits> {
    Ok(axum::Json(edge.chat.edits(who, message).await?))
}

/// `GET messages/{id}/receipts`
pub(super) async fn receipts(
    State(edge): State<Edge>,
    Who(who): Who,
    Path(message): Path<MessageId>,
) -> Answer<Receipts> {
    Ok(axum::Json(edge.chat.receipts(who, message).await?))
}
