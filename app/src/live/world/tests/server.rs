//! A server of one conversation, as the contract says it behaves.

use super::person;
use crate::api::Span;
use crate::live::world::{Moment, PAGE, Request, World};
use crate::timeline::tests::{conversation_id, message, user};
use protocol::rest::{Messages, PatchSettings};
use protocol::{
    Body, Change, ChangeKind, ClientFrame, Code, Conversation, ConversationId, Epoch, History, Kind, Member,
    Message, MessageId, Nonce, Reaction, Refusal, Role, ServerFrame, SessionId, Settings, Timestamp, limits,
};

pub(super) struct Server {
    pub(super) id: ConversationId,
    pub(super) epoch: Epoch,
    /// Whether I am a member.
    pub(super) member: bool,
    /// My read mark.
    pub(super) read: u64,
    pub(super) settings: Settings,
    title: String,
    /// As they are now.
    pub(super) log: Vec<Message>,
    /// Every change, of messages only which and what sort.
    changes: Vec<Change>,
    /// Nonces of what was done to messages, with the message.
    done: Vec<(Nonce, usize)>,
    /// Which of my devices speaks.
    pub(super) on: usize,
    devices: [Device; 2],
}

#[derive(Default)]
struct Device {
    listening: bool,
    frames: Vec<ServerFrame>,
}

const ME: u128 = super::ME;
/// Changes in one answer: small, so that answers come in parts.
const PART: usize = 40;

impl Server {
    pub(super) fn new() -> Self {
        Self {
            id: conversation_id(1),
            epoch: Epoch::generate(),
            member: true,
            read: 0,
            settings: Settings::default(),
            title: "Team".to_owned(),
            log: Vec::new(),
            changes: Vec::new(),
            done: Vec::new(),
            on: 0,
            devices: Default::default(),
        }
    }

    fn head(&self) -> u64 {
        self.log.len() as u64
    }

    pub(super) fn rev(&self) -> u64 {
        self.changes.len() as u64
    }

    /// Goes back to a backup with this many messages, to which nothing else happened.
    pub(super) fn restore(&mut self, messages: usize) {
        self.epoch = Epoch::generate();
        self.log.truncate(messages);
        self.changes.truncate(messages);
        self.read = self.read.min(self.head());
    }

    /// Whether a socket is there; what was not taken from one that is gone is lost.
    pub(super) fn listen(&mut self, listening: bool) {
        self.devices[self.on] = Device { listening, frames: Vec::new() };
    }

    /// What was put into the socket.
    pub(super) fn sent(&mut self) -> Vec<ServerFrame> {
        std::mem::take(&mut self.devices[self.on].frames)
    }

    fn put(&mut self, frame: ServerFrame) {
        let device = &mut self.devices[self.on];
        if device.listening {
            device.frames.push(frame);
        }
    }

    /// To all my devices, without the one that knows from its answer.
    fn put_others(&mut self, frame: ServerFrame, but: Option<usize>) {
        for (number, device) in self.devices.iter_mut().enumerate() {
            if device.listening && Some(number) != but {
                device.frames.push(frame.clone());
            }
        }
    }

    fn event(&mut self, change: Change, but: Option<usize>) {
        self.changes.push(change.clone());
        self.put_others(ServerFrame::Event { conversation: self.id, kind: Kind::Group, change }, but);
    }

    fn store(&mut self, sender: u128, text: &str, nonce: Option<Nonce>, but: Option<usize>) -> Message {
        let (seq, rev) = (self.head() + 1, self.rev() + 1);
        let mut stored = message(seq, rev, user(sender));
        stored.body = Body::Text { text: text.parse().unwrap() };
        stored.nonce = nonce;
        if text.contains("@me") {
            stored.mentions = vec![user(ME)];
        }
        self.log.push(stored.clone());
        if sender == ME {
            self.read = seq;
            self.settings.unread_from = None;
        }
        self.event(Change::new(rev, ChangeKind::Posted { message: stored.clone() }), but);
        stored
    }

