//! `conversations/{id}/read` and `conversations/{id}/unread`

use super::input::{Json, Path, Who};
use crate::problem::Failure;
use crate::router::Edge;
use axum::extract::State;
use protocol::ConversationId;
use protocol::rest::{MarkUnread, Read, ReadMark};

/// `POST conversations/{id}/read`
pub(super) async fn create(
    State(edge): State<Edge>,
    Who(who): Who,
    Path(conversation): Path<ConversationId>,
    Json(read): Json<Read>,
) -> Result<axum::Json<ReadMark>, Failure> {
    Ok(axum::Json(edge.chat.read(who, conversation, read.seq, None).await?))
}

/// `POST conversations/{id}/unread`
pub(super) async fn keep_unread(
    State(edge): State<Edge>,
    Who(who): Who,
    Path(conversation): Path<ConversationId>,
    Json(mark): Json<MarkUnread>,
) -> Result<axum::Json<ReadMark>, Failure> {
    Ok(axum::Json(edge.chat.mark_unread(who, conversation, mark.seq, None).await?))
}
