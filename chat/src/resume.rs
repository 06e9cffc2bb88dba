//! The start of a socket: subscribe first, then read, so that no event falls between.

use crate::clock::now;
use crate::error::Error;
use crate::history::conversation_for_reader;
use crate::hub::Socket;
use crate::{Chat, Identity, Result};
use protocol::limits::{CURSORS, HEARTBEAT_MS, Limits};
use protocol::{Conversation, ConversationId, Epoch, ServerFrame};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

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

    /// Forgets a socket.
    pub fn detach(&self, socket: &Arc<Socket>) {
        if self.inner.hub.detach(socket) {
            let (accounts, user) = (self.inner.stores.accounts.clone(), socket.who().user);
            self.note("when somebody was here", async move { accounts.set_last_seen(user, now()).await });
        }
    }

    /// Answers `hello`: `welcome`, `heads`, `gone` for each cursor that is not the asker's any more, `live`. To be
    /// written before anything that is drained from the socket's queue. Three reads, whatever the number of
    /// conversations.
    pub async fn hello(&self, socket: &Arc<Socket>, resume: Resume<'_>) -> Result<Vec<ServerFrame>> {
        let who = socket.who();
        let stores = &self.inner.stores;
        let subscribed = stores.conversations.memberships(who.user).await?;
        for (conversation, floor) in &subscribed {
            self.inner.hub.subscribe(socket, *conversation, *floor);
        }
        let me = self.me(who).await?;
        let conversations = stores.conversations.conversations(who.user).await?;
        // A session that ended between the handshake and the attachment would otherwise live on here.
        if !stores.accounts.session_exists(who.session).await? {
            return Err(Error::Unauthorized);
        }
        let mine: HashSet<ConversationId> =
            conversations.iter().map(|conversation| conversation.id).collect();
        // Left between the two reads: the news may have come before the subscription, and what was posted since may be
        // in the queue. Seldom enough to begin again. What was joined meanwhile is subscribed by its own news.
        if subscribed.iter().any(|(id, _)| !mine.contains(id)) {
            return Err(Error::busy());
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
        let mut heads: Vec<_> = differing(conversations, known, resume.states).collect();
        heads.iter_mut().for_each(|conversation| conversation_for_reader(conversation, who.user));
        let welcome = ServerFrame::Welcome {
            user: me.user,
            session: who.session,
            epoch,
            heartbeat_ms: HEARTBEAT_MS,
            limits: Limits::default(),
            server_time: now(),
        };
        let mut frames = vec![welcome, ServerFrame::Heads { conversations: heads }];
        frames.extend(gone);
        frames.push(ServerFrame::Live {});
        Ok(frames)
    }

    /// Heads of the socket's conversations that moved since it last asked, for `pong`.
    pub fn moved(&self, socket: &Socket) -> Vec<(ConversationId, u64)> {
        self.inner.hub.moved(socket)
    }
}

/// The conversations whose `rev`, or `state`, is not what the client has; all of them where it has nothing.
fn differing<'a>(
    conversations: Vec<Conversation>,
    cursors: Option<&'a [(ConversationId, u64)]>,
    states: Option<&'a [(ConversationId, u32)]>,
) -> impl Iterator<Item = Conversation> + 'a {
    let cursors: Option<HashMap<_, _>> = cursors.map(|list| list.iter().copied().collect());
    let states: Option<HashMap<_, _>> = states.map(|list| list.iter().copied().collect());
    conversations.into_iter().filter(move |conversation| {
        let Some(cursors) = &cursors else { return true };
        let same_rev = cursors.get(&conversation.id) == Some(&conversation.head_rev);
        let same_state = states
            .as_ref()
            .and_then(|states| states.get(&conversation.id))
            .is_none_or(|state| *state == conversation.state());
        !(same_rev && same_state)
    })
}
