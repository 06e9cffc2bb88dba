//! The topic `stored`: a producer, and a thread that reads it from its end on.

use super::client::{Health, Outgoing, Sender, Stop, said};
use super::settings::Broker;
use super::topics::{Pauses, Topic, ensure};
use crate::bus::wire::{HEARD, Heard, Link, PATIENCE, Parcel, Subject, Wire, WireError};
use async_trait::async_trait;
use bytes::Bytes;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::{Message, Offset, TopicPartitionList};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio::time::timeout;
use uuid::Uuid;

/// How long one wait for a record takes, and with it the end of the thread.
const TICK: Duration = Duration::from_millis(100);
/// After so long without anything heard, the thread looks whether the topic went on without it: clients have got stuck.
const SILENCE: Duration = Duration::from_secs(10);

impl ConsumerContext for Health {}

/// What the link's ends share.
struct KafkaWire {
    sender: Sender,
    health: Health,
    stop: Arc<Stop>,
    /// Closes when the thread ended.
    ended: Mutex<oneshot::Receiver<()>>,
}

pub(super) async fn open(broker: Broker) -> Result<Link, String> {
    let health = Health::default();
    let stop = Arc::new(Stop::default());
    let sender = Sender::new(&broker.config, broker.stored(), false, health.clone())?;
    let (out, heard) = mpsc::channel(HEARD);
    let (ready, listening) = oneshot::channel();
    let (ending, ended) = oneshot::channel();
    let hearer = Hearer { broker, health: health.clone(), out, stop: Arc::clone(&stop), missed: false };
    thread::Builder::new()
        .name("kafka-hears".to_owned())
        .spawn(move || {
            hearer.run(ready);
            drop(ending);
        })
        .map_err(|error| format!("needs a thread: {error}"))?;
    let _ = timeout(PATIENCE, listening).await;
    let wire = KafkaWire { sender, health, stop, ended: Mutex::new(ended) };
    Ok(Link { wire: Box::new(wire), heard })
}

#[async_trait]
impl Wire for KafkaWire {
    async fn send(&self, parcels: Vec<Parcel>) -> Result<(), WireError> {
        let records = parcels.iter().map(|parcel| Outgoing {
            partition: 0,
            key: match &parcel.subject {
                Subject::Direct(id) | Subject::Group(id) => id.as_bytes(),
                Subject::User(id) => id.as_bytes(),
                Subject::Nodes => &[],
            },
            payload: &parcel.sealed,
            headers: None,
        });
        self.sender.send(records).await.into_iter().collect()
    }

    fn is_up(&self) -> bool {
        self.health.is_up()
    }

    async fn close(&self) {
        self.stop.ask();
        // Fails when the thread ends.
        let _ = timeout(PATIENCE, &mut *self.ended.lock().await).await;
        self.sender.close();
    }
}

impl Drop for KafkaWire {
    fn drop(&mut self) {
        self.stop.ask();
    }
}

struct Hearer {
    broker: Broker,
    health: Health,
    out: mpsc::Sender<Heard>,
    stop: Arc<Stop>,
    /// Whether something may have been lost that the node was not told of yet.
    missed: bool,
}

/// Why hearing from one place on ended.
enum End {
    /// The node does not listen any more, or is stopping.
    Closed,
    /// The client must begin anew, at the end of the topic.
    Anew(WireError),
}

impl Hearer {
    fn run(mut self, ready: oneshot::Sender<()>) {
        let mut ready = Some(ready);
        let mut pauses = Pauses::default();
        loop {
            match self.listen(&mut ready, &mut pauses) {
                End::Closed => return,
                End::Anew(error) => {
                    self.health.away();
                    self.missed = true;
                    tracing::debug!(%error, "does not listen");
                }
            }
            if self.stop.pause(pauses.next()) {
                return;
            }
        }
    }

