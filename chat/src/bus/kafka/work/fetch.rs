//! The thread that is the worker in its group: fetches, commits, and gives lines up.
//!
//! It never stops polling for long, whatever the worker does: while the worker's hands are full it pauses the lines.

use super::Shared;
use crate::bus::intake::LEASE;
use crate::bus::kafka::HOLD;
use crate::bus::kafka::client::said;
use crate::bus::kafka::topics::{Pauses, Topic, ensure};
use crate::bus::kafka::work::trim;
use crate::bus::wire::WireError;
use bytes::Bytes;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::base_consumer::BaseConsumer;
use rdkafka::consumer::{Consumer, ConsumerContext, RebalanceProtocol};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::statistics::Statistics;
use rdkafka::types::RDKafkaRespErr;
use rdkafka::{Message, Offset, TopicPartitionList};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// One wait for something to come, where the worker has nothing.
const TICK: Duration = Duration::from_millis(100);
/// The same while it has: what it has done is committed, and a line given up, after so long.
const BUSY_TICK: Duration = Duration::from_millis(10);
/// How long it waits for the worker before it pauses the lines, which makes the client fetch again what it had.
const FULL: Duration = Duration::from_millis(250);
/// Fetched at once before the worker is told.
const BATCH: usize = 256;
/// How often the thread looks whether a line stands still, and it begins anew where one does at two looks: the client leaves a
/// line alone for good where asking for its place failed at the wrong moment, such as a broker's hanging amid a rebalance.
pub(super) const LOOK: Duration = Duration::from_secs(5);
/// How often the client commits what was given to it to be committed.
const COMMIT_MS: &str = "100";
/// How often what is done and old is deleted, and how soon after the start.
const TRIM: Duration = Duration::from_secs(600);
const FIRST_TRIM: Duration = Duration::from_secs(60);

/// What the client calls back, on the thread itself while it polls.
struct Calls {
    shared: Arc<Shared>,
    /// Lines that others are to get, and that the worker still has something of.
    leaving: Mutex<Vec<i32>>,
    /// It goes: lines are given up at once, or it would wait for that for ever.
    closing: AtomicBool,
    /// What the client refused: it and [`Lines`](crate::bus::kafka::lines::Lines) may not hold the same lines.
    refused: Mutex<Option<KafkaError>>,
}

impl Calls {
    fn leaving(&self) -> MutexGuard<'_, Vec<i32>> {
        self.leaving.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, answer: KafkaResult<()>) {
        if let Err(error) = answer {
            *self.refused.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
        }
    }

    fn take_refused(&self) -> Option<KafkaError> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl ClientContext for Calls {
    fn log(&self, _: RDKafkaLogLevel, _: &str, _: &str) {}

    fn stats(&self, _: Statistics) {}

    fn error(&self, error: KafkaError, _: &str) {
        self.shared.health.told(&error);
    }
}

impl ConsumerContext for Calls {
    fn rebalance(&self, consumer: &BaseConsumer<Self>, err: RDKafkaRespErr, list: &mut TopicPartitionList) {
        let partitions: Vec<i32> = list.elements().iter().map(|line| line.partition()).collect();
        let mut lines = self.shared.lines();
        // The client stops all lines from before this call until it is answered.
        lines.excuse_all();
        if err == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS {
            partitions.iter().for_each(|line| lines.begin(number(*line)));
            drop(lines);
            // A line that went while it was paused is still paused when it comes back. One that never was here is not known.
            let _ = consumer.resume(list);
            self.note(match consumer.rebalance_protocol() {
                RebalanceProtocol::Cooperative => consumer.incremental_assign(list),
                _ => consumer.assign(list),
            });
            return;
        }
        let closing = self.closing.load(Ordering::Relaxed) || self.shared.stop.is_asked();
        if closing || consumer.assignment_lost() {
            partitions.iter().for_each(|line| lines.end(number(*line)));
            drop(lines);
            // Given up once: when it comes back it is not to go.
            self.leaving().retain(|line| !partitions.contains(line));
            give_up(consumer, list);
        } else {
            partitions.iter().for_each(|line| lines.leave(number(*line)));
            self.leaving().extend(partitions);
        }
    }
}

fn number(line: i32) -> u16 {
    u16::try_from(line).unwrap_or(u16::MAX)
}

fn give_up(consumer: &BaseConsumer<Calls>, list: &TopicPartitionList) {
    consumer.context().note(match consumer.rebalance_protocol() {
        RebalanceProtocol::Cooperative => consumer.incremental_unassign(list),
        _ => consumer.unassign(),
    });
}

pub(super) struct Fetcher {
    shared: Arc<Shared>,
    topic: String,
    paused: bool,
    full_since: Option<Instant>,
    look_at: Instant,
    /// The last error that was logged, until it works again.
    told: String,
    trim_at: Instant,
}

