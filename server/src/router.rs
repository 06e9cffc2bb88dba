//! The routes, and what lies around all of them.
//!
//! From the outside in: an id for the request, its log span, the headers for browsers, the catcher of panics, the
//! cross-site check, the deadline; then, for everything that is somebody's, the look-up of who asks.

use crate::assets::{self, Site};
use crate::discovery::Discovery;
use crate::gateway::{self, Sockets};
use crate::origin::PublicUrl;
use crate::problem::{self, Failure, not_found};
use crate::session;
use crate::{health, log, pages, rest, security};
use app::cookie::Cookies;
use app::forms;
use axum::Router;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get, post};
use chat::Chat;
use leptos::prelude::provide_context;
use leptos::server_fn::axum::get_server_fn_service;
use protocol::Code;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tower::ServiceBuilder;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::limit::RequestBodyLimitLayer;
use tower_http::request_id::{PropagateRequestIdLayer, SetRequestIdLayer};
use tower_http::sensitive_headers::SetSensitiveRequestHeadersLayer;
use tower_http::trace::TraceLayer;

/// A request must be answered after this long, its body included.
const DEADLINE: Duration = Duration::from_secs(30);

/// What every route may use. Cheap to clone.
#[derive(Clone)]
pub struct Edge {
    /// Everything below the network edge.
    pub chat: Chat,
    /// The session cookie's name and attributes.
    pub cookies: Cookies,
    /// The address people type, where it is set.
    pub public_url: Option<PublicUrl>,
    /// The gateway's sockets.
    pub sockets: Sockets,
    /// The page's files.
    pub site: Arc<Site>,
    /// The nodes there are.
    pub discovery: Discovery,
}

impl Edge {
    /// For a chat that is served under `public_url`.
    pub fn new(chat: Chat, public_url: Option<PublicUrl>, discovery: Discovery) -> Self {
        let secure = public_url.as_ref().is_some_and(PublicUrl::secure);
        Self {
            chat,
            cookies: Cookies::new(secure),
            public_url,
            sockets: Sockets::new(),
            site: Arc::new(Site::embedded()),
            discovery,
        }
    }

    /// The address that guesses of passwords are counted under. The server itself speaks plain HTTP: under an https
    /// address a peer of this machine or a private network is a proxy, which everybody comes through, and its
    /// address says nothing (the unspecified one). A forwarded address is whatever a client writes there.
    pub fn whose(&self, peer: IpAddr) -> IpAddr {
        let near = match peer.to_canonical() {
            IpAddr::V4(v4) => v4.is_loopback() || v4.is_private(),
            IpAddr::V6(v6) => v6.is_loopback() || v6.is_unique_local(),
        };
        if near && self.secure() { Ipv4Addr::UNSPECIFIED.into() } else { peer }
    }

    fn secure(&self) -> bool {
        self.public_url.as_ref().is_some_and(PublicUrl::secure)
    }
}

/// Everything a node answers that serves nobody: whether it works.
pub fn health_only(edge: Edge) -> Router {
    healths().fallback(not_found).with_state(edge)
}

fn healths() -> Router<Edge> {
    Router::new().route("/health/live", get(health::live)).route("/health/ready", get(health::ready))
}

/// Everything the server answers.
pub fn router(edge: Edge) -> Router {
    let (secure, chat) = (edge.secure(), edge.chat.clone());
    let somebodys = Router::new()
        .nest("/api/v1", rest::routes())
        .route("/api", any(not_found))
        .route("/api/{*path}", any(not_found))
        .route("/fn/{*path}", post(server_function).layer(RequestBodyLimitLayer::new(rest::BODY_BYTES)))
        .merge(pages::routes())
        .fallback(pages::unknown)
        .method_not_allowed_fallback(not_found)
        .layer(middleware::from_fn_with_state(edge.clone(), session::resolve));
    // The files are everybody's; the gateway checks where a socket comes from before it looks at the session.
    let everybodys = healths().route("/ws", get(gateway::upgrade)).merge(assets::routes());
    let around = ServiceBuilder::new()
        .map_request(log::plain_request_id)
        .layer(SetRequestIdLayer::new(log::REQUEST_ID, log::DrawId))
        .layer(SetSensitiveRequestHeadersLayer::new([header::AUTHORIZATION, header::COOKIE]))
        .layer(
            TraceLayer::new_for_http()
                .make_span_with(log::span as fn(&Request) -> tracing::Span)
                .on_request(())
                .on_response(log::answered as fn(&Response, Duration, &tracing::Span))
                .on_failure(()),
        )
        .layer(PropagateRequestIdLayer::new(log::REQUEST_ID))
        .map_response(move |response: Response| security::headers(counted(&chat, response), secure))
        .map_response(IntoResponse::into_response)
        .layer(CatchPanicLayer::custom(problem::panicked as fn(_) -> _))
        .map_response(IntoResponse::into_response)
        .layer(security::cross_site(edge.public_url.as_ref()))
        .layer(middleware::from_fn(in_time));
    somebodys.merge(everybodys).with_state(edge).layer(around)
}

/// Counts it where it is a refusal.
fn counted(chat: &Chat, response: Response) -> Response {
    if let Some(code) = response.extensions().get::<Code>() {
        chat.metrics().refused_http.inc(*code);
    }
    response
}

async fn in_time(request: Request, next: Next) -> Response {
    match tokio::time::timeout(DEADLINE, next.run(request)).await {
        Ok(response) => response,
        Err(_) => Failure::timed_out().into_response(),
    }
}

/// `POST /fn/…`: what the page asks and its forms send; the functions stand in `app`.
async fn server_function(
    State(edge): State<Edge>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    request: Request,
) -> Response {
    if get_server_fn_service(request.uri().path(), request.method().clone()).is_none() {
        return not_found().await.into_response();
    }
    let about =
        forms::Edge { cookies: edge.cookies, peer: edge.whose(peer.ip()), device: rest::device(&headers) };
    let context = move || {
        provide_context(edge.chat.clone());
        provide_context(about.clone());
    };
    let response = leptos_axum::handle_server_fns_with_context(context, request).await;
    rest::no_store(response.into_response()).await
}
