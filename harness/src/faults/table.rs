//! The end of a run, and of several, as a table for people.

use super::cluster::Setup;
use super::plan::Fault;
use super::{Happened, Judged};
use crate::check::Rule;
use std::time::Duration;

/// Breaches of one rule that are written out.
const WRITTEN: usize = 5;

/// Everything that must be zero, summed up.
pub fn failures(judged: &[Judged]) -> usize {
    let broken =
        judged.iter().map(|judged| judged.report.findings.len() + judged.gaps + judged.left.drift.len());
    let broken: usize = broken.sum();
    let happened = judged.iter().flat_map(|judged| &judged.happened);
    broken + happened.map(|happened| happened.outcome.wrong.len() + happened.recovery.stuck).sum::<usize>()
}

/// Prints it.
pub fn write(seeds: &[u64], judged: &[Judged], left_out: &[(Fault, &str)], print: &mut impl FnMut(&str)) {
    print("");
    print(&format!("{:<16}{:>6}{:>8}{:>8}{:>18}", "fault", "times", "wrong", "stuck", "worst recovery"));
    for fault in Fault::all() {
        let name = fault.name();
        if let Some((_, why)) = left_out.iter().find(|(left, _)| left == fault) {
            print(&format!("{name:<16}left out: {why}"));
            continue;
        }
        let times: Vec<&Happened> = judged
            .iter()
            .flat_map(|judged| &judged.happened)
            .filter(|happened| happened.fault == *fault)
            .collect();
        if times.is_empty() {
            continue;
        }
        let wrong: usize = times.iter().map(|happened| happened.outcome.wrong.len()).sum();
        let stuck: usize = times.iter().map(|happened| happened.recovery.stuck).sum();
        let worst = times.iter().map(|happened| happened.recovery.waited).max().unwrap_or(Duration::ZERO);
        print(&format!("{name:<16}{:>6}{wrong:>8}{stuck:>8}{:>15} ms", times.len(), worst.as_millis()));
    }
    print("");
    let sum = |pick: fn(&Judged) -> usize| judged.iter().map(pick).sum::<usize>();
    for (name, count) in [
        ("faults injected", sum(|judged| judged.happened.len())),
        ("messages sent", sum(|judged| judged.report.totals.sent)),
        ("messages acked", sum(|judged| judged.report.totals.acked)),
        ("edits, recalls, reactions, pins", sum(|judged| judged.report.totals.acts)),
        ("of those acked", sum(|judged| judged.report.totals.acts_acked)),
        ("retries", sum(|judged| judged.report.totals.retries)),
        ("duplicates absorbed", sum(|judged| judged.report.totals.absorbed)),
        ("refused", sum(|judged| judged.report.totals.refused)),
        ("left open by a lost connection", sum(|judged| judged.report.totals.unknown)),
    ] {
        print(&format!("{name:<40}{count:>8}"));
    }
    let gaps = sum(|judged| judged.gaps);
    print(&format!("{:<40}{gaps:>8}{}", "events left out", if gaps == 0 { "" } else { "  FAILED" }));
    for rule in Rule::ALL {
        let count: usize = judged.iter().map(|judged| judged.report.count(rule)).sum();
        let failed = if count == 0 { "" } else { "  FAILED" };
        print(&format!("{:<4}{:<36}{count:>8}{failed}", rule.to_string(), rule.title()));
        let findings = judged.iter().flat_map(|judged| judged.report.of(rule));
        for finding in findings.take(WRITTEN) {
            print(&format!("      {}", finding.words));
        }
    }
    let drift = sum(|judged| judged.left.drift.len());
    print(&format!(
        "{:<40}{drift:>8}{}",
        "drift, by the doctor's recount",
        if drift == 0 { "" } else { "  FAILED" }
    ));
    for sentence in judged.iter().flat_map(|judged| &judged.left.drift).take(WRITTEN) {
        print(&format!("      {sentence}"));
    }
    let failures = failures(judged);
    let seeds: Vec<String> = seeds.iter().map(u64::to_string).collect();
    print(&format!(
        "seed {}: {}",
        seeds.join(", "),
        if failures == 0 { "all zero".to_owned() } else { format!("{failures} FAILURES") }
    ));
}

/// Prints configurations beside one another; none in place of what a run that stopped would have told.
pub fn compare(all: &[(Setup, Option<Vec<Judged>>)], print: &mut impl FnMut(&str)) {
    print("");
    print(&format!(
        "{:<20}{:>7}{:>9}{:>9}{:>6}{:>9}{:>11}{:>7}{:>7}  worst recovery",
        "configuration", "faults", "sent", "acked", "lost", "doubled", "reordered", "stuck", "other"
    ));
    for (setup, judged) in all {
        let name = setup.to_string();
        let Some(judged) = judged else {
            print(&format!("{name:<20}the run STOPPED"));
            continue;
        };
        let sum = |pick: &dyn Fn(&Judged) -> usize| judged.iter().map(pick).sum::<usize>();
        let rules = [Rule::C1, Rule::C2, Rule::C3].map(|rule| sum(&|judged| judged.report.count(rule)));
        let [lost, doubled, reordered] = rules;
        let happened = || judged.iter().flat_map(|judged| &judged.happened);
        let stuck: usize = happened().map(|happened| happened.recovery.stuck).sum();
        let other = failures(judged) - lost - doubled - reordered - stuck;
        let worst = happened().max_by_key(|happened| happened.recovery.waited);
        let worst =
            worst.map(|worst| format!("{} ms ({})", worst.recovery.waited.as_millis(), worst.fault.name()));
        print(&format!(
            "{name:<20}{:>7}{:>9}{:>9}{lost:>6}{doubled:>9}{reordered:>11}{stuck:>7}{other:>7}  {}",
            happened().count(),
            sum(&|judged| judged.report.totals.sent),
            sum(&|judged| judged.report.totals.acked),
            worst.unwrap_or_default()
        ));
    }
}
