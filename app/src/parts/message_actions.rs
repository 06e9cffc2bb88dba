//! What can be done with a message: one toolbar on the message that is pointed at, the keys within messages, and the
//! state that menu, picker, dialog and composer of a conversation share. The log has one listener of each sort, not one
//! for every message.

mod pointing;

use crate::api::groups;
use crate::i18n::Locale;
use crate::live::{Link, Live};
use crate::parts::icon::{Icon, Picture};
use crate::parts::scroll::{Place, Scroll};
use crate::parts::{keyboard, menu};
use crate::timeline::{Row, TimelineState};
use crate::words::{say, use_words};
use leptos::html;
use leptos::prelude::*;
use leptos::task::spawn_local;
use leptos::wasm_bindgen::JsCast;
use protocol::limits::EDIT_MS;
use protocol::{Body, ChangeKind, ConversationId, Emoji, Kind, Message, MessageId, Role};
use std::sync::Arc;
use std::time::Duration;
use web_sys::{FocusOptions, HtmlElement, MouseEvent, Node};

/// How long a word about what was done stays.
const SAID: Duration = Duration::from_secs(2);
/// Id of the field messages are written in.
pub const FIELD: &str = "composer";

/// What the composer is for at the moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Mode {
    /// A new message.
    #[default]
    New,
    /// A message that answers this one.
    Reply(MessageId),
    /// Other words for one of mine.
    Edit(Arc<Message>),
}

/// What the dialog shows.
#[derive(Clone, Debug, PartialEq)]
pub enum Sheet {
    /// The question before a message is taken back.
    Recall(Arc<Message>),
    /// What a message said before.
    History(Arc<Message>),
    /// The pinned messages.
    Pins,
}

/// Where a chosen emoji goes.
#[derive(Clone, Debug, PartialEq)]
pub enum Picking {
    /// Under a message.
    Reaction(Arc<Message>),
    /// Into the words being written.
    Words,
}

/// The state, shared by everything in one conversation's page. Cheap to copy.
#[derive(Clone, Copy)]
pub struct Actions {
    /// Of which conversation.
    pub id: ConversationId,
    /// What the composer is for.
    pub mode: RwSignal<Mode>,
    /// What the dialog shows.
    pub sheet: RwSignal<Option<Sheet>>,
    /// What the picker is open for.
    pub picking: RwSignal<Option<Picking>>,
    /// Whose menu is open.
    pub menu_of: RwSignal<Option<Arc<Message>>>,
    /// The menu.
    pub menu: NodeRef<html::Div>,
    /// The picker.
    pub picker: NodeRef<html::Div>,
    /// A word about what was just done.
    pub said: RwSignal<Option<String>>,
    /// The pinned messages, ascending `seq`.
    pub pins: RwSignal<Vec<Message>>,
    /// The message that was jumped to.
    pub pointed: RwSignal<Option<u64>>,
    /// What I may do in a group too large to carry its members.
    role: RwSignal<Role>,
    live: Live,
    words: Locale,
    scroll: Scroll,
    hovered: RwSignal<Option<u64>>,
    focused: RwSignal<Option<u64>>,
    /// Above the message that was reached last is no room for the toolbar.
    low: RwSignal<bool>,
    pressed: StoredValue<Option<TimeoutHandle>>,
    /// A finger has rested on it long enough.
    ripe: StoredValue<Option<Arc<Message>>>,
}

impl Actions {
    /// For a page that is about to be drawn; provide it as context.
    pub fn new(id: ConversationId, scroll: Scroll, target: Option<u64>) -> Self {
        let live = expect_context::<Live>();
        let role = RwSignal::new(Role::Member);
        follow_role(live, id, role);
        Self {
            id,
            mode: RwSignal::new(Mode::New),
            sheet: RwSignal::new(None),
            picking: RwSignal::new(None),
            menu_of: RwSignal::new(None),
            menu: NodeRef::new(),
            picker: NodeRef::new(),
            said: RwSignal::new(None),
            pins: RwSignal::new(Vec::new()),
            pointed: RwSignal::new(target),
            role,
            live,
            words: use_words(),
            scroll,
            hovered: RwSignal::new(None),
            focused: RwSignal::new(None),
            low: RwSignal::new(false),
            pressed: StoredValue::new(None),
            ripe: StoredValue::new(None),
        }
    }

