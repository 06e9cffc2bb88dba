//! Everything this tab knows, and how each frame, answer and wish changes it. Plain data: clock and chance are handed
//! in; what has to be done outside is left in [`World::take_requests`], what has to be drawn in
//! [`World::take_changed`].

mod acts;
mod answers;
mod company;
mod frames;
mod personal;
mod quotes;
#[cfg(test)]
mod tests;
mod wishes;

use crate::api::Span;
use crate::boot::Viewer;
use crate::inbox::Inbox;
use crate::outbox::Outbox;
use crate::people::People;
use crate::timeline::{Timeline, TimelineState};
use acts::Notices;
use company::Company;
use personal::Personal;
use protocol::{
    ClientFrame, Conversation, ConversationId, Epoch, MessageId, Nonce, Refusal, User, UserId, frame, limits,
};
use quotes::Quotes;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// Timelines kept; beyond it the one looked at longest ago is dropped, and loaded again when opened.
pub const TIMELINES: usize = 30;
/// Messages asked for at a time.
pub const PAGE: u32 = limits::PAGE_DEFAULT;
/// Milliseconds between two read marks of one conversation.
const READ_EVERY: u64 = 1_000;
/// Milliseconds until a refused `sync` is tried again, if the server says nothing.
const SYNC_AGAIN: u64 = 2_000;

/// The instant of an input: clock and chance, from outside.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// This device's clock: milliseconds since the Unix epoch.
    pub now: u64,
    /// In `0.0..1.0`.
    pub random: f64,
}

/// Something only the outside can do.
#[derive(Clone, Debug, PartialEq)]
pub enum Request {
    /// Put a frame into the socket.
    Frame(ClientFrame),
    /// Fetch a page of messages; the answer goes to [`World::page`].
    Page(Ask),
    /// Fetch a conversation; the answer goes to [`World::conversation_fetched`].
    Conversation(ConversationId),
    /// Fetch a message; the answer goes to [`World::message_fetched`].
    Message(MessageId),
    /// Keep this request until it is stored; also where it is kept already and has become another.
    Keep(Nonce),
    /// It is done with: keep it no longer. `stored` is the change it became, if it did.
    Drop {
        /// Its key.
        nonce: Nonce,
        /// The `rev` of the change.
        stored: Option<u64>,
    },
    /// It was refused for good: the other tabs show it too.
    Refused(Nonce, Refusal),
    /// The connection answers but brings nothing: make another.
    Reconnect,
    /// Somebody else wrote, as this change of a conversation that is not silent: make a sound, unless it is looked at.
    Ring(ConversationId, u64),
}

/// A question for a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ask {
    /// Of which conversation.
    pub conversation: ConversationId,
    /// Which messages.
    pub span: Span,
    /// Of which life of the timeline: an answer that comes after a reset is dropped.
    generation: u64,
}

/// What has to be drawn anew.
#[derive(Clone, Debug, Default)]
pub struct Changed {
    /// Entries of the list.
    pub conversations: HashSet<ConversationId>,
    /// Windows.
    pub timelines: HashSet<ConversationId>,
    /// People.
    pub people: HashSet<UserId>,
    /// Messages that are quoted.
    pub quoted: HashSet<MessageId>,
    /// Conversations where others begin or stop to write.
    pub typists: HashSet<ConversationId>,
}

/// Everything this tab knows.
#[derive(Debug)]
pub struct World {
    me: UserId,
    epoch: Epoch,
    /// The list.
    pub inbox: Inbox,
    /// My unsent messages.
    pub outbox: Outbox,
    /// The people.
    pub people: People,
    timelines: HashMap<ConversationId, Slot>,
    /// Counts up; gives timelines their age and their generation.
    count: u64,
    /// Whether `hello` is answered: only then frames go out.
    live: bool,
    /// Whether what happened before `live` is still being fetched.
    catching_up: bool,
    /// Conversations that were not named in `hello`: those the server does not send are no longer mine.
    unconfirmed: HashSet<ConversationId>,
    /// Conversations whose numbers are void: their objects replace what is here, whatever it is.
    void: HashSet<ConversationId>,
    /// Conversations with a `sync` on its way, and the pongs that came since.
    syncing: HashMap<ConversationId, u8>,
    /// When a refused `sync` may be tried again.
    sync_at: Option<u64>,
    /// Conversations whose object is being fetched.
    fetching: HashSet<ConversationId>,
    /// When each conversation's next read mark may go out. Emptied when it is due.
    reads: HashMap<ConversationId, u64>,
    /// Whether this tab is the one that sends: of several on one device only one does.
    sends: bool,
    /// This device's clock at the last input; 0 before the first.
    now: u64,
    personal: Personal,
    company: Company,
    quotes: Quotes,
    /// The last change of each conversation after which another message may be pinned.
    pins: HashMap<ConversationId, u64>,
    notices: Notices,
    requests: Vec<Request>,
    changed: Changed,
}

/// A conversation's messages, on the way or here.
#[derive(Debug)]
struct Slot {
    state: Loading,
    generation: u64,
    used: u64,
}

