//! Who asks.

use protocol::{SessionId, UserId};

/// A signed-in person on one of their devices. Made from a session token only, never from a URL or a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Identity {
    /// Who.
    pub user: UserId,
    /// On which session.
    pub session: SessionId,
}