    /// Listens from the end of the topic on, until something is wrong.
    fn listen(&mut self, ready: &mut Option<oneshot::Sender<()>>, pauses: &mut Pauses) -> End {
        let begun = ensure(&self.broker, &self.health, &[Topic::stored(&self.broker)])
            .and_then(|_| self.begin().map_err(|error| said(&error)));
        let (consumer, mut next) = match begun {
            Ok(begun) => begun,
            Err(error) => return End::Anew(error),
        };
        if self.listens(ready).is_err() {
            return End::Closed;
        }
        *pauses = Pauses::default();
        let (mut heard_at, mut behind) = (Instant::now(), false);
        while !self.stop.is_asked() {
            match consumer.poll(TICK) {
                Some(Ok(record)) => {
                    next = record.offset() + 1;
                    (heard_at, behind) = (Instant::now(), false);
                    let sealed = Bytes::copy_from_slice(record.payload().unwrap_or_default());
                    if self.tell(Heard::Sealed(sealed)).is_err() {
                        return End::Closed;
                    }
                }
                Some(Err(error)) if is_final(&error) => return End::Anew(said(&error)),
                Some(Err(_)) | None => {}
            }
            let silent = heard_at.elapsed() >= SILENCE;
            if self.health.take_doubt() {
                // The client connects by itself and goes on where it was: only the node must know.
                self.missed = true;
                match consumer.fetch_watermarks(&self.broker.stored(), 0, PATIENCE / 2) {
                    Ok((low, high)) if (low..=high).contains(&next) => {
                        if self.listens(ready).is_err() {
                            return End::Closed;
                        }
                        *pauses = Pauses::default();
                    }
                    Ok(_) => return End::Anew(WireError("the topic is not where it was".to_owned())),
                    Err(_) => {
                        self.health.away();
                        if self.stop.pause(pauses.next()) {
                            return End::Closed;
                        }
                    }
                }
            }
            if silent {
                match consumer.fetch_watermarks(&self.broker.stored(), 0, PATIENCE / 2) {
                    // It went on, and nothing of it came during a whole silence more.
                    Ok((_, high)) if high > next && behind => {
                        return End::Anew(WireError("nothing is heard of what is there".to_owned()));
                    }
                    Ok((_, high)) => (behind, heard_at) = (high > next, Instant::now()),
                    Err(_) => self.health.away(),
                }
            }
        }
        End::Closed
    }

    /// A consumer that begins at an end it has asked for, so that nothing which follows is passed over.
    fn begin(&self) -> Result<(BaseConsumer<Health>, i64), KafkaError> {
        let topic = self.broker.stored();
        let mut config = self.broker.config.clone();
        // The client wants a group even where there is none; nothing is committed.
        config.set("group.id", format!("{}-node-{}", self.broker.prefix, Uuid::now_v7()));
        config.set("enable.auto.commit", "false").set("enable.auto.offset.store", "false");
        config.set("auto.offset.reset", "error");
        config.set("fetch.wait.max.ms", "250").set("fetch.error.backoff.ms", "100");
        // What is fetched and not yet heard; when that is full it stops fetching, and looks again soon.
        config.set("queued.max.messages.kbytes", "8192").set("fetch.queue.backoff.ms", "20");
        let consumer: BaseConsumer<_> = config.create_with_context(self.health.clone())?;
        let (_, end) = consumer.fetch_watermarks(&topic, 0, PATIENCE)?;
        let mut place = TopicPartitionList::new();
        place.add_partition_offset(&topic, 0, Offset::Offset(end))?;
        consumer.assign(&place)?;
        Ok((consumer, end))
    }

    /// From now on it listens: whoever waits for that is told, and the node of what it may have missed.
    fn listens(&mut self, ready: &mut Option<oneshot::Sender<()>>) -> Result<(), ()> {
        self.health.answered();
        let waited = ready.take().is_none_or(|ready| ready.send(()).is_ok());
        if std::mem::take(&mut self.missed) || !waited {
            return self.tell(Heard::Gap);
        }
        Ok(())
    }

    /// Waits while the node's queue is full; an error when nobody listens.
    fn tell(&self, heard: Heard) -> Result<(), ()> {
        match self.out.try_send(heard) {
            Ok(()) => Ok(()),
            Err(TrySendError::Full(heard)) => self.out.blocking_send(heard).map_err(|_| ()),
            Err(TrySendError::Closed(_)) => Err(()),
        }
    }
}

/// Whether the client will not go on by itself.
fn is_final(error: &KafkaError) -> bool {
    use RDKafkaErrorCode::{
        AutoOffsetReset, OffsetOutOfRange, UnknownPartition, UnknownTopic, UnknownTopicOrPartition,
    };
    if matches!(error, KafkaError::MessageConsumptionFatal(_)) {
        return true;
    }
    let code = error.rdkafka_error_code();
    let finals = [AutoOffsetReset, OffsetOutOfRange, UnknownPartition, UnknownTopic, UnknownTopicOrPartition];
    code.is_some_and(|code| finals.contains(&code))
}
