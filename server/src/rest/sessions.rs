//! `sessions` and `ws-ticket`

use super::input::{Json, Path, Who};
use crate::problem::Failure;
use crate::router::Edge;
use axum::extract::{ConnectInfo, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use protocol::SessionId;
use protocol::rest::{Sessions, SignIn, SignedIn, Ticket};
use std::net::SocketAddr;

/// Characters kept of what a device calls itself.
const DEVICE_CHARS: usize = 200;

/// `POST sessions`
pub(super) async fn create(
    State(edge): State<Edge>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    Json(sign_in): Json<SignIn>,
) -> Result<Response, Failure> {
    let session = edge.chat.sign_in(sign_in, &device(&headers), edge.whose(peer.ip())).await?;
    Ok(signed_in(&edge, session))
}

/// `GET sessions`
pub(super) async fn list(State(edge): State<Edge>, Who(who): Who) -> Result<axum::Json<Sessions>, Failure> {
    let sessions = edge.chat.sessions(who).await?;
    Ok(axum::Json(Sessions { sessions }))
}

/// `DELETE sessions/current`
pub(super) async fn delete_current(State(edge): State<Edge>, Who(who): Who) -> Result<Response, Failure> {
    edge.chat.sign_out(who).await?;
    Ok(signed_out(&edge))
}

/// `DELETE sessions/{id}`
pub(super) async fn delete(
    State(edge): State<Edge>,
    Who(who): Who,
    Path(session): Path<SessionId>,
) -> Result<Response, Failure> {
    edge.chat.revoke(who, session).await?;
    if session == who.session { Ok(signed_out(&edge)) } else { Ok(StatusCode::NO_CONTENT.into_response()) }
}

/// `POST ws-ticket`
pub(super) async fn ticket(State(edge): State<Edge>, Who(who): Who) -> Result<axum::Json<Ticket>, Failure> {
    edge.chat.ticket(who).map(axum::Json).map_err(Failure::from)
}

/// What a device calls itself.
pub(crate) fn device(headers: &HeaderMap) -> String {
    let name = headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    name.chars().take(DEVICE_CHARS).collect()
}

/// 201 with the token in the body, for programs, and in the cookie, for browsers.
pub(super) fn signed_in(edge: &Edge, session: SignedIn) -> Response {
    let cookie = edge.cookies.set(&session.token);
    let mut response = (StatusCode::CREATED, axum::Json(session)).into_response();
    if let Some(cookie) = cookie {
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    response
}

fn signed_out(edge: &Edge) -> Response {
    let mut response = StatusCode::NO_CONTENT.into_response();
    if let Some(cookie) = edge.cookies.clear() {
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    response
}
