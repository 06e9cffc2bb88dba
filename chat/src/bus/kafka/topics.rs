//! Sees to it that the topics are there.

use super::client::{Health, said};
use super::settings::Broker;
use crate::bus::wire::{LONGEST_PAUSE, PATIENCE, PAUSE, WireError};
use futures::executor::block_on;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::config::FromClientConfigAndContext;
use rdkafka::error::RDKafkaErrorCode;
use std::time::Duration;

/// Copies of a topic where there are as many brokers.
const COPIES: i32 = 3;
/// The copies that must have what is acknowledged, where there are three: one may be away.
const IN_SYNC: &str = "2";

/// A topic as it is made.
pub(super) struct Topic {
    pub(super) name: String,
    pub(super) partitions: i32,
    pub(super) settings: &'static [(&'static str, &'static str)],
    pub(super) durable: bool,
}

impl Topic {
    /// Ten minutes, or a quarter of a gigabyte: a node that lags behind that far polls instead.
    pub(super) fn stored(broker: &Broker) -> Self {
        let settings = &[
            ("retention.ms", "600000"),
            ("retention.bytes", "268435456"),
            ("segment.bytes", "16777216"),
            ("cleanup.policy", "delete"),
        ];
        Self { name: broker.stored(), partitions: 1, settings, durable: false }
    }

    pub(super) fn submitted(broker: &Broker) -> Self {
        let settings = &[("retention.ms", "-1"), ("segment.bytes", "67108864"), ("cleanup.policy", "delete")];
        Self { name: broker.submitted(), partitions: broker.partitions, settings, durable: true }
    }

    pub(super) fn dead(broker: &Broker) -> Self {
        let settings = &[("retention.ms", "-1"), ("segment.bytes", "16777216"), ("cleanup.policy", "delete")];
        Self { name: broker.dead(), partitions: 1, settings, durable: true }
    }
}

/// Waits between tries to reach a broker: doubling, with full jitter.
pub(super) struct Pauses(Duration);

impl Default for Pauses {
    fn default() -> Self {
        Self(PAUSE)
    }
}

impl Pauses {
    pub(super) fn next(&mut self) -> Duration {
        let longest = self.0;
        self.0 = (longest * 2).min(LONGEST_PAUSE);
        longest.mul_f64(rand::random_range(0.0..=1.0))
    }
}

/// Looks whether the topics are there, and makes those that are not where that is allowed; answers with the partitions of each.
/// It waits for the broker, so not for an async task.
pub(super) fn ensure(broker: &Broker, health: &Health, topics: &[Topic]) -> Result<Vec<i32>, WireError> {
    let admin =
        AdminClient::from_config_and_context(&broker.config, health.clone()).map_err(|error| said(&error))?;
    for making in [true, false] {
        // Of all topics: asked for by name, a missing one would be made by some brokers, their way.
        let metadata = admin.inner().fetch_metadata(None, PATIENCE).map_err(|error| said(&error))?;
        health.answered();
        let partitions = |topic: &Topic| {
            let found = metadata.topics().iter().find(|found| found.name() == topic.name)?;
            // With partitions that nobody leads yet it is not there yet.
            let led = found.error().is_none() && found.partitions().iter().all(|part| part.leader() >= 0);
            let count = found.partitions().len();
            (led && count > 0).then(|| i32::try_from(count).unwrap_or(i32::MAX))
        };
        let missing: Vec<_> = topics.iter().filter(|topic| partitions(topic).is_none()).collect();
        if missing.is_empty() {
            return Ok(topics.iter().filter_map(partitions).collect());
        }
        let names = missing.iter().map(|topic| topic.name.as_str()).collect::<Vec<_>>().join(", ");
        if !broker.create {
            return Err(WireError(format!("topics are missing and may not be made (create=off): {names}")));
        }
        if !making {
            return Err(WireError(format!("topics are not ready yet: {names}")));
        }
        let brokers = i32::try_from(metadata.brokers().len()).unwrap_or(COPIES);
        make(&admin, &missing, broker.replication.unwrap_or_else(|| brokers.clamp(1, COPIES)))?;
    }
    Err(WireError("topics are not ready yet".to_owned()))
}

fn make(admin: &AdminClient<Health>, topics: &[&Topic], copies: i32) -> Result<(), WireError> {
    let topics: Vec<_> = topics
        .iter()
        .map(|topic| {
            let mut new = NewTopic::new(&topic.name, topic.partitions, TopicReplication::Fixed(copies));
            if topic.durable && copies >= COPIES {
                new = new.set("min.insync.replicas", IN_SYNC);
            }
            topic.settings.iter().fold(new, |new, (name, value)| new.set(name, value))
        })
        .collect();
    let options = AdminOptions::new().request_timeout(Some(PATIENCE)).operation_timeout(Some(PATIENCE));
    let made = block_on(admin.create_topics(&topics, &options)).map_err(|error| said(&error))?;
    for topic in made {
        match topic {
            Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
            Err((name, code)) => return Err(WireError(format!("the topic {name} cannot be made: {code}"))),
        }
    }
    Ok(())
}
