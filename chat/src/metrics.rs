//! What is counted while the chat runs: a struct of counters that everybody who counts shares, and what is looked up when
//! somebody asks. docs/metrics.md says what each number means; writing them as text is the network edge's business.
//!
//! Counting is one or two atomic additions without a lock, a look-up or an allocation: labels are fields. Nothing reads
//! these numbers to decide anything.

use crate::Chat;
use crate::clock::{micros, now};
use crate::ingest::Ingest;
use protocol::{Code, ServerFrame, Timestamp};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::Mutex;
use tokio::time::timeout;

/// Something that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// One more.
    pub fn inc(&self) {
        self.add(1);
    }

    /// So many more.
    pub fn add(&self, count: u64) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }

    /// How many until now.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// How many are in some state just now.
#[derive(Debug, Default)]
pub struct Gauge(AtomicU64);

impl Gauge {
    /// One more, until what is answered is dropped.
    pub fn enter(&self) -> impl Drop + '_ {
        struct Within<'a>(&'a AtomicU64);
        impl Drop for Within<'_> {
            fn drop(&mut self) {
                self.0.fetch_sub(1, Ordering::Relaxed);
            }
        }
        self.0.fetch_add(1, Ordering::Relaxed);
        Within(&self.0)
    }

    /// How many.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Upper ends of the buckets of a time, in microseconds: from a tenth of a millisecond to what a request waits at most.
const TIMES: [u64; 16] = [
    100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000,
    2_500_000, 5_000_000, 10_000_000,
];
/// Upper ends of the buckets of a batch; the last is the largest there is.
const SIZES: [u64; 8] = [1, 2, 4, 8, 16, 32, 64, 128];
const _: () = assert!(SIZES[7] == crate::store::BATCH as u64);

/// How often something took how long, or was how large.
#[derive(Debug)]
pub struct Histogram {
    bounds: &'static [u64],
    /// One for each bound, and one for what is larger; those that `bounds` does not need stay empty.
    buckets: [AtomicU64; TIMES.len() + 1],
    sum: AtomicU64,
}

impl Histogram {
    fn new(bounds: &'static [u64]) -> Self {
        Self { bounds, buckets: Default::default(), sum: AtomicU64::new(0) }
    }

    /// Counts one size.
    pub fn size(&self, value: u64) {
        let bucket = self.bounds.partition_point(|bound| *bound < value);
        self.buckets[bucket].fetch_add(1, Ordering::Relaxed);
        self.sum.fetch_add(value, Ordering::Relaxed);
    }

    /// Counts one time.
    pub fn time(&self, took: Duration) {
        self.size(u64::try_from(took.as_micros()).unwrap_or(u64::MAX / 2));
    }

    /// Each bound with how many were at most as large, and how many there were.
    pub fn buckets(&self) -> (Vec<(u64, u64)>, u64) {
        let mut sum = 0;
        let mut up_to = self.buckets.iter().map(|bucket| {
            sum += bucket.load(Ordering::Relaxed);
            sum
        });
        let bounded = self.bounds.iter().copied().zip(up_to.by_ref()).collect();
        let all = up_to.last().unwrap_or_default();
        (bounded, all)
    }

    /// All together: microseconds, or as the sizes were told.
    pub fn sum(&self) -> u64 {
        self.sum.load(Ordering::Relaxed)
    }
}

/// Of times, as most are.
impl Default for Histogram {
    fn default() -> Self {
        Self::new(&TIMES)
    }
}

/// How often something was how large.
#[derive(Debug)]
pub struct Sizes(pub Histogram);

impl Default for Sizes {
    fn default() -> Self {
        Self(Histogram::new(&SIZES))
    }
}

/// Every code, in the order of its declaration, which is the place of its counter.
pub const CODES: [Code; 12] = [
    Code::Unauthorized,
    Code::Forbidden,
    Code::NotFound,
    Code::Invalid,
    Code::Conflict,
    Code::IdempotencyConflict,
    Code::Reset,
    Code::TooLarge,
    Code::RateLimited,
    Code::Unavailable,
    Code::UnknownType,
    Code::Internal,
];
const _: () = {
    let mut at = 0;
    while at < CODES.len() {
        assert!(CODES[at] as usize == at);
        at += 1;
    }
    // The last one of the declaration: that none is missing.
    assert!(Code::Internal as usize + 1 == CODES.len());
};

