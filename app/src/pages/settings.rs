//! `/settings`: my name, the language, the sound, my devices, the way out. Loaded as a page of its own, because the devices
//! are part of what the server sends with it.

use crate::boot::Boot;
use crate::clock::Clock;
use crate::i18n::Locale;
use crate::live::Live;
use crate::parts::composer::forget_drafts;
use crate::parts::icon::{Icon, Picture};
use crate::parts::notice::AddressNotice;
use crate::parts::page_title::PageTitle;
use crate::sound;
use crate::words::{say, use_words};
use leptos::prelude::*;
use leptos_router::hooks::use_query_map;
use protocol::limits::DISPLAY_NAME_CHARS;
use protocol::rest::Session;
use std::sync::Arc;

/// Characters of a device's own name that are shown where it is not understood.
const DEVICE_CHARS: usize = 60;

/// Languages by their tags, each in its own words.
const LANGUAGES: [(&str, &str); 2] = [("en", "English"), ("zh-CN", "简体中文")];

/// The page.
#[component]
pub fn Settings() -> impl IntoView {
    let words = use_words();
    let boot = expect_context::<Arc<Boot>>();
    let sessions = boot.sessions.clone();
    let me = boot.viewer.as_ref().map(|viewer| viewer.me.clone());
    let (name, chosen) = me.map(|me| (me.user.display_name, me.locale)).unwrap_or_default();
    let chosen = chosen.unwrap_or_default();
    let saved = use_query_map().with_untracked(|query| query.get("saved").is_some());
    // Reached by going back in the history: the devices are not here, so the page is asked for.
    let missing = sessions.is_none();
    Effect::new(move |_| {
        if missing {
            let _ = window().location().reload();
        }
    });
    view! {
        <PageTitle name=say!(words, settings).to_owned() />
        <main class="page" id="main" tabindex="-1">
            <div class="page-column">
                <header class="page-head">
                    <a class="icon-button" href="/" aria-label=say!(words, back) title=say!(words, back)>
                        <Picture icon=Icon::Back />
                    </a>
                    <h1>{say!(words, settings)}</h1>
                </header>
                <AddressNotice />
                {saved.then(|| view! { <p class="notice good" role="status">{say!(words, saved)}</p> })}
                <Account name=name chosen=chosen />
                <Notifications />
                <Devices sessions=sessions.unwrap_or_default() />
                <SignOut />
            </div>
        </main>
    }
    .into_any()
}

/// My name and my language.
#[component]
fn Account(name: String, chosen: String) -> impl IntoView {
    let words = use_words();
    view! {
        <section class="settings-section">
            <h2>{say!(words, profile)}</h2>
            <form class="field" method="post" action="/fn/profile">
                <label for="display-name">{say!(words, display_name)}</label>
                <div class="field-row">
                    <input
                        class="input"
                        id="display-name"
                        name="display_name"
                        required
                        maxlength=DISPLAY_NAME_CHARS.to_string()
                        autocomplete="name"
                        dir="auto"
                        value=name
                    />
                    <button class="button quiet" type="submit">{say!(words, save)}</button>
                </div>
            </form>
            <form class="field" method="post" action="/fn/language">
                <label for="locale">{say!(words, language)}</label>
                <div class="field-row">
                    <select class="input" id="locale" name="locale">
                        <option value="" selected=chosen.is_empty()>{say!(words, language_browser)}</option>
                        {LANGUAGES.into_iter().map(|(tag, own_name)| view! {
                            <option value=tag lang=tag selected=chosen == tag>{own_name}</option>
                        }).collect_view()}
                    </select>
                    <button class="button quiet" type="submit">{say!(words, save)}</button>
                </div>
            </form>
        </section>
    }
    .into_any()
}