    /// Somebody posts, or I do from a device that is not here.
    pub(super) fn post(&mut self, sender: u128, text: &str) {
        let nonce = (sender == ME).then(Nonce::generate);
        self.store(sender, text, nonce, None);
    }

    /// Changes a message: once it is recalled nothing more happens to it.
    fn alter(
        &mut self,
        index: usize,
        but: Option<usize>,
        kind: impl Fn(Message) -> ChangeKind,
        how: impl Fn(&mut Message),
    ) -> bool {
        let rev = self.rev() + 1;
        let Some(message) = self.log.get_mut(index).filter(|message| !message.recalled) else { return false };
        let before = message.clone();
        how(message);
        if *message != before {
            message.rev = rev;
            let change = Change::new(rev, kind(message.clone()));
            self.event(change, but);
        }
        true
    }

    pub(super) fn edit(&mut self, index: usize, text: &str, but: Option<usize>) -> bool {
        self.alter(
            index,
            but,
            |message| ChangeKind::Edited { message },
            |message| {
                message.body = Body::Text { text: text.parse().unwrap() };
                message.edited_at = Some(Timestamp::from_millis(1));
                message.mentions = if text.contains("@me") { vec![user(ME)] } else { Vec::new() };
            },
        )
    }

    pub(super) fn recall(&mut self, index: usize, but: Option<usize>) -> bool {
        self.alter(
            index,
            but,
            |message| ChangeKind::Recalled { message },
            |message| {
                message.body = Body::Recalled;
                message.recalled = true;
                message.mentions.clear();
                message.reactions.clear();
                message.pinned = false;
            },
        )
    }

    pub(super) fn react(&mut self, index: usize, by: u128, on: bool, but: Option<usize>) -> bool {
        self.alter(
            index,
            but,
            |message| ChangeKind::Reacted { message },
            |message| {
                let mut users = message.reactions.pop().map(|reaction| reaction.users).unwrap_or_default();
                users.retain(|one| *one != user(by));
                if on {
                    users.push(user(by));
                }
                if !users.is_empty() {
                    message.reactions = vec![Reaction { emoji: "👍".to_owned(), users }];
                }
            },
        )
    }

    fn pin(&mut self, index: usize, on: bool, but: Option<usize>) -> bool {
        self.alter(index, but, |message| ChangeKind::Pinned { message }, |message| message.pinned = on)
    }

    /// Somebody gives the group another title, which is a change that is no message.
    pub(super) fn rename(&mut self, title: &str) {
        self.title = title.to_owned();
        let mut change =
            Change::new(self.rev() + 1, ChangeKind::Renamed { by: user(2), title: title.to_owned() });
        change.after = Some(self.head());
        change.at = Some(Timestamp::from_millis(5));
        self.event(change, None);
    }

    pub(super) fn texts(&self) -> Vec<String> {
        self.log.iter().map(|message| message.body.text().unwrap_or_default().to_owned()).collect()
    }

    /// What a page of the whole log shows besides messages.
    pub(super) fn lines(&self) -> Vec<u64> {
        let lines = self.changes.iter().filter(|change| change.kind.message().is_none());
        lines.map(|change| change.rev).collect()
    }

    fn counts(&self) -> (u64, u64) {
        let kept = self.settings.unread_from.map_or(u64::MAX, |seq| seq - 1);
        let mark = self.read.min(kept);
        let unread = self.log.iter().filter(|one| one.seq > mark && one.sender != user(ME) && !one.recalled);
        unread.fold((0, 0), |(unread, names), one| (unread + 1, names + u64::from(one.names(user(ME)))))
    }

    pub(super) fn object(&self) -> Conversation {
        let (unread, mentions) = self.counts();
        let theirs =
            self.log.iter().filter(|one| one.sender != user(ME)).map(|one| one.seq).max().unwrap_or(0);
        let member = |number, read_seq| Member { user: user(number), role: Role::Member, read_seq };
        Conversation {
            id: self.id,
            kind: Kind::Group,
            title: self.title.clone(),
            head_seq: self.head(),
            head_rev: self.rev(),
            read_seq: self.read,
            unread,
            mentions,
            last_message: self.log.last().cloned(),
            members: vec![member(ME, self.read), member(2, theirs)],
            member_count: 2,
            public: false,
            history: History::Join,
            settings: self.settings.clone(),
        }
    }

