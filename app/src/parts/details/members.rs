//! Who is in a group, and what its owner and admins can do about that.

use super::Panel;
use crate::api;
use crate::live::Live;
use crate::names::{self, PLACES};
use crate::parts::avatar::Avatar;
use crate::parts::each::each;
use crate::parts::icon::{Icon, Picture};
use crate::parts::menu;
use crate::parts::presence::PresenceWord;
use crate::words::{say, use_words};
use leptos::html;
use leptos::prelude::*;
use leptos::task::spawn_local;
use protocol::{Member, Role, UserId};
use web_sys::{MouseEvent, SubmitEvent};

/// The rows, and the menu of whichever is managed.
#[component]
pub(super) fn Members(
    /// The panel's state.
    panel: Panel,
) -> impl IntoView {
    let members = panel.members;
    view! {
        <ul class="details-members">
            {each(
                move || members.get(),
                |member| format!("{} {}", member.user, member.role as u8),
                move |member| view! { <MemberRow panel=panel member=member /> }.into_any(),
            )}
        </ul>
        <MemberMenu panel=panel />
    }
    .into_any()
}

/// Whether I may take this member out.
fn may_remove(live: Live, mine: Role, member: &Member) -> bool {
    member.user != live.me() && mine >= Role::Admin && mine > member.role
}

#[component]
fn MemberRow(panel: Panel, member: Member) -> impl IntoView {
    let (live, words) = (expect_context::<Live>(), use_words());
    let user = member.user;
    let mine = user == live.me();
    let name = Memo::new(move |_| names::of_person(live, words, user));
    let role = match member.role {
        Role::Owner => say!(words, role_owner),
        Role::Admin => say!(words, role_admin),
        Role::Member => "",
    };
    let id = panel.id;
    let manageable = move || may_remove(live, panel.my_role.get(), &member);
    let manage = move |event: MouseEvent| {
        let place = menu::place_of(&event, false);
        panel.managed.set(Some(user));
        // Its items are drawn by then, and it has a size.
        request_animation_frame(move || {
            if let Some(root) = panel.menu.get_untracked() {
                menu::open(&root, place);
            }
        });
    };
    view! {
        <li class="details-member">
            <Avatar id=user.uuid() name=name size="small" who=Some(user) />
            <span class="details-name" dir="auto">
                {move || if mine { say!(words, you).to_owned() } else { name.get() }}
            </span>
            <PresenceWord user=user />
            <span class="details-role">{role}</span>
            <Show when=manageable>
                <button
                    class="icon-button small with-script"
                    type="button"
                    aria-haspopup="menu"
                    aria-label=move || say!(words, manage_person, name = name.get())
                    on:click=manage
                >
                    <Picture icon=Icon::Dots />
                </button>
                <form class="without-script" method="post" action="/fn/remove">
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

#[derive(Clone, Copy)]
enum Wish {
    Role(Role),
    HandOver,
    Remove,
}

#[component]
fn MemberMenu(panel: Panel) -> impl IntoView {
    let (live, words) = (expect_context::<Live>(), use_words());
    let wish = move |user: UserId, wish: Wish| {
        if let Some(root) = panel.menu.get_untracked() {
            menu::close(&root);
        }
        match wish {
            Wish::HandOver => panel.ask_hand_over(user),
            Wish::Role(role) => panel.give(user, role),
            Wish::Remove => spawn_local(async move {
                // What the page shows follows from the change that comes over the socket.
                panel.report(api::remove_member(panel.id, user).await.err());
                panel.fetch(true);
            }),
        }
    };
    let items = move || {
        let user = panel.managed.get()?;
        let member = panel.members.with_untracked(|all| all.iter().find(|one| one.user == user).cloned())?;
        let mine = panel.my_role.get_untracked();
        let item = |text: &'static str, wished: Wish| {
            view! {
                <button
                    type="button"
                    role="menuitem"
                    tabindex="-1"
                    class:alert=matches!(wished, Wish::Remove)
                    on:click=move |_| wish(user, wished)
                >
                    {text}
                </button>
            }
            .into_any()
        };
        let mut items = Vec::new();
        if mine == Role::Owner {
            items.push(if member.role == Role::Admin {
                item(say!(words, make_member), Wish::Role(Role::Member))
            } else {
                item(say!(words, make_admin), Wish::Role(Role::Admin))
            });
            items.push(item(say!(words, hand_over), Wish::HandOver));
        }
        if may_remove(live, mine, &member) {
            items.push(item(say!(words, remove_from_group), Wish::Remove));
        }
        Some(items)
    };
    let label = move || {
        let name = panel.managed.get().map(|user| names::of_person(live, words, user));
        say!(words, manage_person, name = name.unwrap_or_default())
    };
    view! {
        <div class="menu" popover="auto" role="menu" aria-label=label node_ref=panel.menu on:keydown=|event| menu::on_key(&event)>
            {items}
        </div>
    }
    .into_any()
}

/// The question before the group is handed over.
#[component]
pub(super) fn HandOver(
    /// The panel's state.
    panel: Panel,
) -> impl IntoView {
    let (live, words) = (expect_context::<Live>(), use_words());
    let group = names::use_conversation_name(live, words, panel.id);
    let heir = move || panel.heir.get().map(|user| names::of_person(live, words, user)).unwrap_or_default();
    let [first, second] = PLACES;
    let question = say!(words, hand_over_question, group = first, name = second);
    let explained = say!(words, hand_over_explain, name = second);
    let on_submit = move |event: SubmitEvent| {
        event.prevent_default();
        if let Some(root) = panel.hand_over.get_untracked() {
            let _ = root.hide_popover();
        }
        if let Some(user) = panel.heir.get_untracked() {
            panel.give(user, Role::Owner);
        }
    };
    view! {
        <div class="dialog" popover="auto" role="dialog" aria-labelledby="hand-over-title" node_ref=panel.hand_over>
            <h2 id="hand-over-title">{move || names::in_sentence(&question, [group.get(), heir()])}</h2>
            <p>{move || names::in_sentence(&explained, [String::new(), heir()])}</p>
            <form class="dialog-buttons" on:submit=on_submit>
                <button class="button quiet" type="button" autofocus on:click=move |_| close(panel.hand_over)>
                    {say!(words, cancel)}
                </button>
                <button class="button" type="submit">{say!(words, hand_over)}</button>
            </form>
        </div>
    }
    .into_any()
}

fn close(root: NodeRef<html::Div>) {
    if let Some(root) = root.get_untracked() {
        let _ = root.hide_popover();
    }
}
