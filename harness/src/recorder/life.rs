//! One device's life: connecting, frames in, frames out, beats, and connecting again.
//!
//! Everything happens in one task, one thing at a time, so the history has the device's own order.

use super::outbox::{self, Item, Outbox};
use super::settle::Quiescing;
use super::view::View;
use super::{Command, Config, Identity, Latest, Status};
use crate::history::{History, What};
use crate::{Error, Handshake, Hello, Socket};
use protocol::frame::close;
use protocol::{ClientFrame, Conversation, ConversationId, limits};
use rand::RngExt;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until, timeout};

mod frames;

/// A close code for what the other side did not say.
const ABNORMAL: u16 = 1006;
/// Before a message that was refused without a time is sent again.
const RETRY: Duration = Duration::from_millis(200);
/// Doublings of the back-off; the cap ends it long before.
const DOUBLINGS: u32 = 16;

/// All a device is.
pub(super) struct Life {
    pub(super) config: Config,
    pub(super) identity: Identity,
    history: History,
    asked: mpsc::Receiver<Command>,
    told: watch::Sender<Status>,
    latest: Latest,
    pub(super) status: Status,
    pub(super) outbox: Outbox,
    pub(super) view: View,
    pub(super) quiescing: Option<Quiescing>,
    socket: Option<Socket>,
    /// When the socket became live.
    live_since: Instant,
    /// Not before this, while there is no socket.
    connect_at: Instant,
    failures: u32,
    /// From `bye`, a refused hello or a 503.
    retry_after: Option<Duration>,
    hold: bool,
    stalled: bool,
    /// No `sync` before this: one was refused.
    sync_at: Instant,
    /// Milliseconds of the run when the oldest `sync` without an answer was asked for, on this connection.
    synced_at: BTreeMap<ConversationId, u64>,
    beat_at: Instant,
    pings: u64,
    /// The `ping` that has no `pong` yet.
    pinged: Option<u64>,
}

impl Life {
    pub(super) fn new(
        config: Config,
        identity: Identity,
        history: History,
        asked: mpsc::Receiver<Command>,
        told: watch::Sender<Status>,
        latest: Latest,
    ) -> Self {
        let now = Instant::now();
        Self {
            view: View::new(identity.user),
            config,
            identity,
            history,
            asked,
            told,
            latest,
            status: Status::default(),
            outbox: Outbox::default(),
            quiescing: None,
            socket: None,
            live_since: now,
            connect_at: now,
            failures: 0,
            retry_after: None,
            hold: false,
            stalled: false,
            sync_at: now,
            synced_at: BTreeMap::new(),
            beat_at: now,
            pings: 0,
            pinged: None,
        }
    }

    pub(super) async fn record(&self, what: What) {
        self.history.record(&self.identity.name, self.identity.user, what).await;
    }

    pub(super) fn is_live(&self) -> bool {
        self.socket.is_some()
    }

    /// Runs until the handle is dropped.
    pub(super) async fn run(mut self) {
        loop {
            self.pump().await;
            self.publish();
            let wake = self.wake();
            let room = self.outbox.len() < outbox::WAITING;
            let listening = self.socket.as_mut().filter(|_| !self.stalled);
            tokio::select! {
                command = self.asked.recv(), if room => match command {
                    Some(command) => self.obey(command).await,
                    None => break,
                },
                frame = async { match listening {
                    Some(socket) => socket.recv().await,
                    None => std::future::pending().await,
                } } => match frame {
                    Ok(frame) => self.take(frame).await,
                    Err(error) => self.lose(&error).await,
                },
                () = sleep_until(wake) => {}
            }
        }
        if self.socket.is_some() {
            self.drop_socket(1000, "the device is switched off").await;
        }
    }

    fn publish(&mut self) {
        self.status.live = self.is_live();
        self.status.unsent = self.outbox.len();
        let status = self.status;
        self.told.send_if_modified(|told| std::mem::replace(told, status) != status);
    }

    /// When there is something to do although nothing comes.
    fn wake(&mut self) -> Instant {
        // Far away, but not so far that clocks overflow.
        let mut wake = Instant::now() + Duration::from_secs(3600);
        if self.is_live() {
            if !self.stalled {
                wake = wake.min(self.beat_at);
                if self.sync_at > Instant::now() {
                    wake = wake.min(self.sync_at);
                }
                wake = self.outbox.wake(self.config.ack_patience).map_or(wake, |at| wake.min(at));
            }
        } else if !self.hold && !self.status.ended {
            wake = wake.min(self.connect_at);
        }
        self.quiescing.as_ref().map_or(wake, |waiting| wake.min(waiting.wake()))
    }

