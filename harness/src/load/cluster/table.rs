//! All setups side by side.

use super::setup::Setup;
use crate::load::report::{Figure, number};
use std::fmt::Write;

/// A line for each setup, from the figures of each.
pub fn markdown(setups: &[Setup], figures: &[Figure]) -> String {
    let mut text = "| setup | sends/s, one node | sends/s, two nodes | CPU a message of two nodes (where there are two) | \
                    accepted, idle | ack, idle | other node, idle | ack, half load | other node, half load |\n\
                    |---|--:|--:|---|--:|--:|--:|--:|--:|\n"
        .to_owned();
    for setup in setups {
        let find = |what: &str| {
            let metric = format!("{setup}: {what}");
            figures.iter().find(|figure| figure.metric == metric)
        };
        let value = |what: &str| find(what).map_or_else(String::new, |figure| number(figure.value));
        let times = |what: &str| {
            let times = find(what).and_then(|figure| figure.times);
            times.map_or_else(String::new, |(p50, p99, _)| format!("{} / {}", number(p50), number(p99)))
        };
        let note =
            find("sends, two nodes").or_else(|| find("sends, one node")).map_or("", |it| it.note.as_str());
        let cost = note.split(';').next().unwrap_or_default().trim_start_matches("CPU a message: ");
        let other = if setup.is_shared() { "send to the other node" } else { "send to receive" };
        // Writing into a String cannot fail.
        let _ = writeln!(
            text,
            "| {setup} | {} | {} | {cost} | {} | {} | {} | {} | {} |",
            value("sends, one node"),
            value("sends, two nodes"),
            times("send to accepted, idle"),
            times("send to ack, idle"),
            times(&format!("{other}, idle")),
            times("send to ack, at half load"),
            times(&format!("{other}, at half load")),
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::latency::Latency;

    #[test]
    fn a_setup_is_a_line() {
        let setup: Setup = "nats:queued".parse().unwrap();
        let mut times = Latency::default();
        times.record(std::time::Duration::from_millis(2));
        let figures = [
            Figure::new(6, "nats:queued: sends, two nodes", "acks/s", 9000.0, 1)
                .note("CPU a message: nodes 1; none"),
            Figure::new(7, "nats:queued: send to ack, idle", "ms", 2.0, 1).times(&times),
        ];
        let table = markdown(&[setup], &figures);
        assert!(table.contains("| nats:queued |  | 9,000 | nodes 1 |  | 2.00 / 2.00 |"), "{table}");
    }
}
