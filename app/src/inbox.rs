//! The conversation list as this tab has it. Unread counts are derived from what the server counted once and the
//! messages since then, never counted up and down. Plain data: no signals, no clock.

mod entry;
#[cfg(test)]
pub(crate) mod tests;

pub use entry::{Activity, Entry};

use protocol::{Conversation, ConversationId, UserId, limits};
use std::collections::HashMap;

/// My conversations.
///
/// Bounded by how many I am a member of; the server sends each at most once a `hello`.
#[derive(Clone, Debug)]
pub struct Inbox {
    me: UserId,
    entries: HashMap<ConversationId, Entry>,
}

impl Inbox {
    /// Starts from the server's list, newest activity first.
    pub fn new(me: UserId, conversations: &[Conversation]) -> Self {
        let mut inbox = Self { me, entries: HashMap::new() };
        // One without messages has no time of its own: it stays where the server put it.
        let mut before = i64::MAX;
        for (place, conversation) in (1..).zip(conversations) {
            let own = conversation.last_message.as_ref().map(|message| message.sent_at.millis());
            before = own.unwrap_or(before).min(before);
            let activity = Activity { at: before, place: -place };
            inbox.entries.insert(conversation.id, Entry::new(me, conversation.clone(), activity));
        }
        inbox
    }

    /// One of my conversations.
    pub fn get(&self, id: ConversationId) -> Option<&Entry> {
        self.entries.get(&id)
    }

    /// One of my conversations, to change it.
    pub fn get_mut(&mut self, id: ConversationId) -> Option<&mut Entry> {
        self.entries.get_mut(&id)
    }

    /// All of them, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.entries.values()
    }

    /// All of them, in no order, to change them.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Entry> {
        self.entries.values_mut()
    }

    /// Takes in the server's view of a conversation, new or known; `now` is this device's clock in milliseconds.
    pub fn put(&mut self, conversation: Conversation, now: i64) {
        match self.entries.get_mut(&conversation.id) {
            Some(entry) => entry.replace(conversation),
            None => {
                let at = conversation.last_message.as_ref().map_or(now, |message| message.sent_at.millis());
                self.entries.insert(conversation.id, Entry::new(self.me, conversation, Activity::at(at)));
            }
        }
    }

    /// Takes in the server's view of a conversation whatever this tab has: after a reset or a restored backup.
    pub fn put_anew(&mut self, conversation: Conversation, now: i64) {
        let known = self.entries.remove(&conversation.id);
        let own = conversation.last_message.as_ref().map(|message| message.sent_at.millis());
        let activity =
            own.map(Activity::at).or(known.map(|entry| entry.activity())).unwrap_or(Activity::at(now));
        self.entries.insert(conversation.id, Entry::new(self.me, conversation, activity));
    }

    /// Drops a conversation; says whether there was one.
    pub fn remove(&mut self, id: ConversationId) -> bool {
        self.entries.remove(&id).is_some()
    }

    /// The list, or those that are put `away`: pinned ones first, then newest activity first. `now` is this device's
    /// clock in milliseconds.
    pub fn listed(&self, now: u64, away: bool) -> Vec<ConversationId> {
        let mut order = self.order();
        order.retain(|id| self.entries.get(id).is_some_and(|entry| entry.is_away(now) == away));
        if !away {
            // Stable: activity decides among the pinned and among the others.
            order.sort_by_key(|id| !self.entries[id].conversation().settings.pinned);
        }
        order
    }

    /// Newest activity first.
    pub fn order(&self) -> Vec<ConversationId> {
        let mut order: Vec<_> = self.entries.values().map(|entry| (entry.activity(), entry.id())).collect();
        // The id only makes the order the same everywhere where the times are equal.
        order.sort_unstable_by(|one, other| other.cmp(one));
        order.into_iter().map(|(_, id)| id).collect()
    }

    /// What calls for me in all of them: unread messages, in silent ones only those that name me. `now` is this device's
    /// clock in milliseconds.
    pub fn unread_total(&self, now: u64) -> u64 {
        let calls = |entry: &Entry| match (entry.is_muted(now), entry.conversation()) {
            (true, one) => one.mentions,
            (false, one) => one.unread,
        };
        self.entries.values().map(calls).sum()
    }

    /// The ids a `hello` names: the most recently active ones, at most [`limits::CURSORS`]. The server sends the
    /// others whole.
    pub fn named(&self) -> Vec<ConversationId> {
        let mut order = self.order();
        order.truncate(limits::CURSORS);
        order
    }
}
