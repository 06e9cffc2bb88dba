//! From the bus to the sockets connected here: one encoding per event, shared by all of them.
//!
//! One task hears the node's subscription, so that every socket of a conversation gets its events in one order. It
//! knows how far each conversation was delivered: what was delivered before is dropped, and what was not told of is
//! read from the store first.

mod missed;
mod missing;

use crate::accounts::Tickets;
use crate::bus::{Ear, Origin, Stored, Subscription};
use crate::error::Error;
use crate::history::conversation_for_reader;
use crate::hub::{Floor, Hub, Next, Socket, SocketId, encode};
use crate::ingest::Answers;
use crate::persist::{self, Reply};
use crate::planted::{self, Mistake};
use crate::presence::Presences;
use crate::store::{Marked, Personal, Stores};
use bytes::Bytes;
use protocol::frame::close;
use protocol::{Change, ChangeKind, ConversationId, Kind, Message, ServerFrame, UserId};
use std::cell::LazyCell;
use std::sync::Arc;
use tokio::sync::mpsc;

/// Hears the bus until it is closed, and which conversations `rings` says are behind the store.
pub(crate) async fn run(
    mut subscription: impl Subscription,
    mut rings: mpsc::Receiver<ConversationId>,
    deliver: Deliver,
) {
    // Sockets that may have missed something; each is looked after between two events.
    let mut missed: Vec<Arc<Socket>> = Vec::new();
    loop {
        tokio::select! {
            stored = subscription.next() => match stored {
                Some(Stored::Missed) => missed = deliver.hub.all(),
                Some(stored) => deliver.one(stored).await,
                None => return,
            },
            Some(conversation) = rings.recv() => deliver.behind(conversation).await,
            () = std::future::ready(()), if !missed.is_empty() => {
                if let Some(socket) = missed.pop() {
                    deliver.missed(&socket).await;
                }
            }
        }
    }
}

/// What delivery works with.
pub(crate) struct Deliver {
    pub(crate) hub: Arc<Hub>,
    pub(crate) stores: Stores,
    pub(crate) tickets: Arc<Tickets>,
    pub(crate) answers: Arc<Answers>,
    pub(crate) presences: Arc<Presences>,
    /// Is told of changes again: of those that no doorbell told.
    pub(crate) ear: Option<Arc<dyn Ear>>,
}

impl Deliver {
    async fn one(&self, stored: Stored) {
        match stored {
            Stored::Change { conversation, kind, change, origin } => {
                self.came(conversation, kind, change, origin).await;
            }
            Stored::Opened { conversation, members } => {
                for user in members {
                    self.open(conversation, user).await;
                }
            }
            Stored::Read { conversation, user, marked, origin } => {
                self.read(conversation, user, marked, origin);
            }
            Stored::Personal { conversation, user, personal, origin } => {
                self.personal(conversation, user, personal, origin);
            }
            Stored::Ended { user, session, .. } => self.hub.end_session(user, session),
            Stored::Answered { origin, outcome } => self.reply(&origin, persist::answer(outcome)),
            Stored::Redeemed { ticket } => {
                self.tickets.remember(ticket);
            }
            Stored::Typing { .. } | Stored::Presence { .. } => self.presences.heard(stored),
            Stored::Missed | Stored::Beat => {}
        }
    }

    /// A change in its order.
    async fn came(&self, conversation: ConversationId, kind: Kind, change: Change, origin: Option<Origin>) {
        if planted::is(Mistake::NoGapFill) {
            if !planted::is_lost() {
                self.change(conversation, kind, change, origin).await;
            }
            return;
        }
        match self.hub.next(conversation, change.rev) {
            Next::Now => self.change(conversation, kind, change, origin).await,
            Next::Known => {
                if let Some(origin) = origin {
                    self.acknowledge(&change, &origin);
                }
            }
            Next::After(place) => self.catch_up(conversation, kind, place, Some((change, origin))).await,
        }
    }

    /// The store has more of a conversation than was delivered.
    async fn behind(&self, conversation: ConversationId) {
        if let Some(place) = self.hub.place(conversation) {
            self.catch_up(conversation, place.kind, place, None).await;
        }
    }

