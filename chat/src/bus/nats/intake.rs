//! Submitting: publishing to the stream, with answers.

use super::super::address::Address;
use super::super::intake::{DeadLetter, DeliveryId, Intake, Submission, partition};
use super::super::wire::{PATIENCE, WireError};
use super::failed;
use super::streams::Streams;
use super::work::REASON;
use async_nats::HeaderMap;
use async_nats::header::NATS_MESSAGE_ID;
use async_nats::jetstream::context::{PublishAckFuture, PublishError, PublishErrorKind};
use async_nats::jetstream::{ErrorCode, stream};
use async_trait::async_trait;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};

/// From so many on, a batch goes atomically: with fewer, its two more steps on the server's disk cost more than they save.
const ATOMIC: usize = 12;
/// Most that go together; the server takes 1,000.
const TOGETHER: usize = 256;
/// Atomic batches under way at a time: the server takes 50 for a stream, from all nodes.
const BATCHES: usize = 8;
/// What the server answers to a batch of which it has kept something already. (Missing in the client's list.)
const DUPLICATE: ErrorCode = ErrorCode(10201);

/// See the module.
pub(super) struct NatsIntake {
    streams: Streams,
    /// What the names of messages begin with, for the server to know those that it is handed twice.
    name: String,
    number: AtomicU64,
    batches: Semaphore,
}

/// How far a try to publish went.
enum Tried {
    Answered,
    /// The connection was lost before all was answered.
    Lost,
}

impl NatsIntake {
    pub(super) async fn open(address: &Address) -> Result<Self, String> {
        let streams = Streams::open(address, &format!("{}-submitting", address.prefix)).await?;
        let name = format!("{:016x}", rand::random::<u64>());
        Ok(Self { streams, name, number: AtomicU64::new(0), batches: Semaphore::new(BATCHES) })
    }

    /// Publishes what `answers` lacks an answer for, again after the connection was lost: under the same names, so that
    /// it is kept once.
    async fn publish(
        &self,
        batch: &[Submission],
        answers: &mut Vec<Result<(), WireError>>,
    ) -> Result<(), WireError> {
        let atomic = batch.len() >= ATOMIC && self.streams.is_atomic();
        let first = self.number.fetch_add(batch.len() as u64, Ordering::Relaxed);
        for attempt in 0.. {
            self.streams.ready().await?;
            let tried = if atomic {
                let _room = self.batches.acquire().await.map_err(failed)?;
                self.try_together(batch, first, attempt, answers).await?
            } else {
                self.try_each(batch, first, answers).await?
            };
            match tried {
                Tried::Answered => break,
                Tried::Lost => self.streams.connection.until_up().await,
            }
        }
        Ok(())
    }

    fn headers(&self, number: u64) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(NATS_MESSAGE_ID, format!("{}-{number}", self.name));
        headers
    }

    async fn hand_over(
        &self,
        submission: &Submission,
        headers: HeaderMap,
    ) -> Result<PublishAckFuture, WireError> {
        let line = self.streams.line(partition(submission.key));
        self.streams
            .context
            .publish_with_headers(line, headers, submission.sealed.clone())
            .await
            .map_err(failed)
    }

    /// One behind the other; then the answers, in order.
    async fn try_each(
        &self,
        batch: &[Submission],
        first: u64,
        answers: &mut Vec<Result<(), WireError>>,
    ) -> Result<Tried, WireError> {
        let connects = self.streams.connection.connects();
        let done = answers.len();
        let mut waiting = Vec::with_capacity(batch.len() - done);
        for (number, submission) in (first..).zip(batch).skip(done) {
            waiting.push(self.hand_over(submission, self.headers(number)).await?);
        }
        for answer in waiting {
            tokio::select! {
                biased;
                answer = answer.into_future() => answers.push(answer.map(|_| ()).map_err(|error| self.refused(&error))),
                () = self.streams.connection.until_lost(connects) => return Ok(Tried::Lost),
            }
        }
        Ok(Tried::Answered)
    }

    /// All or none of them, with one answer.
    async fn try_together(
        &self,
        batch: &[Submission],
        first: u64,
        attempt: u32,
        answers: &mut Vec<Result<(), WireError>>,
    ) -> Result<Tried, WireError> {
        let connects = self.streams.connection.connects();
        let name = format!("{}-{first}-{attempt}", self.name);
        let mut answer = None;
        for (index, submission) in batch.iter().enumerate() {
            let mut headers = self.headers(first + index as u64);
            headers.insert("Nats-Batch-Id", name.as_str());
            headers.insert("Nats-Batch-Sequence", (index + 1).to_string());
            if index + 1 == batch.len() {
                headers.insert("Nats-Batch-Commit", "1");
                answer = Some(self.hand_over(submission, headers).await?);
            } else {
                let line = self.streams.line(partition(submission.key));
                let client = &self.streams.connection.client;
                client
                    .publish_with_headers(line, headers, submission.sealed.clone())
                    .await
                    .map_err(failed)?;
            }
        }
        let Some(answer) = answer else { return Ok(Tried::Answered) };
        let answer = tokio::select! {
            biased;
            answer = answer.into_future() => answer,
            () = self.streams.connection.until_lost(connects) => return Ok(Tried::Lost),
        };
        match answer {
            Ok(_) => {}
            // Kept by the try before, whose answer was lost.
            Err(error) if attempt > 0 && code(&error) == Some(DUPLICATE) => {}
            Err(error) => return Err(self.refused(&error)),
        }
        answers.resize_with(batch.len(), || Ok(()));
        Ok(Tried::Answered)
    }

    fn refused(&self, error: &PublishError) -> WireError {
        if error.kind() == PublishErrorKind::StreamNotFound {
            self.streams.forget();
        }
        failed(error)
    }

    async fn stream(&self, name: String) -> Result<stream::Stream, WireError> {
        self.streams.ready().await?;
        self.streams.context.get_stream(name).await.map_err(failed)
    }
}