impl Fetcher {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        let topic = shared.broker.submitted();
        let now = Instant::now();
        Self {
            shared,
            topic,
            paused: false,
            full_since: None,
            look_at: now + LOOK,
            told: String::new(),
            trim_at: now + FIRST_TRIM,
        }
    }

    pub(super) fn run(mut self) {
        let mut pauses = Pauses::default();
        while !self.shared.stop.is_asked() {
            match self.work(&mut pauses) {
                Ok(()) => break,
                Err(WireError(error)) if error != self.told => {
                    tracing::warn!(%error, "does not work, begins anew");
                    self.told = error;
                }
                Err(_) => {}
            }
            self.shared.lines().end_all();
            self.shared.stop.pause(pauses.next());
        }
        self.shared.lines().end_all();
        self.shared.arrived.notify_one();
    }

    /// Works until it is asked to stop. An error is one that the client does not get over by itself.
    fn work(&mut self, pauses: &mut Pauses) -> Result<(), WireError> {
        let broker = &self.shared.broker;
        ensure(broker, &self.shared.health, &[Topic::submitted(broker), Topic::dead(broker)])?;
        let consumer = self.join().map_err(|error| said(&error))?;
        *pauses = Pauses::default();
        (self.paused, self.full_since) = (false, None);
        self.look_at = Instant::now() + LOOK;
        self.told.clear();
        let worked = self.go_on(&consumer);
        self.stop(&consumer);
        worked
    }

    fn go_on(&mut self, consumer: &BaseConsumer<Calls>) -> Result<(), WireError> {
        while !self.shared.stop.is_asked() {
            self.commit(consumer);
            self.hand_over(consumer);
            if self.make_room(consumer) {
                self.fetch(consumer).map_err(|error| said(&error))?;
            }
            if let Some(error) = consumer.context().take_refused() {
                return Err(said(&error));
            }
            self.look_after(consumer)?;
        }
        Ok(())
    }

    fn join(&self) -> Result<BaseConsumer<Calls>, KafkaError> {
        let mut config = self.shared.broker.config.clone();
        config.set("client.id", &self.shared.worker).set("group.id", &self.shared.broker.group);
        // It commits what it is told is done, and nothing by itself: now and then, and before a line is given up. (A commit
        // asked for without waiting would never be answered.)
        config.set("enable.auto.offset.store", "false");
        config.set("enable.auto.commit", "true").set("auto.commit.interval.ms", COMMIT_MS);
        config.set("auto.offset.reset", "earliest");
        config.set("partition.assignment.strategy", "cooperative-sticky");
        config.set("session.timeout.ms", LEASE.as_millis().to_string());
        config.set("heartbeat.interval.ms", "1000");
        config.set("max.poll.interval.ms", HOLD.as_millis().to_string());
        config.set("fetch.wait.max.ms", "100").set("fetch.error.backoff.ms", "100");
        // What is fetched beside what the worker holds; when that is full it stops fetching, and looks again soon.
        config.set("queued.max.messages.kbytes", "8192").set("queued.min.messages", "4096");
        config.set("fetch.queue.backoff.ms", "10");
        let calls = Calls {
            shared: Arc::clone(&self.shared),
            leaving: Mutex::default(),
            closing: AtomicBool::new(false),
            refused: Mutex::default(),
        };
        let consumer: BaseConsumer<_> = config.create_with_context(calls)?;
        consumer.subscribe(&[&self.topic])?;
        Ok(consumer)
    }

    fn list(&self, lines: impl IntoIterator<Item = (i32, Offset)>) -> TopicPartitionList {
        let mut list = TopicPartitionList::new();
        for (line, offset) in lines {
            // Only an offset that cannot be written down is refused.
            let _ = list.add_partition_offset(&self.topic, line, offset);
        }
        list
    }

    /// Gives up lines that are to go, once what the worker has of them is done, or once they are gone anyhow.
    fn hand_over(&self, consumer: &BaseConsumer<Calls>) {
        let mut leaving = consumer.context().leaving();
        if leaving.is_empty() {
            return;
        }
        let mut lines = self.shared.lines();
        if !consumer.assignment_lost() && !leaving.iter().all(|line| lines.is_free(number(*line))) {
            return;
        }
        let going = std::mem::take(&mut *leaving);
        let done = lines.news();
        lines.excuse_all();
        going.iter().for_each(|line| lines.end(number(*line)));
        drop((lines, leaving));
        self.store(consumer, done);
        give_up(consumer, &self.list(going.into_iter().map(|line| (line, Offset::Invalid))));
    }

    /// Tells the client what is done.
    fn commit(&self, consumer: &BaseConsumer<Calls>) {
        let done = self.shared.lines().news();
        self.store(consumer, done);
    }

    fn store(&self, consumer: &BaseConsumer<Calls>, done: Vec<(u16, u64)>) {
        if done.is_empty() {
            return;
        }
        let offset = |done| Offset::Offset(i64::try_from(done).unwrap_or(i64::MAX));
        // It takes none for a line that is not this worker's any more: that is another's to commit.
        let _ =
            consumer.store_offsets(&self.list(done.iter().map(|(l, done)| (i32::from(*l), offset(*done)))));
    }

    /// Whether to poll now: yes, except for a moment while the worker's hands are full.
    fn make_room(&mut self, consumer: &BaseConsumer<Calls>) -> bool {
        let lines = self.shared.lines();
        if self.paused {
            if lines.is_half_empty() {
                drop(lines);
                self.paused = self.set_paused(consumer, false).is_err();
            }
            return true;
        }
        if !lines.is_full() {
            self.full_since = None;
            return true;
        }
        let since = *self.full_since.get_or_insert_with(Instant::now);
        if since.elapsed() < FULL {
            let _ = self.shared.room.wait_timeout(lines, BUSY_TICK);
            return false;
        }
        drop(lines);
        self.full_since = None;
        self.paused = self.set_paused(consumer, true).is_ok();
        true
    }

    fn set_paused(&self, consumer: &BaseConsumer<Calls>, paused: bool) -> KafkaResult<()> {
        self.shared.lines().excuse_all();
        let assignment = consumer.assignment()?;
        if paused { consumer.pause(&assignment) } else { consumer.resume(&assignment) }
    }

    fn fetch(&mut self, consumer: &BaseConsumer<Calls>) -> Result<(), KafkaError> {
        let mut wait = if self.shared.lines().is_empty() { TICK } else { BUSY_TICK };
        let mut fetched: Vec<(i32, u64, Bytes)> = Vec::new();
        while fetched.len() < BATCH {
            match consumer.poll(wait) {
                Some(Ok(record)) => {
                    let sealed = Bytes::copy_from_slice(record.payload().unwrap_or_default());
                    fetched.push((record.partition(), u64::try_from(record.offset()).unwrap_or(0), sealed));
                }
                Some(Err(error)) if is_final(&error) => return Err(error),
                // Whether it concerns a line, and which, is not said: a look will tell.
                Some(Err(error)) => tracing::debug!(error = %said(&error), "the client is in trouble"),
                None => break,
            }
            wait = Duration::ZERO;
        }
        if fetched.is_empty() {
            return Ok(());
        }
        self.shared.health.answered();
        let mut lines = self.shared.lines();
        for (line, offset, sealed) in fetched {
            lines.push(number(line), offset, sealed);
        }
        drop(lines);
        self.shared.arrived.notify_one();
        // Lines that came while the others were paused are to pause as well.
        if self.paused {
            self.paused = self.set_paused(consumer, true).is_ok();
        }
        Ok(())
    }

    /// Now and then: whether a line stands still, and what can be deleted.
    fn look_after(&mut self, consumer: &BaseConsumer<Calls>) -> Result<(), WireError> {
        if Instant::now() >= self.look_at {
            self.look(consumer)?;
            self.look_at = Instant::now() + LOOK;
        }
        if Instant::now() >= self.trim_at {
            self.trim_at = Instant::now() + TRIM;
            if let Err(error) = trim::trim(consumer, &self.shared.broker) {
                tracing::debug!(error = %said(&error), "what is done stays for now");
            }
        }
        Ok(())
    }

    /// Each line by itself, because the others may go on. While they are paused, or one is to go, nothing is to come of any.
    fn look(&self, consumer: &BaseConsumer<Calls>) -> Result<(), WireError> {
        let idle = self.shared.lines().idle();
        if self.paused || idle.is_empty() || !consumer.context().leaving().is_empty() {
            return Ok(());
        }
        // Where the broker does not answer there is nothing to be compared.
        let Ok(astray) = trim::astray(consumer, &self.topic, &idle) else { return Ok(()) };
        let mut lines = self.shared.lines();
        let still: Vec<_> = idle
            .iter()
            .map(|(line, _)| *line)
            .filter(|line| lines.looked(*line, astray.contains(line)))
            .collect();
        drop(lines);
        if still.is_empty() {
            return Ok(());
        }
        Err(WireError(format!("lines stand still, and are not where the broker's end: {still:?}")))
    }

    /// Lines that were leaving are given up here, or the client would wait for that; the others it gives up as it goes. It
    /// commits what is done, and waits for that, before.
    fn stop(&self, consumer: &BaseConsumer<Calls>) {
        self.commit(consumer);
        let calls = consumer.context();
        calls.closing.store(true, Ordering::Relaxed);
        let leaving = std::mem::take(&mut *calls.leaving());
        if !leaving.is_empty() {
            give_up(consumer, &self.list(leaving.into_iter().map(|line| (line, Offset::Invalid))));
        }
    }
}

/// Whether the client will not go on by itself.
fn is_final(error: &KafkaError) -> bool {
    use RDKafkaErrorCode::{UnknownTopic, UnknownTopicOrPartition};
    let code = error.rdkafka_error_code();
    matches!(error, KafkaError::MessageConsumptionFatal(_))
        || code.is_some_and(|code| [UnknownTopic, UnknownTopicOrPartition].contains(&code))
}
