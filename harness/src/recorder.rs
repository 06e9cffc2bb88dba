//! A device that writes down everything it does and sees, into a [`History`].
//!
//! It is a client by the book: an outbox that keeps a message under its nonce until it is acknowledged or refused for
//! good, one in flight per conversation; the rule `rev = last + 1`; `sync` on gaps; a page on `reset`; full-jitter
//! reconnecting with cursors; pings. In reading order: this file is what drivers hold, [`request`] what they ask for,
//! [`outbox`] what waits to be sent, [`view`] what is on the screen, `life` the connection's life, `settle` how it finds out that it is at
//! rest, [`truth`] what is read over REST beside it.

mod life;
pub mod outbox;
pub mod request;
mod settle;
pub mod truth;
pub mod view;

use crate::history::History;
use crate::{Client, Error};
use protocol::{ConversationId, MessageId, Nonce, UserId};
use request::Request;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// Commands that may wait for one device; at the bound the driver waits.
const COMMANDS: usize = 1024;

/// Messages a device has seen last that a driver can choose from; the oldest are forgotten.
const RECENT: usize = 256;

/// A message that came to a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recent {
    /// Where.
    pub conversation: ConversationId,
    /// Which one.
    pub message: MessageId,
    /// Who wrote it.
    pub sender: UserId,
}

/// The messages that came last, oldest first. Locked for a push or a look only, never over an await.
type Latest = Arc<Mutex<VecDeque<Recent>>>;

/// How a device behaves.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where its socket connects, `http://host:port`: the server, or a proxy in front of it.
    pub base: String,
    /// Between pings. The server's own is 25 s; a fault driver takes one or two.
    pub heartbeat: Duration,
    /// Longest first wait before connecting again; each failure doubles it.
    pub backoff: Duration,
    /// Longest wait before connecting again.
    pub backoff_cap: Duration,
    /// Whether it waits a random part of the back-off (full jitter), as clients must. Off only to show what happens then.
    pub jitter: bool,
    /// How long a connection must have held for the back-off to start over.
    pub calm: Duration,
    /// How long connecting and `hello`, or one REST request, may take.
    pub patience: Duration,
    /// How long an answer to `send` may take before the same is sent again.
    pub ack_patience: Duration,
    /// Bytes the system takes in before it makes the server wait; none: the system's own choice.
    pub receive_buffer: Option<u32>,
}

impl Config {
    /// A patient client as in the contract, but with beats and waits short enough for a run of minutes.
    pub fn quick(base: impl Into<String>) -> Self {
        Self {
            base: base.into(),
            heartbeat: Duration::from_secs(2),
            backoff: Duration::from_millis(100),
            backoff_cap: Duration::from_secs(1),
            jitter: true,
            calm: Duration::from_secs(5),
            patience: Duration::from_secs(4),
            ack_patience: Duration::from_secs(5),
            receive_buffer: None,
        }
    }

    /// A client with the contract's numbers.
    pub fn patient(base: impl Into<String>) -> Self {
        Self {
            heartbeat: Duration::from_millis(u64::from(protocol::limits::HEARTBEAT_MS)),
            backoff: Duration::from_millis(500),
            backoff_cap: Duration::from_secs(30),
            calm: Duration::from_secs(60),
            patience: crate::DEADLINE,
            ack_patience: crate::DEADLINE * 3,
            ..Self::quick(base)
        }
    }
}

/// Who a device is.
#[derive(Clone, Debug)]
pub struct Identity {
    /// Its name in the history, without spaces, one of a kind: `ada/1`.
    pub name: String,
    /// Whose it is.
    pub user: UserId,
    /// Its session over REST, past any proxy. Its token opens the socket too.
    pub client: Client,
}

/// How a device is, right now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// Connected, and `hello` is answered.
    pub live: bool,
    /// Sockets that have become live so far.
    pub connections: u64,
    /// Messages without a final answer, repeats among them.
    pub unsent: usize,
    /// Messages acknowledged so far.
    pub acked: u64,
    /// Of those, how many a further attempt found stored.
    pub duplicates: u64,
    /// Attempts so far.
    pub attempts: u64,
    /// Changes applied so far.
    pub applied: u64,
    /// Gaps seen so far.
    pub gaps: u64,
    /// The session ended: it will not connect again.
    pub ended: bool,
}

/// How a wait for rest ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rest {
    /// Everything sent, and complete up to what REST told.
    pub complete: bool,
    /// How long it took.
    pub waited: Duration,
    /// Messages without an answer.
    pub unsent: usize,
    /// Conversations that are not complete: the `rev` the device has, and the one REST told.
    pub behind: Vec<(ConversationId, u64, u64)>,
}

/// What a driver asks of a device.
#[derive(Debug)]
enum Command {
    Ask { nonce: Nonce, conversation: ConversationId, request: Request },
    Repeat { nonce: Nonce, conversation: ConversationId, request: Request },
    Read { conversation: ConversationId, seq: Option<u64> },
    Stall(bool),
    Cut { hold: bool },
    Resume,
    Quiesce { deadline: Duration, reply: oneshot::Sender<Rest> },
    Screen { reply: oneshot::Sender<()> },
}

