//! What people and conversations are called on the page.

use crate::i18n::Locale;
use crate::live::Live;
use crate::words::say;
use leptos::prelude::*;
use protocol::{Conversation, ConversationId, Kind, UserId};

/// The other person of a direct conversation.
pub fn other(me: UserId, conversation: &Conversation) -> Option<UserId> {
    match conversation.kind {
        Kind::Direct => conversation.members.iter().map(|member| member.user).find(|user| *user != me),
        Kind::Group => None,
    }
}

/// What a conversation is called: a group's title, the other person's name. Follows the person's name too.
pub fn of_conversation(live: Live, words: Locale, conversation: &Conversation) -> String {
    match (conversation.kind, other(live.me(), conversation)) {
        (Kind::Direct, Some(user)) => of_person(live, words, user),
        (Kind::Direct, None) => say!(words, someone).to_owned(),
        (Kind::Group, _) => conversation.title.clone(),
    }
}

/// What a person is called. Somebody this tab has not heard of yet is "Somebody" for a moment.
pub fn of_person(live: Live, words: Locale, user: UserId) -> String {
    let known = live.person(user).with(|person| person.as_ref().map(|person| person.display_name.clone()));
    known.unwrap_or_else(|| say!(words, someone).to_owned())
}

/// A conversation's name as a signal; empty while it is not mine.
pub fn use_conversation_name(live: Live, words: Locale, id: ConversationId) -> Memo<String> {
    let conversation = live.conversation(id);
    Memo::new(move |_| {
        conversation.with(|conversation| {
            conversation.as_ref().map(|one| of_conversation(live, words, one)).unwrap_or_default()
        })
    })
}
