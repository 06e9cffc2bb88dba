//! Where everything is kept, behind one trait per aggregate. The store is the log: whatever is committed here is
//! true, and everything else is a copy of it or a hint about it.
//!
//! Contract of every implementation:
//! - a method that returned `Ok` has committed, durably (a power cut afterwards loses nothing);
//! - a method that returned `Err` has stored nothing, unless the error says that this is `unknown`;
//! - `seq` and `rev` are dense, allocated in the transaction that writes what they number;
//! - membership is checked in the transaction that writes, not before it;
//! - [`Messages::post`], [`Messages::post_submitted`], and the methods of [`Conversations`] that change something, are called by one task
//!   (`persist`), one at a time; all other methods by any number of tasks.

mod accounts;
mod acts;
pub(crate) mod cached;
mod conversations;
mod digest;
mod groups;
mod messages;
pub(crate) mod postgres;
pub(crate) mod sqlite;
pub(crate) mod transfer;

pub(crate) use accounts::{Accounts, FoundSession, NewAccount, NewSession, TOUCH_EVERY};
pub(crate) use conversations::{
    Conversations, Created, Edited, GroupChange, GroupEdit, Head, Hello, NewConversation, NewSettings,
    Personal, SettingsChange, Standing, Start,
};
pub use messages::{Act, Span};
pub(crate) use messages::{
    ActOutcome, BATCH, MarkOutcome, Marked, Messages, NewAct, NewMark, NewPost, Page, PostOutcome, Source,
    refused_before,
};

use async_trait::async_trait;
use protocol::Epoch;
use std::fmt;
use std::sync::Arc;

/// A failure of the back end: what was being done, and the back end's own error.
#[derive(Debug)]
pub struct StoreError {
    /// What was being done.
    pub(crate) doing: &'static str,
    /// Whether it may have been stored all the same: what failed was a commit.
    pub(crate) unknown: bool,
    /// The back end's words, for the log only.
    pub(crate) source: Box<dyn std::error::Error + Send + Sync>,
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.doing, self.source)
    }
}

impl std::error::Error for StoreError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&*self.source)
    }
}

pub(crate) type Result<T, E = StoreError> = std::result::Result<T, E>;

/// The database as a whole.
#[async_trait]
pub(crate) trait Database: Send + Sync {
    fn epoch(&self) -> Epoch;
    /// Draws another epoch, for whoever opens the database from now on: the numbers that clients have are not of this log.
    async fn renew(&self) -> Result<()>;
    /// A secret of everybody who may read the database, drawn at its creation: nodes know each other by it.
    fn key(&self) -> [u8; 32];
    /// `false`: a transfer into it was begun and not finished ([`transfer`]).
    async fn is_whole(&self) -> Result<bool>;
    /// Makes known that this node uses the database, until it is closed: `alone`, or with others that are not. `false`: that
    /// does not go with a node that uses it already.
    async fn claim(&self, alone: bool) -> Result<bool>;
    /// A cheap read, to know that it answers.
    async fn check(&self) -> Result<()>;
    /// Commits what is queued and closes every connection.
    async fn close(&self);
}

/// The store as `open` hands it out: one back end behind each trait.
#[derive(Clone)]
pub(crate) struct Stores {
    pub(crate) accounts: Arc<dyn Accounts>,
    pub(crate) conversations: Arc<dyn Conversations>,
    pub(crate) messages: Arc<dyn Messages>,
    pub(crate) hello: Arc<dyn Hello>,
    pub(crate) database: Arc<dyn Database>,
}

/// The epoch is what was drawn for it, bit by bit: whoever reads the table finds what clients hear.
fn epoch(drawn: [u8; 16]) -> Epoch {
    Epoch::from_uuid(uuid::Uuid::from_bytes(drawn))
}
