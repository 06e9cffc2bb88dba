//! What the chat counts, as text for Prometheus on a listener of its own: `GET /metrics`.
//!
//! The exposition format is lines of `name{label="value"} number` under two lines that say what they mean
//! (<https://prometheus.io/docs/instrumenting/exposition_formats/>, version 0.0.4). docs/metrics.md lists every series.

mod process;

use crate::listener;
use crate::problem::not_found;
use axum::Router;
use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use chat::Chat;
use chat::metrics::{Counter, Histogram, Levels, Metrics};
use process::Process;
use std::fmt::{self, Write};
use std::time::SystemTime;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

const TYPE: HeaderValue = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");

/// Answers whoever measures, until it is stopped.
pub async fn serve(listener: TcpListener, chat: Chat, stop: CancellationToken) {
    let router = Router::new()
        .route("/metrics", get(answer))
        .fallback(not_found)
        .with_state((chat, SystemTime::now()));
    listener::serve(listener, router, stop).await;
}

/// `GET /metrics`
async fn answer(State((chat, started)): State<(Chat, SystemTime)>) -> Response {
    let levels = chat.levels().await;
    // Counting open files reads a folder with one entry for each socket.
    let process = tokio::task::spawn_blocking(Process::read).await.unwrap_or_default();
    let text = text(chat.metrics(), &levels, &process, started);
    ([(header::CONTENT_TYPE, TYPE), (header::CACHE_CONTROL, HeaderValue::from_static("no-store"))], text)
        .into_response()
}

/// One answer, as it grows.
#[derive(Default)]
struct Page(String);

impl Page {
    fn head(&mut self, name: &str, kind: &str, help: &str) {
        self.line(format_args!("# HELP {name} {help}\n# TYPE {name} {kind}"));
    }

    fn line(&mut self, line: fmt::Arguments<'_>) {
        // Writing into a string cannot fail.
        let _ = writeln!(self.0, "{line}");
    }

    fn each<'a, V: fmt::Display>(
        &mut self,
        name: &str,
        kind: &str,
        help: &str,
        label: &str,
        values: impl IntoIterator<Item = (&'a str, V)>,
    ) {
        self.head(name, kind, help);
        for (word, value) in values {
            self.line(format_args!("{name}{{{label}=\"{word}\"}} {value}"));
        }
    }

    fn counter(&mut self, name: &str, help: &str, counter: &Counter) {
        self.head(name, "counter", help);
        self.line(format_args!("{name} {}", counter.get()));
    }

    fn counters(&mut self, name: &str, help: &str, label: &str, counters: &[(&str, &Counter)]) {
        self.each(
            name,
            "counter",
            help,
            label,
            counters.iter().map(|(word, counter)| (*word, counter.get())),
        );
    }

    /// None: nobody knows, and nothing is said.
    fn gauge<V: fmt::Display>(&mut self, name: &str, help: &str, value: Option<V>) {
        self.head(name, "gauge", help);
        if let Some(value) = value {
            self.line(format_args!("{name} {value}"));
        }
    }

    fn seconds(&mut self, name: &str, help: &str, times: &Histogram) {
        self.histogram(name, help, times, 1e6);
    }

    fn histogram(&mut self, name: &str, help: &str, histogram: &Histogram, scale: f64) {
        self.head(name, "histogram", help);
        // Read once, so that the last bucket and the count agree while others count on.
        let (buckets, all) = histogram.buckets();
        for (bound, count) in buckets {
            self.line(format_args!("{name}_bucket{{le=\"{}\"}} {count}", bound as f64 / scale));
        }
        self.line(format_args!("{name}_bucket{{le=\"+Inf\"}} {all}"));
        self.line(format_args!("{name}_sum {}", histogram.sum() as f64 / scale));
        self.line(format_args!("{name}_count {all}"));
    }
}

fn text(metrics: &Metrics, levels: &Levels, process: &Process, started: SystemTime) -> String {
    let mut page = Page(String::with_capacity(16 * 1024));
    nodes(&mut page, metrics);
    store(&mut page, metrics, levels);
    people(&mut page, metrics, levels);
    sockets(&mut page, metrics, levels);
    process.tell(&mut page, started);
    page.0
}

