//! What the rules ask for, gathered in one pass over the records.

use super::attempts::{Ack, Act, Send, Tries};
use super::report::Totals;
use crate::history::{BodyHash, DRIVER, REST, Record, Rows, Seen, Truth, What};
use protocol::{Code, ConversationId, MessageId, Nonce, UserId};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Where a truth was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// On a device.
    Screen,
    /// Over REST.
    Rest,
    /// In the database.
    Rows,
}

/// One conversation as it is somewhere at rest.
#[derive(Debug)]
pub struct View<'a> {
    /// Where.
    pub source: Source,
    /// Who reads it: a device's name, a user at REST, `rows`.
    pub label: String,
    /// Name of the device, for a screen.
    pub client: &'a str,
    /// As whom; nobody for rows.
    pub user: Option<UserId>,
    /// Which one.
    pub conversation: ConversationId,
    /// What is before it was never loaded.
    pub from_seq: u64,
    /// In the order they are shown.
    pub messages: &'a [Seen],
    /// Newest message.
    pub head_seq: u64,
    /// Newest change.
    pub head_rev: u64,
    /// The user's mark; 0 for rows.
    pub read_seq: u64,
    /// What is unread, where that is told.
    pub unread: Option<u64>,
    /// How many of those name the user.
    pub mentions: Option<u64>,
    /// By place. Of two with one place, the later.
    pub by_seq: HashMap<u64, &'a Seen>,
}

/// A numbered change, as far as it is known: who joined or left, or which message was posted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Logged {
    /// A message, with its place.
    Posted(MessageId, u64),
    /// A member more.
    Joined(UserId),
    /// A member less.
    Left(UserId),
    /// Anything else.
    Other,
}

/// A change or message that reached a client's ears, applied or not.
#[derive(Debug)]
pub struct Receipt<'a> {
    /// The record.
    pub record: &'a Record,
    /// As whom.
    pub user: UserId,
    /// Where.
    pub conversation: ConversationId,
    /// Number of the change, or of the message's last change in a page.
    pub rev: u64,
    /// The message.
    pub message: Option<&'a Seen>,
}

/// A membership that was asked for.
#[derive(Clone, Copy, Debug)]
pub struct Asked {
    /// Who.
    pub subject: UserId,
    /// Added, otherwise removed.
    pub join: bool,
    /// When.
    pub asked: u64,
    /// When the answer came.
    pub answered: Option<u64>,
    /// Success.
    pub done: bool,
}

