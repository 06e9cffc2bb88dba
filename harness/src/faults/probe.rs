//! Two more people who speak over REST only, past the proxy and outside the history: what they see is the server itself.

use crate::scene::PASSWORD;
use crate::{Client, Error};
use protocol::{ConversationId, MessageId};
use std::collections::BTreeSet;

/// Somebody who tries whether the server works.
#[derive(Debug)]
pub struct Probe {
    client: Client,
    conversation: ConversationId,
}

impl Probe {
    /// Registers both and opens their conversation.
    pub async fn open(nobody: &Client) -> Result<Self, Error> {
        let (client, _) = nobody.register("probe", PASSWORD, None).await?;
        let (_, other) = nobody.register("probed", PASSWORD, None).await?;
        let conversation = client.direct(other.id).await?.id;
        Ok(Self { client, conversation })
    }

    /// A session that may be abused.
    pub fn token(&self) -> &str {
        self.client.token()
    }

    /// Where it is a member.
    pub fn conversation(&self) -> ConversationId {
        self.conversation
    }

    /// Stores a message of so many characters.
    pub async fn post(&self, size: usize) -> Result<MessageId, Error> {
        Ok(self.client.post(self.conversation, &"p".repeat(size)).await?.message.id)
    }

    /// Every message that is stored.
    pub async fn stored(&self) -> Result<BTreeSet<MessageId>, Error> {
        let messages = self.client.whole_history(self.conversation).await?;
        Ok(messages.into_iter().map(|message| message.id).collect())
    }
}
