//! What each frame of the server does.

use super::{Loading, Moment, Request, SYNC_AGAIN, World};
use crate::api::Span;
use crate::timeline::Applied;
use protocol::{
    Change, ChangeKind, Conversation, ConversationId, Epoch, Message, Refusal, ServerFrame, UserId,
};

impl World {
    /// Takes in a frame.
    pub fn frame(&mut self, frame: ServerFrame, moment: Moment) {
        match frame {
            ServerFrame::Welcome { user, epoch, .. } => {
                self.know_people(vec![user]);
                self.welcome(epoch);
            }
            ServerFrame::Heads { conversations } => self.heads(conversations, moment),
            ServerFrame::Gone { conversation } => self.drop_conversation(conversation),
            ServerFrame::Live {} => self.lived(moment),
            ServerFrame::Accepted { nonce } => {
                let conversation = self.outbox.accepted(&nonce);
                self.changed.timelines.extend(conversation);
            }
            ServerFrame::Ack { nonce, mut message, .. } => {
                let id = message.conversation;
                message.nonce = Some(nonce.clone());
                self.change(id, Change::new(message.rev, ChangeKind::Posted { message }));
                if self.inbox.get(id).is_none() && self.outbox.settled(&nonce) {
                    self.requests.push(Request::Save);
                }
                self.flush_outbox(moment.now);
            }
            ServerFrame::Refused(refusal) => self.refused(&refusal, moment),
            ServerFrame::Event { conversation, change, .. } => self.change(conversation, change),
            ServerFrame::Changes { conversation, from, to, changes, more } => {
                self.changes(conversation, from, to, &changes, more);
                self.flush_outbox(moment.now);
            }
            ServerFrame::Reset { conversation, .. } => self.reset(conversation),
            ServerFrame::Read { conversation, user, seq, unread, .. } => {
                self.read(conversation, user, seq, unread)
            }
            ServerFrame::Pong { heads, .. } => {
                for (id, rev) in heads {
                    match self.inbox.get_mut(id) {
                        Some(entry) => {
                            entry.heard(rev);
                            self.catch_up(id);
                        }
                        None => self.fetch(id),
                    }
                }
            }
            // The connection's own: it knows what to do when the socket closes.
            ServerFrame::Bye { .. } => {}
            ServerFrame::Settings { .. }
            | ServerFrame::Typing { .. }
            | ServerFrame::Presence { .. }
            | ServerFrame::Present { .. }
            | ServerFrame::Unsupported => {}
        }
        self.notice_reads(moment.now);
    }

    /// With another epoch than mine all numbers are void: the server sends every conversation, and those it does not
    /// send are dropped at `live`.
    fn welcome(&mut self, epoch: Epoch) {
        if epoch == self.epoch {
            return;
        }
        self.epoch = epoch;
        self.unconfirmed = self.inbox.iter().map(|entry| entry.id()).collect();
        let newest = self.timelines.iter().max_by_key(|(_, slot)| slot.used).map(|(id, _)| *id);
        let loaded: Vec<_> = self.timelines.drain().map(|(id, _)| id).collect();
        self.changed.timelines.extend(loaded);
        if let Some(newest) = newest {
            self.load(newest, Span::Newest);
        }
        for id in self.outbox.conversations() {
            self.outbox.caught_up(id, None);
        }
        self.void.clone_from(&self.unconfirmed);
    }

    fn heads(&mut self, conversations: Vec<Conversation>, moment: Moment) {
        for conversation in conversations {
            let id = conversation.id;
            self.unconfirmed.remove(&id);
            self.put(conversation, moment);
            self.catch_up(id);
        }
    }

    /// Takes in a conversation's object, and asks for the people it mentions.
    pub(super) fn put(&mut self, conversation: Conversation, moment: Moment) {
        let id = conversation.id;
        for member in &conversation.members {
            self.people.want(member.user);
        }
        if let Some(message) = &conversation.last_message {
            self.people.want(message.sender);
        }
        let now = i64::try_from(moment.now).unwrap_or(i64::MAX);
        if self.void.remove(&id) {
            self.inbox.put_anew(conversation, now);
        } else {
            self.inbox.put(conversation, now);
        }
        self.recount(id);
        self.changed.conversations.insert(id);
    }

    /// Everything is answered: what is missing is fetched, what waited goes out.
    fn lived(&mut self, moment: Moment) {
        self.live = true;
        for id in std::mem::take(&mut self.unconfirmed) {
            self.drop_conversation(id);
        }
        // What could not be loaded without a connection is tried again, for the one looked at last.
        let newest = self.timelines.iter().max_by_key(|(_, slot)| slot.used);
        let failed = newest.filter(|(_, slot)| matches!(slot.state, Loading::Failed)).map(|(id, _)| *id);
        if let Some(id) = failed {
            self.load(id, Span::Newest);
        }
        self.catch_up_all();
        self.catching_up = true;
        self.check_complete();
        let unknown = self.outbox.conversations().into_iter().filter(|id| self.inbox.get(*id).is_none());
        for id in unknown.collect::<Vec<_>>() {
            self.drop_conversation(id); // unsent messages to a conversation that is no longer mine
        }
        self.flush_outbox(moment.now);
    }

    /// Applies one change to the list and to the messages, each by its own position.
    fn change(&mut self, id: ConversationId, change: Change) {
        let Some(entry) = self.inbox.get_mut(id) else {
            self.fetch(id);
            return;
        };
        if let (ChangeKind::Left { user, .. }, true) = (&change.kind, change.rev > entry.rev())
            && *user == self.me
        {
            self.drop_conversation(id);
            return;
        }
        entry.apply(&change);
        self.changed.conversations.insert(id);
        if let Some(timeline) = self.loaded_mut(id)
            && timeline.apply(&change) == Applied::Done
        {
            self.changed.timelines.insert(id);
        }
        self.after(id, std::slice::from_ref(&change));
        self.catch_up(id);
    }

