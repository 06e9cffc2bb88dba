//! What stays while pages change: the list, the connection's state, the keys.

use crate::live::{Link, Live};
use crate::parts::conversation_list::ConversationList;
use crate::parts::conversation_menu::{ConversationMenu, MenuOf};
use crate::parts::keyboard;
use crate::parts::link_status::{LinkStatus, link_word};
use crate::parts::page_title;
use crate::words::{say, use_words};
use leptos::prelude::*;
use leptos_meta::Html;
use leptos_router::components::Outlet;
use leptos_router::hooks::use_location;
use protocol::ConversationId;

/// Where list and page are two screens, as in `style/frame.css`.
const NARROW: &str = "(width < 720px)";

/// The conversation that is open, or that `/` shows on wide screens.
#[derive(Clone, Copy)]
pub struct Current(pub Signal<Option<ConversationId>>);

/// The conversation an address names.
fn named_by(path: &str) -> Option<ConversationId> {
    path.strip_prefix("/c/")?.split('/').next()?.parse().ok()
}

/// List beside page; on narrow screens one of the two.
#[component]
pub fn Frame() -> impl IntoView {
    let words = use_words();
    let Some(live) = use_context::<Live>() else {
        // The server sends people without a session to the sign-in page, so this is seen by no one it can help.
        return view! { <main class="page" id="main"><a href="/sign-in" rel="external">{say!(words, sign_in)}</a></main> }.into_any();
    };
    let path = use_location().pathname;
    // The newest conversation when the page was loaded, then whichever was open last: `/` never changes under the
    // eyes of whoever looks at it.
    let latest = Memo::new(move |before: Option<&Option<ConversationId>>| {
        path.with(|path| named_by(path)).or_else(|| match before {
            Some(before) => *before,
            None => live.order().with_untracked(|order| order.first().copied()),
        })
    });
    let on_list = Memo::new(move |_| path.with(|path| path == "/"));
    let current = Signal::derive(move || {
        latest.get().filter(|_| on_list.get() || path.with(|path| path.starts_with("/c/")))
    });
    provide_context(Current(latest.into()));
    let menu = MenuOf::provide();
    let link = live.link();
    Effect::new(move |_| live.start());
    // Where the list is all there is, it is what the page is about. Only the browser knows how wide it is.
    let list_is_page = RwSignal::new(false);
    let narrow = RwSignal::new(false);
    Effect::new(move |_| {
        let look = move || {
            let narrow_now = window().match_media(NARROW).ok().flatten().is_some_and(|query| query.matches());
            narrow.set(narrow_now);
        };
        look();
        let handle = window_event_listener_untyped("resize", move |_| look());
        on_cleanup(move || handle.remove());
    });
    Effect::new(move |_| list_is_page.set(narrow.get() && on_list.get()));
    page_title::follow_unread(live.unread_total());
    keyboard::listen(live, current);
    view! {
        <Html {..} data-link=move || link_word(link.get()) />
        <a class="skip-link" href="#main" rel="external">{say!(words, skip_to_main)}</a>
        <div class="frame" class:on-list=move || on_list.get() class:ended=move || link.get() == Link::Ended>
            <div class="frame-list" role=move || if list_is_page.get() { "main" } else { "region" } aria-label=say!(words, brand)>
                <ConversationList current=current />
            </div>
            <div class="frame-page">
                <LinkStatus />
                <Outlet />
            </div>
        </div>
        <ConversationMenu menu=menu />
    }
    .into_any()
}
