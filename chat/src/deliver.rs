//! From the bus to the sockets connected here: one encoding per event, shared by all of them.
//!
//! One task hears the node's subscription, so that every socket of a conversation gets its events in one order.

use crate::bus::{Stored, Subscription};
use crate::history::conversation_for_reader;
use crate::hub::{Hub, Socket, SocketId, encode};
use crate::store::Stores;
use bytes::Bytes;
use protocol::frame::close;
use protocol::{Change, ChangeKind, ConversationId, Kind, ServerFrame, UserId};
use std::sync::Arc;

/// Hears the bus until it is closed.
pub(crate) async fn run(mut subscription: impl Subscription, hub: Arc<Hub>, stores: Stores) {
    let deliver = Deliver { hub, stores };
    while let Some(stored) = subscription.next().await {
        deliver.one(stored).await;
    }
}

struct Deliver {
    hub: Arc<Hub>,
    stores: Stores,
}

impl Deliver {
    async fn one(&self, stored: Stored) {
        match stored {
            Stored::Change { conversation, kind, change, origin } => {
                self.change(conversation, kind, change, origin).await;
            }
            Stored::Opened { conversation, members } => {
                for user in members {
                    self.open(conversation, user).await;
                }
            }
            Stored::Read { conversation, user, seq, unread, origin } => {
                self.read(conversation, user, seq, unread, origin);
            }
        }
    }

    async fn change(
        &self,
        conversation: ConversationId,
        kind: Kind,
        change: Change,
        origin: Option<SocketId>,
    ) {
        let rev = change.rev;
        match &change.kind {
            ChangeKind::Posted { .. } => self.posted(conversation, kind, change, origin),
            ChangeKind::Joined { user, .. } => {
                let user = *user;
                self.event(conversation, kind, change);
                // After the event: the newcomer starts from the whole object, which includes it.
                self.open(conversation, user).await;
            }
            ChangeKind::Left { user, .. } => {
                let gone = encode(&ServerFrame::Gone { conversation });
                for socket in self.hub.sockets_of(*user) {
                    self.hub.unsubscribe(&socket, conversation);
                    socket.push_bytes(gone.clone());
                }
                self.event(conversation, kind, change);
            }
            ChangeKind::Renamed { .. } | ChangeKind::Role { .. } | ChangeKind::Unsupported => {
                self.event(conversation, kind, change);
            }
        }
        self.hub.head_moved(conversation, rev);
    }

    /// The same bytes for everybody.
    fn event(&self, conversation: ConversationId, kind: Kind, change: Change) {
        if self.hub.hears(conversation) {
            let frame = encode(&ServerFrame::Event { conversation, kind, change });
            self.hub.fan_out(conversation, |_| Some(frame.clone()));
        }
    }

    /// A message: the sender's devices see its nonce, the socket that sent it gets its ack in the event's place.
    fn posted(&self, conversation: ConversationId, kind: Kind, change: Change, origin: Option<SocketId>) {
        if !self.hub.hears(conversation) {
            return;
        }
        let Change { rev, kind: ChangeKind::Posted { message } } = change else { return };
        let sender = message.sender;
        let event = |message| ServerFrame::Event {
            conversation,
            kind,
            change: Change { rev, kind: ChangeKind::Posted { message } },
        };
        let others = {
            let mut message = message.clone();
            message.nonce = None;
            encode(&event(message))
        };
        let ack = origin
            .and(message.nonce.clone())
            .map(|nonce| encode(&ServerFrame::Ack { nonce, message: message.clone(), duplicate: false }));
        let own = encode(&event(message));
        self.hub.fan_out(conversation, |socket: &Socket| {
            let frame: &Bytes = if socket.who().user != sender {
                &others
            } else if Some(socket.id()) == origin {
                ack.as_ref().unwrap_or(&own)
            } else {
                &own
            };
            Some(frame.clone())
        });
    }

    /// The person's sockets hear the conversation from now on and get it whole: subscribed first, read afterwards,
    /// so that no event falls between.
    async fn open(&self, conversation: ConversationId, user: UserId) {
        let sockets = self.hub.sockets_of(user);
        if sockets.is_empty() {
            return;
        }
        for socket in &sockets {
            self.hub.subscribe(socket, conversation);
        }
        match self.stores.conversations.conversation(user, conversation).await {
            Ok(Some(mut object)) => {
                conversation_for_reader(&mut object, user);
                let frame = encode(&ServerFrame::Heads { conversations: vec![object] });
                for socket in &sockets {
                    socket.push_bytes(frame.clone());
                }
            }
            // They have left again; that is told by its own change.
            Ok(None) => {}
            Err(error) => {
                tracing::error!(store.error = %error, "a new conversation could not be read");
                for socket in &sockets {
                    socket.close(close::RESYNC, "come back with cursors");
                }
            }
        }
    }

    fn read(
        &self,
        conversation: ConversationId,
        user: UserId,
        seq: u64,
        unread: u64,
        origin: Option<SocketId>,
    ) {
        if !self.hub.hears(conversation) {
            return;
        }
        let others = encode(&ServerFrame::Read { conversation, user, seq, unread: None });
        let own = encode(&ServerFrame::Read { conversation, user, seq, unread: Some(unread) });
        self.hub.fan_out(conversation, |socket: &Socket| {
            if socket.who().user != user {
                Some(others.clone())
            } else if Some(socket.id()) == origin {
                None
            } else {
                Some(own.clone())
            }
        });
    }
}
