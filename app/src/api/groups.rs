//! Groups: who may do what in them, who finds and joins them.

#[cfg(feature = "ssr")]
use super::asking::asking;
use super::{ApiError, Json};
use leptos::prelude::*;
use protocol::rest::{Groups, PatchConversation, Receipts};
use protocol::{Conversation, ConversationId, History, Member, MessageId, Nonce, Role, UserId};

/// Founds a group.
#[server(prefix = "/fn", endpoint = "create-group", input = Json, output = Json)]
pub async fn create_group(
    title: String,
    members: Vec<UserId>,
    nonce: Nonce,
    public: bool,
    history: History,
) -> Result<Conversation, ApiError> {
    let (who, chat) = asking().await?;
    let new = protocol::rest::NewConversation::Group { title, members, nonce: Some(nonce), public, history };
    Ok(chat.create(who, new).await?.0)
}

/// What I may do in a group, also in one too large to carry its members.
#[server(name = FetchRole, prefix = "/fn", endpoint = "role", input = Json, output = Json)]
pub async fn my_role(id: ConversationId) -> Result<Role, ApiError> {
    let (who, chat) = asking().await?;
    Ok(chat.my_role(who, id).await?)
}

/// Who has read a message.
#[server(name = FetchReceipts, prefix = "/fn", endpoint = "receipts", input = Json, output = Json)]
pub async fn receipts(message: MessageId) -> Result<Receipts, ApiError> {
    let (who, chat) = asking().await?;
    Ok(chat.receipts(who, message).await?)
}

/// Changes who may find a group, and what newcomers see.
#[server(prefix = "/fn", endpoint = "patch-group", input = Json, output = Json)]
pub async fn patch_group(id: ConversationId, patch: PatchConversation) -> Result<Conversation, ApiError> {
    let (who, chat) = asking().await?;
    Ok(chat.patch(who, id, patch).await?)
}

/// Gives a member another role; [`Role::Owner`] hands the group over.
#[server(prefix = "/fn", endpoint = "set-role", input = Json, output = Json)]
pub async fn set_role(id: ConversationId, user: UserId, role: Role) -> Result<Member, ApiError> {
    let (who, chat) = asking().await?;
    Ok(chat.set_role(who, id, user, role).await?)
}

/// Groups that everybody can join and whose title matches; the largest ones where `q` is empty.
#[server(prefix = "/fn", endpoint = "find-groups", input = Json, output = Json)]
pub async fn find_groups(q: String) -> Result<Groups, ApiError> {
    let (who, chat) = asking().await?;
    Ok(chat.groups(who, &q).await?)
}

/// Joins a group that everybody can join.
#[server(name = JoinGroup, prefix = "/fn", endpoint = "join-group", input = Json, output = Json)]
pub async fn join(id: ConversationId) -> Result<Conversation, ApiError> {
    let (who, chat) = asking().await?;
    Ok(chat.join(who, id).await?.0)
}
