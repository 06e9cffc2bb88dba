//! `unread`

use super::input::Who;
use crate::problem::Failure;
use crate::router::Edge;
use axum::extract::State;
use protocol::rest::UnreadAll;

/// `GET unread/all`
pub(super) async fn all(State(edge): State<Edge>, Who(who): Who) -> Result<axum::Json<UnreadAll>, Failure> {
    Ok(axum::Json(edge.chat.unread_all(who).await?))
}
