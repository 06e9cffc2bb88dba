//! The topic `submitted`, read once more from its beginning: what is done stays in it for as long as the address says.
//!
//! It ends where each line ended when the reading began. Nothing is committed, so the workers' group does not notice.

use super::client::said;
use super::intake::onlooker;
use super::settings::Broker;
use crate::bus::intake::Kept;
use crate::bus::wire::{PATIENCE, WireError};
use bytes::Bytes;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::KafkaError;
use rdkafka::{Message, Offset, TopicPartitionList};
use std::collections::HashMap;
use std::thread;
use std::time::{Duration, Instant};
use tokio::sync::mpsc::{self, Sender};
use tokio::task::spawn_blocking;

/// Records that wait for whoever reads; then the broker waits.
const WAITING: usize = 1024;
const TICK: Duration = Duration::from_millis(100);
/// A broker that gives nothing for so long, although there is more, is given up.
const STILL: Duration = Duration::from_secs(30);

/// What is still to be read of a topic: its lines, each with where it ended.
struct Rest {
    topic: String,
    ends: HashMap<i32, i64>,
}

pub(super) async fn read(broker: Broker) -> Result<Kept, WireError> {
    spawn_blocking(move || begin(&broker))
        .await
        .unwrap_or_else(|_| Err(WireError("the question was given up".to_owned())))
}

fn begin(broker: &Broker) -> Result<Kept, WireError> {
    let consumer = onlooker(broker, &format!("{}-replay", broker.prefix)).map_err(|error| said(&error))?;
    let topic = broker.submitted();
    let missing = || WireError(format!("there is no topic {topic}"));
    let placed = place(&consumer, topic.clone()).map_err(|error| said(&error))?;
    let (rest, trimmed) = placed.ok_or_else(missing)?;
    let (sender, records) = mpsc::channel(WAITING);
    thread::Builder::new()
        .name("kafka-rereads".to_owned())
        .spawn(move || {
            if let Err(error) = run(&consumer, rest, &sender) {
                // Whoever read has gone, or learns why there is no more.
                let _gone = sender.blocking_send(Err(error));
            }
        })
        .map_err(|error| WireError(format!("a thread is needed: {error}")))?;
    Ok(Kept { records, trimmed })
}

/// Puts the consumer at the beginning of every line that has something, and says whether any line had more once. None: there
/// is no such topic.
fn place<C: ConsumerContext>(
    consumer: &BaseConsumer<C>,
    topic: String,
) -> Result<Option<(Rest, bool)>, KafkaError> {
    // Of all topics: asked for by name, a missing one would be made by some brokers.
    let metadata = consumer.fetch_metadata(None, PATIENCE)?;
    let found = metadata.topics().iter().find(|found| found.name() == topic);
    let Some(found) = found else { return Ok(None) };
    let (mut places, mut ends, mut trimmed) = (TopicPartitionList::new(), HashMap::new(), false);
    for line in found.partitions().iter().map(|line| line.id()) {
        let (low, high) = consumer.fetch_watermarks(&topic, line, PATIENCE)?;
        trimmed |= low > 0;
        if low < high {
            places.add_partition_offset(&topic, line, Offset::Offset(low))?;
            ends.insert(line, high);
        }
    }
    consumer.assign(&places)?;
    Ok(Some((Rest { topic, ends }, trimmed)))
}

fn run<C: ConsumerContext>(
    consumer: &BaseConsumer<C>,
    mut rest: Rest,
    sender: &Sender<Result<Bytes, WireError>>,
) -> Result<(), WireError> {
    let (mut moved, mut last) = (Instant::now(), None);
    while !rest.ends.is_empty() {
        match consumer.poll(TICK) {
            Some(Ok(record)) => {
                let (line, offset) = (record.partition(), record.offset());
                let Some(end) = rest.ends.get(&line).copied() else { continue };
                if offset < end {
                    let sealed = Bytes::copy_from_slice(record.payload().unwrap_or_default());
                    if sender.blocking_send(Ok(sealed)).is_err() {
                        return Ok(());
                    }
                }
                if offset + 1 >= end {
                    rest.ends.remove(&line);
                }
                moved = Instant::now();
            }
            // What stood last in a line may be no record.
            Some(Err(KafkaError::PartitionEOF(line))) => {
                rest.ends.remove(&line);
                moved = Instant::now();
            }
            // The client tries again by itself.
            Some(Err(error)) => last = Some(said(&error)),
            None => {}
        }
        if moved.elapsed() > STILL {
            let silent = || WireError(format!("nothing more came of {}", rest.topic));
            return Err(last.unwrap_or_else(silent));
        }
    }
    Ok(())
}
