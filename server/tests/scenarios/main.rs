//! The scenarios of the systems that Confab unites, each as people would tell it: real servers, a real broker, a real
//! database, and clients that know nothing but the protocol.
//!
//! - A, a chat server with a pluggable broker: the same page and the same tests of it over `channel` and over Kafka. Those are
//!   the tests in `end2end`, run twice by `scripts/test`: its steps `page-channel` and `page-kafka`.
//! - B, Kafka as the log: [`topic_replay`].
//! - C, distributed delivery with NATS and Consul: [`users_on_nodes`].
//! - D, a queue worker apart from the gateway: [`queue_worker`].
//! - E, groups over Redis: [`group_delivery`].
//!
//! Brokers and Consul are those that CONFAB_TEST_REDIS and the like name, under names of the scenario's own; a database is
//! started for each. Without a broker a scenario is left out, except in CI.

#![expect(clippy::unwrap_used, reason = "a test that unwraps fails with a line number, in its parts too")]

mod cluster;
mod group_delivery;
mod queue_worker;
mod topic_replay;
mod users_on_nodes;