/// All of it.
#[derive(Debug, Default)]
pub struct Facts<'a> {
    /// The records themselves.
    pub records: &'a [Record],
    /// By sender and key.
    pub sends: BTreeMap<(UserId, &'a Nonce), Send<'a>>,
    /// What was done to messages, by who did it and key.
    pub acts: BTreeMap<(UserId, &'a Nonce), Act<'a>>,
    /// Keys of what was done to a message.
    pub acts_on: HashMap<MessageId, Vec<(UserId, &'a Nonce)>>,
    /// Keys of the messages with this text.
    pub by_body: HashMap<BodyHash, Vec<(UserId, &'a Nonce)>>,
    /// Keys of the messages with this id, as far as an answer or a truth told.
    pub by_id: HashMap<MessageId, (UserId, &'a Nonce)>,
    /// The log as the clients and the rows have it.
    pub log: HashMap<ConversationId, BTreeMap<u64, Logged>>,
    /// Two different things under one number: where, number.
    pub conflicts: Vec<(ConversationId, u64)>,
    /// The change that posted a message.
    pub posted: HashMap<MessageId, u64>,
    /// Members from the beginning.
    pub founded: HashMap<ConversationId, BTreeSet<UserId>>,
    /// Memberships asked for.
    pub asked: HashMap<ConversationId, Vec<Asked>>,
    /// Screens, REST and rows.
    pub views: Vec<View<'a>>,
    /// Rows themselves.
    pub rows: HashMap<ConversationId, &'a Rows>,
    /// Everything that was delivered.
    pub receipts: Vec<Receipt<'a>>,
    floors: HashMap<ConversationId, u64>,
    answered: Totals,
}

impl<'a> Facts<'a> {
    /// Gathers them.
    pub fn gather(records: &'a [Record]) -> Self {
        let mut facts = Self { records, ..Self::default() };
        let mut screens: BTreeMap<(&str, ConversationId), View<'a>> = BTreeMap::new();
        let mut rests: BTreeMap<(UserId, ConversationId), View<'a>> = BTreeMap::new();
        for record in records {
            match &record.what {
                What::Screen(truth) => {
                    let view = truth_view(record, truth, Source::Screen);
                    screens.insert((&record.client, truth.conversation), view);
                }
                What::Rest(truth) => {
                    let Some(user) = record.user else { continue };
                    rests.insert((user, truth.conversation), truth_view(record, truth, Source::Rest));
                }
                What::Rows(rows) => {
                    facts.rows.insert(rows.conversation, rows);
                }
                _ => facts.take(record),
            }
        }
        facts.take_rows();
        facts.views.extend(screens.into_values().chain(rests.into_values()));
        facts.views.extend(facts.rows.values().map(|rows| rows_view(rows)));
        facts.name_by_truth();
        facts.answered.records = records.len();
        let clients: BTreeSet<_> = records.iter().map(|record| record.client.as_str()).collect();
        facts.answered.clients = clients.iter().filter(|name| ![DRIVER, REST].contains(name)).count();
        facts
    }

    fn take(&mut self, record: &'a Record) {
        match &record.what {
            What::Founded { conversation, members, .. } => {
                self.founded.entry(*conversation).or_default().extend(members);
            }
            What::Membership { conversation, subject, join, asked, answered, done } => {
                let asked =
                    Asked { subject: *subject, join: *join, asked: *asked, answered: *answered, done: *done };
                self.asked.entry(*conversation).or_default().push(asked);
            }
            What::Page { conversation, messages, .. } => {
                for message in messages {
                    self.receive(record, *conversation, message.rev, Some(message));
                }
            }
            What::Dropped { conversation, rev, message, .. } => {
                self.receive(record, *conversation, *rev, message.as_ref());
            }
            What::Gap { conversation, came, .. } => self.receive(record, *conversation, *came, None),
            What::Applied { conversation, rev, change, subject, message, .. } => {
                self.receive(record, *conversation, *rev, message.as_ref());
                self.note(*conversation, *rev, logged(change, *subject, message.as_ref()));
            }
            _ => self.take_answer(record),
        }
    }

    fn take_answer(&mut self, record: &'a Record) {
        let Some(user) = record.user else { return };
        match &record.what {
            What::Invoke { nonce, conversation, body, .. } => {
                let floor = self.floors.get(conversation).copied().unwrap_or_default();
                let by_body = &mut self.by_body;
                let send = self.sends.entry((user, nonce)).or_insert_with(|| {
                    by_body.entry(*body).or_default().push((user, nonce));
                    let tries = Tries::first(record.t);
                    Send { user, nonce, conversation: *conversation, body: *body, floor, tries }
                });
                send.tries.again();
            }
            What::Act { nonce, conversation, message, deed, .. } => {
                let acts_on = &mut self.acts_on;
                let act = self.acts.entry((user, nonce)).or_insert_with(|| {
                    acts_on.entry(*message).or_default().push((user, nonce));
                    let (conversation, message, tries) = (*conversation, *message, Tries::first(record.t));
                    Act { user, nonce, conversation, message, deed, state: None, tries }
                });
                act.tries.again();
            }
            What::Acked { nonce, conversation, seq, rev, message, duplicate, state } => {
                self.answered.absorbed += usize::from(*duplicate);
                let ack = Ack { t: record.t, seq: *seq, rev: *rev, id: *message, duplicate: *duplicate };
                if let Some(act) = self.acts.get_mut(&(user, nonce)) {
                    act.tries.acked(ack);
                    act.state = act.state.or(state.as_ref().filter(|_| !duplicate));
                    return;
                }
                self.by_id.insert(*message, (user, nonce));
                if !duplicate {
                    self.note(*conversation, *rev, Logged::Posted(*message, *seq));
                }
                let floor = self.floors.entry(*conversation).or_default();
                *floor = (*floor).max(*seq);
                if let Some(send) = self.sends.get_mut(&(user, nonce)) {
                    send.tries.acked(ack);
                }
            }
            What::Refused { nonce, code, .. } => {
                self.answered.refused += 1;
                // A conflict speaks of another request with the same nonce, which is stored.
                if *code != Code::IdempotencyConflict {
                    let send = self.sends.get_mut(&(user, nonce)).map(|send| &mut send.tries);
                    let tries = send.or(self.acts.get_mut(&(user, nonce)).map(|act| &mut act.tries));
                    tries.into_iter().for_each(Tries::refused);
                }
            }
            // Its attempt stays open for ever.
            What::Unknown { .. } => self.answered.unknown += 1,
            _ => {}
        }
    }

    fn receive(
        &mut self,
        record: &'a Record,
        conversation: ConversationId,
        rev: u64,
        message: Option<&'a Seen>,
    ) {
        if let Some(user) = record.user {
            self.receipts.push(Receipt { record, user, conversation, rev, message });
        }
    }

    fn note(&mut self, conversation: ConversationId, rev: u64, what: Logged) {
        let log = self.log.entry(conversation).or_default();
        if log.insert(rev, what).is_some_and(|before| before != what) {
            self.conflicts.push((conversation, rev));
        }
        if let Logged::Posted(id, _) = what {
            self.posted.entry(id).or_insert(rev);
        }
    }

    fn take_rows(&mut self) {
        let all: Vec<&'a Rows> = self.rows.values().copied().collect();
        for rows in all {
            for change in &rows.changes {
                self.note(rows.conversation, change.rev, logged(&change.change, change.subject, None));
            }
            for message in &rows.messages {
                if let Some(rev) = message.posted_rev {
                    self.note(rows.conversation, rev, Logged::Posted(message.id, message.seq));
                }
            }
        }
    }

    /// Truths that show nonces say which message has which id, where no answer did.
    fn name_by_truth(&mut self) {
        for view in &self.views {
            for message in view.messages {
                if let Some(nonce) = &message.nonce {
                    self.by_id.entry(message.id).or_insert((message.sender, nonce));
                }
            }
        }
    }

    /// The change that posted a message, or its last change where that is all that is known.
    pub fn posted_rev(&self, message: &Seen) -> u64 {
        message.posted_rev.or_else(|| self.posted.get(&message.id).copied()).unwrap_or(message.rev)
    }

    /// The attempt to send that a message comes from: by its nonce, its id or its text.
    pub fn origin<'s>(&'s self, message: &'s Seen) -> Option<&'s Send<'a>> {
        let by_nonce = message.nonce.as_ref().and_then(|nonce| self.sends.get(&(message.sender, nonce)));
        let by_id = || self.by_id.get(&message.id).and_then(|key| self.sends.get(key));
        let by_body = || {
            let keys = self.by_body.get(message.body.as_ref()?)?;
            let key = keys.iter().find(|key| key.0 == message.sender).or(keys.first())?;
            self.sends.get(key)
        };
        by_nonce.or_else(by_id).or_else(by_body)
    }

    /// What was tried to be done to a message and may have been done.
    pub fn may_have_happened(&self, message: MessageId) -> impl Iterator<Item = &Act<'a>> {
        self.tried_on(message).filter(|act| !act.tries.refused_for_good())
    }

    /// What was tried to be done to a message.
    pub fn tried_on(&self, message: MessageId) -> impl Iterator<Item = &Act<'a>> {
        let keys = self.acts_on.get(&message).into_iter().flatten();
        keys.filter_map(|key| self.acts.get(key))
    }

    /// Views of one sort.
    pub fn views_of(&self, source: Source) -> impl Iterator<Item = &View<'a>> {
        self.views.iter().filter(move |view| view.source == source)
    }

    pub(super) fn totals(&self) -> Totals {
        let (sends, acts) = (self.sends.values(), self.acts.values());
        let tries = sends.clone().map(|send| &send.tries).chain(acts.clone().map(|act| &act.tries));
        let conversations: BTreeSet<_> = self
            .log
            .keys()
            .chain(self.founded.keys())
            .copied()
            .chain(self.views.iter().map(|view| view.conversation))
            .collect();
        Totals {
            conversations: conversations.len(),
            sent: self.sends.len(),
            acked: sends.clone().filter(|send| !send.tries.acks.is_empty()).count(),
            acts: self.acts.len(),
            acts_acked: acts.clone().filter(|act| !act.tries.acks.is_empty()).count(),
            retries: tries.map(|tries| tries.attempts - 1).sum(),
            screens: self.views_of(Source::Screen).count(),
            rests: self.views_of(Source::Rest).count(),
            rows: self.views_of(Source::Rows).count(),
            ..self.answered
        }
    }
}

