//! A server of one conversation, as the contract says it behaves.

use super::person;
use crate::api::Span;
use crate::live::world::{Moment, PAGE, Request, World};
use crate::timeline::tests::{conversation_id, message, user};
use protocol::rest::Messages;
use protocol::{
    Body, Change, ChangeKind, ClientFrame, Code, Conversation, ConversationId, Epoch, History, Kind, Member,
    Message, Nonce, Refusal, Role, ServerFrame, SessionId, Settings, Timestamp, limits,
};

pub(super) struct Server {
    pub(super) id: ConversationId,
    pub(super) epoch: Epoch,
    /// Whether I am a member.
    pub(super) member: bool,
    /// My read mark.
    pub(super) read: u64,
    log: Vec<Message>,
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
            log: Vec::new(),
            listening: false,
            frames: Vec::new(),
        }
    }

    fn head(&self) -> u64 {
        self.log.len() as u64
    }

    /// Goes back to a backup with this many messages.
    pub(super) fn restore(&mut self, messages: usize) {
        self.epoch = Epoch::generate();
        self.log.truncate(messages);
        self.read = self.read.min(self.head());
    }

    /// Whether a socket is there; what was not taken from one that is gone is lost.
    pub(super) fn listen(&mut self, listening: bool) {
        self.listening = listening;
        self.frames.clear();
    }

    /// What was put into the socket.
    pub(super) fn sent(&mut self) -> Vec<ServerFrame> {
        std::mem::take(&mut self.frames)
    }

    fn put(&mut self, frame: ServerFrame) {
        if self.listening {
            self.frames.push(frame);
        }
    }

    fn store(&mut self, sender: u128, text: &str, nonce: Option<Nonce>) -> Message {
        let seq = self.head() + 1;
        let mut stored = message(seq, seq, user(sender));
        stored.body = Body::Text { text: text.parse().unwrap() };
        stored.nonce = nonce;
        self.log.push(stored.clone());
        if sender == ME {
            self.read = seq;
        }
        stored
    }

    /// Somebody posts, or I do from another device.
    pub(super) fn post(&mut self, sender: u128, text: &str) {
        let nonce = (sender == ME).then(Nonce::generate);
        let message = self.store(sender, text, nonce);
        let change = Change::new(message.rev, ChangeKind::Posted { message });
        self.put(ServerFrame::Event { conversation: self.id, kind: Kind::Group, change });
    }

    pub(super) fn texts(&self) -> Vec<String> {
        self.log.iter().map(|message| message.body.text().unwrap_or_default().to_owned()).collect()
    }

    pub(super) fn object(&self) -> Conversation {
        let unread =
            self.log.iter().filter(|one| one.seq > self.read && one.sender != user(ME)).count() as u64;
        let theirs =
            self.log.iter().filter(|one| one.sender != user(ME)).map(|one| one.seq).max().unwrap_or(0);
        let member = |number, read_seq| Member { user: user(number), role: Role::Member, read_seq };
        Conversation {
            id: self.id,
            kind: Kind::Group,
            title: "Team".to_owned(),
            head_seq: self.head(),
            head_rev: self.head(),
            read_seq: self.read,
            unread,
            mentions: 0,
            last_message: self.log.last().cloned(),
            members: vec![member(ME, self.read), member(2, theirs)],
            member_count: 2,
            public: false,
            history: History::Join,
            settings: Settings::default(),
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
        Messages { messages, quoted: Vec::new(), happened: Vec::new(), head_seq: head, head_rev: head }
    }

    /// Answers a frame: what comes back at once.
    pub(super) fn answer(&mut self, frame: ClientFrame) -> Vec<ServerFrame> {
        match frame {
            ClientFrame::Hello { epoch, cursors, states, .. } => self.hello(epoch, cursors, states),
            ClientFrame::Send { nonce, body, .. } => {
                let known = self.log.iter().find(|one| one.nonce.as_ref() == Some(&nonce)).cloned();
                let duplicate = known.is_some();
                let text = body.text().unwrap_or_default().to_owned();
                let message = known.unwrap_or_else(|| self.store(ME, &text, Some(nonce.clone())));
                vec![ServerFrame::Ack { nonce, message, duplicate }]
            }
            ClientFrame::Sync { conversation, after } => {
                let changes = self.log.iter().filter(|one| one.rev > after).take(PART);
                let changes: Vec<_> = changes
                    .map(|one| Change::new(one.rev, ChangeKind::Posted { message: one.clone() }))
                    .collect();
                let to = changes.last().map_or(after, |change| change.rev);
                vec![ServerFrame::Changes { conversation, from: after, to, changes, more: to < self.head() }]
            }
            ClientFrame::Read { seq, .. } => {
                self.read = self.read.max(seq.min(self.head()));
                Vec::new()
            }
            ClientFrame::Edit { .. }
            | ClientFrame::Recall { .. }
            | ClientFrame::React { .. }
            | ClientFrame::Pin { .. }
            | ClientFrame::Unread { .. }
            | ClientFrame::Settings { .. }
            | ClientFrame::Typing { .. }
            | ClientFrame::Presence { .. } => Vec::new(),
            ClientFrame::Ping { n } => vec![ServerFrame::Pong { n, heads: Vec::new() }],
        }
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
        if self.member && (cursor != Some(self.head()) || state != Some(self.object().state())) {
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
                self.put(ServerFrame::Refused(Refusal {
                    nonce: Some(nonce.to_string()),
                    in_reply_to: None,
                    code: Code::NotFound,
                    message: "No such conversation.".to_owned(),
                    retryable: false,
                    retry_after_ms: None,
                }));
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
            Request::Save => {}
        }
    }
}