    fn changes(&mut self, id: ConversationId, from: u64, to: u64, changes: &[Change], more: bool) {
        self.syncing.remove(&id);
        let left = changes.iter().rev().find_map(|change| match &change.kind {
            ChangeKind::Left { user, .. } if *user == self.me => Some(false),
            ChangeKind::Joined { user, .. } if *user == self.me => Some(true),
            _ => None,
        });
        if left == Some(false) {
            self.drop_conversation(id);
        } else if let Some(entry) = self.inbox.get_mut(id) {
            entry.apply_changes(from, to, changes);
            if more {
                entry.heard(to + 1);
            }
            self.changed.conversations.insert(id);
            if let Some(timeline) = self.loaded_mut(id)
                && timeline.apply_changes(from, to, changes) == Applied::Done
            {
                self.changed.timelines.insert(id);
            }
            self.after(id, changes);
            if to > from {
                self.catch_up(id);
            } else if let Some(entry) = self.inbox.get_mut(id) {
                // Nothing to be had after `from`, whatever was heard: asking again would go on for ever.
                entry.known_up_to(to);
            }
        }
        self.check_complete();
    }

    /// What follows from changes that were applied or known: echoes go, people are asked for, counts become exact.
    fn after(&mut self, id: ConversationId, changes: &[Change]) {
        let rev = self.loaded(id).map(|timeline| timeline.rev());
        let mut saved = false;
        for change in changes {
            match &change.kind {
                ChangeKind::Posted { message } => {
                    self.people.want(message.sender);
                    saved |= self.mine_is_stored(message, rev);
                }
                ChangeKind::Joined { user, .. } => {
                    self.people.want(*user);
                }
                ChangeKind::Left { .. }
                | ChangeKind::Renamed { .. }
                | ChangeKind::Role { .. }
                | ChangeKind::Edited { .. }
                | ChangeKind::Recalled { .. }
                | ChangeKind::Reacted { .. }
                | ChangeKind::Pinned { .. }
                | ChangeKind::Access { .. }
                | ChangeKind::Unsupported => {}
            }
        }
        self.outbox.caught_up(id, rev);
        if saved {
            self.changed.timelines.insert(id);
            self.requests.push(Request::Save);
        }
        self.recount(id);
        if self.inbox.get(id).is_some_and(|entry| entry.lacks_members()) {
            self.fetch(id);
        }
    }

    /// A stored message that may be one of the unsent: its echo goes when the message itself is on the page.
    fn mine_is_stored(&mut self, message: &Message, rev: Option<u64>) -> bool {
        let Some(nonce) = message.nonce.as_ref().filter(|_| message.sender == self.me) else { return false };
        match rev {
            Some(rev) if rev < message.rev => self.outbox.stored(nonce, message.rev).is_some(),
            _ => self.outbox.settled(nonce),
        }
    }

    /// Makes an estimated unread count exact, from the cached messages or by asking.
    pub(super) fn recount(&mut self, id: ConversationId) {
        let me = self.me;
        let Some(entry) = self.inbox.get_mut(id) else { return };
        if !entry.is_estimated() {
            return;
        }
        if let Some(Loading::Here(timeline)) = self.timelines.get(&id).map(|slot| &slot.state) {
            entry.recount_from(|after, to| timeline.unread(me, after, to));
            self.changed.conversations.insert(id);
        }
    }

    fn refused(&mut self, refusal: &Refusal, moment: Moment) {
        if let Some(nonce) = refusal.nonce.as_ref().and_then(|nonce| nonce.parse().ok()) {
            let conversation = self.outbox.refused(&nonce, refusal, moment.now, moment.random);
            self.changed.timelines.extend(conversation);
            self.flush_outbox(moment.now);
        } else if refusal.in_reply_to.as_deref() == Some("sync") {
            // It does not say which: all are asked for again.
            self.syncing.clear();
            if refusal.retryable {
                self.sync_at = Some(moment.now + refusal.retry_after_ms.unwrap_or(SYNC_AGAIN));
            } else {
                self.check_complete();
            }
        }
    }

    /// The log cannot be continued: object and messages are loaded anew.
    fn reset(&mut self, id: ConversationId) {
        self.syncing.remove(&id);
        if self.inbox.get(id).is_some() {
            self.void.insert(id);
            self.fetch(id);
        }
        if self.timelines.contains_key(&id) {
            self.load(id, Span::Newest);
        }
        self.outbox.caught_up(id, None);
        self.check_complete();
    }

    fn read(&mut self, id: ConversationId, user: UserId, seq: u64, unread: Option<u64>) {
        let me = self.me;
        let Some(entry) = self.inbox.get_mut(id) else { return };
        if user == me {
            let cached = match self.timelines.get(&id).map(|slot| &slot.state) {
                Some(Loading::Here(timeline)) => Some(timeline),
                _ => None,
            };
            entry.read_elsewhere(seq, unread, |after, to| cached?.unread(me, after, to));
            if entry.is_estimated() {
                self.fetch(id);
            }
        } else {
            entry.member_read(user, seq);
        }
        self.changed.conversations.insert(id);
    }

    pub(super) fn check_complete(&mut self) {
        if self.syncing.is_empty() && self.sync_at.is_none() && self.void.is_empty() {
            self.catching_up = false;
        }
    }
}
