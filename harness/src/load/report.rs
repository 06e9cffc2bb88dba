//! What was measured, as a table for people and as JSON for programs.

use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::Write;

/// What a figure should be.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// At most this.
    AtMost(f64),
    /// At least this.
    AtLeast(f64),
    /// No target of its own.
    None,
}

impl Target {
    fn met(self, value: f64) -> Option<bool> {
        match self {
            Self::AtMost(most) => Some(value <= most),
            Self::AtLeast(least) => Some(value >= least),
            Self::None => None,
        }
    }
}

/// One figure.
#[derive(Clone, Debug, Serialize)]
pub struct Figure {
    /// Row of the list of targets; 0 is a floor.
    pub row: u8,
    /// What was measured.
    pub metric: String,
    /// In which unit.
    pub unit: &'static str,
    /// How much.
    pub value: f64,
    /// How much it should be.
    pub target: Target,
    /// The same of a bare program in the same run.
    pub floor: Option<f64>,
    /// Operations per second of the server's processor.
    pub per_cpu_second: Option<f64>,
    /// Median, 99th percentile and longest, in milliseconds.
    pub times: Option<(f64, f64, f64)>,
    /// How many operations or objects it was measured on.
    pub n: u64,
    /// What else a reader should know.
    pub note: String,
}

impl Figure {
    /// A bare figure; the rest is filled in by the caller.
    pub fn new(row: u8, metric: impl Into<String>, unit: &'static str, value: f64, n: u64) -> Self {
        Self {
            row,
            metric: metric.into(),
            unit,
            value,
            target: Target::None,
            floor: None,
            per_cpu_second: None,
            times: None,
            n,
            note: String::new(),
        }
    }

    /// It should be at most this.
    #[must_use]
    pub fn at_most(self, most: f64) -> Self {
        Self { target: Target::AtMost(most), ..self }
    }

    /// It should be at least this.
    #[must_use]
    pub fn at_least(self, least: f64) -> Self {
        Self { target: Target::AtLeast(least), ..self }
    }

    /// What a bare program does.
    #[must_use]
    pub fn over(self, floor: Option<f64>) -> Self {
        Self { floor, ..self }
    }

    /// Operations and the processor time they took, in seconds.
    #[must_use]
    pub fn cost(self, operations: f64, cpu: f64) -> Self {
        Self { per_cpu_second: (cpu > 0.0).then(|| operations / cpu), ..self }
    }

    /// The distribution behind it.
    #[must_use]
    pub fn times(self, latency: &super::latency::Latency) -> Self {
        Self { times: Some((latency.p50(), latency.p99(), latency.max())), ..self }
    }

    /// A remark.
    #[must_use]
    pub fn note(self, note: impl Into<String>) -> Self {
        Self { note: note.into(), ..self }
    }
}

/// Of each figure the median over the runs: the whole figure of the middle run, so that its parts fit together.
pub fn medians(runs: &[Vec<Figure>]) -> Vec<Figure> {
    let mut order: Vec<(u8, &str)> = Vec::new();
    let mut all: BTreeMap<(u8, &str), Vec<&Figure>> = BTreeMap::new();
    for figure in runs.iter().flatten() {
        let key = (figure.row, figure.metric.as_str());
        let list = all.entry(key).or_default();
        if list.is_empty() {
            order.push(key);
        }
        list.push(figure);
    }
    order.sort_by_key(|(row, _)| *row);
    order
        .iter()
        .filter_map(|key| {
            let list = all.get_mut(key)?;
            list.sort_by(|one, other| one.value.total_cmp(&other.value));
            list.get((list.len() - 1) / 2).map(|&figure| figure.clone())
        })
        .collect()
}

/// A number with three significant digits, grouped in thousands.
pub fn number(value: f64) -> String {
    let size = value.abs();
    if size >= 1000.0 {
        let digits = format!("{value:.0}");
        let mut grouped = String::new();
        for (place, digit) in digits.chars().enumerate() {
            if place > 0 && digit != '-' && (digits.len() - place).is_multiple_of(3) {
                grouped.push(',');
            }
            grouped.push(digit);
        }
        return grouped.replace("-,", "-");
    }
    match size {
        _ if size >= 100.0 => format!("{value:.0}"),
        _ if size >= 10.0 => format!("{value:.1}"),
        _ if size >= 1.0 => format!("{value:.2}"),
        0.0 => "0".to_owned(),
        _ => format!("{value:.3}"),
    }
}