    /// Whether the toolbar belongs on this message.
    pub fn is_reached(self, seq: u64) -> bool {
        let held = self.menu_of.with(|message| message.as_ref().is_some_and(|message| message.seq == seq))
            || self
                .picking
                .with(|picking| matches!(picking, Some(Picking::Reaction(message)) if message.seq == seq));
        held || self.hovered.get() == Some(seq) || self.focused.get() == Some(seq)
    }

    /// A stored message that is on the page.
    pub fn find(self, wanted: impl Fn(&Message) -> bool) -> Option<Arc<Message>> {
        self.live.timeline(self.id).with_untracked(|state| match state {
            TimelineState::Ready(window) => window.rows.iter().rev().find_map(|row| match row {
                Row::Message(message) if wanted(message) => Some(message.clone()),
                _ => None,
            }),
            _ => None,
        })
    }

    /// Whether I may give it other words, by this device's clock; the server's decides.
    pub fn may_edit(self, message: &Message) -> bool {
        let age = js_sys::Date::now() - message.sent_at.millis() as f64;
        message.sender == self.live.me() && matches!(message.body, Body::Text { .. }) && age < EDIT_MS as f64
    }

    /// Whether I may take it back.
    pub fn may_recall(self, message: &Message) -> bool {
        let me = self.live.me();
        let role = self.live.conversation(self.id).with_untracked(|one| {
            let one = one.as_ref().filter(|one| one.kind == Kind::Group)?;
            let mine = one.members.iter().find(|one| one.user == me);
            Some(mine.map_or_else(|| self.role.get_untracked(), |one| one.role))
        });
        message.sender == me || role >= Some(Role::Admin)
    }

    /// Begins an answer.
    pub fn reply(self, message: &Message) {
        self.mode.set(Mode::Reply(message.id));
    }

    /// Begins an edit, where it is allowed.
    pub fn edit(self, message: &Arc<Message>) {
        if self.may_edit(message) {
            self.mode.set(Mode::Edit(message.clone()));
        }
    }

    /// Begins an edit of my newest message that can be edited.
    pub fn edit_last(self) -> bool {
        let last = self.find(|message| self.may_edit(message));
        if let Some(message) = &last {
            self.edit(message);
        }
        last.is_some()
    }

    /// Puts my reaction under a message, or takes it away where it is there.
    pub fn react(self, message: &Message, emoji: &str) {
        let Ok(chosen) = Emoji::try_from(emoji.to_owned()) else { return };
        // As it is now: it may have changed while the picker was open.
        let now = self.find(|one| one.id == message.id);
        let reactions = now.as_ref().map_or(&message.reactions, |now| &now.reactions);
        let mine = reactions.iter().any(|one| one.emoji == emoji && one.users.contains(&self.live.me()));
        self.live.react(self.id, message.id, chosen, !mine);
    }

    /// Goes to a message, which may be old, and points it out.
    pub fn jump(self, seq: u64) {
        self.pointed.set(Some(seq));
        self.live.show_around(self.id, seq);
        self.scroll.go(Place::At(format!("[data-seq=\"{seq}\"]")));
        if let Some(row) = self.row(seq) {
            let still = FocusOptions::new();
            still.set_prevent_scroll(true);
            let _ = row.focus_with_options(&still);
        }
    }

    /// Opens the menu with its corner at a point of the window.
    pub fn open_menu(self, message: Arc<Message>, at: (f64, f64)) {
        self.menu_of.set(Some(message));
        // Its items are drawn by then; nothing was painted yet.
        request_animation_frame(move || {
            if let Some(popover) = self.menu.try_get_untracked().flatten() {
                menu::open(&popover, at);
            }
        });
    }

    /// Opens the picker with its corner at a point of the window.
    pub fn open_picker(self, picking: Picking, at: (f64, f64)) {
        self.picking.set(Some(picking));
        request_animation_frame(move || {
            if let Some(popover) = self.picker.try_get_untracked().flatten() {
                menu::open(&popover, at);
                if keyboard::has_keyboard()
                    && let Ok(Some(field)) = popover.query_selector("input")
                    && let Ok(field) = field.dyn_into::<HtmlElement>()
                {
                    let _ = field.focus();
                }
            }
        });
    }

    /// After the menu was opened or closed. The toolbar goes only now, when the browser has given the focus back to it.
    pub fn menu_closed(self) {
        if !is_open(self.menu) {
            self.menu_of.set(None);
        }
    }

    /// The same of the picker.
    pub fn picker_closed(self) {
        if !is_open(self.picker) {
            self.picking.set(None);
        }
    }

