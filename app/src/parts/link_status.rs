//! The state of the connection, in words, where it is not simply live.

use crate::live::{Link, Live};
use crate::words::{self, say, use_words};
use leptos::prelude::*;
use std::time::Duration;

/// How long connecting may last before the page mentions it: most reconnects are over before anybody could read.
const CONNECTING_SHOWN_AFTER: Duration = Duration::from_secs(1);

/// The word for a state, as the page's `data-link` carries it.
pub const fn link_word(link: Link) -> &'static str {
    match link {
        Link::Live => "live",
        Link::Connecting => "connecting",
        Link::Offline => "offline",
        Link::Ended => "ended",
    }
}

/// The strip.
#[component]
pub fn LinkStatus() -> impl IntoView {
    let (live, words) = (expect_context::<Live>(), use_words());
    let (link, waiting) = (live.link(), live.waiting());
    let slow = RwSignal::new(false);
    Effect::new(move |_| {
        slow.set(false);
        if link.get() == Link::Connecting
            && let Ok(timer) = set_timeout_with_handle(move || slow.set(true), CONNECTING_SHOWN_AFTER)
        {
            on_cleanup(move || timer.clear());
        }
    });
    let content = move || match link.get() {
        Link::Live => None,
        Link::Connecting => {
            slow.get().then(|| view! { <span>{say!(words, link_connecting)}</span> }.into_any())
        }
        Link::Offline => {
            let text = match waiting.get() {
                0 => say!(words, link_offline).to_owned(),
                n => words::waiting(words, n as u64),
            };
            Some(view! { <span>{text}</span> }.into_any())
        }
        Link::Ended => Some(
            view! {
                <span>{say!(words, link_ended)}</span>
                <a href="/sign-in" rel="external">{say!(words, sign_in)}</a>
            }
            .into_any(),
        ),
    };
    view! {
        <div class="link-status" role="status" data-state=move || link_word(link.get())>
            {content}
        </div>
    }
    .into_any()
}
