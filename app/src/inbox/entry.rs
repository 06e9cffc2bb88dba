//! One conversation of the list.

use crate::timeline::Applied;
use protocol::{
    Change, ChangeKind, Conversation, ConversationId, Member, Message, Role, Settings, UserId, limits,
};
use std::collections::VecDeque;

/// Messages remembered one by one for counting; the older half is then folded into the base.
const LATER: usize = 512;

/// What is unread, and how much of it names me.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Tally {
    unread: u64,
    mentions: u64,
}

/// When a conversation last had a message: its place in the list. Ordered by time; the time says nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Activity {
    /// Milliseconds since the Unix epoch.
    pub at: i64,
    /// Where times are equal, a higher place comes first. The server's list has -1, -2, -3 …
    pub place: i64,
}

impl Activity {
    /// A message of this time, newer than everything in the server's list.
    pub const fn at(at: i64) -> Self {
        Self { at, place: 0 }
    }
}

/// What the server counted, or the cached messages: those after `mark` up to `head_seq`, as they were after change
/// `rev`.
#[derive(Clone, Copy, Debug)]
struct Base {
    head_seq: u64,
    mark: u64,
    rev: u64,
    tally: Tally,
}

/// A message after the base.
#[derive(Clone, Copy, Debug)]
struct Later {
    seq: u64,
    counts: bool,
    names_me: bool,
}

/// A conversation, the log position it is complete to, and what its unread count is derived from.
#[derive(Clone, Debug)]
pub struct Entry {
    me: UserId,
    /// As shown: `unread`, `mentions` and `read_seq` are always those derived.
    shown: Conversation,
    /// The last applied change.
    rev: u64,
    /// The newest change heard of.
    known_rev: u64,
    base: Base,
    /// Every message after the base, ascending.
    later: VecDeque<Later>,
    /// The last change to a message inside the base that may count differently now.
    altered: u64,
    /// Whether the count is an estimate: my mark moved within the base, or a message in it was altered, and the
    /// messages are not cached.
    estimated: bool,
    /// The mark I asked for; it may be ahead of the newest message heard of, and takes effect as they come.
    wanted: u64,
    /// The mark the server has, as far as known.
    told: u64,
    activity: Activity,
}

impl Entry {
    /// Starts from the server's object.
    pub fn new(me: UserId, conversation: Conversation, activity: Activity) -> Self {
        let base = Base::of(&conversation);
        let rev = conversation.head_rev;
        let told = conversation.read_seq;
        Self {
            me,
            shown: conversation,
            rev,
            known_rev: rev,
            base,
            later: VecDeque::new(),
            altered: 0,
            estimated: false,
            wanted: told,
            told,
            activity,
        }
    }

    /// Which one.
    pub fn id(&self) -> ConversationId {
        self.shown.id
    }

    /// As shown.
    pub fn conversation(&self) -> &Conversation {
        &self.shown
    }

    /// The last applied change.
    pub fn rev(&self) -> u64 {
        self.rev
    }

    /// Notes that a change exists.
    pub fn heard(&mut self, rev: u64) {
        self.known_rev = self.known_rev.max(rev);
    }

    /// The newest change heard of.
    pub fn known_rev(&self) -> u64 {
        self.known_rev
    }

    /// The server knows of no newer change than this one: what was heard before is void.
    pub fn known_up_to(&mut self, rev: u64) {
        self.known_rev = self.rev.max(rev);
    }

    /// Its place in the list.
    pub fn activity(&self) -> Activity {
        self.activity
    }

    /// My read mark, if the server may not have it yet.
    pub fn untold(&self) -> Option<u64> {
        (self.shown.read_seq > self.told).then_some(self.shown.read_seq)
    }

    /// The server has my mark up to here.
    pub fn told(&mut self, seq: u64) {
        self.told = self.told.max(seq);
    }

    /// Whether the unread count is an estimate until the server's object comes.
    pub fn is_estimated(&self) -> bool {
        self.estimated
    }

    /// Whether a message was altered that the server counted: only it can count again.
    pub fn is_stale(&self) -> bool {
        self.estimated && self.altered > self.base.rev
    }

    /// Whether it is put away: archived, and nothing unread brings it back. `now` is this device's clock in
    /// milliseconds.
    pub fn is_away(&self, now: u64) -> bool {
        self.shown.settings.archived && (self.is_muted(now) || self.shown.unread == 0)
    }

    /// Whether it is silent. `now` is this device's clock in milliseconds.
    pub fn is_muted(&self, now: u64) -> bool {
        let until = self.shown.settings.muted_until;
        until.is_some_and(|until| until.millis() > i64::try_from(now).unwrap_or(i64::MAX))
    }

    /// Up to here everything counts as read.
    fn mark(&self) -> u64 {
        mark(&self.shown)
    }

    /// What only I see of it.
    pub fn set(&mut self, settings: Settings) {
        self.shown.settings = settings;
        self.recount(None);
    }

    /// Members are wanted from the server: a large group became small enough to carry them.
    pub fn lacks_members(&self) -> bool {
        self.shown.members.is_empty() && (1..=limits::MEMBERS_INLINE).contains(&self.shown.member_count)
    }

