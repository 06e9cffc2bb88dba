//! Who is at which node, where several nodes share it: a lease for each person and node.
//!
//! A node renews all of its people every [`RENEW`]; a node that is gone renews nothing, and [`LEASE`] later its people are gone
//! too (G9). Where it cannot be asked everybody is as they are at this node, and nobody waits long for it.

use async_trait::async_trait;
use protocol::{Presence, UserId};
use std::collections::HashMap;
use std::time::Duration;

/// How long a lease is good.
pub(crate) const LEASE: Duration = Duration::from_secs(45);
/// How often it is renewed: two renewals may be lost.
pub(crate) const RENEW: Duration = Duration::from_secs(15);

/// The leases of this node, and a way to those of the others.
#[async_trait]
pub(crate) trait Leases: Send + Sync {
    /// Says how these people are here, until the next time.
    async fn renew(&self, people: &[(UserId, Presence)]);
    /// These people are not here any more.
    async fn end(&self, people: &[UserId]);
    /// How these people are at the other nodes: those who are at one; none where it cannot be asked.
    async fn elsewhere(&self, people: &[UserId]) -> Option<HashMap<UserId, Presence>>;
}
