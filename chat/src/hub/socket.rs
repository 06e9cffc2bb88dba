//! One connected socket: its bounded queue and what it hears.

use crate::Identity;
use crate::metrics::Metrics;
use bytes::Bytes;
use protocol::frame::close;
use protocol::{ConversationId, Presence, ServerFrame, limits};
use std::collections::HashSet;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// A socket; never reused. The first of a process is drawn, so that no two nodes have the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct SocketId(pub(crate) u64);

const OFFLINE: u8 = 0;
const ONLINE: u8 = 1;
const AWAY: u8 = 2;

/// What [`Socket::drain`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drained {
    /// Frames to write, perhaps none.
    Frames,
    /// Write what was drained, then close with this code; nothing will follow.
    Close {
        /// WebSocket close code.
        code: u16,
        /// For people.
        reason: &'static str,
    },
}

#[derive(Default)]
struct Queue {
    frames: Vec<Bytes>,
    bytes: usize,
    close: Option<(u16, &'static str)>,
}

/// A connected socket, as the hub knows it. The gateway drains it; everybody else pushes.
pub struct Socket {
    id: SocketId,
    who: Identity,
    /// Bounded by [`limits::QUEUE_FRAMES`] and [`limits::QUEUE_BYTES`]. A standard mutex: it is held for a push.
    queue: Mutex<Queue>,
    /// Rung when the queue is no longer empty. Holds one permit, so a ring before the wait is not lost.
    wake: Notify,
    /// What it hears; none once it is detached, so that nothing subscribes it again.
    rooms: Mutex<Option<HashSet<ConversationId>>>,
    /// The hub's tick at the last pong.
    tick: AtomicU64,
    /// A [`Presence`]: offline until it has said hello.
    presence: AtomicU8,
    metrics: Arc<Metrics>,
}

impl Socket {
    pub(crate) fn new(id: SocketId, who: Identity, tick: u64, metrics: Arc<Metrics>) -> Self {
        Self {
            id,
            who,
            queue: Mutex::default(),
            wake: Notify::new(),
            rooms: Mutex::new(Some(HashSet::new())),
            tick: AtomicU64::new(tick),
            presence: AtomicU8::new(OFFLINE),
            metrics,
        }
    }

    /// Which socket.
    pub const fn id(&self) -> SocketId {
        self.id
    }

    /// Whose.
    pub const fn who(&self) -> Identity {
        self.who
    }

    /// Where to count what happens to it.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Queues one frame for this socket only.
    pub fn push(&self, frame: &ServerFrame) {
        self.metrics.told(frame);
        self.push_bytes(encode(frame));
    }

    /// Queues an encoded frame. A queue that would pass its bounds is dropped instead, and the socket told to come
    /// back and resync: a reader that falls behind costs nobody else anything, and loses nothing it cannot fetch.
    pub(crate) fn push_bytes(&self, frame: Bytes) {
        if self.put(frame) {
            self.ring();
        }
    }

    /// The same without waking who drains it. Answers whether there is something to wake them for.
    pub(super) fn put(&self, frame: Bytes) -> bool {
        let mut queue = self.queue();
        if queue.close.is_some() {
            return false;
        }
        // A single frame larger than the whole bound (a long list of heads) may pass when it is alone.
        let too_much = queue.bytes + frame.len() > limits::QUEUE_BYTES && !queue.frames.is_empty();
        if queue.frames.len() >= limits::QUEUE_FRAMES || too_much {
            queue.frames = Vec::new();
            queue.bytes = 0;
            self.metrics.slow_queue.inc();
            queue.close = Some((close::RESYNC, "fell behind, come back with cursors"));
        } else {
            queue.bytes += frame.len();
            queue.frames.push(frame);
        }
        true
    }

    /// Wakes who drains it.
    pub(super) fn ring(&self) {
        self.wake.notify_one();
    }

