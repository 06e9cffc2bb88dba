//! The sound of news: two soft notes, made by the browser. Of all tabs one plays them, and none while one of them shows the
//! message to somebody.

use super::{Live, is_attended, locks};
use crate::socket::Timer;
use crate::sound::{self, storage};
use js_sys::{Promise, Reflect};
use leptos::prelude::{document, window, window_event_listener_untyped};
use leptos::task::spawn_local;
use protocol::ConversationId;
use std::cell::RefCell;
use std::time::Duration;
use wasm_bindgen::JsValue;
use wasm_bindgen::closure::Closure;
use web_sys::{AudioContext, AudioContextState};

/// Time for another tab to say that somebody sees the message there. Browsers round it up to a second in hidden pages.
const PATIENCE: Duration = Duration::from_millis(250);
/// Milliseconds from one sound to the next, of all tabs; what comes between makes none.
const QUIET: i32 = 2_000;
/// The lock that a tab holds from its sound on for [`QUIET`].
const LOCK: &str = "confab.sound";
/// Without locks: when it rang last.
const RANG: &str = "confab.rang";
/// What was seen last where it is open: conversation and change.
const SEEN: &str = "confab.seen";

/// Hertz and the second of its start, of each note: a fourth upwards.
const NOTES: [(f32, f64); 2] = [(659.26, 0.0), (880.0, 0.09)];
/// Of full scale.
const LOUDNESS: f32 = 0.06;
/// What nobody hears any more.
const SILENCE: f32 = 0.000_1;
/// Seconds until a note is at its loudest.
const ATTACK: f64 = 0.012;
/// Seconds of a note.
const LENGTH: f64 = 0.17;

thread_local! {
    /// Made at the first gesture; lives as long as the tab.
    static CONTEXT: RefCell<Option<AudioContext>> = const { RefCell::new(None) };
    /// News that wait for [`PATIENCE`]: the last change of each conversation.
    static NEWS: RefCell<Vec<(ConversationId, u64)>> = const { RefCell::new(Vec::new()) };
}

/// Browsers let a page sound from its first gesture on, some only from within one.
pub(super) fn start() {
    // They last as long as the tab.
    let _ = window_event_listener_untyped("click", |_| unlock());
    let _ = window_event_listener_untyped("keydown", |_| unlock());
}

fn unlock() {
    if is_running() || !sound::is_on() {
        return;
    }
    // A script's click and some keys are no gesture, and browsers complain. Those that do not say are asked all the same.
    let active = Reflect::get(&window().navigator(), &"userActivation".into())
        .and_then(|activation| Reflect::get(&activation, &"isActive".into()));
    if active.is_ok_and(|active| active == JsValue::FALSE) {
        return;
    }
    CONTEXT.with_borrow_mut(|context| match context {
        Some(context) => drop(context.resume()),
        None => *context = AudioContext::new().ok(),
    });
}

fn is_running() -> bool {
    CONTEXT
        .with_borrow(|context| context.as_ref().is_some_and(|one| one.state() == AudioContextState::Running))
}

impl Live {
    /// Somebody else wrote, as change `rev` of a conversation that is not silent.
    pub(super) fn ring(self, id: ConversationId, rev: u64) {
        if is_looked_at(id) {
            if let Some(storage) = storage() {
                let _ = storage.set_item(SEEN, &format!("{id} {rev}"));
            }
            return;
        }
        let first = NEWS.with_borrow_mut(|news| {
            let first = news.is_empty();
            news.retain(|(one, _)| *one != id);
            news.push((id, rev));
            first
        });
        if first {
            spawn_local(async {
                Timer::after(PATIENCE).await;
                let news = NEWS.take();
                if sound::is_on() && is_running() && news.iter().any(|(id, rev)| !is_seen(*id, *rev)) {
                    play_in_one_tab();
                }
            });
        }
    }
}

/// Whether somebody looks at this conversation in this tab. The address does not say: `/` shows one beside the list, except on
/// a phone.
fn is_looked_at(id: ConversationId) -> bool {
    let log = document().query_selector(&format!(".log[data-conversation=\"{id}\"]"));
    is_attended() && log.is_ok_and(|log| log.is_some_and(|log| log.client_height() > 0))
}

/// Whether somebody saw this change in another tab.
fn is_seen(id: ConversationId, rev: u64) -> bool {
    let seen = storage().and_then(|storage| storage.get_item(SEEN).ok().flatten()).unwrap_or_default();
    let last =
        seen.split_once(' ').filter(|(one, _)| one.parse() == Ok(id)).and_then(|(_, rev)| rev.parse().ok());
    last.is_some_and(|last: u64| last >= rev)
}

/// Plays it, unless a tab did so just now.
fn play_in_one_tab() {
    let Some(locks) = locks::locks() else {
        // Two tabs at the same moment may both find that none did.
        let now = super::moment().now;
        let rang = storage().and_then(|storage| storage.get_item(RANG).ok().flatten());
        let rang = rang.and_then(|at| at.parse::<u64>().ok()).filter(|at| *at <= now);
        if rang.is_none_or(|at| now - at >= u64::from(QUIET.unsigned_abs())) {
            if let Some(storage) = storage() {
                let _ = storage.set_item(RANG, &now.to_string());
            }
            play();
        }
        return;
    };
    let granted = Closure::once_into_js(move |lock: JsValue| {
        if lock.is_null() {
            return JsValue::UNDEFINED;
        }
        play();
        let held = Promise::new(&mut |let_go, _| {
            let _ = window().set_timeout_with_callback_and_timeout_and_arguments_0(&let_go, QUIET);
        });
        held.into()
    });
    // Nobody takes it away, so the promise is never broken.
    let _ = locks::request(&locks, LOCK, ("ifAvailable", true), &granted);
}

fn play() {
    // A browser that cannot is silent.
    let _ = CONTEXT.with_borrow(|context| context.as_ref().map(notes));
}

fn notes(context: &AudioContext) -> Result<(), JsValue> {
    let now = context.current_time();
    for (pitch, wait) in NOTES {
        let (from, to) = (now + wait, now + wait + LENGTH);
        let (note, volume) = (context.create_oscillator()?, context.create_gain()?);
        note.frequency().set_value(pitch);
        let loudness = volume.gain();
        loudness.set_value_at_time(SILENCE, from)?;
        loudness.exponential_ramp_to_value_at_time(LOUDNESS, from + ATTACK)?;
        loudness.exponential_ramp_to_value_at_time(SILENCE, to)?;
        note.connect_with_audio_node(&volume)?;
        volume.connect_with_audio_node(&context.destination())?;
        note.start_with_when(from)?;
        note.stop_with_when(to)?;
    }
    Ok(())
}
