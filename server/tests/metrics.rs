//! What is measured: on a listener of its own, the right numbers, each of them on its page.

use harness::client::text;
use harness::{Error, Handshake, Scene, Server, Socket};
use protocol::frame::close;
use protocol::{ClientFrame, Nonce, limits};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::{Duration, Instant};
use tokio::net::TcpListener;

const CONFAB: &str = env!("CARGO_BIN_EXE_confab");
const FLAGS: [&str; 4] = ["--metrics-listen", "127.0.0.1:0", "--log-format", "json"];

/// Where a server says that it serves measurements.
fn address(server: &Server) -> String {
    let said = |line: &str| {
        let line: serde_json::Value = serde_json::from_str(line).ok()?;
        line.pointer("/fields/metrics.listen").or(line.get("metrics.listen"))?.as_str().map(str::to_owned)
    };
    let log = server.log();
    log.lines().find_map(said).unwrap_or_else(|| panic!("it does not say where:\n{log}"))
}

/// What a server measures: each sample by its name and labels, as written.
async fn measured(server: &Server) -> BTreeMap<String, f64> {
    let sample = |line: &str| {
        let (name, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("no sample: {line}"));
        (name.to_owned(), value.parse().unwrap_or_else(|_| panic!("no number: {line}")))
    };
    page(server).await.lines().filter(|line| !line.starts_with('#')).map(sample).collect()
}

async fn page(server: &Server) -> String {
    let answer = reqwest::get(format!("http://{}/metrics", address(server))).await.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["content-type"], "text/plain; version=0.0.4; charset=utf-8");
    answer.text().await.unwrap()
}

