//! How far a conversation has been delivered here, so that a lost doorbell shows as a gap.

use super::Hub;
use protocol::{ConversationId, Kind};
use std::sync::PoisonError;
use std::sync::atomic::Ordering;

/// Up to where the sockets of a conversation have its changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) rev: u64,
    pub(crate) kind: Kind,
    /// Whether `rev` was delivered. Until the first delivery it is the lowest head that one of the sockets began with:
    /// what is delivered although a socket has it already costs nothing, because clients drop what they know.
    heard: bool,
}

/// How a change stands to what was delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// It is the next one, or the first, or nobody hears the conversation.
    Now,
    /// It was delivered before.
    Known,
    /// Those after this place come first.
    After(Place),
}

impl Hub {
    /// A socket of the conversation began with this head.
    pub(crate) fn begin(&self, conversation: ConversationId, kind: Kind, rev: u64) {
        if let Some(room) = self.rooms.shard(&conversation).get_mut(&conversation) {
            match &mut room.place {
                Some(place) if place.heard => {}
                Some(place) => place.rev = place.rev.min(rev),
                none => *none = Some(Place { rev, kind, heard: false }),
            }
        }
    }

    /// How a change stands to what was delivered.
    pub(crate) fn next(&self, conversation: ConversationId, rev: u64) -> Next {
        match self.place(conversation) {
            Some(place) if rev > place.rev + 1 => Next::After(place),
            Some(place) if place.heard && rev <= place.rev => Next::Known,
            _ => Next::Now,
        }
    }

    /// Up to where a conversation was delivered; none where nobody hears it, or nobody knows yet.
    pub(crate) fn place(&self, conversation: ConversationId) -> Option<Place> {
        self.rooms.shard(&conversation).get(&conversation)?.place
    }

    /// The sockets of the conversation have its changes up to this one.
    pub(crate) fn delivered(&self, conversation: ConversationId, kind: Kind, rev: u64) {
        if let Some(room) = self.rooms.shard(&conversation).get_mut(&conversation) {
            room.place = Some(Place { rev, kind, heard: true });
            room.moved = self.tick.fetch_add(1, Ordering::Relaxed) + 1;
        }
    }

    /// Closes every socket of a conversation. Those that come next begin anew.
    pub(crate) fn close_room(&self, conversation: ConversationId, code: u16, reason: &'static str) {
        if let Some(room) = self.rooms.shard(&conversation).get_mut(&conversation) {
            room.sockets.iter().for_each(|(socket, _)| socket.close(code, reason));
            room.place = None;
        }
    }

    /// Up to where each conversation was delivered.
    pub(crate) fn places(&self) -> Vec<(ConversationId, u64)> {
        let mut places = Vec::new();
        for shard in &self.rooms.shards {
            let rooms = shard.lock().unwrap_or_else(PoisonError::into_inner);
            places.extend(rooms.iter().filter_map(|(id, room)| Some((*id, room.place?.rev))));
        }
        places
    }
}