    /// Takes in the server's object. Of one older than what is here only the count is used, where it helps.
    pub fn replace(&mut self, conversation: Conversation) {
        self.heard(conversation.head_rev);
        // Possibly lower than what was sent: then it got lost, and is sent again.
        self.told = conversation.read_seq;
        let read = self.shown.read_seq.max(conversation.read_seq);
        let newer = conversation.head_rev >= self.rev;
        let counted = mark(&conversation);
        let helps = conversation.head_rev >= self.altered
            && conversation.head_seq >= self.base.head_seq
            && (counted >= self.base.mark || counted == self.mark());
        if newer || helps {
            self.base = Base::of(&conversation);
            self.later.retain(|message| message.seq > conversation.head_seq);
        }
        if newer {
            self.rev = conversation.head_rev;
            if let Some(message) = &conversation.last_message {
                self.active(message.sent_at.millis());
            }
            self.shown = conversation;
        }
        self.shown.read_seq = read;
        self.recount(None);
    }

    /// Applies the next change; any other is left alone.
    pub fn apply(&mut self, change: &Change) -> Applied {
        self.apply_changes(change.rev.saturating_sub(1), change.rev, std::slice::from_ref(change))
    }

    /// Applies the answer to a `sync`: with `changes`, everything after `from` up to `to` is known.
    pub fn apply_changes(&mut self, from: u64, to: u64, changes: &[Change]) -> Applied {
        self.heard(to);
        if to <= self.rev {
            return Applied::Duplicate;
        }
        if from > self.rev {
            return Applied::Gap { after: self.rev };
        }
        for change in changes {
            if change.rev > self.rev {
                self.take(change);
            }
        }
        self.rev = self.rev.max(to);
        self.shown.head_rev = self.rev;
        self.recount(None);
        Applied::Done
    }

    fn take(&mut self, change: &Change) {
        self.rev = change.rev;
        self.shown.head_rev = change.rev;
        match &change.kind {
            ChangeKind::Posted { message }
            | ChangeKind::Edited { message }
            | ChangeKind::Recalled { message } => self.message(message, change.rev, true),
            ChangeKind::Reacted { message } | ChangeKind::Pinned { message } => {
                self.message(message, change.rev, false);
            }
            ChangeKind::Joined { user, .. } => self.joined(*user),
            ChangeKind::Left { user, .. } => {
                let before = self.shown.members.len();
                self.shown.members.retain(|member| member.user != *user);
                if before == 0 || self.shown.members.len() < before {
                    self.shown.member_count = self.shown.member_count.saturating_sub(1);
                }
            }
            ChangeKind::Renamed { title, .. } => self.shown.title.clone_from(title),
            ChangeKind::Role { user, role, .. } => {
                for member in &mut self.shown.members {
                    if member.user == *user {
                        member.role = *role;
                    } else if *role == Role::Owner && member.role == Role::Owner {
                        member.role = Role::Admin; // a group has one owner
                    }
                }
            }
            ChangeKind::Access { public, history, .. } => {
                (self.shown.public, self.shown.history) = (*public, *history);
            }
            ChangeKind::Unsupported => {}
        }
    }

    /// A message, new or changed; `counts`: whether the change may count for what is unread.
    fn message(&mut self, message: &Message, rev: u64, counts: bool) {
        let last = self.shown.last_message.as_ref();
        if last.is_none_or(|last| (last.seq, last.rev) <= (message.seq, message.rev)) {
            self.shown.last_message = Some(message.clone());
        }
        if message.seq > self.shown.head_seq {
            self.posted(message);
        } else if counts && message.sender != self.me {
            self.altered(message, rev);
        }
    }

    fn altered(&mut self, message: &Message, rev: u64) {
        match self.later.binary_search_by_key(&message.seq, |later| later.seq) {
            Ok(index) => self.later[index] = Later::of(message, self.me),
            Err(_) if (self.base.mark..self.base.head_seq).contains(&(message.seq - 1)) => self.altered = rev,
            Err(_) => {}
        }
    }

    fn posted(&mut self, message: &Message) {
        let seq = message.seq;
        self.shown.head_seq = seq;
        self.active(message.sent_at.millis());
        self.later.push_back(Later::of(message, self.me));
        // Who writes has read what is before: the server moves the sender's mark in the same transaction.
        if message.sender == self.me {
            self.shown.settings.unread_from = None;
            self.told = self.told.max(seq);
            self.shown.read_seq = self.shown.read_seq.max(seq);
        }
        self.member_read(message.sender, seq);
        self.fold();
    }

    /// A message of this time: one that is not newer than what is known moves nothing.
    fn active(&mut self, at: i64) {
        if at > self.activity.at {
            self.activity = Activity::at(at);
        }
    }

    fn joined(&mut self, user: UserId) {
        if self.shown.members.iter().any(|member| member.user == user) {
            return;
        }
        self.shown.member_count = self.shown.member_count.saturating_add(1);
        if self.shown.member_count > limits::MEMBERS_INLINE {
            self.shown.members.clear();
        } else if !self.shown.members.is_empty() {
            self.shown.members.push(Member { user, role: Role::Member, read_seq: self.shown.head_seq });
        }
    }

