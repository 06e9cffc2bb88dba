//! Conversations: open, found, change, join, leave; roles; what only one member sees.

use crate::clock::now;
use crate::error::Error;
use crate::history::conversation_for_reader as for_reader;
use crate::hub::Socket;
use crate::persist::{Job, edit};
use crate::rates::Action;
use crate::store::{Created, Edited, GroupChange, NewConversation, NewSettings, Personal, SettingsChange};
use crate::{Chat, Identity, Result};
use protocol::message::TextError;
use protocol::rest::{self, Conversations, Groups, Members, PatchConversation, PatchSettings, ReadMark};
use protocol::{Conversation, ConversationId, History, Kind, Member, Role, Settings, UserId, limits};

/// A group's title: trimmed, one line, 1 to 100 characters.
fn check_title(title: &str) -> Result<String> {
    let title = title.trim();
    if title.is_empty() {
        return Err(Error::invalid("title", "must not be empty"));
    }
    if title.chars().count() > limits::TITLE_CHARS {
        return Err(Error::invalid("title", "must have at most 100 characters"));
    }
    if title.chars().any(char::is_control) {
        return Err(Error::invalid("title", "must be one line"));
    }
    Ok(title.to_owned())
}

impl Chat {
    /// The asker's conversations, newest activity first.
    pub async fn conversations(&self, who: Identity) -> Result<Conversations> {
        let mut conversations = self.inner.stores.conversations.conversations(who.user).await?;
        conversations.iter_mut().for_each(|conversation| for_reader(conversation, who.user));
        Ok(Conversations { conversations, epoch: self.inner.stores.database.epoch() })
    }

    /// One of the asker's conversations.
    pub async fn conversation(&self, who: Identity, id: ConversationId) -> Result<Conversation> {
        let found = self.inner.stores.conversations.conversation(who.user, id).await?;
        let mut conversation = found.ok_or(Error::NotFound)?;
        for_reader(&mut conversation, who.user);
        Ok(conversation)
    }

    /// Opens a direct conversation or founds a group. The second part says whether it is new.
    pub async fn create(&self, who: Identity, new: rest::NewConversation) -> Result<(Conversation, bool)> {
        let me = who.user;
        let action =
            if let rest::NewConversation::Group { .. } = new { Action::Found } else { Action::Member };
        self.inner.rates.check(action, me)?;
        let new = match new {
            rest::NewConversation::Direct { user } if user == me => {
                return Err(Error::invalid("user", "must be somebody else"));
            }
            rest::NewConversation::Direct { user } => NewConversation {
                id: ConversationId::direct(me, user),
                kind: Kind::Direct,
                title: String::new(),
                members: vec![(me, Role::Member), (user, Role::Member)],
                nonce: None,
                public: false,
                history: History::Join,
                created_at: now(),
            },
            rest::NewConversation::Group { title, mut members, nonce, public, history } => {
                members.sort_unstable();
                members.dedup();
                members.retain(|user| *user != me);
                if members.len() >= limits::GROUP_MEMBERS as usize {
                    return Err(Error::TooLarge("A group has at most 100,000 members."));
                }
                let others = members.into_iter().map(|user| (user, Role::Member));
                NewConversation {
                    id: ConversationId::generate(),
                    kind: Kind::Group,
                    title: check_title(&title)?,
                    members: std::iter::once((me, Role::Owner)).chain(others).collect(),
                    nonce,
                    public,
                    history,
                    created_at: now(),
                }
            }
        };
        let (id, kind) = (new.id, new.kind);
        match self.inner.writer.ask(|waiting| Job::Create(new, waiting)).await? {
            Created::New => Ok((self.conversation(who, id).await.map_err(Error::after_commit)?, true)),
            Created::Existing(id) => {
                Ok((self.conversation(who, id).await.map_err(Error::after_commit)?, false))
            }
            Created::OtherUse => Err(Error::IdempotencyConflict),
            Created::Full(why) => Err(Error::Conflict(why)),
            Created::UnknownMember if kind == Kind::Direct => Err(Error::NotFound),
            Created::UnknownMember => Err(Error::invalid("members", "must be people of this server")),
        }
    }

    /// Whether anything changed.
    async fn edit(&self, who: Identity, id: ConversationId, what: GroupChange) -> Result<bool> {
        self.inner.rates.check(Action::Member, who.user)?;
        match self.inner.writer.ask(edit(who.user, id, what)).await? {
            Edited::Done { .. } => Ok(true),
            Edited::Nothing => Ok(false),
            Edited::NotFound => Err(Error::NotFound),
            Edited::Forbidden(why) => Err(Error::Forbidden(why)),
            Edited::Conflict(why) => Err(Error::Conflict(why)),
            Edited::Full => Err(Error::TooLarge("A group has at most 100,000 members.")),
        }
    }

