//! What each frame of the server does.

use super::{Loading, Moment, Request, SYNC_AGAIN, World};
use crate::api::Span;
use crate::inbox::Entry;
use crate::outbox::Act;
use crate::timeline::Applied;
use protocol::{
    Change, ChangeKind, Conversation, ConversationId, Epoch, Message, Nonce, Refusal, ServerFrame, Timestamp,
    UserId,
};

/// Pongs a `sync` may be without its answer; at the next one the connection is taken for deaf.
const SYNC_PONGS: u8 = 1;

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
            ServerFrame::Ack { nonce, message, .. } => self.acked(nonce, message, moment),
            ServerFrame::Refused(refusal) => self.refused(&refusal, moment),
            ServerFrame::Event { conversation, change, .. } => {
                self.hear(conversation, &change, moment);
                self.change(conversation, change, moment);
            }
            ServerFrame::Changes { conversation, from, to, changes, more } => {
                self.changes(conversation, from, to, changes, more, moment);
                self.flush_outbox(moment.now);
            }
            ServerFrame::Reset { conversation, .. } => self.reset(conversation),
            ServerFrame::Read { conversation, user, seq, unread, mentions } => {
                self.read(conversation, user, seq, unread.zip(mentions.or(Some(0))));
            }
            ServerFrame::Settings { conversation, settings, unread, mentions } => {
                self.settings(conversation, settings, (unread, mentions), moment);
            }
            ServerFrame::Typing { conversation, user } => self.types(conversation, user, moment.now),
            ServerFrame::Presence { user, state, last_seen } => {
                let changed = self.people.stepped(user, state, last_seen);
                self.changed.people.extend(changed);
            }
            ServerFrame::Present { online, away } => {
                let changed = self.people.present(&online, &away);
                self.changed.people.extend(changed);
            }
            ServerFrame::Pong { heads, .. } => self.ponged(heads),
            // The connection's own: it knows what to do when the socket closes.
            ServerFrame::Bye { .. } | ServerFrame::Unsupported => {}
        }
        self.notice_reads(moment.now);
    }

    /// What moved, and whether what was asked for before the last pong still has not come.
    fn ponged(&mut self, heads: Vec<(ConversationId, u64)>) {
        self.personal_ponged();
        let mut deaf = false;
        for pongs in self.syncing.values_mut() {
            deaf |= *pongs == SYNC_PONGS;
            *pongs += 1;
        }
        if deaf {
            self.requests.push(Request::Reconnect);
        }
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

    /// A request of mine is stored: what it did comes with its answer.
    fn acked(&mut self, nonce: Nonce, mut message: Message, moment: Moment) {
        let (id, rev) = (message.conversation, message.rev);
        let act = self.outbox.get(&nonce).cloned();
        let change = match &act {
            Some(act) => {
                if let Act::Send { .. } = act {
                    message.nonce = Some(nonce.clone());
                }
                act.change(message)
            }
            // Another tab's, or settled before: a message that is not known is new.
            None if message.recalled => ChangeKind::Recalled { message },
            None => ChangeKind::Posted { message },
        };
        self.change(id, Change::new(rev, change), moment);
        if self.inbox.get(id).is_none() {
            self.settle(&nonce, Some(rev));
        } else {
            self.mine_is_stored(id, &nonce, rev);
        }
        self.flush_outbox(moment.now);
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
        if self.inbox.get(id).is_some_and(|entry| entry.rev() < conversation.head_rev) {
            self.pins.insert(id, conversation.head_rev); // what happened between is not told
        }
        let now = i64::try_from(moment.now).unwrap_or(i64::MAX);
        if self.void.remove(&id) {
            self.inbox.put_anew(conversation, now);
        } else {
            self.inbox.put(conversation, now);
        }
        self.show_wish_anew(id);
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
        self.ask_for_quotes();
        self.say_away();
        self.flush_personal(moment.now);
        self.catch_up_all();
        self.catching_up = true;
        self.check_complete();
        let unknown = self.outbox.conversations().into_iter().filter(|id| self.inbox.get(*id).is_none());
        for id in unknown.collect::<Vec<_>>() {
            self.drop_conversation(id); // unsent messages to a conversation that is no longer mine
        }
        self.flush_outbox(moment.now);
    }

    /// Rings for what somebody else writes now. What is caught up comes in answers, and is no news.
    fn hear(&mut self, id: ConversationId, change: &Change, moment: Moment) {
        let ChangeKind::Posted { message } = &change.kind else { return };
        // One that is not here yet begins with this.
        let calls = |entry: &Entry| change.rev > entry.rev() && !entry.is_muted(moment.now);
        if self.live && message.sender != self.me && self.inbox.get(id).is_none_or(calls) {
            self.requests.push(Request::Ring(id, change.rev));
        }
    }

    /// Applies one change to the list and to the messages, each by its own position.
    fn change(&mut self, id: ConversationId, mut change: Change, moment: Moment) {
        self.place(id, &mut change, moment);
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

    fn changes(
        &mut self,
        id: ConversationId,
        from: u64,
        to: u64,
        mut changes: Vec<Change>,
        more: bool,
        moment: Moment,
    ) {
        self.syncing.remove(&id);
        for change in &mut changes {
            self.place(id, change, moment);
        }
        let left = changes.iter().rev().find_map(|change| match &change.kind {
            ChangeKind::Left { user, .. } if *user == self.me => Some(false),
            ChangeKind::Joined { user, .. } if *user == self.me => Some(true),
            _ => None,
        });
        if left == Some(false) {
            self.drop_conversation(id);
        } else if let Some(entry) = self.inbox.get_mut(id) {
            entry.apply_changes(from, to, &changes);
            if more {
                entry.heard(to + 1);
            }
            self.changed.conversations.insert(id);
            if let Some(timeline) = self.loaded_mut(id)
                && timeline.apply_changes(from, to, &changes) == Applied::Done
            {
                self.changed.timelines.insert(id);
            }
            self.after(id, &changes);
            if to > from {
                self.catch_up(id);
            } else if let Some(entry) = self.inbox.get_mut(id) {
                // Nothing to be had after `from`, whatever was heard: asking again would go on for ever.
                entry.known_up_to(to);
            }
        }
        self.check_complete();
    }

    /// A change that is no message and does not say when and where is taken to happen now.
    fn place(&self, id: ConversationId, change: &mut Change, moment: Moment) {
        if change.kind.message().is_none() {
            let head = self.inbox.get(id).map(|entry| entry.conversation().head_seq);
            change.after = change.after.or(head);
            let now = || Timestamp::from_millis(i64::try_from(moment.now).unwrap_or(i64::MAX));
            change.at.get_or_insert_with(now);
        }
    }

    /// What follows from changes that were applied or known: echoes go, people are asked for, counts become exact.
    fn after(&mut self, id: ConversationId, changes: &[Change]) {
        for change in changes {
            if let Some(message) = change.kind.message() {
                self.people.want(message.sender);
                self.learn(message);
            }
            match &change.kind {
                ChangeKind::Posted { message } => {
                    self.wrote(id, message.sender);
                    if message.sender == self.me {
                        self.unkept(id);
                    }
                    if let Some(nonce) = message.nonce.as_ref().filter(|_| message.sender == self.me) {
                        self.mine_is_stored(id, nonce, message.rev);
                    }
                }
                ChangeKind::Pinned { .. } | ChangeKind::Recalled { .. } | ChangeKind::Edited { .. } => {
                    self.pins.insert(id, change.rev);
                }
                ChangeKind::Joined { by, user }
                | ChangeKind::Left { by, user }
                | ChangeKind::Role { by, user, .. } => {
                    self.people.want(*by);
                    self.people.want(*user);
                }
                ChangeKind::Renamed { by, .. } | ChangeKind::Access { by, .. } => {
                    self.people.want(*by);
                }
                _ => {}
            }
        }
        let rev = self.loaded(id).map(|timeline| timeline.rev());
        self.outbox.caught_up(id, rev);
        self.recount(id);
        if self.inbox.get(id).is_some_and(|entry| entry.lacks_members() || entry.is_stale()) {
            self.fetch(id);
        }
    }

    /// A request of mine is stored as change `rev`: what it shows goes when that is on the page.
    pub(super) fn mine_is_stored(&mut self, id: ConversationId, nonce: &Nonce, rev: u64) {
        match self.loaded(id).map(|timeline| timeline.rev()) {
            Some(has) if has < rev => {
                if self.outbox.stored(nonce, rev).is_some() {
                    self.changed.timelines.insert(id);
                    self.requests.push(Request::Drop { nonce: nonce.clone(), stored: Some(rev) });
                }
            }
            _ => self.settle(nonce, Some(rev)),
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

    /// Has the server count where this tab cannot.
    pub(super) fn count_anew(&mut self, id: ConversationId) {
        if self.inbox.get(id).is_some_and(|entry| entry.is_estimated()) {
            self.fetch(id);
        }
    }

    fn refused(&mut self, refusal: &Refusal, moment: Moment) {
        if let Some(nonce) = refusal.nonce.as_ref().and_then(|nonce| nonce.parse().ok()) {
            self.request_refused(&nonce, refusal, moment);
            self.flush_outbox(moment.now);
        } else if refusal.in_reply_to.as_deref() == Some("sync") {
            // It does not say which: all are asked for again.
            self.syncing.clear();
            if refusal.retryable {
                self.sync_at = Some(moment.now + refusal.retry_after_ms.unwrap_or(SYNC_AGAIN));
            } else {
                self.check_complete();
            }
        } else if matches!(refusal.in_reply_to.as_deref(), Some("settings" | "unread")) {
            self.personal_refused();
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

    fn read(&mut self, id: ConversationId, user: UserId, seq: u64, counted: Option<(u64, u64)>) {
        let me = self.me;
        let Some(entry) = self.inbox.get_mut(id) else { return };
        if user == me && seq < entry.conversation().read_seq {
            // Of several nodes one may be late with it.
            return;
        }
        if user == me {
            let cached = match self.timelines.get(&id).map(|slot| &slot.state) {
                Some(Loading::Here(timeline)) => Some(timeline),
                _ => None,
            };
            entry.read_elsewhere(seq, counted, |after, to| cached?.unread(me, after, to));
            self.unkept(id);
            self.count_anew(id);
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
