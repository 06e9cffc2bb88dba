//! Against a real Kafka: at CONFAB_TEST_KAFKA, and one of its own for what restarts it.

use super::*;
use crate::bus::intake::{Delivery, PARTITIONS, Submission, partition};
use crate::bus::wire::{Heard, PATIENCE, Parcel, Subject};
use bytes::Bytes;
use protocol::ConversationId;
use std::collections::{BTreeMap, HashSet};
use std::process::Command;
use std::time::Instant;
use tokio::time::{sleep, timeout};

/// Longer than anything here takes, also on a machine that does much else.
pub(super) const DEADLINE: Duration = Duration::from_secs(60);

/// The server of the tests under a prefix of the test's own, or none where it is not there.
pub(super) fn server(more: &str) -> Option<Address> {
    match std::env::var("CONFAB_TEST_KAFKA") {
        Ok(url) => Some(address(&url, more)),
        Err(_) if std::env::var_os("CI").is_some() => panic!("CONFAB_TEST_KAFKA is not set"),
        Err(_) => None,
    }
}

fn address(url: &str, more: &str) -> Address {
    let prefix = format!("t{:x}", rand::random::<u64>());
    Address::parse("kafka", PORT, SETTINGS, &format!("{url}?prefix={prefix}{more}")).unwrap()
}

/// A server of a test's own, started by the project's script; gone with this.
struct Own {
    name: String,
    url: String,
}

impl Own {
    fn start() -> Option<Self> {
        server("")?;
        let name = format!("kafka-{:x}", rand::random::<u32>());
        services("start", &name);
        let url = services("url", &name);
        Some(Self { name, url })
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        services("stop", &self.name);
    }
}