/// Waits until it is so: what is counted after an answer is counted a moment later.
async fn until(server: &Server, name: &str, holds: impl Fn(f64) -> bool) {
    let end = Instant::now() + Duration::from_secs(10);
    loop {
        let value = measured(server).await[name];
        if holds(value) {
            return;
        }
        assert!(Instant::now() < end, "{name} is {value}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn scene<const N: usize>(names: [&str; N]) -> Scene<N> {
    let server = Server::start_with(CONFAB, &FLAGS).await.unwrap();
    let client = server.client().unwrap();
    let mut people = Vec::new();
    for name in names {
        people.push(harness::Person::register(&client, name).await.unwrap());
    }
    Scene { server, people: people.try_into().unwrap_or_else(|_| unreachable!("one each")) }
}

#[tokio::test]
async fn ten_messages_are_ten_acks_and_a_retry_is_a_duplicate() {
    let Scene { server, people: [ada, ben] } = scene(["ada", "ben"]).await;
    let room = ada.client.direct(ben.id()).await.unwrap().id;
    let (mut adas, _bens) = (ada.socket().await.unwrap(), ben.socket().await.unwrap());
    let before = measured(&server).await;
    for n in 0..7 {
        adas.say(room, &format!("{n}")).await.unwrap();
    }
    for n in 0..3 {
        ada.client.post(room, &format!("over REST, {n}")).await.unwrap();
    }
    let after = measured(&server).await;
    let more = |name: &str| after[name] - before[name];
    assert_eq!(more("confab_acks_total{outcome=\"stored\"}"), 10.0);
    assert_eq!(more("confab_acks_total{outcome=\"duplicate\"}"), 0.0);
    assert_eq!(more("confab_ack_seconds_count"), 10.0);
    assert_eq!(more("confab_ack_seconds_bucket{le=\"+Inf\"}"), 10.0);
    // One after the other they cannot share a transaction.
    assert!(more("confab_commit_seconds_count") >= 10.0);
    assert_eq!(more("confab_commit_batch_size_sum"), more("confab_commit_batch_size_count"));
    assert!(after["confab_commit_seconds_sum"] > 0.0 && after["confab_commit_seconds_sum"] < 60.0);
    assert_eq!((after["confab_users_connected"], after["confab_sockets_connected"]), (2.0, 2.0));
    until(&server, "confab_handshakes_waiting", |waiting| waiting == 0.0).await;
    assert_eq!(after["confab_dependency_up{dependency=\"store\"}"], 1.0);
    assert_eq!(after["confab_queue_depth{queue=\"writer\"}"], 0.0);
    assert!(!after.contains_key("confab_intake_backlog_messages"), "nothing is queued here");

    let nonce: Nonce = "the-same".parse().unwrap();
    for _ in 0..2 {
        adas.post_as(room, nonce.clone(), text("once")).await.unwrap();
        adas.ack(&nonce).await.unwrap();
    }
    let last = measured(&server).await;
    assert_eq!(
        last["confab_acks_total{outcome=\"stored\"}"] - after["confab_acks_total{outcome=\"stored\"}"],
        1.0
    );
    assert_eq!(last["confab_acks_total{outcome=\"duplicate\"}"], 1.0);
    assert_eq!(last["confab_duplicates_absorbed_total"], 1.0);

    // Gone, they are not counted any more.
    adas.close().await.unwrap();
    until(&server, "confab_sockets_connected", |sockets| sockets == 1.0).await;
}

#[tokio::test]
async fn refusals_rise_by_their_code() {
    let Scene { server, people: [ada, ben] } = scene(["ada", "ben"]).await;
    let (mut socket, room) = (ada.socket().await.unwrap(), ben.client.group("Ben's", &[]).await.unwrap());
    let http = |code: &str| format!("confab_refusals_total{{surface=\"http\",code=\"{code}\"}}");
    let on_socket = |code: &str| format!("confab_refusals_total{{surface=\"socket\",code=\"{code}\"}}");
    let before = measured(&server).await;
    let error = ada.client.post(room.id, "not a member").await.unwrap_err();
    assert_eq!(error.status(), Some(404));
    socket.post(room.id, "nor here").await.unwrap();
    socket.refusal().await.unwrap();
    socket.text(r#"{"type":"dance"}"#).await.unwrap();
    socket.refusal().await.unwrap();
    assert!(Socket::open(server.base(), Handshake::bearer("made-up")).await.is_err());
    while ada.client.group("Another", &[]).await.is_ok() {}
    let after = measured(&server).await;
    let more = |name: &str| after[name] - before[name];
    assert_eq!(more(&http("not_found")), 1.0);
    assert_eq!(more(&http("unauthorized")), 1.0);
    assert_eq!(more(&http("rate_limited")), 1.0);
    assert_eq!(more(&on_socket("not_found")), 1.0);
    assert_eq!(more(&on_socket("unknown_type")), 1.0);
    assert_eq!(more(&on_socket("rate_limited")), 0.0);
    assert_eq!(more("confab_rate_limited_total{action=\"found\"}"), 1.0);
    assert_eq!(more("confab_handshakes_total{outcome=\"identity\"}"), 1.0);
    assert_eq!(more("confab_handshakes_total{outcome=\"accepted\"}"), 0.0);
}

#[tokio::test]
async fn a_slow_reader_that_is_let_go_and_its_return_are_counted() {
    let Scene { server, people: [ada, ben] } = scene(["ada", "ben"]).await;
    let room = ada.client.direct(ben.id()).await.unwrap();
    let handshake = Handshake::bearer(ben.client.token()).receive_buffer(4096);
    let mut slow = Socket::open(server.base(), handshake).await.unwrap();
    let hello = slow.hello().await.unwrap();
    let mut sender = ada.socket().await.unwrap();
    assert_eq!(measured(&server).await["confab_slow_readers_dropped_total{reason=\"queue\"}"], 0.0);
    // Far more than the system's buffers and the queue of one socket hold.
    let words = "慢".repeat(limits::TEXT_CHARS);
    for _ in 0..150 {
        sender.say(room.id, &words).await.unwrap();
    }
    assert_eq!(slow.closed().await.unwrap(), close::RESYNC);
    until(&server, "confab_slow_readers_dropped_total{reason=\"queue\"}", |dropped| dropped == 1.0).await;

    let cursors: Vec<_> = hello.heads.iter().map(|head| (head.id, head.head_rev)).collect();
    let mut back = ben.connect().await.unwrap();
    let again = back.hello_with(Some(hello.epoch), Some(cursors), None).await.unwrap();
    back.frame(&ClientFrame::Sync { conversation: room.id, after: room.head_rev }).await.unwrap();
    until(&server, "confab_gap_fills_total{cause=\"client\"}", |fills| fills == 1.0).await;
    let cursors: Vec<_> = again.heads.iter().map(|head| (head.id, head.head_rev)).collect();
    let states = again.heads.iter().map(|head| (head.id, head.state())).collect();
    let mut third = ben.connect().await.unwrap();
    third.hello_with(Some(hello.epoch), Some(cursors), Some(states)).await.unwrap();
    let after = measured(&server).await;
    let hellos = |state: &str| after[&format!("confab_hellos_total{{state=\"{state}\"}}")];
    assert_eq!((hellos("fresh"), hellos("behind"), hellos("current"), hellos("reset")), (2.0, 1.0, 1.0, 0.0));
}

/// The table rows of docs/metrics.md, by the series they name.
fn documented() -> BTreeMap<String, String> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/metrics.md");
    let page = std::fs::read_to_string(file).unwrap();
    let row = |line: &str| {
        let name = line.strip_prefix("| `")?.split_once('`')?.0;
        Some((name.to_owned(), line.to_owned()))
    };
    page.lines().filter_map(row).collect()
}

#[tokio::test]
async fn the_page_and_the_server_name_the_same_series() {
    let server = Server::start_with(CONFAB, &FLAGS).await.unwrap();
    let (page, documented) = (page(&server).await, documented());
    let types: Vec<_> =
        page.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' ')).collect();
    let told: BTreeSet<_> = types.iter().map(|(name, _)| *name).collect();
    assert_eq!(told.len(), types.len(), "each once");
    assert_eq!(told, documented.keys().map(String::as_str).collect::<BTreeSet<_>>());
    for (name, kind) in types {
        assert!(documented[name].contains(&format!("| {kind} |")), "{name} is a {kind}");
    }
    // Each label and each of its values stands in the row of its series.
    for line in page.lines().filter(|line| !line.starts_with('#')) {
        let Some((name, labels)) = line.split_once('{') else { continue };
        let labels = labels.split_once('}').unwrap().0;
        for (label, value) in labels.split(',').map(|label| label.split_once('=').unwrap()) {
            let value = value.trim_matches('"');
            if label == "le" || (name, label) == ("confab_queue_capacity", "queue") {
                continue;
            }
            let row = &documented[name];
            assert!(row.contains(&format!("`{label}`")), "{name} has no {label} on its page");
            assert!(
                label == "version" || row.contains(&format!("`{value}`")),
                "{name}: {value} is not explained"
            );
        }
    }
    // What a machine with /proc knows of a process.
    let samples = measured(&server).await;
    assert!(samples["process_resident_memory_bytes"] > 1e6 && samples["process_open_fds"] >= 3.0);
    assert!(samples["process_max_fds"] >= samples["process_open_fds"]);
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs_f64();
    assert!((now - samples["process_start_time_seconds"]).abs() < 60.0);
}

