//! Keeps our entries: the instance of the service, the session, and who is connected here.

use super::agent::{Agent, Error};
use crate::discovery::Me;
use crate::discovery::backoff::Backoff;
use crate::discovery::directory::{Contact, Directory, now};
use chat::{Chat, Connected};
use protocol::{Timestamp, UserId};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

/// Between two looks at our entries: thrice within the life of a session.
const ROUND: Duration = Duration::from_secs(3);
/// Between two writes of who is connected, at least.
const WRITE: Duration = Duration::from_secs(5);
/// After this long it is written although it is the same: somebody may have removed it.
const REWRITE: Duration = Duration::from_secs(60);
/// People named in it; of the others only the number is told. A value of Consul holds 512 KiB, each of these 40 bytes.
const WHO: usize = 1_000;

/// Who is connected to a node, as it stands in the key/value store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Entry {
    /// How many people.
    pub(super) users: u64,
    /// How many sockets they have.
    pub(super) sockets: u64,
    /// Some of them, by id.
    #[serde(default)]
    who: Vec<UserId>,
    /// When this was so.
    at: Timestamp,
}

impl Entry {
    fn of(connected: Connected) -> Self {
        let Connected { mut users, sockets } = connected;
        let count = users.len() as u64;
        users.truncate(WHO);
        Self { users: count, sockets: sockets as u64, who: users, at: now() }
    }

    fn says_the_same(&self, other: &Self) -> bool {
        (self.users, self.sockets, &self.who) == (other.users, other.sockets, &other.who)
    }
}

/// The one who keeps them.
pub(super) struct Keeper {
    agent: Agent,
    me: Arc<Me>,
    chat: Chat,
    directory: Arc<Directory>,
    /// Whether this run has registered: an entry from before may name another address.
    registered: bool,
    session: Option<String>,
    written: Option<(Entry, Instant)>,
    /// Whether somebody else holds our key, and when that was found.
    held: Option<Instant>,
}

impl Keeper {
    pub(super) fn new(agent: Agent, me: Arc<Me>, chat: Chat, directory: Arc<Directory>) -> Self {
        Self { agent, me, chat, directory, registered: false, session: None, written: None, held: None }
    }

    /// Keeps them until it is stopped, then takes them away. A request under way is always finished before, so that
    /// none of them can arrive after those that take away.
    pub(super) async fn run(mut self, stop: CancellationToken) {
        let mut backoff = Backoff::new();
        let mut first = true;
        while !stop.is_cancelled() {
            let kept = self.round().await;
            let changed = self.directory.reached(Contact::Keeping, kept.is_ok());
            let wait = match kept {
                Ok(()) => {
                    if changed {
                        tracing::info!(node = self.me.name.as_str(), "known to Consul");
                    }
                    backoff.reset();
                    ROUND
                }
                Err(error) => {
                    if changed || first {
                        tracing::warn!(consul.error = %error, "Consul is away; going on with the nodes known last");
                    }
                    backoff.next()
                }
            };
            first = false;
            stop.run_until_cancelled(sleep(wait)).await;
        }
        self.leave().await;
    }

    async fn round(&mut self) -> Result<(), Error> {
        if !self.registered || !self.agent.is_registered(&self.me).await? {
            // Who is registered as passing and is not would be passing until the first check.
            let ready = self.chat.ready().await.ready;
            self.agent.register(&self.me, ready).await?;
            self.registered = true;
        }
        let session = match self.session.take() {
            Some(session) if self.agent.renew(&session).await? => session,
            _ => {
                (self.written, self.held) = (None, None);
                self.agent.create_session(&self.me).await?
            }
        };
        self.session = Some(session.clone());
        self.write(&session).await
    }

    async fn write(&mut self, session: &str) -> Result<(), Error> {
        let last = self.written.as_ref().map(|(_, at)| *at).or(self.held);
        if last.is_some_and(|last| last.elapsed() < WRITE) {
            return Ok(());
        }
        let entry = Entry::of(self.chat.connected());
        if let Some((before, at)) = &self.written
            && before.says_the_same(&entry)
            && at.elapsed() < REWRITE
        {
            return Ok(());
        }
        if self.agent.write(&self.me, session, &entry).await? {
            (self.written, self.held) = (Some((entry, Instant::now())), None);
        } else {
            // A run that was killed holds it until its session ends; for longer, only another node of our name.
            if self.held.is_none() {
                tracing::warn!(
                    node = self.me.name.as_str(),
                    "this node's name is taken in Consul; waiting for it"
                );
            }
            (self.written, self.held) = (None, Some(Instant::now()));
        }
        Ok(())
    }

    async fn leave(self) {
        let session = async {
            match &self.session {
                Some(session) => self.agent.destroy_session(session).await,
                None => Ok(()),
            }
        };
        let instance = async { if self.registered { self.agent.deregister(&self.me).await } else { Ok(()) } };
        let (session, instance) = tokio::join!(session, instance);
        if let Err(error) = session.and(instance) {
            tracing::warn!(consul.error = %error, "Consul was not told that this node stops; it finds out by its check");
        }
    }
}