    /// Changes a group's title, who may find it, what newcomers see: all that is named, or nothing.
    pub async fn patch(
        &self,
        who: Identity,
        id: ConversationId,
        patch: PatchConversation,
    ) -> Result<Conversation> {
        if patch == PatchConversation::default() {
            return self.conversation(who, id).await;
        }
        let PatchConversation { title, public, history } = patch;
        let title = title.as_deref().map(check_title).transpose()?;
        self.edit(who, id, GroupChange::Patch { title, public, history }).await?;
        self.conversation(who, id).await.map_err(Error::after_commit)
    }

    /// Gives a group another title.
    pub async fn rename(&self, who: Identity, id: ConversationId, title: String) -> Result<Conversation> {
        self.patch(who, id, PatchConversation { title: Some(title), ..Default::default() }).await
    }

    /// Public groups whose title contains `q`, largest first.
    pub async fn groups(&self, who: Identity, q: &str) -> Result<Groups> {
        let q = q.trim();
        let groups = self.inner.stores.conversations.public_groups(who.user, q, limits::GROUPS).await?;
        Ok(Groups { groups })
    }

    /// Joins a public group. The second part says whether the asker is new in it.
    pub async fn join(&self, who: Identity, id: ConversationId) -> Result<(Conversation, bool)> {
        let joined = self.edit(who, id, GroupChange::JoinPublic).await?;
        Ok((self.conversation(who, id).await.map_err(Error::after_commit)?, joined))
    }

    /// The members of one of the asker's conversations, and the people they are.
    pub async fn members(&self, who: Identity, id: ConversationId) -> Result<Members> {
        if self.inner.stores.conversations.standing(who.user, id).await?.is_none() {
            return Err(Error::NotFound);
        }
        let members = self.inner.stores.conversations.members(id).await?;
        let ids: Vec<_> = members.iter().map(|member| member.user).collect();
        let mut users = self.inner.stores.accounts.users(&ids).await?;
        self.fill_presences(&mut users).await;
        Ok(Members { members, users })
    }

    /// What the asker may do in one of their conversations, also in one too large to carry its members.
    pub async fn my_role(&self, who: Identity, id: ConversationId) -> Result<Role> {
        self.inner.stores.conversations.role(id, who.user).await?.ok_or(Error::NotFound)
    }

    /// Changes what only the asker sees; their other devices are told. `from` is the socket that knows already.
    pub async fn set(
        &self,
        who: Identity,
        id: ConversationId,
        patch: PatchSettings,
        from: Option<&Socket>,
    ) -> Result<Settings> {
        if let Some(draft) = &patch.draft
            && draft.chars().count() > limits::TEXT_CHARS
        {
            return Err(Error::invalid("draft", TextError::TooLong(limits::TEXT_CHARS)));
        }
        // A message could not be made of it, and not every store can keep it.
        if patch.draft.as_ref().is_some_and(|draft| draft.contains('\0')) {
            return Err(Error::invalid("draft", TextError::Character));
        }
        Ok(self.personal(who, id, SettingsChange::Patch(patch), from).await?.settings)
    }

    /// Keeps a conversation as unread from this message on, until the asker reads it again.
    pub async fn mark_unread(
        &self,
        who: Identity,
        id: ConversationId,
        seq: u64,
        from: Option<&Socket>,
    ) -> Result<ReadMark> {
        let personal = self.personal(who, id, SettingsChange::UnreadFrom(seq), from).await?;
        let Personal { read_seq, unread, mentions, .. } = personal;
        Ok(ReadMark { read_seq, unread, mentions })
    }

    async fn personal(
        &self,
        who: Identity,
        conversation: ConversationId,
        what: SettingsChange,
        from: Option<&Socket>,
    ) -> Result<Personal> {
        self.inner.rates.check(Action::Settings, who.user)?;
        let new = NewSettings { conversation, user: who.user, what };
        let origin = from.map(Socket::id);
        self.inner.writer.ask(|waiting| Job::Set(new, origin, waiting)).await
    }

    /// Makes somebody a member. Any member may; somebody who is one already stays as they are.
    pub async fn add_member(&self, who: Identity, id: ConversationId, user: UserId) -> Result<Member> {
        self.edit(who, id, GroupChange::Join(user)).await?;
        self.member(id, user).await
    }

    /// Gives a member another role. The owner does; giving away one's own hands the group over and leaves an admin.
    pub async fn set_role(
        &self,
        who: Identity,
        id: ConversationId,
        user: UserId,
        role: Role,
    ) -> Result<Member> {
        self.edit(who, id, GroupChange::Role(user, role)).await?;
        self.member(id, user).await
    }

    /// A member, as they are after a commit.
    async fn member(&self, id: ConversationId, user: UserId) -> Result<Member> {
        let found = self.inner.stores.conversations.member(id, user).await;
        found.map_err(|error| Error::after_commit(error.into()))?.ok_or(Error::NotFound)
    }

    /// Removes a member, or leaves. An owner hands the group over before, unless nobody else is in it.
    pub async fn remove_member(&self, who: Identity, id: ConversationId, user: UserId) -> Result<()> {
        self.edit(who, id, GroupChange::Leave(user)).await.map(drop)
    }
}
