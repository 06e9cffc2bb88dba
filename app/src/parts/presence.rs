//! Whether somebody is here: a dot on their picture, the same in words.

use crate::clock::Clock;
use crate::i18n::Locale;
use crate::live::Live;
use crate::words::{say, use_words};
use leptos::prelude::*;
use protocol::{Presence, UserId};

/// How somebody is now. I am always here, so nothing is shown of it.
pub fn use_presence(live: Live, user: UserId) -> Memo<Presence> {
    let person = live.person(user);
    Memo::new(move |_| {
        let known = person.with(|person| person.as_ref().map(|person| person.presence));
        known.filter(|_| user != live.me()).unwrap_or_default()
    })
}

/// The word; empty for somebody who is not here.
fn word(words: Locale, presence: Presence) -> &'static str {
    match presence {
        Presence::Online => say!(words, online),
        Presence::Away => say!(words, away),
        Presence::Offline => "",
    }
}

/// The dot, inside a picture. Decoration: [`PresenceWord`] says it.
#[component]
pub fn Dot(
    /// Whose.
    user: UserId,
) -> impl IntoView {
    let presence = use_presence(expect_context::<Live>(), user);
    view! {
        <span
            class="dot"
            class:online=move || presence.get() == Presence::Online
            class:away=move || presence.get() == Presence::Away
        ></span>
    }
    .into_any()
}

/// The word, for those who do not see the dot.
#[component]
pub fn PresenceWord(
    /// Whose.
    user: UserId,
) -> impl IntoView {
    let words = use_words();
    let presence = use_presence(expect_context::<Live>(), user);
    view! { <span class="visually-hidden presence-word">{move || word(words, presence.get())}</span> }
        .into_any()
}

/// In full, for those who look: "online", "away", "last seen at 09:42".
pub fn sentence(live: Live, words: Locale, clock: Clock, user: UserId) -> String {
    let seen = live.person(user).with(|person| person.as_ref().map(|one| (one.presence, one.last_seen)));
    match seen {
        Some((Presence::Offline, Some(at))) => clock.last_seen(at),
        Some((Presence::Offline, None)) | None => say!(words, offline).to_owned(),
        Some((presence, _)) => word(words, presence).to_owned(),
    }
}
