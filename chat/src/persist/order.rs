//! In which order what is queued is written and told: one transaction after the other, each told before the next begins.

use super::{Job, PATIENCE, Persist, Reply, Waiting};
use crate::bus::Bus;
use crate::error::Error;
use crate::hub::SocketId;
use crate::metrics::Metrics;
use crate::store::{BATCH, Marked, NewAct, NewMark, NewPost, NewSettings, Personal, Stores};
use protocol::{ConversationId, UserId};
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::mpsc;

/// Takes jobs until every sender is gone, then ends: what was queued is committed.
pub(crate) async fn run(
    mut jobs: mpsc::Receiver<(Instant, Job)>,
    stores: Stores,
    bus: Arc<dyn Bus>,
    metrics: Arc<Metrics>,
) {
    let persist = Persist { stores, bus, metrics };
    let mut queued = Vec::with_capacity(BATCH);
    while jobs.recv_many(&mut queued, BATCH).await > 0 {
        persist.all(queued.drain(..)).await;
    }
}

impl Persist {
    /// Messages and marks that stand together share a transaction, and so do acts, and so do settings; the rarer jobs
    /// between them have their own. What one person does keeps its order.
    async fn all(&self, jobs: impl Iterator<Item = (Instant, Job)>) {
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
                    let _gone = waiting.send(self.create(new).await);
                }
                Job::Edit(edit, waiting) => {
                    self.commit(std::mem::take(&mut batch)).await;
                    let _gone = waiting.send(self.edit(edit).await);
                }
                Job::Set(new, origin, waiting) => batch.sets.push((new, origin, waiting)),
                Job::Work { posts, origins, waiting } => {
                    self.commit(std::mem::take(&mut batch)).await;
                    let _gone = waiting.send(self.work(&posts, origins).await);
                }
            }
        }
        self.commit(batch).await;
    }

    async fn commit(&self, mut batch: Batch) {
        let (acts, sets) = (std::mem::take(&mut batch.acts), std::mem::take(&mut batch.sets));
        self.post(batch).await;
        self.act(acts).await;
        self.set(sets).await;
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
