//! The signals views read. One per conversation, per timeline and per person somebody looked at, so that an event
//! redraws what it touches and nothing else.

use super::world::{Changed, World};
use super::{Link, Notice};
use crate::timeline::{Quoted, TimelineState};
use leptos::prelude::*;
use protocol::{Conversation, ConversationId, MessageId, User, UserId};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::Hash;

/// They live as long as the tab: reference-counted, so that a view that goes does not take them along.
pub(super) struct Signals {
    pub(super) started: bool,
    pub(super) link: ArcRwSignal<Link>,
    pub(super) waiting: ArcRwSignal<usize>,
    pub(super) unread_total: ArcRwSignal<u64>,
    pub(super) order: ArcRwSignal<Vec<ConversationId>>,
    pub(super) archived: ArcRwSignal<Vec<ConversationId>>,
    pub(super) notices: ArcRwSignal<Vec<Notice>>,
    conversations: HashMap<ConversationId, ArcRwSignal<Option<Conversation>>>,
    timelines: HashMap<ConversationId, ArcRwSignal<TimelineState>>,
    people: HashMap<UserId, ArcRwSignal<Option<User>>>,
    quoted: HashMap<MessageId, ArcRwSignal<Quoted>>,
    typists: HashMap<ConversationId, ArcRwSignal<Vec<UserId>>>,
    pins: HashMap<ConversationId, ArcRwSignal<u64>>,
}

impl Signals {
    pub(super) fn new(world: &World) -> Self {
        Self {
            started: false,
            link: ArcRwSignal::new(Link::Live),
            waiting: ArcRwSignal::new(world.outbox.waiting()),
            unread_total: ArcRwSignal::new(world.unread_total()),
            order: ArcRwSignal::new(world.order()),
            archived: ArcRwSignal::new(world.archived()),
            notices: ArcRwSignal::new(Vec::new()),
            conversations: HashMap::new(),
            timelines: HashMap::new(),
            people: HashMap::new(),
            quoted: HashMap::new(),
            typists: HashMap::new(),
            pins: HashMap::new(),
        }
    }

    pub(super) fn conversation(
        &mut self,
        world: &World,
        id: ConversationId,
    ) -> ArcRwSignal<Option<Conversation>> {
        looked_at(&mut self.conversations, id, || world.conversation(id))
    }

    pub(super) fn timeline(&mut self, world: &World, id: ConversationId) -> ArcRwSignal<TimelineState> {
        looked_at(&mut self.timelines, id, || world.timeline(id))
    }

    pub(super) fn person(&mut self, world: &World, id: UserId) -> ArcRwSignal<Option<User>> {
        looked_at(&mut self.people, id, || world.people.get(id).cloned())
    }

    pub(super) fn quoted(&mut self, world: &World, id: MessageId) -> ArcRwSignal<Quoted> {
        looked_at(&mut self.quoted, id, || world.quoted(id))
    }

    pub(super) fn typists(&mut self, world: &World, id: ConversationId) -> ArcRwSignal<Vec<UserId>> {
        looked_at(&mut self.typists, id, || world.typists(id))
    }

    pub(super) fn pins(&mut self, world: &World, id: ConversationId) -> ArcRwSignal<u64> {
        looked_at(&mut self.pins, id, || world.pins(id))
    }

    /// What every changed thing looks like now; nothing for those nobody looked at.
    pub(super) fn drawing(&self, world: &World, changed: &Changed, link: Link) -> Drawing {
        Drawing {
            link: (self.link.clone(), link),
            waiting: (self.waiting.clone(), world.outbox.waiting()),
            unread_total: (self.unread_total.clone(), world.unread_total()),
            order: (self.order.clone(), world.order()),
            archived: (self.archived.clone(), world.archived()),
            notices: (self.notices.clone(), world.notices()),
            conversations: now(&self.conversations, changed.conversations.iter(), |id| {
                world.conversation(id)
            }),
            timelines: now(&self.timelines, changed.timelines.iter(), |id| world.timeline(id)),
            people: now(&self.people, changed.people.iter(), |id| world.people.get(id).cloned()),
            quoted: now(&self.quoted, changed.quoted.iter(), |id| world.quoted(id)),
            pins: now(&self.pins, changed.conversations.iter(), |id| world.pins(id)),
            typists: now(&self.typists, changed.typists.iter(), |id| world.typists(id)),
        }
    }
}

fn looked_at<K: Eq + Hash, T: 'static>(
    signals: &mut HashMap<K, ArcRwSignal<T>>,
    id: K,
    value: impl FnOnce() -> T,
) -> ArcRwSignal<T> {
    match signals.entry(id) {
        Entry::Occupied(signal) => signal.get().clone(),
        Entry::Vacant(place) => place.insert(ArcRwSignal::new(value())).clone(),
    }
}

type Drawn<T> = (ArcRwSignal<T>, T);

fn now<'a, K: Copy + Eq + Hash + 'a, T: 'static>(
    signals: &HashMap<K, ArcRwSignal<T>>,
    ids: impl Iterator<Item = &'a K>,
    value: impl Fn(K) -> T,
) -> Vec<Drawn<T>> {
    ids.filter_map(|id| signals.get(id).map(|signal| (signal.clone(), value(*id)))).collect()
}

/// New values, not yet in their signals.
pub(super) struct Drawing {
    link: Drawn<Link>,
    waiting: Drawn<usize>,
    unread_total: Drawn<u64>,
    order: Drawn<Vec<ConversationId>>,
    archived: Drawn<Vec<ConversationId>>,
    notices: Drawn<Vec<Notice>>,
    conversations: Vec<Drawn<Option<Conversation>>>,
    timelines: Vec<Drawn<TimelineState>>,
    people: Vec<Drawn<Option<User>>>,
    quoted: Vec<Drawn<Quoted>>,
    typists: Vec<Drawn<Vec<UserId>>>,
    pins: Vec<Drawn<u64>>,
}

impl Drawing {
    /// Puts them in. Who looks at one that stays the same hears nothing.
    pub(super) fn draw(self) {
        self.people.into_iter().for_each(set);
        self.conversations.into_iter().for_each(set);
        self.timelines.into_iter().for_each(set);
        self.quoted.into_iter().for_each(set);
        self.typists.into_iter().for_each(set);
        self.pins.into_iter().for_each(set);
        set(self.order);
        set(self.archived);
        set(self.notices);
        set(self.unread_total);
        set(self.waiting);
        set(self.link);
    }
}

fn set<T: PartialEq + Send + Sync + 'static>((signal, value): Drawn<T>) {
    if signal.with_untracked(|before| *before != value) {
        signal.set(value);
    }
}
