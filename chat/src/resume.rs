//! The start of a socket: subscribe first, then read, so that no event falls between.

use crate::clock::now;
use crate::error::Error;
use crate::history::conversation_for_reader;
use crate::hub::Socket;
use crate::planted::{self, Mistake};
use crate::store::Head;
use crate::{Chat, Identity, Inner, Result};
use protocol::limits::{CURSORS, HEARTBEAT_MS, Limits};
use protocol::{Conversation, ConversationId, Epoch, ServerFrame, UserId};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// Most conversations in one `heads` frame; more come in several, so that no frame grows with a person's years here.
const HEADS: usize = 500;

/// What a client says it has.
#[derive(Clone, Copy, Debug, Default)]
pub struct Resume<'a> {
    /// The epoch its numbers belong to.
    pub epoch: Option<Epoch>,
    /// Conversations and the last `rev` applied in each; at most [`CURSORS`] are looked at.
    pub cursors: Option<&'a [(ConversationId, u64)]>,
    /// The `state` of each conversation as it has it.
    pub states: Option<&'a [(ConversationId, u32)]>,
}

impl Chat {
    /// A new socket of a signed-in person; [`Chat::detach`] forgets it.
    pub fn attach(&self, who: Identity) -> Arc<Socket> {
        self.inner.hub.attach(who)
    }

    /// How many sockets a person has here.
    pub fn sockets_of(&self, user: UserId) -> usize {
        self.inner.hub.sockets_of(user).len()
    }

    /// Forgets a socket.
    pub fn detach(&self, socket: &Arc<Socket>) {
        let (user, conversations) = (socket.who().user, socket.rooms());
        let last = self.inner.hub.detach(socket);
        self.inner.presences.gone(socket, conversations);
        if last {
            let accounts = self.inner.stores.accounts.clone();
            self.note("when somebody was here", async move { accounts.set_last_seen(user, now()).await });
        }
    }

    /// Answers `hello`: `welcome`, `heads`, `gone` for each cursor that is not the asker's any more, `live`,
    /// `present`. To be written before anything that is drained from the socket's queue. At most three queries,
    /// whatever the number of conversations; whole objects are read only of those that differ.
    pub async fn hello(&self, socket: &Arc<Socket>, resume: Resume<'_>) -> Result<Vec<ServerFrame>> {
        let who = socket.who();
        let Inner { stores, hub, presences, .. } = &*self.inner;
        // A session that ended between the handshake and the attachment would otherwise live on here.
        let start = stores.hello.start(who.session, who.user).await?.ok_or(Error::Unauthorized)?;
        let subscribe = || {
            for (conversation, floor) in &start.memberships {
                hub.subscribe(socket, *conversation, *floor);
            }
        };
        let late = planted::is(Mistake::SyncBeforeSubscribe);
        if !late {
            subscribe();
        }
        let heads = stores.hello.heads(who.user).await?;
        let mine: HashSet<ConversationId> = heads.iter().map(|head| head.id).collect();
        // Left between the two reads: the news may have come before the subscription, and what was posted since may be
        // in the queue. Seldom enough to begin again. What was joined meanwhile is subscribed by its own news.
        if start.memberships.iter().any(|(id, _)| !mine.contains(id)) {
            return Err(Error::busy());
        }
        for head in &heads {
            hub.begin(head.id, head.kind, head.rev);
        }
        let epoch = stores.database.epoch();
        let known = resume.cursors.filter(|_| resume.epoch == Some(epoch));
        let known = known.map(|cursors| &cursors[..cursors.len().min(CURSORS)]);
        let gone: Vec<_> = known
            .into_iter()
            .flatten()
            .filter(|(id, _)| !mine.contains(id))
            .map(|(conversation, _)| ServerFrame::Gone { conversation: *conversation })
            .collect();
        let differing = differing(&heads, known, resume.states);
        let metrics = &self.inner.metrics;
        match known {
            Some(_) if differing.is_empty() && gone.is_empty() => &metrics.hellos_current,
            Some(_) => &metrics.hellos_behind,
            None if resume.cursors.is_none() => &metrics.hellos_fresh,
            None => &metrics.hellos_reset,
        }
        .inc();
        // What is left meanwhile is missing here, and its news is in the queue.
        let mut conversations = match &differing[..] {
            [] => Vec::new(),
            ids => stores.hello.whole(who.user, ids).await?,
        };
        conversations.iter_mut().for_each(|conversation| conversation_for_reader(conversation, who.user));
        if late {
            planted::dawdle().await;
            subscribe();
        }
        presences.came(socket);
        let mut user = start.user;
        self.fill_presence(&mut user).await;
        let welcome = ServerFrame::Welcome {
            user,
            session: who.session,
            epoch,
            heartbeat_ms: HEARTBEAT_MS,
            limits: Limits::default(),
            server_time: now(),
        };
        let mut frames = vec![welcome];
        frames.extend(heads_in_parts(conversations));
        frames.extend(gone);
        frames.push(ServerFrame::Live {});
        frames.push(presences.present(socket, &*stores.hello).await);
        Ok(frames)
    }

    /// Heads of the socket's conversations that moved since it last asked, for `pong`.
    pub fn moved(&self, socket: &Socket) -> Vec<(ConversationId, u64)> {
        self.inner.hub.moved(socket)
    }
}

/// Conversations as `heads` frames, one at least.
pub(crate) fn heads_in_parts(mut conversations: Vec<Conversation>) -> Vec<ServerFrame> {
    let mut frames = Vec::with_capacity(conversations.len() / HEADS + 1);
    while conversations.len() > HEADS {
        let rest = conversations.split_off(HEADS);
        frames.push(ServerFrame::Heads { conversations: std::mem::replace(&mut conversations, rest) });
    }
    frames.push(ServerFrame::Heads { conversations });
    frames
}

/// The conversations whose `rev`, or `state`, is not what the client has; all of them where it has nothing.
fn differing(
    heads: &[Head],
    cursors: Option<&[(ConversationId, u64)]>,
    states: Option<&[(ConversationId, u32)]>,
) -> Vec<ConversationId> {
    let cursors: Option<HashMap<_, _>> = cursors.map(|list| list.iter().copied().collect());
    let states: HashMap<_, _> = states.into_iter().flatten().copied().collect();
    let same = |head: &Head| {
        let same_rev = cursors.as_ref().is_some_and(|cursors| cursors.get(&head.id) == Some(&head.rev));
        same_rev && states.get(&head.id).is_none_or(|state| *state == head.state)
    };
    heads.iter().filter(|head| !same(head)).map(|head| head.id).collect()
}