fn nodes(page: &mut Page, m: &Metrics) {
    page.counter(
        "confab_doorbells_published_total",
        "Doorbells the broker took from this node.",
        &m.doorbells_published,
    );
    page.counters(
        "confab_doorbells_dropped_total",
        "Doorbells that did not reach the broker.",
        "reason",
        &[("full", &m.doorbells_dropped_full), ("broker", &m.doorbells_dropped_broker)],
    );
    page.counter(
        "confab_doorbells_heard_total",
        "Doorbells of other nodes that were heard here.",
        &m.doorbells_heard,
    );
    page.counter(
        "confab_doorbells_missed_total",
        "Doorbells of other nodes that were not heard here, by their numbers.",
        &m.doorbells_missed,
    );
    page.counter(
        "confab_doorbells_unsealed_total",
        "What came over the bus and was not sealed by a server of this database.",
        &m.doorbells_unsealed,
    );
    page.counters(
        "confab_bus_gaps_total",
        "Times at which something of other nodes may have been missed, and everything was looked up.",
        "cause",
        &[("number", &m.bus_gaps_number), ("newcomer", &m.bus_gaps_newcomer), ("broker", &m.bus_gaps_broker)],
    );
    page.seconds(
        "confab_doorbell_publish_seconds",
        "How long the broker took over a batch of doorbells.",
        &m.publish,
    );
    page.seconds(
        "confab_doorbell_delivery_seconds",
        "From the publishing of a doorbell at another node to its hearing here, by both clocks.",
        &m.delivery,
    );
    page.counters(
        "confab_submissions_total",
        "Messages given to the broker to be queued.",
        "outcome",
        &[("kept", &m.submitted), ("unknown", &m.submitted_unknown)],
    );
    page.seconds("confab_submit_seconds", "How long the broker took to keep a batch of messages.", &m.submit);
    page.counter(
        "confab_worker_retries_total",
        "Batches a worker could not store, and tried again.",
        &m.worker_retries,
    );
    page.counter("confab_dead_letters_total", "Messages this worker buried.", &m.dead_letters);
}

fn store(page: &mut Page, m: &Metrics, levels: &Levels) {
    page.seconds("confab_commit_seconds", "How long a transaction of messages took.", &m.commit);
    page.histogram(
        "confab_commit_batch_size",
        "Messages, marks and changes of one transaction.",
        &m.commit_batch.0,
        1.0,
    );
    page.counters(
        "confab_commit_failures_total",
        "Transactions of messages that failed.",
        "outcome",
        &[("refused", &m.commits_refused), ("unknown", &m.commits_unknown)],
    );
    page.counter(
        "confab_duplicates_absorbed_total",
        "Messages and changes whose nonce was stored before.",
        &m.duplicates,
    );
    let name = "confab_cache_lookups_total";
    page.head(name, "counter", "Looks into the cache.");
    for (entry, counts) in [("session", &m.cache_session), ("member", &m.cache_member)] {
        let outcomes = [
            ("hit", &counts.hits),
            ("miss", &counts.misses),
            ("error", &counts.errors),
            ("passed", &counts.passed),
        ];
        for (outcome, count) in outcomes {
            page.line(format_args!("{name}{{entry=\"{entry}\",outcome=\"{outcome}\"}} {}", count.get()));
        }
    }
    page.gauge("confab_intake_backlog_messages", "Messages that wait for a worker.", levels.backlog);
    let queues = &levels.queues;
    page.each(
        "confab_queue_depth",
        "gauge",
        "What waits in a queue of this node.",
        "queue",
        queues.iter().map(|depth| (depth.queue, depth.waiting)),
    );
    page.each(
        "confab_queue_capacity",
        "gauge",
        "What may wait in it.",
        "queue",
        queues.iter().map(|depth| (depth.queue, depth.room)),
    );
    page.each(
        "confab_dependency_up",
        "gauge",
        "Whether what the node depends on answers.",
        "dependency",
        levels.up.iter().map(|(name, up)| (*name, u8::from(*up))),
    );
}

