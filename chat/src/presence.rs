//! Who is here, and who is writing: only of the moment, never in the store, never in anybody's way.
//!
//! Each node knows its own sockets and tells, a little later, what differs from what it told last: a page that is
//! loaded again is not worth two pieces of news. All of it goes over the bus, so that other nodes can hear it. Where nodes
//! share [`Leases`], each also knows who is at the others: somebody is gone when they are gone everywhere.

#[cfg(feature = "redis")]
mod leases;
#[cfg(not(feature = "redis"))]
#[path = "presence/no_leases.rs"]
mod leases;

pub(crate) use self::leases::Leases;
use self::leases::RENEW;
use crate::Chat;
use crate::bus::{Bus, Stored};
use crate::clock::now;
use crate::deliver::moment;
use crate::hub::{Hub, Socket};
use crate::store::Hello;
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
    /// Who is at the other nodes; none where there are no others, or they do not share it.
    pub(crate) leases: Option<Leases>,
    /// People whom other nodes told of as here, and their conversations; at most [`PENDING`].
    elsewhere: Mutex<HashMap<UserId, Vec<ConversationId>>>,
    /// Rung when somebody is pending.
    stepped: Notify,
}

impl Presences {
    pub(crate) fn new(hub: Arc<Hub>, bus: Arc<dyn Bus>, leases: Option<Leases>) -> Self {
        let (people, elsewhere) = (Mutex::default(), Mutex::default());
        Self { hub, bus, people, leases, elsewhere, stepped: Notify::new() }
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
                    self.round().await;
                }
            }
        };
        let sharing = async {
            let Some(leases) = &self.leases else { return std::future::pending().await };
            let mut turns = interval(RENEW);
            turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                turns.tick().await;
                leases.renew(&self.hub.presences()).await;
                self.expire(leases).await;
            }
        };
        stop.run_until_cancelled(async { tokio::join!(telling, sharing) }).await;
        if let Some(leases) = &self.leases {
            leases.end(&self.hub.people()).await;
        }
    }

    /// Tells of those whom another node told of as here, and who are nowhere now: that node is gone.
    pub(crate) async fn expire(&self, leases: &Leases) {
        let people: Vec<UserId> = self.others().keys().copied().collect();
        let Some(still) = leases.elsewhere(&people).await else { return };
        for user in people.into_iter().filter(|user| !still.contains_key(user)) {
            let Some(conversations) = self.others().remove(&user) else { continue };
            if self.hub.presence(user) == Presence::Offline {
                let (state, last_seen) = (Presence::Offline, Some(now()));
                moment(&self.hub, Stored::Presence { user, state, last_seen, conversations });
            }
        }
    }

    fn others(&self) -> MutexGuard<'_, HashMap<UserId, Vec<ConversationId>>> {
        self.elsewhere.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A node tells how somebody is: passed on, unless they are here and it says that they are gone.
    pub(crate) fn heard(&self, news: Stored) {
        if let Stored::Presence { user, state, conversations, .. } = &news {
            let here = self.hub.presence(*user) != Presence::Offline;
            if *state == Presence::Offline {
                self.others().remove(user);
                if here {
                    return;
                }
            } else if !here && self.leases.is_some() {
                let mut others = self.others();
                if others.len() < PENDING || others.contains_key(user) {
                    others.insert(*user, conversations.clone());
                }
            }
        }
        moment(&self.hub, news);
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
    async fn round(&self) {
        let now = Instant::now();
        if let Some(leases) = &self.leases {
            self.share(leases, now).await;
        }
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

    /// What is about to be told is shared first, and who is still at another node has not left.
    async fn share(&self, leases: &Leases, now: Instant) {
        let due: Vec<UserId> = {
            let people = self.people();
            let due = people.pending.iter().filter(|(_, pending)| pending.due <= now);
            due.map(|(user, _)| *user).take(ROUND).collect()
        };
        let states = due.into_iter().map(|user| (user, self.hub.presence(user)));
        let (gone, here): (Vec<_>, Vec<_>) = states.partition(|(_, state)| *state == Presence::Offline);
        if !here.is_empty() {
            leases.renew(&here).await;
        }
        let gone: Vec<_> = gone.into_iter().map(|(user, _)| user).collect();
        if gone.is_empty() {
            return;
        }
        leases.end(&gone).await;
        let still = leases.elsewhere(&gone).await.unwrap_or_default();
        let mut people = self.people();
        for user in still.keys() {
            if let Some(Pending { left: Some(left), .. }) = people.pending.remove(user) {
                people.told.remove(user);
                self.others().insert(*user, left.conversations);
            }
        }
    }

    /// How these people are, at whatever node.
    pub(crate) async fn fill(&self, users: &mut [User]) {
        users.iter_mut().for_each(|user| user.presence = self.of(user.id));
        let Some(leases) = &self.leases else { return };
        let unsure: Vec<_> =
            users.iter().filter(|user| user.presence != Presence::Online).map(|user| user.id).collect();
        let others = leases.elsewhere(&unsure).await.unwrap_or_default();
        for user in users.iter_mut().filter(|user| user.presence != Presence::Online) {
            if let Some(state) = others.get(&user.id) {
                user.presence = *state;
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

    /// Who is here of those the socket shares a conversation with; `company` knows those at other nodes.
    pub(crate) async fn present(&self, socket: &Arc<Socket>, company: &dyn Hello) -> ServerFrame {
        let (mut online, mut away) = (Vec::new(), Vec::new());
        let mut people = self.hub.company(socket, PRESENT);
        let mut others = HashMap::new();
        if let Some(leases) = &self.leases {
            match company.company(socket.who().user, PRESENT).await {
                Ok(company) => {
                    others = leases.elsewhere(&company).await.unwrap_or_default();
                    people.extend(others.keys().take(PRESENT.saturating_sub(people.len())));
                }
                Err(error) => tracing::debug!(store.error = %error, "those at other nodes are not told of"),
            }
        }
        for user in people {
            match (self.of(user), others.get(&user)) {
                (Presence::Online, _) | (_, Some(Presence::Online)) => online.push(user),
                (Presence::Away, _) | (_, Some(Presence::Away)) => away.push(user),
                (Presence::Offline, _) => {}
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

    pub(crate) async fn fill_presences(&self, users: &mut [User]) {
        self.inner.presences.fill(users).await;
    }

    pub(crate) async fn fill_presence(&self, user: &mut User) {
        self.fill_presences(std::slice::from_mut(user)).await;
    }
}

#[cfg(test)]
mod tests;
