//! What I did that is not stored yet, messages first of all: in which order it goes, and what happens when it does not
//! arrive. Plain data; clock and chance are handed in.
//!
//! Per conversation one request is on its way at a time, so that their order survives every retry. A request keeps
//! its nonce through all of them, so that the server stores it once.

mod act;

#[cfg(test)]
mod tests;

pub use act::Act;

use crate::socket::Backoff;
use crate::timeline::{Pending, PendingState};
use protocol::{Code, ConversationId, Message, Nonce, Refusal, Timestamp, UserId};
use serde::{Deserialize, Serialize};
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

/// Most requests kept, in all conversations; the next one is not taken: a message stays in the composer.
pub const MOST: usize = 200;
/// Milliseconds after which a message that was accepted and not answered is sent again: the answer may have been lost on its
/// way from the worker, and the same nonce is stored once.
const ASK_AGAIN: u64 = 15_000;

/// My unsent requests, by conversation in the order they were made.
#[derive(Clone, Debug, Default)]
pub struct Outbox {
    queues: HashMap<ConversationId, Vec<Entry>>,
    /// Whether a request is kept somewhere before it goes.
    keeps: bool,
    /// What other tabs settled, newest last, at most [`MOST`]: what was read before that does not bring it back.
    gone: VecDeque<Nonce>,
}

#[derive(Clone, Debug)]
struct Entry {
    pending: Arc<Pending>,
    step: Step,
    backoff: Backoff,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// Not kept yet.
    Unkept,
    /// Waits for its turn, not before this time.
    Queued { not_before: u64 },
    /// Sent on this connection at this time.
    Sent { at: u64 },
    /// Stored as this change; shown until the timeline has it.
    Stored { rev: u64 },
    /// Waits for me.
    Refused,
}

/// An unsent request as it survives the tab.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Saved {
    /// Where to.
    pub conversation: ConversationId,
    /// Its key.
    pub nonce: Nonce,
    /// What.
    pub act: Act,
    /// When it was made.
    pub at: Timestamp,
}

impl Outbox {
    /// From now on a request goes when [`Outbox::kept`] says that it survives the tab.
    pub fn keep(&mut self) {
        self.keeps = true;
    }

    /// It survives the tab, or cannot be made to: it may go.
    pub fn kept(&mut self, nonce: &Nonce) {
        if let Some((_, entry)) = self.find(nonce)
            && entry.step == Step::Unkept
        {
            entry.step = Step::Queued { not_before: 0 };
        }
    }

    /// The nonces of everything that is kept somewhere.
    pub fn all_kept(&self) -> Vec<Nonce> {
        let kept = self.queues.values().flatten().filter(|entry| entry.step != Step::Unkept);
        kept.map(|entry| entry.pending.nonce.clone()).collect()
    }

    /// Another tab settled it.
    pub fn gone(&mut self, nonce: &Nonce) {
        if self.gone.len() == MOST {
            self.gone.pop_front();
        }
        self.gone.push_back(nonce.clone());
    }

    /// Whether it waits to be sent.
    pub fn waits(&self, nonce: &Nonce) -> bool {
        let mut entries = self.queues.values().flatten();
        entries.any(|entry| entry.pending.nonce == *nonce && matches!(entry.step, Step::Queued { .. }))
    }

    /// Takes a request; says whether there was room.
    #[must_use]
    pub fn push(&mut self, conversation: ConversationId, nonce: Nonce, act: Act, at: Timestamp) -> bool {
        if self.queues.values().map(Vec::len).sum::<usize>() >= MOST {
            return false;
        }
        let pending = Arc::new(Pending { nonce, act, at, state: PendingState::Waiting });
        self.queues.entry(conversation).or_default().push(Entry {
            pending,
            step: if self.keeps { Step::Unkept } else { Step::Queued { not_before: 0 } },
            backoff: Backoff::default(),
        });
        true
    }

    /// What may be sent now: the first request of every conversation that has none on its way. They count as sent.
    pub fn due(&mut self, now: u64) -> Vec<(ConversationId, Arc<Pending>)> {
        let mut due = Vec::new();
        for (conversation, queue) in &mut self.queues {
            if let Some(entry) = next(queue)
                && entry.goes_at().is_some_and(|at| at <= now)
            {
                entry.step = Step::Sent { at: now };
                due.push((*conversation, Arc::clone(&entry.pending)));
            }
        }
        due
    }

    /// When [`Outbox::due`] has something again, if nothing else happens.
    pub fn wake_at(&mut self) -> Option<u64> {
        self.queues.values_mut().filter_map(|queue| next(queue)?.goes_at()).min()
    }

    /// When the longest unanswered message was sent.
    pub fn sent_at(&self) -> Option<u64> {
        let sent = self.queues.values().flatten().filter_map(|entry| match entry.step {
            Step::Sent { at } if entry.pending.state == PendingState::Waiting => Some(at),
            _ => None,
        });
        sent.min()
    }