/// Refusals by their code.
#[derive(Debug, Default)]
pub struct Refusals([Counter; CODES.len()]);

impl Refusals {
    /// One more.
    pub fn inc(&self, code: Code) {
        self.0[code as usize].inc();
    }

    /// How many of each.
    pub fn each(&self) -> impl Iterator<Item = (Code, u64)> + '_ {
        CODES.into_iter().zip(self.0.iter().map(Counter::get))
    }
}

/// What became of the looks at one kind of entries of the cache.
#[derive(Debug, Default)]
#[expect(missing_docs, reason = "docs/metrics.md says what each means")]
pub struct CacheCounts {
    pub hits: Counter,
    pub misses: Counter,
    pub errors: Counter,
    pub passed: Counter,
}

/// Every number that is counted as it happens. The fields are the series of docs/metrics.md, a label's value each.
#[derive(Debug, Default)]
#[expect(missing_docs, reason = "docs/metrics.md says what each means, and a test keeps it complete")]
pub struct Metrics {
    pub doorbells_published: Counter,
    pub doorbells_dropped_full: Counter,
    pub doorbells_dropped_broker: Counter,
    pub doorbells_heard: Counter,
    pub doorbells_missed: Counter,
    pub doorbells_unsealed: Counter,
    pub bus_gaps_number: Counter,
    pub bus_gaps_newcomer: Counter,
    pub bus_gaps_broker: Counter,
    pub publish: Histogram,
    pub delivery: Histogram,

    pub submitted: Counter,
    pub submitted_unknown: Counter,
    pub submit: Histogram,
    pub worker_retries: Counter,
    pub dead_letters: Counter,

    pub commit: Histogram,
    pub commit_batch: Sizes,
    pub commits_refused: Counter,
    pub commits_unknown: Counter,
    pub duplicates: Counter,

    pub acks_stored: Counter,
    pub acks_duplicate: Counter,
    pub ack: Histogram,
    pub refused_socket: Refusals,
    pub refused_http: Refusals,
    pub limited_frames: Counter,
    pub limited_sign_ins: Counter,

    pub cache_session: CacheCounts,
    pub cache_member: CacheCounts,

    pub slow_queue: Counter,
    pub slow_stalled: Counter,
    pub gap_fills_doorbell: Counter,
    pub gap_fills_watch: Counter,
    pub gap_fills_client: Counter,
    pub rooms_resynced: Counter,
    pub resets: Counter,
    pub hellos_fresh: Counter,
    pub hellos_current: Counter,
    pub hellos_behind: Counter,
    pub hellos_reset: Counter,

    pub handshakes_accepted: Counter,
    pub handshakes_malformed: Counter,
    pub handshakes_pace: Counter,
    pub handshakes_identity: Counter,
    pub handshakes_person: Counter,
    pub handshakes_full: Counter,
    pub handshakes_waiting: Gauge,
}

impl Metrics {
    /// Somebody was told that what they asked for is stored.
    pub(crate) fn acked(&self, duplicate: bool) {
        if duplicate { &self.acks_duplicate } else { &self.acks_stored }.inc();
    }

    /// A new message's sender was told: from its arrival here, whose time it bears in whole milliseconds.
    pub(crate) fn acked_after(&self, sent_at: Timestamp) {
        let took = now().millis().saturating_sub(sent_at.millis());
        self.ack.time(Duration::from_millis(u64::try_from(took).unwrap_or(0)));
    }

    /// A frame for one socket.
    pub(crate) fn told(&self, frame: &ServerFrame) {
        match frame {
            ServerFrame::Ack { duplicate, .. } => self.acked(*duplicate),
            ServerFrame::Refused(refusal) => self.refused_socket.inc(refusal.code),
            ServerFrame::Reset { .. } => self.resets.inc(),
            _ => {}
        }
    }

    /// Heard from another node, which published it at `at` by its own clock, in microseconds; 0 where it does not say.
    pub(crate) fn heard(&self, at: u64) {
        self.doorbells_heard.inc();
        if at > 0 {
            self.delivery.size(micros().saturating_sub(at));
        }
    }
}

