//! What a worker holds of its lines: fetched, given, done.

use crate::bus::intake::{Delivery, DeliveryId};
use bytes::Bytes;
use std::collections::{BTreeMap, VecDeque};

/// Fetched and not done; beyond either the rest stays with the broker.
const HELD: usize = 2048;
const HELD_BYTES: usize = 8 << 20;

/// A worker's lines.
#[derive(Default)]
pub(super) struct Lines {
    lines: BTreeMap<u16, Line>,
    held: usize,
    bytes: usize,
    /// The line whose turn it is to be first, so that a long one does not keep others waiting.
    turn: u16,
}

#[derive(Default)]
struct Line {
    held: VecDeque<Held>,
    /// How many of them, from the first on, the worker was given.
    given: usize,
    /// It goes to another worker as soon as what was given is done.
    leaving: bool,
    /// Where the next fetched one is at least.
    next: u64,
    /// Where another worker would begin.
    done: Option<u64>,
    /// The same, when it was last asked for.
    told: Option<u64>,
    /// Nothing came of it since a look found it out of step with the broker.
    astray: bool,
}

struct Held {
    offset: u64,
    sealed: Bytes,
    done: bool,
}

impl Lines {
    /// A line came to this worker.
    pub(super) fn begin(&mut self, partition: u16) {
        self.end(partition);
        self.lines.insert(partition, Line::default());
    }

    /// A line went: what was held of it comes to another worker.
    pub(super) fn end(&mut self, partition: u16) {
        if let Some(line) = self.lines.remove(&partition) {
            self.held -= line.held.len();
            self.bytes -= line.held.iter().map(|held| held.sealed.len()).sum::<usize>();
        }
    }

    pub(super) fn end_all(&mut self) {
        *self = Self::default();
    }

    /// A line is to go: no more of it is given than was.
    pub(super) fn leave(&mut self, partition: u16) {
        if let Some(line) = self.lines.get_mut(&partition) {
            (line.leaving, line.astray) = (true, false);
            for held in line.held.drain(line.given..) {
                self.held -= 1;
                self.bytes -= held.sealed.len();
            }
        }
    }

    /// Whether nothing that was given of a line is left to be done.
    pub(super) fn is_free(&self, partition: u16) -> bool {
        self.lines.get(&partition).is_none_or(|line| line.given == 0)
    }

    /// Something was fetched. What is no line of this worker's, or was there before, is passed over.
    pub(super) fn push(&mut self, partition: u16, offset: u64, sealed: Bytes) {
        let Some(line) = self.lines.get_mut(&partition) else { return };
        if line.leaving || offset < line.next {
            return;
        }
        (line.next, line.astray) = (offset + 1, false);
        self.held += 1;
        self.bytes += sealed.len();
        line.held.push_back(Held { offset, sealed, done: false });
    }

    pub(super) fn is_empty(&self) -> bool {
        self.held == 0
    }

    pub(super) fn is_full(&self) -> bool {
        self.held >= HELD || self.bytes >= HELD_BYTES
    }

    /// Whether there is room for a good deal again.
    pub(super) fn is_half_empty(&self) -> bool {
        self.held <= HELD / 2 && self.bytes <= HELD_BYTES / 2
    }

    /// Gives up to `most`, each line from its first that is not done: what was given before and is not done comes again.
    pub(super) fn give(&mut self, most: usize) -> Vec<Delivery> {
        let mut given = Vec::with_capacity(most.min(self.held));
        let order: Vec<u16> =
            self.lines.range(self.turn..).chain(self.lines.range(..self.turn)).map(|(at, _)| *at).collect();
        for partition in order {
            let Some(line) = self.lines.get_mut(&partition) else { continue };
            for (at, held) in line.held.iter().enumerate() {
                if given.len() == most {
                    return given;
                }
                if held.done {
                    continue;
                }
                line.given = line.given.max(at + 1);
                self.turn = partition.wrapping_add(1);
                given.push(Delivery {
                    partition,
                    id: DeliveryId::Number(held.offset),
                    sealed: held.sealed.clone(),
                });
            }
        }
        given
    }

    /// Takes note of what is done. Whether anything can be committed that could not before.
    pub(super) fn done(&mut self, deliveries: &[Delivery]) -> bool {
        let mut moved = false;
        for delivery in deliveries {
            let DeliveryId::Number(offset) = delivery.id else { continue };
            let Some(line) = self.lines.get_mut(&delivery.partition) else { continue };
            let Ok(at) = line.held.binary_search_by_key(&offset, |held| held.offset) else { continue };
            // What was fetched anew after the line had been away is not given yet, but stored all the same.
            line.held[at].done = true;
            while line.held.front().is_some_and(|held| held.done) {
                let Some(held) = line.held.pop_front() else { break };
                line.done = Some(held.offset + 1);
                line.given = line.given.saturating_sub(1);
                self.held -= 1;
                self.bytes -= held.sealed.len();
                moved = true;
            }
        }
        moved
    }

