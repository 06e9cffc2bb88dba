//! What handlers take: who asks, ids from the path, the query, the body. Each is refused with a problem document.

use super::BODY_BYTES;
use crate::problem::Failure;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use chat::{Error, Identity};
use serde::de::DeserializeOwned;
use std::time::Duration;
use tokio::time::timeout;

/// A body must be here after this long: well before the request's own deadline, whose answer would have to say that
/// something may have been done.
const RECEIVE: Duration = Duration::from_secs(20);
const LARGER: &str = "The body is larger than 1 MiB.";

/// Whoever is signed in; nobody else gets past it.
#[derive(Clone, Copy, Debug)]
pub struct Who(pub Identity);

impl<S: Sync> FromRequestParts<S> for Who {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Failure> {
        parts.extensions.get().copied().map(Self).ok_or_else(|| Error::Unauthorized.into())
    }
}

/// Ids of the path. What is no id names nothing, like an id nobody has.
#[derive(Clone, Copy, Debug)]
pub struct Path<T>(pub T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Path<T> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        match axum::extract::Path::from_request_parts(parts, state).await {
            Ok(axum::extract::Path(ids)) => Ok(Self(ids)),
            Err(_) => Err(Error::NotFound.into()),
        }
    }
}

/// The query.
#[derive(Clone, Copy, Debug)]
pub struct Query<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        match axum::extract::Query::from_request_parts(parts, state).await {
            Ok(axum::extract::Query(query)) => Ok(Self(query)),
            Err(rejection) => Err(wrong("query", &rejection.body_text()).into()),
        }
    }
}

/// A JSON body. It has to be declared as JSON: another site's form cannot do that.
#[derive(Clone, Copy, Debug)]
pub struct Json<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Json<T> {
    type Rejection = Failure;

    async fn from_request(request: Request, state: &S) -> Result<Self, Failure> {
        if !is_json(request.headers()) {
            return Err(Error::invalid("content-type", "must be application/json").into());
        }
        if announced(request.headers()).is_some_and(|length| length > BODY_BYTES) {
            return Err(Error::TooLarge(LARGER).into());
        }
        let body = match timeout(RECEIVE, Bytes::from_request(request, state)).await {
            Ok(Ok(body)) => body,
            Ok(Err(BytesRejection::FailedToBufferBody(rejection))) if rejection.status() == 413 => {
                return Err(Error::TooLarge(LARGER).into());
            }
            Ok(Err(_)) => return Err(Error::invalid("body", "was not received whole").into()),
            Err(_) => return Err(Error::invalid("body", "was not received in time").into()),
        };
        serde_json::from_slice(&body).map(Self).map_err(|error| wrong("body", &error.to_string()).into())
    }
}

fn announced(headers: &HeaderMap) -> Option<usize> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

fn is_json(headers: &HeaderMap) -> bool {
    headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next())
        .is_some_and(|media| media.trim().eq_ignore_ascii_case("application/json"))
}

/// A field that could not be read, named where the reader's words name it.
fn wrong(place: &str, words: &str) -> Error {
    let field = words
        .split_once("field `")
        .and_then(|(_, rest)| rest.split_once('`'))
        .map_or(place, |(name, _)| name);
    Error::invalid(field, words)
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::Body;
    use axum::extract::DefaultBodyLimit;
    use axum::routing::{get, post};
    use axum::{Router, http};
    use protocol::{Code, Problem, UserId, rest};
    use tower::ServiceExt;

    async fn answer(request: http::Request<Body>) -> Result<String, Problem> {
        let router = Router::new()
            .route("/read", post(async |Json(read): Json<rest::Read>| read.seq.to_string()))
            .route("/users/{user}", get(async |Path(user): Path<UserId>| user.to_string()))
            .layer(DefaultBodyLimit::max(64));
        let response = router.oneshot(request).await.unwrap();
        let status = response.status();
        let body = axum::body::to_bytes(response.into_body(), 10_000).await.unwrap();
        if status == 200 {
            Ok(String::from_utf8(body.into()).unwrap())
        } else {
            Err(serde_json::from_slice(&body).unwrap())
        }
    }

    fn post_read(media: &str, body: impl Into<Body>) -> http::Request<Body> {
        http::Request::post("/read").header("content-type", media).body(body.into()).unwrap()
    }

    #[tokio::test]
    async fn bodies_are_json_of_the_right_shape_and_size() {
        let json = "application/json; charset=utf-8";
        assert_eq!(answer(post_read(json, r#"{"seq":7,"more":1}"#)).await.unwrap(), "7");
        for (media, body, code, field) in [
            ("text/plain", r#"{"seq":7}"#.to_owned(), Code::Invalid, "content-type"),
            (json, "{}".to_owned(), Code::Invalid, "seq"),
            (json, "{".to_owned(), Code::Invalid, "body"),
            (json, r#"{"seq":"x"}"#.to_owned(), Code::Invalid, "body"),
        ] {
            let problem = answer(post_read(media, body)).await.unwrap_err();
            assert_eq!((problem.code, problem.errors[0].field.as_str()), (code, field));
        }
        let problem = answer(post_read(json, " ".repeat(65))).await.unwrap_err();
        assert_eq!((problem.code, problem.status), (Code::TooLarge, 413));
    }

    #[tokio::test]
    async fn a_body_announced_too_large_is_not_waited_for() {
        let mut request = post_read("application/json", never());
        request.headers_mut().insert(header::CONTENT_LENGTH, http::HeaderValue::from(BODY_BYTES + 1));
        assert_eq!(answer(request).await.unwrap_err().status, 413);
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_does_not_come_is_refused_in_time() {
        let problem = answer(post_read("application/json", never())).await.unwrap_err();
        assert_eq!((problem.code, problem.errors[0].field.as_str()), (Code::Invalid, "body"));
    }

    fn never() -> Body {
        Body::from_stream(futures::stream::pending::<Result<Bytes, std::io::Error>>())
    }

    #[tokio::test]
    async fn what_is_no_id_names_nothing() {
        let id = UserId::generate().to_string();
        let get = |path: String| http::Request::get(path).body(Body::empty()).unwrap();
        assert_eq!(answer(get(format!("/users/{id}"))).await.unwrap(), id);
        for path in ["/users/7", "/users/%ff", "/users/x%2Fy"] {
            assert_eq!(answer(get(path.to_owned())).await.unwrap_err().code, Code::NotFound, "{path}");
        }
    }
}