#[derive(Debug)]
enum Loading {
    /// On the way; from the beginning, or after a reset.
    Asked,
    Failed,
    Here(Timeline),
}

impl World {
    /// Starts from what the page carries.
    pub fn new(viewer: &Viewer) -> Self {
        let me = viewer.me.user.id;
        let mut world = Self {
            me,
            epoch: viewer.epoch,
            inbox: Inbox::new(me, &viewer.conversations),
            outbox: Outbox::default(),
            people: People::new(viewer.people.iter().chain([&viewer.me.user]).cloned()),
            timelines: HashMap::new(),
            count: 0,
            live: false,
            catching_up: false,
            unconfirmed: HashSet::new(),
            void: HashSet::new(),
            syncing: HashMap::new(),
            sync_at: None,
            fetching: HashSet::new(),
            reads: HashMap::new(),
            sends: true,
            now: 0,
            personal: Personal::default(),
            company: Company::default(),
            quotes: Quotes::default(),
            pins: HashMap::new(),
            notices: Notices::default(),
            requests: Vec::new(),
            changed: Changed::default(),
        };
        if let Some(open) = &viewer.open {
            let (first, last) = (open.page.messages.first(), open.page.messages.last());
            // A page that does not end with the newest message was fetched around one: that one is in its middle.
            let around = match (first, last) {
                (Some(first), Some(last)) if last.seq < open.page.head_seq => {
                    Some(first.seq.midpoint(last.seq))
                }
                _ => None,
            };
            world.quotes.know(open.page.quoted.iter());
            let slot = world.slot(open.conversation);
            slot.state = Loading::Here(Timeline::new(open.page.clone(), around));
        }
        world
    }

    /// What time it is.
    pub fn clock(&mut self, now: u64) {
        self.now = now;
    }

    /// What the outside has to do, in order.
    pub fn take_requests(&mut self) -> Vec<Request> {
        std::mem::take(&mut self.requests)
    }

    /// What has to be drawn anew.
    pub fn take_changed(&mut self) -> Changed {
        std::mem::take(&mut self.changed)
    }

    /// Whether the connection is live and everything that happened meanwhile is here.
    pub fn is_complete(&self) -> bool {
        self.live && !self.catching_up
    }

    /// A conversation's messages, for a view.
    pub fn timeline(&self, id: ConversationId) -> TimelineState {
        match self.timelines.get(&id).map(|slot| &slot.state) {
            None => TimelineState::Absent,
            Some(Loading::Asked) => TimelineState::Loading,
            Some(Loading::Failed) => TimelineState::Failed,
            Some(Loading::Here(timeline)) => {
                TimelineState::Ready(Arc::new(timeline.window(self.me, self.outbox.echoes(id))))
            }
        }
    }

    /// A conversation, with what I did to its last message.
    pub fn conversation(&self, id: ConversationId) -> Option<Conversation> {
        let mut conversation = self.inbox.get(id)?.conversation().clone();
        if let Some(message) = &mut conversation.last_message {
            self.show(message);
        }
        Some(conversation)
    }

    /// The change after which another message may be pinned.
    pub fn pins(&self, id: ConversationId) -> u64 {
        self.pins.get(&id).copied().unwrap_or_default()
    }

    /// The list: pinned ones first, then newest activity first.
    pub fn order(&self) -> Vec<ConversationId> {
        self.inbox.listed(self.now, false)
    }

    /// Those that are put away.
    pub fn archived(&self) -> Vec<ConversationId> {
        self.inbox.listed(self.now, true)
    }

    /// What is unread in all conversations, in silent ones only what names me.
    pub fn unread_total(&self) -> u64 {
        self.inbox.unread_total(self.now)
    }

    /// The first frame of a socket: what this tab has.
    pub fn hello(&mut self) -> ClientFrame {
        let named = self.inbox.named();
        self.unconfirmed = self.inbox.iter().map(|entry| entry.id()).collect();
        let (mut cursors, mut states) = (Vec::with_capacity(named.len()), Vec::with_capacity(named.len()));
        for id in named {
            if self.void.contains(&id) {
                continue; // left out: comes whole
            }
            let has = self.has(id);
            self.unconfirmed.remove(&id);
            if let (Some(has), Some(entry)) = (has, self.inbox.get_mut(id)) {
                let mark = entry.conversation().read_seq;
                // Either the server has this mark too, or it sends the conversation, which says what it has.
                entry.told(mark);
                cursors.push((id, has));
                states.push((id, entry.conversation().state()));
            }
        }
        ClientFrame::Hello {
            protocol: frame::PROTOCOL,
            epoch: Some(self.epoch),
            cursors: Some(cursors),
            states: Some(states),
        }
    }

    /// The connection is lost.
    pub fn disconnected(&mut self) {
        self.live = false;
        self.catching_up = false;
        self.syncing.clear();
        self.sync_at = None;
        self.reads.clear();
        self.personal_disconnected();
        self.company_disconnected();
        self.outbox.disconnected();
        for id in self.outbox.conversations() {
            self.changed.timelines.insert(id);
        }
    }

