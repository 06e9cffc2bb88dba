//! `/register`

use super::sign_in::{Entry, with_next};
use crate::boot::Boot;
use crate::forms::same_site;
use crate::parts::notice::{Notice, error_of_address};
use crate::parts::page_title::PageTitle;
use crate::words::{reason, say, use_words};
use leptos::prelude::*;
use leptos_router::hooks::use_query_map;
use protocol::Code;
use protocol::limits::{DISPLAY_NAME_CHARS, PASSWORD_CHARS, USERNAME_CHARS};
use std::sync::Arc;

/// The page.
#[component]
pub fn Register() -> impl IntoView {
    let words = use_words();
    let open = use_context::<Arc<Boot>>().is_none_or(|boot| boot.registration_open);
    let query = use_query_map().get_untracked();
    let next = query.get("next").map(|next| same_site(&next).to_owned());
    let error = error_of_address();
    let problem = Signal::derive(move || {
        error.get().map(|code| match code {
            Code::Conflict => say!(words, error_username_taken).to_owned(),
            Code::Invalid => say!(words, error_register_invalid).to_owned(),
            Code::Forbidden => say!(words, registration_closed).to_owned(),
            code => reason(words, code).to_owned(),
        })
    });
    let (username, display_name) = (query.get("username"), query.get("display_name"));
    let sign_in = with_next("/sign-in", next.as_deref());
    view! {
        <PageTitle name=say!(words, create_account).to_owned() />
        <Entry title=say!(words, create_account) lead=say!(words, create_account_lead)>
            <Notice text=problem />
            {if open {
                view! {
                    <form class="fields" method="post" action="/fn/register">
                        <input type="hidden" name="next" value=next />
                        <div class="field">
                            <label for="username">{say!(words, username)}</label>
                            <input
                                class="input"
                                id="username"
                                name="username"
                                required
                                minlength=USERNAME_CHARS.start().to_string()
                                maxlength=USERNAME_CHARS.end().to_string()
                                autocomplete="username"
                                autocapitalize="none"
                                spellcheck="false"
                                aria-describedby="username-hint"
                                value=username
                                autofocus
                            />
                            <p class="hint" id="username-hint">{say!(words, username_hint)}</p>
                        </div>
                        <div class="field">
                            <label for="password">{say!(words, password)}</label>
                            <input
                                class="input"
                                id="password"
                                name="password"
                                type="password"
                                required
                                minlength=PASSWORD_CHARS.start().to_string()
                                maxlength=PASSWORD_CHARS.end().to_string()
                                autocomplete="new-password"
                                aria-describedby="password-hint"
                            />
                            <p class="hint" id="password-hint">{say!(words, password_hint)}</p>
                        </div>
                        <div class="field">
                            <label for="display-name">{say!(words, display_name)}</label>
                            <input
                                class="input"
                                id="display-name"
                                name="display_name"
                                maxlength=DISPLAY_NAME_CHARS.to_string()
                                autocomplete="name"
                                dir="auto"
                                placeholder=say!(words, optional)
                                aria-describedby="display-name-hint"
                                value=display_name
                            />
                            <p class="hint" id="display-name-hint">{say!(words, display_name_hint)}</p>
                        </div>
                        <button class="button wide" type="submit">{say!(words, create_account)}</button>
                    </form>
                }
                    .into_any()
            } else {
                view! { <p class="notice">{say!(words, registration_closed)}</p> }.into_any()
            }}
            <p class="entry-other">
                {say!(words, have_account)} " "
                <a href=sign_in rel="external">{say!(words, sign_in)}</a>
            </p>
        </Entry>
    }
    .into_any()
}
