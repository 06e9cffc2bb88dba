//! One message.

use crate::clock::Clock;
use crate::i18n::Locale;
use crate::live::Live;
use crate::names;
use crate::parts::avatar::{Avatar, hue};
use crate::parts::icon::{Icon, Picture};
use crate::parts::message_actions::{Actions, Sheet, Toolbar};
use crate::parts::message_text::{Mentioned, MessageText};
use crate::parts::quote::Quote;
use crate::parts::reactions::Reactions;
use crate::parts::receipts::ReadState;
use crate::timeline::{PendingState, Row};
use crate::words::{reason, say, use_words};
use leptos::prelude::*;
use protocol::{Body, ConversationId, Kind, Message, MessageId, Timestamp, UserId, mention};

/// Who wrote a row.
pub fn author(live: Live, row: &Row) -> UserId {
    match row {
        Row::Message(message) => message.sender,
        Row::Pending(_) | Row::Line(_) => live.me(),
    }
}

/// When it was written.
pub fn written_at(row: &Row) -> Timestamp {
    match row {
        Row::Message(message) => message.sent_at,
        Row::Line(change) => change.at.unwrap_or_default(),
        Row::Pending(pending) => pending.at,
    }
}

/// How far a message of mine got, as the page's `data-state` carries it.
fn state_word(row: &Row) -> &'static str {
    match row {
        Row::Message(_) | Row::Line(_) => "sent",
        Row::Pending(pending) => match pending.state {
            PendingState::Waiting | PendingState::Accepted => "pending",
            PendingState::Stored => "sent",
            PendingState::Refused { .. } => "refused",
        },
    }
}

/// The row. Its author and place never change; the rest follows `row`, so that an echo becomes a message in place.
#[component]
pub fn MessageRow(
    /// Of which conversation.
    id: ConversationId,
    /// What it shows.
    row: Memo<Row>,
    /// Whether it continues the author's row before it.
    joined: bool,
    /// Whether it came while the page was open, and so may come in softly.
    fresh: bool,
) -> impl IntoView {
    let (actions, live, words) = (expect_context::<Actions>(), expect_context::<Live>(), use_words());
    let sender = row.with_untracked(|row| author(live, row));
    let mine = sender == live.me();
    let named =
        live.conversation(id).with_untracked(|one| one.as_ref().is_some_and(|one| one.kind == Kind::Group));
    let name =
        Memo::new(
            move |_| if mine { say!(words, you).to_owned() } else { names::of_person(live, words, sender) },
        );
    let seq = Memo::new(move |_| row.with(Row::seq));
    let state = Memo::new(move |_| row.with(state_word));
    let content = Memo::new(move |_| row.with(|row| content_of(live, words, row)));
    let stored = Signal::derive(move || {
        row.with(|row| match row {
            Row::Message(message) => Some(message.clone()),
            Row::Line(_) | Row::Pending(_) => None,
        })
    });
    let reply_to = Memo::new(move |_| row.with(reply_to));
    let names_me = Memo::new(move |_| {
        row.with(|row| matches!(row, Row::Message(message) if !message.recalled && message.names(live.me())))
    });
    let reached = Memo::new(move |_| {
        seq.get().is_some_and(|seq| actions.is_reached(seq))
            && row.with(|row| matches!(row, Row::Message(message) if !message.recalled))
    });
    let pointed = move || seq.get().is_some_and(|seq| actions.pointed.get() == Some(seq));
    view! {
        <article
            class="message"
            class:mine=mine
            class:joined=joined
            class:named=named && !mine
            class:fresh=fresh
            class:pointed=pointed
            class:names-me=move || names_me.get()
            class:reached=move || reached.get()
            tabindex="-1"
            data-seq=move || seq.get().map(|seq| seq.to_string())
            data-state=move || state.get()
            aria-label=move || name.get()
        >
            {(named && !mine && !joined).then(|| view! { <Avatar id=sender.uuid() name=name size="small" /> })}
            <div class="bubble">
                {(named && !mine && !joined).then(|| view! {
                    <p class=format!("author {}", hue(sender.uuid())) dir="auto">{move || name.get()}</p>
                })}
                {move || reply_to.get().map(|message| view! { <Quote id=id message=message /> })}
                <div class="words" dir="auto">
                    {move || match content.get() {
                        Content::Words(text, names) => view! { <MessageText text=text names=names /> }.into_any(),
                        Content::Instead(instead) => view! { <span class="instead">{instead}</span> }.into_any(),
                    }}
                    <Meta id=id row=row mine=mine />
                </div>
                {move || reached.get().then(|| view! { <Toolbar message=stored /> })}
            </div>
            <Reactions message=stored />
            <Refusal id=id row=row />
        </article>
    }
    .into_any()
}

