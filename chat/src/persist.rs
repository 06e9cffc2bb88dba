//! The one writer of conversations: takes what is queued, commits it in one transaction, answers all of it, tells
//! the bus. One task, so that commits, answers and events have one order.

use crate::bus::{Bus, Stored};
use crate::error::Error;
use crate::hub::{Socket, SocketId};
use crate::store::{
    BATCH, Created, Edited, GroupEdit, MarkOutcome, Marked, NewConversation, NewMark, NewPost, PostOutcome,
    Stores,
};
use protocol::{Change, ChangeKind, Conversation, ConversationId, Message, ServerFrame, UserId};
use std::sync::{Arc, PoisonError, RwLock};
use tokio::sync::{mpsc, oneshot};

/// Writes that may wait for the writer. When full, a request is refused as retryable at once: the sender's outbox
/// keeps it, and waiting longer would only hide that the disk is too slow.
pub(crate) const QUEUE: usize = 4096;

/// A request that waits for its answer.
pub(crate) type Waiting<T> = oneshot::Sender<Result<T, Error>>;

/// Who is to hear what became of a message.
pub(crate) enum Reply {
    /// A socket: its ack comes with the event, a refusal at once.
    Socket(Arc<Socket>),
    /// A request that waits.
    Waiting(Waiting<(Message, bool)>),
}

impl Reply {
    fn origin(&self) -> Option<SocketId> {
        match self {
            Self::Socket(socket) => Some(socket.id()),
            Self::Waiting(_) => None,
        }
    }

    fn answer(self, post: &NewPost, result: Result<(Message, bool), Error>) {
        match (self, result) {
            (Self::Waiting(waiting), result) => {
                // Whoever asked may have gone away; the message is stored all the same.
                let _gone = waiting.send(result);
            }
            (Self::Socket(socket), Ok((message, duplicate))) => {
                socket.push(&ServerFrame::Ack { nonce: post.nonce.clone(), message, duplicate });
            }
            (Self::Socket(socket), Err(error)) => {
                socket.push(&ServerFrame::Refused(error.refusal(Some(post.nonce.to_string()), None)));
            }
        }
    }
}

/// Something to be written.
pub(crate) enum Job {
    Post(NewPost, Reply),
    Mark(NewMark, Option<SocketId>, Waiting<Marked>),
    Create(NewConversation, Waiting<Created>),
    Edit(GroupEdit, Waiting<Edited>),
}

/// Takes jobs until every sender is gone, then ends: what was queued is committed.
pub(crate) async fn run(mut jobs: mpsc::Receiver<Job>, stores: Stores, bus: Arc<dyn Bus>) {
    let persist = Persist { stores, bus };
    let mut queued = Vec::with_capacity(BATCH);
    while jobs.recv_many(&mut queued, BATCH).await > 0 {
        persist.all(std::mem::take(&mut queued)).await;
    }
}

struct Persist {
    stores: Stores,
    bus: Arc<dyn Bus>,
}

impl Persist {
    /// Messages and marks that stand together share a transaction; the rarer jobs between them have their own.
    async fn all(&self, jobs: Vec<Job>) {
        let mut batch = Batch::default();
        for job in jobs {
            match job {
                Job::Post(post, reply) => {
                    batch.posts.push(post);
                    batch.replies.push(reply);
                }
                Job::Mark(mark, origin, waiting) => {
                    batch.marks.push(mark);
                    batch.waiting.push((origin, waiting));
                }
                Job::Create(new, waiting) => {
                    self.commit(std::mem::take(&mut batch)).await;
                    let _gone = waiting.send(self.create(new).await);
                }
                Job::Edit(edit, waiting) => {
                    self.commit(std::mem::take(&mut batch)).await;
                    let _gone = waiting.send(self.edit(edit).await);
                }
            }
        }
        self.commit(batch).await;
    }

    async fn commit(&self, batch: Batch) {
        if batch.posts.is_empty() && batch.marks.is_empty() {
            return;
        }
        match self.stores.messages.post(&batch.posts, &batch.marks).await {
            Ok((posted, marked)) => self.tell(batch, posted, marked).await,
            Err(error) => self.recover(batch, error.into()).await,
        }
    }

    async fn tell(&self, batch: Batch, posted: Vec<PostOutcome>, marked: Vec<MarkOutcome>) {
        for ((post, reply), outcome) in batch.posts.into_iter().zip(batch.replies).zip(posted) {
            match outcome {
                PostOutcome::Stored { kind, message } => {
                    let origin = reply.origin();
                    let change =
                        Change { rev: message.rev, kind: ChangeKind::Posted { message: message.clone() } };
                    let conversation = post.conversation;
                    if let Reply::Waiting(_) = reply {
                        reply.answer(&post, Ok((message, false)));
                    }
                    self.bus.publish(Stored::Change { conversation, kind, change, origin }).await;
                }
                PostOutcome::Duplicate(message) => reply.answer(&post, Ok((message, true))),
                PostOutcome::OtherUse => reply.answer(&post, Err(Error::IdempotencyConflict)),
                PostOutcome::NotFound => reply.answer(&post, Err(Error::NotFound)),
                PostOutcome::NoSuchReply => {
                    let error = Error::invalid("reply_to", "is not a message of this conversation");
                    reply.answer(&post, Err(error));
                }
            }
        }
        for ((mark, (origin, waiting)), outcome) in batch.marks.into_iter().zip(batch.waiting).zip(marked) {
            if let Some(Marked { read_seq, unread, moved: true }) = outcome {
                let (conversation, user) = (mark.conversation, mark.user);
                self.bus.publish(Stored::Read { conversation, user, seq: read_seq, unread, origin }).await;
            }
            let _gone = waiting.send(outcome.ok_or(Error::NotFound));
        }
    }

