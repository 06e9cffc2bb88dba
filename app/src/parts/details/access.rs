//! Who may find a group, and what newcomers see.

use super::Panel;
use crate::api;
use crate::live::Live;
use crate::words::{say, use_words};
use leptos::prelude::*;
use leptos::task::spawn_local;
use protocol::History;
use protocol::rest::PatchConversation;

/// The two choices as fields of a form: a switch, and what newcomers see.
#[component]
pub fn AccessFields(
    /// Whether everybody can find and join it.
    public: Signal<bool>,
    /// What newcomers see.
    history: Signal<History>,
    /// Told of a choice.
    choose: Callback<PatchConversation>,
) -> impl IntoView {
    let words = use_words();
    let all = move || history.get() == History::All;
    let newcomers = move |value: &'static str, text: &'static str, whole: History| {
        view! {
            <label class="choice">
                <input
                    type="radio"
                    name="history"
                    value=value
                    checked=untrack(all) == (whole == History::All)
                    prop:checked=move || all() == (whole == History::All)
                    on:change=move |_| choose.run(PatchConversation { history: Some(whole), ..Default::default() })
                />
                <span>{text}</span>
            </label>
        }
        .into_any()
    };
    view! {
        <fieldset class="access">
            <legend>{say!(words, access)}</legend>
            <label class="choice">
                <input
                    type="checkbox"
                    role="switch"
                    name="public"
                    value="true"
                    aria-describedby="access-hint"
                    checked=public.get_untracked()
                    prop:checked=move || public.get()
                    on:change=move |event| {
                        choose.run(PatchConversation { public: Some(event_target_checked(&event)), ..Default::default() });
                    }
                />
                <span>{say!(words, access_anyone)}</span>
            </label>
            <p class="hint" id="access-hint">{say!(words, access_anyone_hint)}</p>
        </fieldset>
        <fieldset class="access">
            <legend>{say!(words, newcomers)}</legend>
            {newcomers("join", say!(words, newcomers_join), History::Join)}
            {newcomers("all", say!(words, newcomers_all), History::All)}
        </fieldset>
    }
    .into_any()
}

/// The choices of a group as they are, for its owner and admins.
#[component]
pub(super) fn Access(
    /// The panel's state.
    panel: Panel,
) -> impl IntoView {
    let (live, words) = (expect_context::<Live>(), use_words());
    let conversation = live.conversation(panel.id);
    let now = Memo::new(move |_| {
        conversation.with(|one| one.as_ref().map(|one| (one.public, one.history)).unwrap_or_default())
    });
    // What is chosen, until the server has answered; then what is.
    let shown = RwSignal::new(now.get_untracked());
    Effect::new(move |_| shown.set(now.get()));
    let choose = move |patch: PatchConversation| {
        shown.update(|(public, history)| {
            *public = patch.public.unwrap_or(*public);
            *history = patch.history.unwrap_or(*history);
        });
        spawn_local(async move {
            let answer = api::groups::patch_group(panel.id, patch).await;
            panel.report(answer.map(|changed| live.know(changed, Vec::new())).err());
            if let Some(now) = now.try_get_untracked() {
                shown.try_set(now);
            }
        });
    };
    view! {
        <form method="post" action="/fn/access">
            <input type="hidden" name="conversation" value=panel.id.to_string() />
            <AccessFields
                public=Signal::derive(move || shown.get().0)
                history=Signal::derive(move || shown.get().1)
                choose=Callback::new(choose)
            />
            <button class="button quiet without-script" type="submit">{say!(words, save)}</button>
        </form>
    }
    .into_any()
}