    /// Copies a text, and says so.
    pub fn copy(self, text: &str) {
        let copied = copy(text);
        let words = self.words;
        self.said.set(Some(if copied { say!(words, copied) } else { say!(words, copy_failed) }.to_owned()));
        set_timeout(
            move || {
                self.said.try_set(None);
            },
            SAID,
        );
    }

    fn row(self, seq: u64) -> Option<HtmlElement> {
        let rows = self.scroll.rows.get_untracked()?;
        rows.query_selector(&format!("[data-seq=\"{seq}\"]")).ok()??.dyn_into().ok()
    }
}

/// Asks for my role in a group that does not carry its members: when it is opened, and whenever somebody changed it.
fn follow_role(live: Live, id: ConversationId, role: RwSignal<Role>) {
    let (conversation, timeline, link) = (live.conversation(id), live.timeline(id), live.link());
    let large = Memo::new(move |_| {
        conversation
            .with(|one| one.as_ref().is_some_and(|one| one.kind == Kind::Group && one.members.is_empty()))
    });
    let changed = Memo::new(move |_| {
        timeline.with(|state| {
            let TimelineState::Ready(window) = state else { return None };
            window.rows.iter().rev().find_map(|row| match row {
                Row::Line(change) => match change.kind {
                    ChangeKind::Role { user, .. } if user == live.me() => Some(change.rev),
                    _ => None,
                },
                _ => None,
            })
        })
    });
    Effect::new(move |_| {
        changed.track();
        if !large.get() || link.get() != Link::Live {
            return;
        }
        spawn_local(async move {
            if let Ok(mine) = groups::my_role(id).await {
                role.try_set(mine);
            }
        });
    });
}

fn is_open(popover: NodeRef<html::Div>) -> bool {
    popover.get_untracked().is_some_and(|popover| popover.matches(":popover-open").unwrap_or(false))
}

/// Just below an element.
pub fn below(element: &HtmlElement) -> (f64, f64) {
    let edges = element.get_bounding_client_rect();
    (edges.left(), edges.bottom() + 4.0)
}

/// Puts a text on the clipboard. Browsers have one only for pages of a safe origin; elsewhere the old way is tried.
fn copy(text: &str) -> bool {
    let navigator = window().navigator();
    let there = js_sys::Reflect::get(&navigator, &"clipboard".into()).is_ok_and(|one| !one.is_undefined());
    if there {
        // Refusals are rare: it is asked for by a click.
        let _ = navigator.clipboard().write_text(text);
        return true;
    }
    let page = document();
    let Some(body) = page.body() else { return false };
    let Some(field) = page
        .create_element("textarea")
        .ok()
        .and_then(|field| field.dyn_into::<web_sys::HtmlTextAreaElement>().ok())
    else {
        return false;
    };
    field.set_value(text);
    let _ = body.append_child(&field);
    field.select();
    let copied = page.unchecked_ref::<web_sys::HtmlDocument>().exec_command("copy").unwrap_or(false);
    let node: &Node = &field;
    let _ = body.remove_child(node);
    copied
}

/// The toolbar on a message that is pointed at.
#[component]
pub fn Toolbar(
    /// The message as it is now.
    message: Signal<Option<Arc<Message>>>,
) -> impl IntoView {
    let (actions, words) = (expect_context::<Actions>(), use_words());
    // Where it is shown it stays.
    let low = actions.low.get_untracked();
    let pick = move |event: MouseEvent| {
        if let Some(message) = message.get_untracked() {
            actions.open_picker(Picking::Reaction(message), menu::place_of(&event, false));
        }
    };
    let reply = move |_| {
        if let Some(message) = message.get_untracked() {
            actions.reply(&message);
        }
    };
    let more = move |event: MouseEvent| {
        if let Some(message) = message.get_untracked() {
            actions.open_menu(message, menu::place_of(&event, false));
        }
    };
    view! {
        <div class="message-actions" class:low=low role="group" aria-label=say!(words, message_actions)>
            <button type="button" aria-label=say!(words, react) title=say!(words, react) aria-haspopup="dialog" on:click=pick>
                <Picture icon=Icon::Smile />
            </button>
            <button type="button" aria-label=say!(words, reply) title=say!(words, reply) on:click=reply>
                <Picture icon=Icon::Reply />
            </button>
            <button type="button" aria-label=say!(words, more_actions) title=say!(words, more_actions) aria-haspopup="menu" on:click=more>
                <Picture icon=Icon::Dots />
            </button>
        </div>
    }
    .into_any()
}
