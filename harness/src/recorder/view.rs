//! What a device has on its screen, and what it knows to be missing. It decides; nothing here waits or sends.

use crate::Replica;
use crate::history::{Seen, Truth};
use crate::replica::Applied;
use protocol::conversation::state;
use protocol::rest::Messages;
use protocol::{Change, ChangeKind, Conversation, ConversationId, Epoch, Message, Settings, UserId};
use std::collections::BTreeMap;

/// Everything a device has.
#[derive(Debug)]
pub struct View {
    me: UserId,
    /// Incarnation of the database that all this belongs to.
    pub epoch: Option<Epoch>,
    replica: Replica,
    held: BTreeMap<ConversationId, Held>,
}

/// What is known of one conversation beside its messages.
#[derive(Clone, Debug, Default)]
struct Held {
    /// The messages before it were never loaded.
    from_seq: u64,
    head_seq: u64,
    read_seq: u64,
    /// Everybody's marks, as far as they are told; with them and the settings `hello` names what is no change.
    marks: BTreeMap<UserId, u64>,
    settings: Settings,
    /// The highest `rev` heard of.
    told: u64,
    /// A `sync` is on its way.
    syncing: bool,
    /// Dropped by `reset`, or new: its page has to be loaded.
    unloaded: bool,
    /// A `rev` that a `pong` told of and that was missing then.
    missing: Option<u64>,
}

impl View {
    /// Nothing yet.
    pub fn new(me: UserId) -> Self {
        Self { me, epoch: None, replica: Replica::default(), held: BTreeMap::new() }
    }

    /// Whether the device has a conversation.
    pub fn holds(&self, conversation: ConversationId) -> bool {
        self.held.contains_key(&conversation)
    }

    /// What it has.
    pub fn conversations(&self) -> impl Iterator<Item = ConversationId> {
        self.held.keys().copied()
    }

    /// The last applied `rev`, 0 for what it does not have.
    pub fn rev(&self, conversation: ConversationId) -> u64 {
        self.replica.cursors.get(&conversation).copied().unwrap_or_default()
    }

    /// The newest message it has.
    pub fn head_seq(&self, conversation: ConversationId) -> u64 {
        self.held.get(&conversation).map_or(0, |held| held.head_seq)
    }

    /// Its user's read mark as it has it.
    pub fn read_seq(&self, conversation: ConversationId) -> u64 {
        self.held.get(&conversation).map_or(0, |held| held.read_seq)
    }

    /// For `hello`: cursors of what is loaded.
    pub fn cursors(&self) -> Vec<(ConversationId, u64)> {
        self.held.keys().map(|id| (*id, self.rev(*id))).collect()
    }

    /// For `hello`: states. A state that is not the server's brings the object again, nothing more.
    pub fn states(&self) -> Vec<(ConversationId, u32)> {
        let of = |held: &Held| state(held.read_seq, held.marks.values().sum(), &held.settings);
        self.held.iter().map(|(id, held)| (*id, of(held))).collect()
    }

    /// Whether a message is one that the device has never had.
    pub fn is_new(&self, message: &Message) -> bool {
        message.seq > self.head_seq(message.conversation)
    }

    /// Takes a conversation object in. A known conversation keeps what it has; what it lacks is then known to be
    /// missing.
    pub fn take_head(&mut self, head: &Conversation) {
        let id = head.id;
        if !self.holds(id) {
            self.replica.replace(id, Vec::new(), head.head_rev);
            let held = Held {
                from_seq: head.head_seq,
                head_seq: head.head_seq,
                unloaded: head.head_seq > 0,
                ..Held::default()
            };
            self.held.insert(id, held);
        }
        if let Some(held) = self.held.get_mut(&id) {
            held.read_seq = held.read_seq.max(head.read_seq);
            held.told = held.told.max(head.head_rev);
            held.marks = head.members.iter().map(|member| (member.user, member.read_seq)).collect();
            held.settings = head.settings.clone();
        }
    }

    /// Takes a page in, as the whole of what the device has of the conversation.
    pub fn take_page(&mut self, id: ConversationId, page: Messages) {
        let Some(held) = self.held.get_mut(&id) else { return };
        held.from_seq = page.messages.first().map_or(page.head_seq, |first| first.seq.saturating_sub(1));
        held.head_seq = page.head_seq;
        held.told = held.told.max(page.head_rev);
        held.unloaded = false;
        // Sending raises one's own mark, however the message comes back.
        let own =
            page.messages.iter().rev().find(|message| message.sender == self.me).map(|message| message.seq);
        self.replica.replace(id, page.messages, page.head_rev);
        if let Some(seq) = own {
            self.mark(id, seq);
        }
    }

