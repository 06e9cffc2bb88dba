//! Lists whose items come and go. All of them have one type, however different their items are: what Leptos compiles anew for
//! each type of list is 1 KB of the first load.

use leptos::prelude::*;

/// One item: what it is known by, and how it is drawn when it is new.
struct Entry {
    key: String,
    view: Box<dyn FnOnce() -> AnyView + Send>,
}

/// Draws each item once, and keeps it on the page as long as there is one with its `key`.
pub fn each<T: Send + 'static>(
    items: impl Fn() -> Vec<T> + Send + 'static,
    key: fn(&T) -> String,
    view: impl Fn(T) -> AnyView + Clone + Send + 'static,
) -> AnyView {
    list(Box::new(move || {
        let entry = |item| {
            let view = view.clone();
            Entry { key: key(&item), view: Box::new(move || view(item)) }
        };
        items().into_iter().map(entry).collect()
    }))
}

fn list(entries: Box<dyn Fn() -> Vec<Entry> + Send>) -> AnyView {
    let view = |entry: Entry| (entry.view)();
    view! { <For each=entries key=|entry| entry.key.clone() children=view /> }.into_any()
}
