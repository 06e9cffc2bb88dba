//! What is cached of a conversation's messages, and which of it is shown. Plain data: no signals, no clock.

use super::lines::Lines;
use super::{Pending, Row, WINDOW_ROWS, Window};
use crate::api::Span;
use crate::outbox::Act;
use protocol::rest::Messages;
use protocol::{Change, Message, MessageId, UserId};
use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

/// Most messages kept of one conversation; beyond it the end farther from the reader is dropped, and fetched
/// again when the reader gets there.
pub(super) const CACHE_MESSAGES: usize = 5_000;
/// Rows the window moves by.
pub(super) const STEP: u64 = 50;
/// Rows shown when a conversation is opened or its newest message is jumped to.
pub(super) const OPEN_ROWS: u64 = 100;
/// Messages of the last changes that are remembered, so that a page read before them does not undo them.
const RECENT: usize = 128;

/// What became of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Applied {
    /// It was the next one.
    Done,
    /// It was applied before.
    Duplicate,
    /// Changes before it are missing: fetch those after `after`.
    Gap {
        /// The last applied `rev`.
        after: u64,
    },
}

/// A run of messages without holes, the log position it is complete to, and the window on it.
#[derive(Clone, Debug)]
pub struct Timeline {
    /// Ascending `seq`, each one more than the one before.
    messages: VecDeque<Arc<Message>>,
    /// The last applied change.
    rev: u64,
    /// Number of the conversation's newest message, as far as known.
    head_seq: u64,
    /// Whether nothing comes before the first cached message.
    at_start: bool,
    /// The shown messages: from this `seq` …
    from: u64,
    /// … to before this one.
    to: u64,
    /// Whether the window stays at the newest message as more arrive.
    following: bool,
    /// The newest changed messages, whether cached or not, oldest first; at most [`RECENT`].
    recent: VecDeque<Arc<Message>>,
    /// What happened between the messages.
    lines: Lines,
    fetching_older: bool,
    fetching_newer: bool,
    failed: bool,
}

impl Timeline {
    /// Starts from a page: its end is shown if it is the newest page, its middle if it was fetched around `seq`.
    pub fn new(page: Messages, around: Option<u64>) -> Self {
        let mut timeline = Self {
            messages: VecDeque::new(),
            rev: page.head_rev,
            head_seq: page.head_seq,
            at_start: page.head_seq == 0,
            from: 1,
            to: 1,
            following: true,
            recent: VecDeque::new(),
            lines: Lines::default(),
            fetching_older: false,
            fetching_newer: false,
            failed: false,
        };
        timeline.fill(page.messages);
        timeline.happened(page.happened);
        match around {
            Some(seq) if timeline.covers(seq) => timeline.center(seq),
            _ => timeline.go_to_end(),
        }
        timeline
    }

    /// The last applied change: everything up to it is in here.
    pub fn rev(&self) -> u64 {
        self.rev
    }

    /// Number of the conversation's newest message, as far as known.
    pub fn head_seq(&self) -> u64 {
        self.head_seq
    }

    /// One of the cached messages.
    pub fn find(&self, id: MessageId) -> Option<&Arc<Message>> {
        self.messages.iter().rev().find(|message| message.id == id)
    }

    /// Applies the next change; any other is left alone.
    pub fn apply(&mut self, change: &Change) -> Applied {
        self.apply_changes(change.rev.saturating_sub(1), change.rev, std::slice::from_ref(change))
    }

    /// Applies the answer to a `sync`: with `changes`, everything after `from` up to `to` is known.
    pub fn apply_changes(&mut self, from: u64, to: u64, changes: &[Change]) -> Applied {
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
        Applied::Done
    }

    fn take(&mut self, change: &Change) {
        self.rev = change.rev;
        match change.kind.message() {
            Some(message) => {
                let message = Arc::new(message.clone());
                if self.recent.len() == RECENT {
                    self.recent.pop_front();
                }
                self.recent.push_back(Arc::clone(&message));
                self.place(message);
            }
            None => self.happened(vec![change.clone()]),
        }
    }

    /// Takes in what is no message.
    fn happened(&mut self, changes: Vec<Change>) {
        for change in changes {
            self.lines.put(change, self.head_seq, self.following);
        }
    }

    /// Puts one message where it belongs: in place of its older state, at the end if it is the next one, nowhere if
    /// it lies outside the cached run.
    fn place(&mut self, message: Arc<Message>) {
        let seq = message.seq;
        let next = match self.last() {
            Some(last) => last + 1,
            None => self.head_seq + 1,
        };
        self.head_seq = self.head_seq.max(seq);
        if self.covers(seq) {
            if let Some(held) = self.index(seq).and_then(|index| self.messages.get_mut(index))
                && held.rev <= message.rev
            {
                *held = message;
            }
            return;
        }
        if seq != next {
            return;
        }
        if self.messages.len() == CACHE_MESSAGES {
            if !self.following {
                return; // the reader is at the other end; this one is fetched when they come here
            }
            self.messages.pop_front();
            self.at_start = false;
        }
        if self.messages.is_empty() {
            (self.from, self.to) = (seq, seq);
        }
        self.messages.push_back(message);
        if self.following {
            self.to = seq + 1;
            self.from = self.from.max(self.to.saturating_sub(WINDOW_ROWS as u64));
        }
    }

