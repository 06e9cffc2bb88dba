//! The panel beside a conversation: who is in it, and what can be done about that. A popover, so that it opens and
//! closes without script.

mod access;
mod leave;
mod members;

pub use access::AccessFields;

use crate::api::{self, ApiError};
use crate::clock::Clock;
use crate::i18n::Locale;
use crate::live::Live;
use crate::names;
use crate::parts::avatar::Avatar;
use crate::parts::icon::{Icon, Picture};
use crate::parts::notice::Notice;
use crate::parts::presence;
use crate::words::{reason, say, use_words};
use access::Access;
use leave::{LEAVE, Leave};
use leptos::ev;
use leptos::html;
use leptos::prelude::*;
use leptos::task::spawn_local;
use leptos_router::hooks::use_navigate;
use members::{HandOver, Members};
use protocol::{ConversationId, Kind, Member, Role, UserId};
use web_sys::SubmitEvent;

/// Id of the panel.
pub const PANEL: &str = "details";
/// What the panel's parts share.
#[derive(Clone, Copy)]
struct Panel {
    id: ConversationId,
    words: Locale,
    members: Memo<Vec<Member>>,
    /// Those of a group too large to carry them.
    fetched: RwSignal<Vec<Member>>,
    my_role: Memo<Role>,
    problem: RwSignal<Option<String>>,
    /// The member whose menu is open, and the menu.
    managed: RwSignal<Option<UserId>>,
    menu: NodeRef<html::Div>,
    /// To whom the group may pass, and the question about it.
    heir: RwSignal<Option<UserId>>,
    hand_over: NodeRef<html::Div>,
}

impl Panel {
    /// Fetches the members where the conversation does not carry them: once, or `anew`.
    fn fetch(self, anew: bool) {
        let carried =
            self.members.with_untracked(|all| !all.is_empty()) && self.fetched.with_untracked(Vec::is_empty);
        if carried || (!anew && self.fetched.with_untracked(|all| !all.is_empty())) {
            return;
        }
        spawn_local(async move {
            match api::members(self.id).await {
                Ok(answer) => {
                    self.fetched.try_set(answer.members);
                }
                Err(error) => self.report(Some(error)),
            }
        });
    }

    fn report(self, error: Option<ApiError>) {
        let words = self.words;
        // The answer may come after the panel is gone.
        self.problem.try_set(error.map(|error| reason(words, error.code).to_owned()));
    }

    fn give(self, user: UserId, role: Role) {
        spawn_local(async move {
            // What the page shows follows from the change that comes over the socket.
            self.report(api::groups::set_role(self.id, user, role).await.err());
            self.fetch(true);
        });
    }

    fn ask_hand_over(self, user: UserId) {
        self.heir.set(Some(user));
        if let Some(root) = self.hand_over.get_untracked() {
            let _ = root.show_popover();
        }
    }
}

