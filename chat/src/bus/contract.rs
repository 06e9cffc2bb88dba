//! What every broker has to keep, as a wire and as an intake: each property once, made a test for each of them.
//!
//! The tests of a broker share the server that `CONFAB_TEST_REDIS`, `CONFAB_TEST_NATS` or `CONFAB_TEST_KAFKA` names, each under
//! a prefix of its own, and return early where none is named, except in CI. What must kill or freeze a server starts one of
//! its own with `scripts/services`.

use super::address::Address;
use super::intake::{Intake, PARTITIONS, Work};
use super::wire::{Link, PATIENCE};
use std::env;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout;

mod channel;
mod intake;
mod outage;
mod wire;
mod workers;

/// What a busy machine may add to a promised time.
const GRACE: Duration = Duration::from_secs(1);
/// How long what is promised without a time may take.
const SOON: Duration = Duration::from_secs(20);
/// How often a condition is looked at.
const LOOK: Duration = Duration::from_millis(10);

/// Private servers that may run at once: Kafka's takes a third of a gigabyte.
static PRIVATE: Semaphore = Semaphore::const_new(2);

#[derive(Clone, Copy, Debug)]
enum Kind {
    #[cfg(feature = "kafka")]
    Kafka,
    #[cfg(feature = "nats")]
    Nats,
    #[cfg(feature = "redis")]
    Redis,
}

impl Kind {
    /// Its name among the services, the schemes and, in capitals, the variables.
    fn name(self) -> &'static str {
        match self {
            #[cfg(feature = "kafka")]
            Self::Kafka => "kafka",
            #[cfg(feature = "nats")]
            Self::Nats => "nats",
            #[cfg(feature = "redis")]
            Self::Redis => "redis",
        }
    }

    fn address(self, url: &str) -> Address {
        let (port, settings) = match self {
            #[cfg(feature = "kafka")]
            Self::Kafka => (super::kafka::PORT, super::kafka::SETTINGS),
            #[cfg(feature = "nats")]
            Self::Nats => (super::nats::PORT, super::nats::SETTINGS),
            #[cfg(feature = "redis")]
            Self::Redis => (super::redis::PORT, super::redis::SETTINGS),
        };
        Address::parse(self.name(), port, settings, url).unwrap()
    }
}

/// A broker as one team sees it.
struct Broker {
    kind: Kind,
    url: String,
    prefix: String,
}

impl Broker {
    /// The shared one of this kind, for a team of which nobody has heard.
    fn shared(kind: Kind) -> Option<Self> {
        let variable = format!("CONFAB_TEST_{}", kind.name().to_uppercase());
        let url = env::var(&variable).ok().filter(|url| !url.is_empty());
        assert!(url.is_some() || env::var_os("CI").is_none(), "{variable} names no broker");
        Some(Self::at(kind, url?))
    }

    fn at(kind: Kind, url: String) -> Self {
        Self { kind, url, prefix: format!("t{:016x}", rand::random::<u64>()) }
    }

    /// The same server as another team sees it, whose prefix begins as ours.
    fn apart(&self) -> Self {
        Self { kind: self.kind, url: self.url.clone(), prefix: format!("{}-2", self.prefix) }
    }

    fn address(&self) -> Address {
        let mark = if self.url.contains('?') { '&' } else { '?' };
        let lines = match self.kind {
            // As many as the others have.
            #[cfg(feature = "kafka")]
            Kind::Kafka => format!("&partitions={PARTITIONS}"),
            #[cfg(any(feature = "nats", feature = "redis"))]
            _ => String::new(),
        };
        self.kind.address(&format!("{}{mark}prefix={}{lines}", self.url, self.prefix))
    }

    async fn link(&self) -> Link {
        let address = self.address();
        let opening = async {
            match self.kind {
                #[cfg(feature = "kafka")]
                Kind::Kafka => super::kafka::wire(&address).await,
                #[cfg(feature = "nats")]
                Kind::Nats => super::nats::wire(&address).await,
                #[cfg(feature = "redis")]
                Kind::Redis => super::redis::wire(&address).await,
            }
        };
        within(SOON, "a wire is opened", opening).await.unwrap()
    }

    async fn intake(&self) -> Box<dyn Intake> {
        let address = self.address();
        let opening = async {
            match self.kind {
                #[cfg(feature = "kafka")]
                Kind::Kafka => super::kafka::intake(&address).await,
                #[cfg(feature = "nats")]
                Kind::Nats => super::nats::intake(&address).await,
                #[cfg(feature = "redis")]
                Kind::Redis => super::redis::intake(&address).await,
            }
        };
        within(SOON, "an intake is opened", opening).await.unwrap()
    }

