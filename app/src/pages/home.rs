//! `/`: the list, and beside it on wide screens the conversation that was open last, or a welcome.

use super::conversation::ConversationView;
use crate::live::Live;
use crate::parts::each::each;
use crate::parts::frame::Current;
use crate::parts::icon::{Icon, Picture};
use crate::parts::page_title::PageTitle;
use crate::words::{say, use_words};
use leptos::prelude::*;

/// The page.
#[component]
pub fn Home() -> impl IntoView {
    let (live, Current(latest)) = (expect_context::<Live>(), expect_context::<Current>());
    let shown = Memo::new(move |_| latest.get().filter(|id| live.conversation(*id).with(Option::is_some)));
    // Keyed, so that nothing of one conversation is left in the elements of another.
    each(
        move || vec![shown.get()],
        |shown| shown.map(|id| id.to_string()).unwrap_or_default(),
        |shown| match shown {
            Some(id) => view! { <ConversationView id=id target=None /> }.into_any(),
            None => view! { <Welcome /> }.into_any(),
        },
    )
}

/// Said where no conversation is open.
#[component]
fn Welcome() -> impl IntoView {
    let words = use_words();
    view! {
        <PageTitle name=String::new() />
        <main class="page welcome" id="main" tabindex="-1">
            <div class="empty">
                <Picture icon=Icon::Bubbles />
                <h1>{say!(words, welcome_title)}</h1>
                <p>{say!(words, welcome)}</p>
                <a class="button" href="/new">{say!(words, new_conversation)}</a>
            </div>
        </main>
    }
    .into_any()
}
