//! What a use case can answer instead of a result, and its one mapping to the words of the contract.

use crate::store::StoreError;
use protocol::{Code, FieldError, Problem, Refusal};
use std::fmt;
use std::time::Duration;

/// Why a request was refused. Every variant but [`Internal`](Error::Internal) promises that nothing was stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// Nobody is signed in, or the name and password do not fit.
    Unauthorized,
    /// Not allowed; why.
    Forbidden(&'static str),
    /// No such thing, or not the asker's: the two are never told apart.
    NotFound,
    /// Malformed; which fields.
    Invalid(Vec<FieldError>),
    /// It collides with what is there; with what.
    Conflict(&'static str),
    /// The nonce was used before for something else.
    IdempotencyConflict,
    /// The asker's position cannot be continued from; why.
    Reset(&'static str),
    /// Larger than a limit; which.
    TooLarge(&'static str),
    /// Too often.
    RateLimited {
        /// Wait this long.
        retry_after: Duration,
    },
    /// It cannot be done now.
    Unavailable {
        /// Wait this long.
        retry_after: Duration,
    },
    /// A fault of ours, logged where it happened; whether anything was stored is not known.
    Internal,
}

impl Error {
    /// One malformed field.
    pub fn invalid(field: &str, message: impl fmt::Display) -> Self {
        Self::Invalid(vec![FieldError { field: field.to_owned(), message: message.to_string() }])
    }

    /// The server is too busy for this just now.
    pub const fn busy() -> Self {
        Self::Unavailable { retry_after: Duration::from_millis(500) }
    }

    /// What failed stood after a commit: the promise that nothing was stored would be false.
    pub(crate) fn after_commit(error: Self) -> Self {
        match error {
            Self::Unavailable { .. } => Self::Internal,
            other => other,
        }
    }

    /// The stable reason.
    pub const fn code(&self) -> Code {
        match self {
            Self::Unauthorized => Code::Unauthorized,
            Self::Forbidden(_) => Code::Forbidden,
            Self::NotFound => Code::NotFound,
            Self::Invalid(_) => Code::Invalid,
            Self::Conflict(_) => Code::Conflict,
            Self::IdempotencyConflict => Code::IdempotencyConflict,
            Self::Reset(_) => Code::Reset,
            Self::TooLarge(_) => Code::TooLarge,
            Self::RateLimited { .. } => Code::RateLimited,
            Self::Unavailable { .. } => Code::Unavailable,
            Self::Internal => Code::Internal,
        }
    }

    /// A sentence for people.
    pub fn message(&self) -> String {
        match self {
            Self::Unauthorized => "Sign in to do this.".to_owned(),
            Self::NotFound => "There is no such thing here.".to_owned(),
            Self::Forbidden(why) | Self::Conflict(why) | Self::Reset(why) | Self::TooLarge(why) => {
                (*why).to_owned()
            }
            Self::Invalid(errors) => {
                let fields: Vec<_> = errors.iter().map(|e| format!("{} {}", e.field, e.message)).collect();
                format!("{}.", fields.join("; "))
            }
            Self::IdempotencyConflict => "This nonce was used before for something else.".to_owned(),
            Self::RateLimited { .. } => "That was too often. Wait a little.".to_owned(),
            Self::Unavailable { .. } => "The server cannot do this right now. Nothing was stored.".to_owned(),
            Self::Internal => "The server failed. It may have been carried out, or not.".to_owned(),
        }
    }

    /// How long to wait before the same request may succeed.
    pub const fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::RateLimited { retry_after } | Self::Unavailable { retry_after } => Some(*retry_after),
            _ => None,
        }
    }

    fn retry_after_ms(&self) -> Option<u64> {
        self.retry_after().map(|wait| u64::try_from(wait.as_millis()).unwrap_or(u64::MAX))
    }

    /// As a problem document.
    pub fn problem(&self) -> Problem {
        let code = self.code();
        Problem {
            title: title(code).to_owned(),
            status: code.status(),
            code,
            detail: Some(self.message()),
            errors: if let Self::Invalid(errors) = self { errors.clone() } else { Vec::new() },
            retry_after_ms: self.retry_after_ms(),
        }
    }

    /// As the frame that answers a request on the socket.
    pub fn refusal(&self, nonce: Option<String>, in_reply_to: Option<String>) -> Refusal {
        Refusal {
            nonce,
            in_reply_to,
            code: self.code(),
            message: self.message(),
            retryable: self.code().retryable(),
            retry_after_ms: self.retry_after_ms(),
        }
    }
}

const fn title(code: Code) -> &'static str {
    match code {
        Code::Unauthorized => "Not signed in",
        Code::Forbidden => "Not allowed",
        Code::NotFound => "Not found",
        Code::Invalid => "Invalid request",
        Code::Conflict => "Conflict",
        Code::IdempotencyConflict => "Nonce used before",
        Code::Reset => "Start over",
        Code::TooLarge => "Too large",
        Code::RateLimited => "Too many requests",
        Code::Unavailable => "Not available right now",
        Code::UnknownType => "Unknown type",
        Code::Internal => "Internal error",
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message())
    }
}

impl std::error::Error for Error {}

/// A back end's failure becomes "try again" here and is logged here, once; its words never reach a client.
impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        tracing::error!(store.error = %error, "the store failed");
        if error.unknown { Self::Internal } else { Self::Unavailable { retry_after: Duration::from_secs(1) } }
    }
}
