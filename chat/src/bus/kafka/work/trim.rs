//! What is there, what is done of it, and deleting that.

use crate::bus::kafka::settings::Broker;
use crate::bus::wire::PATIENCE;
use futures::executor::block_on;
use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::base_consumer::BaseConsumer;
use rdkafka::consumer::{Consumer, ConsumerContext};
use rdkafka::error::KafkaError;
use rdkafka::{Offset, TopicPartitionList};
use std::time::{SystemTime, UNIX_EPOCH};

/// A line, as the broker has it.
pub(in crate::bus::kafka) struct Mark {
    pub(in crate::bus::kafka) line: i32,
    /// Where its group goes on.
    pub(in crate::bus::kafka) done: i64,
    /// Behind the last record.
    pub(in crate::bus::kafka) end: i64,
}

/// Asks how lines are. Waits for the broker.
pub(in crate::bus::kafka) fn marks<C: ConsumerContext>(
    consumer: &BaseConsumer<C>,
    topic: &str,
    lines: &[i32],
) -> Result<Vec<Mark>, KafkaError> {
    let list = |offset: Offset| -> Result<TopicPartitionList, KafkaError> {
        let mut list = TopicPartitionList::new();
        for line in lines {
            list.add_partition_offset(topic, *line, offset)?;
        }
        Ok(list)
    };
    let committed = consumer.committed_offsets(list(Offset::Invalid)?, PATIENCE)?;
    let starts = consumer.offsets_for_times(list(Offset::Beginning)?, PATIENCE)?;
    let ends = consumer.offsets_for_times(list(Offset::End)?, PATIENCE)?;
    Ok(lines
        .iter()
        .map(|line| {
            let start = at(&starts, topic, *line).unwrap_or(0);
            let done = at(&committed, topic, *line).map_or(start, |done| done.max(start));
            Mark { line: *line, done, end: at(&ends, topic, *line).unwrap_or(done) }
        })
        .collect())
}

fn at(list: &TopicPartitionList, topic: &str, line: i32) -> Option<i64> {
    match list.find_partition(topic, line)?.offset() {
        Offset::Offset(offset) => Some(offset),
        _ => None,
    }
}

/// Which of a worker's own lines, each with where it was fetched up to, are out of step: there is more behind that, or the
/// broker's line ends before it, as one does that lost its end with a broker. Waits for the broker.
pub(super) fn astray<C: ConsumerContext>(
    consumer: &BaseConsumer<C>,
    topic: &str,
    fetched: &[(u16, u64)],
) -> Result<Vec<u16>, KafkaError> {
    let lines: Vec<_> = fetched.iter().map(|(line, _)| i32::from(*line)).collect();
    let marks = marks(consumer, topic, &lines)?;
    let astray = |mark: &Mark, next: u64| {
        let next = i64::try_from(next).unwrap_or(i64::MAX);
        mark.end > mark.done.max(next) || mark.end < next
    };
    let pairs = marks.iter().zip(fetched);
    Ok(pairs.filter(|(mark, (_, next))| astray(mark, *next)).map(|(_, (line, _))| *line).collect())
}

/// Deletes what is done and older than the address says, of a worker's own lines.
pub(in crate::bus::kafka) fn trim<C: ConsumerContext>(
    consumer: &BaseConsumer<C>,
    broker: &Broker,
) -> Result<(), KafkaError> {
    let topic = broker.submitted();
    let lines: Vec<_> = consumer.assignment()?.elements().iter().map(|line| line.partition()).collect();
    if lines.is_empty() {
        return Ok(());
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let before = i64::try_from(now.saturating_sub(broker.keep).as_millis()).unwrap_or(i64::MAX);
    let mut times = TopicPartitionList::new();
    for line in &lines {
        times.add_partition_offset(&topic, *line, Offset::Offset(before))?;
    }
    let kept = consumer.offsets_for_times(times, PATIENCE)?;
    let mut floors = TopicPartitionList::new();
    for mark in marks(consumer, &topic, &lines)? {
        // Where nothing is as young as that, all that is done may go.
        let floor = at(&kept, &topic, mark.line).map_or(mark.done, |kept| kept.min(mark.done));
        floors.add_partition_offset(&topic, mark.line, Offset::Offset(floor))?;
    }
    let admin: AdminClient<DefaultClientContext> = broker.config.create()?;
    let options = AdminOptions::new().request_timeout(Some(PATIENCE)).operation_timeout(Some(PATIENCE));
    block_on(admin.delete_records(&floors, &options))?;
    Ok(())
}