    /// Where each line is done up to, where that moved since this was last asked.
    pub(super) fn news(&mut self) -> Vec<(u16, u64)> {
        let mut news = Vec::new();
        for (partition, line) in &mut self.lines {
            if line.told != line.done {
                line.told = line.done;
                news.extend(line.done.map(|done| (*partition, done)));
            }
        }
        news
    }

    /// Lines that stay and of which nothing is held, each with where it was fetched up to; zero where nothing came yet.
    pub(super) fn idle(&self) -> Vec<(u16, u64)> {
        let idle = self.lines.iter().filter(|(_, line)| line.held.is_empty() && !line.leaving);
        idle.map(|(partition, line)| (*partition, line.next)).collect()
    }

    /// Takes note of a look at an idle line: whether it is out of step with the broker. Answers whether it stands still: it was so
    /// at the last look as well, and nothing came in between.
    pub(super) fn looked(&mut self, partition: u16, astray: bool) -> bool {
        let Some(line) = self.lines.get_mut(&partition) else { return false };
        std::mem::replace(&mut line.astray, astray) && astray
    }

    /// Forgets what looks have found: there is a reason why nothing comes.
    pub(super) fn excuse_all(&mut self) {
        self.lines.values_mut().for_each(|line| line.astray = false);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(partitions: &[u16], each: u64) -> Lines {
        let mut lines = Lines::default();
        for partition in partitions {
            lines.begin(*partition);
            for offset in 0..each {
                lines.push(*partition, offset, Bytes::from_static(b"sealed"));
            }
        }
        lines
    }

    fn offsets(given: &[Delivery]) -> Vec<(u16, u64)> {
        given
            .iter()
            .map(|delivery| match delivery.id {
                DeliveryId::Number(offset) => (delivery.partition, offset),
                DeliveryId::Text(_) => unreachable!("these are numbered"),
            })
            .collect()
    }

    #[test]
    fn what_is_not_done_comes_again_before_anything_later() {
        let mut lines = lines(&[3], 4);
        let given = lines.give(3);
        assert_eq!(offsets(&given), [(3, 0), (3, 1), (3, 2)]);
        assert!(lines.done(&given[..1]));
        assert_eq!(offsets(&lines.give(9)), [(3, 1), (3, 2), (3, 3)]);
        assert_eq!(lines.news(), [(3, 1)]);
        // In the middle, as what is buried may be: nothing is committed beyond what is open.
        assert!(!lines.done(&given[2..]));
        assert_eq!(offsets(&lines.give(9)), [(3, 1), (3, 3)]);
        assert!(lines.done(&given[1..2]));
        assert_eq!(lines.news(), [(3, 3)]);
    }

    #[test]
    fn lines_take_turns() {
        let mut lines = lines(&[1, 2], 3);
        assert_eq!(offsets(&lines.give(2)), [(1, 0), (1, 1)]);
        assert_eq!(offsets(&lines.give(2)), [(2, 0), (2, 1)]);
    }

    #[test]
    fn a_line_goes_when_what_was_given_is_done() {
        let mut lines = lines(&[1], 5);
        let given = lines.give(2);
        lines.leave(1);
        assert!(!lines.is_free(1));
        lines.push(1, 5, Bytes::new());
        assert_eq!(offsets(&lines.give(9)), [(1, 0), (1, 1)]);
        lines.done(&given);
        assert!(lines.is_free(1) && lines.is_empty());
        assert_eq!(lines.news(), [(1, 2)]);
        lines.end(1);
        // Reported late: another worker's by now.
        assert!(!lines.done(&given));
        assert_eq!((lines.held, lines.bytes), (0, 0));
    }

    #[test]
    fn a_line_stands_still_by_itself_whatever_the_others_do() {
        let mut lines = lines(&[1, 2, 3, 4], 0);
        assert_eq!(lines.idle(), [(1, 0), (2, 0), (3, 0), (4, 0)]);
        assert!(!(1..=4).any(|line| lines.looked(line, true)));
        // The first goes on, the second is to go, the third went and came back; nothing comes of the fourth.
        lines.push(1, 7, Bytes::new());
        let given = lines.give(9);
        assert_eq!(lines.idle(), [(2, 0), (3, 0), (4, 0)]);
        lines.done(&given);
        lines.leave(2);
        lines.begin(3);
        assert_eq!(lines.idle(), [(1, 8), (3, 0), (4, 0)]);
        assert_eq!([1, 2, 3, 4].map(|line| lines.looked(line, true)), [false, false, false, true]);
        // What is passed over is no progress, being in step is, and a pause is an excuse.
        lines.push(1, 7, Bytes::new());
        assert!(lines.looked(1, true) && !lines.looked(1, false) && !lines.looked(1, true));
        lines.excuse_all();
        assert!(!lines.looked(1, true) && lines.looked(1, true));
        assert!(!lines.looked(9, true) && !lines.looked(9, true));
    }
}
