//! Where every message enters, from the socket, REST or a server function: validated here in full, then queued.
//! Membership is checked where it is written, inside the transaction.

use crate::clock::now;
use crate::error::Error;
use crate::hub::Socket;
use crate::ingest::Ingest;
use crate::persist::{Job, Reply};
use crate::rates::Action;
use crate::store::{Act, NewAct, NewPost};
use crate::{Chat, Identity, Result};
use protocol::rest::{NewMessage, Posted};
use protocol::{Body, ConversationId, MessageId, Nonce, UserId};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::timeout;

/// How long a request waits for a worker.
const PATIENCE: Duration = Duration::from_secs(5);

/// What may be posted. The length of a text was checked where it was born.
fn check_body(body: Body) -> Result<Body> {
    match body {
        Body::Text { .. } => Ok(body),
        Body::Recalled | Body::Unsupported => Err(Error::invalid("body.kind", "must be text")),
    }
}

fn new_post(
    sender: UserId,
    conversation: ConversationId,
    nonce: Nonce,
    body: Body,
    reply_to: Option<MessageId>,
) -> Result<NewPost> {
    let body = check_body(body)?;
    Ok(NewPost { id: MessageId::generate(), conversation, sender, nonce, body, reply_to, sent_at: now() })
}

impl Chat {
    /// Posts a message and waits until it is stored.
    pub async fn post(&self, who: Identity, conversation: ConversationId, new: NewMessage) -> Result<Posted> {
        self.inner.rates.check(Action::Send, who.user)?;
        let post = new_post(who.user, conversation, new.nonce, new.body, new.reply_to)?;
        let (waiting, answer) = oneshot::channel();
        self.take(post, Reply::Waiting(waiting))?;
        // The writer answers everything it took; if it died over this, nobody knows whether it was stored. A worker may be
        // a long time about it: then it is on its way, and asking again with the same nonce is safe.
        let answered = match self.inner.ingest {
            Ingest::Direct => answer.await.ok(),
            Ingest::Queued(_) => timeout(PATIENCE, answer).await.ok().and_then(Result::ok),
        };
        let (message, duplicate) = answered.unwrap_or(Err(Error::Internal))?;
        self.inner.metrics.acked(duplicate);
        if !duplicate {
            self.inner.metrics.acked_after(message.sent_at);
        }
        Ok(Posted { message, duplicate })
    }

    fn take(&self, post: NewPost, reply: Reply) -> Result<()> {
        match &self.inner.ingest {
            Ingest::Direct => self.inner.writer.submit(Job::Post(post, reply)),
            Ingest::Queued(queue) => queue.submit(post, reply),
        }
    }

    /// Posts a message of a socket. `Ok`: the answer will be in the socket's queue, in the order of events. `Err`:
    /// refused, nothing will follow.
    pub fn send(
        &self,
        socket: &Arc<Socket>,
        nonce: Nonce,
        conversation: ConversationId,
        body: Body,
        reply_to: Option<MessageId>,
    ) -> Result<()> {
        self.inner.rates.check(Action::Send, socket.who().user)?;
        let post = new_post(socket.who().user, conversation, nonce, body, reply_to)?;
        self.take(post, Reply::Socket(socket.clone()))
    }
}

/// What an act may carry.
fn new_act(by: UserId, message: MessageId, nonce: Option<Nonce>, act: Act) -> Result<NewAct> {
    let act = match act {
        Act::Edit(body) => Act::Edit(check_body(body)?),
        Act::React(emoji, on) => {
            // What was put there by an older list may always be taken away.
            if on && emojis::get(emoji.as_str()).is_none() {
                return Err(Error::invalid("emoji", "must be one emoji"));
            }
            Act::React(emoji, on)
        }
        Act::Recall | Act::Pin(_) => act,
    };
    Ok(NewAct { message, by, nonce, act, at: now() })
}

impl Chat {
    /// Does something to a message and waits until it is stored.
    pub async fn act(
        &self,
        who: Identity,
        message: MessageId,
        nonce: Option<Nonce>,
        act: Act,
    ) -> Result<Posted> {
        self.inner.rates.check(Action::Act, who.user)?;
        let act = new_act(who.user, message, nonce, act)?;
        let (message, duplicate) =
            self.inner.writer.ask(|waiting| Job::Act(act, Reply::Waiting(waiting))).await?;
        self.inner.metrics.acked(duplicate);
        let message = crate::history::shown_to(message, who.user);
        Ok(Posted { message, duplicate })
    }

    /// The same for a socket. `Ok`: the answer will be in the socket's queue, in the order of events. `Err`: refused,
    /// nothing will follow.
    pub fn act_from(&self, socket: &Arc<Socket>, nonce: Nonce, message: MessageId, act: Act) -> Result<()> {
        self.inner.rates.check(Action::Act, socket.who().user)?;
        let act = new_act(socket.who().user, message, Some(nonce), act)?;
        self.inner.writer.submit(Job::Act(act, Reply::Socket(socket.clone())))
    }
}