    /// Applies a change by the rule for clients. Only of a conversation it holds.
    pub fn apply(&mut self, id: ConversationId, change: &Change) -> Applied {
        let applied = self.replica.apply(id, change);
        if let Some(held) = self.held.get_mut(&id) {
            held.told = held.told.max(change.rev);
            if let (Applied::Yes, ChangeKind::Posted { message }) = (applied, &change.kind) {
                held.head_seq = held.head_seq.max(message.seq);
                raise(&mut held.marks, message.sender, message.seq);
                if message.sender == self.me {
                    held.read_seq = held.read_seq.max(message.seq);
                }
            }
        }
        applied
    }

    /// Somebody told of a `rev`. Returns whether it is missing.
    pub fn hear(&mut self, id: ConversationId, rev: u64) -> bool {
        let have = self.rev(id);
        let Some(held) = self.held.get_mut(&id) else { return false };
        held.told = held.told.max(rev);
        if rev > have {
            held.missing = Some(held.missing.map_or(rev, |missing| missing.max(rev)));
        }
        rev > have
    }

    /// One beat later: what was told of and has still not come, the `rev` it has and the one told of. What has come
    /// is forgotten.
    pub fn still_missing(&mut self) -> Vec<(ConversationId, u64, u64)> {
        let revs = &self.replica.cursors;
        self.held
            .iter_mut()
            .filter_map(|(id, held)| {
                let have = revs.get(id).copied().unwrap_or_default();
                let missing = held.missing.take().filter(|missing| *missing > have)?;
                Some((*id, have, missing))
            })
            .collect()
    }

    /// The user's mark is at least here.
    pub fn mark(&mut self, id: ConversationId, seq: u64) {
        if let Some(held) = self.held.get_mut(&id) {
            held.read_seq = held.read_seq.max(seq);
            raise(&mut held.marks, self.me, seq);
        }
    }

    /// Somebody's mark is at least here.
    pub fn marked(&mut self, id: ConversationId, user: UserId, seq: u64) {
        if user == self.me {
            self.mark(id, seq);
        } else if let Some(held) = self.held.get_mut(&id) {
            raise(&mut held.marks, user, seq);
        }
    }

    /// The user's settings are these.
    pub fn set(&mut self, id: ConversationId, settings: Settings) {
        if let Some(held) = self.held.get_mut(&id) {
            held.settings = settings;
        }
    }

    /// A conversation that is behind and not being fetched; it counts as being fetched from now on. Returns the last
    /// applied `rev`.
    pub fn take_behind(&mut self) -> Option<(ConversationId, u64)> {
        let revs = &self.replica.cursors;
        self.held.iter_mut().find_map(|(id, held)| {
            let have = revs.get(id).copied().unwrap_or_default();
            if held.syncing || held.unloaded || held.told <= have {
                return None;
            }
            held.syncing = true;
            Some((*id, have))
        })
    }

    /// An answer to `sync` has come: complete up to `to`.
    pub fn synced(&mut self, id: ConversationId, to: u64) {
        if let Some(held) = self.held.get_mut(&id) {
            held.syncing = false;
            let rev = self.replica.cursors.entry(id).or_default();
            *rev = (*rev).max(to);
        }
    }

    /// Answers on their way will not come.
    pub fn unanswered(&mut self) {
        for held in self.held.values_mut() {
            held.syncing = false;
            held.missing = None;
        }
    }

    /// Drops what it has of a conversation; its page has to be loaded.
    pub fn reset(&mut self, id: ConversationId) {
        if let Some(held) = self.held.get_mut(&id) {
            *held = Held { unloaded: true, read_seq: held.read_seq, ..Held::default() };
            self.replica.replace(id, Vec::new(), 0);
        }
    }

    /// A conversation whose page has to be loaded.
    pub fn unloaded(&self) -> Option<ConversationId> {
        self.held.iter().find(|(_, held)| held.unloaded).map(|(id, _)| *id)
    }

    /// Whether anything is known to be on its way.
    pub fn is_settled(&self) -> bool {
        self.held.iter().all(|(id, held)| !held.syncing && !held.unloaded && held.told <= self.rev(*id))
    }

    /// No member any more. Returns whether it had the conversation.
    pub fn forget(&mut self, id: ConversationId) -> bool {
        self.replica.forget(id);
        self.held.remove(&id).is_some()
    }

    /// Another database: all it has is void.
    pub fn clear(&mut self) {
        *self = Self::new(self.me);
    }

    /// What is on the screen.
    pub fn screens(&self) -> Vec<Truth> {
        self.held.iter().map(|(id, held)| self.screen(*id, held)).collect()
    }

