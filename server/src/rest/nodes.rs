//! `nodes`

use super::input::Who;
use crate::problem::Failure;
use crate::router::Edge;
use axum::extract::State;
use protocol::rest::Nodes;

/// `GET nodes`, for the administrator.
pub(super) async fn list(State(edge): State<Edge>, Who(who): Who) -> Result<axum::Json<Nodes>, Failure> {
    edge.chat.admit_admin(who).await?;
    Ok(axum::Json(edge.discovery.nodes().await))
}
