//! The topic `submitted`, from the side that submits.

use super::client::{Health, Outgoing, Sender, Stop, said};
use super::dead;
use super::settings::Broker;
use super::topics::{Pauses, Topic, ensure};
use super::work::trim::marks;
use crate::bus::intake::{DeadLetter, Intake, Submission, partition};
use crate::bus::wire::{PATIENCE, WireError};
use async_trait::async_trait;
use rdkafka::consumer::BaseConsumer;
use rdkafka::error::KafkaError;
use std::sync::Arc;
use std::thread;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

/// How often a broker that was away is asked whether it is back.
const PROBE: Duration = Duration::from_millis(500);

pub(super) struct KafkaIntake {
    broker: Broker,
    sender: Arc<Sender>,
    health: Health,
    stop: Arc<Stop>,
    /// Partitions of the topic, once the broker said: they choose a key's line, so nothing is submitted before.
    partitions: watch::Receiver<Option<i32>>,
}

pub(super) async fn open(broker: Broker) -> Result<KafkaIntake, String> {
    let health = Health::default();
    let stop = Arc::new(Stop::default());
    let sender = Arc::new(Sender::new(&broker.config, broker.submitted(), true, health.clone())?);
    let (known, partitions) = watch::channel(None);
    let keeper = (broker.clone(), Arc::clone(&sender), health.clone(), Arc::clone(&stop));
    thread::Builder::new()
        .name("kafka-keeps".to_owned())
        .spawn(move || {
            let (broker, sender, health, stop) = keeper;
            keep(&broker, &sender, &health, &stop, &known);
        })
        .map_err(|error| format!("needs a thread: {error}"))?;
    let mut first = partitions.clone();
    let _ = timeout(PATIENCE, first.wait_for(Option::is_some)).await;
    Ok(KafkaIntake { broker, sender, health, stop, partitions })
}

/// Makes the topics, then asks a broker that was away whether it is back.
fn keep(broker: &Broker, sender: &Sender, health: &Health, stop: &Stop, known: &watch::Sender<Option<i32>>) {
    let mut pauses = Pauses::default();
    let mut told = String::new();
    let partitions = loop {
        match ensure(broker, health, &[Topic::submitted(broker), Topic::dead(broker)]) {
            Ok(counts) => break counts.first().copied(),
            Err(WireError(error)) if error != told => {
                tracing::warn!(%error, "nothing can be submitted yet");
                told = error;
            }
            Err(_) => {}
        }
        if stop.pause(pauses.next()) {
            return;
        }
    };
    known.send_replace(partitions);
    while !stop.pause(PROBE) {
        if !health.is_up() {
            sender.probe();
        }
    }
}

impl KafkaIntake {
    /// Runs something that waits for the broker.
    async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Broker) -> Result<T, WireError> + Send + 'static,
    ) -> Result<T, WireError> {
        let broker = self.broker.clone();
        spawn_blocking(move || question(&broker))
            .await
            .unwrap_or_else(|_| Err(WireError("the question was given up".to_owned())))
    }
}

#[async_trait]
impl Intake for KafkaIntake {
    async fn submit(&self, batch: Vec<Submission>) -> Vec<Result<(), WireError>> {
        let mut known = self.partitions.clone();
        let Ok(Ok(count)) = timeout(PATIENCE, known.wait_for(Option::is_some)).await.map(|k| k.map(|k| *k))
        else {
            let away = || Err(WireError("the topic is not known yet".to_owned()));
            return batch.iter().map(|_| away()).collect();
        };
        let count = count.unwrap_or(1);
        let records = batch.iter().map(|submission| Outgoing {
            partition: i32::from(partition(submission.key)) % count,
            key: submission.key.as_bytes(),
            payload: &submission.sealed,
            headers: None,
        });
        self.sender.send(records).await
    }

    fn is_up(&self) -> bool {
        self.health.is_up()
    }

    async fn backlog(&self) -> Result<u64, WireError> {
        let count = *self.partitions.borrow();
        let count = count.ok_or_else(|| WireError("the topic is not known yet".to_owned()))?;
        self.ask(move |broker| waiting(broker, count).map_err(|error| said(&error))).await
    }

    async fn dead(&self, most: usize) -> Result<Vec<DeadLetter>, WireError> {
        self.ask(move |broker| dead::read(broker, most)).await
    }

    async fn forget(&self, letter: &DeadLetter) -> Result<(), WireError> {
        let id = letter.id.clone();
        self.ask(move |broker| dead::forget(broker, &id)).await
    }

    async fn close(&self) {
        self.stop.ask();
        self.sender.close();
    }
}

impl Drop for KafkaIntake {
    fn drop(&mut self) {
        self.stop.ask();
    }
}

/// What the group of the workers has not committed yet, over all lines.
fn waiting(broker: &Broker, count: i32) -> Result<u64, KafkaError> {
    let consumer = onlooker(broker, &broker.group)?;
    let lines: Vec<_> = (0..count).collect();
    let marks = marks(&consumer, &broker.submitted(), &lines)?;
    Ok(marks.iter().map(|mark| u64::try_from(mark.end - mark.done).unwrap_or(0)).sum())
}

/// A consumer in the name of a group, but not of it: it asks for offsets, or commits where nobody else does. It lives only as
/// long as the question, because nobody polls it.
pub(super) fn onlooker(broker: &Broker, group: &str) -> Result<BaseConsumer<Health>, KafkaError> {
    let mut config = broker.config.clone();
    config.set("group.id", group);
    config.set("enable.auto.commit", "false").set("enable.auto.offset.store", "false");
    config.set("auto.offset.reset", "earliest").set("enable.partition.eof", "true");
    config.set("fetch.wait.max.ms", "100");
    config.create_with_context(Health::default())
}
