//! Whether the process works, and whether it can do its work.

use crate::discovery::INSTANCE;
use crate::router::Edge;
use axum::extract::State;
use axum::http::{HeaderName, StatusCode};
use protocol::rest::Readiness;

/// `GET /health/live`: whoever gets this answer knows.
pub async fn live() -> &'static str {
    "ok\n"
}

/// `GET /health/ready`: 200 or 503, with the state of everything the server depends on, and which run of the server
/// answers.
pub async fn ready(
    State(edge): State<Edge>,
) -> (StatusCode, [(HeaderName, String); 1], axum::Json<Readiness>) {
    let readiness = edge.chat.ready().await;
    let status = if readiness.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, [(INSTANCE, edge.discovery.instance().to_owned())], axum::Json(readiness))
}