    async fn work(&self, worker: &str) -> Box<dyn Work> {
        let address = self.address();
        let opening = async {
            match self.kind {
                #[cfg(feature = "kafka")]
                Kind::Kafka => super::kafka::work(&address, worker).await,
                #[cfg(feature = "nats")]
                Kind::Nats => super::nats::work(&address, worker).await,
                #[cfg(feature = "redis")]
                Kind::Redis => super::redis::work(&address, worker).await,
            }
        };
        within(SOON, "a worker is opened", opening).await.unwrap()
    }
}

/// A server of a test's own, to be killed and frozen. It goes with the test, however that ends.
struct Private {
    broker: Broker,
    name: String,
    _permit: SemaphorePermit<'static>,
}

impl Private {
    async fn start(kind: Kind) -> Self {
        let permit = PRIVATE.acquire().await.unwrap();
        let name = format!("contract-{}-{:08x}", kind.name(), rand::random::<u32>());
        let mut private = Self { broker: Broker::at(kind, String::new()), name, _permit: permit };
        private.tell("start").await;
        private.broker.url = private.tell("url").await;
        private
    }

    /// Has it killed, brought back, paused or resumed.
    async fn tell(&self, verb: &'static str) -> String {
        let (kind, name) = (self.broker.kind, self.name.clone());
        let (ended, output) = tokio::task::spawn_blocking(move || services(verb, kind, &name)).await.unwrap();
        assert!(ended, "services {verb} {} {}: {output}", kind.name(), self.name);
        output.trim().to_owned()
    }
}

impl Drop for Private {
    fn drop(&mut self) {
        services("stop", self.broker.kind, &self.name);
    }
}

/// Whether it ended well, and what it said.
fn services(verb: &str, kind: Kind, name: &str) -> (bool, String) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts/services");
    match Command::new(script).args([verb, kind.name(), name]).output() {
        Ok(output) => {
            let said = if output.status.success() { &output.stdout } else { &output.stderr };
            (output.status.success(), String::from_utf8_lossy(said).into_owned())
        }
        Err(error) => (false, error.to_string()),
    }
}

/// Awaits something that must not take longer.
async fn within<T>(longest: Duration, what: &str, wanted: impl Future<Output = T>) -> T {
    timeout(longest, wanted).await.unwrap_or_else(|_| panic!("not within {longest:?}: {what}"))
}

/// Awaits an answer for which the broker has [`PATIENCE`].
async fn answered<T>(what: &str, call: impl Future<Output = T>) -> T {
    within(PATIENCE + GRACE, what, call).await
}

/// Looks until something holds.
async fn until(longest: Duration, what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let began = Instant::now();
    while !holds().await {
        assert!(began.elapsed() < longest, "not within {longest:?}: {what}");
        tokio::time::sleep(LOOK).await;
    }
}

/// A module for each broker, a test in it for each property.
macro_rules! suite {
    ($($broker:ident $feature:literal $kind:ident)+ => $properties:tt) => {
        $(suite! { @broker $broker $feature $kind $properties })+
    };
    (@broker $broker:ident $feature:literal $kind:ident { $($part:ident { $($property:ident)+ })+ }) => {
        #[cfg(feature = $feature)]
        mod $broker {
            $($(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $property() {
                    if let Some(broker) = super::Broker::shared(super::Kind::$kind) {
                        Box::pin(super::$part::$property(&broker)).await;
                    }
                }
            )+)+
        }
    };
}

suite! {
    kafka "kafka" Kafka
    nats "nats" Nats
    redis "redis" Redis
    => {
        wire {
            what_is_sent_is_heard_once_in_order_by_every_node
            a_large_parcel_passes
            two_prefixes_do_not_hear_each_other
            a_hearer_that_does_not_read_stops_nobody
            closing_sends_what_was_taken_and_ends_the_hearing
        }
        intake {
            order_is_kept_per_conversation
            two_workers_share_the_lines
            a_worker_that_joins_gets_some_lines_and_leaves_them
            what_a_lost_worker_had_not_done_comes_to_another
            a_slow_worker_keeps_its_work
            what_was_done_does_not_come_again_after_a_clean_stop
            a_next_without_done_skips_nothing
            a_next_that_is_given_up_loses_nothing
            the_backlog_stays_with_the_broker
            what_is_buried_is_kept_with_its_reason_and_its_line_goes_on
            what_came_before_a_buried_one_is_not_done_with_it
            two_prefixes_keep_their_work_apart
            a_large_submission_passes
            closing_with_nothing_to_do_ends_at_once
        }
        outage {
            opening_does_not_need_the_broker
            both_sides_hear_again_after_a_crash
            a_broker_that_hangs_keeps_nobody_waiting
            what_was_accepted_survives_a_crash
            a_worker_goes_on_after_a_crash
        }
    }
}