    async fn change(&self, conversation: ConversationId, kind: Kind, change: Change, origin: Option<Origin>) {
        let rev = change.rev;
        match &change.kind {
            ChangeKind::Posted { .. }
            | ChangeKind::Edited { .. }
            | ChangeKind::Recalled { .. }
            | ChangeKind::Reacted { .. }
            | ChangeKind::Pinned { .. } => self.about_message(conversation, kind, change, origin),
            ChangeKind::Joined { user, .. } => {
                let user = *user;
                self.event(conversation, kind, change);
                // After the event: the newcomer starts from the whole object, which includes it.
                self.open(conversation, user).await;
            }
            ChangeKind::Left { user, .. } => {
                self.let_go(conversation, *user);
                self.event(conversation, kind, change);
            }
            ChangeKind::Renamed { .. }
            | ChangeKind::Role { .. }
            | ChangeKind::Access { .. }
            | ChangeKind::Unsupported => {
                self.event(conversation, kind, change);
            }
        }
        self.hub.delivered(conversation, kind, rev);
    }

    /// A person's sockets hear the conversation no more. Those that do not hear it yet learn of it by their hello.
    fn let_go(&self, conversation: ConversationId, user: UserId) {
        let gone = encode(&ServerFrame::Gone { conversation });
        for socket in self.hub.sockets_of(user) {
            if socket.is_in(conversation) && !planted::is(Mistake::LeaveKeepsSocket) {
                self.hub.unsubscribe(&socket, conversation);
                socket.push_bytes(gone.clone());
            }
        }
    }

    /// The answer to a request whose event is not to come, or came before.
    fn acknowledge(&self, change: &Change, origin: &Origin) {
        if let Some(message) = change.kind.message().cloned() {
            self.reply(origin, Ok((message, false)));
        }
    }

    /// An answer to whoever asked, where they are here.
    fn reply(&self, origin: &Origin, answer: Result<(Message, bool), Error>) {
        let sockets = self.hub.sockets_of(origin.user);
        match sockets.into_iter().find(|socket| socket.id() == origin.socket) {
            Some(socket) => Reply::Socket(socket).answer(Some(&origin.nonce), answer),
            None => self.answers.answer(origin.socket, answer),
        }
    }

    /// The same bytes for everybody who was a member by then: a node that is behind tells of what was before some of
    /// those it serves now.
    fn event(&self, conversation: ConversationId, kind: Kind, change: Change) {
        if self.hub.hears(conversation) {
            let rev = change.rev;
            let frame = encode(&ServerFrame::Event { conversation, kind, change });
            self.hub.fan_out(conversation, None, |_, floor| (rev > floor.rev).then(|| frame.clone()));
        }
    }

    /// A change of a message: its sender's devices see its nonce, the socket that asked gets its ack in the event's
    /// place, and whoever joined after the message learns only that there was a change.
    fn about_message(
        &self,
        conversation: ConversationId,
        kind: Kind,
        change: Change,
        origin: Option<Origin>,
    ) {
        if !self.hub.hears(conversation) {
            if let Some(origin) = origin {
                self.acknowledge(&change, &origin);
            }
            return;
        }
        let rev = change.rev;
        let Some(message) = change.kind.message().cloned() else { return };
        let (sender, seq, sent_at) = (message.sender, message.seq, message.sent_at);
        let event = |change| encode(&ServerFrame::Event { conversation, kind, change });
        let ack = origin.as_ref().map(|origin| {
            let mut message = message;
            crate::history::for_reader(&mut message, origin.user);
            encode(&ServerFrame::Ack { nonce: origin.nonce.clone(), message, duplicate: false })
        });
        let asked = origin.as_ref().map(|origin| origin.socket);
        let (mut answered, metrics) = (false, self.hub.metrics());
        // A new message is newer than every join, so nobody needs the other form.
        let new = matches!(change.kind, ChangeKind::Posted { .. });
        // Made when the first socket needs them: in a conversation of two most events need one form only.
        let hidden = LazyCell::new(|| event(Change::new(rev, ChangeKind::Unsupported)));
        let own = LazyCell::new(|| event(change.clone()));
        let others = LazyCell::new(|| event(without_nonce(change.clone())));
        self.hub.fan_out(conversation, asked, |socket: &Socket, floor| {
            // From before the join: a node that is behind tells of it when the newcomer is here already.
            if rev <= floor.rev {
                return None;
            }
            if seq <= floor.seq {
                return (!new).then(|| Bytes::clone(&hidden));
            }
            if Some(socket.id()) == asked && ack.is_some() {
                answered = true;
                metrics.acked(false);
                if new {
                    metrics.acked_after(sent_at);
                }
                return ack.clone();
            }
            Some(Bytes::clone(if socket.who().user == sender { &own } else { &others }))
        });
        // Who asked and has left since still hears that it is stored.
        if let Some(origin) = origin.filter(|_| !answered) {
            self.acknowledge(&change, &origin);
        }
    }

