//! The streams of a prefix: their names, and that they are there.

use super::super::address::Address;
use super::super::intake::PARTITIONS;
use super::super::wire::{PATIENCE, WireError};
use super::connection::Connection;
use super::{SINCE, failed, replicas};
use async_nats::jetstream::Context;
use async_nats::jetstream::context::ContextBuilder;
use async_nats::jetstream::stream::{Config, RetentionPolicy, StorageType, Stream};
use std::fmt::Display;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

/// How long the server remembers what it was handed, so that what is published again after a lost connection is kept
/// once; publishing gives up long before.
const REMEMBERED: Duration = Duration::from_secs(30);
/// Published and not answered yet, of everybody who submits here. When full, they wait.
const UNANSWERED: usize = 16_384;

/// See the module.
pub(super) struct Streams {
    pub(super) connection: Arc<Connection>,
    pub(super) context: Context,
    prefix: String,
    replicas: usize,
    /// The connection, by its number, on which they were seen.
    seen: AtomicU64,
    /// Whether the stream takes batches atomically: one that was made by hand may not.
    atomic: AtomicBool,
}

impl Streams {
    /// Makes what is missing; an error is a setting that cannot be meant, or a server that is too old.
    pub(super) async fn open(address: &Address, name: &str) -> Result<Self, String> {
        let replicas = replicas(address)?;
        let connection = Arc::new(Connection::open(address, name).await?);
        let context = ContextBuilder::new()
            .timeout(PATIENCE)
            .ack_timeout(PATIENCE)
            .max_ack_inflight(UNANSWERED)
            .build(connection.client.clone());
        let (seen, atomic) = (AtomicU64::new(0), AtomicBool::new(false));
        let streams = Self { connection, context, prefix: address.prefix.clone(), replicas, seen, atomic };
        if streams.connection.is_up() {
            streams.fitting().map_err(|error| error.0)?;
            if let Err(error) = streams.ready().await {
                tracing::warn!(%error, "queued messages wait until NATS keeps them");
            }
        }
        Ok(streams)
    }

    pub(super) fn submitted(&self) -> String {
        format!("{}-submitted", self.prefix)
    }

    pub(super) fn line(&self, partition: impl Display) -> String {
        format!("{}-submitted.{partition}", self.prefix)
    }

    /// Where nothing is ever sent: a worker is seen by its consumer of it.
    pub(super) fn worker(&self, id: &str) -> String {
        format!("{}-submitted.worker.{id}", self.prefix)
    }

    pub(super) fn dead(&self) -> String {
        format!("{}-dead", self.prefix)
    }

    pub(super) fn dead_letter(&self, partition: u16) -> String {
        format!("{}-dead.{partition}", self.prefix)
    }

    pub(super) fn is_atomic(&self) -> bool {
        self.atomic.load(Ordering::Relaxed)
    }

    /// Refuses a server that is too old to keep anything.
    fn fitting(&self) -> Result<(), WireError> {
        let (major, minor, patch) = SINCE;
        if self.connection.client.is_server_compatible(major, minor, patch) {
            return Ok(());
        }
        let version = self.connection.client.server_info().version;
        Err(WireError(format!(
            "queued ingest needs a NATS server of version {major}.{minor} or later with JetStream; this one is {version}"
        )))
    }

    /// Sees to it that they are there; once for each connection.
    pub(super) async fn ready(&self) -> Result<(), WireError> {
        let connects = self.connection.connects();
        if connects == 0 || !self.connection.is_up() {
            return Err(failed("not connected"));
        }
        if self.seen.load(Ordering::Relaxed) == connects {
            return Ok(());
        }
        self.fitting()?;
        let lines = (0..PARTITIONS).map(|partition| self.line(partition));
        let submitted = Config {
            name: self.submitted(),
            subjects: lines.chain([self.worker("*")]).collect(),
            retention: RetentionPolicy::WorkQueue,
            storage: StorageType::File,
            num_replicas: self.replicas,
            duplicate_window: REMEMBERED,
            allow_atomic_publish: true,
            ..Config::default()
        };
        let dead = Config {
            name: self.dead(),
            subjects: vec![self.dead_letter_any()],
            storage: StorageType::File,
            num_replicas: self.replicas,
            duplicate_window: REMEMBERED,
            ..Config::default()
        };
        self.made(dead).await?;
        let config = self.made(submitted).await?.cached_info().config.clone();
        self.atomic.store(config.allow_atomic_publish, Ordering::Relaxed);
        self.seen.store(connects, Ordering::Relaxed);
        Ok(())
    }

    /// Takes out of a line everything up to this.
    pub(super) async fn purge(&self, partition: usize, sequence: u64) -> Result<(), WireError> {
        let stream = self.context.get_stream_no_info(self.submitted()).await.map_err(failed)?;
        // Up to the one before `sequence`, as the server has it.
        let purge = stream.purge().filter(self.line(partition)).sequence(sequence.saturating_add(1));
        purge.await.map_err(failed)?;
        Ok(())
    }

    pub(super) fn dead_letter_any(&self) -> String {
        format!("{}-dead.*", self.prefix)
    }

    async fn made(&self, wanted: Config) -> Result<Stream, WireError> {
        let stream = self.context.get_or_create_stream(&wanted).await.map_err(failed)?;
        let config = &stream.cached_info().config;
        if (config.retention, config.storage) != (wanted.retention, wanted.storage)
            || wanted.subjects.iter().any(|subject| !config.subjects.contains(subject))
        {
            return Err(failed(format!(
                "the stream {} is there with another retention, storage or subjects",
                wanted.name
            )));
        }
        Ok(stream)
    }

    /// They are gone, as the server says: whoever needs them next makes them again.
    pub(super) fn forget(&self) {
        self.seen.store(0, Ordering::Relaxed);
    }
}