    /// Does everything that is due.
    async fn pump(&mut self) {
        let now = Instant::now();
        if !self.is_live() && !self.hold && !self.status.ended && now >= self.connect_at {
            self.connect().await;
        }
        if !self.stalled {
            if self.is_live() && now >= self.beat_at {
                self.beat().await;
            }
            for nonce in self.outbox.lose_overdue(now, self.config.ack_patience) {
                self.record(What::Unknown { nonce }).await;
            }
            while self.is_live()
                && let Some(conversation) = self.view.unloaded()
            {
                self.load(conversation).await;
            }
            while self.is_live()
                && now >= self.sync_at
                && let Some((conversation, after)) = self.view.take_behind()
            {
                self.synced_at.entry(conversation).or_insert_with(|| self.history.now());
                self.write(&ClientFrame::Sync { conversation, after }).await;
            }
            while self.is_live()
                && let Some(item) = self.outbox.take_due(Instant::now())
            {
                self.attempt(item).await;
            }
        }
        self.look_for_rest().await;
    }

    async fn obey(&mut self, command: Command) {
        let now = Instant::now();
        match command {
            Command::Ask { nonce, conversation, request } => {
                self.outbox.push(nonce, conversation, request, now);
            }
            Command::Repeat { nonce, conversation, request } => {
                self.outbox.repeat(nonce, conversation, request, now);
            }
            Command::Read { conversation, seq } => self.read(conversation, seq).await,
            Command::Stall(stalled) => {
                self.stalled = stalled;
                // Whoever hung has missed its beats; it looks at what has come first.
                self.beat_at = now + self.config.heartbeat;
                self.pinged = None;
            }
            Command::Cut { hold } => {
                self.hold = hold;
                if self.is_live() {
                    self.drop_socket(ABNORMAL, "cut by the driver").await;
                }
            }
            Command::Resume => {
                self.hold = false;
                self.connect_at = now;
            }
            Command::Quiesce { deadline, reply } => self.quiescing = Some(Quiescing::new(deadline, reply)),
            Command::Screen { reply } => {
                for screen in self.view.screens() {
                    self.record(What::Screen(screen)).await;
                }
                // A driver that no longer waits wants no answer.
                let _ = reply.send(());
            }
        }
    }

    async fn connect(&mut self) {
        match timeout(self.config.patience, self.greet()).await {
            Ok(Ok((socket, hello))) => {
                let now = Instant::now();
                self.socket = Some(socket);
                self.live_since = now;
                self.status.connections += 1;
                self.pinged = None;
                self.beat_at = now + self.config.heartbeat.mul_f64(rand::rng().random_range(0.0..=1.0));
                self.take_hello(hello).await;
            }
            Ok(Err(error)) => self.lose(&error).await,
            Err(_) => self.lose(&Error::Deadline("connecting".into())).await,
        }
    }

    async fn greet(&self) -> Result<(Socket, Hello), Error> {
        let mut handshake = Handshake::bearer(self.identity.client.token());
        if let Some(bytes) = self.config.receive_buffer {
            handshake = handshake.receive_buffer(bytes);
        }
        let mut socket = Socket::open(&self.config.base, handshake).await?;
        self.record(What::Connected).await;
        let known = self.view.epoch.is_some();
        let hello = socket
            .hello_with(self.view.epoch, known.then(|| self.cursors()), known.then(|| self.view.states()))
            .await?;
        Ok((socket, hello))
    }

    /// The first of them: a client with more leaves the rest out, and gets those conversations whole.
    fn cursors(&self) -> Vec<(ConversationId, u64)> {
        let mut cursors = self.view.cursors();
        cursors.truncate(limits::CURSORS);
        cursors
    }

    /// The connection ended by itself.
    async fn lose(&mut self, error: &Error) {
        let code = match error {
            Error::Closed { code, .. } => *code,
            _ => ABNORMAL,
        };
        if let Some(wait) = error.problem().and_then(|problem| problem.retry_after_ms) {
            self.retry_after = Some(Duration::from_millis(wait));
        }
        let ended = code == close::SESSION_ENDED || error.status() == Some(401);
        self.status.ended |= ended;
        self.drop_socket(code, &error.to_string()).await;
    }

