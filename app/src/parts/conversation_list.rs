//! The left column: all my conversations, newest activity first.

use crate::live::Live;
use crate::names;
use crate::parts::avatar::Avatar;
use crate::parts::conversation_row::ConversationRow;
use crate::parts::each::each;
use crate::parts::icon::{Icon, Picture};
use crate::words::{say, use_words};
use leptos::prelude::*;
use protocol::ConversationId;

/// Id of the filter field, which the keyboard jumps to.
pub const FILTER: &str = "filter";

/// The column.
#[component]
pub fn ConversationList(
    /// The one that is open.
    current: Signal<Option<ConversationId>>,
) -> impl IntoView {
    let (live, words) = (expect_context::<Live>(), use_words());
    let (filter, set_filter) = signal(String::new());
    let (order, archived) = (live.order(), live.archived());
    let filtering = Memo::new(move |_| filter.with(|filter| !filter.trim().is_empty()));
    let shown = Memo::new(move |_| {
        let wanted = filter.with(|filter| filter.trim().to_lowercase());
        let mut ids = order.get();
        // Who looks for one finds it wherever it is.
        if filtering.get() {
            archived.with(|archived| ids.extend(archived));
        }
        if !wanted.is_empty() {
            ids.retain(|id| {
                live.conversation(*id).with(|one| {
                    one.as_ref().is_some_and(|one| {
                        names::of_conversation(live, words, one).to_lowercase().contains(&wanted)
                    })
                })
            });
        }
        ids
    });
    let put_away = Memo::new(move |_| if filtering.get() { Vec::new() } else { archived.get() });
    let none_at_all = move || order.with(Vec::is_empty) && archived.with(Vec::is_empty);
    let my_name = live.my_name();
    view! {
        <div class="conversation-list">
            <div class="list-head">
                <h1 class="list-title visually-hidden">{say!(words, conversations)}</h1>
                <span class="brand">{say!(words, brand)}</span>
                <a class="icon-button" href="/new" aria-label=say!(words, new_conversation) title=say!(words, new_conversation)>
                    <Picture icon=Icon::Plus />
                </a>
            </div>
            <div class="list-filter with-script" role="search" aria-label=say!(words, filter)>
                <Picture icon=Icon::Search />
                <input
                    id=FILTER
                    type="search"
                    autocomplete="off"
                    placeholder=say!(words, filter)
                    aria-label=say!(words, filter)
                    aria-keyshortcuts="Control+K"
                    on:input=move |event| set_filter.set(event_target_value(&event))
                />
                <kbd aria-hidden="true">{say!(words, filter_keys)}</kbd>
            </div>
            <nav class="list-rows" aria-label=say!(words, conversations)>
                {rows(shown, current)}
                <details class="list-archived" class:gone=move || put_away.with(Vec::is_empty)>
                    <summary>
                        <Picture icon=Icon::Archive />
                        {say!(words, archived)}
                        <span class="archived-count">{move || put_away.with(Vec::len)}</span>
                    </summary>
                    {rows(put_away, current)}
                </details>
                <Show when=move || filtering.get() && shown.with(Vec::is_empty)>
                    <p class="list-none">{say!(words, filter_none)}</p>
                </Show>
                <Show when=none_at_all>
                    <div class="empty">
                        <Picture icon=Icon::Bubbles />
                        <p class="empty-title">{say!(words, list_empty_title)}</p>
                        <p>{say!(words, list_empty)}</p>
                        <a class="button" href="/new">{say!(words, list_empty_action)}</a>
                    </div>
                </Show>
            </nav>
            <div class="list-foot">
                <Avatar id=live.me().uuid() name=my_name size="small" />
                <span class="list-me" dir="auto">{move || my_name.get()}</span>
                <a class="icon-button" href="/settings" rel="external" aria-label=say!(words, settings) title=say!(words, settings)>
                    <Picture icon=Icon::Gear />
                </a>
            </div>
        </div>
    }
    .into_any()
}

fn rows(ids: Memo<Vec<ConversationId>>, current: Signal<Option<ConversationId>>) -> AnyView {
    view! {
        <ul>
            {each(
                move || ids.get(),
                ConversationId::to_string,
                move |id| view! { <ConversationRow id=id current=current /> }.into_any(),
            )}
        </ul>
    }
    .into_any()
}
