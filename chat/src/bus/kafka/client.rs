//! What the clients of a broker have in common: how it is, how its errors are told, and sending with reports.

use crate::bus::wire::{PATIENCE, WireError};
use rdkafka::ClientConfig;
use rdkafka::client::ClientContext;
use rdkafka::config::{FromClientConfigAndContext, RDKafkaLogLevel};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::OwnedHeaders;
use rdkafka::producer::{
    BaseRecord, DeliveryResult, Producer, ProducerContext, PurgeConfig, ThreadedProducer,
};
use rdkafka::statistics::Statistics;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock};
use std::thread;
use std::time::{Duration, Instant};
use tokio::sync::Notify;
use tokio::time::timeout;

/// Memory that waits to be sent, in kilobytes and messages; beyond it submissions are refused.
const WAITING_KB: &str = "32768";
const WAITING: &str = "20000";
/// How long the client itself tries, so that little is left of what was told as an error. It looks once a second.
const TRIES_MS: &str = "1500";
/// How long nothing may come of a producer: after a broker that hung, one seems to have stayed deaf while others went on. A broker
/// that is away costs a new producer as often, which is why that is no warning.
const DEAF: Duration = Duration::from_secs(5);

/// An error in the client's words, without settings.
pub(super) fn said(error: &KafkaError) -> WireError {
    match error {
        KafkaError::ClientConfig(_, _, name, _) => WireError(format!("the setting {name} is refused")),
        other => WireError(other.to_string()),
    }
}

/// How a broker was, when last asked or told. Shared by the clients of one link.
#[derive(Clone, Default)]
pub(super) struct Health(Arc<State>);

#[derive(Default)]
struct State {
    up: AtomicBool,
    /// It was away since a hearer last made sure that it listens.
    doubt: AtomicBool,
    /// What it said last, so that it is logged once.
    last: Mutex<Option<RDKafkaErrorCode>>,
}

impl Health {
    pub(super) fn is_up(&self) -> bool {
        self.0.up.load(Ordering::Relaxed)
    }

    pub(super) fn answered(&self) {
        if !self.0.up.swap(true, Ordering::Relaxed) {
            *self.0.last.lock().unwrap_or_else(PoisonError::into_inner) = None;
        }
    }

    pub(super) fn away(&self) {
        self.0.up.store(false, Ordering::Relaxed);
        self.0.doubt.store(true, Ordering::Relaxed);
    }

    /// Whether it was away since this was last asked.
    pub(super) fn take_doubt(&self) -> bool {
        self.0.doubt.load(Ordering::Relaxed) && self.0.doubt.swap(false, Ordering::Relaxed)
    }

    /// What a client says went wrong.
    pub(super) fn told(&self, error: &KafkaError) {
        let Some(code) = error.rdkafka_error_code() else { return };
        if code == RDKafkaErrorCode::AllBrokersDown {
            self.away();
        }
        let mut last = self.0.last.lock().unwrap_or_else(PoisonError::into_inner);
        if *last != Some(code) {
            *last = Some(code);
            tracing::warn!(error = %code, "the broker is in trouble");
        }
    }
}

impl ClientContext for Health {
    fn log(&self, _: RDKafkaLogLevel, _: &str, _: &str) {}

    fn stats(&self, _: Statistics) {}

    fn error(&self, error: KafkaError, _: &str) {
        self.told(&error);
    }
}

/// Asks a thread to end, also out of its pauses.
#[derive(Default)]
pub(super) struct Stop {
    asked: Mutex<bool>,
    bell: Condvar,
}

impl Stop {
    pub(super) fn ask(&self) {
        *self.asked.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.bell.notify_all();
    }

    pub(super) fn is_asked(&self) -> bool {
        *self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits, or until it is asked; says whether it is.
    pub(super) fn pause(&self, pause: Duration) -> bool {
        let asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.bell.wait_timeout_while(asked, pause, |asked| !*asked);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }
}

/// What is to be sent.
pub(super) struct Outgoing<'a> {
    pub(super) partition: i32,
    pub(super) key: &'a [u8],
    pub(super) payload: &'a [u8],
    pub(super) headers: Option<OwnedHeaders>,
}

/// Answers of one batch; each record's report finds its place by number.
struct Batch {
    /// Reports that are still to come, and one for the sender itself.
    left: AtomicUsize,
    answers: Mutex<Vec<Result<(), RDKafkaErrorCode>>>,
    complete: Notify,
}

impl Batch {
    fn answer(&self, place: usize, answer: Result<(), RDKafkaErrorCode>) {
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(there) = answers.get_mut(place) {
            *there = answer;
        }
        drop(answers);
        self.one_less();
    }

    fn one_less(&self) {
        if self.left.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.complete.notify_one();
        }
    }
}

struct Reports(Health);

impl ClientContext for Reports {
    fn log(&self, _: RDKafkaLogLevel, _: &str, _: &str) {}

    fn stats(&self, _: Statistics) {}

    fn error(&self, error: KafkaError, _: &str) {
        self.0.told(&error);
    }
}

impl ProducerContext for Reports {
    type DeliveryOpaque = Box<(Arc<Batch>, usize)>;

    fn delivery(&self, report: &DeliveryResult<'_>, place: Self::DeliveryOpaque) {
        let answer = match report {
            Ok(_) => Ok(()),
            Err((error, _)) => Err(error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Fail)),
        };
        place.0.answer(place.1, answer);
    }
}

/// Sends to one topic and waits for the reports.
pub(super) struct Sender {
    topic: String,
    config: ClientConfig,
    health: Health,
    /// None once closed.
    producer: RwLock<Option<Arc<ThreadedProducer<Reports>>>>,
    /// Since when every batch has failed.
    failing: Mutex<Option<Instant>>,
}

