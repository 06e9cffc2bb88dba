//! Whom an `@` in the composer may mean: a list that is filtered while one types.

use crate::api;
use crate::live::Live;
use crate::names;
use crate::parts::avatar::Avatar;
use crate::parts::icon::{Icon, Picture};
use crate::words::{say, use_words};
use leptos::prelude::*;
use leptos::task::spawn_local;
use protocol::{ConversationId, Kind, User, UserId, mention};
use web_sys::{HtmlTextAreaElement, KeyboardEvent};

/// Id of the list, which the field names as its own.
pub const LIST: &str = "mention-list";
/// Most people offered at once.
const OFFERED: usize = 8;

/// Somebody who may be meant, or with no id everybody.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Candidate {
    user: Option<UserId>,
    username: String,
    name: String,
}

/// The list and what it is filtered by. Cheap to copy.
#[derive(Clone, Copy)]
pub struct Mentioning {
    /// The name being typed, without its `@`.
    typed: RwSignal<Option<String>>,
    found: Memo<Vec<Candidate>>,
    /// Which of them Enter takes.
    at: RwSignal<usize>,
}

/// The name that is being typed at the end of `before`, the text before the caret.
fn typed_name(before: &str) -> Option<&str> {
    let at = before.rfind('@')?;
    let name = &before[at + 1..];
    let begins = before[..at]
        .chars()
        .next_back()
        .is_none_or(|c| !(c.is_ascii_alphanumeric() || matches!(c, '@' | '.' | '_' | '-')));
    let is_name = name.chars().all(|c| c.is_alphanumeric() || matches!(c, '.' | '_' | '-'));
    (begins && is_name && name.chars().count() <= *protocol::limits::USERNAME_CHARS.end()).then_some(name)
}

/// Bytes of the first `units` UTF-16 units of a text, which is how browsers count.
fn bytes_of(text: &str, units: u32) -> usize {
    let mut left = units as usize;
    for (at, c) in text.char_indices() {
        if left < c.len_utf16() {
            return at;
        }
        left -= c.len_utf16();
    }
    text.len()
}

impl Mentioning {
    /// For the field of one conversation.
    pub fn new(id: ConversationId) -> Self {
        let (live, words) = (expect_context::<Live>(), use_words());
        let typed = RwSignal::new(None::<String>);
        // A large group does not carry its members: there the server finds them.
        let sought = RwSignal::new(Vec::<User>::new());
        let conversation = live.conversation(id);
        let found = Memo::new(move |_| {
            let Some(typed) = typed.get().map(|typed| typed.to_lowercase()) else { return Vec::new() };
            let (group, members) = conversation.with(|one| match one {
                Some(one) => {
                    let users = one.members.iter().map(|member| member.user).collect::<Vec<_>>();
                    (one.kind == Kind::Group, users)
                }
                None => (false, Vec::new()),
            });
            let mut people: Vec<User> = members.iter().filter_map(|user| live.person(*user).get()).collect();
            if members.is_empty() {
                people = sought.get();
            }
            let everybody = Candidate {
                user: None,
                username: mention::ALL.to_owned(),
                name: say!(words, mention_all).to_owned(),
            };
            people
                .into_iter()
                .filter(|person| person.id != live.me())
                .map(|person| Candidate {
                    user: Some(person.id),
                    username: person.username,
                    name: person.display_name,
                })
                .chain(group.then_some(everybody))
                .filter(|one| {
                    one.username.starts_with(&typed)
                        || one.name.to_lowercase().split_whitespace().any(|word| word.starts_with(&typed))
                })
                .take(OFFERED)
                .collect()
        });
        Effect::new(move |_| {
            let Some(q) = typed.get() else { return };
            if !conversation.with_untracked(|one| one.as_ref().is_some_and(|one| one.members.is_empty())) {
                return;
            }
            spawn_local(async move {
                if let Ok(people) = api::search_people(q.clone(), Some(id)).await
                    && typed.try_get_untracked() == Some(Some(q))
                {
                    sought.try_set(people);
                }
            });
        });
        Self { typed, found, at: RwSignal::new(0) }
    }

    /// After text or caret changed.
    pub fn look(self, field: &HtmlTextAreaElement) {
        let text = field.value();
        let caret = field.selection_start().ok().flatten().unwrap_or_default();
        let typed = typed_name(&text[..bytes_of(&text, caret)]).map(str::to_owned);
        if self.typed.with_untracked(|now| *now != typed) {
            self.at.set(0);
            self.typed.set(typed);
        }
    }