/// The table.
pub fn markdown(machine: &str, figures: &[Figure]) -> String {
    let mut text = format!("{machine}\n\n");
    text.push_str(
        "| row | metric | value | target | floor | ratio | per CPU-second | p50 / p99 / max ms | n | |\n",
    );
    text.push_str("|--:|---|--:|--:|--:|--:|--:|--:|--:|---|\n");
    for figure in figures {
        let row = if figure.row == 0 { "floor".to_owned() } else { figure.row.to_string() };
        let mark = match figure.target.met(figure.value) {
            Some(true) => " ✓",
            Some(false) => " ✗",
            None => "",
        };
        let target = match figure.target {
            Target::AtMost(most) => format!("≤ {}", number(most)),
            Target::AtLeast(least) => format!("≥ {}", number(least)),
            Target::None => String::new(),
        };
        let floor = figure.floor.map(number).unwrap_or_default();
        let ratio =
            figure.floor.filter(|floor| *floor > 0.0).map(|floor| format!("{:.2}", figure.value / floor));
        let times = figure
            .times
            .map(|(p50, p99, max)| format!("{} / {} / {}", number(p50), number(p99), number(max)));
        // Writing into a String cannot fail.
        let _ = writeln!(
            text,
            "| {row} | {} | {} {}{mark} | {target} | {floor} | {} | {} | {} | {} | {} |",
            figure.metric,
            number(figure.value),
            figure.unit,
            ratio.unwrap_or_default(),
            figure.per_cpu_second.map(number).unwrap_or_default(),
            times.unwrap_or_default(),
            number(figure.n as f64),
            figure.note,
        );
    }
    text
}

/// What the figures were measured on, and how.
pub fn machine(runs: u64) -> String {
    conditions(runs, "server on core 0, load on core 1, loopback")
}

/// The same for several processes of which none is bound to a core.
pub fn shared_machine(runs: u64) -> String {
    conditions(runs, "nodes, Postgres, broker and load share all cores, loopback without TLS")
}

fn conditions(runs: u64, where_what_runs: &str) -> String {
    let read = |file| std::fs::read_to_string(file).unwrap_or_default();
    let cpu = read("/proc/cpuinfo");
    let model =
        cpu.lines().find_map(|line| line.strip_prefix("model name")?.split(':').nth(1).map(str::trim));
    let cores = cpu.lines().filter(|line| line.starts_with("processor")).count();
    let kernel = read("/proc/sys/kernel/osrelease");
    let load = read("/proc/loadavg");
    format!(
        "{} x {cores}, Linux {}; {where_what_runs}, {}-byte texts, acks after fsync; median of {runs} \
         interleaved runs; load average before {}.",
        model.unwrap_or("unknown processor"),
        kernel.trim(),
        super::frame::TEXT.len(),
        load.split_whitespace().next().unwrap_or("unknown"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_three_digits() {
        let written: Vec<_> =
            [0.0, 0.1234, 1.234, 12.34, 123.4, 1234.5, 1_234_567.0].into_iter().map(number).collect();
        assert_eq!(written, ["0", "0.123", "1.23", "12.3", "123", "1,234", "1,234,567"]);
    }

    #[test]
    fn the_median_is_a_whole_figure() {
        let run = |value: f64| {
            vec![Figure::new(5, "sends", "/s", value, value as u64), Figure::new(0, "echo", "us", 1.0, 1)]
        };
        let median = medians(&[run(30.0), run(10.0), run(20.0)]);
        assert_eq!(median.iter().map(|it| (it.row, it.n)).collect::<Vec<_>>(), [(0, 1), (5, 20)]);
    }

    #[test]
    fn the_table_says_whether_a_target_is_met() {
        let figures = [
            Figure::new(1, "memory", "KiB", 6.0, 10).at_most(8.0).over(Some(4.0)),
            Figure::new(5, "sends", "/s", 9000.0, 10).at_least(20_000.0).cost(100.0, 0.5),
        ];
        let table = markdown("a machine", &figures);
        assert!(table.contains("| 1 | memory | 6.00 KiB ✓ | ≤ 8.00 | 4.00 | 1.50 |"), "{table}");
        assert!(table.contains("| 5 | sends | 9,000 /s ✗ | ≥ 20,000 |  |  | 200 |"), "{table}");
    }
}
