//! The tab's title and icon, which carry the unread total.

use crate::live::Live;
use crate::words::{say, use_words};
use leptos::prelude::*;
use leptos_meta::Title;

/// The icon's file name, and the one with a dot.
const ICONS: [&str; 2] = ["favicon.svg", "favicon-unread.svg"];

/// Sets the tab's title: "(3) Design crit — Confab".
#[component]
pub fn PageTitle(
    /// The page's own name; empty for none.
    #[prop(into)]
    name: Signal<String>,
) -> impl IntoView {
    let words = use_words();
    let total = use_context::<Live>().map(Live::unread_total);
    let text = move || {
        let unread = match total.map_or(0, |total| total.get()) {
            0 => String::new(),
            n => format!("({n}) "),
        };
        let brand = say!(words, brand);
        name.with(|name| {
            if name.is_empty() { format!("{unread}{brand}") } else { format!("{unread}{name} — {brand}") }
        })
    };
    // The server reads the title last, when the signals behind it may be gone: it gets the words themselves. And it
    // writes them into the page as they are: a group's name must not end the element.
    #[cfg(feature = "ssr")]
    let text = text().replace('&', "&amp;").replace('<', "&lt;");
    view! { <Title text=text /> }
}

/// Browser only: puts the dot on the tab's icon while anything is unread.
pub fn follow_unread(total: Signal<u64>) {
    let any = Memo::new(move |_| total.get() > 0);
    Effect::new(move |_| {
        let [plain, dotted] = ICONS;
        let (from, to) = if any.get() { (plain, dotted) } else { (dotted, plain) };
        let Ok(Some(link)) = document().query_selector("link[rel=icon]") else { return };
        if let Some(href) = link.get_attribute("href").filter(|href| href.ends_with(from)) {
            // The element is there and the attribute's name is a name: setting it cannot fail.
            let _ = link.set_attribute("href", &format!("{}{to}", &href[..href.len() - from.len()]));
        }
    });
}
