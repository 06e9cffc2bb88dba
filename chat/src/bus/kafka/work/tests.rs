//! Lines that would stand still for good, against a real Kafka: at CONFAB_TEST_KAFKA.

use super::*;
use crate::bus::intake::DeliveryId;
use crate::bus::kafka::intake;
use crate::bus::kafka::tests::{DEADLINE, next, read, server, submission, submit_all};
use bytes::Bytes;
use protocol::ConversationId;
use std::collections::HashSet;

/// A key of each line, of two.
fn keys() -> [ConversationId; 2] {
    let of = |line| {
        std::iter::repeat_with(ConversationId::generate).find(|key| key.uuid().as_u64_pair().1 % 2 == line)
    };
    [of(0).unwrap(), of(1).unwrap()]
}

/// Takes and does until all of these came, whatever else comes.
async fn all_come(work: &mut KafkaWork, mut awaited: HashSet<([u8; 16], u32)>) {
    let come = async {
        while !awaited.is_empty() {
            let given = next(work, 128).await;
            for delivery in &given {
                awaited.remove(&read(&delivery.sealed));
            }
            work.done(&given).await.unwrap();
        }
    };
    timeout(DEADLINE, come).await.expect("all come");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_line_that_stands_still_begins_anew_while_the_others_go_on() {
    let Some(address) = server("&partitions=2") else { return };
    let submissions = intake(&address).await.unwrap();
    let keys = keys();
    let mut worker = open(Broker::of(&address).unwrap(), "worker").unwrap();
    submit_all(&*submissions, keys.map(|key| submission(key, 0)).to_vec()).await;
    all_come(&mut worker, keys.map(|key| (*key.as_bytes(), 0)).into()).await;
    // As after a broker that lost the end of a line: what comes is taken for what was there before, and passed over.
    let ahead = Delivery { partition: 0, id: DeliveryId::Number(1_000_000), sealed: Bytes::new() };
    {
        let mut lines = worker.shared.lines();
        lines.push(0, 1_000_000, Bytes::new());
        lines.give(1);
        lines.done(std::slice::from_ref(&ahead));
    }
    let [still, busy] = keys;
    submit_all(&*submissions, vec![submission(still, 1)]).await;
    // The other line never falls silent.
    let mut number = 0;
    let come = async {
        loop {
            number += 1;
            submit_all(&*submissions, vec![submission(busy, number)]).await;
            let given = next(&mut worker, 128).await;
            worker.done(&given).await.unwrap();
            if given.iter().any(|delivery| read(&delivery.sealed) == (*still.as_bytes(), 1)) {
                break;
            }
        }
    };
    timeout(DEADLINE, come).await.expect("it comes, though the line stood still");
    submit_all(&*submissions, keys.map(|key| submission(key, 1_000_000)).to_vec()).await;
    all_come(&mut worker, keys.map(|key| (*key.as_bytes(), 1_000_000)).into()).await;
    let begun = std::time::Instant::now();
    worker.close().await;
    assert!(begun.elapsed() < PATIENCE, "the thread ends");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_that_went_while_it_was_paused_is_not_paused_when_it_comes_back() {
    let Some(address) = server("&partitions=2") else { return };
    let submissions = intake(&address).await.unwrap();
    let keys = keys();
    let mut one = open(Broker::of(&address).unwrap(), "one").unwrap();
    let numbers = 0..4000;
    for number in numbers.clone().step_by(100) {
        let batch = (number..number + 100).flat_map(|number| keys.map(|key| submission(key, number)));
        submit_all(&*submissions, batch.collect()).await;
    }
    // It is full and pauses both; nothing is in hand, so one goes at once to the other worker.
    let full = async {
        while !one.shared.lines().is_full() {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    timeout(DEADLINE, full).await.expect("it is full");
    let mut two = open(Broker::of(&address).unwrap(), "two").unwrap();
    let given = next(&mut two, 1).await;
    let line = given[0].partition;
    // What is left to the first is worked off, so that it goes on.
    let (staying, back) = if line == 0 { (keys[1], keys[0]) } else { (keys[0], keys[1]) };
    all_come(&mut one, numbers.clone().map(|number| (*staying.as_bytes(), number)).collect()).await;
    two.close().await;
    let begun = std::time::Instant::now();
    all_come(&mut one, numbers.map(|number| (*back.as_bytes(), number)).collect()).await;
    assert!(begun.elapsed() < fetch::LOOK, "no look had to find it: {:?}", begun.elapsed());
    one.close().await;
}
