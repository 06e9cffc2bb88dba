//! What is submitted in the tests of an intake, and the workers that get it.

use super::super::intake::{Delivery, Intake, PARTITIONS, Submission, Work, partition};
use super::*;
use bytes::Bytes;
use protocol::ConversationId;
use std::collections::BTreeMap;
use std::ops::{Range, RangeInclusive};
use std::sync::{Arc, Mutex};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// What is submitted: the number of it in its conversation.
pub(super) type Entry = (ConversationId, u64);

/// So many conversations, as many in each line.
pub(super) fn keys(count: usize) -> Vec<ConversationId> {
    let lines = (0..PARTITIONS).cycle().take(count);
    let on =
        |line| std::iter::repeat_with(ConversationId::generate).find(|key| partition(*key) == line).unwrap();
    lines.map(on).collect()
}

/// These numbers of each of them, taking turns.
pub(super) fn batch(keys: &[ConversationId], numbers: Range<u64>) -> Vec<Entry> {
    numbers.flat_map(|number| keys.iter().map(move |key| (*key, number))).collect()
}

pub(super) fn sealed((key, number): Entry, filler: usize) -> Bytes {
    let mut sealed = key.as_bytes().to_vec();
    sealed.extend(number.to_be_bytes());
    sealed.resize(24 + filler, 0xa5);
    Bytes::from(sealed)
}

pub(super) fn opened(delivery: &Delivery) -> Entry {
    let key = ConversationId::from_uuid(Uuid::from_slice(&delivery.sealed[..16]).unwrap());
    assert_eq!(delivery.partition, partition(key), "came in a line that is not its own");
    (key, u64::from_be_bytes(delivery.sealed[16..24].try_into().unwrap()))
}

/// Whether the broker said of each that it keeps it.
pub(super) async fn submit(intake: &dyn Intake, entries: &[Entry]) -> Vec<bool> {
    submit_with(intake, entries, 0).await
}

pub(super) async fn submit_with(intake: &dyn Intake, entries: &[Entry], filler: usize) -> Vec<bool> {
    let submission = |entry: &Entry| Submission { key: entry.0, sealed: sealed(*entry, filler) };
    let batch = entries.iter().map(submission).collect();
    let answers = answered("a submission is answered", intake.submit(batch)).await;
    assert_eq!(answers.len(), entries.len(), "an answer for each");
    answers.iter().map(Result::is_ok).collect()
}

/// Submits again and again until the broker keeps all of it.
pub(super) async fn submitted_until(longest: Duration, intake: &dyn Intake, entries: &[Entry]) {
    until(longest, "the broker keeps what is submitted", async || {
        submit(intake, entries).await.iter().all(|kept| *kept)
    })
    .await;
}

/// Submits to a broker that is well.
pub(super) async fn submitted(intake: &dyn Intake, entries: &[Entry]) {
    for batch in entries.chunks(128) {
        assert!(submit(intake, batch).await.iter().all(|kept| *kept), "a broker that is well keeps it");
    }
}

/// Each conversation's numbers, in order.
fn by_key(entries: &[Entry]) -> BTreeMap<ConversationId, Vec<u64>> {
    let mut numbers = BTreeMap::<_, Vec<_>>::new();
    entries.iter().for_each(|(key, number)| numbers.entry(*key).or_default().push(*number));
    numbers
}

/// All of these came, each once, in the order of its conversation.
pub(super) fn exactly(came: &[Entry], wanted: &[Entry]) {
    let (mut came, wanted) = (by_key(came), by_key(wanted));
    for (key, wanted) in wanted {
        let numbers = came.remove(&key).unwrap_or_default();
        let (came, wanted, line) = (runs(&numbers), runs(&wanted), partition(key));
        assert_eq!(came, wanted, "in a conversation of line {line}, what came is not what should have come");
    }
    assert!(came.is_empty(), "in conversations where nothing should have come: {came:?}");
}

/// Shorter to read: each run of numbers that follow each other.
pub(super) fn runs(numbers: &[u64]) -> Vec<RangeInclusive<u64>> {
    let runs = numbers.chunk_by(|one, next| one + 1 == *next);
    runs.map(|run| run[0]..=run[run.len() - 1]).collect()
}

/// Submissions that go on while workers come and go.
pub(super) struct Stream<'a> {
    pub(super) intake: &'a dyn Intake,
    pub(super) keys: &'a [ConversationId],
    pub(super) log: &'a Log,
    /// The number that comes next in each conversation.
    pub(super) next: u64,
}

