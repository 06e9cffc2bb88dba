//! `conversations/{id}/messages` and `conversations/{id}/changes`

use super::input::{Json, Path, Query, Who};
use crate::problem::Failure;
use crate::router::Edge;
use axum::extract::State;
use axum::http::StatusCode;
use chat::{Error, Span};
use protocol::rest::{Changes, Messages, NewMessage, Pins, Posted};
use protocol::{ConversationId, limits};
use serde::Deserialize;

/// Query of `GET conversations/{id}/messages`: at most one place, else the newest.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Page {
    before: Option<u64>,
    after: Option<u64>,
    around: Option<u64>,
    at: Option<String>,
    limit: Option<u32>,
}

impl Page {
    fn span(&self) -> Result<Span, Error> {
        let at = self.at.as_deref().map(|at| {
            at.parse().map(Span::At).map_err(|_| Error::invalid("at", "must be a time as in RFC 3339"))
        });
        let seqs =
            [self.before.map(Span::Before), self.after.map(Span::After), self.around.map(Span::Around)];
        let mut named = seqs.into_iter().flatten().chain(at.transpose()?);
        let span = named.next().unwrap_or(Span::Newest);
        if named.next().is_some() {
            return Err(Error::invalid("before", "stands alone: name one of before, after, around, at"));
        }
        Ok(span)
    }
}

/// `GET conversations/{id}/messages`
pub(super) async fn list(
    State(edge): State<Edge>,
    Who(who): Who,
    Path(conversation): Path<ConversationId>,
    Query(page): Query<Page>,
) -> Result<axum::Json<Messages>, Failure> {
    Ok(axum::Json(edge.chat.history(who, conversation, page.span()?, bounded(page.limit)).await?))
}

/// `POST conversations/{id}/messages`: 201, or 200 where the nonce is known.
pub(super) async fn create(
    State(edge): State<Edge>,
    Who(who): Who,
    Path(conversation): Path<ConversationId>,
    Json(new): Json<NewMessage>,
) -> Result<(StatusCode, axum::Json<Posted>), Failure> {
    let posted = edge.chat.post(who, conversation, new).await?;
    let status = if posted.duplicate { StatusCode::OK } else { StatusCode::CREATED };
    Ok((status, axum::Json(posted)))
}

/// Query of `GET conversations/{id}/changes`.
#[derive(Debug, Deserialize)]
pub(super) struct After {
    /// The last change the client has.
    #[serde(default)]
    after: u64,
    limit: Option<u32>,
}

/// `GET conversations/{id}/changes`
pub(super) async fn changes(
    State(edge): State<Edge>,
    Who(who): Who,
    Path(conversation): Path<ConversationId>,
    Query(query): Query<After>,
) -> Result<axum::Json<Changes>, Failure> {
    Ok(axum::Json(edge.chat.changes(who, conversation, query.after, bounded(query.limit)).await?))
}

/// `GET conversations/{id}/pins`
pub(super) async fn pins(
    State(edge): State<Edge>,
    Who(who): Who,
    Path(conversation): Path<ConversationId>,
) -> Result<axum::Json<Pins>, Failure> {
    Ok(axum::Json(edge.chat.pins(who, conversation).await?))
}

/// A page's size: what was asked for, within the limits.
fn bounded(limit: Option<u32>) -> u32 {
    limit.unwrap_or(limits::PAGE_DEFAULT).clamp(1, limits::PAGE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_has_one_place() {
        assert!(matches!(Page::default().span(), Ok(Span::Newest)));
        assert!(matches!(Page { around: Some(7), ..Page::default() }.span(), Ok(Span::Around(7))));
        assert!(Page { before: Some(1), after: Some(2), ..Page::default() }.span().is_err());
        let at = |time: &str| Page { at: Some(time.to_owned()), ..Page::default() };
        assert!(matches!(at("2026-11-22T08:00:00Z").span(), Ok(Span::At(_))));
        assert!(Page { after: Some(2), ..at("2026-11-22T08:00:00Z") }.span().is_err());
        for time in ["", "yesterday", "2026-11-22", "2026-13-22T08:00:00Z"] {
            assert!(at(time).span().is_err(), "{time}");
        }
    }

    #[test]
    fn a_page_has_a_size_within_the_limits() {
        assert_eq!([None, Some(0), Some(7), Some(9_999)].map(bounded), [50, 1, 7, 200]);
    }
}