/// The server's code, where it gave one.
fn code(error: &PublishError) -> Option<ErrorCode> {
    let source = std::error::Error::source(error)?;
    source.downcast_ref::<async_nats::jetstream::Error>().map(async_nats::jetstream::Error::error_code)
}

#[async_trait]
impl Intake for NatsIntake {
    async fn submit(&self, batch: Vec<Submission>) -> Vec<Result<(), WireError>> {
        let deadline = Instant::now() + PATIENCE;
        let mut answers = Vec::with_capacity(batch.len());
        for part in batch.chunks(TOGETHER) {
            let mut some = Vec::with_capacity(part.len());
            let tried = timeout_at(deadline, self.publish(part, &mut some)).await;
            answers.append(&mut some);
            let error = match tried {
                Ok(Ok(())) => continue,
                Ok(Err(error)) => error.0,
                Err(_) => failed("too slow").0,
            };
            // Nothing goes on behind what failed: the sender asks for that again, and it would come last.
            answers.resize_with(batch.len(), || Err(WireError(error.clone())));
            break;
        }
        answers
    }

    fn is_up(&self) -> bool {
        self.streams.connection.is_up()
    }

    async fn backlog(&self) -> Result<u64, WireError> {
        Ok(self.stream(self.streams.submitted()).await?.cached_info().state.messages)
    }

    async fn dead(&self, most: usize) -> Result<Vec<DeadLetter>, WireError> {
        let stream = self.stream(self.streams.dead()).await?;
        let state = &stream.cached_info().state;
        let (mut sequence, last) = (state.first_sequence, state.last_sequence);
        let mut letters = Vec::new();
        while letters.len() < most && state.messages > 0 && sequence <= last {
            let next = stream
                .raw_message_builder()
                .next_by_subject(self.streams.dead_letter_any())
                .sequence(sequence)
                .send();
            // Somebody may have forgotten the last one meanwhile.
            let Ok(letter) = next.await else { break };
            sequence = letter.sequence + 1;
            let reason = letter.headers.get(REASON).map(ToString::to_string).unwrap_or_default();
            letters.push(DeadLetter {
                id: DeliveryId::Number(letter.sequence),
                reason,
                sealed: letter.payload,
            });
        }
        Ok(letters)
    }

    async fn forget(&self, letter: &DeadLetter) -> Result<(), WireError> {
        let DeliveryId::Number(sequence) = letter.id else {
            return Err(failed("not a letter of this broker"));
        };
        let stream = self.stream(self.streams.dead()).await?;
        match stream.delete_message(sequence).await {
            Ok(_) => Ok(()),
            Err(error) if error.to_string().contains("no message found") => Ok(()),
            Err(error) => Err(failed(error)),
        }
    }

    async fn close(&self) {
        self.streams.connection.close().await;
    }
}
