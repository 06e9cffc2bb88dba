//! What a form without script reports, as a sentence on the page.

use crate::words::{code_of, reason, use_words};
use leptos::prelude::*;
use leptos_router::hooks::use_query_map;
use protocol::Code;

/// The `error` of the page's address, if it has one.
pub fn error_of_address() -> Memo<Option<Code>> {
    let query = use_query_map();
    Memo::new(move |_| query.with(|query| query.get("error").map(|word| code_of(&word))))
}

/// A sentence about what went wrong.
#[component]
pub fn Notice(
    /// The sentence, if there is one.
    #[prop(into)]
    text: Signal<Option<String>>,
) -> impl IntoView {
    view! {
        <Show when=move || text.with(Option::is_some)>
            <p class="notice" role="alert">
                {move || text.get()}
            </p>
        </Show>
    }
    .into_any()
}

/// The sentence for the `error` of the page's address.
#[component]
pub fn AddressNotice() -> impl IntoView {
    let words = use_words();
    let error = error_of_address();
    view! { <Notice text=Signal::derive(move || error.get().map(|code| reason(words, code).to_owned())) /> }
}