/// A running device. Dropped, it disconnects and ends.
#[derive(Debug)]
pub struct Device {
    identity: Identity,
    commands: mpsc::Sender<Command>,
    status: watch::Receiver<Status>,
    latest: Latest,
    task: JoinHandle<()>,
}

impl Device {
    /// Starts a device; it connects by itself.
    pub fn spawn(config: Config, identity: Identity, history: History) -> Self {
        let (commands, asked) = mpsc::channel(COMMANDS);
        let (told, status) = watch::channel(Status::default());
        let latest = Latest::default();
        let life = life::Life::new(config, identity.clone(), history, asked, told, Arc::clone(&latest));
        let task = tokio::spawn(Box::pin(life.run()));
        Self { identity, commands, status, latest, task }
    }

    /// Its name in the history.
    pub fn name(&self) -> &str {
        &self.identity.name
    }

    /// Whose it is.
    pub fn user(&self) -> UserId {
        self.identity.user
    }

    /// Its session over REST.
    pub fn client(&self) -> &Client {
        &self.identity.client
    }

    /// How it is now.
    pub fn status(&self) -> Status {
        *self.status.borrow()
    }

    /// Waits until its status is as wanted. `what` names it in the error.
    pub async fn until(
        &self,
        what: &str,
        within: Duration,
        wanted: impl FnMut(&Status) -> bool,
    ) -> Result<Status, Error> {
        let mut status = self.status.clone();
        let waited = timeout(within, status.wait_for(wanted)).await;
        match waited {
            Ok(Ok(status)) => Ok(*status),
            Ok(Err(_)) => Err(self.ended()),
            Err(_) => Err(Error::Deadline(format!("{} of {}", what, self.name()))),
        }
    }

    /// Sends a text when its turn comes, under a new nonce, and as often as it takes. The text is best made by
    /// [`compose`](crate::history::compose). Returns the nonce at once.
    pub async fn send(&self, conversation: ConversationId, text: impl Into<String>) -> Result<Nonce, Error> {
        self.request(conversation, Request::Send { text: text.into(), reply_to: None }).await
    }

    /// Asks for anything when its turn comes, under a new nonce, and as often as it takes. Returns the nonce at once.
    pub async fn request(&self, conversation: ConversationId, request: Request) -> Result<Nonce, Error> {
        let nonce = Nonce::generate();
        self.ask(Command::Ask { nonce: nonce.clone(), conversation, request }).await?;
        Ok(nonce)
    }

    /// The messages that came last and pass, oldest first.
    pub fn recent(&self, pass: impl Fn(&Recent) -> bool) -> Vec<Recent> {
        let latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        latest.iter().filter(|recent| pass(recent)).copied().collect()
    }

    /// Asks once more for what was asked before, from this or another device of the same person: at once, out of turn,
    /// and again until it is answered.
    pub async fn repeat(
        &self,
        nonce: Nonce,
        conversation: ConversationId,
        request: Request,
    ) -> Result<(), Error> {
        self.ask(Command::Repeat { nonce, conversation, request }).await
    }

    /// Moves the read mark: to a message, even one before the mark, or to the newest one the device has.
    pub async fn read(&self, conversation: ConversationId, seq: Option<u64>) -> Result<(), Error> {
        self.ask(Command::Read { conversation, seq }).await
    }

    /// Stops reading the socket, pinging and sending (true), or goes on (false): a program that hangs.
    pub async fn stall(&self, stalled: bool) -> Result<(), Error> {
        self.ask(Command::Stall(stalled)).await
    }

    /// Drops the connection without a word. It connects again by itself, or with `hold` only at
    /// [`resume`](Self::resume).
    pub async fn cut(&self, hold: bool) -> Result<(), Error> {
        self.ask(Command::Cut { hold }).await
    }

    /// Connects again at once, whatever it waits for.
    pub async fn resume(&self) -> Result<(), Error> {
        self.ask(Command::Resume).await
    }

    /// Waits until everything is sent and everything REST knows of has arrived, at most until the deadline; recorded.
    /// Others may still send: ask all devices, then all of them once more, before truths are compared.
    pub async fn quiesce(&self, deadline: Duration) -> Result<Rest, Error> {
        let (reply, answer) = oneshot::channel();
        self.ask(Command::Quiesce { deadline, reply }).await?;
        answer.await.map_err(|_| self.ended())
    }

    /// Records what is on its screen, for the comparison at the end.
    pub async fn record_screen(&self) -> Result<(), Error> {
        let (reply, answer) = oneshot::channel();
        self.ask(Command::Screen { reply }).await?;
        answer.await.map_err(|_| self.ended())
    }

    /// Ends it. Messages without an answer stay without one.
    pub async fn stop(self) -> Result<(), Error> {
        let Self { identity, commands, task, .. } = self;
        drop(commands);
        task.await.map_err(|error| Error::Unreadable(format!("the device {} failed: {error}", identity.name)))
    }

    async fn ask(&self, command: Command) -> Result<(), Error> {
        self.commands.send(command).await.map_err(|_| self.ended())
    }

    fn ended(&self) -> Error {
        Error::Unreadable(format!("the device {} has ended", self.name()))
    }
}
