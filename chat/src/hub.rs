//! Who is connected here, and to which conversations. In memory only; never waits for anybody.

mod company;
mod place;
mod socket;

pub(crate) use company::CROWD;
pub(crate) use place::{Next, Place};
pub(crate) use socket::encode;
pub use socket::{Drained, Socket, SocketId};

use crate::Identity;
use crate::metrics::Metrics;
use bytes::Bytes;
use protocol::{ConversationId, Presence, SessionId, UserId};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use tokio::runtime::Handle;

/// Parts the registries are split into, so that sockets coming and going seldom wait for a fan-out.
const SHARDS: usize = 64;

/// Sockets of a room up to which all are woken at once: writing to them takes less than ten milliseconds of one core.
const AT_ONCE: usize = 1_024;
/// Sockets of a larger room that are woken before everything else that is ready has its turn. The runtime lets a task that
/// yields wait for 61 others at most, so more than that would pile up.
const TURN: usize = 16;

/// Wakes sockets a part at a time: ten thousand tasks that are ready at once would stand before everybody else's message.
/// As many of these run as large rooms have had events just now; sockets that do not keep up are bounded by their queues.
async fn wake_in_turns(sockets: Vec<Arc<Socket>>) {
    for part in sockets.chunks(TURN) {
        part.iter().for_each(|socket| socket.ring());
        tokio::task::yield_now().await;
    }
}

/// A map in parts, each behind its own lock, held for a few pointer moves or one fan-out, never over an await.
struct Sharded<K, V> {
    shards: Vec<Mutex<HashMap<K, V>>>,
    hasher: RandomState,
}

impl<K: Hash + Eq, V> Sharded<K, V> {
    fn new() -> Self {
        Self { shards: (0..SHARDS).map(|_| Mutex::default()).collect(), hasher: RandomState::new() }
    }

    fn shard(&self, key: &K) -> MutexGuard<'_, HashMap<K, V>> {
        let index = usize::try_from(self.hasher.hash_one(key) % SHARDS as u64).unwrap_or(0);
        // A panic while the lock was held left a whole map behind: every step below is one insertion or removal.
        self.shards[index].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where somebody's membership begins: what came before is not theirs to see.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Floor {
    /// The last message that is not theirs.
    pub(crate) seq: u64,
    /// The last change that is not theirs: the one before their join.
    pub(crate) rev: u64,
}

/// A conversation somebody here is connected to.
#[derive(Default)]
struct Room {
    sockets: Vec<(Arc<Socket>, Floor)>,
    place: Option<Place>,
    /// The hub's tick when it moved: a pong tells a socket what moved since its last one without anything being
    /// written per socket and event.
    moved: u64,
}

/// The sockets of this node.
pub(crate) struct Hub {
    users: Sharded<UserId, Vec<Arc<Socket>>>,
    rooms: Sharded<ConversationId, Room>,
    count: AtomicUsize,
    next_id: AtomicU64,
    tick: AtomicU64,
    /// Where the sockets' tasks run, learnt from the first: taking turns with them means being one of them.
    runtime: OnceLock<Handle>,
    metrics: Arc<Metrics>,
}

impl Hub {
    pub(crate) fn new(metrics: Arc<Metrics>) -> Self {
        Self {
            users: Sharded::new(),
            rooms: Sharded::new(),
            count: AtomicUsize::new(0),
            next_id: AtomicU64::new(rand::random()),
            tick: AtomicU64::new(1),
            runtime: OnceLock::new(),
            metrics,
        }
    }

    /// A new socket. It hears what concerns its user at once, and its conversations once it is subscribed.
    pub(crate) fn attach(&self, who: Identity) -> Arc<Socket> {
        if self.runtime.get().is_none()
            && let Ok(runtime) = Handle::try_current()
        {
            self.runtime.get_or_init(|| runtime);
        }
        let id = SocketId(self.next_id.fetch_add(1, Ordering::Relaxed));
        let socket = Arc::new(Socket::new(id, who, self.tick.load(Ordering::Relaxed), self.metrics.clone()));
        self.users.shard(&who.user).entry(who.user).or_default().push(socket.clone());
        self.count.fetch_add(1, Ordering::Relaxed);
        socket
    }

    /// Forgets a socket. Answers whether it was its user's last one here.
    pub(crate) fn detach(&self, socket: &Arc<Socket>) -> bool {
        for room in socket.take_rooms() {
            Self::leave_room(&mut self.rooms.shard(&room), room, socket.id());
        }
        let user = socket.who().user;
        let mut users = self.users.shard(&user);
        let Entry::Occupied(mut entry) = users.entry(user) else { return false };
        let before = entry.get().len();
        entry.get_mut().retain(|other| other.id() != socket.id());
        if entry.get().len() < before {
            self.count.fetch_sub(1, Ordering::Relaxed);
        }
        if entry.get().is_empty() {
            entry.remove();
            return true;
        }
        false
    }

