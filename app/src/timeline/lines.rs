//! What happened between the messages: joins, leaves, titles, roles.

use super::WINDOW_ROWS;
use protocol::{Change, ChangeKind};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Lines kept of one conversation; beyond it the end farther from the reader goes, and comes back with its page.
pub(super) const LINES: usize = 1_000;

/// By `rev`.
#[derive(Clone, Debug, Default)]
pub(super) struct Lines {
    lines: BTreeMap<u64, Arc<Change>>,
}

impl Lines {
    /// Takes in a change that is worth a line; one that does not say where stands after the newest message, `head_seq`.
    pub(super) fn put(&mut self, mut change: Change, head_seq: u64, following: bool) {
        let worth = matches!(
            change.kind,
            ChangeKind::Joined { .. }
                | ChangeKind::Left { .. }
                | ChangeKind::Renamed { .. }
                | ChangeKind::Role { .. }
                | ChangeKind::Access { .. }
        );
        if !worth || self.lines.contains_key(&change.rev) {
            return;
        }
        change.after.get_or_insert(head_seq);
        change.at.get_or_insert_default();
        self.lines.insert(change.rev, Arc::new(change));
        if self.lines.len() > LINES {
            if following {
                self.lines.pop_first();
            } else {
                self.lines.pop_last();
            }
        }
    }

    /// Those after the messages `first` to `last`, at most [`WINDOW_ROWS`], the newest, each with the message it
    /// stands after.
    pub(super) fn between(&self, first: u64, last: u64) -> Vec<(u64, Arc<Change>)> {
        let place = |change: &Arc<Change>| change.after.unwrap_or_default();
        let within = self.lines.values().filter(|change| (first..=last).contains(&place(change)));
        let mut found: Vec<_> =
            within.rev().take(WINDOW_ROWS).map(|line| (place(line), Arc::clone(line))).collect();
        found.sort_by_key(|(after, line)| (*after, line.rev));
        found
    }
}