impl Stream<'_> {
    /// Submits so many numbers in each conversation.
    pub(super) async fn more(&mut self, numbers: u64) {
        submitted(self.intake, &batch(self.keys, self.next..self.next + numbers)).await;
        self.next += numbers;
    }

    /// Submits for as long as a worker needs to get something, and keeps only some before the workers.
    pub(super) async fn reaches(&mut self, longest: Duration, worker: &str) {
        until(longest, &format!("worker {worker} gets some"), async || {
            if self.all().len() < self.log.took(None).len() + 200 {
                self.more(1).await;
            }
            !self.log.took(Some(worker)).is_empty()
        })
        .await;
    }

    /// What was submitted.
    pub(super) fn all(&self) -> Vec<Entry> {
        batch(self.keys, 0..self.next)
    }

    /// Waits for the workers: all came, once, in order, and no line was with two of them.
    pub(super) async fn is_worked_off(&self) {
        let all = self.all();
        until(SOON * 2, "all comes that was submitted", async || self.log.took(None).len() >= all.len())
            .await;
        exactly(&self.log.took(None), &all);
        self.log.was_one_at_a_time();
    }
}

#[derive(Clone, Copy)]
pub(super) enum Step {
    Took,
    /// It is about to report it as done, or to go.
    LetGo,
}

#[derive(Default)]
struct Written {
    /// What the workers did, in order.
    steps: Vec<(Step, &'static str, Entry)>,
    /// How often the broker did not take what was done.
    refused: usize,
}

/// What all workers of a test write down.
#[derive(Clone, Default)]
pub(super) struct Log(Arc<Mutex<Written>>);

impl Log {
    pub(super) fn write(&self, step: Step, worker: &'static str, deliveries: &[Delivery]) {
        let entries = deliveries.iter().map(|delivery| (step, worker, opened(delivery)));
        self.0.lock().unwrap().steps.extend(entries);
    }

    pub(super) fn took(&self, by: Option<&str>) -> Vec<Entry> {
        let log = self.0.lock().unwrap();
        let took = log.steps.iter().filter(|(step, ..)| matches!(step, Step::Took));
        took.filter(|(_, worker, _)| by.is_none_or(|by| by == *worker)).map(|(.., entry)| *entry).collect()
    }

    pub(super) fn numbers(&self, key: ConversationId) -> Vec<u64> {
        self.took(None).iter().filter(|entry| entry.0 == key).map(|entry| entry.1).collect()
    }

    /// No line was with two workers at once, and whatever was reported as done was taken so.
    pub(super) fn was_one_at_a_time(&self) {
        let log = self.0.lock().unwrap();
        assert_eq!(log.refused, 0, "a broker that is well takes what is done");
        let mut held = BTreeMap::<u16, BTreeMap<Entry, &str>>::new();
        for (step, worker, entry) in &log.steps {
            let line = held.entry(partition(entry.0)).or_default();
            match step {
                Step::Took => {
                    assert!(line.values().all(|by| by == worker), "a line is with two workers");
                    assert!(line.insert(*entry, worker).is_none(), "{entry:?} came twice");
                }
                Step::LetGo => assert_eq!(line.remove(entry), Some(*worker)),
            }
        }
    }
}

/// A worker that goes on by itself.
pub(super) struct Running {
    stop: CancellationToken,
    task: JoinHandle<Box<dyn Work>>,
}

impl Running {
    pub(super) fn start(name: &'static str, mut work: Box<dyn Work>, log: &Log) -> Self {
        let (stop, log) = (CancellationToken::new(), log.clone());
        let task = tokio::spawn({
            let stop = stop.clone();
            async move {
                while let Some(got) = stop.run_until_cancelled(work.next(32)).await {
                    assert!(!got.is_empty(), "nobody closed it");
                    log.write(Step::Took, name, &got);
                    // A store takes its time too.
                    tokio::time::sleep(Duration::from_millis(2)).await;
                    log.write(Step::LetGo, name, &got);
                    if answered("done is answered", work.done(&got)).await.is_err() {
                        log.0.lock().unwrap().refused += 1;
                    }
                }
                work
            }
        });
        Self { stop, task }
    }

    /// Stops cleanly.
    pub(super) async fn stop(self) {
        self.stop.cancel();
        let mut work = within(SOON, "the worker stops", self.task).await.unwrap();
        within(SOON, "a worker is closed", work.close()).await;
    }
}
