//! In which order what is queued is written and told.
//!
//! While a batch of messages commits, the next one is read for and written, where it is of other conversations: the disk
//! works for the one, the processor for the other. What was begun first is told first. Two at most are under way, and
//! everything that is no message or mark waits for both.

use super::{Job, PATIENCE, Persist, Reply, Waiting};
use crate::bus::Bus;
use crate::error::Error;
use crate::hub::SocketId;
use crate::metrics::Metrics;
use crate::store::{BATCH, Marked, NewAct, NewMark, NewPost, NewSettings, Personal, Stores};
use protocol::{ConversationId, UserId};
use std::collections::HashSet;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::task::{JoinError, JoinHandle};

/// Takes jobs until every sender is gone, then ends: what was queued is committed.
pub(crate) async fn run(
    mut jobs: mpsc::Receiver<(Instant, Job)>,
    stores: Stores,
    bus: Arc<dyn Bus>,
    metrics: Arc<Metrics>,
) {
    let mut order = Order { persist: Arc::new(Persist { stores, bus, metrics }), ahead: None };
    let mut queued = Vec::with_capacity(BATCH);
    while jobs.recv_many(&mut queued, BATCH).await > 0 {
        order.all(std::mem::take(&mut queued)).await;
    }
    order.settle().await;
}

/// A batch that commits.
struct Ahead {
    task: JoinHandle<()>,
    conversations: HashSet<ConversationId>,
}

struct Order {
    persist: Arc<Persist>,
    ahead: Option<Ahead>,
}

/// A panic is the writer's own, whichever task it was in.
fn ended(result: Result<(), JoinError>) {
    if let Err(error) = result
        && error.is_panic()
    {
        resume_unwind(error.into_panic());
    }
}

impl Order {
    /// Waits until everything that was begun is told.
    async fn settle(&mut self) {
        if let Some(ahead) = self.ahead.take() {
            ended(ahead.task.await);
        }
    }

    /// Returns when all that is left of it is to commit, and what was begun before it is told.
    async fn post(&mut self, batch: Batch) {
        if batch.posts.is_empty() && batch.marks.is_empty() {
            return;
        }
        let conversations = batch.posts.iter().map(|post| post.conversation);
        let conversations: HashSet<_> =
            conversations.chain(batch.marks.iter().map(|mark| mark.conversation)).collect();
        // What one conversation is told keeps its order, even where a commit fails.
        if self.ahead.as_ref().is_some_and(|ahead| !ahead.conversations.is_disjoint(&conversations)) {
            self.settle().await;
        }
        let committing = Arc::new(Notify::new());
        let (tell, may_tell) = oneshot::channel();
        let (persist, telling) = (self.persist.clone(), committing.clone());
        let mut task = tokio::spawn(async move { persist.post(batch, telling, may_tell).await });
        self.settle().await;
        // It waits for this, unless it has panicked.
        let _gone = tell.send(());
        tokio::select! {
            biased;
            result = &mut task => return ended(result),
            () = committing.notified() => {}
        }
        self.ahead = Some(Ahead { task, conversations });
    }

    /// Messages and marks that stand together share a transaction, and so do acts, and so do settings; the rarer jobs
    /// between them have their own. What one person does keeps its order.
    async fn all(&mut self, jobs: Vec<(Instant, Job)>) {
        let mut batch = Batch::default();
        for (since, job) in jobs {
            if since.elapsed() > PATIENCE {
                job.refuse(Error::busy());
                continue;
            }
            match job {
                Job::Post(post, reply) => {
                    if !batch.acts.is_empty() || batch.sets_of(post.sender, post.conversation) {
                        self.commit(std::mem::take(&mut batch)).await;
                    }
                    batch.posts.push(post);
                    batch.replies.push(reply);
                }
                Job::Act(act, reply) => batch.acts.push((act, reply)),
                Job::Mark(mark, origin, waiting) => {
                    if batch.sets_of(mark.user, mark.conversation) {
                        self.commit(std::mem::take(&mut batch)).await;
                    }
                    batch.marks.push(mark);
                    batch.waiting.push((origin, waiting));
                }
                Job::Create(new, waiting) => {
                    self.commit(std::mem::take(&mut batch)).await;
                    self.settle().await;
                    let _gone = waiting.send(self.persist.create(new).await);
                }
                Job::Edit(edit, waiting) => {
                    self.commit(std::mem::take(&mut batch)).await;
                    self.settle().await;
                    let _gone = waiting.send(self.persist.edit(edit).await);
                }
                Job::Set(new, origin, waiting) => batch.sets.push((new, origin, waiting)),
                Job::Work { posts, origins, waiting } => {
                    self.commit(std::mem::take(&mut batch)).await;
                    self.settle().await;
                    let _gone = waiting.send(self.persist.work(&posts, origins).await);
                }
            }
        }
        self.commit(batch).await;
    }

    async fn commit(&mut self, mut batch: Batch) {
        let (acts, sets) = (std::mem::take(&mut batch.acts), std::mem::take(&mut batch.sets));
        self.post(batch).await;
        if !acts.is_empty() || !sets.is_empty() {
            self.settle().await;
            self.persist.act(acts).await;
            self.persist.set(sets).await;
        }
    }
}

/// Messages and marks of one transaction, the acts after them and the settings after those, each with who is to hear what became of it.
#[derive(Default)]
pub(super) struct Batch {
    pub(super) posts: Vec<NewPost>,
    pub(super) replies: Vec<Reply>,
    pub(super) marks: Vec<NewMark>,
    pub(super) waiting: Vec<(Option<SocketId>, Waiting<Marked>)>,
    acts: Vec<(NewAct, Reply)>,
    sets: Vec<(NewSettings, Option<SocketId>, Waiting<Personal>)>,
}

impl Batch {
    /// Whether a change of what this person sees waits in it: their own message or mark after it must not overtake it.
    fn sets_of(&self, user: UserId, conversation: ConversationId) -> bool {
        self.sets.iter().any(|(new, ..)| (new.user, new.conversation) == (user, conversation))
    }

    /// Nothing of it was stored.
    pub(super) fn refuse(self, error: &Error) {
        for (post, reply) in self.posts.into_iter().zip(self.replies) {
            reply.answer(Some(&post.nonce), Err(error.clone()));
        }
        for (_, waiting) in self.waiting {
            let _gone = waiting.send(Err(error.clone()));
        }
    }
}
