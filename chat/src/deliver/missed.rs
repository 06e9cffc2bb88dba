//! What other nodes told and nobody heard here: changes show a gap by their numbers; who was let in, what was read
//! elsewhere and whose session ended has none, and is looked up.

use super::Deliver;
use crate::history::conversation_for_reader;
use crate::hub::Socket;
use crate::resume::heads_in_parts;
use crate::store::StoreError;
use protocol::ServerFrame;
use protocol::frame::close;
use std::collections::HashSet;
use std::sync::Arc;

impl Deliver {
    /// Tells a socket how everything of its person's stands now. Three queries, like a hello: a node that misses
    /// something is one whose broker was away, which is seldom.
    pub(super) async fn missed(&self, socket: &Arc<Socket>) {
        if let Err(error) = self.tell_anew(socket).await {
            tracing::error!(store.error = %error, "what may have been missed could not be read");
            socket.close(close::RESYNC, "come back with cursors");
        }
    }

    async fn tell_anew(&self, socket: &Arc<Socket>) -> Result<(), StoreError> {
        let who = socket.who();
        let Some(start) = self.stores.hello.start(who.session, who.user).await? else {
            socket.close(close::SESSION_ENDED, "the session ended");
            return Ok(());
        };
        // Before its hello it hears nothing, and the hello tells everything.
        if socket.is_new() {
            return Ok(());
        }
        for (conversation, floor) in &start.memberships {
            self.hub.subscribe(socket, *conversation, *floor);
        }
        let ids: Vec<_> = start.memberships.iter().map(|(conversation, _)| *conversation).collect();
        let mut conversations = self.stores.hello.whole(who.user, &ids).await?;
        let mine: HashSet<_> = conversations.iter().map(|conversation| conversation.id).collect();
        for conversation in socket.rooms().into_iter().filter(|room| !mine.contains(room)) {
            self.hub.unsubscribe(socket, conversation);
            socket.push(&ServerFrame::Gone { conversation });
        }
        for conversation in &mut conversations {
            self.hub.begin(conversation.id, conversation.kind, conversation.head_rev);
            conversation_for_reader(conversation, who.user);
        }
        heads_in_parts(conversations).iter().for_each(|frame| socket.push(frame));
        Ok(())
    }
}
