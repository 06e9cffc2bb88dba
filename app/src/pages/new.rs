//! `/new`: a conversation with somebody; `?kind=group` a group; `?kind=find` a group to join; `?to={conversation}` more
//! people for a group.

mod find;

use crate::api;
use crate::live::Live;
use crate::names;
use crate::parts::details::AccessFields;
use crate::parts::icon::{Icon, Picture};
use crate::parts::notice::{AddressNotice, Notice};
use crate::parts::page_title::PageTitle;
use crate::parts::people_picker::{NobodyFound, PeopleToChoose, PeopleToOpen, Search, SearchField};
use crate::words::{reason, say, use_words};
use find::FindGroup;
use leptos::html;
use leptos::prelude::*;
use leptos::task::spawn_local;
use leptos_router::NavigateOptions;
use leptos_router::hooks::{use_navigate, use_query_map};
use protocol::limits::TITLE_CHARS;
use protocol::rest::PatchConversation;
use protocol::{ConversationId, History, Nonce, User, UserId};
use web_sys::SubmitEvent;

/// What is being started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Aim {
    /// A conversation with one person.
    Direct,
    /// A group.
    Group,
    /// A group that is there and open to everybody.
    Find,
    /// More people in a group.
    Add(ConversationId),
}

/// The page.
#[component]
pub fn New() -> impl IntoView {
    let words = use_words();
    let query = use_query_map();
    let aim = Memo::new(move |_| {
        query.with(|query| match (query.get("to").and_then(|id| id.parse().ok()), query.get("kind")) {
            (Some(id), _) => Aim::Add(id),
            (None, Some(kind)) if kind == "group" => Aim::Group,
            (None, Some(kind)) if kind == "find" => Aim::Find,
            (None, _) => Aim::Direct,
        })
    });
    let text = query.with_untracked(|query| query.get("q").unwrap_or_default());
    let search = Search::new(text);
    move || {
        let aim = aim.get();
        let title = match aim {
            Aim::Direct => say!(words, new_conversation).to_owned(),
            Aim::Group => say!(words, new_group).to_owned(),
            Aim::Find => say!(words, find_group).to_owned(),
            Aim::Add(_) => say!(words, add_people).to_owned(),
        };
        let (back, keep) = match aim {
            Aim::Direct => ("/".to_owned(), Vec::new()),
            Aim::Group | Aim::Find => ("/".to_owned(), vec![("kind", "group".to_owned())]),
            Aim::Add(id) => (format!("/c/{id}"), vec![("to", id.to_string())]),
        };
        view! {
            <PageTitle name=title />
            <main class="page" id="main" tabindex="-1">
                <div class="page-column">
                    <header class="page-head">
                        <a class="icon-button" href=back aria-label=say!(words, back) title=say!(words, back)>
                            <Picture icon=Icon::Back />
                        </a>
                        <h1 dir="auto"><Title aim=aim /></h1>
                    </header>
                    {(!matches!(aim, Aim::Add(_))).then(|| view! {
                        <nav class="tabs" aria-label=say!(words, new_conversation)>
                            <a href="/new" aria-current=(aim == Aim::Direct).then_some("page")>{say!(words, person)}</a>
                            <a href="/new?kind=group" aria-current=(aim == Aim::Group).then_some("page")>{say!(words, new_group)}</a>
                            <a href="/new?kind=find" aria-current=(aim == Aim::Find).then_some("page")>{say!(words, find_group)}</a>
                        </nav>
                    })}
                    <AddressNotice />
                    {if aim == Aim::Find {
                        view! { <FindGroup /> }.into_any()
                    } else {
                        view! {
                            <Notice text=search.problem />
                            <SearchField search=search keep=keep />
                            {match aim {
                                Aim::Direct | Aim::Find => view! { <Direct search=search /> }.into_any(),
                                Aim::Group => view! { <Group search=search /> }.into_any(),
                                Aim::Add(id) => view! { <Add search=search id=id /> }.into_any(),
                            }}
                            <NobodyFound search=search />
                        }
                        .into_any()
                    }}
                </div>
            </main>
        }
    }
}

#[component]
fn Title(aim: Aim) -> impl IntoView {
    let (live, words) = (expect_context::<Live>(), use_words());
    match aim {
        Aim::Direct => say!(words, new_conversation).into_any(),
        Aim::Group => say!(words, new_group).into_any(),
        Aim::Find => say!(words, find_group).into_any(),
        Aim::Add(id) => {
            let name = names::use_conversation_name(live, words, id);
            (move || say!(words, add_people_to, name = name.get())).into_any()
        }
    }
}