    /// Takes in an older page.
    pub fn prepend(&mut self, page: Messages, limit: u32) {
        self.fetching_older = false;
        self.failed = false;
        let short = page.messages.len() < limit as usize;
        let Some(first) = self.first() else { return };
        let showing_first = self.from == first;
        let mut older = page.messages;
        older.retain(|message| message.seq < first);
        self.at_start |= short || older.first().is_some_and(|message| message.seq == 1);
        for message in older.into_iter().rev() {
            if self.first() != Some(message.seq + 1) {
                self.at_start = false;
                break; // an answer to a question asked of another run: what does not join is dropped
            }
            self.messages.push_front(Arc::new(message));
        }
        self.happened(page.happened);
        self.recall(page.head_rev);
        if showing_first {
            self.slide_older();
        }
        while self.messages.len() > CACHE_MESSAGES && self.last().is_some_and(|last| last >= self.to) {
            self.messages.pop_back();
        }
        self.settle();
    }

    /// Takes in a newer page.
    pub fn append(&mut self, page: Messages) {
        self.fetching_newer = false;
        self.failed = false;
        let Some(last) = self.last() else { return };
        let showing_last = self.to == last + 1;
        self.head_seq = self.head_seq.max(page.head_seq);
        for message in page.messages {
            if self.last().is_some_and(|last| message.seq == last + 1) {
                self.messages.push_back(Arc::new(message));
            }
        }
        self.happened(page.happened);
        self.recall(page.head_rev);
        if showing_last {
            self.slide_newer();
        }
        while self.messages.len() > CACHE_MESSAGES && self.first().is_some_and(|first| first < self.from) {
            self.messages.pop_front();
            self.at_start = false;
        }
        self.settle();
    }

    /// Takes in a page the reader jumped to: joined to what is cached where they meet, else in its place.
    pub fn jump(&mut self, page: Messages, around: Option<u64>) {
        self.fetching_older = false;
        self.fetching_newer = false;
        self.failed = false;
        let head_rev = page.head_rev;
        self.head_seq = self.head_seq.max(page.head_seq);
        self.fill(page.messages);
        self.happened(page.happened);
        self.recall(head_rev);
        match around {
            Some(seq) if self.covers(seq) => self.center(seq),
            _ => self.go_to_end(),
        }
    }

    /// The fetch came to nothing; asking again is another try.
    pub fn fetch_failed(&mut self) {
        self.fetching_older = false;
        self.fetching_newer = false;
        self.failed = true;
    }

    fn fill(&mut self, messages: Vec<Message>) {
        self.messages = messages.into_iter().map(Arc::new).collect();
        let run =
            self.messages.iter().zip(self.messages.iter().skip(1)).all(|(one, next)| one.seq + 1 == next.seq);
        if !run {
            // The contract rules it out; showing a hole as if it were none would be worse than showing less.
            let mut kept = VecDeque::new();
            while let Some(message) = self.messages.pop_back() {
                if kept.front().is_some_and(|next: &Arc<Message>| next.seq != message.seq + 1) {
                    break;
                }
                kept.push_front(message);
            }
            self.messages = kept;
        }
        self.at_start = self.first().is_none_or(|first| first == 1);
    }

    /// Applies what changed since a page was read that says it is complete to `head_rev` only.
    fn recall(&mut self, head_rev: u64) {
        if head_rev >= self.rev {
            return;
        }
        for message in std::mem::take(&mut self.recent) {
            if message.rev > head_rev {
                self.place(Arc::clone(&message));
            }
            self.recent.push_back(message);
        }
    }

    /// Moves the window towards older messages; returns what has to be fetched for it.
    pub fn show_older(&mut self) -> Option<Span> {
        let first = self.first()?;
        if self.from > first {
            self.slide_older();
            return None;
        }
        if self.at_start || self.fetching_older {
            return None;
        }
        self.fetching_older = true;
        self.failed = false;
        Some(Span::Before(first))
    }

    /// Moves the window towards newer messages; returns what has to be fetched for it.
    pub fn show_newer(&mut self) -> Option<Span> {
        let last = self.last()?;
        if self.to <= last {
            self.slide_newer();
            return None;
        }
        if self.reaches_head() || self.fetching_newer {
            return None;
        }
        self.fetching_newer = true;
        self.failed = false;
        Some(Span::After(last))
    }

    /// Fetches on towards the newest message, where an answer fell short of it.
    pub fn refetch_newer(&mut self) -> Option<Span> {
        if self.fetching_newer || self.reaches_head() {
            return None;
        }
        self.fetching_newer = true;
        Some(Span::After(self.last()?))
    }

    /// Moves the window to the newest message; returns what has to be fetched for it.
    pub fn show_newest(&mut self) -> Option<Span> {
        if self.reaches_head() {
            self.go_to_end();
            return None;
        }
        if self.fetching_newer {
            return None;
        }
        self.fetching_newer = true;
        self.failed = false;
        Some(Span::Newest)
    }

