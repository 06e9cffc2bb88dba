mod tls;

use super::lease::Place;
use super::work::place;
use super::*;
use crate::bus::intake::{Delivery, DeliveryId, PARTITIONS, Submission, partition};
use crate::bus::wire::{HEARD, Heard, PATIENCE, Parcel};
use bytes::Bytes;
use protocol::{ConversationId, UserId};
use rustix::process::{Pid, Signal, kill_process};
use std::collections::{BTreeMap, BTreeSet};
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;
use tokio::time::{Instant, sleep, timeout};

/// Long enough for everything that a slow machine does in time.
const LONG: Duration = Duration::from_secs(40);

/// An address of the server for tests with a prefix of its own; none where there is no such server.
fn shared() -> Option<Address> {
    match std::env::var("CONFAB_TEST_REDIS") {
        Ok(url) => Some(with_prefix(&url)),
        Err(_) => {
            assert!(std::env::var_os("CI").is_none(), "CONFAB_TEST_REDIS is not set");
            None
        }
    }
}

fn with_prefix(url: &str) -> Address {
    let url = format!("{url}?prefix=test-{:016x}", rand::random::<u64>());
    Address::parse("redis", PORT, SETTINGS, &url).unwrap()
}

/// A server of a test's own, which it can kill.
struct Private {
    folder: TempDir,
    port: u16,
    child: Child,
}

impl Private {
    fn start() -> Option<Self> {
        shared()?;
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let folder = TempDir::new().unwrap();
        let child = Self::run(&folder, port, &[]);
        Some(Self { folder, port, child })
    }

    fn run(folder: &TempDir, port: u16, more: &[&str]) -> Child {
        let mut server = Command::new("redis-server");
        server.args(["--bind", "127.0.0.1", "--save", "", "--requirepass", "s:cret"]);
        server.args(["--appendonly", "yes", "--appendfsync", "always", "--port", &port.to_string()]);
        server.arg("--dir").arg(folder.path()).args(more).stdout(Stdio::null());
        server
            .spawn()
            .expect("redis-server is in PATH where CONFAB_TEST_REDIS is set: scripts/tools services")
    }

    /// Makes this server a copy of another.
    fn follow(&mut self, primary: u16) {
        self.kill();
        let more = ["--replicaof", "127.0.0.1", &primary.to_string(), "--masterauth", "s:cret"];
        self.child = Self::run(&self.folder, self.port, &more);
    }

