//! Queued ingest, the worker's side: takes what was submitted, has it stored, reports it as done.
//!
//! A batch is stored in one transaction and tried until it is: its line must not go on without it. What is stored twice,
//! because a worker ended between the commit and its report, is known by its nonce. What can never be stored is buried.

use crate::bus::intake::{Delivery, Work};
use crate::bus::sealed::Seal;
use crate::error::Error;
use crate::ingest::Submitted;
use crate::metrics::Metrics;
use crate::persist::Job;
use crate::store::{BATCH, Database};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

/// Between two tries; it doubles up to the longest.
const PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// Tries of a batch, with a database that answers, after which each message is tried by itself; and tries of a single
/// message after which it is buried.
const TRIES: u32 = 5;

/// One worker.
pub(crate) struct Worker {
    pub(crate) work: Box<dyn Work>,
    pub(crate) jobs: mpsc::Sender<(Instant, Job)>,
    pub(crate) database: Arc<dyn Database>,
    pub(crate) seal: Seal,
    pub(crate) metrics: Arc<Metrics>,
}

/// It was told to stop: what is in hand comes again.
struct Stopped;

impl Worker {
    /// Works until it is stopped; then its lines go to others.
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        stop.run_until_cancelled(async {
            loop {
                let deliveries = self.work.next(BATCH).await;
                if deliveries.is_empty() || self.all(&deliveries).await.is_err() {
                    return;
                }
            }
        })
        .await;
        self.work.close().await;
    }

    async fn all(&mut self, deliveries: &[Delivery]) -> Result<(), Stopped> {
        let (mut submitted, mut from) = (Vec::new(), Vec::new());
        for delivery in deliveries {
            match self.seal.open::<Submitted>(&delivery.sealed) {
                Some(message) => {
                    submitted.push(message);
                    from.push(delivery);
                }
                None => self.bury(delivery, "it was not sealed by a server of this database").await,
            }
        }
        if !self.stored(&submitted, TRIES).await? {
            for (message, delivery) in submitted.iter().zip(&from) {
                if !self.stored(std::slice::from_ref(message), TRIES).await? {
                    self.bury(delivery, "the database refuses it").await;
                }
            }
        }
        let mut pause = PAUSE;
        for _ in 0..TRIES {
            match self.work.done(deliveries).await {
                Ok(()) => return Ok(()),
                Err(error) => tracing::warn!(%error, "stored, and not reported as done: it comes again"),
            }
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
        Ok(())
    }

    /// Tries until it is stored. `false`: the database answers, and yet it cannot be stored.
    async fn stored(&mut self, submitted: &[Submitted], tries: u32) -> Result<bool, Stopped> {
        let (mut failed, mut pause) = (0, PAUSE);
        while !submitted.is_empty() {
            match self.store(submitted).await? {
                Ok(()) => break,
                Err(error) => {
                    self.metrics.worker_retries.inc();
                    tracing::warn!(%error, messages = submitted.len(), "not stored yet");
                    failed = if self.database.check().await.is_ok() { failed + 1 } else { 0 };
                }
            }
            if failed >= tries {
                return Ok(false);
            }
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
        Ok(true)
    }

    async fn store(&mut self, submitted: &[Submitted]) -> Result<Result<(), Error>, Stopped> {
        let (posts, origins) =
            submitted.iter().map(|message| (message.post.clone(), message.origin.clone())).unzip();
        let (waiting, answer) = oneshot::channel();
        let job = Job::Work { posts, origins, waiting };
        self.jobs.send((Instant::now(), job)).await.map_err(|_| Stopped)?;
        answer.await.map_err(|_| Stopped)
    }

    /// Buries it, however long that takes: a line must not go on over what it lost.
    async fn bury(&mut self, delivery: &Delivery, reason: &str) {
        let mut pause = PAUSE;
        tracing::error!(partition = delivery.partition, reason, "buried among the dead letters");
        while let Err(error) = self.work.bury(delivery, reason).await {
            tracing::warn!(%error, "not buried yet");
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
        self.metrics.dead_letters.inc();
    }
}
