//! What is special to NATS, and the main promises, against a real server.

mod server;
mod system;
mod tls;

use super::super::address::Address;
use super::super::intake::{Delivery, Intake, LEASE, Submission, Work};
use super::super::wire::{Heard, Link, Parcel, Subject};
use super::{PORT, SETTINGS};
use bytes::Bytes;
use protocol::ConversationId;
use server::Server;
use std::collections::HashMap;
use std::time::{Duration, Instant};
use tokio::time::timeout;

/// What a test waits for at most.
const LONG: Duration = Duration::from_secs(30);

fn with_prefix(url: &str) -> Address {
    let address = format!("{url}?prefix=t-{:016x}", rand::random::<u64>());
    Address::parse("nats", PORT, SETTINGS, &address).unwrap()
}

/// An address on the server of the variable; none where it is not set.
fn address() -> Option<Address> {
    let url = std::env::var("CONFAB_TEST_NATS").ok();
    assert!(url.is_some() || std::env::var_os("CI").is_none(), "CONFAB_TEST_NATS is not set");
    url.map(|url| with_prefix(&url))
}

/// Some conversations, in different lines mostly.
fn conversations(many: usize) -> Vec<ConversationId> {
    (0..many).map(|_| ConversationId::generate()).collect()
}

fn submission(key: ConversationId, number: usize) -> Submission {
    Submission { key, sealed: format!("{key} {number}").into() }
}

/// Submits `many` to each, in turns.
async fn submit(intake: &dyn Intake, keys: &[ConversationId], many: usize) {
    for number in 0..many {
        let batch = keys.iter().map(|key| submission(*key, number)).collect();
        intake.submit(batch).await.into_iter().for_each(|answer| answer.unwrap());
    }
}

/// What was done, by conversation.
#[derive(Default)]
struct Log(HashMap<String, Vec<usize>>);

impl Log {
    fn note(&mut self, deliveries: &[Delivery]) {
        for delivery in deliveries {
            let text = std::str::from_utf8(&delivery.sealed).unwrap();
            let (key, number) = text.split_once(' ').unwrap();
            self.0.entry(key.to_owned()).or_default().push(number.parse().unwrap());
        }
    }

    fn total(&self) -> usize {
        self.0.values().map(Vec::len).sum()
    }

    /// Each from the first to the last, once and in order.
    fn assert_complete(&self, keys: usize, many: usize) {
        assert_eq!(self.0.len(), keys);
        for numbers in self.0.values() {
            assert_eq!(*numbers, (0..many).collect::<Vec<_>>());
        }
    }

    /// The same, where something may have come twice: what came again is left out.
    fn assert_complete_once_repeats_are_left_out(&self, keys: usize, many: usize) {
        assert_eq!(self.0.len(), keys);
        for numbers in self.0.values() {
            let mut next = 0;
            for number in numbers {
                assert!(*number <= next, "{number} came before {next}: {numbers:?}");
                next = next.max(number + 1);
            }
            assert_eq!(next, many);
        }
    }
}

/// Waits until the server knows that so many are left.
async fn until_left(intake: &dyn Intake, many: u64) {
    let left = timeout(LONG, async { while intake.backlog().await.unwrap() != many {} });
    left.await.expect("the server is told what is done");
}

async fn next(work: &mut Box<dyn Work>, most: usize) -> Vec<Delivery> {
    timeout(LONG, work.next(most)).await.expect("there is work")
}

/// Waits for the next one that is not a gap.
async fn sealed(link: &mut Link) -> Bytes {
    timeout(LONG, async {
        loop {
            match link.heard.recv().await.expect("it is open") {
                Heard::Sealed(sealed) => return sealed,
                Heard::Gap => {}
            }
        }
    })
    .await
    .expect("something is heard")
}

