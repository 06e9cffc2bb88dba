//! `me`

use super::input::{Json, Who};
use crate::problem::Failure;
use crate::router::Edge;
use axum::extract::State;
use protocol::rest::{Me, PatchMe};

/// `GET me`
pub(super) async fn show(State(edge): State<Edge>, Who(who): Who) -> Result<axum::Json<Me>, Failure> {
    Ok(axum::Json(edge.chat.me(who).await?))
}

/// `PATCH me`
pub(super) async fn update(
    State(edge): State<Edge>,
    Who(who): Who,
    Json(patch): Json<PatchMe>,
) -> Result<axum::Json<Me>, Failure> {
    Ok(axum::Json(edge.chat.update_me(who, patch).await?))
}
