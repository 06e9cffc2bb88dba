//! Known mistakes, each of which a run must find: a checker that never fails has proved nothing.
//!
//! The server is a debug build with the feature `planted`, which makes the mistake that `CONFAB_PLANTED` names.

use super::plan::Fault;
use super::team::Size;
use super::{Judged, Round, play, temporary};
use crate::Error;
use crate::check::Rule;
use std::path::Path;
use std::time::{Duration, Instant};

/// Within this time a mistake must be found. Twice what it takes on a quiet machine.
pub const LIMIT: Duration = Duration::from_secs(60);
/// How long clients may take to be complete. Short, for a mistake often means that they never are.
const QUIESCE: Duration = Duration::from_secs(4);

/// A mistake and how it is found.
#[derive(Clone, Copy, Debug)]
pub struct Planted {
    /// Its name in `CONFAB_PLANTED`.
    pub name: &'static str,
    /// Rules of which at least one must be broken.
    pub rules: &'static [Rule],
    /// Whether an event that was left out counts too: clients mend that by themselves, so nothing else may show.
    pub gaps: bool,
    /// What happens, in this order, again and again.
    pub faults: &'static [Fault],
    /// For so many seconds.
    pub seconds: u64,
}

/// Every mistake.
pub const ALL: [Planted; 8] = [
    Planted {
        name: "ack_before_commit",
        rules: &[Rule::C1],
        gaps: false,
        faults: &[Fault::KillInBurst],
        seconds: 12,
    },
    Planted { name: "no_dedupe", rules: &[Rule::C2], gaps: false, faults: &[Fault::LateRetries], seconds: 2 },
    Planted {
        name: "dedupe_memory_30s",
        rules: &[Rule::C2],
        gaps: false,
        faults: &[Fault::Restart, Fault::LateRetries],
        seconds: 4,
    },
    Planted {
        name: "sync_before_subscribe",
        rules: &[Rule::C1, Rule::C10, Rule::C11],
        gaps: true,
        faults: &[Fault::Storm],
        seconds: 20,
    },
    Planted {
        name: "no_gap_fill",
        rules: &[Rule::C10, Rule::C11],
        gaps: true,
        faults: &[Fault::LateRetries],
        seconds: 6,
    },
    Planted {
        name: "read_moves_back",
        rules: &[Rule::C9],
        gaps: false,
        faults: &[Fault::LateRetries],
        seconds: 6,
    },
    Planted {
        name: "unread_incremented",
        rules: &[Rule::C12],
        gaps: false,
        faults: &[Fault::Cut, Fault::LateRetries],
        seconds: 4,
    },
    Planted {
        name: "leave_keeps_socket",
        rules: &[Rule::C7],
        gaps: false,
        faults: &[Fault::Delay],
        seconds: 8,
    },
];

impl Planted {
    fn round(&self, seed: u64) -> Round {
        Round {
            seed,
            faults: self.faults.to_vec(),
            shuffled: false,
            lasting: Duration::from_secs(self.seconds),
            size: Size { people: 6, devices: 9, groups: 2, pairs: 3 },
            rate: 40,
            brief: true,
            cluster: None,
            planted: Some(self.name),
            quiesce: QUIESCE,
        }
    }

    /// What gave it away.
    fn caught_by(&self, judged: &Judged) -> Vec<String> {
        let broken = self.rules.iter().filter(|rule| judged.report.count(**rule) > 0);
        let mut caught: Vec<String> = broken.map(|rule| rule.to_string()).collect();
        if self.gaps && judged.gaps > 0 {
            caught.push(format!("{} events left out", judged.gaps));
        }
        caught
    }
}

/// Runs one mistake, or with `all` every one, once for each seed. False: one of them was not found in time.
pub async fn run(
    binary: &Path,
    name: &str,
    seeds: &[u64],
    print: &mut impl FnMut(&str),
) -> Result<bool, Error> {
    let chosen: Vec<&Planted> = ALL.iter().filter(|planted| name == "all" || planted.name == name).collect();
    if chosen.is_empty() {
        let names: Vec<&str> = ALL.iter().map(|planted| planted.name).collect();
        return Err(Error::Process(format!("no such mistake: {name}; there are: {}, all", names.join(", "))));
    }
    let mut fine = true;
    let each = chosen.iter().flat_map(|planted| seeds.iter().map(move |seed| (*planted, *seed)));
    print(&format!("{:<22} {:>4}", "planted mistake", "seed"));
    for (planted, seed) in each {
        let begun = Instant::now();
        let path = temporary(&format!("{}-{seed}", planted.name));
        let judged = play(binary, &planted.round(seed), &path, &mut |_| {}).await;
        let took = begun.elapsed();
        let caught = judged.as_ref().map(|judged| planted.caught_by(judged)).unwrap_or_default();
        let found = !caught.is_empty() && took <= LIMIT;
        let how = match &judged {
            _ if found => format!("caught by {}", caught.join(", ")),
            Err(error) => format!("NOT CAUGHT, the run ended with: {error}"),
            Ok(_) if caught.is_empty() => format!("NOT CAUGHT by any of {:?}", planted.rules),
            Ok(_) => format!("caught by {}, TOO LATE", caught.join(", ")),
        };
        print(&format!("{:<22} {seed:>4} {how} after {:.1} s", planted.name, took.as_secs_f64()));
        if found && std::fs::remove_file(&path).is_ok() {
            continue;
        }
        print(&format!("history: {}", path.display()));
        fine &= found;
    }
    Ok(fine)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_mistake_has_its_name_its_rule_and_time_to_be_found() {
        let names: BTreeSet<&str> = ALL.iter().map(|planted| planted.name).collect();
        assert_eq!(names.len(), ALL.len());
        for planted in &ALL {
            assert!(!planted.rules.is_empty() && !planted.faults.is_empty(), "{}", planted.name);
            assert!(planted.faults.iter().all(|fault| fault.suits(None) && !fault.needs_disk()));
            assert!(Duration::from_secs(planted.seconds) + QUIESCE * 2 < LIMIT, "{}", planted.name);
        }
    }
}
