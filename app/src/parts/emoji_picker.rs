//! Choosing an emoji. The table of them is a file of its own (`style/assets/emoji.json`), fetched when the picker is
//! first opened, so that nobody waits for it who only reads.

use crate::parts::menu;
use crate::parts::message_actions::{Actions, FIELD, Picking};
use crate::parts::message_text::is_emoji;
use crate::words::{say, use_words};
use leptos::prelude::*;
use leptos::task::spawn_local;
use leptos::wasm_bindgen::JsCast;
use protocol::Emoji;
use web_sys::{HtmlElement, HtmlTextAreaElement, KeyboardEvent};

/// What people choose most; always there, also without the table.
const QUICK: [&str; 6] = ["👍", "❤️", "😂", "🎉", "😮", "😢"];
/// Emoji in a row, as in `style/emoji_picker.css`.
const COLUMNS: usize = 8;
/// Most emoji a search shows.
const FOUND: usize = 48;

/// Groups: the first two strings of each are its names in English and Chinese, the others an emoji and words for it.
type Table = Vec<Vec<String>>;

/// The picker.
#[component]
pub fn EmojiPicker() -> impl IntoView {
    let (actions, words) = (expect_context::<Actions>(), use_words());
    let (table, away) = (RwSignal::new(None::<Table>), RwSignal::new(false));
    let sought = RwSignal::new(String::new());
    Effect::new(move |_| {
        if actions.picking.with(Option::is_some) && table.with_untracked(Option::is_none) {
            spawn_local(async move {
                let fetched = fetch().await;
                away.try_set(fetched.is_none());
                table.try_set(fetched);
            });
        }
    });
    let chinese = words == crate::i18n::Locale::zh_CN;
    let content = move || {
        let shown =
            move || groups(sought.get().trim(), table.read().as_ref(), chinese, say!(words, emoji_quick));
        view! {
            <input
                class="input"
                type="search"
                autocomplete="off"
                aria-label=say!(words, emoji_search)
                placeholder=say!(words, emoji_search)
                prop:value=move || sought.get()
                on:input=move |event| sought.set(event_target_value(&event))
                on:keydown=move |event: KeyboardEvent| {
                    if event.key() == "Enter" && !event.is_composing() {
                        event.prevent_default();
                        let first = shown().into_iter().flat_map(|(_, emoji)| emoji).next();
                        if let Some(emoji) = first {
                            choose(actions, &emoji);
                        }
                    }
                }
            />
            <div class="emoji-groups" tabindex="-1">
                {move || {
                    let groups = shown();
                    let none = groups.is_empty();
                    let rows: Vec<AnyView> = groups.into_iter().map(|(title, emoji)| group(title, emoji)).collect();
                    view! {
                        {rows}
                        {none.then(|| view! { <p class="hint" role="status">{say!(words, emoji_none)}</p> })}
                        {away.get().then(|| view! { <p class="hint" role="status">{say!(words, emoji_away)}</p> })}
                    }
                    .into_any()
                }}
            </div>
        }
        .into_any()
    };
    view! {
        <div
            class="menu emoji-picker"
            role="dialog"
            popover="auto"
            aria-label=say!(words, emoji)
            node_ref=actions.picker
            on:click=move |event| {
                let pressed = event.target().and_then(|target| target.dyn_into::<HtmlElement>().ok());
                if let Some(emoji) = pressed.and_then(|button| button.get_attribute("data-emoji")) {
                    choose(actions, &emoji);
                }
            }
            on:keydown=move |event| on_key(&event)
            on:toggle=move |_| {
                actions.picker_closed();
                if actions.picking.with_untracked(Option::is_none) {
                    sought.set(String::new());
                }
            }
        >
            {move || actions.picking.with(Option::is_some).then(content)}
        </div>
    }
    .into_any()
}

fn group(title: String, emoji: Vec<String>) -> AnyView {
    let buttons: Vec<AnyView> = emoji
        .into_iter()
        .map(|emoji| {
            view! { <button type="button" data-emoji=emoji.clone()>{emoji.clone()}</button> }.into_any()
        })
        .collect();
    view! {
        <div role="group" aria-label=title.clone()>
            <p class="menu-label" aria-hidden="true">{title.clone()}</p>
            <div class="emoji-grid">{buttons}</div>
        </div>
    }
    .into_any()
}

/// What is shown for what is typed: everything, or what matches, an emoji itself first.
fn groups(sought: &str, table: Option<&Table>, chinese: bool, quick: &str) -> Vec<(String, Vec<String>)> {
    let emoji_of = |entry: &String| entry.split(' ').next().unwrap_or_default().to_owned();
    let all = table.map(Vec::as_slice).unwrap_or_default();
    if sought.is_empty() {
        let quick = (quick.to_owned(), QUICK.map(str::to_owned).to_vec());
        let titled = all.iter().filter_map(|group| {
            let title = group.get(usize::from(chinese))?;
            Some((title.clone(), group.iter().skip(2).map(emoji_of).collect()))
        });
        return std::iter::once(quick).chain(titled).collect();
    }
    let typed = (is_emoji(sought) && Emoji::try_from(sought.to_owned()).is_ok()).then(|| sought.to_owned());
    let wanted = sought.to_lowercase();
    let matching = all
        .iter()
        .flat_map(|group| group.iter().skip(2))
        .filter(|entry| entry.split(' ').skip(1).any(|word| word.starts_with(&wanted)))
        .map(emoji_of);
    let found: Vec<String> = typed.into_iter().chain(matching).take(FOUND).collect();
    if found.is_empty() { Vec::new() } else { vec![(sought.to_owned(), found)] }
}

