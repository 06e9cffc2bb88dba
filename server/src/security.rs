//! What every answer says to browsers, and what keeps other sites from acting in our users' names.

use crate::origin::PublicUrl;
use crate::problem::Failure;
use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, Response, header};
use axum::response::IntoResponse;
use tower_http::csrf::{CsrfLayer, ProtectionError};

const PERMISSIONS_POLICY: HeaderName = HeaderName::from_static("permissions-policy");
const OPENER_POLICY: HeaderName = HeaderName::from_static("cross-origin-opener-policy");
const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

/// For everything that is not a page: it may load and run nothing, wherever a browser shows it.
const CLOSED: HeaderValue =
    HeaderValue::from_static("default-src 'none'; base-uri 'none'; frame-ancestors 'none'");

const ALWAYS: [(HeaderName, HeaderValue); 6] = [
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
    // Our own server sees where a form was sent from, which works without script; others learn nothing.
    (header::REFERRER_POLICY, HeaderValue::from_static("same-origin")),
    (
        PERMISSIONS_POLICY,
        HeaderValue::from_static(
            "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()",
        ),
    ),
    (OPENER_POLICY, HeaderValue::from_static("same-origin")),
    (RESOURCE_POLICY, HeaderValue::from_static("same-origin")),
];

/// Adds the headers to an answer, where it has none of that name itself.
pub fn headers(mut response: axum::response::Response, secure: bool) -> axum::response::Response {
    let headers = response.headers_mut();
    for (name, value) in ALWAYS {
        headers.entry(name).or_insert(value);
    }
    headers.entry(header::CONTENT_SECURITY_POLICY).or_insert(CLOSED);
    if secure {
        headers
            .entry(header::STRICT_TRANSPORT_SECURITY)
            .or_insert(HeaderValue::from_static("max-age=31536000"));
    }
    response
}

/// The policy of a page. Scripts come from us and may compile WebAssembly, or stand in the page with the nonce of
/// this one rendering; styles come from us; the page talks to us (`'self'` covers the WebSocket of the same host).
pub fn page_policy(nonce: &str) -> Option<HeaderValue> {
    HeaderValue::try_from(format!(
        "default-src 'none'; script-src 'self' 'wasm-unsafe-eval' 'nonce-{nonce}'; style-src 'self'; \
         img-src 'self' blob: data:; connect-src 'self'; font-src 'self'; manifest-src 'self'; object-src 'none'; \
         base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ))
    .ok()
}

/// How a request of another site is refused.
pub type Refuse = fn(ProtectionError) -> Response<Body>;

/// Refuses requests that change something and come from another site's page, by `Sec-Fetch-Site` and `Origin`.
/// Programs send neither and pass.
pub fn cross_site(public: Option<&PublicUrl>) -> CsrfLayer<Refuse> {
    let layer = CsrfLayer::new();
    // A proxy may send us another `Host` than people type.
    let layer = match public.map(|public| layer.clone().add_trusted_origin(public.origin())) {
        Some(Ok(trusting)) => trusting,
        Some(Err(error)) => {
            tracing::warn!(%error, "the public address is not trusted by the cross-site check");
            layer
        }
        None => layer,
    };
    layer.with_rejection_response(refuse_cross_site as Refuse)
}

fn refuse_cross_site(_: ProtectionError) -> Response<Body> {
    Failure::from(chat::Error::Forbidden("This request came from another site.")).into_response()
}
