//! `conversations`

use super::input::{Json, Path, Who};
use crate::problem::Failure;
use crate::router::Edge;
use axum::extract::State;
use axum::http::StatusCode;
use protocol::rest::{Conversations, NewConversation, PatchConversation};
use protocol::{Conversation, ConversationId};

/// `GET conversations`
pub(super) async fn list(
    State(edge): State<Edge>,
    Who(who): Who,
) -> Result<axum::Json<Conversations>, Failure> {
    Ok(axum::Json(edge.chat.conversations(who).await?))
}

/// `POST conversations`: 201, or 200 for a direct conversation that was there already.
pub(super) async fn create(
    State(edge): State<Edge>,
    Who(who): Who,
    Json(new): Json<NewConversation>,
) -> Result<(StatusCode, axum::Json<Conversation>), Failure> {
    let (conversation, created) = edge.chat.create(who, new).await?;
    let status = if created { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, axum::Json(conversation)))
}

/// `GET conversations/{id}`
pub(super) async fn show(
    State(edge): State<Edge>,
    Who(who): Who,
    Path(conversation): Path<ConversationId>,
) -> Result<axum::Json<Conversation>, Failure> {
    Ok(axum::Json(edge.chat.conversation(who, conversation).await?))
}

/// `PATCH conversations/{id}`
pub(super) async fn update(
    State(edge): State<Edge>,
    Who(who): Who,
    Path(conversation): Path<ConversationId>,
    Json(patch): Json<PatchConversation>,
) -> Result<axum::Json<Conversation>, Failure> {
    let conversation = match patch.title {
        Some(title) => edge.chat.rename(who, conversation, title).await?,
        None => edge.chat.conversation(who, conversation).await?,
    };
    Ok(axum::Json(conversation))
}