    pub(super) fn page(&self, span: Span) -> Messages {
        let (head, page) = (self.head(), u64::from(PAGE));
        let (from, to) = match span {
            Span::Newest => (head.saturating_sub(page) + 1, head),
            Span::Before(seq) => (seq.saturating_sub(page).max(1), seq - 1),
            Span::After(seq) => (seq + 1, (seq + page).min(head)),
            Span::Around(seq) => (seq.saturating_sub(page / 2).max(1), (seq + page / 2).min(head)),
        };
        let messages = self.log.iter().filter(|one| (from..=to).contains(&one.seq)).cloned().collect();
        let between = |change: &&Change| change.after.is_some_and(|after| (from - 1..=to).contains(&after));
        let happened = self.changes.iter().filter(between).cloned().collect();
        Messages { messages, quoted: Vec::new(), happened, head_seq: head, head_rev: self.rev() }
    }

    /// Answers a frame: what comes back at once.
    pub(super) fn answer(&mut self, frame: ClientFrame) -> Vec<ServerFrame> {
        let but = Some(self.on);
        match frame {
            ClientFrame::Hello { epoch, cursors, states, .. } => self.hello(epoch, cursors, states),
            ClientFrame::Send { nonce, body, .. } => {
                let known = self.log.iter().find(|one| one.nonce.as_ref() == Some(&nonce)).cloned();
                let duplicate = known.is_some();
                let text = body.text().unwrap_or_default().to_owned();
                let message = known.unwrap_or_else(|| self.store(ME, &text, Some(nonce.clone()), but));
                vec![ServerFrame::Ack { nonce, message, duplicate }]
            }
            ClientFrame::Sync { conversation, after } => {
                let changes = self.changes.iter().filter(|one| one.rev > after).take(PART).cloned();
                let mut changes: Vec<_> = changes.collect();
                for message in changes.iter_mut().filter_map(|change| change.kind.message_mut()) {
                    // As it is now, as the contract says.
                    message.clone_from(&self.log[message.seq as usize - 1]);
                }
                let to = changes.last().map_or(after, |change| change.rev);
                vec![ServerFrame::Changes { conversation, from: after, to, changes, more: to < self.rev() }]
            }
            ClientFrame::Read { seq, .. } => {
                let before = (self.read, self.settings.unread_from);
                self.read = self.read.max(seq.min(self.head()));
                self.settings.unread_from = None;
                if before != (self.read, None) {
                    let (unread, mentions) = self.counts();
                    let frame = ServerFrame::Read {
                        conversation: self.id,
                        user: user(ME),
                        seq: self.read,
                        unread: Some(unread),
                        mentions: Some(mentions),
                    };
                    self.put_others(frame, but);
                }
                Vec::new()
            }
            ClientFrame::Edit { nonce, message, body } => {
                let text = body.text().unwrap_or_default().to_owned();
                self.act(nonce, message, |server, index| server.edit(index, &text, but))
            }
            ClientFrame::Recall { nonce, message } => {
                self.act(nonce, message, |server, index| server.recall(index, but))
            }
            ClientFrame::React { nonce, message, on, .. } => {
                self.act(nonce, message, |server, index| server.react(index, ME, on, but))
            }
            ClientFrame::Pin { nonce, message, on } => {
                self.act(nonce, message, |server, index| server.pin(index, on, but))
            }
            ClientFrame::Unread { seq, .. } => {
                self.settings.unread_from = Some(seq);
                self.told_settings(but);
                Vec::new()
            }
            ClientFrame::Settings { settings, .. } => {
                self.set(settings, but);
                Vec::new()
            }
            ClientFrame::Typing { .. } | ClientFrame::Presence { .. } => Vec::new(),
            ClientFrame::Ping { n } => vec![ServerFrame::Pong { n, heads: vec![(self.id, self.rev())] }],
        }
    }

