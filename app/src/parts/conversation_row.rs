//! One conversation in the list.

use crate::clock::Clock;
use crate::i18n::Locale;
use crate::live::Live;
use crate::names;
use crate::parts::avatar::Avatar;
use crate::parts::conversation_menu::{MenuOf, is_muted};
use crate::parts::icon::{Icon, Picture};
use crate::parts::presence::PresenceWord;
use crate::parts::typing;
use crate::words::{self, say, use_words};
use leptos::prelude::*;
use protocol::{Body, Conversation, ConversationId, Kind, Message};
use web_sys::MouseEvent;

/// Characters of a message that a preview can show at most; the rest is cut by the width.
const PREVIEW_CHARS: usize = 120;

/// The row: a link to the conversation.
#[component]
pub fn ConversationRow(
    /// Which one.
    id: ConversationId,
    /// The one that is open.
    current: Signal<Option<ConversationId>>,
) -> impl IntoView {
    let (live, words, clock) = (expect_context::<Live>(), use_words(), expect_context::<Clock>());
    let conversation = live.conversation(id);
    let name = names::use_conversation_name(live, words, id);
    // The other person's colour where there is one, so that it is the same here and beside their messages.
    let other = conversation.with_untracked(|one| one.as_ref().and_then(|one| names::other(live.me(), one)));
    let picture = other.map_or(id.uuid(), |user| user.uuid());
    let is_group = conversation.with_untracked(|one| one.as_ref().is_some_and(|one| one.kind == Kind::Group));
    let is_current = move || current.get() == Some(id);
    let last =
        Memo::new(move |_| conversation.with(|one| one.as_ref().and_then(|one| one.last_message.clone())));
    let marks = Memo::new(move |_| {
        conversation.with(|one| one.as_ref().map(|one| Marks::of(one, clock)).unwrap_or_default())
    });
    let typists = live.typists(id);
    let line = Memo::new(move |_| {
        if typists.with(|typists| !typists.is_empty()) {
            return Line::Typing;
        }
        conversation.with(|one| match one {
            // Beside the field with the same words in it, it would only be said twice.
            Some(one) if !one.settings.draft.is_empty() && !is_current() => {
                Line::Draft(beginning(&one.settings.draft))
            }
            Some(one) => Line::Said(preview(live, words, one)),
            None => Line::default(),
        })
    });
    let preview = move || match line.get() {
        Line::Typing if is_group => {
            let who = typists.with(|typists| typing::sentence(live, words, typists));
            view! { <span class="row-text row-typing" dir="auto">{who}</span> }.into_any()
        }
        Line::Typing => view! { <span class="row-text row-typing">{say!(words, typing)}</span> }.into_any(),
        Line::Draft(text) => view! {
            <span class="row-by row-draft">{say!(words, draft)}</span> " "
            <span class="row-text" dir="auto">{text}</span>
        }
        .into_any(),
        Line::Said((by, text)) => view! {
            {by.map(|by| view! { <span class="row-by" dir="auto">{by}</span> " " })}
            <span class="row-text" dir="auto">{text}</span>
        }
        .into_any(),
    };
    let menu = use_context::<MenuOf>();
    let open_menu = move |event: MouseEvent| {
        if let Some(menu) = menu {
            menu.open(id, &event, true);
        }
    };
    let sign = move |icon, text: &'static str| {
        view! {
            <span class="row-kind" role="img" aria-label=text title=text>
                <Picture icon=icon />
            </span>
        }
        .into_any()
    };
    view! {
        <li>
            <a
                class="conversation-row"
                class:unread=move || marks.get().unread != 0
                class:muted=move || marks.get().muted
                href=format!("/c/{id}")
                aria-current=move || is_current().then_some("page")
                on:contextmenu=open_menu
            >
                <Avatar id=picture name=name who=other />
                <span class="row-title">
                    <span class="row-name" dir="auto">{move || name.get()}</span>
                    {other.map(|user| view! { <PresenceWord user=user /> })}
                    {is_group.then(|| sign(Icon::People, say!(words, kind_group)))}
                    {move || marks.get().pinned.then(|| sign(Icon::Pin, say!(words, pinned_to_top)))}
                    {move || marks.get().muted.then(|| sign(Icon::BellOff, say!(words, muted)))}
                </span>
                <span class="row-time">
                    {move || last.with(|last| last.as_ref().map(|message| {
                        let at = message.sent_at;
                        view! { <time datetime=at.to_string()>{clock.brief(at)}</time> }
                    }))}
                </span>
                <span class="row-preview">{preview}</span>
                <span class="row-badges">
                    {move || marks.get().mentioned.then(|| {
                        let text = say!(words, mentioned);
                        view! { <span class="badge mention" role="img" aria-label=text title=text>"@"</span> }
                    })}
                    {move || match marks.get().unread {
                        0 => None,
                        n => Some(view! {
                            <span class="badge" class:muted=move || marks.get().muted role="img" aria-label=words::unread(words, n)>
                                {words::badge(n)}
                            </span>
                        }),
                    }}
                </span>
            </a>
        </li>
    }
    .into_any()
}

/// What a row shows besides words.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
struct Marks {
    unread: u64,
    mentioned: bool,
    muted: bool,
    pinned: bool,
}

impl Marks {
    fn of(one: &Conversation, clock: Clock) -> Self {
        let settings = &one.settings;
        // Only one that may end is followed by the clock.
        let muted = settings.muted_until.is_some() && is_muted(settings, clock.now());
        Self { unread: one.unread, mentioned: one.mentions > 0, muted, pinned: settings.pinned }
    }
}

/// The second line. Who and what apart, because each has its own direction and only the second is cut.
#[derive(Clone, PartialEq)]
enum Line {
    /// Somebody is writing.
    Typing,
    /// I began to write.
    Draft(String),
    /// The last message: "You: …", in groups "Ada: …".
    Said((Option<String>, String)),
}

impl Default for Line {
    fn default() -> Self {
        Self::Said((None, String::new()))
    }
}

fn preview(live: Live, words: Locale, conversation: &Conversation) -> (Option<String>, String) {
    let Some(message) = &conversation.last_message else {
        return (None, say!(words, preview_empty).to_owned());
    };
    let by = if message.sender == live.me() {
        Some(say!(words, preview_you).to_owned())
    } else if conversation.kind == Kind::Group {
        let name = names::of_person(live, words, message.sender);
        let first = name.split_whitespace().next().unwrap_or(&name).to_owned();
        Some(say!(words, preview_by, name = first))
    } else {
        None
    };
    (by, one_line(words, message))
}

/// What a message says, in one line.
pub fn one_line(words: Locale, message: &Message) -> String {
    match &message.body {
        Body::Text { text } => beginning(text.as_str()),
        Body::Recalled => say!(words, recalled).to_owned(),
        Body::Unsupported => say!(words, unsupported).to_owned(),
    }
}

fn beginning(text: &str) -> String {
    let start: String = text.trim_start().chars().take(PREVIEW_CHARS).collect();
    start.split_whitespace().collect::<Vec<_>>().join(" ")
}