    pub(crate) fn count(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    /// People with a socket here.
    pub(crate) fn users(&self) -> usize {
        let count = |shard: &Mutex<HashMap<_, _>>| shard.lock().unwrap_or_else(PoisonError::into_inner).len();
        self.users.shards.iter().map(count).sum()
    }

    /// Where to count what happens.
    pub(crate) fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// How a person is, by their sockets here: online where somebody is at one of them.
    pub(crate) fn presence(&self, user: UserId) -> Presence {
        let users = self.users.shard(&user);
        let states = || users.get(&user).into_iter().flatten().map(|socket| socket.presence());
        [Presence::Online, Presence::Away]
            .into_iter()
            .find(|state| states().any(|other| other == *state))
            .unwrap_or_default()
    }

    /// From now on the socket hears the conversation, nothing from below `floor`. Doing it twice is doing it once.
    pub(crate) fn subscribe(&self, socket: &Arc<Socket>, conversation: ConversationId, floor: Floor) {
        // The room's lock is taken first here and below, so the two sides of a subscription always agree.
        let mut rooms = self.rooms.shard(&conversation);
        if socket.enter_room(conversation) {
            rooms.entry(conversation).or_default().sockets.push((socket.clone(), floor));
        } else if let Some(room) = rooms.get_mut(&conversation) {
            // Left and joined again between two looks at the membership: what came between stays hidden.
            for (_, known) in room.sockets.iter_mut().filter(|(other, _)| other.id() == socket.id()) {
                *known = Floor { seq: floor.seq.max(known.seq), rev: floor.rev.max(known.rev) };
            }
        }
    }

    pub(crate) fn unsubscribe(&self, socket: &Arc<Socket>, conversation: ConversationId) {
        let mut rooms = self.rooms.shard(&conversation);
        if socket.exit_room(conversation) {
            Self::leave_room(&mut rooms, conversation, socket.id());
        }
    }

    fn leave_room(rooms: &mut HashMap<ConversationId, Room>, conversation: ConversationId, socket: SocketId) {
        if let Entry::Occupied(mut room) = rooms.entry(conversation) {
            room.get_mut().sockets.retain(|(other, _)| other.id() != socket);
            if room.get().sockets.is_empty() {
                room.remove();
            }
        }
    }

    /// A person's sockets here.
    pub(crate) fn sockets_of(&self, user: UserId) -> Vec<Arc<Socket>> {
        self.users.shard(&user).get(&user).cloned().unwrap_or_default()
    }

    /// Whether anybody here hears the conversation.
    pub(crate) fn hears(&self, conversation: ConversationId) -> bool {
        self.rooms.shard(&conversation).contains_key(&conversation)
    }

    /// Gives every socket of a conversation the frame `choose` picks for it, knowing from where on it may see.
    /// `choose` runs under the room's lock: it hands out shared bytes, and encodes each form of an event once at most.
    /// All have it in their queues when this returns; those of a large room are woken in turns, `first` at once.
    pub(crate) fn fan_out(
        &self,
        conversation: ConversationId,
        first: Option<SocketId>,
        mut choose: impl FnMut(&Socket, Floor) -> Option<Bytes>,
    ) {
        let mut later = Vec::new();
        if let Some(room) = self.rooms.shard(&conversation).get(&conversation) {
            let crowd = room.sockets.len() > AT_ONCE;
            for (socket, floor) in &room.sockets {
                let Some(frame) = choose(socket, *floor) else { continue };
                if !crowd || Some(socket.id()) == first {
                    socket.push_bytes(frame);
                } else if socket.put(frame) {
                    later.push(socket.clone());
                }
            }
        }
        if later.is_empty() {
            return;
        }
        match self.runtime.get() {
            Some(runtime) => drop(runtime.spawn(wake_in_turns(later))),
            None => later.iter().for_each(|socket| socket.ring()),
        }
    }

    /// Heads of the socket's conversations that moved since it last asked.
    pub(crate) fn moved(&self, socket: &Socket) -> Vec<(ConversationId, u64)> {
        let now = self.tick.load(Ordering::Relaxed);
        let since = socket.swap_tick(now);
        let mut moved = Vec::new();
        for conversation in socket.rooms() {
            if let Some(room) = self.rooms.shard(&conversation).get(&conversation)
                && room.moved > since
                && let Some(place) = room.place
            {
                moved.push((conversation, place.rev));
            }
        }
        moved
    }

    /// Closes the sockets of a session that ended.
    pub(crate) fn end_session(&self, user: UserId, session: SessionId) {
        for socket in self.sockets_of(user) {
            if socket.who().session == session {
                socket.close(protocol::frame::close::SESSION_ENDED, "the session ended");
            }
        }
    }

    /// The people connected here.
    pub(crate) fn people(&self) -> Vec<UserId> {
        let mut people = Vec::new();
        for shard in &self.users.shards {
            people.extend(shard.lock().unwrap_or_else(PoisonError::into_inner).keys());
        }
        people
    }

    /// Every socket here.
    pub(crate) fn all(&self) -> Vec<Arc<Socket>> {
        let mut all = Vec::with_capacity(self.count());
        for shard in &self.users.shards {
            let users = shard.lock().unwrap_or_else(PoisonError::into_inner);
            all.extend(users.values().flatten().cloned());
        }
        all
    }
}

#[cfg(test)]
mod tests;