    /// Does something to a message once per nonce; to a recalled one nothing.
    fn act(
        &mut self,
        nonce: Nonce,
        id: MessageId,
        act: impl FnOnce(&mut Self, usize) -> bool,
    ) -> Vec<ServerFrame> {
        if let Some((_, index)) = self.done.iter().find(|(known, _)| *known == nonce) {
            return vec![ServerFrame::Ack { message: self.log[*index].clone(), nonce, duplicate: true }];
        }
        let index = self.log.iter().position(|message| message.id == id);
        match index.filter(|index| act(self, *index)) {
            Some(index) => {
                self.done.push((nonce.clone(), index));
                vec![ServerFrame::Ack { message: self.log[index].clone(), nonce, duplicate: false }]
            }
            None => vec![refused(&nonce, Code::Conflict)],
        }
    }

    pub(super) fn set(&mut self, patch: PatchSettings, but: Option<usize>) {
        let own = &mut self.settings;
        own.muted_until = patch.muted_until.or(own.muted_until);
        own.pinned = patch.pinned.unwrap_or(own.pinned);
        own.archived = patch.archived.unwrap_or(own.archived);
        own.draft = patch.draft.unwrap_or(std::mem::take(&mut own.draft));
        self.told_settings(but);
    }

    fn told_settings(&mut self, but: Option<usize>) {
        let (unread, mentions) = self.counts();
        let settings = self.settings.clone();
        self.put_others(ServerFrame::Settings { conversation: self.id, settings, unread, mentions }, but);
    }

    fn hello(
        &mut self,
        epoch: Option<Epoch>,
        cursors: Option<Vec<(ConversationId, u64)>>,
        states: Option<Vec<(ConversationId, u32)>>,
    ) -> Vec<ServerFrame> {
        let mut frames = vec![ServerFrame::Welcome {
            user: person(ME),
            session: SessionId::generate(),
            epoch: self.epoch,
            heartbeat_ms: limits::HEARTBEAT_MS,
            limits: limits::Limits::default(),
            server_time: Timestamp::from_millis(0),
        }];
        let same = epoch == Some(self.epoch);
        fn has<T>(list: Option<Vec<(ConversationId, T)>>, same: bool, of: ConversationId) -> Option<T> {
            list.filter(|_| same)?.into_iter().find(|(id, _)| *id == of).map(|(_, number)| number)
        }
        let (cursor, state) = (has(cursors, same, self.id), has(states, same, self.id));
        if self.member && (cursor != Some(self.rev()) || state != Some(self.object().state())) {
            frames.push(ServerFrame::Heads { conversations: vec![self.object()] });
        }
        if !self.member && cursor.is_some() {
            frames.push(ServerFrame::Gone { conversation: self.id });
        }
        frames.push(ServerFrame::Live {});
        frames
    }

    /// Does what a tab asked for.
    pub(super) fn perform(&mut self, request: Request, world: &mut World, moment: Moment) {
        match request {
            Request::Frame(ClientFrame::Send { nonce, .. }) if !self.member => {
                self.put(refused(&nonce, Code::NotFound));
            }
            Request::Frame(frame) => {
                for answer in self.answer(frame) {
                    self.put(answer);
                }
            }
            Request::Page(ask) => world.page(ask, Ok(self.page(ask.span))),
            Request::Conversation(id) => {
                let known = id == self.id && self.member;
                let answer = if known { Ok(self.object()) } else { Err(Code::NotFound) };
                world.conversation_fetched(id, answer, moment);
            }
            Request::Message(id) => {
                let message = self.log.iter().find(|message| message.id == id).cloned();
                world.message_fetched(id, message.ok_or(Code::NotFound));
            }
            // Kept by the tab, which survives here.
            Request::Keep(_)
            | Request::Drop { .. }
            | Request::Refused(..)
            | Request::Reconnect
            | Request::Ring(..) => {}
        }
    }
}

pub(super) fn refused(nonce: &Nonce, code: Code) -> ServerFrame {
    ServerFrame::Refused(Refusal {
        nonce: Some(nonce.to_string()),
        in_reply_to: None,
        code,
        message: "No.".to_owned(),
        retryable: code.retryable(),
        retry_after_ms: None,
    })
}