    /// Closes the list.
    pub fn close(self) {
        if self.typed.with_untracked(Option::is_some) {
            self.typed.set(None);
        }
    }

    /// Whether the list is open.
    pub fn is_open(self) -> bool {
        self.found.with(|found| !found.is_empty())
    }

    /// The id of the option that Enter takes.
    pub fn active(self) -> Option<String> {
        self.is_open().then(|| format!("{LIST}-{}", self.at.get()))
    }

    /// Keys while the list is open; says whether one was for it.
    pub fn on_key(self, event: &KeyboardEvent, field: &HtmlTextAreaElement) -> bool {
        let count = self.found.with_untracked(Vec::len);
        if count == 0 {
            return false;
        }
        let at = self.at.get_untracked();
        match event.key().as_str() {
            "ArrowDown" => self.at.set((at + 1) % count),
            "ArrowUp" => self.at.set((at + count - 1) % count),
            "Enter" | "Tab" if !event.shift_key() => self.choose(at, field),
            "Escape" => {
                event.stop_propagation();
                self.close();
            }
            _ => return false,
        }
        event.prevent_default();
        true
    }

    /// Writes the chosen name in the place of what was typed of it.
    fn choose(self, at: usize, field: &HtmlTextAreaElement) {
        let chosen = self.found.with_untracked(|found| found.get(at).map(|one| one.username.clone()));
        let (Some(username), Some(typed)) = (chosen, self.typed.get_untracked()) else { return };
        let caret = field.selection_start().ok().flatten().unwrap_or_default();
        let units = typed.chars().map(char::len_utf16).sum::<usize>();
        let start = caret.saturating_sub(u32::try_from(units).unwrap_or(0));
        if field.set_range_text_with_start_and_end(&format!("{username} "), start, caret).is_err() {
            return;
        }
        let end = start + u32::try_from(username.len()).unwrap_or(0) + 1;
        let _ = field.set_selection_range(end, end);
        if let Ok(event) = web_sys::Event::new("input") {
            let _ = field.dispatch_event(&event);
        }
        let _ = field.focus();
        self.close();
    }
}

/// The list, above the field.
#[component]
pub fn MentionList(
    /// Its state.
    mentioning: Mentioning,
    /// The field it belongs to.
    field: NodeRef<leptos::html::Textarea>,
) -> impl IntoView {
    let (live, words) = (expect_context::<Live>(), use_words());
    let options = move || {
        mentioning
            .found
            .get()
            .into_iter()
            .enumerate()
            .map(|(at, one)| {
                let (id, name) = (one.user.unwrap_or(live.me()), one.name.clone());
                let picture = match one.user {
                    Some(user) => {
                        let name = Memo::new(move |_| names::of_person(live, words, user));
                        view! { <Avatar id=id.uuid() name=name size="tiny" /> }.into_any()
                    }
                    None => view! { <Picture icon=Icon::People /> }.into_any(),
                };
                view! {
                    <li
                        role="option"
                        id=format!("{LIST}-{at}")
                        aria-selected=move || (mentioning.at.get() == at).to_string()
                        // The field keeps the focus.
                        on:mousedown=move |event| event.prevent_default()
                        on:click=move |_| {
                            if let Some(field) = field.get_untracked() {
                                mentioning.choose(at, &field);
                            }
                        }
                    >
                        {picture}
                        <span class="mention-name" dir="auto">{name}</span>
                        <span class="mention-username">{format!("@{}", one.username)}</span>
                    </li>
                }
                .into_any()
            })
            .collect::<Vec<_>>()
    };
    view! {
        <ul class="mention-list" id=LIST role="listbox" aria-label=say!(words, mention_whom) class:gone=move || !mentioning.is_open()>
            {options}
        </ul>
    }
    .into_any()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_typed_after_an_at_that_stands_alone() {
        for (before, typed) in [
            ("@", Some("")),
            ("hi @ad", Some("ad")),
            ("你好@阿", Some("阿")),
            ("(@ben.k", Some("ben.k")),
            ("mail ada@example", None),
            ("@ada ", None),
            ("@@", None),
            ("no", None),
            ("@a b", None),
        ] {
            assert_eq!(typed_name(before), typed, "{before}");
        }
    }

    #[test]
    fn browsers_count_in_other_units() {
        assert_eq!(bytes_of("a👍b", 3), 5);
        assert_eq!(bytes_of("你好", 1), 3);
        assert_eq!(bytes_of("ab", 9), 2);
    }
}
