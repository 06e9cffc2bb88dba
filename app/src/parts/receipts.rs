//! How far a message of mine got, and who has read it.

use crate::api;
use crate::i18n::Locale;
use crate::live::Live;
use crate::names;
use crate::parts::avatar::Avatar;
use crate::parts::icon::{Icon, Picture};
use crate::parts::notice::Notice;
use crate::timeline::{PendingState, Row};
use crate::words::{reason, say, use_words};
use leptos::html;
use leptos::prelude::*;
use leptos::task::spawn_local;
use protocol::rest::Receipts;
use protocol::{ConversationId, Kind, MessageId, UserId};

/// How far it got.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reached {
    /// On its way.
    Pending,
    /// Refused: said elsewhere.
    Refused,
    /// Stored. Read by nobody yet, or it is not known by whom.
    Stored,
    /// Read by so many of so many.
    Read { by: usize, of: usize },
}

/// Clock, tick, double tick or "read 3/5", at the end of my message's last line. The count leads to [`Readers`].
#[component]
pub fn ReadState(
    /// In which conversation.
    id: ConversationId,
    /// One of my messages.
    row: Memo<Row>,
) -> impl IntoView {
    let (live, words) = (expect_context::<Live>(), use_words());
    let conversation = live.conversation(id);
    let direct = conversation.with_untracked(|one| one.as_ref().is_some_and(|one| one.kind == Kind::Direct));
    let reached = Memo::new(move |_| {
        let seq = row.with(|row| match row {
            Row::Pending(pending) => Err(match pending.state {
                PendingState::Waiting | PendingState::Accepted => Reached::Pending,
                PendingState::Stored => Reached::Stored,
                PendingState::Refused { .. } => Reached::Refused,
            }),
            row => row.seq().ok_or(Reached::Stored),
        });
        let seq = match seq {
            Ok(seq) => seq,
            Err(reached) => return reached,
        };
        // Marks stand in the conversation itself as long as it carries its members.
        conversation.with(|one| {
            let Some(one) = one else { return Reached::Stored };
            let others = one.members.iter().filter(|member| member.user != live.me());
            let by = others.clone().filter(|member| member.read_seq >= seq).count();
            if by == 0 { Reached::Stored } else { Reached::Read { by, of: others.count() } }
        })
    });
    let message = move || {
        row.with_untracked(|row| match row {
            Row::Message(message) => Some((message.id, message.sender)),
            _ => None,
        })
    };
    let readers = use_context::<ReadersOf>();
    let show = move |_| {
        if let (Some(readers), Some((message, sender))) = (readers, message()) {
            readers.show(message, sender);
        }
    };
    move || {
        let (icon, text) = match reached.get() {
            Reached::Refused => return None,
            Reached::Pending => (Icon::Clock, say!(words, state_pending)),
            Reached::Stored => (Icon::Tick, say!(words, state_sent)),
            Reached::Read { .. } if direct => (Icon::Ticks, say!(words, state_read)),
            Reached::Read { by, of } => {
                let icon = if by == of { Icon::Ticks } else { Icon::Tick };
                let button = view! {
                    <button class="state read-of" type="button" aria-haspopup="dialog" on:click=show>
                        <Picture icon=icon />
                        {say!(words, read_of, read = by, of = of)}
                    </button>
                };
                return Some(button.into_any());
            }
        };
        let sign = view! {
            <span class="state" role="img" aria-label=text title=text>
                <Picture icon=icon />
            </span>
        };
        Some(sign.into_any())
    }
}

/// Shows who has read a message. Provided by the page of a conversation, which draws [`Readers`] once.
#[derive(Clone, Copy)]
pub struct ReadersOf {
    conversation: ConversationId,
    words: Locale,
    root: NodeRef<html::Div>,
    /// Whose message it is, and who has read it.
    answer: RwSignal<Option<(UserId, Receipts)>>,
    problem: RwSignal<Option<String>>,
}

impl ReadersOf {
    /// For one conversation.
    pub fn new(conversation: ConversationId) -> Self {
        Self {
            conversation,
            words: use_words(),
            root: NodeRef::new(),
            answer: RwSignal::new(None),
            problem: RwSignal::new(None),
        }
    }

    /// Asks the server, and shows its answer.
    pub fn show(self, message: MessageId, sender: UserId) {
        let words = self.words;
        self.answer.set(None);
        self.problem.set(None);
        if let Some(root) = self.root.get_untracked() {
            let _ = root.show_popover();
        }
        spawn_local(async move {
            match api::groups::receipts(message).await {
                Ok(receipts) => {
                    self.answer.try_set(Some((sender, receipts)));
                }
                Err(error) => {
                    self.problem.try_set(Some(reason(words, error.code).to_owned()));
                }
            }
        });
    }
}

/// Who has read a message, and who has not.
#[component]
pub fn Readers(
    /// What is shown.
    readers: ReadersOf,
) -> impl IntoView {
    let (live, words) = (expect_context::<Live>(), use_words());
    let people = move |ids: Vec<UserId>| {
        let row = move |user: UserId| {
            let name = Memo::new(move |_| names::of_person(live, words, user));
            view! {
                <li class="details-member">
                    <Avatar id=user.uuid() name=name size="small" />
                    <span class="details-name" dir="auto">{move || name.get()}</span>
                </li>
            }
        };
        view! { <ul>{ids.into_iter().map(row).collect::<Vec<_>>()}</ul> }.into_any()
    };
    let content = move || {
        let (sender, Receipts { read, of: _, readers: who }) = readers.answer.get()?;
        // Known of groups that carry their members.
        let waiting: Vec<_> = live.conversation(readers.conversation).with_untracked(|one| {
            let members = one.iter().flat_map(|one| &one.members).map(|member| member.user);
            members.filter(|user| *user != sender && !who.contains(user)).collect()
        });
        let more = usize::try_from(read).unwrap_or(usize::MAX).saturating_sub(who.len());
        let view = view! {
            {who.is_empty().then(|| view! { <p>{say!(words, read_nobody)}</p> })}
            {people(who)}
            {(more > 0).then(|| view! { <p>{say!(words, read_more, count = more)}</p> })}
            {(!waiting.is_empty()).then(|| view! {
                <h3>{say!(words, read_not_yet)}</h3>
                {people(waiting)}
            })}
        };
        Some(view.into_any())
    };
    let close = move |_| {
        if let Some(root) = readers.root.get_untracked() {
            let _ = root.hide_popover();
        }
    };
    view! {
        <div class="dialog readers" popover="auto" role="dialog" aria-labelledby="readers-title" node_ref=readers.root>
            <div class="dialog-head">
                <h2 id="readers-title">{say!(words, read_by)}</h2>
                <button class="icon-button" type="button" autofocus aria-label=say!(words, close) title=say!(words, close) on:click=close>
                    <Picture icon=Icon::Cross />
                </button>
            </div>
            <Notice text=readers.problem />
            <div class="dialog-scroll" tabindex="0" role="group" aria-labelledby="readers-title">{content}</div>
        </div>
    }
    .into_any()
}