    /// Drops the connection, records what that leaves open, and decides when to connect again.
    pub(super) async fn drop_socket(&mut self, code: u16, reason: &str) {
        let now = Instant::now();
        let was_live = self.socket.take().is_some();
        self.record(What::Disconnected { code, reason: reason.to_owned() }).await;
        for nonce in self.outbox.lose(now) {
            self.record(What::Unknown { nonce }).await;
        }
        self.view.unanswered();
        self.synced_at.clear();
        if was_live && now >= self.live_since + self.config.calm {
            self.failures = 0;
        }
        let longest = self.config.backoff * 2u32.pow(self.failures.min(DOUBLINGS));
        let longest = longest.min(self.config.backoff_cap);
        let share = if self.config.jitter { rand::rng().random_range(0.0..=1.0) } else { 1.0 };
        self.failures += 1;
        self.connect_at = now + longest.mul_f64(share) + self.retry_after.take().unwrap_or_default();
    }

    pub(super) async fn write(&mut self, frame: &ClientFrame) {
        let Some(socket) = &mut self.socket else { return };
        if let Err(error) = socket.frame(frame).await {
            self.lose(&error).await;
        }
    }

    async fn attempt(&mut self, item: Item) {
        let Item { nonce, conversation, request, attempts, .. } = item;
        self.record(request.record(nonce.clone(), conversation, attempts)).await;
        let Ok(frame) = request.frame(nonce.clone(), conversation) else {
            // Outside the limits of a message: it never leaves the device.
            self.record(What::Refused {
                nonce: nonce.clone(),
                code: protocol::Code::Invalid,
                retryable: false,
            })
            .await;
            self.outbox.settle(&nonce);
            return;
        };
        self.status.attempts += 1;
        self.write(&frame).await;
    }

    /// One beat: the last `pong` must have come, and what it told of too.
    async fn beat(&mut self) {
        if let Some(n) = self.pinged.take() {
            self.record(What::PongMissed { n }).await;
            self.drop_socket(ABNORMAL, "no pong").await;
            return;
        }
        if let Some((conversation, have, told)) = self.view.still_missing().first().copied() {
            self.record(What::Silent { conversation, have, told }).await;
            self.drop_socket(ABNORMAL, "a change that was told of did not come").await;
            return;
        }
        self.pings += 1;
        self.pinged = Some(self.pings);
        self.beat_at = Instant::now() + self.config.heartbeat;
        self.write(&ClientFrame::Ping { n: self.pings }).await;
    }

    /// Loads the newest page of a conversation.
    async fn load(&mut self, conversation: ConversationId) {
        let client = self.identity.client.clone();
        let query = format!("limit={}", limits::PAGE);
        let asked = Some(self.history.now());
        match timeout(self.config.patience, client.messages(conversation, &query)).await {
            Ok(Ok(page)) => {
                let messages = page.messages.iter().map(crate::history::Seen::from).collect();
                let (head_seq, head_rev) = (page.head_seq, page.head_rev);
                self.record(What::Page { conversation, head_seq, head_rev, messages, asked }).await;
                self.view.take_page(conversation, page);
            }
            // No member any more; the socket's own word for it is on its way.
            Ok(Err(error)) if error.status() == Some(404) => self.leave(conversation).await,
            Ok(Err(error)) => {
                self.drop_socket(ABNORMAL, &format!("a page could not be loaded: {error}")).await;
            }
            Err(_) => self.drop_socket(ABNORMAL, "a page did not come in time").await,
        }
    }

    async fn read(&mut self, conversation: ConversationId, seq: Option<u64>) {
        if !self.view.holds(conversation) {
            return;
        }
        let head = self.view.head_seq(conversation);
        // A lower place by name is asked for all the same: the server must not let it move the mark back.
        let seq = match seq {
            Some(seq) => seq.min(head),
            None if head > self.view.read_seq(conversation) => head,
            None => return,
        };
        self.record(What::ReadAsked { conversation, seq }).await;
        self.view.mark(conversation, seq);
        if !self.stalled {
            self.write(&ClientFrame::Read { conversation, seq }).await;
        }
    }

    /// Marks that did not reach the server are sent again: nothing acknowledges them.
    pub(super) async fn ask_again_for_marks(&mut self, told: &[Conversation]) {
        for conversation in told {
            let seq = self.view.read_seq(conversation.id);
            if seq > conversation.read_seq {
                self.write(&ClientFrame::Read { conversation: conversation.id, seq }).await;
            }
        }
    }
}
