//! What stands between messages: days, the line above what is new, the beginning.

use crate::clock::Clock;
use crate::words::{say, use_words};
use leptos::prelude::*;
use protocol::time::Date;

/// A day, which stays in sight while its messages are read.
#[component]
pub fn DayChip(
    /// Which.
    day: Date,
) -> impl IntoView {
    let clock = expect_context::<Clock>();
    view! {
        <div class="day-chip">
            <time datetime=day.to_string()>{move || clock.chip(day)}</time>
        </div>
    }
    .into_any()
}

/// The line above what I had not read when I came.
#[component]
pub fn NewDivider() -> impl IntoView {
    let words = use_words();
    view! {
        <div class="new-divider">
            <span>{say!(words, new_divider)}</span>
        </div>
    }
    .into_any()
}