fn parcel(key: ConversationId, text: &str) -> Parcel {
    Parcel { subject: Subject::Group(key), sealed: Bytes::copy_from_slice(text.as_bytes()) }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_hear_each_other_in_order_and_not_themselves_nor_submissions() {
    let Some(address) = address() else { return };
    let (mut one, mut two) = (super::wire(&address).await.unwrap(), super::wire(&address).await.unwrap());
    let intake = super::intake(&address).await.unwrap();
    let keys = conversations(3);
    submit(&*intake, &keys, 1).await;
    let user =
        Parcel { subject: Subject::User(protocol::UserId::generate()), sealed: Bytes::from_static(b"user") };
    let nodes = Parcel { subject: Subject::Nodes, sealed: Bytes::from_static(b"nodes") };
    one.wire.send(vec![parcel(keys[0], "a"), parcel(keys[1], "b"), user, nodes]).await.unwrap();
    for text in ["a", "b", "user", "nodes"] {
        assert_eq!(sealed(&mut two).await, text);
    }
    two.wire.send(vec![parcel(keys[2], "c")]).await.unwrap();
    assert_eq!(sealed(&mut one).await, "c");
    one.wire.close().await;
    assert!(timeout(LONG, one.heard.recv()).await.unwrap().is_none());
    assert!(two.heard.try_recv().is_err(), "nothing else, and no gap while all goes well");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hearer_who_takes_nothing_is_told_of_a_gap() {
    let Some(address) = address() else { return };
    let (one, mut two) = (super::wire(&address).await.unwrap(), super::wire(&address).await.unwrap());
    let key = conversations(1)[0];
    for _ in 0..100 {
        one.wire.send((0..256).map(|_| parcel(key, "x")).collect()).await.unwrap();
    }
    let gap = timeout(LONG, async { while !matches!(two.heard.recv().await.unwrap(), Heard::Gap) {} }).await;
    assert!(gap.is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_workers_share_the_lines_and_keep_the_order_of_each() {
    let Some(address) = address() else { return };
    let intake = super::intake(&address).await.unwrap();
    let keys = conversations(40);
    let mut one = super::work(&address, "one").await.unwrap();
    submit(&*intake, &keys, 1).await;
    let (mut log, mut by_one, mut by_two) = (Log::default(), 0, 0);
    let first = next(&mut one, 8).await;
    log.note(&first);
    one.done(&first).await.unwrap();
    let mut two = super::work(&address, "two").await.unwrap();
    submit(&*intake, &keys, 24).await;
    let begun = Instant::now();
    // The first of each was numbered 0 and is followed by 0 to 23.
    while log.total() < 40 * 25 {
        assert!(begun.elapsed() < LONG);
        tokio::select! {
            deliveries = one.next(16) => {
                by_one += deliveries.len();
                log.note(&deliveries);
                one.done(&deliveries).await.unwrap();
            }
            deliveries = two.next(16) => {
                by_two += deliveries.len();
                log.note(&deliveries);
                two.done(&deliveries).await.unwrap();
            }
        }
    }
    assert!(by_one > 0 && by_two > 0, "{by_one} and {by_two}");
    for numbers in log.0.values() {
        assert_eq!(numbers[0], 0);
        assert_eq!(numbers[1..], (0..24).collect::<Vec<_>>());
    }
    until_left(&*intake, 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_dead_worker_had_comes_to_another_first_and_not_before_its_lease_ends() {
    let Some(address) = address() else { return };
    let intake = super::intake(&address).await.unwrap();
    let keys = conversations(10);
    submit(&*intake, &keys, 20).await;
    let mut one = super::work(&address, "one").await.unwrap();
    let mut log = Log::default();
    // Until it has seen something of everybody, done or not.
    while log.0.len() < keys.len() {
        let deliveries = next(&mut one, 50).await;
        log.note(&deliveries[..deliveries.len() / 2]);
        one.done(&deliveries[..deliveries.len() / 2]).await.unwrap();
    }
    let had = next(&mut one, 50).await;
    assert!(!had.is_empty());
    // What was done in the last moment may come again.
    until_left(&*intake, 200 - log.total() as u64).await;
    drop(one);
    let died = Instant::now();
    let mut two = super::work(&address, "two").await.unwrap();
    while log.total() < 10 * 20 {
        let deliveries = next(&mut two, 64).await;
        assert!(died.elapsed() + super::lines::ASKED > LEASE, "{:?}", died.elapsed());
        log.note(&deliveries);
        two.done(&deliveries).await.unwrap();
    }
    assert!(died.elapsed() < LEASE * 2, "{:?}", died.elapsed());
    log.assert_complete(10, 20);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_clean_stop_others_go_on_at_once_and_nothing_done_comes_again() {
    let Some(address) = address() else { return };
    let intake = super::intake(&address).await.unwrap();
    let keys = conversations(10);
    submit(&*intake, &keys, 10).await;
    let mut one = super::work(&address, "one").await.unwrap();
    let mut log = Log::default();
    for _ in 0..3 {
        let deliveries = next(&mut one, 20).await;
        log.note(&deliveries);
        one.done(&deliveries).await.unwrap();
    }
    // Had, but not done.
    next(&mut one, 20).await;
    one.close().await;
    assert!(one.next(20).await.is_empty());
    let (mut two, stopped) = (super::work(&address, "two").await.unwrap(), Instant::now());
    while log.total() < 100 {
        let deliveries = next(&mut two, 20).await;
        log.note(&deliveries);
        two.done(&deliveries).await.unwrap();
    }
    assert!(stopped.elapsed() < LEASE, "{:?}", stopped.elapsed());
    log.assert_complete(10, 10);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_takes_long_keeps_its_lines_and_gets_no_more_than_it_asks_for() {
    let Some(address) = address() else { return };
    let intake = super::intake(&address).await.unwrap();
    let keys = conversations(1);
    submit(&*intake, &keys, 4).await;
    for _ in 0..2 {
        let batch = (4..260).map(|number| submission(keys[0], number)).collect();
        assert!(intake.submit(batch).await.iter().all(Result::is_ok));
    }
    let mut one = super::work(&address, "one").await.unwrap();
    let mut log = Log::default();
    let mut had = next(&mut one, 10).await;
    while had.len() < 10 {
        had = next(&mut one, 10).await;
    }
    let mut two = super::work(&address, "two").await.unwrap();
    // The time itself is what is tested: longer than the lease.
    assert!(timeout(LEASE + Duration::from_secs(4), two.next(10)).await.is_err(), "it belongs to the first");
    assert_eq!(intake.backlog().await.unwrap(), 516, "it waits with the server");
    log.note(&had);
    one.done(&had).await.unwrap();
    let again = next(&mut one, 10).await;
    log.note(&again);
    log.assert_complete(1, 20);
    let once_more = next(&mut one, 10).await;
    assert_eq!(
        again.iter().map(|one| &one.id).collect::<Vec<_>>(),
        once_more.iter().map(|one| &one.id).collect::<Vec<_>>(),
        "what is not done comes first"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_buried_has_its_reason_and_its_line_goes_on() {
    let Some(address) = address() else { return };
    let intake = super::intake(&address).await.unwrap();
    let keys = conversations(1);
    submit(&*intake, &keys, 3).await;
    let mut work = super::work(&address, "one").await.unwrap();
    let mut deliveries = next(&mut work, 3).await;
    while deliveries.len() < 3 {
        deliveries = next(&mut work, 3).await;
    }
    work.done(&deliveries[..1]).await.unwrap();
    work.bury(&deliveries[1], "not a\r\nmember").await.unwrap();
    assert!(work.bury(&deliveries[1], "again").await.is_err(), "it is gone already");
    work.done(&deliveries[2..]).await.unwrap();
    until_left(&*intake, 0).await;
    let dead = intake.dead(10).await.unwrap();
    assert_eq!(dead.len(), 1);
    assert_eq!((dead[0].reason.as_str(), &dead[0].sealed), ("not a  member", &deliveries[1].sealed));
    intake.forget(&dead[0]).await.unwrap();
    intake.forget(&dead[0]).await.unwrap();
    assert!(intake.dead(10).await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_killed_in_the_middle_loses_nothing_it_answered_for() {
    let Some(mut server) = Server::start().await else { return };
    let address = with_prefix(&server.url());
    let (one, mut two) = (super::wire(&address).await.unwrap(), super::wire(&address).await.unwrap());
    let intake = super::intake(&address).await.unwrap();
    let mut work = super::work(&address, "one").await.unwrap();
    let keys = conversations(20);
    let submitting = tokio::spawn({
        let keys = keys.clone();
        async move {
            for number in 0..60 {
                // Again until it is kept, as a sender does: the same again, in order.
                let mut rest = keys.iter().map(|key| submission(*key, number)).collect::<Vec<_>>();
                while !rest.is_empty() {
                    let answers = intake.submit(rest.clone()).await;
                    let mut answers = answers.iter();
                    rest.retain(|_| answers.next().unwrap().is_err());
                }
            }
            intake
        }
    });
    let mut log = Log::default();
    let (begun, mut kills) = (Instant::now(), 0);
    while log.0.len() < 20 || log.0.values().any(|numbers| numbers.last() != Some(&59)) {
        assert!(begun.elapsed() < LONG * 2, "{:?}", log.0);
        let deliveries = next(&mut work, 32).await;
        log.note(&deliveries);
        if kills < 3 && log.total() > 300 * (kills + 1) {
            kills += 1;
            server.kill();
            server.run().await;
        }
        // An error means that it comes again.
        let _comes_again = work.done(&deliveries).await;
    }
    assert_eq!(kills, 3);
    log.assert_complete_once_repeats_are_left_out(20, 60);
    let intake = submitting.await.unwrap();
    timeout(LONG, async {
        while intake.backlog().await.unwrap_or(1) > 0 {
            if let Ok(deliveries) = timeout(Duration::from_secs(1), work.next(100)).await {
                let _comes_again = work.done(&deliveries).await;
            }
        }
    })
    .await
    .unwrap();
    let gap = timeout(LONG, async { while !matches!(two.heard.recv().await.unwrap(), Heard::Gap) {} }).await;
    assert!(gap.is_ok());
    timeout(LONG, async { while one.wire.send(vec![parcel(keys[0], "after")]).await.is_err() {} })
        .await
        .unwrap();
    assert_eq!(sealed(&mut two).await, "after");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_server_it_opens_refuses_at_once_and_goes_on_when_there_is_one() {
    let Some(mut server) = Server::start().await else { return };
    server.kill();
    let address = with_prefix(&server.url());
    let mut link = super::wire(&address).await.unwrap();
    let intake = super::intake(&address).await.unwrap();
    let mut work = super::work(&address, "one").await.unwrap();
    let key = conversations(1)[0];
    assert!(!link.wire.is_up() && !intake.is_up());
    assert!(link.wire.send(vec![parcel(key, "lost")]).await.is_err());
    assert!(intake.submit(vec![submission(key, 0)]).await[0].is_err());
    server.run().await;
    assert!(matches!(timeout(LONG, link.heard.recv()).await.unwrap(), Some(Heard::Gap)), "it listens now");
    timeout(LONG, async { while intake.submit(vec![submission(key, 1)]).await[0].is_err() {} })
        .await
        .unwrap();
    let deliveries = next(&mut work, 10).await;
    assert_eq!(deliveries[0].sealed, submission(key, 1).sealed, "what was refused was not kept");
    server.stop();
    let begun = Instant::now();
    while link.wire.is_up() {
        let _answered_in_time = link.wire.send(vec![parcel(key, "x")]).await;
        assert!(begun.elapsed() < LONG);
    }
    assert!(link.wire.send(vec![parcel(key, "x")]).await.is_err());
    server.go_on();
    timeout(LONG, async { while link.wire.send(vec![parcel(key, "x")]).await.is_err() {} }).await.unwrap();
}
