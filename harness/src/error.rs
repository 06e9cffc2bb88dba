//! What can go wrong between a client and a server.

use crate::Answer;
use protocol::{Code, Problem};
use std::fmt;
use tokio_tungstenite::tungstenite;

/// Why a request, a socket or a server did not do what was asked.
#[derive(Debug)]
pub enum Error {
    /// The request did not reach the server, or its answer did not come back.
    Http(reqwest::Error),
    /// The server answered with another status than the contract's for success.
    Refused(Box<Answer>),
    /// The socket failed below the level of frames.
    Socket(Box<tungstenite::Error>),
    /// The server closed the socket.
    Closed {
        /// Its code, or 1006 where the connection ended without one.
        code: u16,
        /// Its reason, for people.
        reason: String,
    },
    /// Something arrived that is not in the contract.
    Unreadable(String),
    /// It did not happen within [`DEADLINE`](crate::DEADLINE).
    Deadline(String),
    /// The server's process: did not start, did not stop.
    Process(String),
}

impl Error {
    /// HTTP status of a refused request.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Refused(answer) => Some(answer.status),
            _ => None,
        }
    }

    /// The problem document of a refused request.
    pub fn problem(&self) -> Option<Problem> {
        match self {
            Self::Refused(answer) => answer.json().ok(),
            _ => None,
        }
    }

    /// The stable code of a refused request.
    pub fn code(&self) -> Option<Code> {
        self.problem().map(|problem| problem.code)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Http(error) => write!(f, "the request failed: {error}"),
            Self::Refused(answer) => write!(f, "refused with {}: {}", answer.status, answer.text()),
            Self::Socket(error) => write!(f, "the socket failed: {error}"),
            Self::Closed { code, reason } => write!(f, "the socket was closed with {code}: {reason}"),
            Self::Unreadable(what) => write!(f, "not in the contract: {what}"),
            Self::Deadline(what) => write!(f, "did not happen in time: {what}"),
            Self::Process(what) => write!(f, "the server's process: {what}"),
        }
    }
}

impl std::error::Error for Error {}

impl From<reqwest::Error> for Error {
    fn from(error: reqwest::Error) -> Self {
        Self::Http(error)
    }
}

impl From<tungstenite::Error> for Error {
    fn from(error: tungstenite::Error) -> Self {
        Self::Socket(Box::new(error))
    }
}

impl From<std::io::Error> for Error {
    fn from(error: std::io::Error) -> Self {
        Self::Process(error.to_string())
    }
}
