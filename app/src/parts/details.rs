//! The panel beside a conversation: who is in it, and what can be done about that. A popover, so that it opens and
//! closes without script.

use crate::api;
use crate::live::Live;
use crate::names;
use crate::parts::avatar::Avatar;
use crate::parts::icon::{Icon, Picture};
use crate::parts::notice::Notice;
use crate::words::{reason, say, use_words};
use leptos::ev;
use leptos::html;
use leptos::prelude::*;
use leptos::task::spawn_local;
use leptos_router::hooks::use_navigate;
use protocol::{ConversationId, Kind, Member, Role};
use web_sys::SubmitEvent;

/// Id of the panel.
pub const PANEL: &str = "details";
/// Id of the question before leaving.
const LEAVE: &str = "leave";

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
    let fetch = move |_| {
        if members.with_untracked(Vec::is_empty) {
            spawn_local(async move {
                match api::members(id).await {
                    Ok(answer) => fetched.set(answer.members),
                    Err(error) => problem.set(Some(reason(words, error.code).to_owned())),
                }
            });
        }
    };
    let my_role = Memo::new(move |_| {
        members.with(|members| {
            members.iter().find(|one| one.user == live.me()).map_or(Role::Member, |one| one.role)
        })
    });
    let may_rename = move || my_role.get() >= Role::Admin;
    let members_of_group = move || {
        view! {
            <h3>
                {say!(words, members)} " "
                <span class="details-count">{move || conversation.with(|one| one.as_ref().map_or(0, |one| one.member_count))}</span>
            </h3>
            <ul class="details-members">
                <For each=move || members.get() key=|member| (member.user, member.role) let:member>
                    <MemberRow id=id member=member my_role=my_role problem=problem />
                </For>
            </ul>
            <form class="details-add" method="get" action="/new">
                <input type="hidden" name="to" value=id.to_string() />
                <AddPeople id=id />
            </form>
            <Show when=may_rename>
                <Rename id=id problem=problem />
            </Show>
            <Leave id=id problem=problem />
        }
    };
    view! {
        <aside class="details" id=PANEL popover="manual" aria-label=say!(words, details) on:toggle=fetch>
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
                Kind::Group => members_of_group().into_any(),
                Kind::Direct => view! { <Person id=id /> }.into_any(),
            }}
        </aside>
    }
    .into_any()
}

/// The other person of a direct conversation.
#[component]
fn Person(id: ConversationId) -> impl IntoView {
    let (live, words) = (expect_context::<Live>(), use_words());
    let other = live
        .conversation(id)
        .with_untracked(|one| one.as_ref().and_then(|one| names::other(live.me(), one)))?;
    let name = Memo::new(move |_| names::of_person(live, words, other));
    let username = move || {
        live.person(other).with(|person| person.as_ref().map(|person| format!("@{}", person.username)))
    };
    Some(view! {
        <div class="details-person">
            <Avatar id=other.uuid() name=name />
            <p>{username}</p>
        </div>
    })
}

#[component]
fn MemberRow(
    id: ConversationId,
    member: Member,
    my_role: Memo<Role>,
    problem: RwSignal<Option<String>>,
) -> impl IntoView {
    let (live, words) = (expect_context::<Live>(), use_words());
    let user = member.user;
    let mine = user == live.me();
    let name = Memo::new(move |_| names::of_person(live, words, user));
    let role = match member.role {
        Role::Owner => say!(words, role_owner),
        Role::Admin => say!(words, role_admin),
        Role::Member => "",
    };
    let may_remove = move || !mine && my_role.get() >= Role::Admin && my_role.get() > member.role;
    let on_submit = move |event: SubmitEvent| {
        event.prevent_default();
        spawn_local(async move {
            // What the page shows follows from the change that comes over the socket.
            problem.set(
                api::remove_member(id, user).await.err().map(|error| reason(words, error.code).to_owned()),
            );
        });
    };
    view! {
        <li class="details-member">
            <Avatar id=user.uuid() name=name size="small" />
            <span class="details-name" dir="auto">
                {move || if mine { say!(words, you).to_owned() } else { name.get() }}
            </span>
            <span class="details-role">{role}</span>
            <Show when=may_remove>
                <form method="post" action="/fn/remove" on:submit=on_submit>
                    <input type="hidden" name="conversation" value=id.to_string() />
                    <input type="hidden" name="user" value=user.to_string() />
                    <button class="icon-button small" type="submit" aria-label=move || say!(words, remove_person, name = name.get())>
                        <Picture icon=Icon::Cross />
                    </button>
                </form>
            </Show>
        </li>
    }
    .into_any()
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

#[component]
fn Leave(id: ConversationId, problem: RwSignal<Option<String>>) -> impl IntoView {
    let (live, words) = (expect_context::<Live>(), use_words());
    let name = names::use_conversation_name(live, words, id);
    let navigate = use_navigate();
    let on_submit = move |event: SubmitEvent| {
        event.prevent_default();
        let navigate = navigate.clone();
        // The socket may bring the news first, and this panel be gone when the answer comes.
        spawn_local(async move {
            match api::leave(id).await {
                Ok(()) => {
                    navigate("/", Default::default());
                    live.forget(id);
                }
                Err(error) => {
                    problem.try_set(Some(reason(words, error.code).to_owned()));
                }
            }
        });
    };
    view! {
        <button class="text-button alert" type="button" popovertarget=LEAVE>{say!(words, leave_group)}</button>
        <div class="dialog" id=LEAVE popover="auto" role="dialog" aria-labelledby="leave-title">
            <h3 id="leave-title" dir="auto">{move || say!(words, leave_question, name = name.get())}</h3>
            <p>{say!(words, leave_explain)}</p>
            <form class="dialog-buttons" method="post" action="/fn/quit" on:submit=on_submit>
                <input type="hidden" name="conversation" value=id.to_string() />
                <button class="button quiet" type="button" popovertarget=LEAVE popovertargetaction="hide">
                    {say!(words, cancel)}
                </button>
                <button class="button danger" type="submit">{say!(words, leave_group)}</button>
            </form>
        </div>
    }
    .into_any()
}