    /// The server has it in its queue. Returns its conversation.
    pub fn accepted(&mut self, nonce: &Nonce) -> Option<ConversationId> {
        let (conversation, entry) = self.find(nonce)?;
        entry.set(PendingState::Accepted);
        Some(conversation)
    }

    /// It is stored as change `rev`, which the timeline does not have yet: it stays on the page until then, and the
    /// next one may go. Returns its conversation.
    pub fn stored(&mut self, nonce: &Nonce, rev: u64) -> Option<ConversationId> {
        let (conversation, entry) = self.find(nonce)?;
        entry.step = Step::Stored { rev };
        entry.set(PendingState::Stored);
        Some(conversation)
    }

    /// It is stored and on the page, or given up. Returns what it was.
    pub fn settled(&mut self, nonce: &Nonce) -> Option<(ConversationId, Arc<Pending>)> {
        let (conversation, entry) = self.find(nonce)?;
        let pending = Arc::clone(&entry.pending);
        self.remove(conversation, |entry| entry.pending.nonce == *nonce);
        Some((conversation, pending))
    }

    /// The timeline has everything up to `rev`; stored messages up to there are on the page. Without a timeline
    /// (`None`) all stored ones are done.
    pub fn caught_up(&mut self, conversation: ConversationId, rev: Option<u64>) {
        self.remove(conversation, |entry| match entry.step {
            Step::Stored { rev: stored } => rev.is_none_or(|rev| stored <= rev),
            Step::Unkept | Step::Queued { .. } | Step::Sent { .. } | Step::Refused => false,
        });
    }

    /// It was not stored: tried again later if that may help, else left to me. Returns what it is.
    pub fn refused(
        &mut self,
        nonce: &Nonce,
        refusal: &Refusal,
        now: u64,
        random: f64,
    ) -> Option<(ConversationId, Arc<Pending>)> {
        let (conversation, entry) = self.find(nonce)?;
        if refusal.retryable {
            let own = entry.backoff.next(random);
            let asked = refusal.retry_after_ms.unwrap_or(0);
            let wait = u64::try_from(own.as_millis()).unwrap_or(u64::MAX).max(asked);
            entry.step = Step::Queued { not_before: now.saturating_add(wait) };
            entry.set(PendingState::Waiting);
        } else {
            entry.step = Step::Refused;
            entry.set(PendingState::Refused {
                code: refusal.code,
                message: refusal.message.clone(),
                retryable: refusal.retryable,
            });
        }
        Some((conversation, Arc::clone(&entry.pending)))
    }

    /// The connection is lost: what was on its way goes again, with the same nonce.
    pub fn disconnected(&mut self) {
        for entry in self.queues.values_mut().flatten() {
            if let Step::Sent { .. } = entry.step {
                entry.step = Step::Queued { not_before: 0 };
                entry.set(PendingState::Waiting);
            }
        }
    }

    /// I want a refused message sent again, after the others. It keeps its nonce, except where the server has another
    /// message under it: then it gets `fresh`. Returns the nonce it has, if it was here.
    pub fn retry(&mut self, nonce: &Nonce, fresh: Nonce) -> Option<Nonce> {
        let (conversation, _) = self.find(nonce)?;
        let queue = self.queues.get_mut(&conversation)?;
        let index =
            queue.iter().position(|entry| entry.pending.nonce == *nonce && entry.step == Step::Refused)?;
        let mut entry = queue.remove(index);
        let taken =
            matches!(entry.pending.state, PendingState::Refused { code: Code::IdempotencyConflict, .. });
        let pending = Arc::make_mut(&mut entry.pending);
        pending.state = PendingState::Waiting;
        if taken {
            pending.nonce = fresh;
        }
        entry.step = Step::Queued { not_before: 0 };
        entry.backoff.reset();
        let nonce = entry.pending.nonce.clone();
        queue.push(entry);
        Some(nonce)
    }

    /// I drop a refused message. Says whether it was here. One on its way cannot be dropped: it may be stored.
    pub fn discard(&mut self, nonce: &Nonce) -> bool {
        let Some((conversation, entry)) = self.find(nonce) else { return false };
        if entry.step != Step::Refused {
            return false;
        }
        self.remove(conversation, |entry| entry.pending.nonce == *nonce);
        true
    }

    /// The conversation is no longer mine. Returns the nonces of what was unsent.
    pub fn forget(&mut self, conversation: ConversationId) -> Vec<Nonce> {
        let queue = self.queues.remove(&conversation).unwrap_or_default();
        queue.into_iter().map(|entry| entry.pending.nonce.clone()).collect()
    }

