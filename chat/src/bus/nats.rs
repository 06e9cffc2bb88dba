//! NATS, as a wire by its core subjects and as an intake by JetStream.
//!
//! How the contracts map to it:
//! - doorbells go to `{prefix}.group.{id}`, `.direct.{id}`, `.user.{id}` and `.nodes`; a node hears all of them by one
//!   subscription, `{prefix}.>`, but not what it sent itself. The client reads on when a node is slow and drops what its
//!   queue does not hold: that, too, is told as a gap.
//! - submissions go to the stream `{prefix}-submitted`, subject `{prefix}-submitted.{line}`. It is a work queue: what is
//!   acknowledged is gone from it, and nothing else ever goes. Small batches are published one behind the other, large
//!   ones atomically, which costs the server one synchronisation instead of one for each.
//! - a line belongs to the worker whose consumer reads it: of a work queue, the server allows one consumer for a subject,
//!   and refuses the second. The consumer is made anew with every taking over, under a name that nobody else has, so that
//!   it begins with the oldest that is not done, and acknowledgements of whoever had the line before reach nobody. The
//!   server removes it [`LEASE`](super::intake::LEASE) after its worker was last heard of.
//! - what is done is told to the server beside the work ([`finish`]), and [`Work::done`] does not wait for that: a crash may bring back
//!   what was done in the last moments, a clean stop and a line's move wait for it. The first of a line are purged together, up to
//!   their last sequence, because the server takes no acknowledgement for many in a work queue. Whoever had the line before may do
//!   that too, and it is right: what it purges, it has stored.
//! - workers see each other the same way, by consumers `worker-{id}`, and each takes its share of the lines.
//! - what becomes of the cluster is kept in the stream `{prefix}-system` ([`system`]).
//! - dead letters go to the stream `{prefix}-dead`, with the reason in a header.
//!
//! What the server keeps is on its disk when it says so only with `jetstream { sync_interval: always }`; otherwise it
//! survives the server's process, not its machine. Servers before [`SINCE`] are good for doorbells only.

mod connection;
mod finish;
mod held;
mod intake;
mod lines;
mod streams;
mod system;
#[cfg(test)]
mod tests;
mod wire;
mod work;

use super::address::Address;
use super::intake::{Intake, Work};
use super::wire::{Link, WireError};

/// Where the address names no port.
pub(crate) const PORT: u16 = 4222;
/// The scheme of an address of a server that speaks TLS; the same as `tls=on`.
pub(crate) const OVER_TLS: &str = "tls";
/// What an address may set besides the prefix: `tls=on`, `ca=FILE` of authorities to trust instead of the system's, and
/// `replicas=1` to 5, on how many servers a stream is kept that does not exist yet.
pub(crate) const SETTINGS: &[&str] = &["tls", "ca", "replicas"];
/// The first server that takes batches atomically. Those before 2.10.23 could lose a stream when they were killed, and
/// 2.9 cannot synchronise what it acknowledges.
const SINCE: (i64, i64, i64) = (2, 12, 0);

/// Starts to listen and makes ready to send. An error is a setting that cannot be meant; the broker may be away.
pub(crate) async fn wire(address: &Address) -> Result<Link, String> {
    wire::open(address).await
}

/// Makes ready to submit. An error is a setting that cannot be meant; the broker may be away.
pub(crate) async fn intake(address: &Address) -> Result<Box<dyn Intake>, String> {
    Ok(Box::new(intake::NatsIntake::open(address).await?))
}

/// Makes ready to work, under a name of its own among the workers.
pub(crate) async fn work(address: &Address, worker: &str) -> Result<Box<dyn Work>, String> {
    Ok(Box::new(work::NatsWork::open(address, worker).await?))
}

/// On how many servers a stream is kept that does not exist yet.
fn replicas(address: &Address) -> Result<usize, String> {
    let replicas = address.number("replicas", 1)?;
    if !(1..=5).contains(&replicas) {
        return Err("accepts 1 to 5 as `replicas`".to_owned());
    }
    Ok(replicas)
}

/// In the client's words.
fn failed(error: impl std::fmt::Display) -> WireError {
    WireError(format!("NATS: {error}"))
}
