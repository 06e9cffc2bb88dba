//! One message.

use crate::clock::Clock;
use crate::i18n::Locale;
use crate::live::Live;
use crate::names;
use crate::parts::avatar::{Avatar, hue};
use crate::parts::icon::{Icon, Picture};
use crate::parts::message_text::MessageText;
use crate::timeline::{PendingState, Row};
use crate::words::{reason, say, use_words};
use leptos::prelude::*;
use protocol::{Body, ConversationId, Kind, Timestamp, UserId};

/// Who wrote a row.
pub fn author(live: Live, row: &Row) -> UserId {
    match row {
        Row::Message(message) => message.sender,
        Row::Pending(_) => live.me(),
    }
}

/// When it was written.
pub fn written_at(row: &Row) -> Timestamp {
    match row {
        Row::Message(message) => message.sent_at,
        Row::Pending(pending) => pending.at,
    }
}

/// How far a message of mine got, as the page's `data-state` carries it.
fn state_word(row: &Row) -> &'static str {
    match row {
        Row::Message(_) => "sent",
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
    /// Whether the page's address points at it.
    pointed: bool,
) -> impl IntoView {
    let (live, words) = (expect_context::<Live>(), use_words());
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
    let content = Memo::new(move |_| row.with(|row| text_of(words, row)));
    view! {
        <article
            class="message"
            class:mine=mine
            class:joined=joined
            class:named=named && !mine
            class:fresh=fresh
            class:pointed=pointed
            data-seq=move || seq.get().map(|seq| seq.to_string())
            data-state=move || state.get()
            aria-label=move || name.get()
        >
            {(named && !mine && !joined).then(|| view! { <Avatar id=sender.uuid() name=name size="small" /> })}
            <div class="bubble">
                {(named && !mine && !joined).then(|| view! {
                    <p class=format!("author {}", hue(sender.uuid())) dir="auto">{move || name.get()}</p>
                })}
                <div class="words" dir="auto">
                    {move || match content.get() {
                        Ok(text) => view! { <MessageText text=text /> }.into_any(),
                        Err(instead) => view! { <span class="instead">{instead}</span> }.into_any(),
                    }}
                    <Meta id=id row=row mine=mine />
                </div>
            </div>
            <Refusal id=id row=row />
        </article>
    }
    .into_any()
}

/// The words, or what stands in their place.
fn text_of(words: Locale, row: &Row) -> Result<String, &'static str> {
    match row {
        Row::Pending(pending) => Ok(pending.text.as_str().to_owned()),
        Row::Message(message) => match &message.body {
            Body::Text { text } => Ok(text.as_str().to_owned()),
            Body::Recalled => Err(say!(words, recalled)),
            Body::Unsupported => Err(say!(words, unsupported)),
        },
    }
}

/// Time and state, at the end of the last line.
#[component]
fn Meta(id: ConversationId, row: Memo<Row>, mine: bool) -> impl IntoView {
    let (live, words, clock) = (expect_context::<Live>(), use_words(), expect_context::<Clock>());
    let conversation = live.conversation(id);
    let at = Memo::new(move |_| row.with(written_at));
    let edited = Memo::new(move |_| {
        row.with(
            |row| matches!(row, Row::Message(message) if message.edited_at.is_some() && !message.recalled),
        )
    });
    // Direct conversations only; "read 3/5" of groups is a count over marks.
    let read = Memo::new(move |_| {
        let Some(seq) = row.with(Row::seq).filter(|_| mine) else { return false };
        conversation.with(|one| {
            one.as_ref().is_some_and(|one| {
                one.kind == Kind::Direct
                    && one.members.iter().any(|member| member.user != live.me() && member.read_seq >= seq)
            })
        })
    });
    let state = Memo::new(move |_| row.with(state_word));
    let sign = move || {
        mine.then(|| {
            let (icon, text) = match (state.get(), read.get()) {
                ("pending", _) => (Icon::Clock, say!(words, state_pending)),
                ("refused", _) => return None,
                (_, true) => (Icon::Ticks, say!(words, state_read)),
                (_, false) => (Icon::Tick, say!(words, state_sent)),
            };
            Some(view! {
                <span class="state" role="img" aria-label=text title=text>
                    <Picture icon=icon />
                </span>
            })
        })
        .flatten()
    };
    view! {
        <span class="meta">
            {move || edited.get().then(|| view! { <span>{say!(words, edited)}</span> })}
            <time datetime=move || at.get().to_string() title=move || clock.exact(at.get())>
                {move || clock.time(at.get())}
            </time>
            {sign}
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
            Row::Message(_) => None,
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
