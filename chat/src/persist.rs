//! The one writer of conversations: takes what is queued, commits it in one transaction, answers all of it, tells
//! the bus. One task writes, so that commits, answers and events have one [`order`].

mod order;

pub(crate) use order::run;

use self::order::Batch;
use crate::bus::{Bus, Origin, Stored};
use crate::error::Error;
use crate::history::shown_to;
use crate::hub::{Socket, SocketId};
use crate::metrics::{Depth, Metrics};
use crate::planted;
use crate::store::{
    ActOutcome, Created, Edited, GroupEdit, MarkOutcome, Marked, NewAct, NewConversation, NewMark, NewPost,
    NewSettings, Personal, PostOutcome, Source, StoreError, Stores,
};
use protocol::{Change, ChangeKind, Conversation, ConversationId, Message, Nonce, ServerFrame, UserId};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot};

/// Writes that may wait for the writer. When full, a request is refused as retryable at once: the sender's outbox
/// keeps it, and waiting longer would only hide that the disk is too slow.
pub(crate) const QUEUE: usize = 4096;

/// Longest time a request may stand in the queue. A database that hangs would otherwise answer the last of a full
/// queue minutes late; refused after this, a request is answered within 5 s (G11).
const PATIENCE: Duration = Duration::from_secs(4);

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
    fn origin(&self, nonce: Option<&Nonce>) -> Option<Origin> {
        match self {
            Self::Socket(socket) => {
                let nonce = nonce?.clone();
                Some(Origin { socket: socket.id(), user: socket.who().user, nonce })
            }
            Self::Waiting(_) => None,
        }
    }

    pub(crate) fn answer(self, nonce: Option<&Nonce>, result: Result<(Message, bool), Error>) {
        match (self, result) {
            (Self::Waiting(waiting), result) => {
                // Whoever asked may have gone away; the message is stored all the same.
                let _gone = waiting.send(result);
            }
            (Self::Socket(socket), Ok((message, duplicate))) => {
                if let Some(nonce) = nonce.cloned() {
                    let message = shown_to(message, socket.who().user);
                    socket.push(&ServerFrame::Ack { nonce, message, duplicate });
                }
            }
            (Self::Socket(socket), Err(error)) => {
                socket.push(&ServerFrame::Refused(error.refusal(nonce.map(Nonce::to_string), None)));
            }
        }
    }

    /// Nobody knows what became of it: a socket comes back and asks again with the same nonce.
    pub(crate) fn unknown(self) {
        match self {
            Self::Socket(socket) => socket.close(protocol::frame::close::RESYNC, "come back with cursors"),
            Self::Waiting(waiting) => {
                let _gone = waiting.send(Err(Error::Internal));
            }
        }
    }
}

/// Something to be written.
pub(crate) enum Job {
    Post(NewPost, Reply),
    Act(NewAct, Reply),
    Mark(NewMark, Option<SocketId>, Waiting<Marked>),
    Create(NewConversation, Waiting<Created>),
    Edit(GroupEdit, Waiting<Edited>),
    Set(NewSettings, Option<SocketId>, Waiting<Personal>),
    /// Messages that a worker took from the broker: all of them in one transaction, or none.
    Work {
        posts: Vec<NewPost>,
        origins: Vec<Origin>,
        waiting: Waiting<()>,
    },
}

impl Job {
    /// Refuses it: it was not begun.
    fn refuse(self, error: Error) {
        match self {
            Self::Post(post, reply) => reply.answer(Some(&post.nonce), Err(error)),
            Self::Act(act, reply) => reply.answer(act.nonce.as_ref(), Err(error)),
            Self::Mark(_, _, waiting) => drop(waiting.send(Err(error))),
            Self::Create(_, waiting) => drop(waiting.send(Err(error))),
            Self::Edit(_, waiting) => drop(waiting.send(Err(error))),
            Self::Set(_, _, waiting) => drop(waiting.send(Err(error))),
            Self::Work { waiting, .. } => drop(waiting.send(Err(error))),
        }
    }
}

struct Persist {
    stores: Stores,
    bus: Arc<dyn Bus>,
    metrics: Arc<Metrics>,
}

