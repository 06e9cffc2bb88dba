//! `/sign-in`

use crate::boot::Boot;
use crate::forms::same_site;
use crate::parts::icon::{Icon, Picture};
use crate::parts::notice::{Notice, error_of_address};
use crate::parts::page_title::PageTitle;
use crate::words::{reason, say, use_words};
use leptos::prelude::*;
use leptos_router::hooks::use_query_map;
use protocol::Code;
use std::sync::Arc;

/// The page.
#[component]
pub fn SignIn() -> impl IntoView {
    let words = use_words();
    let open = use_context::<Arc<Boot>>().is_some_and(|boot| boot.registration_open);
    let query = use_query_map().get_untracked();
    let next = query.get("next").map(|next| same_site(&next).to_owned());
    let error = error_of_address();
    let problem = Signal::derive(move || {
        error.get().map(|code| match code {
            Code::Unauthorized | Code::Invalid => say!(words, error_sign_in).to_owned(),
            code => reason(words, code).to_owned(),
        })
    });
    let username = query.get("username");
    view! {
        <PageTitle name=say!(words, sign_in).to_owned() />
        <Entry title=say!(words, sign_in) lead=say!(words, sign_in_lead)>
            <Notice text=problem />
            <form class="fields" method="post" action="/fn/sign-in">
                <input type="hidden" name="next" value=next.clone() />
                <div class="field">
                    <label for="username">{say!(words, username)}</label>
                    <input
                        class="input"
                        id="username"
                        name="username"
                        required
                        autocomplete="username"
                        autocapitalize="none"
                        spellcheck="false"
                        value=username
                        autofocus
                    />
                </div>
                <div class="field">
                    <label for="password">{say!(words, password)}</label>
                    <input class="input" id="password" name="password" type="password" required autocomplete="current-password" />
                </div>
                <button class="button wide" type="submit">{say!(words, sign_in)}</button>
            </form>
            {open.then(|| view! {
                <p class="entry-other">
                    {say!(words, no_account)} " "
                    <a href=with_next("/register", next.as_deref()) rel="external">{say!(words, create_account)}</a>
                </p>
            })}
        </Entry>
    }
    .into_any()
}

/// A path that takes the way back along.
pub(super) fn with_next(path: &str, next: Option<&str>) -> String {
    match next {
        Some(next) if next != "/" => format!("{path}?next={}", leptos_router::location::Url::escape(next)),
        _ => path.to_owned(),
    }
}

/// The card that sign-in and registration stand on.
#[component]
pub(super) fn Entry(title: &'static str, lead: &'static str, children: Children) -> impl IntoView {
    let words = use_words();
    view! {
        <main class="entry" id="main">
            <div class="entry-card">
                <p class="entry-brand">
                    <Picture icon=Icon::Bubbles />
                    <span>{say!(words, brand)}</span>
                </p>
                <h1>{title}</h1>
                <p class="entry-lead">{lead}</p>
                {children()}
            </div>
        </main>
    }
    .into_any()
}