impl Sender {
    /// `durable`: kept by all replicas in sync, once, in order. Otherwise: by the first, in order, perhaps twice.
    pub(super) fn new(
        config: &ClientConfig,
        topic: String,
        durable: bool,
        health: Health,
    ) -> Result<Self, String> {
        let mut config = config.clone();
        config.set("linger.ms", "0");
        config.set("message.timeout.ms", TRIES_MS);
        config.set("retry.backoff.ms", "50");
        config.set("queue.buffering.max.kbytes", WAITING_KB);
        config.set("queue.buffering.max.messages", WAITING);
        if durable {
            config.set("acks", "all").set("enable.idempotence", "true");
        } else {
            config.set("acks", "1").set("max.in.flight.requests.per.connection", "1");
        }
        let sender = Self { topic, config, health, producer: RwLock::default(), failing: Mutex::default() };
        let producer = sender.connect().map_err(|error| said(&error).0)?;
        *sender.producer.write().unwrap_or_else(PoisonError::into_inner) = Some(producer);
        Ok(sender)
    }

    fn connect(&self) -> Result<Arc<ThreadedProducer<Reports>>, KafkaError> {
        ThreadedProducer::from_config_and_context(&self.config, Reports(self.health.clone())).map(Arc::new)
    }

    /// Sends in order and answers for each, within [`PATIENCE`]. What follows something that could not even be queued, in the same
    /// partition, is not sent either.
    pub(super) async fn send<'a>(
        &self,
        records: impl ExactSizeIterator<Item = Outgoing<'a>> + Send,
    ) -> Vec<Result<(), WireError>> {
        let count = records.len();
        let Some(producer) = self.producer.read().unwrap_or_else(PoisonError::into_inner).clone() else {
            return (0..count).map(|_| Err(WireError("it is closed".to_owned()))).collect();
        };
        let batch = Arc::new(Batch {
            left: AtomicUsize::new(count + 1),
            answers: Mutex::new(vec![Err(RDKafkaErrorCode::OperationTimedOut); count]),
            complete: Notify::new(),
        });
        let mut stopped: Vec<(i32, RDKafkaErrorCode)> = Vec::new();
        for (place, outgoing) in records.enumerate() {
            if let Some((_, code)) = stopped.iter().find(|(partition, _)| *partition == outgoing.partition) {
                batch.answer(place, Err(*code));
                continue;
            }
            let partition = outgoing.partition;
            let record = BaseRecord {
                topic: &self.topic,
                partition: Some(partition),
                payload: Some(outgoing.payload),
                key: Some(outgoing.key),
                timestamp: None,
                headers: outgoing.headers,
                delivery_opaque: Box::new((Arc::clone(&batch), place)),
            };
            if let Err((error, _)) = producer.send(record) {
                let code = error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Fail);
                stopped.push((partition, code));
                batch.answer(place, Err(code));
            }
        }
        batch.one_less();
        let complete = timeout(PATIENCE, batch.complete.notified()).await.is_ok();
        let answers = batch.answers.lock().unwrap_or_else(PoisonError::into_inner).clone();
        // What it refuses for what it is says nothing of the broker.
        let refused = |answer: &Result<(), RDKafkaErrorCode>| {
            answer.is_ok() || *answer == Err(RDKafkaErrorCode::MessageSizeTooLarge)
        };
        if !complete || !answers.iter().all(refused) {
            self.health.away();
            self.replace_if_dead(&producer);
        } else {
            self.health.answered();
            *self.failing() = None;
        }
        answers
            .into_iter()
            .map(|answer| answer.map_err(|code| said(&KafkaError::MessageProduction(code))))
            .collect()
    }

    fn failing(&self) -> MutexGuard<'_, Option<Instant>> {
        self.failing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An idempotent producer that lost count says so for ever, and one that is deaf says nothing: another takes its place. What the
    /// old one holds was told as unknown.
    fn replace_if_dead(&self, producer: &Arc<ThreadedProducer<Reports>>) {
        let deaf = self.failing().get_or_insert_with(Instant::now).elapsed() >= DEAF;
        match producer.client().fatal_error() {
            Some((code, _)) => {
                tracing::warn!(error = %code, "the producer cannot go on, another takes its place");
            }
            None if deaf => {
                tracing::debug!(topic = self.topic, "nothing comes of a producer, another takes its place")
            }
            None => return,
        }
        *self.failing() = None;
        let mut place = self.producer.write().unwrap_or_else(PoisonError::into_inner);
        if !place.as_ref().is_some_and(|there| Arc::ptr_eq(there, producer)) {
            return;
        }
        if let Ok(next) = self.connect() {
            let old = place.replace(next);
            thread::spawn(move || {
                if let Some(old) = old {
                    old.purge(PurgeConfig::default().queue().inflight());
                }
            });
        }
    }

    /// Whether the broker answers now; waits for up to half of [`PATIENCE`], so not for an async task.
    pub(super) fn probe(&self) -> bool {
        let producer = self.producer.read().unwrap_or_else(PoisonError::into_inner).clone();
        let answers = producer.is_some_and(|producer| {
            producer.client().fetch_metadata(Some(&self.topic), PATIENCE / 2).is_ok()
        });
        if answers {
            self.health.answered();
        }
        answers
    }

    /// Everything sent was waited for; what is left is the client itself, which takes a moment to go.
    pub(super) fn close(&self) {
        let producer = self.producer.write().unwrap_or_else(PoisonError::into_inner).take();
        if producer.is_some() {
            thread::spawn(move || drop(producer));
        }
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        self.close();
    }
}
