//! `/new?kind=find`: groups that everybody can join.

use super::use_open;
use crate::api::groups;
use crate::boot::Boot;
use crate::live::Live;
use crate::parts::avatar::Avatar;
use crate::parts::icon::{Icon, Picture};
use crate::parts::notice::Notice;
use crate::words::{self, reason, say, use_words};
use leptos::prelude::*;
use leptos::task::spawn_local;
use leptos_router::hooks::use_query_map;
use protocol::ConversationId;
use protocol::rest::Group;
use std::sync::Arc;
use std::time::Duration;

/// Rest after the last key before the server is asked.
const PAUSE: Duration = Duration::from_millis(150);

/// The search and what it found.
#[component]
pub(super) fn FindGroup() -> impl IntoView {
    let words = use_words();
    let text = use_query_map().with_untracked(|query| query.get("q").unwrap_or_default());
    let found = RwSignal::new(use_context::<Arc<Boot>>().and_then(|boot| boot.groups.clone()));
    let problem = RwSignal::new(None::<String>);
    // Number of the newest question: answers to older ones are dropped.
    let asked = StoredValue::new(0u32);
    let ask = move |text: String| {
        let number = asked.try_update_value(|asked| {
            *asked = asked.wrapping_add(1);
            *asked
        });
        spawn_local(async move {
            let answer = groups::find_groups(text).await;
            if number.is_none() || asked.try_get_value() != number {
                return;
            }
            match answer {
                Ok(answer) => {
                    found.try_set(Some(answer.groups));
                    problem.try_set(None);
                }
                Err(error) => {
                    problem.try_set(Some(reason(words, error.code).to_owned()));
                }
            }
        });
    };
    let start = text.clone();
    // What the page carried is as old as the page; who comes back here may have joined one meanwhile.
    Effect::new(move |_| ask(start.clone()));
    let mut asking = debounce(PAUSE, ask);
    view! {
        <Notice text=problem />
        <form class="search-people" method="get" action="/new" role="search" aria-label=say!(words, search_groups) on:submit=|event| event.prevent_default()>
            <input type="hidden" name="kind" value="find" />
            <Picture icon=Icon::Search />
            <input
                class="input"
                type="search"
                name="q"
                autocomplete="off"
                dir="auto"
                placeholder=say!(words, search_groups)
                aria-label=say!(words, search_groups)
                value=text
                on:input=move |event| asking(event_target_value(&event))
            />
            <button class="button quiet without-script" type="submit">{say!(words, search)}</button>
        </form>
        <h2 class="visually-hidden">{say!(words, groups)}</h2>
        <ul class="people">
            {move || {
                let groups = found.get().unwrap_or_default();
                let row = |group| view! { <GroupRow group=group problem=problem /> };
                groups.into_iter().map(row).collect::<Vec<_>>()
            }}
        </ul>
        <Show when=move || found.with(|found| found.as_ref().is_some_and(Vec::is_empty))>
            <p class="people-none" role="status">{say!(words, groups_none)}</p>
        </Show>
    }
    .into_any()
}

/// A group, and the way into it.
#[component]
fn GroupRow(group: Group, problem: RwSignal<Option<String>>) -> impl IntoView {
    let (live, words, open) = (expect_context::<Live>(), use_words(), use_open());
    let Group { id, title, member_count, joined } = group;
    let join = move |id: ConversationId| {
        let open = open.clone();
        spawn_local(async move {
            match groups::join(id).await {
                Ok(conversation) => {
                    live.know(conversation, Vec::new());
                    open(id);
                }
                Err(error) => {
                    problem.try_set(Some(reason(words, error.code).to_owned()));
                }
            }
        });
    };
    let way = if joined {
        let label = say!(words, open_group_named, name = title.clone());
        view! { <a class="button quiet" href=format!("/c/{id}") aria-label=label>{say!(words, open_group)}</a> }
            .into_any()
    } else {
        let label = say!(words, join_group_named, name = title.clone());
        view! {
            <form method="post" action="/fn/enter" on:submit=move |event| {
                event.prevent_default();
                join(id);
            }>
                <input type="hidden" name="conversation" value=id.to_string() />
                <button class="button" type="submit" aria-label=label>{say!(words, join_group)}</button>
            </form>
        }
        .into_any()
    };
    view! {
        <li class="found-group">
            <Avatar id=id.uuid() name=Signal::stored(title.clone()) />
            <span class="person-names">
                <span class="person-name" dir="auto">{title}</span>
                <span class="person-username">{words::members(words, u64::from(member_count))}</span>
            </span>
            {way}
        </li>
    }
    .into_any()
}
