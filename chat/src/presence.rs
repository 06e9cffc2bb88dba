//! Who is here, and who is writing: only of the moment, never in the store, never in anybody's way.
//!
//! Each node knows its own sockets and tells, a little later, what differs from what it told last: a page that is
//! loaded again is not worth two pieces of news. All of it goes over the bus, so that other nodes can hear it.

use crate::Chat;
use crate::bus::{Bus, Stored};
use crate::clock::now;
use crate::hub::{Hub, Socket};
use protocol::{ConversationId, Presence, ServerFrame, Timestamp, User, UserId};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

/// After somebody's first step, before it is told.
const SETTLE: Duration = Duration::from_secs(2);
/// After somebody's last socket is gone, before it is told.
const LEAVE: Duration = Duration::from_secs(5);
/// People told of in one round, and how often there is one: fewer than half a socket's queue, so that a socket
/// that reads loses none of a storm.
const ROUND: usize = 100;
const EVERY: Duration = Duration::from_millis(100);
/// People who wait to be told of. Of one more the others hear at their next step.
const PENDING: usize = 10_000;
/// At most one piece of news that somebody writes, each person and conversation.
const TYPING_EVERY: Duration = Duration::from_secs(2);
/// People and conversations remembered for that. When full, those whose time is over go; if that frees nothing, the
/// news is dropped.
const TYPING: usize = 10_000;
/// People named in `present`; of the others one hears at their next step.
const PRESENT: usize = 1_000;

/// Somebody whose state may be worth telling.
struct Pending {
    due: Instant,
    left: Option<Left>,
}

/// How somebody left: their sockets cannot be asked any more.
struct Left {
    at: Instant,
    last_seen: Timestamp,
    conversations: Vec<ConversationId>,
}

#[derive(Default)]
struct People {
    /// What was told last of everybody who is connected or was a moment ago; none where nothing was told yet.
    told: HashMap<UserId, Option<Presence>>,
    pending: HashMap<UserId, Pending>,
    typing: HashMap<(UserId, ConversationId), Instant>,
}

/// What this node told of the people connected to it.
pub(crate) struct Presences {
    hub: Arc<Hub>,
    bus: Arc<dyn Bus>,
    people: Mutex<People>,
    /// Rung when somebody is pending.
    stepped: Notify,
}

impl Presences {
    pub(crate) fn new(hub: Arc<Hub>, bus: Arc<dyn Bus>) -> Self {
        Self { hub, bus, people: Mutex::default(), stepped: Notify::new() }
    }

    fn people(&self) -> MutexGuard<'_, People> {
        self.people.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells what changed, until it is stopped.
    pub(crate) async fn run(self: Arc<Self>, stop: CancellationToken) {
        let telling = async {
            loop {
                self.stepped.notified().await;
                let mut rounds = interval(EVERY);
                rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
                while !self.people().pending.is_empty() {
                    rounds.tick().await;
                    self.round();
                }
            }
        };
        stop.run_until_cancelled(telling).await;
    }

    /// A socket said hello.
    pub(crate) fn came(&self, socket: &Socket) {
        let user = socket.who().user;
        socket.step(Presence::Online);
        self.people().told.entry(user).or_default();
        self.stepped(user);
    }

    /// A socket is gone that heard these conversations.
    pub(crate) fn gone(&self, socket: &Socket, conversations: Vec<ConversationId>) {
        let user = socket.who().user;
        if socket.presence() == Presence::Offline {
            return; // before its hello
        }
        match self.hub.presence(user) {
            Presence::Offline => self.left(user, conversations),
            Presence::Online | Presence::Away => self.stepped(user),
        }
    }

    /// Somebody's sockets are not what they were.
    fn stepped(&self, user: UserId) {
        let mut people = self.people();
        if people.pending.len() < PENDING {
            people
                .pending
                .entry(user)
                .or_insert_with(|| Pending { due: Instant::now() + SETTLE, left: None });
            drop(people);
            self.stepped.notify_one();
        }
    }

    /// Somebody's last socket here is gone.
    fn left(&self, user: UserId, conversations: Vec<ConversationId>) {
        let (at, last_seen) = (Instant::now(), now());
        let mut people = self.people();
        if people.pending.len() >= PENDING && !people.pending.contains_key(&user) {
            // Nobody is told; whoever asks gets the truth.
            people.told.remove(&user);
            return;
        }
        let left = Some(Left { at, last_seen, conversations });
        people.pending.insert(user, Pending { due: at + LEAVE, left });
        drop(people);
        self.stepped.notify_one();
    }

