//! Who is here, and who is writing: only of the moment, never in the store, never in anybody's way.

use crate::Chat;
use crate::hub::Socket;
use protocol::{ConversationId, Presence};

impl Chat {
    /// Somebody is writing in a conversation.
    pub fn typing(&self, _socket: &Socket, _conversation: ConversationId) {}

    /// Somebody came to this device, or stepped away from it.
    pub fn step(&self, _socket: &Socket, _state: Presence) {}
}
