//! Finding people: one search, and rows to open a conversation with one of them or to choose several.

use crate::api;
use crate::boot::Boot;
use crate::live::Live;
use crate::parts::avatar::Avatar;
use crate::parts::each::each;
use crate::parts::icon::{Icon, Picture};
use crate::parts::presence::PresenceWord;
use crate::words::{reason, say, use_words};
use leptos::prelude::*;
use leptos::task::spawn_local;
use protocol::{User, UserId};
use std::sync::Arc;
use std::time::Duration;

/// Rest after the last key before the server is asked.
const PAUSE: Duration = Duration::from_millis(150);

/// The search and what it found.
#[derive(Clone, Copy)]
pub struct Search {
    /// What is looked for.
    pub text: RwSignal<String>,
    /// Whom it found; none before the first answer.
    pub found: RwSignal<Option<Vec<User>>>,
    /// Why it could not be done.
    pub problem: RwSignal<Option<String>>,
    /// Number of the newest question: answers to older ones are dropped.
    asked: StoredValue<u32>,
}

impl Search {
    /// Starts with what the page carried.
    pub fn new(text: String) -> Self {
        let found = use_context::<Arc<Boot>>().and_then(|boot| boot.found.clone());
        let search = Self {
            text: RwSignal::new(text),
            found: RwSignal::new(found),
            problem: RwSignal::new(None),
            asked: StoredValue::new(0),
        };
        Effect::new(move |_| {
            if search.found.with_untracked(Option::is_none) {
                search.ask();
            }
        });
        search
    }

    fn ask(self) {
        let words = use_words();
        let Some(number) = self.asked.try_update_value(|asked| {
            *asked = asked.wrapping_add(1);
            *asked
        }) else {
            return;
        };
        let Some(text) = self.text.try_get_untracked() else { return };
        spawn_local(async move {
            let answer = api::search_people(text, None).await;
            if self.asked.try_get_value() != Some(number) {
                return;
            }
            match answer {
                Ok(people) => {
                    self.found.try_set(Some(people));
                    self.problem.try_set(None);
                }
                Err(error) => {
                    self.problem.try_set(Some(reason(words, error.code).to_owned()));
                }
            }
        });
    }
}

/// The search field. Without script it is a form that loads the page again with `?q=`.
#[component]
pub fn SearchField(
    /// What it feeds.
    search: Search,
    /// Names and values that the address keeps.
    keep: Vec<(&'static str, String)>,
) -> impl IntoView {
    let words = use_words();
    let owner = Owner::current();
    let ask = debounce(PAUSE, move |()| match &owner {
        Some(owner) => owner.with(|| search.ask()),
        None => search.ask(),
    });
    let on_input = {
        let mut ask = ask;
        move |event| {
            search.text.set(event_target_value(&event));
            ask(());
        }
    };
    let kept: Vec<_> = keep
        .into_iter()
        .map(|(name, value)| view! { <input type="hidden" name=name value=value /> })
        .collect();
    view! {
        <form class="search-people" method="get" action="/new" role="search" aria-label=say!(words, search_people) on:submit=|event| event.prevent_default()>
            {kept}
            <Picture icon=Icon::Search />
            <input
                class="input"
                type="search"
                name="q"
                autocomplete="off"
                dir="auto"
                placeholder=say!(words, search_people)
                aria-label=say!(words, search_people)
                value=search.text.get_untracked()
                on:input=on_input
            />
            <button class="button quiet without-script" type="submit">{say!(words, search)}</button>
        </form>
    }
    .into_any()
}

/// Said in place of rows.
#[component]
pub fn NobodyFound(
    /// The search.
    search: Search,
) -> impl IntoView {
    let words = use_words();
    view! {
        <Show when=move || search.found.with(|found| found.as_ref().is_some_and(Vec::is_empty))>
            <p class="people-none" role="status">{say!(words, people_none)}</p>
        </Show>
    }
    .into_any()
}

/// A person's picture and names, inside a row.
#[component]
pub fn PersonNames(
    /// Who.
    person: User,
) -> impl IntoView {
    let name = person.display_name.clone();
    // Where nobody is signed in there is nobody to be here for.
    let known = use_context::<Live>().map(|_| person.id);
    view! {
        <Avatar id=person.id.uuid() name=Signal::stored(name.clone()) size="small" who=known />
        <span class="person-names">
            <span class="person-name" dir="auto">{name}</span>
            <span class="person-username">{format!("@{}", person.username)}</span>
        </span>
        {known.map(|user| view! { <PresenceWord user=user /> })}
    }
    .into_any()
}

/// Rows that open a conversation: buttons of a form.
#[component]
pub fn PeopleToOpen<F>(
    /// The search.
    search: Search,
    /// Told who was chosen.
    choose: F,
) -> impl IntoView
where
    F: Fn(User) + Clone + Send + Sync + 'static,
{
    let people = move || search.found.get().unwrap_or_default();
    view! {
        <form method="post" action="/fn/start">
            <ul class="people">
                {each(
                    people,
                    |person| person.id.to_string(),
                    move |person| {
                        let (chosen, choose) = (person.clone(), choose.clone());
                        view! {
                            <li>
                                <button
                                    class="person"
                                    type="submit"
                                    name="user"
                                    value=person.id.to_string()
                                    on:click=move |event| {
                                        event.prevent_default();
                                        choose(chosen.clone());
                                    }
                                >
                                    <PersonNames person=person.clone() />
                                </button>
                            </li>
                        }
                        .into_any()
                    },
                )}
            </ul>
        </form>
    }
    .into_any()
}

/// Rows with a box to tick each, and the chosen people as chips above them. Fields of the form around them.
#[component]
pub fn PeopleToChoose(
    /// The search.
    search: Search,
    /// Who is chosen.
    chosen: RwSignal<Vec<User>>,
    /// Who cannot be: they are there already.
    without: Signal<Vec<UserId>>,
) -> impl IntoView {
    let words = use_words();
    let me = use_context::<Live>().map(Live::me);
    let people = move || {
        let taken = without.get();
        let mut people = search.found.get().unwrap_or_default();
        people.retain(|person| Some(person.id) != me && !taken.contains(&person.id));
        people
    };
    let toggle = move |person: User| {
        chosen.update(|chosen| match chosen.iter().position(|one| one.id == person.id) {
            Some(at) => {
                chosen.remove(at);
            }
            None => chosen.push(person),
        });
    };
    view! {
        <ul class="chips" aria-label=say!(words, chosen)>
            {each(
                move || chosen.get(),
                |person| person.id.to_string(),
                move |person| {
                    let (name, gone) = (person.display_name.clone(), person);
                    view! {
                        <li class="chip">
                            <span dir="auto">{name.clone()}</span>
                            <button
                                class="icon-button small"
                                type="button"
                                aria-label=say!(words, remove_person, name = name)
                                on:click=move |_| toggle(gone.clone())
                            >
                                <Picture icon=Icon::Cross />
                            </button>
                        </li>
                    }
                    .into_any()
                },
            )}
        </ul>
        <ul class="people">
            {each(
                people,
                |person| person.id.to_string(),
                move |person| {
                    let (id, changed) = (person.id, person.clone());
                    view! {
                        <li>
                            <label class="person">
                                <PersonNames person=person.clone() />
                                <input
                                    type="checkbox"
                                    name="members[]"
                                    value=id.to_string()
                                    prop:checked=move || chosen.with(|chosen| chosen.iter().any(|one| one.id == id))
                                    on:change=move |_| toggle(changed.clone())
                                />
                            </label>
                        </li>
                    }
                    .into_any()
                },
            )}
        </ul>
    }
    .into_any()
}