fn services(verb: &str, name: &str) -> String {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../scripts/services");
    let output = Command::new(script).args([verb, "kafka", name]).output().unwrap();
    assert!(output.status.success(), "{verb}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// Payloads say whose they are and which.
pub(super) fn submission(key: ConversationId, number: u32) -> Submission {
    let mut sealed = key.as_bytes().to_vec();
    sealed.extend(number.to_be_bytes());
    Submission { key, sealed: sealed.into() }
}

pub(super) fn read(sealed: &Bytes) -> ([u8; 16], u32) {
    (sealed[..16].try_into().unwrap(), u32::from_be_bytes(sealed[16..].try_into().unwrap()))
}

pub(super) async fn submit_all(intake: &dyn Intake, batch: Vec<Submission>) {
    for answer in intake.submit(batch).await {
        answer.unwrap();
    }
}

pub(super) async fn next(work: &mut dyn Work, most: usize) -> Vec<Delivery> {
    timeout(DEADLINE, work.next(most)).await.expect("work")
}

/// Waits for a condition.
async fn until<F: Future<Output = bool>>(what: &str, mut holds: impl FnMut() -> F) {
    let begun = Instant::now();
    while !holds().await {
        assert!(begun.elapsed() < DEADLINE, "{what}");
        sleep(Duration::from_millis(20)).await;
    }
}

fn parcel(text: &str) -> Parcel {
    Parcel { subject: Subject::Nodes, sealed: Bytes::copy_from_slice(text.as_bytes()) }
}

#[test]
fn settings_are_checked() {
    let of = |text: &str| Address::parse("kafka", PORT, SETTINGS, text).and_then(|a| Broker::of(&a));
    let broker = of("kafka://a,b:1?prefix=x&partitions=4&replication=2&create=off&keep=1").unwrap();
    assert_eq!((broker.partitions, broker.replication, broker.create), (4, Some(2), false));
    assert_eq!((broker.group.as_str(), broker.submitted().as_str()), ("x-workers", "x.submitted"));
    assert_eq!(broker.config.get("bootstrap.servers"), Some("a:9092,b:1"));
    for wrong in ["partitions=0", "partitions=17", "replication=0", "create=yes", "group=a%20b", "keep=x"] {
        let sentence = of(&format!("kafka://a?{wrong}")).map(|_| ()).unwrap_err();
        assert!(sentence.starts_with("accepts "), "{wrong}: {sentence}");
    }
    if !cfg!(feature = "kafka-tls") {
        for tls in ["kafka://a?tls=on", "kafka://u:p@a"] {
            assert!(of(tls).map(|_| ()).unwrap_err().contains("kafka-tls"));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_node_hears_what_is_sent_from_when_it_listens_on_in_order() {
    let Some(address) = server("") else { return };
    let (mut one, mut two) =
        tokio::join!(async { wire(&address).await.unwrap() }, async { wire(&address).await.unwrap() });
    for round in 0..50 {
        one.wire.send((0..10).map(|n| parcel(&format!("{}", round * 10 + n))).collect()).await.unwrap();
    }
    for link in [&mut one, &mut two] {
        let mut expected = 0;
        while expected < 500 {
            // A topic that was just made may not be ready in the first moment.
            if let Heard::Sealed(sealed) = timeout(DEADLINE, link.heard.recv()).await.unwrap().unwrap() {
                assert_eq!(sealed, expected.to_string());
                expected += 1;
            }
        }
        assert!(link.wire.is_up());
    }
    one.wire.close().await;
    assert!(timeout(PATIENCE, one.heard.recv()).await.unwrap().is_none());
    assert!(one.wire.send(vec![parcel("late")]).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn two_workers_share_the_lines_in_order_and_one_that_goes_leaves_its_own_to_the_other() {
    let Some(address) = server("&partitions=16") else { return };
    let keys: Vec<_> = (0..40).map(|_| ConversationId::generate()).collect();
    let intake = intake(&address).await.unwrap();
    for number in 0..50 {
        submit_all(&*intake, keys.iter().map(|key| submission(*key, number)).collect()).await;
    }
    let mut one = work(&address, "one").await.unwrap();
    let mut seen: BTreeMap<[u8; 16], u32> = BTreeMap::new();
    let mut note = |deliveries: &[Delivery]| {
        for delivery in deliveries {
            let (key, number) = read(&delivery.sealed);
            let next = seen.entry(key).or_default();
            assert!(number <= *next, "{number} came before {next}");
            *next = (*next).max(number + 1);
        }
        seen.len() == 40 && seen.values().all(|next| *next == 50)
    };
    // The first has all lines, has done some, and holds something of them.
    let given = next(&mut *one, 300).await;
    note(&given);
    one.done(&given).await.unwrap();
    let held = next(&mut *one, 100).await;
    note(&held);
    let lines: HashSet<_> = held.iter().map(|delivery| delivery.partition).collect();
    let mut two = work(&address, "two").await.unwrap();
    // What the first holds goes to nobody else, however long that takes.
    if let Ok(others) = timeout(LEASE / 4, two.next(100)).await {
        assert!(others.iter().all(|delivery| !lines.contains(&delivery.partition)));
    }
    one.done(&held).await.unwrap();
    let given = next(&mut *two, 100).await;
    note(&given);
    two.done(&given).await.unwrap();
    // Killed before it reported: the second gets the rest, from what the first held on.
    let held = next(&mut *one, 100).await;
    drop(one);
    let mut complete = false;
    let mut again = HashSet::new();
    while !complete {
        let given = next(&mut *two, 128).await;
        again.extend(given.iter().map(|delivery| delivery.sealed.clone()));
        complete = note(&given);
        two.done(&given).await.unwrap();
    }
    assert!(held.iter().all(|delivery| again.contains(&delivery.sealed)));
    // Done, and stopped cleanly: nothing comes again.
    two.close().await;
    assert!(two.next(1).await.is_empty());
    assert_eq!(intake.backlog().await.unwrap(), 0);
    submit_all(&*intake, vec![submission(keys[0], 50)]).await;
    let mut three = work(&address, "three").await.unwrap();
    let given = next(&mut *three, 10).await;
    assert_eq!(given.iter().map(|delivery| read(&delivery.sealed).1).collect::<Vec<_>>(), [50]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_can_never_be_stored_is_buried_and_its_line_goes_on() {
    let Some(address) = server("") else { return };
    let key = ConversationId::generate();
    let intake = intake(&address).await.unwrap();
    submit_all(&*intake, (0..6).map(|number| submission(key, number)).collect()).await;
    let mut worker = work(&address, "worker").await.unwrap();
    let mut given = Vec::new();
    while given.len() < 6 {
        given = next(&mut *worker, 6).await;
    }
    for buried in [1, 3, 4] {
        worker.bury(&given[buried], "not a member").await.unwrap();
    }
    // Of what was given, these are not done.
    let rest = next(&mut *worker, 9).await;
    assert_eq!(rest.iter().map(|delivery| read(&delivery.sealed).1).collect::<Vec<_>>(), [0, 2, 5]);
    worker.done(&rest).await.unwrap();
    worker.close().await;
    assert_eq!(intake.backlog().await.unwrap(), 0);

    let numbers = |dead: &[crate::bus::intake::DeadLetter]| {
        dead.iter().map(|letter| read(&letter.sealed).1).collect::<Vec<_>>()
    };
    let dead = intake.dead(10).await.unwrap();
    assert_eq!(numbers(&dead), [1, 3, 4]);
    assert!(dead.iter().all(|letter| letter.reason == "not a member"));
    intake.forget(&dead[1]).await.unwrap();
    assert_eq!(numbers(&intake.dead(10).await.unwrap()), [1, 4]);
    intake.forget(&dead[0]).await.unwrap();
    assert_eq!(numbers(&intake.dead(1).await.unwrap()), [4]);
    intake.forget(&dead[2]).await.unwrap();
    assert!(intake.dead(10).await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_stops_asking_keeps_its_lines_and_its_backlog_stays_with_the_broker() {
    let Some(address) = server("&partitions=2") else { return };
    let intake = intake(&address).await.unwrap();
    let keys: Vec<_> = (0..8).map(|_| ConversationId::generate()).collect();
    let mut worker = work(&address, "slow").await.unwrap();
    submit_all(&*intake, vec![submission(keys[0], 0)]).await;
    let held = next(&mut *worker, 10).await;
    // More than it holds: its lines are paused, and the client polls on, or the group would throw it out.
    for number in 1..=1000 {
        submit_all(&*intake, keys.iter().map(|key| submission(*key, number)).collect()).await;
    }
    assert_eq!(intake.backlog().await.unwrap(), 8001);
    sleep(LEASE / 5).await;
    worker.done(&held).await.unwrap();
    let mut seen: BTreeMap<[u8; 16], u32> = BTreeMap::from([(*keys[0].as_bytes(), 0)]);
    let mut count = 0;
    while count < 8000 {
        let given = next(&mut *worker, 128).await;
        for delivery in &given {
            let (key, number) = read(&delivery.sealed);
            let last = seen.entry(key).or_default();
            assert_eq!(number, *last + 1);
            *last = number;
        }
        count += given.len();
        worker.done(&given).await.unwrap();
    }
    until("nothing waits", || async { intake.backlog().await.unwrap() == 0 }).await;
}

/// What is still there, and whether there was more.
async fn reread(address: &Address) -> (Vec<u32>, bool) {
    let mut kept = kept(address).await.unwrap();
    let mut numbers = Vec::new();
    while let Some(sealed) = timeout(DEADLINE, kept.records.recv()).await.expect("an end") {
        numbers.push(read(&sealed.unwrap()).1);
    }
    (numbers, kept.trimmed)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_done_and_old_is_deleted() {
    let Some(address) = server("&partitions=1&keep=0") else { return };
    let intake = intake(&address).await.unwrap();
    let key = ConversationId::generate();
    submit_all(&*intake, (0..10).map(|number| submission(key, number)).collect()).await;
    let mut worker = work(&address, "worker").await.unwrap();
    let mut given = Vec::new();
    while given.len() < 10 {
        given = next(&mut *worker, 10).await;
    }
    worker.done(&given[..7]).await.unwrap();
    worker.close().await;
    assert_eq!(reread(&address).await, ((0..10).collect(), false), "done or not");
    let broker = Broker::of(&address).unwrap();
    let low = tokio::task::spawn_blocking(move || {
        use rdkafka::consumer::Consumer;
        let consumer = intake::onlooker(&broker, &broker.group).unwrap();
        let mut list = rdkafka::TopicPartitionList::new();
        list.add_partition(&broker.submitted(), 0);
        consumer.assign(&list).unwrap();
        // A broker that is busy is asked again the next time.
        let begun = Instant::now();
        while let Err(error) = work::trim::trim(&consumer, &broker) {
            assert!(begun.elapsed() < DEADLINE, "{error}");
        }
        consumer.fetch_watermarks(&broker.submitted(), 0, PATIENCE).unwrap()
    });
    assert_eq!(low.await.unwrap(), (7, 10));
    assert_eq!(reread(&address).await, ((7..10).collect(), true));
    let mut worker = work(&address, "worker").await.unwrap();
    let given = next(&mut *worker, 10).await;
    assert_eq!(read(&given[0].sealed).1, 7);
}

#[tokio::test(flavor = "multi_thread")]
async fn missing_topics_are_named_where_they_may_not_be_made() {
    let Some(address) = server("&create=off") else { return };
    let begun = Instant::now();
    let link = wire(&address).await.unwrap();
    assert!(link.wire.send(vec![parcel("nobody hears")]).await.is_err());
    let intake = intake(&address).await.unwrap();
    assert!(intake.submit(vec![submission(ConversationId::generate(), 0)]).await[0].is_err());
    let broker = Broker::of(&address).unwrap();
    let error = tokio::task::spawn_blocking(move || {
        topics::ensure(&broker, &client::Health::default(), &[topics::Topic::stored(&broker)])
    });
    assert!(error.await.unwrap().unwrap_err().0.contains(".stored"));
    assert!(kept(&address).await.err().expect("no topic").0.contains(".submitted"));
    assert!(begun.elapsed() < PATIENCE * 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_are_chosen_by_the_key() {
    let Some(address) = server("&partitions=16") else { return };
    let intake = intake(&address).await.unwrap();
    let keys: Vec<_> = (0..64).map(|_| ConversationId::generate()).collect();
    submit_all(&*intake, keys.iter().map(|key| submission(*key, 0)).collect()).await;
    let mut worker = work(&address, "worker").await.unwrap();
    let mut lines = HashSet::new();
    let mut count = 0;
    while count < keys.len() {
        let given = next(&mut *worker, 64).await;
        for delivery in &given {
            let key = ConversationId::from_uuid(uuid::Uuid::from_bytes(read(&delivery.sealed).0));
            assert_eq!(delivery.partition, partition(key));
            lines.insert(delivery.partition);
        }
        count += given.len();
        worker.done(&given).await.unwrap();
    }
    assert!(lines.len() > usize::from(PARTITIONS / 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_is_killed_and_comes_back_loses_nothing_it_took() {
    let Some(own) = Own::start() else { return };
    let address = address(&own.url, "");
    let mut link = wire(&address).await.unwrap();
    let intake = intake(&address).await.unwrap();
    let mut worker = work(&address, "worker").await.unwrap();
    let key = ConversationId::generate();
    let mut taken = HashSet::new();
    let mut number = 0;
    let mut hold = Vec::new();
    while taken.len() < 200 {
        if intake.submit(vec![submission(key, number)]).await[0].is_ok() {
            taken.insert(number);
        }
        number += 1;
    }
    // Work is in hand, and the wire was heard, when it dies.
    hold.extend(next(&mut *worker, 50).await);
    link.wire.send(vec![parcel("before")]).await.unwrap();
    until("it is heard", || {
        let heard = link.heard.try_recv();
        async move { matches!(heard, Ok(Heard::Sealed(_))) }
    })
    .await;

    services("kill", &own.name);
    let begun = Instant::now();
    let refused = intake.submit(vec![submission(key, number)]).await;
    assert!(refused[0].is_err() && begun.elapsed() < PATIENCE + Duration::from_millis(500));
    number += 1;
    assert!(link.wire.send(vec![parcel("meanwhile")]).await.is_err());
    assert!(!intake.is_up() && !link.wire.is_up());
    // Opening needs no broker.
    let mut late = wire(&address).await.unwrap();
    worker.done(&hold[..10]).await.unwrap();
    services("restart", &own.name);

    until("the intake is up", || async { intake.is_up() }).await;
    until("something is taken again", || {
        let answer = intake.submit(vec![submission(key, number)]);
        number += 1;
        async { answer.await[0].is_ok() }
    })
    .await;
    taken.insert(number - 1);
    for link in [&mut link, &mut late] {
        let heard = async { while !matches!(link.heard.recv().await.unwrap(), Heard::Gap) {} };
        timeout(DEADLINE, heard).await.expect("a gap is told");
    }
    until("the wire is up", || async { link.wire.send(vec![parcel("after")]).await.is_ok() }).await;
    for link in [&mut link, &mut late] {
        let heard = async {
            while !matches!(link.heard.recv().await.unwrap(), Heard::Sealed(sealed) if sealed == "after") {}
        };
        timeout(DEADLINE, heard).await.expect("it is heard again");
    }
    // All that was taken comes, in order; what was answered with an error may.
    let last = number - 1;
    let mut reached = 0;
    while !taken.is_empty() {
        let given = next(&mut *worker, 128).await;
        for delivery in &given {
            let (_, number) = read(&delivery.sealed);
            assert!(number <= reached + 1 || !(reached + 1..number).any(|n| taken.contains(&n)));
            reached = reached.max(number);
            taken.remove(&number);
        }
        worker.done(&given).await.unwrap();
        assert!(reached <= last);
    }
    // What was done while it was away is not lost either, or comes again at worst: nothing waits in the end.
    until("nothing waits", || async { intake.backlog().await.is_ok_and(|waiting| waiting == 0) }).await;
}