    /// Shows what I did to a message and the timeline does not have yet.
    pub fn show(&self, message: &mut Message, me: UserId) {
        let queue = self.queues.get(&message.conversation).map(Vec::as_slice).unwrap_or_default();
        for Entry { pending, .. } in queue {
            pending.act.show(message, me, pending.at);
        }
    }

    /// Drops everything.
    pub fn clear(&mut self) {
        self.queues.clear();
    }

    /// Everything of a conversation, in the order it was made.
    pub fn echoes(&self, conversation: ConversationId) -> Vec<Arc<Pending>> {
        let queue = self.queues.get(&conversation).map(Vec::as_slice).unwrap_or_default();
        queue.iter().map(|entry| Arc::clone(&entry.pending)).collect()
    }

    /// Conversations that have some.
    pub fn conversations(&self) -> Vec<ConversationId> {
        self.queues.keys().copied().collect()
    }

    /// How many are neither stored nor refused.
    pub fn waiting(&self) -> usize {
        self.queues.values().flatten().filter(|entry| entry.waits()).count()
    }

    /// What has to survive the tab. A refused message is kept too: it is tried once more then.
    pub fn saved(&self, nonce: &Nonce) -> Option<Saved> {
        self.queues.iter().find_map(|(conversation, queue)| {
            let entry = queue.iter().find(|entry| entry.pending.nonce == *nonce)?;
            let Pending { nonce, act, at, .. } = Pending::clone(&entry.pending);
            Some(Saved { conversation: *conversation, nonce, act, at })
        })
    }

    /// Takes back what survived, in the order it was made. One that is here already stays as it is, except that a refused one is tried again; where too many are
    /// here, it stays where it is kept, and is taken by the next page.
    pub fn restore(&mut self, saved: Saved) {
        let Saved { conversation, nonce, act, at } = saved;
        if let Some((_, entry)) = self.find(&nonce) {
            if entry.step == Step::Refused {
                // Another tab was told to try again.
                entry.step = Step::Queued { not_before: 0 };
                entry.set(PendingState::Waiting);
            }
            return;
        }
        if self.gone.contains(&nonce) || !self.push(conversation, nonce.clone(), act, at) {
            return;
        }
        self.kept(&nonce);
        if let Some(queue) = self.queues.get_mut(&conversation)
            && let Some(entry) = queue.pop()
        {
            // What is on its way stays first; two of one millisecond stand in the order of their nonces.
            let later = |held: &Entry| {
                matches!(held.step, Step::Queued { .. } | Step::Unkept)
                    && (held.pending.at, &held.pending.nonce) > (at, &nonce)
            };
            let place = queue.iter().position(later).unwrap_or(queue.len());
            queue.insert(place, entry);
        }
    }

    /// Where it belongs, if it is here.
    pub fn conversation(&self, nonce: &Nonce) -> Option<ConversationId> {
        let holds = |queue: &&Vec<Entry>| queue.iter().any(|entry| entry.pending.nonce == *nonce);
        self.queues.iter().find(|(_, queue)| holds(queue)).map(|(id, _)| *id)
    }

    /// What it is, if it is here.
    pub fn get(&self, nonce: &Nonce) -> Option<&Act> {
        let entry = self.queues.values().flatten().find(|entry| entry.pending.nonce == *nonce)?;
        Some(&entry.pending.act)
    }

    fn find(&mut self, nonce: &Nonce) -> Option<(ConversationId, &mut Entry)> {
        self.queues.iter_mut().find_map(|(conversation, queue)| {
            let entry = queue.iter_mut().find(|entry| entry.pending.nonce == *nonce)?;
            Some((*conversation, entry))
        })
    }

    fn remove(&mut self, conversation: ConversationId, which: impl Fn(&Entry) -> bool) {
        if let Some(queue) = self.queues.get_mut(&conversation) {
            queue.retain(|entry| !which(entry));
            if queue.is_empty() {
                self.queues.remove(&conversation);
            }
        }
    }
}

/// The message whose turn it is: the first that is neither stored nor refused.
fn next(queue: &mut [Entry]) -> Option<&mut Entry> {
    queue.iter_mut().find(|entry| entry.waits())
}

impl Entry {
    fn waits(&self) -> bool {
        !matches!(self.step, Step::Stored { .. } | Step::Refused)
    }

    /// When it is to be sent, if its turn has come.
    fn goes_at(&self) -> Option<u64> {
        match self.step {
            Step::Queued { not_before } => Some(not_before),
            Step::Sent { at } if self.pending.state == PendingState::Accepted => Some(at + ASK_AGAIN),
            Step::Unkept | Step::Sent { .. } | Step::Stored { .. } | Step::Refused => None,
        }
    }

    fn set(&mut self, state: PendingState) {
        if self.pending.state != state {
            Arc::make_mut(&mut self.pending).state = state;
        }
    }
}
