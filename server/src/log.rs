//! Logs: to standard error, as text or JSON, one line an event, with dotted field names. Never a body, a token, a
//! password or a query string.

use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, Request, Response};
use std::io::IsTerminal;
use std::str::FromStr;
use std::time::Duration;
use tower_http::request_id::{MakeRequestId, RequestId};
use tracing::Span;
use tracing_subscriber::EnvFilter;

/// Carries the request's id, both ways.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line, for machines.
    Json,
}

impl FromStr for Format {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            _ => Err("accepts `text` or `json`".to_owned()),
        }
    }
}

/// Starts logging. `RUST_LOG` chooses what is logged, as usual with tracing; without it, everything from `info`.
/// Does nothing where a test has set a subscriber already.
pub fn start(format: Format) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let _ = match format {
        Format::Text => lines.with_ansi(std::io::stderr().is_terminal()).try_init(),
        Format::Json => {
            lines.json().flatten_event(true).with_current_span(true).with_span_list(false).try_init()
        }
    };
}

/// Draws ids for requests that come without one.
#[derive(Clone, Copy, Debug, Default)]
pub struct DrawId;

impl MakeRequestId for DrawId {
    fn make_request_id<B>(&mut self, _: &Request<B>) -> Option<RequestId> {
        let id = uuid::Uuid::now_v7().to_string();
        HeaderValue::try_from(id).ok().map(RequestId::new)
    }
}

/// Removes an id that a client made up in a shape we would not want in our logs; a proxy's id stays.
pub fn plain_request_id(mut request: Request<Body>) -> Request<Body> {
    let plain = |value: &HeaderValue| {
        value.len() <= 64
            && value.as_bytes().iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
    };
    if request.headers().get(REQUEST_ID).is_some_and(|value| !plain(value)) {
        request.headers_mut().remove(REQUEST_ID);
    }
    request
}

/// The span every line of a request stands in. The path is logged, its query is not: it may hold a ticket.
pub fn span<B>(request: &Request<B>) -> Span {
    let id = request.headers().get(REQUEST_ID).and_then(|value| value.to_str().ok()).unwrap_or_default();
    // The highest level, so that the id is there whatever the filter lets through.
    tracing::error_span!(
        "request",
        request.id = id,
        request.method = %request.method(),
        request.path = request.uri().path(),
    )
}

/// One line an answered request.
pub fn answered<B>(response: &Response<B>, latency: Duration, _: &Span) {
    let (status, latency) = (response.status().as_u16(), latency.as_micros());
    if response.status().is_server_error() {
        tracing::warn!(response.status = status, response.us = latency, "answered");
    } else {
        tracing::debug!(response.status = status, response.us = latency, "answered");
    }
}
