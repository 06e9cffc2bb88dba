//! What a form without script reports, as a sentence on the page.

use crate::live::Live;
use crate::parts::each::each;
use crate::parts::icon::{Icon, Picture};
use crate::words::{code_of, reason, say, use_words};
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

/// What I did and the server refused, until it is dismissed.
#[component]
pub fn ActNotices() -> impl IntoView {
    let (live, words) = (expect_context::<Live>(), use_words());
    let notices = live.notices();
    let view = move |notice: crate::live::Notice| {
        view! {
            <p class="notice act-notice" role="alert">
                <span>{say!(words, act_refused, reason = reason(words, notice.code))}</span>
                <button
                    class="icon-button small"
                    type="button"
                    aria-label=say!(words, close)
                    title=say!(words, close)
                    on:click=move |_| live.dismiss(notice.number)
                >
                    <Picture icon=Icon::Cross />
                </button>
            </p>
        }
        .into_any()
    };
    each(move || notices.get(), |notice| notice.number.to_string(), view)
}

/// The sentence for the `error` of the page's address.
#[component]
pub fn AddressNotice() -> impl IntoView {
    let words = use_words();
    let error = error_of_address();
    view! { <Notice text=Signal::derive(move || error.get().map(|code| reason(words, code).to_owned())) /> }
}