    /// The person's sockets hear the conversation from now on and get it whole: subscribed first, read afterwards,
    /// so that no event falls between.
    async fn open(&self, conversation: ConversationId, user: UserId) {
        let sockets = self.hub.sockets_of(user);
        if sockets.is_empty() {
            return;
        }
        let standing = self.stores.conversations.standing(user, conversation).await;
        if let Ok(Some(standing)) = &standing {
            let floor = Floor { seq: standing.joined_seq, rev: standing.joined_rev };
            for socket in &sockets {
                self.hub.subscribe(socket, conversation, floor);
            }
        }
        let object = match standing {
            Ok(Some(_)) => self.stores.conversations.conversation(user, conversation).await,
            Ok(None) => Ok(None),
            Err(error) => Err(error),
        };
        match object {
            Ok(Some(mut object)) => {
                self.hub.begin(conversation, object.kind, object.head_rev);
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

    fn read(&self, conversation: ConversationId, user: UserId, marked: Marked, origin: Option<SocketId>) {
        if !self.hub.hears(conversation) {
            return;
        }
        let Marked { read_seq: seq, unread, mentions, told, .. } = marked;
        let (others, own) = {
            let frame =
                |unread, mentions| encode(&ServerFrame::Read { conversation, user, seq, unread, mentions });
            (frame(None, None), frame(Some(unread), Some(mentions)))
        };
        if !told {
            self.to_own(conversation, user, origin, &own);
            return;
        }
        self.hub.fan_out(conversation, None, |socket: &Socket, _| {
            if socket.who().user != user {
                Some(others.clone())
            } else if Some(socket.id()) == origin {
                None
            } else {
                Some(own.clone())
            }
        });
    }

    fn personal(
        &self,
        conversation: ConversationId,
        user: UserId,
        personal: Personal,
        origin: Option<SocketId>,
    ) {
        let Personal { settings, unread, mentions, .. } = personal;
        let frame = encode(&ServerFrame::Settings { conversation, settings, unread, mentions });
        self.to_own(conversation, user, origin, &frame);
    }

    /// To a person's other devices.
    fn to_own(&self, conversation: ConversationId, user: UserId, origin: Option<SocketId>, frame: &Bytes) {
        for socket in self.hub.sockets_of(user) {
            if Some(socket.id()) != origin && socket.is_in(conversation) {
                socket.push_bytes(frame.clone());
            }
        }
    }
}

/// What is only of the moment.
pub(crate) fn moment(hub: &Hub, whispered: Stored) {
    match whispered {
        Stored::Typing { conversation, user } => {
            hub.whisper(&[conversation], user, &encode(&ServerFrame::Typing { conversation, user }));
        }
        Stored::Presence { user, state, last_seen, conversations } => {
            hub.whisper(&conversations, user, &encode(&ServerFrame::Presence { user, state, last_seen }));
        }
        _ => {}
    }
}

/// A nonce is its sender's business.
fn without_nonce(mut change: Change) -> Change {
    if let Some(message) = change.kind.message_mut() {
        message.nonce = None;
    }
    change
}
