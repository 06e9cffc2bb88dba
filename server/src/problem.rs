//! What goes wrong, as an answer: RFC 9457 problem documents with the codes of the contract.

use axum::Json;
use axum::body::Body;
use axum::http::{HeaderValue, Response, StatusCode, header};
use axum::response::IntoResponse;
use protocol::{Code, Problem};
use std::any::Any;

/// Media type of a problem document.
pub const MEDIA_TYPE: HeaderValue = HeaderValue::from_static("application/problem+json");

/// A request that was not done, as its answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Failure(Box<Problem>);

impl Failure {
    /// The problem itself.
    pub fn problem(&self) -> &Problem {
        &self.0
    }

    /// We took too long. What the request asked for may have happened: a nonce finds out.
    pub fn timed_out() -> Self {
        Self(Box::new(Problem {
            title: "Internal error".to_owned(),
            status: Code::Internal.status(),
            code: Code::Internal,
            detail: Some("The server took too long. The request may have been carried out.".to_owned()),
            errors: Vec::new(),
            retry_after_ms: None,
        }))
    }

    /// We failed in a way nobody foresaw.
    pub fn panicked() -> Self {
        Self(Box::new(Problem {
            title: "Internal error".to_owned(),
            status: Code::Internal.status(),
            code: Code::Internal,
            detail: Some("The server failed. The request may have been carried out.".to_owned()),
            errors: Vec::new(),
            retry_after_ms: None,
        }))
    }
}

impl From<chat::Error> for Failure {
    fn from(error: chat::Error) -> Self {
        Self(Box::new(error.problem()))
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> axum::response::Response {
        let status = StatusCode::from_u16(self.0.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let retry_after = self.0.retry_after_ms.map(|ms| ms.div_ceil(1000));
        let code = self.0.code;
        let mut response = (status, Json(*self.0)).into_response();
        // For whoever counts it on its way out.
        response.extensions_mut().insert(code);
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, MEDIA_TYPE);
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(seconds) = retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if code == Code::Unauthorized {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

/// The answer to a request whose handler panicked. The panic is logged here; its words stay here.
pub fn panicked(panic: Box<dyn Any + Send + 'static>) -> Response<Body> {
    let words = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no words");
    tracing::error!(panic = words, "a handler panicked");
    Failure::panicked().into_response()
}

/// What has no route, and methods a route does not have.
pub async fn not_found() -> Failure {
    chat::Error::NotFound.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn an_answer_carries_the_code_and_when_to_come_back() {
        let failure = Failure::from(chat::Error::RateLimited { retry_after: Duration::from_millis(1_001) });
        let response = failure.into_response();
        assert_eq!(response.status(), StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(response.headers()[header::RETRY_AFTER], "2");
        assert_eq!(response.headers()[header::CONTENT_TYPE], "application/problem+json");
        assert_eq!(response.headers()[header::CACHE_CONTROL], "no-store");
    }
}