/// What calls me on this device. It needs script, and is shown with it.
#[component]
fn Notifications() -> impl IntoView {
    let words = use_words();
    let on = RwSignal::new(true);
    // Only the browser knows.
    Effect::new(move |_| on.set(sound::is_on()));
    let switch = move |event| {
        on.set(event_target_checked(&event));
        sound::switch(on.get_untracked());
    };
    view! {
        <section class="settings-section with-script">
            <h2>{say!(words, notifications)}</h2>
            <div>
                <label class="choice">
                    <input
                        type="checkbox"
                        role="switch"
                        aria-describedby="sound-hint"
                        autocomplete="off"
                        checked=true
                        prop:checked=move || on.get()
                        on:change=switch
                    />
                    <span>{say!(words, sound)}</span>
                </label>
                <p class="hint" id="sound-hint">{say!(words, sound_hint)}</p>
            </div>
        </section>
    }
    .into_any()
}

/// Where I am signed in.
#[component]
fn Devices(sessions: Vec<Session>) -> impl IntoView {
    let words = use_words();
    view! {
        <section class="settings-section">
            <h2>{say!(words, devices)}</h2>
            <p class="hint">{say!(words, devices_lead)}</p>
            <ul class="devices">
                {sessions.into_iter().map(|session| view! { <Device session=session /> }).collect_view()}
            </ul>
        </section>
    }
    .into_any()
}

/// The way out.
#[component]
fn SignOut() -> impl IntoView {
    let (live, words) = (expect_context::<Live>(), use_words());
    // Whoever uses this browser next finds nothing of mine in it.
    let forget = move |_| {
        live.forget_unsent();
        forget_drafts();
    };
    view! {
        <section class="settings-section">
            <form method="post" action="/fn/sign-out" on:submit=forget>
                <button class="button danger" type="submit">{say!(words, sign_out)}</button>
            </form>
        </section>
    }
    .into_any()
}

#[component]
fn Device(session: Session) -> impl IntoView {
    let (words, clock) = (use_words(), expect_context::<Clock>());
    let used = session.last_used_at;
    view! {
        <li class="device">
            <div class="device-names">
                <p class="device-name">{device_name(words, &session.device)}</p>
                <p class="hint">
                    {if session.current {
                        say!(words, device_current).into_any()
                    } else {
                        (move || say!(words, device_used, time = clock.exact(used))).into_any()
                    }}
                </p>
            </div>
            {(!session.current).then(|| view! {
                <form method="post" action="/fn/revoke">
                    <input type="hidden" name="session" value=session.id.to_string() />
                    <button class="button quiet" type="submit">{say!(words, device_revoke)}</button>
                </form>
            })}
        </li>
    }
    .into_any()
}

/// "Firefox on Linux", from what a browser calls itself; other programs' own words.
fn device_name(words: Locale, device: &str) -> String {
    let find = |names: &[(&str, &'static str)]| {
        names.iter().find(|(sign, _)| device.contains(sign)).map(|(_, name)| *name)
    };
    // In this order: each also carries the signs of those after it.
    let browser = find(&[
        ("Firefox/", "Firefox"),
        ("Edg/", "Edge"),
        ("OPR/", "Opera"),
        ("Chrome/", "Chrome"),
        ("Safari/", "Safari"),
    ]);
    let system = find(&[
        ("Android", "Android"),
        ("iPhone", "iPhone"),
        ("iPad", "iPad"),
        ("Windows", "Windows"),
        ("Mac OS X", "macOS"),
        ("CrOS", "ChromeOS"),
        ("Linux", "Linux"),
    ]);
    match (browser, system) {
        (Some(browser), Some(system)) => say!(words, browser_on, browser = browser, system = system),
        _ if device.trim().is_empty() => say!(words, device_unknown).to_owned(),
        _ => device.chars().take(DEVICE_CHARS).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_are_named() {
        let chrome = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36";
        assert_eq!(device_name(Locale::en, chrome), "Chrome on Linux");
        assert_eq!(device_name(Locale::zh_CN, chrome), "Linux 上的 Chrome");
        assert_eq!(device_name(Locale::en, "curl/8.5.0"), "curl/8.5.0");
        assert_eq!(device_name(Locale::en, " "), "Unknown device");
    }
}
