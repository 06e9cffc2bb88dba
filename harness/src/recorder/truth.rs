//! What is asked over REST beside the devices, with its record in the history: memberships, and the truth at the end.

use crate::history::{Head, History, REST, Seen, Truth, What};
use crate::{Client, Error};
use protocol::{Conversation, ConversationId, Message, UserId};

/// Records what a fresh client of a user reads of all their conversations, whole. Returns how many there are.
pub async fn record_rest(client: &Client, user: UserId, history: &History) -> Result<usize, Error> {
    let conversations = client.conversations().await?.conversations;
    for conversation in &conversations {
        let messages = client.whole_history(conversation.id).await?;
        history.record(REST, user, What::Rest(truth(conversation, &messages))).await;
    }
    Ok(conversations.len())
}

fn truth(conversation: &Conversation, messages: &[Message]) -> Truth {
    let head = Head::from(conversation);
    Truth {
        conversation: conversation.id,
        from_seq: messages.first().map_or(head.head_seq, |first| first.seq.saturating_sub(1)),
        messages: messages.iter().map(Seen::from).collect(),
        head_seq: head.head_seq,
        head_rev: head.head_rev,
        read_seq: head.read_seq,
        unread: Some(head.unread),
        mentions: Some(head.mentions),
    }
}

/// Adds (`join`) or removes somebody, as `client`, and records when it was asked for and answered. Returns whether it was
/// done; a refusal, or an answer that never came, is no error: both are recorded.
pub async fn change_membership(
    client: &Client,
    user: UserId,
    history: &History,
    conversation: ConversationId,
    subject: UserId,
    join: bool,
) -> bool {
    let asked = history.now();
    let result = if join {
        client.add(conversation, subject).await.map(drop)
    } else {
        client.remove(conversation, subject).await
    };
    // A server error leaves open whether it was done, like a connection that died.
    let answered = match &result {
        Ok(()) => Some(history.now()),
        Err(error) => error.status().filter(|status| *status < 500).map(|_| history.now()),
    };
    let done = result.is_ok();
    history.record(REST, user, What::Membership { conversation, subject, join, asked, answered, done }).await;
    done
}