    fn address(&self) -> Address {
        with_prefix(&format!("redis://default:s%3Acret@127.0.0.1:{}", self.port))
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// As a crash would.
    fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    fn restart(&mut self) {
        self.child = Self::run(&self.folder, self.port, &[]);
    }
}

impl Drop for Private {
    fn drop(&mut self) {
        self.kill();
    }
}

async fn within<T>(future: impl Future<Output = T>) -> T {
    timeout(LONG, future).await.expect("it comes in time")
}

async fn until(what: impl Fn() -> bool) {
    within(async {
        while !what() {
            sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
}

/// A conversation of the given line.
fn key(line: u16) -> ConversationId {
    std::iter::repeat_with(ConversationId::generate).find(|key| partition(*key) == line).unwrap()
}

fn submission(key: ConversationId, text: impl Into<Bytes>) -> Submission {
    Submission { key, sealed: text.into() }
}

fn numbered(key: ConversationId, numbers: std::ops::Range<u32>) -> Vec<Submission> {
    numbers.map(|number| submission(key, number.to_string())).collect()
}

fn numbers(deliveries: &[Delivery]) -> Vec<u32> {
    deliveries.iter().map(number).collect()
}

fn number(delivery: &Delivery) -> u32 {
    std::str::from_utf8(&delivery.sealed).unwrap().parse().unwrap()
}

/// Submits until the server says that it has it.
async fn submit(intake: &dyn Intake, batch: Vec<Submission>) {
    within(async { while intake.submit(batch.clone()).await.iter().any(Result::is_err) {} }).await;
}

/// What of a line was given and is not done, with whom it was given to.
async fn pending(server: &Server, line: u16) -> Vec<(String, String)> {
    let mut connection = connection::connect(server, 0).await.unwrap();
    let mut ask = ::redis::cmd("XPENDING");
    ask.arg(server.names.submitted(line)).arg(GROUP).arg("-").arg("+").arg(10_000);
    let entries: Vec<(String, String, u64, u64)> = ask.query_async(&mut connection).await.unwrap();
    entries.into_iter().map(|(id, consumer, ..)| (id, consumer)).collect()
}

async fn backlog(intake: &dyn Intake) -> u64 {
    intake.backlog().await.unwrap()
}

/// Takes work until the whole count of it is in hand.
async fn take(work: &mut dyn Work, count: usize) -> Vec<Delivery> {
    within(async {
        loop {
            let deliveries = work.next(count).await;
            if deliveries.len() == count {
                return deliveries;
            }
        }
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_node_sends_is_heard_by_every_node_in_order() {
    let Some(address) = shared() else { return };
    let (one, mut other) = (wire(&address).await.unwrap(), wire(&address).await.unwrap());
    let neighbour = wire(&shared().unwrap()).await.unwrap();
    let subjects = [
        Subject::Direct(ConversationId::generate()),
        Subject::Group(ConversationId::generate()),
        Subject::User(UserId::generate()),
        Subject::Nodes,
    ];
    // More than the queue holds: the rest waits at the server, and nothing is a gap.
    let count = 4 * HEARD;
    let parcel = |number: usize| Parcel { subject: subjects[number % 4], sealed: number.to_string().into() };
    for batch in (0..count).collect::<Vec<_>>().chunks(100) {
        one.wire.send(batch.iter().map(|number| parcel(*number)).collect()).await.unwrap();
    }
    for number in 0..count {
        assert!(other.heard.len() <= HEARD);
        match within(other.heard.recv()).await {
            Some(Heard::Sealed(sealed)) => assert_eq!(sealed, number.to_string()),
            heard => panic!("{heard:?}"),
        }
    }
    assert!(one.wire.is_up() && neighbour.heard.is_empty());
    other.wire.close().await;
    assert!(within(other.heard.recv()).await.is_none());
    assert!(other.wire.send(vec![parcel(0)]).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn two_workers_share_the_lines_and_keep_the_order_of_each_key() {
    let Some(address) = shared() else { return };
    let submitting = intake(&address).await.unwrap();
    let keys: Vec<_> = (0..40).map(|line| key(line % PARTITIONS)).collect();
    let (told, mut got) = tokio::sync::mpsc::unbounded_channel();
    let stop = tokio_util::sync::CancellationToken::new();
    let mut workers = Vec::new();
    for name in ["first", "second"] {
        let mut work = work(&address, name).await.unwrap();
        let (told, stop) = (told.clone(), stop.clone());
        workers.push(tokio::spawn(async move {
            loop {
                let deliveries = tokio::select! {
                    deliveries = work.next(50) => deliveries,
                    () = stop.cancelled() => break,
                };
                for delivery in &deliveries {
                    told.send((name, delivery.clone())).unwrap();
                }
                work.done(&deliveries).await.unwrap();
            }
            work.close().await;
        }));
    }
    // For as long as one of them works alone, there is more.
    let mut seen: BTreeMap<ConversationId, u32> = BTreeMap::new();
    let mut shares: BTreeMap<&str, BTreeSet<u16>> = BTreeMap::new();
    let mut round = 0;
    while shares.len() < 2 || round < 20 {
        let batch = keys.iter().map(|key| submission(*key, format!("{key} {round}")));
        submit(&*submitting, batch.collect()).await;
        for _ in &keys {
            let (name, delivery) = within(got.recv()).await.unwrap();
            let text = String::from_utf8(delivery.sealed.to_vec()).unwrap();
            let (key, number) = text.split_once(' ').unwrap();
            let number: u32 = number.parse().unwrap();
            let last = seen.insert(key.parse().unwrap(), number);
            assert_eq!(last.map_or(0, |last| last + 1), number, "{key}");
            shares.entry(name).or_default().insert(delivery.partition);
        }
        round += 1;
    }
    stop.cancel();
    for worker in workers {
        within(worker).await.unwrap();
    }
    assert_eq!(backlog(&*submitting).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_worker_had_comes_to_another_before_anything_later() {
    let Some(address) = shared() else { return };
    let submitting = intake(&address).await.unwrap();
    let key = key(3);
    submit(&*submitting, numbered(key, 0..10)).await;
    let mut killed = work(&address, "killed").await.unwrap();
    let given = take(&mut *killed, 6).await;
    killed.done(&given[..2]).await.unwrap();
    let mut heir = work(&address, "heir").await.unwrap();
    submit(&*submitting, numbered(key, 10..12)).await;
    // A line that is in hand stays where it is for as long as its worker lives.
    assert!(timeout(Duration::from_secs(2), heir.next(12)).await.is_err());
    drop(killed);
    let died = Instant::now();
    let given = within(heir.next(12)).await;
    assert_eq!(numbers(&given), (2..12).collect::<Vec<_>>());
    assert!(died.elapsed() < crate::bus::intake::LEASE + Duration::from_secs(3));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_heir_claims_what_a_killed_worker_had_and_removes_its_name() {
    let Some(address) = shared() else { return };
    let submitting = intake(&address).await.unwrap();
    let server = Server::new(&address).unwrap();
    let (key, many) = (key(5), 350);
    submit(&*submitting, numbered(key, 0..many)).await;
    let mut killed = work(&address, "killed").await.unwrap();
    // More than a page of claims.
    let given = take(&mut *killed, 250).await;
    killed.done(&given[..10]).await.unwrap();
    let left = pending(&server, 5).await;
    assert_eq!(left.len(), 240);
    assert!(left.iter().all(|(_, consumer)| consumer.starts_with("killed/")), "{left:?}");
    // Somebody deletes one that is pending: nothing is to be claimed of it, and nobody waits for it.
    let DeliveryId::Text(deleted) = &given[20].id else { panic!("{:?}", given[20]) };
    let mut connection = connection::connect(&server, 0).await.unwrap();
    let mut delete = ::redis::cmd("XDEL");
    delete.arg(server.names.submitted(5)).arg(deleted).exec_async(&mut connection).await.unwrap();
    drop(killed);
    let mut heir = work(&address, "heir").await.unwrap();
    let mut got = within(heir.next(4)).await;
    assert_eq!(numbers(&got), [10, 11, 12, 13]);
    let claimed = pending(&server, 5).await;
    assert_eq!(claimed.len(), 239);
    assert!(claimed.iter().all(|(_, consumer)| consumer.starts_with("heir/")), "{claimed:?}");
    let mut ids: Vec<Place> = claimed.iter().map(|(id, _)| place(id)).collect();
    assert!(ids.is_sorted());
    ids.dedup();
    assert_eq!(ids.len(), 239, "none twice");
    let mut consumers = ::redis::cmd("XINFO");
    consumers.arg("CONSUMERS").arg(server.names.submitted(5)).arg(GROUP);
    let consumers: Vec<BTreeMap<String, ::redis::Value>> =
        consumers.query_async(&mut connection).await.unwrap();
    assert_eq!(consumers.len(), 1, "{consumers:?}");
    let mut came = Vec::new();
    loop {
        heir.done(&got).await.unwrap();
        came.extend(numbers(&got));
        if came.len() == 339 {
            break;
        }
        got = within(heir.next(100)).await;
    }
    assert_eq!(came, (10..many).filter(|number| *number != 20).collect::<Vec<_>>());
    assert_eq!((pending(&server, 5).await.len(), backlog(&*submitting).await), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_that_was_anothers_meanwhile_begins_with_what_that_one_left() {
    let Some(address) = shared() else { return };
    let submitting = intake(&address).await.unwrap();
    let server = Server::new(&address).unwrap();
    submit(&*submitting, numbered(key(6), 0..2)).await;
    let mut working = work(&address, "worker").await.unwrap();
    let given = take(&mut *working, 2).await;
    working.done(&given).await.unwrap();
    // The lease goes and comes back without the worker knowing; in between somebody takes something, and dies.
    let mut pipeline = ::redis::pipe();
    let stream = server.names.submitted(6);
    pipeline.atomic().cmd("DEL").arg(server.names.lease(6));
    pipeline.cmd("XADD").arg(&stream).arg("*").arg(FIELD).arg("2");
    pipeline.cmd("XREADGROUP").arg("GROUP").arg(GROUP).arg("another/1").arg("STREAMS").arg(&stream).arg(">");
    pipeline.cmd("XADD").arg(&stream).arg("*").arg(FIELD).arg("3");
    let mut connection = connection::connect(&server, 0).await.unwrap();
    pipeline.exec_async(&mut connection).await.unwrap();
    assert_eq!(numbers(&within(working.next(9)).await), [2, 3]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_done_comes_again_and_what_is_done_does_not() {
    let Some(address) = shared() else { return };
    let submitting = intake(&address).await.unwrap();
    let key = key(7);
    let mut first = work(&address, "worker").await.unwrap();
    submit(&*submitting, numbered(key, 0..8)).await;
    let given = take(&mut *first, 5).await;
    assert_eq!(numbers(&given), [0, 1, 2, 3, 4]);
    first.done(&given[..3]).await.unwrap();
    assert_eq!(numbers(&within(first.next(3)).await), [3, 4, 5]);
    // Given up while it is awaited: nothing is skipped.
    for _ in 0..20 {
        let _given_up = timeout(Duration::from_micros(300), first.next(2)).await;
    }
    assert_eq!(numbers(&within(first.next(8)).await), [3, 4, 5, 6, 7]);
    let given = within(first.next(8)).await;
    first.done(&given[..4]).await.unwrap();
    first.close().await;
    assert!(first.next(8).await.is_empty());
    let mut second = work(&address, "worker").await.unwrap();
    let closed = Instant::now();
    let given = within(second.next(8)).await;
    assert_eq!(numbers(&given), [7]);
    assert!(closed.elapsed() < Duration::from_secs(3), "{:?}", closed.elapsed());
    second.done(&given).await.unwrap();
    assert_eq!(backlog(&*submitting).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_can_never_be_stored_is_buried_and_its_line_goes_on() {
    let Some(address) = shared() else { return };
    let submitting = intake(&address).await.unwrap();
    let mut working = work(&address, "worker").await.unwrap();
    let key = key(0);
    submit(&*submitting, numbered(key, 0..3)).await;
    let given = take(&mut *working, 3).await;
    working.done(&given[..1]).await.unwrap();
    working.bury(&given[1], "not a member").await.unwrap();
    // Nobody knew whether it was done the first time.
    working.bury(&given[1], "not a member").await.unwrap();
    working.done(&given[2..]).await.unwrap();
    submit(&*submitting, numbered(key, 3..4)).await;
    assert_eq!(numbers(&within(working.next(9)).await), [3]);
    let dead = submitting.dead(9).await.unwrap();
    assert_eq!(dead.len(), 1);
    assert_eq!((dead[0].reason.as_str(), &*dead[0].sealed), ("not a member", &b"1"[..]));
    submitting.forget(&dead[0]).await.unwrap();
    assert!(submitting.dead(9).await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_backlog_of_a_worker_that_asks_for_no_more_stays_with_the_server() {
    let Some(address) = shared() else { return };
    let submitting = intake(&address).await.unwrap();
    let mut working = work(&address, "worker").await.unwrap();
    let batch: Vec<_> = (0..800).map(|number| submission(key(number % PARTITIONS), "x")).collect();
    submit(&*submitting, batch).await;
    let given = take(&mut *working, 32).await;
    let lines: BTreeSet<_> = given.iter().map(|delivery| delivery.partition).collect();
    assert_eq!(lines.len(), usize::from(PARTITIONS), "every line has its part of a batch");
    let server = Server::new(&address).unwrap();
    let mut count = 0;
    for line in 0..PARTITIONS {
        count += pending(&server, line).await.len();
    }
    assert_eq!(count, 32);
    assert_eq!(backlog(&*submitting).await, 800);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_lost_a_lease_without_knowing_reads_nothing() {
    let Some(address) = shared() else { return };
    let submitting = intake(&address).await.unwrap();
    let mut working = work(&address, "worker").await.unwrap();
    submit(&*submitting, numbered(key(4), 0..1)).await;
    let given = take(&mut *working, 1).await;
    working.done(&given).await.unwrap();
    let server = Server::new(&address).unwrap();
    let mut connection = connection::connect(&server, 0).await.unwrap();
    let mut steal = ::redis::cmd("SET");
    steal.arg(server.names.lease(4)).arg("thief/1").arg("PX").arg(1500);
    steal.exec_async(&mut connection).await.unwrap();
    submit(&*submitting, numbered(key(4), 1..2)).await;
    let stolen = Instant::now();
    assert_eq!(numbers(&within(working.next(9)).await), [1]);
    assert!(stolen.elapsed() > Duration::from_millis(1200));
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_accepted_is_lost_when_the_server_is_killed_in_the_middle() {
    let Some(mut server) = Private::start() else { return };
    let address = server.address();
    // All of them are opened before the server answers.
    let submitting: Arc<dyn Intake> = intake(&address).await.unwrap().into();
    let mut working = work(&address, "worker").await.unwrap();
    let mut link = wire(&address).await.unwrap();
    let keys: Vec<_> = (0..PARTITIONS).map(key).collect();
    let stop = tokio_util::sync::CancellationToken::new();
    let submits = tokio::spawn({
        let (submitting, stop) = (Arc::clone(&submitting), stop.clone());
        async move {
            let mut round = 0;
            while !stop.is_cancelled() {
                let batch = keys.iter().map(|key| submission(*key, round.to_string()));
                // An error means that nobody knows: the same again, as a client does.
                submit(&*submitting, batch.collect()).await;
                round += 1;
            }
            round
        }
    });
    let mut seen: BTreeMap<u16, u32> = BTreeMap::new();
    let mut kills = 0;
    let mut since = 0;
    let rounds = loop {
        let given = within(working.next(128)).await;
        for delivery in &given {
            // Doubled is allowed, left out or turned round is not.
            let next = seen.entry(delivery.partition).or_default();
            assert!(number(delivery) <= *next, "{} after {next}", number(delivery));
            *next = (*next).max(number(delivery) + 1);
        }
        let _again_where_it_failed = working.done(&given).await;
        since += given.len();
        if kills < 3 && since > 2000 {
            server.kill();
            until(|| !link.wire.is_up() && !submitting.is_up()).await;
            server.restart();
            until(|| link.wire.is_up() && submitting.is_up()).await;
            (kills, since) = (kills + 1, 0);
        } else if kills == 3 && since > 2000 {
            stop.cancel();
            kills = 4;
        }
        if submits.is_finished() {
            break submits.await.unwrap();
        }
    };
    within(async {
        while backlog(&*submitting).await > 0 {
            let given = working.next(128).await;
            for delivery in &given {
                let next = seen.entry(delivery.partition).or_default();
                assert!(number(delivery) <= *next);
                *next = (*next).max(number(delivery) + 1);
            }
            working.done(&given).await.unwrap();
        }
    })
    .await;
    assert!(seen.len() == usize::from(PARTITIONS) && seen.values().all(|next| *next == rounds), "{seen:?}");
    // The wire told what it may have missed, and goes on.
    for _ in 0..3 {
        assert!(matches!(within(link.heard.recv()).await, Some(Heard::Gap)));
    }
    let parcel = Parcel { subject: Subject::Nodes, sealed: Bytes::from_static(b"x") };
    within(async { while link.wire.send(vec![parcel.clone()]).await.is_err() {} }).await;
    while !matches!(within(link.heard.recv()).await, Some(Heard::Sealed(_))) {}
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_hangs_is_noticed_and_answers_are_in_time() {
    let Some(server) = Private::start() else { return };
    let address = server.address();
    let submitting = intake(&address).await.unwrap();
    let mut link = wire(&address).await.unwrap();
    submit(&*submitting, numbered(key(1), 0..1)).await;
    until(|| link.wire.is_up()).await;
    server.signal(Signal::STOP);
    let hangs = Instant::now();
    assert!(submitting.submit(numbered(key(1), 1..2)).await[0].is_err());
    let parcel = Parcel { subject: Subject::Nodes, sealed: Bytes::from_static(b"x") };
    assert!(link.wire.send(vec![parcel]).await.is_err());
    assert!(hangs.elapsed() < 2 * PATIENCE + Duration::from_secs(1), "{:?}", hangs.elapsed());
    until(|| !link.wire.is_up() && !submitting.is_up()).await;
    assert!(hangs.elapsed() < Duration::from_secs(6), "{:?}", hangs.elapsed());
    server.signal(Signal::CONT);
    until(|| link.wire.is_up() && submitting.is_up()).await;
    while !matches!(within(link.heard.recv()).await, Some(Heard::Gap)) {}
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_accepted_when_as_many_replicas_have_it_as_are_set() {
    let (Some(primary), Some(mut replica)) = (Private::start(), Private::start()) else { return };
    let mut address = primary.address();
    address.settings.insert("replicas".to_owned(), "1".to_owned());
    // A replica takes no submissions: it is left for the next host.
    address.hosts.insert(0, format!("127.0.0.1:{}", replica.port));
    let submitting = intake(&address).await.unwrap();
    until(|| submitting.is_up()).await;
    let refused = submitting.submit(numbered(key(1), 0..2)).await;
    assert!(refused.len() == 2 && refused.iter().all(Result::is_err), "{refused:?}");
    replica.follow(primary.port);
    submit(&*submitting, numbered(key(1), 0..2)).await;
    address.hosts.remove(0);
    let mut working = work(&address, "worker").await.unwrap();
    assert_eq!(numbers(&within(working.next(9)).await)[..2], [0, 1]);
}

#[test]
fn weak_settings_are_told() {
    assert!(durability::judge(Some("yes"), Some("always"), Some("0"), Some("allkeys-lru")).is_empty());
    assert_eq!(durability::judge(Some("no"), Some("always"), Some("9"), Some("allkeys-lru")).len(), 2);
    assert_eq!(durability::judge(Some("yes"), Some("everysec"), Some("9"), Some("noeviction")).len(), 1);
    assert_eq!(durability::judge(None, None, None, None).len(), 1);
}

#[test]
fn settings_that_cannot_be_meant_are_refused() {
    let parse = |url| Address::parse("redis", PORT, SETTINGS, url).unwrap();
    assert!(Server::new(&parse("redis://h?db=x")).is_err());
    let server = Server::new(&parse("redis://:p@[::1]:7,b?db=3")).unwrap();
    assert_eq!(&*server.hosts, [("::1".to_owned(), 7), ("b".to_owned(), PORT)]);
    assert_eq!(server.db, 3);
}
