//! What can go wrong, with codes that never change.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Stable machine-readable reason. The same words over REST and the socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    /// Nobody is signed in, or the session ended. HTTP 401.
    Unauthorized,
    /// Signed in, but not allowed. HTTP 403.
    Forbidden,
    /// No such thing, or not yours: the two are never told apart. HTTP 404.
    NotFound,
    /// The request is malformed; `errors` says where. HTTP 422.
    Invalid,
    /// It collides with what is there, such as a taken name. HTTP 409.
    Conflict,
    /// The nonce was used before for something else. HTTP 409.
    IdempotencyConflict,
    /// The client's position cannot be continued from; start over. HTTP 410.
    Reset,
    /// Larger than the limit. HTTP 413.
    TooLarge,
    /// Too often; wait `retry_after_ms`. HTTP 429.
    RateLimited,
    /// The server cannot do it now and stored nothing; try again. HTTP 503.
    Unavailable,
    /// A frame type this server does not know. Socket only.
    UnknownType,
    /// The server failed; the cause is in its log under the request's id. HTTP 500.
    #[serde(other)]
    Internal,
}

impl Code {
    /// The word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unauthorized => "unauthorized",
            Self::Forbidden => "forbidden",
            Self::NotFound => "not_found",
            Self::Invalid => "invalid",
            Self::Conflict => "conflict",
            Self::IdempotencyConflict => "idempotency_conflict",
            Self::Reset => "reset",
            Self::TooLarge => "too_large",
            Self::RateLimited => "rate_limited",
            Self::Unavailable => "unavailable",
            Self::UnknownType => "unknown_type",
            Self::Internal => "internal",
        }
    }

    /// HTTP status of the code.
    pub const fn status(self) -> u16 {
        match self {
            Self::Unauthorized => 401,
            Self::Forbidden => 403,
            Self::NotFound => 404,
            Self::Conflict | Self::IdempotencyConflict => 409,
            Self::Reset => 410,
            Self::TooLarge => 413,
            Self::Invalid | Self::UnknownType => 422,
            Self::RateLimited => 429,
            Self::Internal => 500,
            Self::Unavailable => 503,
        }
    }

    /// Whether the same request may succeed later, unchanged.
    pub const fn retryable(self) -> bool {
        matches!(self, Self::RateLimited | Self::Unavailable)
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A problem document (RFC 9457), `application/problem+json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// A sentence for the kind of problem.
    pub title: String,
    /// HTTP status.
    pub status: u16,
    /// The stable reason.
    pub code: Code,
    /// What went wrong this time, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// Per field, where `code` is `invalid`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldError>,
    /// Milliseconds to wait before trying again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
}

/// One field that was refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldError {
    /// The field's name.
    pub field: String,
    /// What is wrong with it.
    pub message: String,
}
