//! Who may open a socket: the owner of a cookie on our own page, of a bearer token, or of a one-time ticket.

use super::connection;
use crate::listener::Connection;
use crate::origin;
use crate::problem::Failure;
use crate::router::Edge;
use crate::session::{Credential, credential};
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use chat::{Error, Identity};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use protocol::limits;
use std::time::Duration;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};

/// Tungstenite's own buffer is 128 KiB, allocated for every socket; frames are small and sockets are many.
const READ_BUFFER: usize = 2 * 1024;
/// Only pings' answers and closes go through tungstenite's write buffer: see [`super::writer`].
const WRITE_BUFFER: usize = 1024;
const MAX_WRITE_BUFFER: usize = 16 * 1024;
/// When too many are connected, or too many of one person.
const COME_BACK: Duration = Duration::from_secs(5);
/// When they come faster than they are served.
const NEXT_WAVE: Duration = Duration::from_secs(1);
/// A ticket is far shorter; more is not looked up.
const TICKET_BYTES: usize = 256;

/// `GET /ws`
pub async fn upgrade(State(edge): State<Edge>, mut request: Request) -> Result<Response, Failure> {
    let metrics = edge.chat.metrics();
    let accept = handshake(request.headers()).inspect_err(|_| metrics.handshakes_malformed.inc())?;
    let Some(place) = edge.sockets.arrivals.turn().await else {
        metrics.handshakes_pace.inc();
        return Err(Error::Unavailable { retry_after: NEXT_WAVE }.into());
    };
    let who = identity(&edge, request.uri().query(), request.headers()).await;
    let who = who.inspect_err(|_| metrics.handshakes_identity.inc())?;
    if edge.chat.sockets_of(who.user) >= limits::SOCKETS {
        metrics.handshakes_person.inc();
        return Err(Error::RateLimited { retry_after: COME_BACK }.into());
    }
    let Some(room) = edge.sockets.admit() else {
        metrics.handshakes_full.inc();
        return Err(Error::Unavailable { retry_after: COME_BACK }.into());
    };
    metrics.handshakes_accepted.inc();
    let upgrading = hyper::upgrade::on(&mut request);
    let (chat, stopping) = (edge.chat.clone(), edge.sockets.stopping.clone());
    edge.sockets.tasks.spawn(async move {
        // Boxed, so that the short upgrade does not make the long life bigger.
        if let Some(wire) = Box::pin(upgraded(upgrading)).await {
            connection::serve(chat, who, wire, place, stopping).await;
        }
        drop(room);
    });
    let mut response = Body::empty().into_response();
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
    Ok(response)
}

/// Checks the opening handshake (RFC 6455, 4.2.1) and answers its key.
fn handshake(headers: &HeaderMap) -> Result<HeaderValue, Failure> {
    let lists = |name, word: &str| {
        headers
            .get_all(name)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .any(|part| part.trim().eq_ignore_ascii_case(word))
    };
    let version = headers.get(header::SEC_WEBSOCKET_VERSION).is_some_and(|version| version == "13");
    if !lists(header::CONNECTION, "upgrade") || !lists(header::UPGRADE, "websocket") || !version {
        return Err(Error::invalid("upgrade", "must be a WebSocket handshake of version 13").into());
    }
    headers
        .get(header::SEC_WEBSOCKET_KEY)
        .and_then(|key| HeaderValue::try_from(derive_accept_key(key.as_bytes())).ok())
        .ok_or_else(|| Error::invalid("sec-websocket-key", "is missing").into())
}

/// Who opens the socket. Nothing else of the request says so.
async fn identity(edge: &Edge, query: Option<&str>, headers: &HeaderMap) -> Result<Identity, Failure> {
    let ticket = query
        .and_then(|query| query.split('&').find_map(|pair| pair.strip_prefix("ticket=")))
        .filter(|ticket| ticket.len() <= TICKET_BYTES);
    let found = if let Some(ticket) = ticket {
        edge.chat.redeem(ticket).await?
    } else {
        match credential(edge.cookies, headers) {
            // Before the session is looked up: another site's page does not even touch it.
            Some(Credential::Cookie(_)) if !origin::is_ours(headers, edge.public_url.as_ref()) => {
                return Err(Error::Forbidden("This connection came from another site.").into());
            }
            Some(Credential::Cookie(token) | Credential::Bearer(token)) => {
                edge.chat.authenticate(token).await?
            }
            None => None,
        }
    };
    found.ok_or_else(|| Error::Unauthorized.into())
}

/// The connection as a WebSocket, taken out of hyper's wrappers: fewer layers, and the writer can write to it.
async fn upgraded(upgrading: OnUpgrade) -> Option<connection::Wire> {
    let upgraded = match upgrading.await {
        Ok(upgraded) => upgraded,
        Err(error) => {
            tracing::debug!(%error, "a socket was gone before it was open");
            return None;
        }
    };
    let Ok(parts) = upgraded.downcast::<TokioIo<Connection>>() else {
        tracing::error!("a socket came over something else than our listener");
        return None;
    };
    let config = WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(WRITE_BUFFER)
        .max_write_buffer_size(MAX_WRITE_BUFFER)
        .max_message_size(Some(limits::FRAME_BYTES))
        .max_frame_size(Some(limits::FRAME_BYTES));
    let early = parts.read_buf.to_vec();
    let wire =
        WebSocketStream::from_partially_read(parts.io.into_inner(), early, Role::Server, Some(config)).await;
    Some(wire)
}
