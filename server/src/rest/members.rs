//! `conversations/{id}/members`

use super::input::{Json, Path, Who};
use crate::problem::Failure;
use crate::router::Edge;
use axum::extract::State;
use axum::http::StatusCode;
use protocol::rest::{Members, NewMember, PatchMember};
use protocol::{ConversationId, Member, UserId};

/// `GET conversations/{id}/members`
pub(super) async fn list(
    State(edge): State<Edge>,
    Who(who): Who,
    Path(conversation): Path<ConversationId>,
) -> Result<axum::Json<Members>, Failure> {
    Ok(axum::Json(edge.chat.members(who, conversation).await?))
}

/// `POST conversations/{id}/members`
pub(super) async fn create(
    State(edge): State<Edge>,
    Who(who): Who,
    Path(conversation): Path<ConversationId>,
    Json(new): Json<NewMember>,
) -> Result<(StatusCode, axum::Json<Member>), Failure> {
    let member = edge.chat.add_member(who, conversation, new.user).await?;
    Ok((StatusCode::CREATED, axum::Json(member)))
}

/// `PATCH conversations/{id}/members/{user}`
pub(super) async fn update(
    State(edge): State<Edge>,
    Who(who): Who,
    Path((conversation, user)): Path<(ConversationId, UserId)>,
    Json(patch): Json<PatchMember>,
) -> Result<axum::Json<Member>, Failure> {
    Ok(axum::Json(edge.chat.set_role(who, conversation, user, patch.role).await?))
}

/// `DELETE conversations/{id}/members/{user}`; oneself: leave.
pub(super) async fn delete(
    State(edge): State<Edge>,
    Who(who): Who,
    Path((conversation, user)): Path<(ConversationId, UserId)>,
) -> Result<StatusCode, Failure> {
    edge.chat.remove_member(who, conversation, user).await?;
    Ok(StatusCode::NO_CONTENT)
}