    /// Queues an encoded frame that may be lost. It is dropped where the queue is half full: what a socket that falls
    /// behind can still take is left to what it must not miss.
    pub(crate) fn push_ephemeral(&self, frame: Bytes) {
        let mut queue = self.queue();
        let room = queue.frames.len() < limits::QUEUE_FRAMES / 2
            && queue.bytes + frame.len() <= limits::QUEUE_BYTES / 2;
        if queue.close.is_none() && room {
            queue.bytes += frame.len();
            queue.frames.push(frame);
            drop(queue);
            self.wake.notify_one();
        }
    }

    /// Closes the socket after what is queued. The first reason stands.
    pub(crate) fn close(&self, code: u16, reason: &'static str) {
        self.queue().close.get_or_insert((code, reason));
        self.wake.notify_one();
    }

    /// Takes everything that waits, appending it to `frames`.
    pub fn drain(&self, frames: &mut Vec<Bytes>) -> Drained {
        let mut queue = self.queue();
        frames.append(&mut queue.frames);
        queue.bytes = 0;
        // A burst's capacity is given back: an idle socket holds no buffer.
        if queue.frames.capacity() > 8 {
            queue.frames = Vec::new();
        }
        match queue.close {
            Some((code, reason)) => Drained::Close { code, reason },
            None => Drained::Frames,
        }
    }

    /// Whether the socket is to be closed.
    pub fn is_closing(&self) -> bool {
        self.queue().close.is_some()
    }

    /// Until there is something to drain. Cancel safe; may return without anything being there.
    pub async fn wait(&self) {
        self.wake.notified().await;
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn room_set(&self) -> MutexGuard<'_, Option<HashSet<ConversationId>>> {
        self.rooms.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `false`: it was in already, or is detached.
    pub(super) fn enter_room(&self, conversation: ConversationId) -> bool {
        self.room_set().as_mut().is_some_and(|rooms| rooms.insert(conversation))
    }

    /// `false`: it was not in.
    pub(super) fn exit_room(&self, conversation: ConversationId) -> bool {
        self.room_set().as_mut().is_some_and(|rooms| rooms.remove(&conversation))
    }

    /// Whether it hears the conversation.
    pub(crate) fn is_in(&self, conversation: ConversationId) -> bool {
        self.room_set().as_ref().is_some_and(|rooms| rooms.contains(&conversation))
    }

    pub(super) fn take_rooms(&self) -> HashSet<ConversationId> {
        self.room_set().take().unwrap_or_default()
    }

    /// Ids of what it hears.
    pub(crate) fn rooms(&self) -> Vec<ConversationId> {
        self.room_set().iter().flatten().copied().collect()
    }

    /// Whether it has not said hello yet.
    pub(crate) fn is_new(&self) -> bool {
        self.presence.load(Ordering::Relaxed) == OFFLINE
    }

    /// Whether somebody is at this device; offline until it has said hello.
    pub(crate) fn presence(&self) -> Presence {
        match self.presence.load(Ordering::Relaxed) {
            ONLINE => Presence::Online,
            AWAY => Presence::Away,
            _ => Presence::Offline,
        }
    }

    /// Notes it. Answers whether that is new.
    pub(crate) fn step(&self, presence: Presence) -> bool {
        let presence = match presence {
            Presence::Online => ONLINE,
            Presence::Away => AWAY,
            Presence::Offline => OFFLINE,
        };
        self.presence.swap(presence, Ordering::Relaxed) != presence
    }

    pub(super) fn swap_tick(&self, now: u64) -> u64 {
        self.tick.swap(now, Ordering::Relaxed)
    }
}

/// A frame as the bytes of its JSON. Every frame is a plain struct, so encoding cannot fail.
pub(crate) fn encode(frame: &ServerFrame) -> Bytes {
    match serde_json::to_vec(frame) {
        Ok(json) => Bytes::from(json),
        Err(error) => {
            tracing::error!(%error, "a frame could not be encoded");
            Bytes::from_static(b"{\"type\":\"bye\",\"reason\":\"internal\",\"retry_after_ms\":1000}")
        }
    }
}
