//! The topic `dead`: what could never be stored.
//!
//! What is forgotten is kept by Kafka as the committed offset of a group that nobody joins: everything before it, and what
//! the commit's metadata names beyond it. Two that forget at the same moment may undo one another's; a letter then comes
//! up once more, and none is lost.

use super::client::said;
use super::intake::onlooker;
use super::settings::Broker;
use crate::bus::intake::{DeadLetter, Delivery, DeliveryId};
use crate::bus::wire::{PATIENCE, WireError};
use bytes::Bytes;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer, ConsumerContext};
use rdkafka::error::KafkaError;
use rdkafka::message::{Header, Headers, OwnedHeaders};
use rdkafka::{Message, Offset, TopicPartitionList};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// Longest metadata of a commit, with room to spare below the 4096 of Kafka.
const METADATA_CHARS: usize = 4000;
/// Longest reason that is kept.
const REASON_CHARS: usize = 500;
const TICK: Duration = Duration::from_millis(100);

/// What is written beside a dead letter.
pub(super) fn headers(delivery: &Delivery, reason: &str) -> OwnedHeaders {
    let number = match &delivery.id {
        DeliveryId::Number(number) => number.to_string(),
        DeliveryId::Text(text) => text.clone(),
    };
    let reason: String = reason.chars().take(REASON_CHARS).collect();
    OwnedHeaders::new_with_capacity(3)
        .insert(Header { key: "partition", value: Some(&delivery.partition.to_string()) })
        .insert(Header { key: "offset", value: Some(&number) })
        .insert(Header { key: "reason", value: Some(&reason) })
}

/// What is forgotten: everything before `floor`, and these after it.
#[derive(Debug, Default, PartialEq)]
struct Forgotten {
    floor: i64,
    beyond: BTreeSet<i64>,
}

impl Forgotten {
    fn contains(&self, offset: i64) -> bool {
        offset < self.floor || self.beyond.contains(&offset)
    }

    fn add(&mut self, offset: i64) {
        if offset >= self.floor {
            self.beyond.insert(offset);
        }
        while self.beyond.remove(&self.floor) {
            self.floor += 1;
        }
    }

    /// As metadata: how far each is beyond the floor, so that it stays short.
    fn metadata(&self) -> String {
        let steps: Vec<_> = self.beyond.iter().map(|offset| (offset - self.floor).to_string()).collect();
        steps.join(" ")
    }

    fn parse(floor: i64, metadata: &str) -> Self {
        let steps = metadata.split(' ').filter_map(|step| step.parse::<i64>().ok());
        Self { floor, beyond: steps.map(|step| floor.saturating_add(step)).collect() }
    }

    fn of<C: ConsumerContext>(consumer: &BaseConsumer<C>, topic: &str, low: i64) -> Result<Self, KafkaError> {
        let mut place = TopicPartitionList::new();
        place.add_partition(topic, 0);
        let place = consumer.committed_offsets(place, PATIENCE)?;
        let found = place.find_partition(topic, 0);
        let mut forgotten = match found.as_ref().map(|place| (place.offset(), place.metadata())) {
            Some((Offset::Offset(floor), metadata)) => Self::parse(floor, metadata),
            _ => Self { floor: low, beyond: BTreeSet::new() },
        };
        // What the broker itself has let go.
        if forgotten.floor < low {
            forgotten.beyond = forgotten.beyond.split_off(&low);
            forgotten.floor = low;
        }
        Ok(forgotten)
    }
}

fn group(broker: &Broker) -> String {
    format!("{}-dead", broker.prefix)
}

/// The oldest dead letters that are not forgotten. Waits for the broker.
pub(super) fn read(broker: &Broker, most: usize) -> Result<Vec<DeadLetter>, WireError> {
    letters(broker, most).map_err(|error| said(&error))
}

fn letters(broker: &Broker, most: usize) -> Result<Vec<DeadLetter>, KafkaError> {
    let topic = broker.dead();
    let consumer = onlooker(broker, &group(broker))?;
    let (low, high) = consumer.fetch_watermarks(&topic, 0, PATIENCE)?;
    let forgotten = Forgotten::of(&consumer, &topic, low)?;
    let mut letters = Vec::new();
    if forgotten.floor >= high || most == 0 {
        return Ok(letters);
    }
    let mut place = TopicPartitionList::new();
    place.add_partition_offset(&topic, 0, Offset::Offset(forgotten.floor))?;
    consumer.assign(&place)?;
    let until = Instant::now() + PATIENCE;
    while letters.len() < most && Instant::now() < until {
        let record = match consumer.poll(TICK) {
            Some(Ok(record)) => record,
            Some(Err(KafkaError::PartitionEOF(_))) => break,
            Some(Err(error)) if letters.is_empty() => return Err(error),
            Some(Err(_)) => break,
            None => continue,
        };
        if !forgotten.contains(record.offset()) {
            let reason = record.headers().and_then(|headers| {
                let reason = headers.iter().find(|header| header.key == "reason")?.value?;
                Some(String::from_utf8_lossy(reason).into_owned())
            });
            letters.push(DeadLetter {
                id: DeliveryId::Number(u64::try_from(record.offset()).unwrap_or(0)),
                reason: reason.unwrap_or_default(),
                sealed: Bytes::copy_from_slice(record.payload().unwrap_or_default()),
            });
        }
        if record.offset() + 1 >= high {
            break;
        }
    }
    Ok(letters)
}

/// Forgets a letter. Waits for the broker.
pub(super) fn forget(broker: &Broker, id: &DeliveryId) -> Result<(), WireError> {
    let DeliveryId::Number(number) = id else {
        return Err(WireError("it is not a letter of this broker".to_owned()));
    };
    let offset = i64::try_from(*number).unwrap_or(i64::MAX);
    let topic = broker.dead();
    let asked = || -> Result<_, KafkaError> {
        let consumer = onlooker(broker, &group(broker))?;
        let (low, high) = consumer.fetch_watermarks(&topic, 0, PATIENCE)?;
        let forgotten = Forgotten::of(&consumer, &topic, low)?;
        Ok((consumer, forgotten, high))
    };
    let (consumer, mut forgotten, high) = asked().map_err(|error| said(&error))?;
    if forgotten.contains(offset) || offset >= high {
        return Ok(());
    }
    forgotten.add(offset);
    let metadata = forgotten.metadata();
    if metadata.len() > METADATA_CHARS {
        return Err(WireError("too many were forgotten out of order: forget the oldest first".to_owned()));
    }
    let commit = || -> Result<(), KafkaError> {
        let mut place = TopicPartitionList::new();
        let mut at = place.add_partition(&topic, 0);
        at.set_offset(Offset::Offset(forgotten.floor))?;
        at.set_metadata(&metadata);
        // The group's coordinator has just answered, so this waits for one answer more.
        consumer.commit(&place, CommitMode::Sync)
    };
    commit().map_err(|error| said(&error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_are_forgotten_in_any_order() {
        let mut forgotten = Forgotten::parse(10, "");
        for offset in [12, 14, 11] {
            forgotten.add(offset);
        }
        assert!(!forgotten.contains(10) && forgotten.contains(11) && !forgotten.contains(13));
        let again = Forgotten::parse(forgotten.floor, &forgotten.metadata());
        assert_eq!(again, forgotten);
        forgotten.add(10);
        assert_eq!((forgotten.floor, forgotten.metadata().as_str()), (13, "1"));
        forgotten.add(13);
        assert_eq!((forgotten.floor, forgotten.metadata().as_str()), (15, ""));
    }
}