    /// Tells of those whose time has come.
    fn round(&self) {
        let now = Instant::now();
        let due: Vec<UserId> = {
            let people = self.people();
            let due = people.pending.iter().filter(|(_, pending)| pending.due <= now);
            due.map(|(user, _)| *user).take(ROUND).collect()
        };
        for user in due {
            let mut people = self.people();
            let Some(pending) = people.pending.remove(&user) else { continue };
            let state = self.hub.presence(user);
            let (last_seen, conversations) = match (state, pending.left) {
                // Told although they may not have been told of as here: somebody may have asked meanwhile.
                (Presence::Offline, Some(left)) if left.at + LEAVE <= now => {
                    (Some(left.last_seen), left.conversations)
                }
                (Presence::Offline, Some(left)) => {
                    people.pending.insert(user, Pending { due: left.at + LEAVE, left: Some(left) });
                    continue;
                }
                // Gone this instant: that is on its way here by itself.
                (Presence::Offline, None) => continue,
                _ if people.told.get(&user) == Some(&Some(state)) => continue,
                _ => (None, self.hub.rooms_of(user)),
            };
            if state == Presence::Offline {
                people.told.remove(&user);
            } else {
                people.told.insert(user, Some(state));
            }
            let news = Stored::Presence { user, state, last_seen, conversations: conversations.clone() };
            if !self.bus.whisper(news) {
                // The bus is busy with what matters more: again in the next round.
                people.told.insert(user, None);
                let left = last_seen.map(|last_seen| Left { at: now - LEAVE, last_seen, conversations });
                people.pending.insert(user, Pending { due: now, left });
                return;
            }
        }
    }

    /// How somebody is, as the others were told: then whatever comes next is told too.
    pub(crate) fn of(&self, user: UserId) -> Presence {
        let told = self.people().told.get(&user).copied().flatten();
        told.unwrap_or_else(|| self.hub.presence(user))
    }

    /// Whether this piece of news that somebody writes is the first in a while.
    fn is_news(&self, user: UserId, conversation: ConversationId) -> bool {
        let now = Instant::now();
        let typing = &mut self.people().typing;
        if typing.len() >= TYPING {
            typing.retain(|_, until| *until > now);
        }
        if typing.len() >= TYPING || typing.get(&(user, conversation)).is_some_and(|until| *until > now) {
            return false;
        }
        typing.insert((user, conversation), now + TYPING_EVERY);
        true
    }

    /// Somebody is writing. Only from a socket that hears the conversation, which members alone do.
    pub(crate) fn typing(&self, socket: &Socket, conversation: ConversationId) {
        let user = socket.who().user;
        if socket.is_in(conversation) && !self.hub.is_crowd(conversation) && self.is_news(user, conversation)
        {
            self.bus.whisper(Stored::Typing { conversation, user });
        }
    }

    /// Somebody came to a device, or stepped away from it.
    pub(crate) fn step(&self, socket: &Socket, state: Presence) {
        // Who is not here does not say so.
        if state != Presence::Offline && socket.step(state) {
            self.stepped(socket.who().user);
        }
    }

    /// Who is here of those the socket shares a conversation with.
    pub(crate) fn present(&self, socket: &Arc<Socket>) -> ServerFrame {
        let (mut online, mut away) = (Vec::new(), Vec::new());
        for user in self.hub.company(socket, PRESENT) {
            match self.of(user) {
                Presence::Online => online.push(user),
                Presence::Away => away.push(user),
                Presence::Offline => {}
            }
        }
        ServerFrame::Present { online, away }
    }
}

impl Chat {
    /// Somebody is writing in a conversation.
    pub fn typing(&self, socket: &Socket, conversation: ConversationId) {
        self.inner.presences.typing(socket, conversation);
    }

    /// Somebody came to this device, or stepped away from it.
    pub fn step(&self, socket: &Socket, state: Presence) {
        self.inner.presences.step(socket, state);
    }

    pub(crate) fn fill_presence(&self, user: &mut User) {
        user.presence = self.inner.presences.of(user.id);
    }
}

#[cfg(test)]
mod tests;