    fn screen(&self, id: ConversationId, held: &Held) -> Truth {
        let messages = self.replica.messages.get(&id).map(Vec::as_slice).unwrap_or_default();
        let unread = messages
            .iter()
            .filter(|message| message.seq > held.read_seq && message.sender != self.me && !message.recalled);
        let naming = unread.clone().filter(|message| message.names(self.me));
        // Only countable where everything after the mark was loaded.
        let countable = held.from_seq <= held.read_seq;
        Truth {
            conversation: id,
            from_seq: held.from_seq,
            messages: messages.iter().map(Seen::from).collect(),
            head_seq: held.head_seq,
            head_rev: self.rev(id),
            read_seq: held.read_seq,
            unread: countable.then(|| unread.count() as u64),
            mentions: countable.then(|| naming.count() as u64),
        }
    }
}

/// Marks only go forward. Somebody whose mark is not told has none here either.
fn raise(marks: &mut BTreeMap<UserId, u64>, user: UserId, seq: u64) {
    if let Some(mark) = marks.get_mut(&user) {
        *mark = (*mark).max(seq);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::MessageId;

    fn head(id: ConversationId, head_rev: u64) -> Conversation {
        Conversation {
            id,
            kind: protocol::Kind::Group,
            title: String::new(),
            head_seq: 0,
            head_rev,
            read_seq: 0,
            unread: 0,
            mentions: 0,
            last_message: None,
            members: Vec::new(),
            member_count: 0,
            public: false,
            history: protocol::History::Join,
            settings: Settings::default(),
        }
    }

    fn joined(rev: u64) -> Change {
        Change::new(rev, ChangeKind::Joined { by: UserId::generate(), user: UserId::generate() })
    }

    #[test]
    fn what_a_pong_told_of_is_missed_one_beat_later_and_not_before() {
        let room = ConversationId::generate();
        let mut view = View::new(UserId::generate());
        view.take_head(&head(room, 3));
        assert!(!view.hear(room, 3));
        assert!(view.hear(room, 4));
        assert_eq!(view.apply(room, &joined(4)), Applied::Yes);
        assert_eq!(view.still_missing(), []);
        assert!(view.hear(room, 6));
        assert_eq!(view.still_missing(), [(room, 4, 6)]);
    }

    #[test]
    fn what_is_behind_is_asked_for_once_until_it_is_answered() {
        let room = ConversationId::generate();
        let mut view = View::new(UserId::generate());
        view.take_head(&head(room, 3));
        view.take_head(&head(room, 5));
        assert_eq!(view.take_behind(), Some((room, 3)));
        // What comes meanwhile is known of, and asked for when the answer does not reach that far.
        assert_eq!(view.apply(room, &joined(7)), Applied::Gap { last: 3, came: 7 });
        assert_eq!(view.take_behind(), None);
        view.synced(room, 6);
        assert_eq!(view.take_behind(), Some((room, 6)));
        view.synced(room, 7);
        assert!(view.is_settled());
    }

    #[test]
    fn a_screen_counts_what_is_unread_only_where_it_has_all_of_it() {
        let (room, me) = (ConversationId::generate(), UserId::generate());
        let mut view = View::new(me);
        view.take_head(&Conversation { head_seq: 300, read_seq: 10, ..head(room, 300) });
        assert_eq!(view.unloaded(), Some(room));
        let message = |seq, sender| Message {
            id: MessageId::generate(),
            conversation: room,
            seq,
            rev: seq,
            sender,
            nonce: None,
            body: protocol::Body::Recalled,
            sent_at: "2026-11-21T08:00:00.000Z".parse().unwrap(),
            edited_at: None,
            recalled: false,
            reply_to: None,
            mentions: Vec::new(),
            mentions_all: false,
            reactions: Vec::new(),
            pinned: false,
        };
        let messages = (298..=300).map(|seq| message(seq, UserId::generate())).collect();
        let page = Messages { messages, quoted: vec![], happened: vec![], head_seq: 300, head_rev: 300 };
        view.take_page(room, page);
        assert_eq!(view.screens()[0].unread, None);
        view.mark(room, 298);
        assert_eq!(view.screens()[0].unread, Some(2));
        let change = Change::new(301, ChangeKind::Posted { message: message(301, me) });
        assert_eq!(view.apply(room, &change), Applied::Yes);
        assert_eq!((view.screens()[0].unread, view.read_seq(room)), (Some(0), 301));
        // My own message in a page, not as a change.
        let messages = vec![message(302, UserId::generate()), message(303, me)];
        let page = Messages { messages, quoted: vec![], happened: vec![], head_seq: 303, head_rev: 303 };
        view.take_page(room, page);
        assert_eq!(view.read_seq(room), 303);
    }
}
