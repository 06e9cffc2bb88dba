//! Kafka, as a wire and as an intake.
//!
//! Topics, all of which begin with the prefix of the address:
//! - `PREFIX.stored`, one line, so that there is one order: the wire. Every node reads it by itself, from where it ended
//!   when the node began to listen, in no group and without committing anything; what is older than ten minutes goes. Every
//!   node reads everything, so the subject of a parcel chooses nothing: it is the record's key, for whoever looks.
//! - `PREFIX.submitted`, a line for each partition: the intake. An answer `Ok` is the report of all replicas in sync. Workers
//!   are a consumer group; what they have done is the group's committed offset.
//! - `PREFIX.dead`, one line: the dead letters, each with `partition`, `offset` and `reason` as headers. A log cannot lose an
//!   entry in its middle; what is forgotten is what the group `PREFIX-dead` has committed, and, for letters forgotten out of
//!   order, the metadata of that commit.
//!
//! How promises of the contract are kept where Kafka would not keep them by itself:
//! - *Trimming.* Kafka trims by age, whether read or not. The topic is made to keep everything, and a worker deletes what is
//!   both done and older than the setting `keep`, of its own lines. A topic made by somebody else must have `retention.ms=-1`.
//! - *One worker at a time.* A line that is to go to another worker is given up once what [`Work::next`] gave of it is done; until
//!   then nothing more of it is given. The consumer goes on polling meanwhile, so its group does not take it for dead. A worker
//!   that holds something for longer than [`HOLD`] while the group is shared out anew once more is thrown out of the group.
//! - *Order after that.* A worker that was thrown out, or that was cut off for longer than `LEASE`, may still store what it holds
//!   while another begins at the last commit. Both go through the same submissions in the same order, and each is stored once, so
//!   whichever is first, the log's order is the submissions'. What such a worker reports as done changes nothing.
//! - *Commits* are not waited for in [`Work::done`]: a crash may bring back what was done in the last moments, a clean stop and
//!   a line's move to another worker wait for them.
//!
//! What is not kept: lines that are to go to another worker at the same time go together, once nothing of any of them is in
//! hand. A worker that joins waits for that, which is as long as the others take for what they hold.

mod client;
mod dead;
mod intake;
mod kept;
mod lines;
mod settings;
#[cfg(test)]
mod tests;
mod topics;
mod wire;
mod work;

use super::address::Address;
use super::intake::{Intake, Kept, LEASE, Work};
use super::wire::{Link, WireError};
use settings::Broker;
use std::time::Duration;

/// Where the address names no port.
pub(crate) const PORT: u16 = 9092;
/// What an address may set besides the prefix.
pub(crate) const SETTINGS: &[&str] =
    &["partitions", "replication", "create", "group", "keep", "tls", "ca", "mechanism"];
/// How long the group waits for a worker that holds a line others are to get, and then throws it out. Kafka wants it to be no
/// shorter than the session, which is [`LEASE`].
const HOLD: Duration = Duration::from_secs(LEASE.as_secs() * 3);

/// Starts to listen and makes ready to send. An error is a setting that cannot be meant; the broker may be away.
/// Comes back once it listens, or after [`PATIENCE`](super::wire::PATIENCE): then a gap tells when it does.
pub(crate) async fn wire(address: &Address) -> Result<Link, String> {
    wire::open(Broker::of(address)?).await
}

/// Makes ready to submit. An error is a setting that cannot be meant; the broker may be away.
pub(crate) async fn intake(address: &Address) -> Result<Box<dyn Intake>, String> {
    Ok(Box::new(intake::open(Broker::of(address)?).await?))
}

/// Makes ready to work, under a name of its own among the workers.
pub(crate) async fn work(address: &Address, worker: &str) -> Result<Box<dyn Work>, String> {
    Ok(Box::new(work::open(Broker::of(address)?, worker)?))
}

/// Reads once more what was submitted, done or not, as far as it is still there.
pub(crate) async fn kept(address: &Address) -> Result<Kept, WireError> {
    kept::read(Broker::of(address).map_err(WireError)?).await
}
