//! Groups: who may do what in them, who finds and joins them.

use super::ApiError;
#[cfg(feature = "ssr")]
use super::asking::asking;
use leptos::prelude::*;
use leptos::server_fn::codec::Json;
use protocol::rest::{Groups, PatchConversation, Receipts};
use protocol::{Conversation, ConversationId, History, Member, MessageId, Nonce, Role, UserId};

#[cfg(feature = "ssr")]
#[doc(hidden)]
pub mod coming {
    //! Stands in for methods that `Chat` is about to have; theirs come first as soon as they are there.

    use chat::{Chat, Error, Identity};
    use protocol::rest::{Groups, PatchConversation};
    use protocol::{Conversation, ConversationId, Member, Role, UserId};

    #[expect(async_fn_in_trait, reason = "a stand-in within this crate")]
    #[expect(missing_docs, reason = "a stand-in")]
    pub trait Coming {
        async fn patch(
            &self,
            _: Identity,
            _: ConversationId,
            _: PatchConversation,
        ) -> Result<Conversation, Error> {
            Err(Error::NotFound)
        }
        async fn set_role(
            &self,
            _: Identity,
            _: ConversationId,
            _: UserId,
            _: Role,
        ) -> Result<Member, Error> {
            Err(Error::NotFound)
        }
        async fn groups(&self, _: Identity, _: &str) -> Result<Groups, Error> {
            Err(Error::NotFound)
        }
        async fn join(&self, _: Identity, _: ConversationId) -> Result<(Conversation, bool), Error> {
            Err(Error::NotFound)
        }
    }
    impl Coming for Chat {}
}
#[cfg(feature = "ssr")]
use coming::Coming as _;

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