impl Persist {
    /// Counts a transaction: so many messages, marks or changes, and how long it took.
    async fn timed<T>(
        &self,
        size: usize,
        write: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let began = Instant::now();
        let written = write.await;
        match &written {
            Ok(_) => {
                self.metrics.commit.time(began.elapsed());
                self.metrics.commit_batch.0.size(size as u64);
            }
            Err(error) if error.unknown => self.metrics.commits_unknown.inc(),
            Err(_) => self.metrics.commits_refused.inc(),
        }
        written
    }

    async fn act(&self, acts: Vec<(NewAct, Reply)>) {
        if acts.is_empty() {
            return;
        }
        let (new, replies): (Vec<_>, Vec<_>) = acts.into_iter().unzip();
        let outcomes = match self.timed(new.len(), self.stores.messages.act(&new)).await {
            Ok(outcomes) => outcomes,
            Err(error) if !error.unknown => {
                let error = Error::from(error);
                for (act, reply) in new.into_iter().zip(replies) {
                    reply.answer(act.nonce.as_ref(), Err(error.clone()));
                }
                return;
            }
            // Whether it was committed is not known, and a refusal would promise that it was not. Each has a nonce or
            // is the same when done twice: asking again is safe.
            Err(error) => {
                tracing::error!(store.error = %error, "the outcome of a change of messages is unknown");
                return replies.into_iter().for_each(Reply::unknown);
            }
        };
        for ((act, reply), outcome) in new.into_iter().zip(replies).zip(outcomes) {
            let nonce = act.nonce.as_ref();
            match outcome {
                ActOutcome::Stored { kind, change } => {
                    let Some(message) = change.kind.message().cloned() else { continue };
                    let conversation = message.conversation;
                    let origin = reply.origin(nonce);
                    if let Reply::Waiting(_) = reply {
                        reply.answer(nonce, Ok((message, false)));
                    }
                    self.bus.publish(Stored::Change { conversation, kind, change, origin }).await;
                }
                ActOutcome::Unchanged(message) => reply.answer(nonce, Ok((message, false))),
                ActOutcome::Duplicate(message) => {
                    self.metrics.duplicates.inc();
                    reply.answer(nonce, Ok((message, true)));
                }
                ActOutcome::OtherUse => reply.answer(nonce, Err(Error::IdempotencyConflict)),
                ActOutcome::NotFound => reply.answer(nonce, Err(Error::NotFound)),
                ActOutcome::Forbidden(why) => reply.answer(nonce, Err(Error::Forbidden(why))),
                ActOutcome::Conflict(why) => reply.answer(nonce, Err(Error::Conflict(why))),
            }
        }
    }

    /// Writes messages and marks.
    async fn post(&self, batch: Batch) {
        if batch.posts.is_empty() && batch.marks.is_empty() {
            return;
        }
        planted::ack_early(&self.stores, &batch.posts, &batch.replies).await;
        let size = batch.posts.len() + batch.marks.len();
        match self.timed(size, self.stores.messages.post(&batch.posts, &batch.marks)).await {
            Ok((posted, marked)) => self.tell(batch, posted, marked).await,
            Err(error) if error.unknown => self.recover(batch, error.into()).await,
            Err(error) => batch.refuse(&error.into()),
        }
    }

    /// Counts what was stored before.
    fn known(&self, posted: &[PostOutcome]) {
        let known = posted.iter().filter(|outcome| matches!(outcome, PostOutcome::Duplicate(_))).count();
        self.metrics.duplicates.add(known as u64);
    }

    async fn tell(&self, batch: Batch, posted: Vec<PostOutcome>, marked: Vec<MarkOutcome>) {
        self.known(&posted);
        for ((post, reply), outcome) in batch.posts.into_iter().zip(batch.replies).zip(posted) {
            match outcome {
                PostOutcome::Stored { kind, message } => {
                    planted::count_up(message.conversation);
                    let origin = reply.origin(Some(&post.nonce));
                    let change = Change::new(message.rev, ChangeKind::Posted { message: message.clone() });
                    let conversation = post.conversation;
                    if let Reply::Waiting(_) = reply {
                        reply.answer(Some(&post.nonce), Ok((message, false)));
                    }
                    self.bus.publish(Stored::Change { conversation, kind, change, origin }).await;
                }
                other => reply.answer(Some(&post.nonce), answer(other)),
            }
        }
        for ((mark, (origin, waiting)), outcome) in batch.marks.into_iter().zip(batch.waiting).zip(marked) {
            if let Some(marked @ Marked { moved: true, .. }) = outcome {
                let (conversation, user) = (mark.conversation, mark.user);
                planted::count_anew(conversation);
                self.bus.publish(Stored::Read { conversation, user, marked, origin }).await;
            }
            let _gone = waiting.send(outcome.ok_or(Error::NotFound));
        }
    }