fn people(page: &mut Page, m: &Metrics, levels: &Levels) {
    page.counters(
        "confab_acks_total",
        "Answers that something is stored.",
        "outcome",
        &[("stored", &m.acks_stored), ("duplicate", &m.acks_duplicate)],
    );
    page.seconds(
        "confab_ack_seconds",
        "From a new message's arrival to its sender's answer that it is stored.",
        &m.ack,
    );
    let name = "confab_refusals_total";
    page.head(name, "counter", "Requests that were refused.");
    for (surface, refused) in [("socket", &m.refused_socket), ("http", &m.refused_http)] {
        for (code, count) in refused.each() {
            let code = code.as_str();
            page.line(format_args!("{name}{{surface=\"{surface}\",code=\"{code}\"}} {count}"));
        }
    }
    let more = [("frame", m.limited_frames.get()), ("sign_in", m.limited_sign_ins.get())];
    page.each(
        "confab_rate_limited_total",
        "counter",
        "Actions refused because they came too soon.",
        "action",
        levels.limited.iter().copied().chain(more),
    );
    page.gauge(
        "confab_hashes_waiting",
        "Sign-ins that wait for a core to hash their password on.",
        Some(levels.hashes_waiting),
    );
}

fn sockets(page: &mut Page, m: &Metrics, levels: &Levels) {
    page.gauge("confab_users_connected", "People with a socket here.", Some(levels.users));
    page.gauge("confab_sockets_connected", "Sockets here.", Some(levels.sockets));
    page.gauge(
        "confab_handshakes_waiting",
        "Sockets that are open and have no answer to their hello yet.",
        Some(m.handshakes_waiting.get()),
    );
    page.counters(
        "confab_handshakes_total",
        "Handshakes of sockets.",
        "outcome",
        &[
            ("accepted", &m.handshakes_accepted),
            ("malformed", &m.handshakes_malformed),
            ("pace", &m.handshakes_pace),
            ("identity", &m.handshakes_identity),
            ("person", &m.handshakes_person),
            ("full", &m.handshakes_full),
        ],
    );
    page.counters(
        "confab_hellos_total",
        "Hellos that were answered, by what the client had.",
        "state",
        &[
            ("fresh", &m.hellos_fresh),
            ("current", &m.hellos_current),
            ("behind", &m.hellos_behind),
            ("reset", &m.hellos_reset),
        ],
    );
    page.counters(
        "confab_slow_readers_dropped_total",
        "Sockets given up because they did not read.",
        "reason",
        &[("queue", &m.slow_queue), ("stalled", &m.slow_stalled)],
    );
    page.counters(
        "confab_gap_fills_total",
        "Times at which missed changes were read from the store.",
        "cause",
        &[
            ("doorbell", &m.gap_fills_doorbell),
            ("watch", &m.gap_fills_watch),
            ("client", &m.gap_fills_client),
        ],
    );
    page.counter(
        "confab_rooms_resynced_total",
        "Conversations whose sockets were closed because too much was missed.",
        &m.rooms_resynced,
    );
    page.counter("confab_resets_total", "Sockets told to fetch a conversation anew.", &m.resets);
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_time_is_written_in_seconds_and_its_buckets_add_up() {
        let metrics = Metrics::default();
        metrics.commit.time(Duration::from_micros(300));
        metrics.commit.time(Duration::from_secs(60));
        let mut page = Page::default();
        page.seconds("x_seconds", "X.", &metrics.commit);
        let lines: Vec<_> = page.0.lines().collect();
        assert_eq!(
            lines[..3],
            ["# HELP x_seconds X.", "# TYPE x_seconds histogram", "x_seconds_bucket{le=\"0.0001\"} 0"]
        );
        assert!(lines.contains(&"x_seconds_bucket{le=\"0.0005\"} 1"), "{lines:?}");
        assert!(lines.contains(&"x_seconds_bucket{le=\"10\"} 1"), "{lines:?}");
        assert_eq!(
            lines[18..],
            ["x_seconds_bucket{le=\"+Inf\"} 2", "x_seconds_sum 60.0003", "x_seconds_count 2"]
        );
    }
}
