//! The faults by name, and in which order they come.

use super::cluster::Setup;
use super::stage::Stage;
use super::{clock, disk, hostile, network, nodes, process, readers};
use crate::Error;
use clap::ValueEnum;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use std::collections::VecDeque;

/// Something that goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Fault {
    /// SIGKILL at any moment, then a new start.
    Kill,
    /// SIGKILL while a burst of sends is between commit and ack.
    KillInBurst,
    /// SIGSTOP for some seconds, then SIGCONT.
    Freeze,
    /// SIGTERM, then a new start.
    Restart,
    /// Connections are reset.
    Cut,
    /// Connections go silent, in one direction or both.
    HalfOpen,
    /// Delay, jitter and torn writes; connections overtake one another.
    Delay,
    /// Little passes.
    Narrow,
    /// Every connection is reset at once, and for a moment nobody gets in.
    Storm,
    /// Devices with a tiny buffer stop reading.
    SlowReaders,
    /// Old messages are sent once more, from any device of their sender.
    LateRetries,
    /// Wrong frames and requests while others work.
    Hostile,
    /// The server's disk is full.
    DiskFull,
    /// The server's wall clock jumps.
    ClockJump,
    /// On a cluster: SIGKILL of a worker, then a new start.
    WorkerKill,
    /// On a cluster: SIGKILL of the broker, then a new start.
    BrokerKill,
    /// On a cluster: SIGSTOP of the broker for five to ten seconds, then SIGCONT.
    BrokerPause,
    /// On a cluster: Postgres ends as in a crash, then a new start.
    StoreCrash,
    /// On a cluster: the Redis with the cache and who is where forgets everything.
    MemoryFlush,
    /// On a cluster: that Redis is away, hanging or killed.
    MemoryAway,
    /// On a cluster: everybody at one node comes to the others.
    Move,
    /// On a cluster: SIGTERM of one node after another, each then started anew.
    Rolling,
}

/// What came of one fault.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// For people.
    pub detail: String,
    /// Where the server did not do what it must while the fault lasted, in words.
    pub wrong: Vec<String>,
}

impl From<String> for Outcome {
    fn from(detail: String) -> Self {
        Self { detail, wrong: Vec::new() }
    }
}

impl Fault {
    /// All of them.
    pub fn all() -> &'static [Self] {
        Self::value_variants()
    }

    /// Its name on the command line and in the table.
    pub fn name(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }

    /// Whether the server's data must lie on a disk of our own.
    pub fn needs_disk(self) -> bool {
        self == Self::DiskFull
    }

    /// Whether the server's clock must be ours.
    pub fn needs_clock(self) -> bool {
        self == Self::ClockJump
    }

    /// Whether it can happen to a single server, or to these nodes.
    pub fn suits(self, setup: Option<Setup>) -> bool {
        match (self, setup) {
            (Self::WorkerKill, setup) => setup.is_some_and(Setup::workers),
            (Self::StoreCrash | Self::MemoryFlush | Self::MemoryAway | Self::Move | Self::Rolling, setup) => {
                setup.is_some_and(Setup::several)
            }
            (Self::BrokerKill | Self::BrokerPause, setup) => setup.is_some(),
            (fault, setup) => setup.is_none() || !fault.needs_disk() && !fault.needs_clock(),
        }
    }

    /// Whether a short run on a cluster has it: what a single server suffers as well is left to its own run.
    pub fn is_of_clusters(self) -> bool {
        let own = [Self::Kill, Self::WorkerKill, Self::BrokerKill, Self::BrokerPause, Self::StoreCrash];
        let shared = [Self::MemoryFlush, Self::MemoryAway, Self::Move, Self::Rolling];
        own.contains(&self) || shared.contains(&self)
    }

    /// Lets it happen and heals it.
    pub async fn happen(self, stage: &mut Stage, random: &mut StdRng) -> Result<Outcome, Error> {
        match self {
            Self::Kill => process::kill(stage, random).await,
            Self::KillInBurst => process::kill_in_burst(stage, random).await,
            Self::Freeze => process::freeze(stage, random).await,
            Self::Restart => process::restart(stage, random).await,
            Self::Cut => network::cut(stage, random).await,
            Self::HalfOpen => network::half_open(stage, random).await,
            Self::Delay => network::delay(stage, random).await,
            Self::Narrow => network::narrow(stage, random).await,
            Self::Storm => network::storm(stage, random).await,
            Self::SlowReaders => readers::stop(stage, random).await,
            Self::LateRetries => readers::late_retries(stage, random).await,
            Self::Hostile => hostile::happen(stage, random).await,
            Self::DiskFull => disk::fill(stage, random).await,
            Self::ClockJump => clock::jump(stage, random).await,
            Self::WorkerKill => nodes::kill_worker(stage, random).await,
            Self::BrokerKill => nodes::kill_broker(stage, random).await,
            Self::BrokerPause => nodes::pause_broker(stage, random).await,
            Self::StoreCrash => nodes::crash_store(stage, random).await,
            Self::MemoryFlush => nodes::flush_memory(stage, random).await,
            Self::MemoryAway => nodes::lose_memory(stage, random).await,
            Self::Move => nodes::evacuate(stage, random).await,
            Self::Rolling => nodes::roll(stage, random).await,
        }
    }
}

/// An endless order of faults: each of them once, then again.
#[derive(Debug)]
pub struct Plan {
    faults: Vec<Fault>,
    shuffled: bool,
    next: VecDeque<Fault>,
}

impl Plan {
    /// Of these faults: in the order given, or each time in another.
    pub fn new(faults: Vec<Fault>, shuffled: bool) -> Self {
        Self { faults, shuffled, next: VecDeque::new() }
    }

    /// The next one; none where there are no faults at all. `begins` tells whether it begins a new order: everything
    /// has happened once more.
    pub fn next(&mut self, random: &mut StdRng) -> Option<(Fault, bool)> {
        let begins = self.next.is_empty();
        if begins {
            let mut order = self.faults.clone();
            if self.shuffled {
                order.shuffle(random);
            }
            self.next.extend(order);
        }
        self.next.pop_front().map(|fault| (fault, begins))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    #[test]
    fn every_fault_happens_before_any_happens_twice_and_a_seed_repeats_it() {
        let order = |seed| {
            let mut random = StdRng::seed_from_u64(seed);
            let mut plan = Plan::new(Fault::all().to_vec(), true);
            (0..Fault::all().len() * 2).filter_map(|_| plan.next(&mut random)).collect::<Vec<_>>()
        };
        let mut first: Vec<Fault> = order(1)[..Fault::all().len()].iter().map(|(fault, _)| *fault).collect();
        first.sort();
        assert_eq!(first, Fault::all());
        assert_eq!(order(1), order(1));
        assert_ne!(order(1), order(2));
        assert_eq!(order(1).iter().filter(|(_, begins)| *begins).count(), 2);
    }
}
