//! The pages: what a page starts from is read here, before anything is rendered, and `app` draws it. A page is
//! complete HTML for the cookie's owner.
//!
//! Pages are not compressed here. They carry people's messages beside words taken from the address (`/new?q=`), and
//! whoever can make a browser open such an address and watch the size of the answer could guess at the messages
//! letter by letter. What is large, the files, is compressed by the build.

mod load;

use crate::problem::Failure;
use crate::router::Edge;
use crate::{rest, security};
use app::forms::same_site;
use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use chat::Identity;
use leptos::nonce::Nonce;
use leptos::prelude::provide_context;
use protocol::ConversationId;
use std::fmt::Write;

/// What a page shows.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Place {
    /// The list, and the newest conversation beside it.
    Home,
    /// A conversation, at its newest message or around one.
    Conversation(ConversationId, Option<u64>),
    /// Starting a conversation, perhaps with people searched for.
    New(Option<String>),
    /// Looking for a group to join.
    Find(String),
    /// The account and its devices.
    Settings,
    /// Signing in, or creating an account.
    Door,
    /// Nothing.
    Unknown,
}

impl Place {
    /// What an address shows.
    fn of(uri: &Uri) -> Self {
        let mut segments = uri.path().split('/').skip(1);
        let mut next = || segments.next();
        match (next(), next(), next(), next(), next()) {
            (Some(""), None, ..) => Self::Home,
            (Some("new"), None, ..) if query(uri, "kind").as_deref() == Some("find") => {
                Self::Find(query(uri, "q").unwrap_or_default())
            }
            (Some("new"), None, ..) => Self::New(query(uri, "q")),
            (Some("settings"), None, ..) => Self::Settings,
            (Some("sign-in" | "register"), None, ..) => Self::Door,
            (Some("c"), Some(id), None, ..) => {
                id.parse().map_or(Self::Unknown, |id| Self::Conversation(id, None))
            }
            (Some("c"), Some(id), Some("m"), Some(seq), None) => match (id.parse(), seq.parse()) {
                (Ok(id), Ok(seq)) => Self::Conversation(id, Some(seq)),
                _ => Self::Unknown,
            },
            _ => Self::Unknown,
        }
    }
}

/// The routes of the pages.
pub fn routes() -> Router<Edge> {
    ["/", "/c/{conversation}", "/c/{conversation}/m/{seq}", "/new", "/settings", "/sign-in", "/register"]
        .into_iter()
        .fold(Router::new(), |router, path| router.route(path, get(page)))
}

/// What has no route: for people a page that says so, for programs a problem document.
pub async fn unknown(State(edge): State<Edge>, request: Request) -> Response {
    let reads_html = request
        .headers()
        .get(header::ACCEPT)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| value.contains("text/html"));
    if reads_html && matches!(*request.method(), Method::GET | Method::HEAD) {
        page(State(edge), request).await
    } else {
        Failure::from(chat::Error::NotFound).into_response()
    }
}

async fn page(State(edge): State<Edge>, request: Request) -> Response {
    let who = request.extensions().get::<Identity>().copied();
    let place = Place::of(request.uri());
    match (who, &place) {
        (None, Place::Door | Place::Unknown) => {}
        (None, _) => return redirect(&sign_in(request.uri())),
        (Some(_), Place::Door) => {
            let next = query(request.uri(), "next").unwrap_or_default();
            return redirect(same_site(&next));
        }
        (Some(_), _) => {}
    }
    match load::load(&edge.chat, who, &place, request.headers()).await {
        Ok((boot, status)) => render(&edge, boot, status, request).await,
        Err(error) => apology(&error),
    }
}

async fn render(edge: &Edge, boot: app::boot::Boot, status: StatusCode, request: Request) -> Response {
    let nonce = Nonce::new();
    let policy = security::page_policy(&nonce);
    let (chat, options) = (edge.chat.clone(), edge.site.options().clone());
    let context = move || {
        provide_context(boot.clone());
        provide_context(chat.clone());
        provide_context(nonce.clone());
    };
    let shell = move || app::shell(options.clone());
    let mut response = leptos_axum::render_app_async_with_context(context, shell)(request).await;
    if response.status() == StatusCode::OK {
        *response.status_mut() = status;
    }
    if let Some(policy) = policy {
        response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    rest::no_store(response).await
}

/// Nothing can be read, so nothing can be drawn, not even in the person's language.
fn apology(error: &chat::Error) -> Response {
    let mut response = Failure::from(error.clone()).into_response();
    let text = format!("{}\n", error.message());
    *response.body_mut() = text.into();
    response.headers_mut().remove(header::CONTENT_LENGTH);
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}

/// 303, because the address behind it is another page.
fn redirect(path: &str) -> Response {
    let location = HeaderValue::from_str(path).unwrap_or(HeaderValue::from_static("/"));
    let headers =
        [(header::LOCATION, location), (header::CACHE_CONTROL, HeaderValue::from_static("no-store"))];
    (StatusCode::SEE_OTHER, headers).into_response()
}

/// Where to sign in, to come back here.
fn sign_in(uri: &Uri) -> String {
    let here = uri.path_and_query().map_or("/", |here| same_site(here.as_str()));
    if here == "/" { "/sign-in".to_owned() } else { format!("/sign-in?next={}", escape(here)) }
}

/// A value of the query, its escapes undone.
fn query(uri: &Uri, name: &str) -> Option<String> {
    let axum::extract::Query(pairs) =
        axum::extract::Query::<Vec<(String, String)>>::try_from_uri(uri).ok()?;
    pairs.into_iter().find_map(|(key, value)| (key == name).then_some(value))
}

/// As a value of a query.
fn escape(text: &str) -> String {
    text.bytes().fold(String::new(), |mut escaped, byte| {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'/') {
            escaped.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(escaped, "%{byte:02X}");
        }
        escaped
    })
}

/// The locale of a browser: the first of its languages that we speak.
fn accepted_locale(headers: &HeaderMap) -> &'static str {
    let mut languages: Vec<_> = headers
        .get_all(header::ACCEPT_LANGUAGE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|part| {
            let (name, weight) = part.split_once(';').unwrap_or((part, "q=1"));
            let weight: f32 = weight.trim().strip_prefix("q=")?.parse().ok()?;
            (weight > 0.0).then_some((name.trim(), weight))
        })
        .collect();
    // Stable: of equal weights the first named wins.
    languages.sort_by(|(_, one), (_, other)| other.total_cmp(one));
    languages
        .into_iter()
        .find_map(|(name, _)| match name.split('-').next()? {
            zh if zh.eq_ignore_ascii_case("zh") => Some("zh-CN"),
            en if en.eq_ignore_ascii_case("en") => Some("en"),
            _ => None,
        })
        .unwrap_or("en")
}

#[cfg(test)]
mod tests;