/// What stands in the bubble.
#[derive(Clone, PartialEq)]
enum Content {
    /// Words, and whom they name.
    Words(String, Vec<Mentioned>),
    /// What stands in their place.
    Instead(&'static str),
}

fn content_of(live: Live, words: Locale, row: &Row) -> Content {
    match row {
        Row::Pending(pending) => Content::Words(pending.text().to_owned(), Vec::new()),
        Row::Message(message) => match &message.body {
            Body::Text { text } => Content::Words(text.as_str().to_owned(), mentioned(live, message)),
            Body::Recalled => Content::Instead(say!(words, recalled)),
            Body::Unsupported => Content::Instead(say!(words, unsupported)),
        },
        Row::Line(_) => Content::Instead(""),
    }
}

/// Whom the server found a message to name.
fn mentioned(live: Live, message: &Message) -> Vec<Mentioned> {
    let all = message.mentions_all.then(|| Mentioned { username: mention::ALL.to_owned(), me: true });
    let people = message.mentions.iter().filter_map(|user| {
        live.person(*user).with(|person| {
            person
                .as_ref()
                .map(|person| Mentioned { username: person.username.clone(), me: *user == live.me() })
        })
    });
    people.chain(all).collect()
}

/// The message it answers; nothing is left of that once it is recalled.
fn reply_to(row: &Row) -> Option<MessageId> {
    match row {
        Row::Message(message) => message.reply_to.filter(|_| !message.recalled),
        Row::Pending(pending) => pending.reply_to(),
        Row::Line(_) => None,
    }
}

/// Time and state, at the end of the last line.
#[component]
fn Meta(id: ConversationId, row: Memo<Row>, mine: bool) -> impl IntoView {
    let (actions, words, clock) = (expect_context::<Actions>(), use_words(), expect_context::<Clock>());
    let at = Memo::new(move |_| row.with(written_at));
    let edited = Memo::new(move |_| {
        row.with(
            |row| matches!(row, Row::Message(message) if message.edited_at.is_some() && !message.recalled),
        )
    });
    let pinned = Memo::new(move |_| row.with(|row| matches!(row, Row::Message(message) if message.pinned)));
    let history = move |_| {
        if let Row::Message(message) = row.get_untracked() {
            actions.sheet.set(Some(Sheet::History(message)));
        }
    };
    view! {
        <span class="meta">
            {move || pinned.get().then(|| view! {
                <span class="pinned" role="img" aria-label=say!(words, pinned_message) title=say!(words, pinned_message)>
                    <Picture icon=Icon::Pin />
                </span>
            })}
            {move || edited.get().then(|| view! {
                <button class="edited" type="button" aria-haspopup="dialog" title=say!(words, edit_history) on:click=history>
                    {say!(words, edited)}
                </button>
            })}
            <time datetime=move || at.get().to_string() title=move || clock.exact(at.get())>
                {move || clock.time(at.get())}
            </time>
            {mine.then(|| view! { <ReadState id=id row=row /> })}
        </span>
    }
    .into_any()
}

/// Why my message was not taken, and what to do about it.
#[component]
fn Refusal(id: ConversationId, row: Memo<Row>) -> impl IntoView {
    let (live, words) = (expect_context::<Live>(), use_words());
    let refused = Memo::new(move |_| {
        row.with(|row| match row {
            Row::Pending(pending) => match &pending.state {
                PendingState::Refused { code, .. } => Some((pending.nonce.clone(), *code)),
                _ => None,
            },
            Row::Message(_) | Row::Line(_) => None,
        })
    });
    move || {
        refused.get().map(|(nonce, code)| {
            let (again, gone) = (nonce.clone(), nonce);
            view! {
                <div class="refusal" role="alert">
                    <Picture icon=Icon::Alert />
                    <span>{say!(words, refused, reason = reason(words, code))}</span>
                    <button type="button" class="text-button" on:click=move |_| live.retry(id, again.clone())>
                        {say!(words, retry)}
                    </button>
                    <button type="button" class="text-button" on:click=move |_| live.discard(id, gone.clone())>
                        {say!(words, delete)}
                    </button>
                </div>
            }
        })
    }
}
