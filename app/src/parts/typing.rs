//! Who is writing just now.

use crate::i18n::Locale;
use crate::live::Live;
use crate::names::{self, PLACES};
use crate::words::{say, use_words};
use leptos::prelude::*;
use protocol::{ConversationId, Kind, UserId};

/// Who is writing, as a sentence with their names; nothing where nobody is.
pub fn sentence(live: Live, words: Locale, typists: &[UserId]) -> Vec<AnyView> {
    let [first, second] = PLACES;
    let name =
        |at: usize| typists.get(at).map(|user| names::of_person(live, words, *user)).unwrap_or_default();
    let text = match typists.len() {
        0 => return Vec::new(),
        1 => say!(words, typing_one, name = first),
        2 => say!(words, typing_two, name = first, other = second),
        _ => say!(words, typing_many).to_owned(),
    };
    names::in_sentence(&text, [name(0), name(1)])
}

/// The line above the composer. Its height is always there, so that it moves nothing.
#[component]
pub fn Typing(
    /// In which conversation.
    id: ConversationId,
) -> impl IntoView {
    let (live, words) = (expect_context::<Live>(), use_words());
    let typists = live.typists(id);
    let direct =
        live.conversation(id).with_untracked(|one| one.as_ref().is_some_and(|one| one.kind == Kind::Direct));
    // In a lively group it would be read aloud all the time.
    let aloud = if direct { "polite" } else { "off" };
    view! {
        <p class="typing" aria-live=aloud class:busy=move || typists.with(|typists| !typists.is_empty())>
            <span>{move || typists.with(|typists| sentence(live, words, typists))}</span>
            <i aria-hidden="true"></i>
        </p>
    }
    .into_any()
}