#[tokio::test]
async fn measurements_are_served_only_where_they_were_asked_for() {
    let Scene { server, people: [ada] } = scene(["ada"]).await;
    assert_eq!(server.client().unwrap().get("/metrics").await.unwrap().status, 404, "not beside the chat");
    let elsewhere = reqwest::get(format!("http://{}/api/v1/me", address(&server))).await.unwrap();
    assert_eq!(elsewhere.status(), 404, "and nothing else beside the measurements");
    drop(ada);
    let without = Server::start_with(CONFAB, &FLAGS[2..]).await.unwrap();
    assert!(!without.log().contains("metrics"), "{}", without.log());
}

#[tokio::test]
async fn an_address_that_is_taken_is_refused_with_a_sentence() {
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = taken.local_addr().unwrap().to_string();
    let Err(Error::Process(why)) = Server::start_with(CONFAB, &["--metrics-listen", &at]).await else {
        panic!("it started")
    };
    let sentence = format!("confab: metrics-listen: accepts a free address of this machine, got `{at}`");
    assert!(why.contains(&sentence), "{why}");
}

#[tokio::test]
async fn no_words_of_anybody_are_among_the_measurements() {
    let Scene { server, people: [ada, ben] } = scene(["ada-canary", "ben-canary"]).await;
    let room = ada.client.direct(ben.id()).await.unwrap().id;
    let mut socket = ada.socket().await.unwrap();
    socket.say(room, "canary").await.unwrap();
    socket.text(r#"{"type":"canary"}"#).await.unwrap();
    socket.refusal().await.unwrap();
    let _refused = ada.client.call(reqwest::Method::POST, "canary", &text("x")).await;
    let page = page(&server).await;
    for secret in ["canary".to_owned(), room.to_string(), ada.id().to_string()] {
        assert!(!page.contains(&secret), "{page}");
    }
}