/// The panel.
#[component]
pub fn Details(
    /// Of which conversation.
    id: ConversationId,
) -> impl IntoView {
    let (live, words) = (expect_context::<Live>(), use_words());
    let conversation = live.conversation(id);
    let name = names::use_conversation_name(live, words, id);
    let problem = RwSignal::new(None::<String>);
    let kind = conversation.with_untracked(|one| one.as_ref().map_or(Kind::Direct, |one| one.kind));
    // A large group's members are not part of it; they are asked for when the panel opens.
    let fetched = RwSignal::new(Vec::<Member>::new());
    let members = Memo::new(move |_| {
        let inline = conversation.with(|one| one.as_ref().map(|one| one.members.clone()).unwrap_or_default());
        if inline.is_empty() { fetched.get() } else { inline }
    });
    let my_role = Memo::new(move |_| {
        members.with(|members| {
            members.iter().find(|one| one.user == live.me()).map_or(Role::Member, |one| one.role)
        })
    });
    let may_rename = move || my_role.get() >= Role::Admin;
    let panel = Panel {
        id,
        words,
        members,
        fetched,
        my_role,
        problem,
        managed: RwSignal::new(None),
        menu: NodeRef::new(),
        heir: RwSignal::new(None),
        hand_over: NodeRef::new(),
    };
    let group = move || {
        view! {
            <h3>
                {say!(words, members)} " "
                <span class="details-count">{move || conversation.with(|one| one.as_ref().map_or(0, |one| one.member_count))}</span>
            </h3>
            <Members panel=panel />
            <form class="details-add" method="get" action="/new">
                <input type="hidden" name="to" value=id.to_string() />
                <AddPeople id=id />
            </form>
            <Show when=may_rename>
                <Rename id=id problem=problem />
                <Access panel=panel />
            </Show>
            <button class="text-button alert" type="button" popovertarget=LEAVE>{say!(words, leave_group)}</button>
        }
    };
    view! {
        <aside class="details" id=PANEL popover="manual" aria-label=say!(words, details) on:toggle=move |_| panel.fetch(false)>
            <div class="details-head">
                <h2 dir="auto">{move || name.get()}</h2>
                <button
                    class="icon-button"
                    type="button"
                    popovertarget=PANEL
                    popovertargetaction="hide"
                    aria-label=say!(words, close)
                    title=say!(words, close)
                >
                    <Picture icon=Icon::Cross />
                </button>
            </div>
            <Notice text=problem />
            {match kind {
                Kind::Group => group().into_any(),
                Kind::Direct => view! { <Person id=id /> }.into_any(),
            }}
        </aside>
        // Outside of the panel: what is asked may be asked while it is closed.
        {(kind == Kind::Group).then(|| view! {
            <Leave panel=panel />
            <HandOver panel=panel />
        })}
    }
    .into_any()
}

/// The other person of a direct conversation.
#[component]
fn Person(id: ConversationId) -> impl IntoView {
    let (live, words, clock) = (expect_context::<Live>(), use_words(), expect_context::<Clock>());
    let other = live
        .conversation(id)
        .with_untracked(|one| one.as_ref().and_then(|one| names::other(live.me(), one)))?;
    let name = Memo::new(move |_| names::of_person(live, words, other));
    let username = move || {
        live.person(other).with(|person| person.as_ref().map(|person| format!("@{}", person.username)))
    };
    Some(view! {
        <div class="details-person">
            <Avatar id=other.uuid() name=name who=Some(other) />
            <p>{username}<br />{move || presence::sentence(live, words, clock, other)}</p>
        </div>
    })
}

#[component]
fn AddPeople(id: ConversationId) -> impl IntoView {
    let words = use_words();
    let navigate = use_navigate();
    let on_click = move |event: ev::MouseEvent| {
        event.prevent_default();
        navigate(&format!("/new?to={id}"), Default::default());
    };
    view! {
        <button class="text-button" type="submit" on:click=on_click>
            <Picture icon=Icon::Plus />
            {say!(words, add_people)}
        </button>
    }
    .into_any()
}

#[component]
fn Rename(id: ConversationId, problem: RwSignal<Option<String>>) -> impl IntoView {
    let (live, words) = (expect_context::<Live>(), use_words());
    let title = NodeRef::<html::Input>::new();
    let now = live.conversation(id).with_untracked(|one| one.as_ref().map(|one| one.title.clone()));
    let on_submit = move |event: SubmitEvent| {
        event.prevent_default();
        let Some(title) = title.get_untracked().map(|field| field.value()) else { return };
        spawn_local(async move {
            match api::rename(id, title).await {
                Ok(conversation) => {
                    live.know(conversation, Vec::new());
                    problem.set(None);
                }
                Err(error) => problem.set(Some(reason(words, error.code).to_owned())),
            }
        });
    };
    view! {
        <form class="details-rename" method="post" action="/fn/retitle" on:submit=on_submit>
            <input type="hidden" name="conversation" value=id.to_string() />
            <label for="rename">{say!(words, rename_label)}</label>
            <div class="field-row">
                <input
                    class="input"
                    id="rename"
                    name="title"
                    required
                    maxlength=protocol::limits::TITLE_CHARS.to_string()
                    dir="auto"
                    value=now
                    node_ref=title
                />
                <button class="button quiet" type="submit">{say!(words, rename_group)}</button>
            </div>
        </form>
    }
    .into_any()
}