    /// Somebody has read up to `seq`.
    pub fn member_read(&mut self, user: UserId, seq: u64) {
        if let Some(member) = self.shown.members.iter_mut().find(|member| member.user == user) {
            member.read_seq = member.read_seq.max(seq);
        }
    }

    /// I have read up to `seq`. `cached` counts the messages after a mark up to a number, where they are cached. Says
    /// whether the mark moved.
    pub fn read(&mut self, seq: u64, cached: impl Fn(u64, u64) -> Option<(u64, u64)>) -> bool {
        self.wanted = self.wanted.max(seq);
        let before = self.shown.read_seq;
        self.recount(None);
        self.recount_from(cached);
        self.shown.read_seq > before
    }

    /// One of my own messages is here, however it came: sending it raised my mark. Says whether the mark moved.
    pub fn sent(&mut self, seq: u64) -> bool {
        self.told(seq);
        self.read(seq, |_, _| None)
    }

    /// Makes an estimated count exact, if the messages it needs are cached.
    pub fn recount_from(&mut self, cached: impl Fn(u64, u64) -> Option<(u64, u64)>) {
        if self.estimated
            && let Some((unread, mentions)) = cached(self.mark(), self.base.head_seq)
        {
            self.recount(Some(Tally { unread, mentions }));
        }
    }

    /// Another device of mine has read up to `seq`; the server counted what is unread after it, and names me.
    pub fn read_elsewhere(
        &mut self,
        seq: u64,
        counted: Option<(u64, u64)>,
        cached: impl Fn(u64, u64) -> Option<(u64, u64)>,
    ) {
        self.told(seq);
        self.shown.settings.unread_from = None;
        self.read(seq, cached);
        if let (true, Some((unread, mentions))) = (self.shown.read_seq == seq, counted) {
            self.counted_elsewhere(unread, mentions);
        }
    }

    /// The server counted. Most likely right; it does not say up to which message, so an estimate stays one.
    pub fn counted_elsewhere(&mut self, unread: u64, mentions: u64) {
        if self.estimated {
            (self.shown.unread, self.shown.mentions) = (unread, mentions);
        }
    }

    /// Derives the count anew; `counted` is the exact count of the messages after my mark inside the base.
    fn recount(&mut self, counted: Option<Tally>) {
        let read = self.shown.read_seq.max(self.wanted.min(self.shown.head_seq));
        self.shown.read_seq = read;
        let (mark, base) = (self.mark(), self.base);
        let mut tally = Tally::default();
        self.estimated = false;
        if mark < base.head_seq {
            if let Some(counted) = counted {
                tally = counted;
                self.base = Base { mark, rev: self.rev, tally, ..base };
            } else if mark == base.mark && self.altered <= base.rev {
                tally = base.tally;
            } else {
                let most = base.head_seq - mark;
                tally.unread = (base.tally.unread + base.mark.saturating_sub(mark)).min(most);
                tally.mentions = base.tally.mentions.min(most);
                self.estimated = true;
            }
        }
        for message in self.later.iter().filter(|message| message.seq > mark && message.counts) {
            tally.unread += 1;
            tally.mentions += u64::from(message.names_me);
        }
        self.shown.unread = tally.unread;
        self.shown.mentions = tally.mentions;
        self.member_read(self.me, read);
    }

    /// Folds the older half of the messages after the base into it, at my mark. A base that does not say what is
    /// unread keeps them: they are at most those of one busy conversation until its object comes.
    fn fold(&mut self) {
        let (mark, base) = (self.mark(), self.base);
        let known = mark >= base.head_seq || (mark == base.mark && self.altered <= base.rev);
        if self.later.len() <= LATER || !known {
            return;
        }
        let mut tally = if mark < base.head_seq { base.tally } else { Tally::default() };
        for message in self.later.drain(..LATER / 2) {
            self.base.head_seq = message.seq;
            if message.counts && message.seq > mark {
                tally.unread += 1;
                tally.mentions += u64::from(message.names_me);
            }
        }
        self.base = Base { mark, rev: self.rev, tally, ..self.base };
    }
}

/// Up to here everything counts as read: my mark, or what I keep as unread before it.
fn mark(conversation: &Conversation) -> u64 {
    let kept = conversation.settings.unread_from.map_or(u64::MAX, |seq| seq.saturating_sub(1));
    conversation.read_seq.min(kept)
}

impl Base {
    fn of(conversation: &Conversation) -> Self {
        Self {
            head_seq: conversation.head_seq,
            mark: mark(conversation),
            rev: conversation.head_rev,
            tally: Tally { unread: conversation.unread, mentions: conversation.mentions },
        }
    }
}

impl Later {
    fn of(message: &Message, me: UserId) -> Self {
        Self {
            seq: message.seq,
            counts: message.sender != me && !message.recalled,
            names_me: message.names(me),
        }
    }
}