/// What stands in a bounded queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Depth {
    /// Which queue.
    pub queue: &'static str,
    /// How much is in it.
    pub waiting: usize,
    /// How much may be.
    pub room: usize,
}

impl Depth {
    pub(crate) fn of<T>(queue: &'static str, sender: &tokio::sync::mpsc::Sender<T>) -> Self {
        let room = sender.max_capacity();
        Self { queue, waiting: room.saturating_sub(sender.capacity()), room }
    }
}

/// What is looked up when somebody asks.
#[derive(Clone, Debug)]
pub struct Levels {
    /// People with a socket here.
    pub users: usize,
    /// Sockets here.
    pub sockets: usize,
    /// The queues this node has.
    pub queues: Vec<Depth>,
    /// Sign-ins that wait for a core to hash on.
    pub hashes_waiting: usize,
    /// Actions refused because one person did too many, by action.
    pub limited: Vec<(&'static str, u64)>,
    /// What the node depends on, and whether it answers.
    pub up: Vec<(&'static str, bool)>,
    /// Submissions that wait for a worker; none where nobody knows, or nothing is queued.
    pub backlog: Option<u64>,
}

/// What others are asked for is asked for this often at most, however often somebody looks.
const POLL: Duration = Duration::from_secs(5);
/// What has not answered after this long does not answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// What the database and the broker said last.
#[derive(Default)]
pub(crate) struct Polled(Mutex<Option<(Instant, bool, Option<u64>)>>);

impl Chat {
    /// Everything that is counted here.
    pub fn metrics(&self) -> &Metrics {
        &self.inner.metrics
    }

    /// Everything that is looked up. It takes as long as the database and the broker, two seconds at most.
    pub async fn levels(&self) -> Levels {
        let inner = &*self.inner;
        let (store, backlog) = self.polled().await;
        let mut queues: Vec<_> = inner.writer.depth().into_iter().chain(inner.bus.depths()).collect();
        let mut up = vec![("store", store), ("bus", inner.bus.is_up())];
        if let Ingest::Queued(queue) = &inner.ingest {
            queues.extend(queue.depth());
            up.push(("queue", queue.is_up()));
        }
        Levels {
            users: inner.hub.users(),
            sockets: inner.hub.count(),
            queues,
            hashes_waiting: inner.passwords.waiting(),
            limited: inner.rates.refused().into(),
            up,
            backlog,
        }
    }

    async fn polled(&self) -> (bool, Option<u64>) {
        let mut polled = self.inner.polled.0.lock().await;
        if let Some((at, store, backlog)) = *polled
            && at.elapsed() < POLL
        {
            return (store, backlog);
        }
        let store = timeout(PATIENCE, self.inner.stores.database.check());
        let backlog = async {
            let Ingest::Queued(queue) = &self.inner.ingest else { return None };
            timeout(PATIENCE, queue.backlog()).await.ok()?.ok()
        };
        let (store, backlog) = tokio::join!(store, backlog);
        let store = matches!(store, Ok(Ok(())));
        *polled = Some((Instant::now(), store, backlog));
        (store, backlog)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_falls_into_the_first_bucket_that_holds_it() {
        let sizes = Histogram::new(&SIZES);
        for size in [1, 2, 3, 128, 129] {
            sizes.size(size);
        }
        let expected = [(1, 1), (2, 2), (4, 3), (8, 3), (16, 3), (32, 3), (64, 3), (128, 4)];
        assert_eq!(sizes.buckets(), (expected.into(), 5));
        assert_eq!(sizes.sum(), 263);
        let times = Histogram::new(&TIMES);
        times.time(Duration::from_secs(3600));
        let (bounded, all) = times.buckets();
        assert_eq!((bounded.last(), all), (Some(&(10_000_000, 0)), 1));
    }

    #[test]
    fn who_is_within_is_counted_until_they_leave() {
        let gauge = Gauge::default();
        let (one, other) = (gauge.enter(), gauge.enter());
        assert_eq!(gauge.get(), 2);
        drop(one);
        assert_eq!(gauge.get(), 1);
        drop(other);
        assert_eq!(gauge.get(), 0);
    }
}
