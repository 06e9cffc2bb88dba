//! What becomes of the cluster, kept for its operators: the stream `{prefix}-system`.
//!
//! Nodes write there when they begin, stop, may have missed something or do not hear another one any more, and when somebody
//! joins or leaves a group; under `{prefix}-system.node.{node}` and `{prefix}-system.group.{conversation}`, so that one of
//! them can be looked at alone: `nats stream view confab-system`. It holds ids and no words, so it is not sealed. Users who
//! come and go are not in it: that is ten times everything else, and of the moment.
//!
//! Nobody acts on it: a forged event misleads who looks at it and nobody else. A node that hears again after a gap does not
//! read here what it missed, but asks the store, as with every bus: the stream has bounds, and what wrote to it may have been
//! cut off too, so that the question had to be asked all the same; it is one statement for all conversations that are open.
//!
//! Bounds: [`WAITING`] events wait for the server; when that is full, and while the server is away, they are dropped. The
//! stream keeps [`KEPT`] events for [`AGE`], then the oldest go. One that was made by hand keeps its bounds.

use super::super::wire::{Event, PATIENCE};
use super::connection::Connection;
use super::failed;
use crate::bus::wire::WireError;
use async_nats::HeaderMap;
use async_nats::header::NATS_MESSAGE_ID;
use async_nats::jetstream::context::{Context, ContextBuilder};
use async_nats::jetstream::stream::{Config, DiscardPolicy, StorageType};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

/// Events that wait for the server.
const WAITING: usize = 256;
/// Events that the stream keeps, and for how long.
const KEPT: i64 = 10_000;
const AGE: Duration = Duration::from_secs(24 * 60 * 60);
/// What several nodes tell of the end of one within this time is kept once.
const ONCE: Duration = Duration::from_secs(120);

/// The task that writes. It ends when nobody can note anything more, and has written it.
pub(super) fn start(
    connection: Arc<Connection>,
    prefix: String,
    replicas: usize,
) -> (mpsc::Sender<Event>, impl Future<Output = ()>) {
    let (note, noted) = mpsc::channel(WAITING);
    let context =
        ContextBuilder::new().timeout(PATIENCE).ack_timeout(PATIENCE).build(connection.client.clone());
    let system = System { connection, context, prefix, replicas, seen: 0 };
    (note, system.run(noted))
}

struct System {
    connection: Arc<Connection>,
    context: Context,
    prefix: String,
    replicas: usize,
    /// The connection, by its number, on which the stream was there.
    seen: u64,
}

impl System {
    async fn run(mut self, mut noted: mpsc::Receiver<Event>) {
        let mut told = false;
        while let Some(event) = noted.recv().await {
            match self.write(&event).await {
                Ok(()) => told = false,
                Err(error) if !told => {
                    tracing::info!(%error, "what becomes of the cluster is not kept");
                    told = true;
                }
                Err(_) => {}
            }
        }
    }

    async fn write(&mut self, event: &Event) -> Result<(), WireError> {
        let connects = self.connection.connects();
        if !self.connection.is_up() {
            return Err(failed("not connected"));
        }
        if self.seen != connects {
            self.context.get_or_create_stream(self.stream()).await.map_err(failed)?;
            self.seen = connects;
        }
        let mut headers = HeaderMap::new();
        // Many hear that a node is silent; and one that said that it stops is not worth it.
        if let Event::NodeSilent { node } | Event::NodeStopped { node } = event {
            headers.insert(NATS_MESSAGE_ID, format!("{node}-ended"));
        }
        let body = serde_json::to_vec(event).map_err(failed)?;
        let kept = self.context.publish_with_headers(self.subject(event), headers, body.into()).await;
        let kept = kept.map_err(failed)?.await;
        // Somebody deleted the stream: the next event makes it anew.
        kept.inspect_err(|_| self.seen = 0).map_err(failed)?;
        Ok(())
    }

    fn stream(&self) -> Config {
        Config {
            name: format!("{}-system", self.prefix),
            subjects: vec![format!("{}-system.>", self.prefix)],
            storage: StorageType::File,
            discard: DiscardPolicy::Old,
            max_messages: KEPT,
            max_age: AGE,
            duplicate_window: ONCE,
            num_replicas: self.replicas,
            ..Config::default()
        }
    }

    fn subject(&self, event: &Event) -> String {
        let prefix = &self.prefix;
        match event {
            Event::NodeStarted { node, .. }
            | Event::NodeStopped { node }
            | Event::NodeMissed { node }
            | Event::NodeSilent { node } => format!("{prefix}-system.node.{node}"),
            Event::Joined { conversation, .. } | Event::Left { conversation, .. } => {
                format!("{prefix}-system.group.{conversation}")
            }
        }
    }
}