    /// The write failed, perhaps after it was committed. A refusal promises that nothing was stored, so each nonce
    /// is looked up first; where even that fails, a socket is closed without an answer (its client asks again with
    /// the same nonce) and a request is told that the server failed.
    async fn recover(&self, batch: Batch, error: Error) {
        let found = self.stores.messages.look_up(&batch.posts).await;
        match found {
            Ok(found) => {
                for ((post, reply), outcome) in batch.posts.into_iter().zip(batch.replies).zip(found) {
                    match outcome {
                        Some(PostOutcome::Duplicate(message)) => {
                            // An older message of the same nonce was announced when it was stored.
                            if message.id == post.id {
                                self.ring_again(&message).await;
                            }
                            reply.answer(&post, Ok((message, true)));
                        }
                        Some(_) => reply.answer(&post, Err(Error::IdempotencyConflict)),
                        None => reply.answer(&post, Err(error.clone())),
                    }
                }
            }
            Err(unknown) => {
                tracing::error!(store.error = %unknown, "the outcome of a commit is unknown");
                for (post, reply) in batch.posts.into_iter().zip(batch.replies) {
                    match reply {
                        Reply::Socket(socket) => {
                            socket.close(protocol::frame::close::RESYNC, "come back with cursors");
                        }
                        Reply::Waiting(_) => reply.answer(&post, Err(Error::Internal)),
                    }
                }
            }
        }
        for (_, waiting) in batch.waiting {
            let _gone = waiting.send(Err(error.clone()));
        }
    }

    /// Tells the bus of a message that was stored although its commit seemed to fail. Hearers that know it drop it.
    async fn ring_again(&self, message: &Message) {
        match self.stores.conversations.conversation(message.sender, message.conversation).await {
            Ok(Some(Conversation { id: conversation, kind, .. })) => {
                let change =
                    Change { rev: message.rev, kind: ChangeKind::Posted { message: message.clone() } };
                self.bus.publish(Stored::Change { conversation, kind, change, origin: None }).await;
            }
            Ok(None) => {}
            Err(error) => tracing::error!(store.error = %error, "a message is stored but not announced"),
        }
    }

    async fn create(&self, new: NewConversation) -> Result<Created, Error> {
        let (conversation, members) = (new.id, new.members.iter().map(|(user, _)| *user).collect());
        let created = self.stores.conversations.create(new).await?;
        if created == Created::New {
            self.bus.publish(Stored::Opened { conversation, members }).await;
        }
        Ok(created)
    }

    async fn edit(&self, edit: GroupEdit) -> Result<Edited, Error> {
        let conversation = edit.conversation;
        let edited = self.stores.conversations.edit(edit).await?;
        if let Edited::Done { changes } = &edited {
            for change in changes.clone() {
                let kind = protocol::Kind::Group;
                self.bus.publish(Stored::Change { conversation, kind, change, origin: None }).await;
            }
        }
        Ok(edited)
    }
}

/// Messages and marks of one transaction, each with who is to hear what became of it.
#[derive(Default)]
struct Batch {
    posts: Vec<NewPost>,
    replies: Vec<Reply>,
    marks: Vec<NewMark>,
    waiting: Vec<(Option<SocketId>, Waiting<Marked>)>,
}

/// The queue in front of the writer.
pub(crate) struct Writer(RwLock<Option<mpsc::Sender<Job>>>);

impl Writer {
    pub(crate) const fn new(jobs: mpsc::Sender<Job>) -> Self {
        Self(RwLock::new(Some(jobs)))
    }

    /// Queues a job, or refuses it at once.
    pub(crate) fn submit(&self, job: Job) -> Result<(), Error> {
        let jobs = self.0.read().unwrap_or_else(PoisonError::into_inner);
        jobs.as_ref().and_then(|jobs| jobs.try_send(job).ok()).ok_or(Error::busy())
    }

    /// Takes no more jobs; the writer ends after those it has.
    pub(crate) fn close(&self) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).take();
    }

    pub(crate) fn is_open(&self) -> bool {
        let jobs = self.0.read().unwrap_or_else(PoisonError::into_inner);
        jobs.as_ref().is_some_and(|jobs| !jobs.is_closed())
    }

    /// Queues a job and waits for its answer.
    pub(crate) async fn ask<T>(&self, job: impl FnOnce(Waiting<T>) -> Job) -> Result<T, Error> {
        let (waiting, answer) = oneshot::channel();
        self.submit(job(waiting))?;
        // The writer answers everything it took; if it died over this, nobody knows whether it was stored.
        answer.await.unwrap_or(Err(Error::Internal))
    }
}

/// A person's own changes to a group, as the writer takes them.
pub(crate) fn edit(
    by: UserId,
    conversation: ConversationId,
    what: crate::store::GroupChange,
) -> impl FnOnce(Waiting<Edited>) -> Job {
    move |waiting| Job::Edit(GroupEdit { conversation, by, what, at: crate::clock::now() }, waiting)
}
