//! The topic as a second log: stores again what was submitted and is still at the broker. It is for a database that was
//! restored from a backup: what people wrote since comes back under its ids, its times and, where nothing else happened to
//! its conversation meanwhile, its numbers.
//!
//! What the database has is known by its nonce and stays as it is, so it may be run again, and must be where it was
//! interrupted. It goes straight to the store, while nothing else does: what people write after a restore must come after it.

use crate::bus::intake::Kept;
use crate::bus::sealed::Seal;
use crate::bus::wire::WireError;
use crate::ingest::Submitted;
use crate::store::{BATCH, NewPost, PostOutcome, Source, StoreError, Stores};
use protocol::Timestamp;
use std::fmt;

/// Messages that could not be stored are named one by one up to here, and counted beyond.
const NAMED: usize = 100;

/// Why it stopped before the end.
#[derive(Debug)]
pub(crate) enum Stopped {
    Bus(WireError),
    Store(StoreError),
    /// Every record was sealed with another key.
    Foreign(u64),
}

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bus(error) => write!(f, "bus: {error}; run it again"),
            Self::Store(error) => write!(f, "store: {error}; run it again"),
            Self::Foreign(records) => {
                write!(f, "bus: none of the {records} records there was sealed by a server of this database")
            }
        }
    }
}

/// What became of the records.
#[derive(Default)]
struct Tally {
    stored: u64,
    known: u64,
    refused: u64,
    foreign: u64,
    /// The first and the last time at which one was sent.
    sent: Option<(Timestamp, Timestamp)>,
    /// The refused ones, up to [`NAMED`].
    named: Vec<String>,
}

impl Tally {
    fn read(&mut self, post: &NewPost) {
        let at = post.sent_at;
        self.sent = Some(self.sent.map_or((at, at), |(first, last)| (first.min(at), last.max(at))));
    }

    fn add(&mut self, post: &NewPost, outcome: &PostOutcome) {
        let why = match outcome {
            PostOutcome::Stored { .. } => return self.stored += 1,
            PostOutcome::Duplicate(_) => return self.known += 1,
            PostOutcome::OtherUse => "its nonce was used for something else",
            PostOutcome::NotFound => "there is no such conversation, or its sender is no member",
            PostOutcome::NoSuchReply => "what it answers is not there",
        };
        self.refused += 1;
        if self.named.len() < NAMED {
            let NewPost { id, conversation, sender, sent_at, .. } = post;
            self.named.push(format!("refused: {id}, sent at {sent_at} by {sender} to {conversation}: {why}"));
        }
    }

    fn told(self, trimmed: bool) -> Vec<String> {
        let mut told = self.named;
        if self.refused > told.len() as u64 {
            told.push(format!("refused: {} more", self.refused - told.len() as u64));
        }
        if self.foreign > 0 {
            told.push(format!("not sealed by a server of this database: {} records", self.foreign));
        }
        told.push(match self.sent {
            Some((first, last)) => format!("the topic has messages sent from {first} to {last}"),
            None => "the topic has no messages".to_owned(),
        });
        if trimmed {
            told.push("it had older ones: those must be in the backup".to_owned());
        }
        told.push(format!("{} stored, {} known, {} refused", self.stored, self.known, self.refused));
        told
    }
}

/// Stores what is kept, and says what became of it.
pub(crate) async fn all(mut kept: Kept, stores: &Stores) -> Result<Vec<String>, Stopped> {
    let seal = Seal::new(&stores.database.key(), "submitted");
    let (mut tally, mut records) = (Tally::default(), Vec::with_capacity(BATCH));
    while kept.records.recv_many(&mut records, BATCH).await > 0 {
        let mut posts = Vec::with_capacity(records.len());
        for record in records.drain(..) {
            match seal.open::<Submitted>(&record.map_err(Stopped::Bus)?) {
                Some(message) => posts.push(message.post),
                None => tally.foreign += 1,
            }
        }
        if posts.is_empty() {
            continue;
        }
        posts.iter().for_each(|post| tally.read(post));
        let outcomes = stores.messages.post_submitted(&posts, Source::Topic).await.map_err(Stopped::Store)?;
        posts.iter().zip(&outcomes).for_each(|(post, outcome)| tally.add(post, outcome));
    }
    match tally {
        Tally { foreign: 1.., sent: None, .. } => Err(Stopped::Foreign(tally.foreign)),
        tally => Ok(tally.told(kept.trimmed)),
    }
}