fn choose(actions: Actions, emoji: &str) {
    let picking = actions.picking.get_untracked();
    if let Some(popover) = actions.picker.get_untracked() {
        menu::close(&popover);
    }
    match picking {
        Some(Picking::Reaction(message)) => actions.react(&message, emoji),
        Some(Picking::Words) => insert(emoji),
        None => {}
    }
}

/// Puts an emoji where the caret stands in the field messages are written in.
fn insert(emoji: &str) {
    let field =
        document().get_element_by_id(FIELD).and_then(|field| field.dyn_into::<HtmlTextAreaElement>().ok());
    let Some(field) = field else { return };
    let _ = field.focus();
    let _ = field.set_range_text(emoji);
    let end = field.selection_end().ok().flatten().unwrap_or_default();
    let end = end.max(field.selection_start().ok().flatten().unwrap_or_default());
    let _ = field.set_selection_range(end, end);
    if let Ok(event) = web_sys::Event::new("input") {
        let _ = field.dispatch_event(&event);
    }
}

/// Arrows walk over the grid.
fn on_key(event: &KeyboardEvent) {
    let step: isize = match event.key().as_str() {
        "ArrowRight" => 1,
        "ArrowLeft" => -1,
        "ArrowDown" => COLUMNS.cast_signed(),
        "ArrowUp" => -COLUMNS.cast_signed(),
        _ => return,
    };
    let picker = event.current_target().and_then(|target| target.dyn_into::<HtmlElement>().ok());
    let Some(Ok(buttons)) = picker.map(|picker| picker.query_selector_all("button")) else { return };
    let buttons: Vec<HtmlElement> =
        (0..buttons.length()).filter_map(|at| buttons.item(at)?.dyn_into().ok()).collect();
    let focused = document().active_element();
    let at = buttons.iter().position(|button| focused.as_ref().is_some_and(|focused| **button == *focused));
    let next = match at {
        Some(at) => at.checked_add_signed(step).unwrap_or_default(),
        None if step > 1 => 0,
        // In the field, the other arrows move the caret.
        None => return,
    };
    event.prevent_default();
    if let Some(button) = buttons.get(next.min(buttons.len().saturating_sub(1))) {
        let _ = button.focus();
    }
}

/// The table, from where the page's files are.
#[cfg(feature = "hydrate")]
async fn fetch() -> Option<Table> {
    let styles = document().query_selector("link[rel=stylesheet]").ok()??.get_attribute("href")?;
    let address = format!("{}/emoji.json", styles.rsplit_once('/')?.0);
    let answer = gloo_net::http::Request::get(&address).send().await.ok()?;
    serde_json::from_str(&answer.text().await.ok()?).ok()
}

#[cfg(not(feature = "hydrate"))]
#[expect(clippy::unused_async, reason = "only a browser has anything to fetch")]
async fn fetch() -> Option<Table> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        serde_json::from_str(include_str!("../../../style/assets/emoji.json")).unwrap()
    }

    #[test]
    fn the_table_holds_emoji_and_words_for_each_in_both_languages() {
        let table = table();
        let entries: Vec<&String> = table.iter().flat_map(|group| group.iter().skip(2)).collect();
        assert!((150..260).contains(&entries.len()), "{}", entries.len());
        for entry in &entries {
            let words: Vec<&str> = entry.split(' ').collect();
            assert!(is_emoji(words[0]), "{entry}");
            assert!(Emoji::try_from(words[0].to_owned()).is_ok(), "{entry}");
            assert!(words[1..].iter().any(|word| word.is_ascii()), "{entry}");
            assert!(words[1..].iter().any(|word| !word.is_ascii()), "{entry}");
        }
        let mut once: Vec<&str> = entries.iter().filter_map(|entry| entry.split(' ').next()).collect();
        once.sort_unstable();
        once.dedup();
        assert_eq!(once.len(), entries.len(), "none stands twice");
    }

    #[test]
    fn emoji_are_found_by_words_of_both_languages_and_by_themselves() {
        let table = table();
        let found = |sought: &str| groups(sought, Some(&table), false, "Often used");
        assert!(found("rocket")[0].1.contains(&"🚀".to_owned()));
        assert!(found("火箭")[0].1.contains(&"🚀".to_owned()));
        assert_eq!(found("🦩")[0].1, ["🦩"]);
        assert!(found("qqq").is_empty());
        assert_eq!(groups("", None, false, "Often used").len(), 1, "the quick ones are always there");
        assert_eq!(groups("", Some(&table), true, "常用")[1].0, table[0][1]);
    }
}
