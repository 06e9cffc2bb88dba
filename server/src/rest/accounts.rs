//! `accounts`

use super::input::Json;
use super::sessions::{device, signed_in};
use crate::problem::Failure;
use crate::router::Edge;
use axum::extract::{ConnectInfo, State};
use axum::http::HeaderMap;
use axum::response::Response;
use protocol::rest::Register;
use std::net::SocketAddr;

/// `POST accounts`
pub(super) async fn create(
    State(edge): State<Edge>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    Json(register): Json<Register>,
) -> Result<Response, Failure> {
    let session = edge.chat.register(register, &device(&headers), edge.whose(peer.ip())).await?;
    Ok(signed_in(&edge, session))
}
