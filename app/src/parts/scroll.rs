//! The one owner of every scroll position written in a conversation.
//!
//! The log is a reversed column: its natural position is the bottom, so the server's page opens there without
//! script, and older messages put above never move what is below them. What is left to do: keep the row that is
//! being read where it is when anything else changes, and open at the right place.

use leptos::html;
use leptos::prelude::*;
use leptos::wasm_bindgen::JsCast;
use leptos::wasm_bindgen::closure::Closure;
use web_sys::{Element, HtmlElement, MutationObserver, MutationObserverInit, ResizeObserver};

/// Pixels from the bottom that still count as being there: a fraction of a line.
const END_PX: f64 = 24.0;
/// Pixels from an end of the rows at which more are asked for: about a screen, so that they are there in time.
const NEAR_PX: f64 = 800.0;
/// Rows remembered as anchors. More than one, because the first may be drawn anew.
const ANCHORS: u32 = 4;
/// Where the first unread message comes to stand: this far down the view, with some context above.
const OPEN_AT: f64 = 0.2;

/// Where to be once the rows are there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// At the newest message.
    End,
    /// At the element this selector finds, as soon as it is there.
    At(String),
}

/// What was on the screen when it was last looked at.
#[derive(Default)]
struct Seen {
    /// Scroll offset: 0 at the bottom, negative above.
    offset: f64,
    /// Whether the bottom was in view, and was the conversation's.
    stuck: bool,
    /// Height of what is scrolled, and of the view.
    size: (i32, i32),
    /// Where to go when the rows are there.
    place: Option<Place>,
}

/// The first rows in view, and how far below the view's top each began.
type Anchors = Vec<(Element, f64)>;

/// What a scroll, or a change of what is scrolled, asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Near {
    /// The first row is near or in view.
    pub start: bool,
    /// The last row is near or in view.
    pub end: bool,
}

/// The scroll position of one conversation's log.
#[derive(Clone, Copy)]
pub struct Scroll {
    /// The element that scrolls.
    pub log: NodeRef<html::Div>,
    /// The rows in it.
    pub rows: NodeRef<html::Div>,
    at_end: RwSignal<Option<bool>>,
    near: RwSignal<Near>,
    at_head: StoredValue<bool>,
    seen: StoredValue<Seen>,
    // Elements belong to the browser's one thread, so the place for them is made there: the server draws a page on
    // whichever thread is free.
    anchors: StoredValue<Option<StoredValue<Anchors, LocalStorage>>>,
}

impl Scroll {
    /// For a log that is about to be drawn.
    pub fn new(place: Place) -> Self {
        Self {
            log: NodeRef::new(),
            rows: NodeRef::new(),
            at_end: RwSignal::new(None),
            near: RwSignal::new(Near::default()),
            at_head: StoredValue::new(true),
            seen: StoredValue::new(Seen { place: Some(place), stuck: true, ..Seen::default() }),
            anchors: StoredValue::new(None),
        }
    }

    /// Whether the bottom is in view; none before anybody looked, and while rows are awaited.
    pub fn at_end(self) -> Signal<Option<bool>> {
        self.at_end.into()
    }

    /// Which end is near.
    pub fn near(self) -> Signal<Near> {
        self.near.into()
    }

    /// Says whether the last row is the conversation's newest: only then does the view stay at the bottom.
    pub fn set_at_head(self, at_head: bool) {
        self.at_head.set_value(at_head);
    }

    /// Goes there: now if it can, else when the rows are there.
    pub fn go(self, place: Place) {
        self.seen.update_value(|seen| seen.place = Some(place));
        self.settle();
    }

    /// Browser only, once the elements are there: from now on nothing on the screen moves by itself.
    pub fn watch(self) {
        let (Some(log), Some(rows)) = (self.log.get_untracked(), self.rows.get_untracked()) else { return };
        self.anchors.set_value(Some(StoredValue::new_local(Vec::new())));
        let settle = Closure::<dyn FnMut()>::new(move || self.settle());
        let function = settle.as_ref().unchecked_ref();
        // Before the next frame is painted: the first reports changes of rows, the second changes of sizes.
        let (Ok(changes), Ok(sizes)) = (MutationObserver::new(function), ResizeObserver::new(function))
        else {
            return;
        };
        let init = MutationObserverInit::new();
        init.set_child_list(true);
        init.set_subtree(true);
        init.set_character_data(true);
        if changes.observe_with_options(&rows, &init).is_err() {
            return;
        }
        sizes.observe(&log);
        sizes.observe(&rows);
        let watching = StoredValue::new_local((changes, sizes, settle));
        on_cleanup(move || {
            watching.with_value(|(changes, sizes, _)| {
                changes.disconnect();
                sizes.disconnect();
            });
        });
        self.settle();
    }

