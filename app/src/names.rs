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

/// What a person is called as somebody who does something: "You" or a name.
pub fn of_subject(live: Live, words: Locale, user: UserId) -> String {
    if user == live.me() { say!(words, you).to_owned() } else { of_person(live, words, user) }
}

/// What a person is called as somebody to whom something is done: "you" or a name.
pub fn of_object(live: Live, words: Locale, user: UserId) -> String {
    if user == live.me() { say!(words, you_object).to_owned() } else { of_person(live, words, user) }
}

/// Stand for names in a sentence until [`in_sentence`] puts them in: private use, so no sentence has them.
pub const PLACES: [char; 2] = ['\u{e000}', '\u{e001}'];

/// A sentence with names in the place of [`PLACES`], each isolated from the direction of the words around it.
pub fn in_sentence(sentence: &str, names: [String; 2]) -> Vec<AnyView> {
    let mut views = Vec::new();
    for part in sentence.split_inclusive(PLACES) {
        let end = PLACES.iter().position(|place| part.ends_with(*place));
        let text = part.trim_end_matches(PLACES).to_owned();
        if !text.is_empty() {
            views.push(text.into_any());
        }
        if let Some(name) = end.and_then(|at| names.get(at)) {
            views.push(view! { <bdi>{name.clone()}</bdi> }.into_any());
        }
    }
    views
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

#[cfg(all(test, feature = "ssr"))]
mod tests {
    use super::*;

    #[test]
    fn names_are_isolated_wherever_the_sentence_has_them() {
        let [one, other] = PLACES;
        let html = |text: String| {
            in_sentence(&text, ["Ada".to_owned(), "عمر".to_owned()])
                .into_iter()
                .map(|view| view.to_html())
                .collect::<String>()
                .replace("<!>", "")
        };
        assert_eq!(html(format!("{one} added {other}")), "<bdi>Ada</bdi> added <bdi>عمر</bdi>");
        assert_eq!(html(format!("{other} 由 {one} 添加")), "<bdi>عمر</bdi> 由 <bdi>Ada</bdi> 添加");
        assert_eq!(html("nobody".to_owned()), "nobody");
    }
}