    /// Does what is due by now.
    pub fn tick(&mut self, moment: Moment) {
        if !self.live {
            return;
        }
        if self.sync_at.is_some_and(|at| at <= moment.now) {
            self.sync_at = None;
            for id in self.void.iter().copied().collect::<Vec<_>>() {
                self.fetch(id);
            }
            self.catch_up_all();
            self.check_complete();
        }
        self.flush_reads(moment.now);
        self.flush_personal(moment.now);
        self.flush_outbox(moment.now);
        self.end_typing(moment.now);
    }

    /// When [`World::tick`] has something to do again, if nothing else happens.
    pub fn wake_at(&mut self) -> Option<u64> {
        if !self.live {
            return None;
        }
        let reads = self.reads.values().copied().min();
        let outbox = if self.sends { self.outbox.wake_at() } else { None };
        let (personal, typing) = (self.personal.wake_at(), self.company.wake_at());
        [outbox, self.sync_at, reads, personal, typing].into_iter().flatten().min()
    }

    /// Takes in people learnt about.
    pub fn know_people(&mut self, people: Vec<User>) {
        let changed = self.people.know(people);
        self.changed.people.extend(changed);
    }

    /// The `rev` a conversation is complete to, list and messages together.
    fn has(&self, id: ConversationId) -> Option<u64> {
        let entry = self.inbox.get(id)?.rev();
        Some(match self.loaded(id) {
            Some(timeline) => timeline.rev().min(entry),
            None => entry,
        })
    }

    fn loaded(&self, id: ConversationId) -> Option<&Timeline> {
        match &self.timelines.get(&id)?.state {
            Loading::Here(timeline) => Some(timeline),
            Loading::Asked | Loading::Failed => None,
        }
    }

    fn loaded_mut(&mut self, id: ConversationId) -> Option<&mut Timeline> {
        match &mut self.timelines.get_mut(&id)?.state {
            Loading::Here(timeline) => Some(timeline),
            Loading::Asked | Loading::Failed => None,
        }
    }

    /// A conversation's slot, used just now; a new one pushes out the one used longest ago.
    fn slot(&mut self, id: ConversationId) -> &mut Slot {
        self.count += 1;
        let count = self.count;
        if !self.timelines.contains_key(&id) && self.timelines.len() >= TIMELINES {
            let oldest = self.timelines.iter().min_by_key(|(_, slot)| slot.used).map(|(id, _)| *id);
            if let Some(oldest) = oldest {
                self.timelines.remove(&oldest);
                self.changed.timelines.insert(oldest);
                self.outbox.caught_up(oldest, None);
            }
        }
        self.changed.timelines.insert(id);
        let slot = self.timelines.entry(id).or_insert(Slot {
            state: Loading::Failed,
            generation: count,
            used: count,
        });
        slot.used = count;
        slot
    }

    /// Loads a timeline from this page on, whatever is there.
    fn load(&mut self, id: ConversationId, span: Span) {
        let slot = self.slot(id);
        slot.state = Loading::Asked;
        slot.generation = slot.used;
        let ask = Ask { conversation: id, span, generation: slot.generation };
        self.requests.push(Request::Page(ask));
    }

    /// Asks a loaded timeline's question.
    fn ask(&mut self, id: ConversationId, span: Option<Span>) {
        self.changed.timelines.insert(id);
        if let (Some(span), Some(slot)) = (span, self.timelines.get(&id)) {
            let ask = Ask { conversation: id, span, generation: slot.generation };
            self.requests.push(Request::Page(ask));
        }
    }

    /// Fetches a conversation's object, once at a time.
    fn fetch(&mut self, id: ConversationId) {
        if self.fetching.insert(id) {
            self.requests.push(Request::Conversation(id));
        }
    }

    /// Fetches what is missing of a conversation, if something is: one `sync` at a time.
    fn catch_up(&mut self, id: ConversationId) {
        let Some(entry) = self.inbox.get(id) else { return };
        let known = entry.known_rev();
        let Some(has) = self.has(id) else { return };
        if self.live && has < known && !self.void.contains(&id) && !self.syncing.contains_key(&id) {
            self.syncing.insert(id, 0);
            self.requests.push(Request::Frame(ClientFrame::Sync { conversation: id, after: has }));
        }
    }

    fn catch_up_all(&mut self) {
        let behind: Vec<_> = self.inbox.iter().map(|entry| entry.id()).collect();
        for id in behind {
            self.catch_up(id);
        }
    }

    /// Drops a conversation and everything of it.
    fn drop_conversation(&mut self, id: ConversationId) {
        self.inbox.remove(id);
        self.timelines.remove(&id);
        self.syncing.remove(&id);
        self.reads.remove(&id);
        self.unconfirmed.remove(&id);
        self.void.remove(&id);
        self.personal.forget(id);
        self.pins.remove(&id);
        self.company.forget(id);
        for nonce in self.outbox.forget(id) {
            self.requests.push(Request::Drop { nonce, stored: None });
        }
        self.changed.conversations.insert(id);
        self.changed.timelines.insert(id);
        self.check_complete();
    }
}