    /// Stores what a worker took from the broker, and tells each sender's node what became of it.
    async fn work(&self, posts: &[NewPost], origins: Vec<Origin>) -> Result<(), Error> {
        let outcomes =
            self.timed(posts.len(), self.stores.messages.post_submitted(posts, Source::Broker)).await?;
        self.known(&outcomes);
        for ((post, origin), outcome) in posts.iter().zip(origins).zip(outcomes) {
            match outcome {
                PostOutcome::Stored { kind, message } => {
                    let change = Change::new(message.rev, ChangeKind::Posted { message });
                    let conversation = post.conversation;
                    let origin = Some(origin);
                    self.bus.publish(Stored::Change { conversation, kind, change, origin }).await;
                }
                outcome => {
                    // Stored by the try before this one, which did not live to tell.
                    if let PostOutcome::Duplicate(message) = &outcome
                        && message.id == post.id
                    {
                        self.ring_again(message).await;
                    }
                    self.bus.publish(Stored::Answered { origin, outcome }).await;
                }
            }
        }
        Ok(())
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
                            reply.answer(Some(&post.nonce), Ok((message, true)));
                        }
                        Some(_) => reply.answer(Some(&post.nonce), Err(Error::IdempotencyConflict)),
                        // The store has been asked, so it is known by now: nothing was stored.
                        None => reply.answer(Some(&post.nonce), Err(Error::busy())),
                    }
                }
            }
            Err(unknown) => {
                tracing::error!(store.error = %unknown, "the outcome of a commit is unknown");
                batch.replies.into_iter().for_each(Reply::unknown);
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
                let change = Change::new(message.rev, ChangeKind::Posted { message: message.clone() });
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

    async fn set(&self, sets: Vec<(NewSettings, Option<SocketId>, Waiting<Personal>)>) {
        if sets.is_empty() {
            return;
        }
        let new: Vec<_> = sets.iter().map(|(new, ..)| new.clone()).collect();
        let stored = match self.stores.conversations.set(&new).await {
            Ok(stored) => stored,
            Err(error) => {
                let error = Error::from(error);
                return sets.into_iter().for_each(|(_, _, waiting)| drop(waiting.send(Err(error.clone()))));
            }
        };
        for ((new, origin, waiting), personal) in sets.into_iter().zip(stored) {
            if let Some(personal) = personal.clone() {
                let NewSettings { conversation, user, .. } = new;
                self.bus.publish(Stored::Personal { conversation, user, personal, origin }).await;
            }
            let _gone = waiting.send(personal.ok_or(Error::NotFound));
        }
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

/// What became of a message, as an answer to who sent it.
pub(crate) fn answer(outcome: PostOutcome) -> Result<(Message, bool), Error> {
    match outcome {
        PostOutcome::Stored { message, .. } => Ok((message, false)),
        PostOutcome::Duplicate(message) => Ok((message, true)),
        PostOutcome::OtherUse => Err(Error::IdempotencyConflict),
        PostOutcome::NotFound => Err(Error::NotFound),
        PostOutcome::NoSuchReply => Err(Error::invalid("reply_to", "is not a message of this conversation")),
    }
}

/// The queue in front of the writer.
pub(crate) struct Writer(RwLock<Option<mpsc::Sender<(Instant, Job)>>>);

impl Writer {
    pub(crate) const fn new(jobs: mpsc::Sender<(Instant, Job)>) -> Self {
        Self(RwLock::new(Some(jobs)))
    }

    /// Queues a job, or refuses it at once.
    pub(crate) fn submit(&self, job: Job) -> Result<(), Error> {
        let jobs = self.0.read().unwrap_or_else(PoisonError::into_inner);
        jobs.as_ref().and_then(|jobs| jobs.try_send((Instant::now(), job)).ok()).ok_or(Error::busy())
    }

    /// What waits for the writer.
    pub(crate) fn depth(&self) -> Option<Depth> {
        let jobs = self.0.read().unwrap_or_else(PoisonError::into_inner);
        jobs.as_ref().map(|jobs| Depth::of("writer", jobs))
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
