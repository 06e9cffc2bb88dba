//! Queued ingest, the gateway's side: what is posted goes to the broker first, its sender hears `accepted`, and `ack` when a
//! worker has stored it. A broker that keeps it rides out a database that is slow or away.
//!
//! One task submits, so that what one person posts keeps its order.

use crate::bus::Origin;
use crate::bus::intake::{Intake, Submission};
use crate::bus::sealed::{SEAL, Seal};
use crate::bus::wire::WireError;
use crate::error::Error;
use crate::hub::SocketId;
use crate::metrics::{Depth, Metrics};
use crate::pace::Pace;
use crate::persist::{Reply, Waiting};
use crate::store::{BATCH, NewPost};
use protocol::{ConversationId, Message, ServerFrame};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use uuid::Uuid;

/// Messages that may wait for the broker. When full, a request is refused as retryable at once.
const QUEUE: usize = 4096;
/// Between the beginnings of two submissions under load: a broker works for each, whatever it holds.
const GATHER: Duration = Duration::from_millis(2);
/// Requests that may wait for their worker. One more is refused as retryable.
const WAITING: usize = 10_000;

/// A message on its way to a worker, as it is sealed. Kafka keeps it for as long as it is told to, and it may be read again by
/// a later version: what is added here must have a default.
#[derive(Serialize, Deserialize)]
pub(crate) struct Submitted {
    pub(crate) post: NewPost,
    pub(crate) origin: Origin,
}

/// Requests of this node whose answer comes over the bus: known by an id that no socket has.
#[derive(Default)]
pub(crate) struct Answers(Mutex<HashMap<SocketId, Waiting<(Message, bool)>>>);

impl Answers {
    fn wait(&self, waiting: Waiting<(Message, bool)>) -> Result<SocketId, Waiting<(Message, bool)>> {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if open.len() >= WAITING {
            open.retain(|_, waiting| !waiting.is_closed()); // whoever asked has given up
        }
        if open.len() >= WAITING {
            return Err(waiting);
        }
        let id = SocketId(rand::random());
        open.insert(id, waiting);
        Ok(id)
    }

    /// Answers a request, if one of this id waits here.
    pub(crate) fn answer(&self, id: SocketId, answer: Result<(Message, bool), Error>) {
        let waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
        if let Some(waiting) = waiting {
            let _gone = waiting.send(answer);
        }
    }
}

/// How messages come to the store.
pub(crate) enum Ingest {
    /// Through the writer of this node.
    Direct,
    /// Through the broker, to a worker.
    Queued(Queue),
}

/// The queue in front of the broker.
pub(crate) struct Queue {
    posts: RwLock<Option<mpsc::Sender<(NewPost, Reply)>>>,
    intake: Arc<dyn Intake>,
}

impl Queue {
    /// The queue, and the end of it that [`run`] empties.
    pub(crate) fn new(intake: Arc<dyn Intake>) -> (Self, mpsc::Receiver<(NewPost, Reply)>) {
        let (posts, queue) = mpsc::channel(QUEUE);
        (Self { posts: RwLock::new(Some(posts)), intake }, queue)
    }

    /// Queues a message, or refuses it at once: also where the broker is known to be away, since nothing is stored then.
    pub(crate) fn submit(&self, post: NewPost, reply: Reply) -> Result<(), Error> {
        let posts = self.posts.read().unwrap_or_else(PoisonError::into_inner);
        let posts = posts.as_ref().filter(|_| self.intake.is_up());
        posts.and_then(|posts| posts.try_send((post, reply)).ok()).ok_or(Error::busy())
    }

    pub(crate) fn is_up(&self) -> bool {
        self.intake.is_up()
    }

    /// What waits for the broker.
    pub(crate) fn depth(&self) -> Option<Depth> {
        let posts = self.posts.read().unwrap_or_else(PoisonError::into_inner);
        posts.as_ref().map(|posts| Depth::of("ingest", posts))
    }

    /// What waits for a worker.
    pub(crate) async fn backlog(&self) -> Result<u64, WireError> {
        self.intake.backlog().await
    }

    /// Takes no more; what is queued is still submitted.
    pub(crate) fn close(&self) {
        self.posts.write().unwrap_or_else(PoisonError::into_inner).take();
    }
}

/// Submits what is queued, in order, until the queue is closed and empty.
pub(crate) async fn run(
    mut queue: mpsc::Receiver<(NewPost, Reply)>,
    intake: Arc<dyn Intake>,
    seal: Seal,
    answers: Arc<Answers>,
    metrics: Arc<Metrics>,
) {
    let mut queued = Vec::with_capacity(BATCH);
    let mut pace = Pace::new(GATHER);
    while queue.recv_many(&mut queued, BATCH).await > 0 {
        pace.begun(queued.len(), BATCH);
        let (mut batch, mut heard) = (Vec::with_capacity(queued.len()), Vec::with_capacity(queued.len()));
        for (post, reply) in queued.drain(..) {
            let (id, socket) = match reply {
                Reply::Socket(socket) => (socket.id(), Some(socket)),
                Reply::Waiting(waiting) => match answers.wait(waiting) {
                    Ok(id) => (id, None),
                    Err(waiting) => {
                        let _gone = waiting.send(Err(Error::busy()));
                        continue;
                    }
                },
            };
            let origin = Origin { socket: id, user: post.sender, nonce: post.nonce.clone() };
            let key = post.conversation;
            match seal.close(&Submitted { post, origin: origin.clone() }) {
                Ok(sealed) => {
                    batch.push(Submission { key, sealed });
                    heard.push((origin, socket));
                }
                Err(error) => {
                    tracing::error!(%error, "a message could not be encoded");
                    answers.answer(id, Err(Error::Internal));
                }
            }
        }
        let began = Instant::now();
        let submitted = intake.submit(batch).await;
        metrics.submit.time(began.elapsed());
        for ((origin, socket), submitted) in heard.into_iter().zip(submitted) {
            if submitted.is_ok() { &metrics.submitted } else { &metrics.submitted_unknown }.inc();
            match (submitted, socket) {
                (Ok(()), Some(socket)) => socket.push(&ServerFrame::Accepted { nonce: origin.nonce }),
                (Ok(()), None) => {}
                // Nobody knows whether the broker has it: the sender asks again with the same nonce.
                (Err(error), socket) => {
                    tracing::warn!(%error, "the outcome of a submission is unknown");
                    match socket {
                        Some(socket) => Reply::Socket(socket).unknown(),
                        None => answers.answer(origin.socket, Err(Error::Internal)),
                    }
                }
            }
        }
        pace.turn().await;
    }
}

/// Dead letters of one replay; of more, it is run again.
const REPLAY: usize = 10_000;

/// Submits the dead letters again, oldest first, and says of each why it had died.
pub(crate) async fn replay(intake: &dyn Intake) -> Result<Vec<String>, WireError> {
    let mut told = Vec::new();
    for letter in intake.dead(REPLAY).await? {
        // Whose line it belongs to is read without the key of the seal: the worker checks that. What is no message goes
        // to the line of nothing, and dies again.
        let message =
            letter.sealed.get(SEAL..).and_then(|json| serde_json::from_slice::<Submitted>(json).ok());
        let key = message.map_or(ConversationId::from_uuid(Uuid::nil()), |message| message.post.conversation);
        let again = Submission { key, sealed: letter.sealed.clone() };
        for submitted in intake.submit(vec![again]).await {
            submitted?;
        }
        intake.forget(&letter).await?;
        told.push(format!("submitted again, {} bytes: {}", letter.sealed.len(), letter.reason));
    }
    Ok(told)
}
