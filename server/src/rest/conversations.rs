//! `conversations` and `groups`

use super::input::{Json, Path, Query, Who};
use crate::problem::Failure;
use crate::router::Edge;
use axum::extract::State;
use axum::http::StatusCode;
use protocol::rest::{Conversations, Groups, NewConversation, PatchConversation, PatchSettings};
use protocol::{Conversation, ConversationId, Settings};
use serde::Deserialize;

/// `GET conversations`
pub(super) async fn list(
    State(edge): State<Edge>,
    Who(who): Who,
) -> Result<axum::Json<Conversations>, Failure> {
    Ok(axum::Json(edge.chat.conversations(who).await?))
}

/// `POST conversations`: 201, or 200 for one that was there already: a direct one, or one this nonce founded.
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
    Ok(axum::Json(edge.chat.patch(who, conversation, patch).await?))
}

/// `POST conversations/{id}/join`: 201, or 200 for who is a member already.
pub(super) async fn join(
    State(edge): State<Edge>,
    Who(who): Who,
    Path(conversation): Path<ConversationId>,
) -> Result<(StatusCode, axum::Json<Conversation>), Failure> {
    let (conversation, joined) = edge.chat.join(who, conversation).await?;
    let status = if joined { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, axum::Json(conversation)))
}

/// `PATCH conversations/{id}/settings`
pub(super) async fn set(
    State(edge): State<Edge>,
    Who(who): Who,
    Path(conversation): Path<ConversationId>,
    Json(patch): Json<PatchSettings>,
) -> Result<axum::Json<Settings>, Failure> {
    Ok(axum::Json(edge.chat.set(who, conversation, patch, None).await?))
}

/// Query of `GET groups`.
#[derive(Debug, Deserialize)]
pub(super) struct Search {
    /// A part of a title; empty: the largest.
    #[serde(default)]
    q: String,
}

/// `GET groups?q=`
pub(super) async fn groups(
    State(edge): State<Edge>,
    Who(who): Who,
    Query(search): Query<Search>,
) -> Result<axum::Json<Groups>, Failure> {
    Ok(axum::Json(edge.chat.groups(who, &search.q).await?))
}