/// Goes to a conversation, in the place of this page: Back then leads to where one came from.
fn use_open() -> impl Fn(ConversationId) + Clone + Send + Sync + 'static {
    let navigate = use_navigate();
    move |id| navigate(&format!("/c/{id}"), NavigateOptions { replace: true, ..Default::default() })
}

#[component]
fn Direct(search: Search) -> impl IntoView {
    let (live, words, open) = (expect_context::<Live>(), use_words(), use_open());
    let choose = move |person: User| {
        let open = open.clone();
        spawn_local(async move {
            match api::create_direct(person.id).await {
                Ok(conversation) => {
                    let id = conversation.id;
                    live.know(conversation, vec![person]);
                    open(id);
                }
                Err(error) => search.problem.set(Some(reason(words, error.code).to_owned())),
            }
        });
    };
    view! {
        <h2 class="visually-hidden">{say!(words, people)}</h2>
        <PeopleToOpen search=search choose=choose />
    }
    .into_any()
}

#[component]
fn Group(search: Search) -> impl IntoView {
    let (live, words, open) = (expect_context::<Live>(), use_words(), use_open());
    let chosen = RwSignal::new(Vec::<User>::new());
    let title = NodeRef::<html::Input>::new();
    let access = RwSignal::new((false, History::Join));
    let choose = move |patch: PatchConversation| {
        access.update(|(public, history)| {
            *public = patch.public.unwrap_or(*public);
            *history = patch.history.unwrap_or(*history);
        });
    };
    // One group however often the button is pressed: the same request has the same nonce.
    let asked = StoredValue::new(None::<(String, Vec<UserId>, bool, History, Nonce)>);
    let on_submit = move |event: SubmitEvent| {
        event.prevent_default();
        let Some(title) = title.get_untracked().map(|field| field.value()) else { return };
        let people = chosen.get_untracked();
        let open = open.clone();
        let ids: Vec<_> = people.iter().map(|person| person.id).collect();
        let (public, history) = access.get_untracked();
        let before =
            asked.get_value().filter(|(t, i, p, h, _)| (t, i, *p, *h) == (&title, &ids, public, history));
        let nonce = before.map_or_else(Nonce::generate, |(.., nonce)| nonce);
        asked.set_value(Some((title.clone(), ids.clone(), public, history, nonce.clone())));
        spawn_local(async move {
            match api::groups::create_group(title, ids, nonce, public, history).await {
                Ok(conversation) => {
                    let id = conversation.id;
                    live.know(conversation, people);
                    open(id);
                }
                Err(error) => search.problem.set(Some(reason(words, error.code).to_owned())),
            }
        });
    };
    view! {
        <form class="new-group" method="post" action="/fn/start-group" on:submit=on_submit>
            <div class="field">
                <label for="group-name">{say!(words, group_name)}</label>
                <div class="field-row">
                    <input
                        class="input"
                        id="group-name"
                        name="title"
                        required
                        maxlength=TITLE_CHARS.to_string()
                        autocomplete="off"
                        dir="auto"
                        node_ref=title
                    />
                    <button class="button" type="submit">{say!(words, create_group)}</button>
                </div>
            </div>
            <AccessFields
                public=Signal::derive(move || access.get().0)
                history=Signal::derive(move || access.get().1)
                choose=Callback::new(choose)
            />
            <PeopleToChoose search=search chosen=chosen without=Signal::stored(Vec::new()) />
        </form>
    }
    .into_any()
}

#[component]
fn Add(search: Search, id: ConversationId) -> impl IntoView {
    let (words, open) = (use_words(), use_open());
    let live = expect_context::<Live>();
    let chosen = RwSignal::new(Vec::<User>::new());
    let members = Signal::derive(move || {
        live.conversation(id).with(|one| {
            one.as_ref().map(|one| one.members.iter().map(|member| member.user).collect()).unwrap_or_default()
        })
    });
    let on_submit = move |event: SubmitEvent| {
        event.prevent_default();
        let people = chosen.get_untracked();
        let open = open.clone();
        spawn_local(async move {
            for person in people {
                if let Err(error) = api::add_member(id, person.id).await {
                    search.problem.set(Some(reason(words, error.code).to_owned()));
                    return;
                }
                // Who was added is done with, should a later one be refused.
                chosen.update(|chosen| chosen.retain(|one| one.id != person.id));
            }
            open(id);
        });
    };
    view! {
        <form class="new-group" method="post" action="/fn/invite" on:submit=on_submit>
            <input type="hidden" name="conversation" value=id.to_string() />
            <div class="add-row">
                <button class="button" type="submit">{say!(words, add_people)}</button>
            </div>
            <PeopleToChoose search=search chosen=chosen without=members />
        </form>
    }
    .into_any()
}
