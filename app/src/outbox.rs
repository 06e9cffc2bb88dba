//! My messages that are not stored yet: in which order they go, and what happens when they do not arrive. Plain
//! data; clock and chance are handed in.
//!
//! Per conversation one message is on its way at a time, so that their order survives every retry. A message keeps
//! its nonce through all of them, so that the server stores it once.

#[cfg(test)]
mod tests;

use crate::socket::Backoff;
use crate::timeline::{Pending, PendingState};
use protocol::{Code, ConversationId, Nonce, Refusal, Text, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::sync::Arc;

/// Most messages kept, in all conversations; the next one is not taken, and stays in the composer.
pub const MOST: usize = 200;

/// My unsent messages, by conversation in the order they were written.
#[derive(Clone, Debug, Default)]
pub struct Outbox {
    queues: HashMap<ConversationId, Vec<Entry>>,
}

#[derive(Clone, Debug)]
struct Entry {
    pending: Arc<Pending>,
    step: Step,
    backoff: Backoff,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// Waits for its turn, not before this time.
    Queued { not_before: u64 },
    /// Sent on this connection at this time.
    Sent { at: u64 },
    /// Stored as this change; shown until the timeline has it.
    Stored { rev: u64 },
    /// Waits for me.
    Refused,
}

/// An unsent message as it survives a reload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Saved {
    /// Where to.
    pub conversation: ConversationId,
    /// Its key.
    pub nonce: Nonce,
    /// What.
    pub text: Text,
    /// When it was written.
    pub at: Timestamp,
}

impl Outbox {
    /// Takes a message; says whether there was room.
    #[must_use]
    pub fn push(&mut self, conversation: ConversationId, nonce: Nonce, text: Text, at: Timestamp) -> bool {
        if self.queues.values().map(Vec::len).sum::<usize>() >= MOST {
            return false;
        }
        let pending = Arc::new(Pending { nonce, text, at, state: PendingState::Waiting });
        self.queues.entry(conversation).or_default().push(Entry {
            pending,
            step: Step::Queued { not_before: 0 },
            backoff: Backoff::default(),
        });
        true
    }

    /// What may be sent now: the first message of every conversation that has none on its way. They count as sent.
    pub fn due(&mut self, now: u64) -> Vec<(ConversationId, Nonce, Text)> {
        let mut due = Vec::new();
        for (conversation, queue) in &mut self.queues {
            if let Some(entry) = next(queue)
                && let Step::Queued { not_before } = entry.step
                && not_before <= now
            {
                entry.step = Step::Sent { at: now };
                due.push((*conversation, entry.pending.nonce.clone(), entry.pending.text.clone()));
            }
        }
        due
    }

    /// When [`Outbox::due`] has something again, if nothing else happens.
    pub fn wake_at(&mut self) -> Option<u64> {
        let waits = self.queues.values_mut().filter_map(|queue| match next(queue)?.step {
            Step::Queued { not_before } => Some(not_before),
            Step::Sent { .. } | Step::Stored { .. } | Step::Refused => None,
        });
        waits.min()
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

    /// It is stored and on the page. Says whether it was here.
    pub fn settled(&mut self, nonce: &Nonce) -> bool {
        let Some((conversation, _)) = self.find(nonce) else { return false };
        self.remove(conversation, |entry| entry.pending.nonce == *nonce);
        true
    }

    /// The timeline has everything up to `rev`; stored messages up to there are on the page. Without a timeline
    /// (`None`) all stored ones are done.
    pub fn caught_up(&mut self, conversation: ConversationId, rev: Option<u64>) {
        self.remove(conversation, |entry| match entry.step {
            Step::Stored { rev: stored } => rev.is_none_or(|rev| stored <= rev),
            Step::Queued { .. } | Step::Sent { .. } | Step::Refused => false,
        });
    }

    /// It was not stored: tried again later if that may help, else left to me. Returns its conversation.
    pub fn refused(
        &mut self,
        nonce: &Nonce,
        refusal: &Refusal,
        now: u64,
        random: f64,
    ) -> Option<ConversationId> {
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
        Some(conversation)
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
    /// message under it: then it gets `fresh`. Says whether it was here.
    pub fn retry(&mut self, nonce: &Nonce, fresh: Nonce) -> bool {
        let Some((conversation, _)) = self.find(nonce) else { return false };
        let Some(queue) = self.queues.get_mut(&conversation) else { return false };
        let Some(index) =
            queue.iter().position(|entry| entry.pending.nonce == *nonce && entry.step == Step::Refused)
        else {
            return false;
        };
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
        queue.push(entry);
        true
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

    /// The conversation is no longer mine. Says whether there was something.
    pub fn forget(&mut self, conversation: ConversationId) -> bool {
        self.queues.remove(&conversation).is_some()
    }

    /// Drops everything.
    pub fn clear(&mut self) {
        self.queues.clear();
    }

    /// The rows of a conversation, in the order they were written.
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
        let waits = |entry: &&Entry| matches!(entry.step, Step::Queued { .. } | Step::Sent { .. });
        self.queues.values().flatten().filter(waits).count()
    }

    /// What has to survive a reload. A refused message is kept too: it is tried once more then.
    pub fn save(&self) -> Vec<Saved> {
        let mut saved: Vec<_> = self
            .queues
            .iter()
            .flat_map(|(conversation, queue)| queue.iter().map(move |entry| (*conversation, entry)))
            .filter(|(_, entry)| !matches!(entry.step, Step::Stored { .. }))
            .map(|(conversation, Entry { pending, .. })| Saved {
                conversation,
                nonce: pending.nonce.clone(),
                text: pending.text.clone(),
                at: pending.at,
            })
            .collect();
        saved.sort_by_key(|one| one.conversation); // stable: the order within a conversation stays
        saved
    }

    /// Takes back what survived, before anything written since.
    pub fn restore(&mut self, saved: Vec<Saved>) {
        let mut since = std::mem::take(&mut self.queues);
        for Saved { conversation, nonce, text, at } in saved {
            if self.find(&nonce).is_none() && !self.push(conversation, nonce, text, at) {
                break;
            }
        }
        for (conversation, queue) in &mut since {
            self.queues.entry(*conversation).or_default().append(queue);
        }
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
    queue.iter_mut().find(|entry| matches!(entry.step, Step::Queued { .. } | Step::Sent { .. }))
}

impl Entry {
    fn set(&mut self, state: PendingState) {
        if self.pending.state != state {
            Arc::make_mut(&mut self.pending).state = state;
        }
    }
}