fn logged(change: &str, subject: Option<UserId>, message: Option<&Seen>) -> Logged {
    match (change, subject, message) {
        ("posted", _, Some(message)) => Logged::Posted(message.id, message.seq),
        ("joined", Some(user), _) => Logged::Joined(user),
        ("left", Some(user), _) => Logged::Left(user),
        _ => Logged::Other,
    }
}

fn index(messages: &[Seen]) -> HashMap<u64, &Seen> {
    messages.iter().map(|message| (message.seq, message)).collect()
}

fn truth_view<'a>(record: &'a Record, truth: &'a Truth, source: Source) -> View<'a> {
    let label = match (source, record.user) {
        (Source::Rest, Some(user)) => format!("REST of {user}"),
        _ => format!("screen of {}", record.client),
    };
    View {
        source,
        label,
        client: &record.client,
        user: record.user,
        conversation: truth.conversation,
        from_seq: truth.from_seq,
        messages: &truth.messages,
        head_seq: truth.head_seq,
        head_rev: truth.head_rev,
        read_seq: truth.read_seq,
        unread: truth.unread,
        mentions: truth.mentions,
        by_seq: index(&truth.messages),
    }
}

fn rows_view(rows: &Rows) -> View<'_> {
    View {
        source: Source::Rows,
        label: "rows".to_owned(),
        client: DRIVER,
        user: None,
        conversation: rows.conversation,
        from_seq: 0,
        messages: &rows.messages,
        head_seq: rows.head_seq,
        head_rev: rows.head_rev,
        read_seq: 0,
        unread: None,
        mentions: None,
        by_seq: index(&rows.messages),
    }
}
