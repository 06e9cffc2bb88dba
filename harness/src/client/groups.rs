//! Conversations, groups, their members, and what only one member sees.

use super::{Client, answer, typed};
use crate::Error;
use protocol::rest::{
    Conversations, Groups, MarkUnread, Members, NewConversation, NewMember, PatchConversation, PatchMember,
    PatchSettings, Read, ReadMark, UnreadAll,
};
use protocol::{Conversation, ConversationId, Member, Role, Settings, UserId};
use reqwest::Method;

impl Client {
    /// My conversations, newest activity first.
    pub async fn conversations(&self) -> Result<Conversations, Error> {
        self.fetch("conversations").await
    }

    /// One of my conversations.
    pub async fn conversation(&self, id: ConversationId) -> Result<Conversation, Error> {
        self.fetch(&format!("conversations/{id}")).await
    }

    /// The conversation with somebody, opened where there is none.
    pub async fn direct(&self, user: UserId) -> Result<Conversation, Error> {
        self.submit("conversations", &NewConversation::Direct { user }).await
    }

    /// A new group.
    pub async fn group(&self, title: &str, members: &[UserId]) -> Result<Conversation, Error> {
        let body = NewConversation::Group {
            title: title.into(),
            members: members.to_vec(),
            nonce: None,
            public: false,
            history: protocol::History::Join,
        };
        self.submit("conversations", &body).await
    }

    /// Gives a group another title.
    pub async fn rename(&self, id: ConversationId, title: &str) -> Result<Conversation, Error> {
        let body = PatchConversation { title: Some(title.into()), ..Default::default() };
        self.patch(id, &body).await
    }

    /// Who is in a conversation.
    pub async fn members(&self, id: ConversationId) -> Result<Members, Error> {
        self.fetch(&format!("conversations/{id}/members")).await
    }

    /// Adds somebody to a group.
    pub async fn add(&self, id: ConversationId, user: UserId) -> Result<Member, Error> {
        self.submit(&format!("conversations/{id}/members"), &NewMember { user }).await
    }

    /// Removes somebody from a group; with my own id: leaves it.
    pub async fn remove(&self, id: ConversationId, user: UserId) -> Result<(), Error> {
        self.delete(&format!("conversations/{id}/members/{user}")).await
    }

    /// A new conversation of any kind.
    pub async fn create(&self, new: &NewConversation) -> Result<Conversation, Error> {
        self.submit("conversations", new).await
    }

    /// Changes a group: title, who may find it, what newcomers see.
    pub async fn patch(&self, id: ConversationId, patch: &PatchConversation) -> Result<Conversation, Error> {
        self.change(Method::PATCH, &format!("conversations/{id}"), patch).await
    }

    /// Gives a member another role.
    pub async fn set_role(&self, id: ConversationId, user: UserId, role: Role) -> Result<Member, Error> {
        self.change(Method::PATCH, &format!("conversations/{id}/members/{user}"), &PatchMember { role }).await
    }

    /// Joins a public group.
    pub async fn join(&self, id: ConversationId) -> Result<Conversation, Error> {
        self.order(Method::POST, &format!("conversations/{id}/join")).await
    }

    /// Public groups whose titles match.
    pub async fn groups(&self, q: &str) -> Result<Groups, Error> {
        typed(answer(self.request(Method::GET, "/api/v1/groups").query(&[("q", q)])).await?)
    }

    /// Changes what only I see.
    pub async fn set(&self, id: ConversationId, patch: &PatchSettings) -> Result<Settings, Error> {
        self.change(Method::PATCH, &format!("conversations/{id}/settings"), patch).await
    }

    /// Moves my read mark.
    pub async fn read(&self, id: ConversationId, seq: u64) -> Result<ReadMark, Error> {
        self.submit(&format!("conversations/{id}/read"), &Read { seq }).await
    }

    /// Keeps a conversation as unread from a message on.
    pub async fn mark_unread(&self, id: ConversationId, seq: u64) -> Result<ReadMark, Error> {
        self.submit(&format!("conversations/{id}/unread"), &MarkUnread { seq }).await
    }

    /// All that is unread.
    pub async fn unread_all(&self) -> Result<UnreadAll, Error> {
        self.fetch("unread/all").await
    }
}
