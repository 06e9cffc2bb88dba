//! What is only of the moment: who is here together, and frames that may be lost.

use super::{Hub, Socket, SocketId};
use bytes::Bytes;
use protocol::{ConversationId, Presence, UserId};
use std::collections::HashSet;
use std::sync::Arc;

/// Sockets connected here beyond which a conversation gets no news of the moment: everybody's steps would be
/// everybody's news, and their number grows with its square.
pub(crate) const CROWD: usize = 256;
/// Sockets looked at to answer who is here. Somebody with more of them around hears of the rest when they move.
const LOOKED_AT: usize = 10_000;

impl Hub {
    /// Whether a conversation is small enough here for news of the moment.
    pub(crate) fn is_crowd(&self, conversation: ConversationId) -> bool {
        self.rooms.shard(&conversation).get(&conversation).is_some_and(|room| room.sockets.len() > CROWD)
    }

    /// Gives every socket of these conversations a frame that may be lost: each once, those of `except` and of
    /// crowds none.
    pub(crate) fn whisper(&self, conversations: &[ConversationId], except: UserId, frame: &Bytes) {
        let mut told: HashSet<SocketId> = HashSet::new();
        for conversation in conversations {
            let rooms = self.rooms.shard(conversation);
            let Some(room) = rooms.get(conversation).filter(|room| room.sockets.len() <= CROWD) else {
                continue;
            };
            for (socket, _) in &room.sockets {
                if socket.who().user != except && told.insert(socket.id()) {
                    socket.push_ephemeral(frame.clone());
                }
            }
        }
    }

    /// Everybody who is here, and how.
    pub(crate) fn presences(&self) -> Vec<(UserId, Presence)> {
        let states = self.people().into_iter().map(|user| (user, self.presence(user)));
        states.filter(|(_, state)| *state != Presence::Offline).collect()
    }

    /// What a person's sockets hear. All that have said hello hear the same, so the fullest speaks for them.
    pub(crate) fn rooms_of(&self, user: UserId) -> Vec<ConversationId> {
        let rooms = self.sockets_of(user).into_iter().map(|socket| socket.rooms());
        rooms.max_by_key(Vec::len).unwrap_or_default()
    }

    /// Who else hears one of the socket's conversations, at most `most` people, crowds left out.
    pub(crate) fn company(&self, socket: &Arc<Socket>, most: usize) -> HashSet<UserId> {
        let (mut people, mut looked_at) = (HashSet::new(), 0);
        for conversation in socket.rooms() {
            let rooms = self.rooms.shard(&conversation);
            let Some(room) = rooms.get(&conversation).filter(|room| room.sockets.len() <= CROWD) else {
                continue;
            };
            for (other, _) in &room.sockets {
                let user = other.who().user;
                if user != socket.who().user && people.insert(user) && people.len() >= most {
                    return people;
                }
            }
            looked_at += room.sockets.len();
            if looked_at >= LOOKED_AT {
                break;
            }
        }
        people
    }
}
