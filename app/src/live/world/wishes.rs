//! What views ask for.

use super::{Loading, Moment, Request, World};
use crate::api::Span;
use crate::timeline::Timeline;
use protocol::{ClientFrame, Conversation, ConversationId, User};

impl World {
    /// Loads a conversation's newest page, unless it is there or on its way.
    pub fn open(&mut self, id: ConversationId) {
        match self.timelines.get(&id).map(|slot| &slot.state) {
            None | Some(Loading::Failed) => self.load(id, Span::Newest),
            Some(Loading::Asked | Loading::Here(_)) => {
                self.slot(id);
            }
        }
        self.find(id);
    }

    /// Fetches a conversation that is looked at but not in the list.
    fn find(&mut self, id: ConversationId) {
        if self.inbox.get(id).is_none() {
            self.fetch(id);
        }
    }

    /// Moves the window towards older messages.
    pub fn show_older(&mut self, id: ConversationId) {
        self.slide(id, Timeline::show_older);
    }

    /// Moves the window towards newer messages.
    pub fn show_newer(&mut self, id: ConversationId) {
        self.slide(id, Timeline::show_newer);
    }

    /// Moves the window to the newest message.
    pub fn show_newest(&mut self, id: ConversationId) {
        self.slide(id, Timeline::show_newest);
    }

    /// Moves the window around a message, also of a conversation that is not loaded yet.
    pub fn show_around(&mut self, id: ConversationId, seq: u64) {
        if self.loaded(id).is_some() {
            self.slot(id);
            self.slide(id, |timeline| timeline.show_around(seq));
        } else {
            self.load(id, Span::Around(seq));
            self.find(id);
        }
    }

    fn slide(&mut self, id: ConversationId, way: impl FnOnce(&mut Timeline) -> Option<Span>) {
        if let Some(timeline) = self.loaded_mut(id) {
            let span = way(timeline);
            self.ask(id, span);
        }
    }

    /// I have read up to `seq`.
    pub fn mark_read(&mut self, id: ConversationId, seq: u64, moment: Moment) {
        let me = self.me;
        let Some(entry) = self.inbox.get_mut(id) else { return };
        let cached = match self.timelines.get(&id).map(|slot| &slot.state) {
            Some(Loading::Here(timeline)) => Some(timeline),
            _ => None,
        };
        if entry.read(seq, |after, to| cached?.unread(me, after, to)) {
            self.changed.conversations.insert(id);
            self.notice_reads(moment.now);
        }
        self.unkeep(id, moment);
    }

    /// Takes in a conversation the page just created or changed.
    pub fn know(&mut self, conversation: Conversation, people: Vec<User>, moment: Moment) {
        self.know_people(people);
        self.unconfirmed.remove(&conversation.id);
        self.put(conversation, moment);
    }

    /// Drops a conversation the page just left.
    pub fn forget(&mut self, id: ConversationId) {
        self.drop_conversation(id);
    }

    /// Plans to send the marks the server does not have yet.
    pub(super) fn notice_reads(&mut self, now: u64) {
        if !self.live {
            return;
        }
        for entry in self.inbox.iter().filter(|entry| entry.untold().is_some()) {
            self.reads.entry(entry.id()).or_insert(now);
        }
        self.flush_reads(now);
    }

    /// Sends the marks that are due. A sent one holds the next one of its conversation back for a second.
    pub(super) fn flush_reads(&mut self, now: u64) {
        let due: Vec<_> = self.reads.iter().filter(|(_, at)| **at <= now).map(|(id, _)| *id).collect();
        for id in due {
            self.reads.remove(&id);
            let Some(entry) = self.inbox.get_mut(id) else { continue };
            if let Some(seq) = entry.untold() {
                entry.told(seq);
                self.requests.push(Request::Frame(ClientFrame::Read { conversation: id, seq }));
                self.reads.insert(id, now + super::READ_EVERY);
            } else if entry.is_estimated() {
                // The server has had a second to take the mark; now it can count.
                self.fetch(id);
            }
        }
    }
}
