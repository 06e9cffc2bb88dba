//! REST under `/api/v1`: one file a resource, each handler one use case of `chat`. What goes in is read by
//! [`input`], what goes wrong is answered by [`crate::problem`].

mod accounts;
mod acts;
mod conversations;
pub mod input;
mod me;
mod members;
mod messages;
mod nodes;
mod read;
mod sessions;
mod unread;
mod users;

use crate::problem::not_found;
use crate::router::Edge;
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::{HeaderValue, header};
use axum::response::Response;
use axum::routing::{delete, get, patch, post, put};
pub(crate) use sessions::device;

/// Largest body of a request. The largest text of a message fits many times over.
pub const BODY_BYTES: usize = 1024 * 1024;

/// The routes of the contract.
pub fn routes() -> Router<Edge> {
    Router::new()
        .route("/accounts", post(accounts::create))
        .route("/sessions", post(sessions::create).get(sessions::list))
        .route("/sessions/current", delete(sessions::delete_current))
        .route("/sessions/{session}", delete(sessions::delete))
        .route("/ws-ticket", post(sessions::ticket))
        .route("/me", get(me::show).patch(me::update))
        .route("/users", get(users::search))
        .route("/users/{user}", get(users::show))
        .route("/conversations", get(conversations::list).post(conversations::create))
        .route("/conversations/{conversation}", get(conversations::show).patch(conversations::update))
        .route("/conversations/{conversation}/members", get(members::list).post(members::create))
        .route("/conversations/{conversation}/join", post(conversations::join))
        .route("/conversations/{conversation}/settings", patch(conversations::set))
        .route("/conversations/{conversation}/members/{user}", patch(members::update).delete(members::delete))
        .route("/conversations/{conversation}/messages", get(messages::list).post(messages::create))
        .route("/conversations/{conversation}/changes", get(messages::changes))
        .route("/conversations/{conversation}/read", post(read::create))
        .route("/conversations/{conversation}/unread", post(read::keep_unread))
        .route("/conversations/{conversation}/pins", get(messages::pins))
        .route("/messages/{message}", get(acts::show).patch(acts::edit).delete(acts::recall))
        .route("/messages/{message}/reactions/{emoji}", put(acts::react).delete(acts::unreact))
        .route("/messages/{message}/pin", put(acts::pin).delete(acts::unpin))
        .route("/messages/{message}/edits", get(acts::edits))
        .route("/messages/{message}/receipts", get(acts::receipts))
        .route("/groups", get(conversations::groups))
        .route("/unread/all", get(unread::all))
        .route("/nodes", get(nodes::list))
        .fallback(not_found)
        .method_not_allowed_fallback(not_found)
        .layer(DefaultBodyLimit::max(BODY_BYTES))
        .layer(axum::middleware::map_response(no_store))
}

/// Answers are somebody's; no cache on the way may keep one.
pub(crate) async fn no_store(mut response: Response) -> Response {
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
