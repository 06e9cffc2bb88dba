//! What a worker holds of its lines, between the task that keeps them and the worker.

use super::super::intake::{Delivery, DeliveryId, PARTITIONS};
use async_nats::{Message, Subject};
use bytes::Bytes;
use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;
use tokio::time::Instant;

/// Most that a worker holds of a line; the server gives no more, and the rest stays with it.
pub(super) const WINDOW: usize = 128;

/// What a worker got and has not done.
#[derive(Clone)]
pub(super) struct Held {
    pub(super) sequence: u64,
    /// Where it is acknowledged.
    pub(super) reply: Subject,
    sealed: Bytes,
}

/// A line that is this worker's.
pub(super) struct Line {
    pub(super) consumer: String,
    /// In order.
    pub(super) held: VecDeque<Held>,
    /// How many of the first were given to the worker.
    pub(super) given: usize,
    /// What the worker has done and the server does not know yet, in order.
    pub(super) done: Vec<Held>,
    /// The last that arrived.
    top: u64,
    /// Its number among those that the server gave to this consumer.
    arrived: u64,
    /// Asked for and not there yet, and until when the server knows of it.
    pub(super) asked: usize,
    pub(super) until: Instant,
    /// It is given back when the worker is done with what it was given: nothing more is taken from it.
    pub(super) leaving: bool,
}

impl Line {
    /// Begins with the oldest that is not done.
    pub(super) fn new(consumer: String) -> Self {
        let (until, held) = (Instant::now(), VecDeque::new());
        Self {
            consumer,
            held,
            given: 0,
            done: Vec::new(),
            top: 0,
            arrived: 0,
            asked: 0,
            until,
            leaving: false,
        }
    }

    /// Nothing more is taken from it; what was given can be finished.
    pub(super) fn leave(&mut self) {
        self.leaving = true;
        self.held.truncate(self.given);
    }

    /// Takes that something was done; `false`: nobody knows of it here.
    pub(super) fn finish(&mut self, sequence: u64) -> bool {
        let Ok(index) = self.held.binary_search_by_key(&sequence, |held| held.sequence) else { return false };
        self.given -= usize::from(index < self.given);
        if let Some(held) = self.held.remove(index) {
            let at = self.done.partition_point(|done| done.sequence < sequence);
            self.done.insert(at, held);
        }
        true
    }

    /// What counts for the server as being here.
    pub(super) fn taken(&self) -> usize {
        self.held.len() + self.done.len()
    }

    pub(super) fn arrive(&mut self, message: Message, sequence: u64, arrived: u64) {
        self.asked = self.asked.saturating_sub(1);
        // Something was lost on its way: from the oldest again.
        if arrived != self.arrived + 1 && !self.leaving {
            self.leave();
        }
        self.arrived = arrived;
        // What came again is held already, or was done.
        if self.leaving || sequence <= self.top {
            return;
        }
        let Some(reply) = message.reply else { return };
        self.top = sequence;
        self.held.push_back(Held { sequence, reply, sealed: message.payload });
    }

    fn give(&mut self, partition: u16, most: usize, deliveries: &mut Vec<Delivery>) {
        let until = self.held.len().min(self.given + most);
        deliveries.extend(self.held.range(self.given..until).map(|held| Delivery {
            partition,
            id: DeliveryId::Number(held.sequence),
            sealed: held.sealed.clone(),
        }));
        self.given = until;
    }
}

/// What the worker and the task share.
#[derive(Default)]
pub(super) struct Shared {
    lines: Mutex<[Option<Line>; PARTITIONS as usize]>,
    /// There is work, or an end.
    pub(super) ready: Notify,
    /// The server knows of something done: there is room for more, or a line can be given back.
    pub(super) done: Notify,
    /// Something was done that the server does not know of yet.
    pub(super) finished: Notify,
}

impl Shared {
    pub(super) fn lines(&self) -> MutexGuard<'_, [Option<Line>; PARTITIONS as usize]> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives up to `most`, evenly from the lines that have something; what was given and is not done comes first, again.
    pub(super) fn give(&self, most: usize) -> Vec<Delivery> {
        let mut lines = self.lines();
        let mut filled = 0;
        for line in lines.iter_mut().flatten() {
            line.given = 0;
            filled += usize::from(!line.held.is_empty());
        }
        let mut deliveries = Vec::new();
        if filled == 0 || most == 0 {
            return deliveries;
        }
        for each in [most.div_ceil(filled), most] {
            for (partition, line) in (0..).zip(lines.iter_mut()) {
                let room = most - deliveries.len();
                if let Some(line) = line {
                    line.give(partition, each.min(room), &mut deliveries);
                }
            }
        }
        deliveries
    }
}