    /// Moves the window around a message; returns what has to be fetched for it.
    pub fn show_around(&mut self, seq: u64) -> Option<Span> {
        if self.covers(seq) {
            self.center(seq);
            return None;
        }
        self.fetching_older = true;
        self.failed = false;
        Some(Span::Around(seq))
    }

    fn slide_older(&mut self) {
        let Some(first) = self.first() else { return };
        self.from = first.max(self.from.saturating_sub(STEP));
        self.to = self.to.min(self.from + WINDOW_ROWS as u64);
        self.settle();
    }

    fn slide_newer(&mut self) {
        let Some(last) = self.last() else { return };
        self.to = (self.to + STEP).min(last + 1);
        self.from = self.from.max(self.to.saturating_sub(WINDOW_ROWS as u64));
        self.settle();
    }

    fn go_to_end(&mut self) {
        if let (Some(first), Some(last)) = (self.first(), self.last()) {
            self.to = last + 1;
            self.from = first.max(self.to.saturating_sub(OPEN_ROWS));
        }
        self.settle();
    }

    fn center(&mut self, seq: u64) {
        if let (Some(first), Some(last)) = (self.first(), self.last()) {
            self.from = first.max(seq.saturating_sub(OPEN_ROWS / 2));
            self.to = (seq + OPEN_ROWS / 2).min(last + 1);
        }
        self.settle();
    }

    fn settle(&mut self) {
        self.following = self.at_head();
    }

    /// Whether the window ends with the conversation's newest message.
    fn at_head(&self) -> bool {
        self.reaches_head() && self.last().is_none_or(|last| self.to == last + 1)
    }

    /// Whether the cache ends with the conversation's newest message.
    pub fn reaches_head(&self) -> bool {
        self.last().is_none_or(|last| last >= self.head_seq)
    }

    fn first(&self) -> Option<u64> {
        self.messages.front().map(|message| message.seq)
    }

    fn last(&self) -> Option<u64> {
        self.messages.back().map(|message| message.seq)
    }

    fn covers(&self, seq: u64) -> bool {
        self.first().is_some_and(|first| first <= seq) && self.last().is_some_and(|last| seq <= last)
    }

    fn index(&self, seq: u64) -> Option<usize> {
        usize::try_from(seq.checked_sub(self.first()?)?).ok()
    }

    /// The messages after `after` up to `to` that count as unread for `me`, and how many of them name `me`; none if
    /// not all of them are cached.
    pub fn unread(&self, me: UserId, after: u64, to: u64) -> Option<(u64, u64)> {
        if after >= to {
            return Some((0, 0));
        }
        if !self.covers(after + 1) || !self.covers(to) {
            return None;
        }
        let (start, end) = (self.index(after + 1)?, self.index(to)?);
        let counted =
            self.messages.range(start..=end).filter(|message| message.sender != me && !message.recalled);
        Some(counted.fold((0, 0), |(unread, mentions), message| {
            (unread + 1, mentions + u64::from(message.names(me)))
        }))
    }

    /// What is on the page: with what I did to it and is not stored yet, and with my unsent messages where the window
    /// ends with the newest message.
    pub fn window(&self, me: UserId, unsent: Vec<Arc<Pending>>) -> Window {
        let shown = match (self.index(self.from), self.index(self.to)) {
            (Some(start), Some(end)) => start.min(self.messages.len())..end.min(self.messages.len()),
            _ => 0..0,
        };
        let at_start = self.at_start && self.first().is_none_or(|first| self.from <= first);
        let at_head = self.at_head();
        let (echoes, acts): (Vec<_>, Vec<_>) =
            unsent.into_iter().partition(|pending| matches!(pending.act, Act::Send { .. }));
        let seq = |index: usize| self.messages.get(index).map(|message| message.seq);
        let first = if at_start { 0 } else { seq(shown.start).unwrap_or(self.from) };
        let last = seq(shown.end.wrapping_sub(1)).unwrap_or(self.head_seq);
        let lines = self.lines.between(first, last);
        let mut lines = lines.into_iter().peekable();
        let mut rows = Vec::with_capacity(shown.len());
        for message in self.messages.range(shown) {
            while let Some(line) = lines.next_if(|(after, _)| *after < message.seq) {
                rows.push(Row::Line(line.1));
            }
            let (id, mut message) = (message.id, Arc::clone(message));
            for act in acts.iter().filter(|act| act.act.message() == Some(id)) {
                act.act.show(Arc::make_mut(&mut message), me, act.at);
            }
            rows.push(Row::Message(message));
        }
        rows.extend(lines.map(|(_, line)| Row::Line(line)));
        if at_head && !echoes.is_empty() {
            let stored: HashSet<_> = rows.iter().map(Row::key).collect();
            rows.extend(echoes.into_iter().map(Row::Pending).filter(|row| !stored.contains(&row.key())));
        }
        Window {
            rows,
            at_start,
            at_head,
            fetching_older: self.fetching_older,
            fetching_newer: self.fetching_newer,
            failed: self.failed,
            head_seq: self.head_seq,
        }
    }
}
