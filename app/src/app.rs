//! The page as a whole: what every page is drawn in, and which page an address means.

use crate::boot::Boot;
use crate::clock::Clock;
use crate::i18n::Locale;
use crate::live::Live;
use crate::pages::conversation::Conversation;
use crate::pages::home::Home;
use crate::pages::new::New;
use crate::pages::not_found::NotFound;
use crate::pages::register::Register;
use crate::pages::settings::Settings;
use crate::pages::sign_in::SignIn;
use crate::parts::frame::Frame;
use crate::words::locale_of;
use leptos::nonce::use_nonce;
use leptos::prelude::*;
use leptos_meta::{MetaTags, provide_meta_context};
use leptos_router::components::{ParentRoute, Route, Router, Routes};
use leptos_router::path;
use protocol::Timestamp;
use std::sync::Arc;

/// The document around the page. Drawn by the server only.
///
/// Needs [`Boot`] in leptos' context; without it (the list of routes is made by drawing once) the language is the
/// default one.
pub fn shell(options: LeptosOptions) -> impl IntoView {
    let locale = use_context::<Boot>().map(|boot| locale_of(&boot.locale)).unwrap_or_default();
    let files = format!("/{}", options.site_pkg_dir);
    view! {
        <!DOCTYPE html>
        <html lang=leptos_i18n::Locale::as_str(locale)>
            <head>
                <meta charset="utf-8" />
                <meta name="viewport" content="width=device-width, initial-scale=1, viewport-fit=cover, interactive-widget=resizes-content" />
                <meta name="color-scheme" content="light dark" />
                // The side's colour, which is what touches the browser's own frame.
                <meta name="theme-color" media="(prefers-color-scheme: light)" content="#f7f6f3" />
                <meta name="theme-color" media="(prefers-color-scheme: dark)" content="#0d1014" />
                <link rel="stylesheet" href=format!("{files}/confab.css") />
                <link rel="icon" type="image/svg+xml" href=format!("{files}/favicon.svg") />
                <HydrationScripts options=options />
                <MetaTags />
                {cfg!(debug_assertions).then(|| reload_when_changed(&files))}
            </head>
            <body>
                <App />
            </body>
        </html>
    }
}

/// Developer builds only: the page's files live under a hash of their content, so when they are no longer there, a
/// newer page is.
fn reload_when_changed(files: &str) -> impl IntoView {
    let script = format!(
        "setInterval(() => fetch('{files}/confab.css', {{ method: 'HEAD', cache: 'no-store' }})\
         .then((answer) => {{ if (answer.status === 404) location.reload() }}, () => {{}}), 1000)"
    );
    view! { <script nonce=use_nonce()>{script}</script> }
}

/// What the page starts from; on the server from the request's context, in the browser from the page.
fn boot() -> Boot {
    SharedValue::new(|| {
        use_context::<Boot>().unwrap_or_else(|| Boot {
            viewer: None,
            locale: leptos_i18n::Locale::as_str(Locale::default()).to_owned(),
            time_zone: None,
            now: Timestamp::default(),
            registration_open: true,
            form_nonce: String::new(),
            found: None,
            groups: None,
            sessions: None,
        })
    })
    .into_inner()
}

/// The page.
#[component]
pub fn App() -> impl IntoView {
    provide_meta_context();
    let boot = Arc::new(boot());
    let words = locale_of(&boot.locale);
    let clock = Clock::new(boot.time_zone.as_deref(), boot.now, words);
    provide_context(words);
    provide_context(clock);
    // Above the router: the signals of a page end with it, the conversations must not.
    if let Some(viewer) = &boot.viewer {
        provide_context(Live::new(viewer));
    }
    provide_context(boot);
    Effect::new(move |_| {
        clock.start();
        // Tests, and styles that wait for script, look for this.
        if let Some(root) = document().document_element() {
            let _ = root.set_attribute("data-hydrated", "");
        }
    });
    view! {
        <Router>
            <Routes fallback=|| view! { <NotFound /> }>
                <Route path=path!("/sign-in") view=SignIn />
                <Route path=path!("/register") view=Register />
                <ParentRoute path=path!("") view=Frame>
                    <Route path=path!("/") view=Home />
                    <Route path=path!("/c/:conversation") view=Conversation />
                    <Route path=path!("/c/:conversation/m/:seq") view=Conversation />
                    <Route path=path!("/new") view=New />
                    <Route path=path!("/settings") view=Settings />
                </ParentRoute>
            </Routes>
        </Router>
    }
    .into_any()
}