    /// After the person scrolled: remembers what is in view.
    pub fn scrolled(self) {
        let Some(log) = self.log.try_get_untracked().flatten() else { return };
        let moved = self.seen.try_update_value(|seen| {
            let moved = (f64::from(log.scroll_top()) - seen.offset).abs() >= 1.0;
            // Somebody who scrolls is no longer waiting to be taken elsewhere.
            if moved {
                seen.place = None;
            }
            moved
        });
        // The echo of what was written here says nothing new.
        if moved == Some(true) {
            self.look(&log, 0.0);
        }
    }

    /// After anything changed: puts what is being read back to where it was.
    pub fn settle(self) {
        // The last report may come after the conversation was left.
        let Some(log) = self.log.try_get_untracked().flatten() else { return };
        if log.client_height() == 0 {
            return;
        }
        let target = self.seen.try_update_value(|seen| {
            let offset = f64::from(log.scroll_top());
            if let Some(place) = &seen.place {
                let target = match place {
                    Place::End => log.query_selector("article").ok().flatten().map(|_| 0.0),
                    Place::At(selector) => log.query_selector(selector).ok().flatten().map(|element| {
                        offset + below_top(&log, &element) - f64::from(log.client_height()) * OPEN_AT
                    }),
                };
                // What is looked for may still be on its way: until then nothing is moved.
                if target.is_some() {
                    seen.place = None;
                }
                return target.map(|target| (target, None));
            }
            if seen.stuck {
                // What comes and goes without taking room moves nothing, and must not end a scroll that just began.
                let resized = seen.size != (log.scroll_height(), log.client_height());
                return resized.then_some((0.0, None));
            }
            let (element, was) = self
                .anchors
                .get_value()?
                .with_value(|anchors| anchors.iter().find(|(element, _)| element.is_connected()).cloned())?;
            // What the person scrolled since the last look is theirs to keep.
            let wanted = was - (offset - seen.offset);
            Some((offset + below_top(&log, &element) - wanted, Some((element, wanted))))
        });
        let mut drift = 0.0;
        if let Some((target, anchor)) = target.flatten() {
            if (target - f64::from(log.scroll_top())).abs() >= 1.0 {
                #[expect(clippy::cast_possible_truncation, reason = "pixels of a page")]
                log.set_scroll_top(target.round() as i32);
            }
            if let Some((element, wanted)) = anchor {
                drift = below_top(&log, &element) - wanted;
            }
        }
        self.look(&log, drift);
    }

    /// Remembers what is in view. `drift`: how far it is from where it should be, because offsets are whole pixels
    /// and rows are not; without it the fractions would add up.
    fn look(self, log: &HtmlElement, drift: f64) {
        let (height, view) = (f64::from(log.scroll_height()), f64::from(log.client_height()));
        if view == 0.0 {
            return;
        }
        let offset = f64::from(log.scroll_top());
        let (from_end, from_start) = (-offset, height - view + offset);
        let at_end = from_end < END_PX;
        let stuck = at_end && self.at_head.try_get_value().unwrap_or(true);
        self.seen.try_update_value(|seen| {
            seen.offset = offset;
            seen.stuck = stuck;
            seen.size = (log.scroll_height(), log.client_height());
        });
        if let Some(kept) = self.anchors.try_get_value().flatten() {
            kept.set_value(anchors(log, drift));
        }
        let near = Near { start: from_start < NEAR_PX, end: from_end < NEAR_PX };
        let waiting = self.seen.try_with_value(|seen| seen.place.is_some()).unwrap_or(true);
        let at_end = (!waiting).then_some(at_end);
        if self.at_end.try_get_untracked() != Some(at_end) {
            self.at_end.try_set(at_end);
        }
        if self.near.try_get_untracked() != Some(near) {
            self.near.try_set(near);
        }
    }
}

/// How far below the log's top an element begins.
fn below_top(log: &HtmlElement, element: &Element) -> f64 {
    element.get_bounding_client_rect().top() - log.get_bounding_client_rect().top()
}

/// The first messages in view, by halving: they stand in order, and asking each of 200 for its place on every
/// scroll would be felt.
fn anchors(log: &HtmlElement, drift: f64) -> Anchors {
    let rows = log.get_elements_by_tag_name("article");
    let (mut low, mut high) = (0, rows.length());
    while low < high {
        let middle = low + (high - low) / 2;
        let above = rows.item(middle).is_some_and(|row| {
            row.get_bounding_client_rect().bottom() <= log.get_bounding_client_rect().top()
        });
        if above { low = middle + 1 } else { high = middle }
    }
    (low..rows.length().min(low + ANCHORS))
        .filter_map(|at| rows.item(at))
        .map(|row| {
            let top = below_top(log, &row) - drift;
            (row, top)
        })
        .collect()
}
