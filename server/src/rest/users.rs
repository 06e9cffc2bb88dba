//! `users`

use super::input::{Path, Query, Who};
use crate::problem::Failure;
use crate::router::Edge;
use axum::extract::State;
use protocol::rest::Users;
use protocol::{User, UserId};
use serde::Deserialize;

/// Query of `GET users`.
#[derive(Debug, Deserialize)]
pub(super) struct Search {
    /// A part of a name; empty: some people.
    #[serde(default)]
    q: String,
}

/// `GET users?q=`
pub(super) async fn search(
    State(edge): State<Edge>,
    Who(who): Who,
    Query(search): Query<Search>,
) -> Result<axum::Json<Users>, Failure> {
    let users = edge.chat.search_people(who, &search.q).await?;
    Ok(axum::Json(Users { users }))
}

/// `GET users/{id}`
pub(super) async fn show(
    State(edge): State<Edge>,
    Who(who): Who,
    Path(user): Path<UserId>,
) -> Result<axum::Json<User>, Failure> {
    Ok(axum::Json(edge.chat.person(who, user).await?))
}
