//! Every other address.

use crate::parts::page_title::PageTitle;
use crate::words::{say, use_words};
use leptos::prelude::*;

/// The page.
#[component]
pub fn NotFound() -> impl IntoView {
    let words = use_words();
    view! {
        <PageTitle name=say!(words, not_found_title).to_owned() />
        <main class="entry" id="main">
            <div class="entry-card">
                <h1>{say!(words, not_found_title)}</h1>
                <p class="entry-lead">{say!(words, not_found)}</p>
                <a class="button" href="/">{say!(words, to_conversations)}</a>
            </div>
        </main>
    }
    .into_any()
}
