//! What has to hold while the broker is away, hangs or comes back, on a server of the test's own.

use super::wire::{AGAIN, Node, meet};
use super::workers::{Log, Running, batch, keys, runs, submit, submitted_until};
use super::*;
use protocol::ConversationId;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

pub(super) async fn opening_does_not_need_the_broker(broker: &Broker) {
    let private = Private::start(broker.kind).await;
    private.tell("kill").await;
    let broker = &private.broker;
    let mut nodes = [Node::open(broker, 0).await, Node::open(broker, 1).await];
    let intake = broker.intake().await;
    let log = Log::default();
    let worker = Running::start("one", broker.work("one").await, &log);
    assert!(nodes[0].say(0..1, 0).await.is_err(), "nobody can have heard this");
    let keys = keys(4);
    assert!(submit(&*intake, &batch(&keys, 0..1)).await.iter().all(|kept| !kept));
    answered("asking for the backlog is answered", intake.backlog()).await.unwrap_err();
    assert!(!nodes[0].is_up() && !intake.is_up());
    private.tell("restart").await;
    meet(AGAIN, &mut nodes).await;
    submitted_until(AGAIN, &*intake, &batch(&keys, 1..2)).await;
    until(AGAIN, "the worker gets to work", async || keys.iter().all(|key| log.numbers(*key).contains(&1)))
        .await;
    assert!(nodes[0].is_up() && intake.is_up());
    worker.stop().await;
}

pub(super) async fn both_sides_hear_again_after_a_crash(broker: &Broker) {
    let private = Private::start(broker.kind).await;
    let mut nodes = [Node::open(&private.broker, 0).await, Node::open(&private.broker, 1).await];
    meet(SOON, &mut nodes).await;
    private.tell("kill").await;
    until(SOON, "sending fails, within its time", async || nodes[0].say(0..1, 0).await.is_err()).await;
    until(SOON, "both know that the broker is away", async || nodes.iter().all(|node| !node.is_up())).await;
    for node in &mut nodes {
        node.listen();
        node.gaps = 0;
    }
    private.tell("restart").await;
    meet(AGAIN, &mut nodes).await;
    until(AGAIN, "both are told of the gap, and know that the broker is back", async || {
        nodes.iter_mut().for_each(Node::listen);
        nodes.iter().all(|node| node.gaps > 0 && node.is_up())
    })
    .await;
}

pub(super) async fn a_broker_that_hangs_keeps_nobody_waiting(broker: &Broker) {
    let private = Private::start(broker.kind).await;
    let broker = &private.broker;
    let mut nodes = [Node::open(broker, 0).await, Node::open(broker, 1).await];
    meet(SOON, &mut nodes).await;
    let (intake, log, keys) = (broker.intake().await, Log::default(), keys(4));
    submitted_until(SOON, &*intake, &batch(&keys, 0..5)).await;
    let mut work = broker.work("one").await;
    let held = within(SOON, "there is work", work.next(3)).await;

    private.tell("pause").await;
    for round in 0..3 {
        // Whether it may not be heard, nobody has to know so soon; but nobody can have been told that it is kept.
        let _ = nodes[0].say(round..round + 1, 0).await;
        assert!(submit(&*intake, &batch(&keys, 5 + round..6 + round)).await.iter().all(|kept| !kept));
    }
    answered("asking for the backlog is answered", intake.backlog()).await.unwrap_err();
    answered("asking for the dead is answered", intake.dead(1)).await.unwrap_err();
    let _ = answered("done is answered", work.done(&held)).await;
    Node::open(broker, 2).await;

    private.tell("resume").await;
    meet(AGAIN, &mut nodes).await;
    let kept = batch(&keys, 8..10);
    submitted_until(AGAIN, &*intake, &kept).await;
    let worker = Running::start("one", work, &log);
    until(SOON * 2, "what was kept comes", async || {
        keys.iter().all(|key| [8, 9].iter().all(|number| log.numbers(*key).contains(number)))
    })
    .await;
    worker.stop().await;
}

pub(super) async fn what_was_accepted_survives_a_crash(broker: &Broker) {
    let private = Private::start(broker.kind).await;
    let kept = submit_through_a_crash(&private).await;
    let log = Log::default();
    let worker = Running::start("one", private.broker.work("one").await, &log);
    all_kept_comes(&kept, &log).await;
    worker.stop().await;
}

pub(super) async fn a_worker_goes_on_after_a_crash(broker: &Broker) {
    let private = Private::start(broker.kind).await;
    let log = Log::default();
    let worker = Running::start("one", private.broker.work("one").await, &log);
    let kept = submit_through_a_crash(&private).await;
    all_kept_comes(&kept, &log).await;
    worker.stop().await;
}

type Kept = BTreeMap<ConversationId, Vec<u64>>;

/// Submits all the time, while the broker is killed and brought back: which numbers it said that it keeps.
async fn submit_through_a_crash(private: &Private) -> Kept {
    let (intake, keys) = (private.broker.intake().await, keys(4));
    submitted_until(SOON, &*intake, &batch(&keys, 0..1)).await;
    let mut kept: Kept = keys.iter().map(|key| (*key, vec![0])).collect();
    let mut next = 1;
    let mut round = async || {
        let entries = batch(&keys, next..next + 5);
        next += 5;
        let answers = submit(&*intake, &entries).await;
        for ((key, number), _) in entries.iter().zip(&answers).filter(|(_, kept)| **kept) {
            kept.entry(*key).or_default().push(*number);
        }
        answers
    };
    for _ in 0..20 {
        assert!(round().await.iter().all(|kept| *kept));
    }
    let dead = AtomicBool::new(false);
    let killing = async {
        private.tell("kill").await;
        dead.store(true, Ordering::Relaxed);
    };
    let failing = until(SOON, "submitting fails, within its time", async || {
        let was_dead = dead.load(Ordering::Relaxed);
        was_dead & round().await.iter().all(|kept| !kept)
    });
    tokio::join!(killing, failing);
    private.tell("restart").await;
    until(AGAIN, "submitting succeeds again", async || round().await.iter().all(|kept| *kept)).await;
    for _ in 0..20 {
        assert!(round().await.iter().all(|kept| *kept));
    }
    kept
}

/// What the broker said that it keeps comes, in order; what it did not may come, but not out of its order.
async fn all_kept_comes(kept: &Kept, log: &Log) {
    until(SOON * 2, "all comes that was kept", async || {
        kept.iter().all(|(key, numbers)| {
            let came = log.numbers(*key);
            numbers.iter().all(|number| came.contains(number))
        })
    })
    .await;
    for key in kept.keys() {
        let mut first = Vec::new();
        for number in log.numbers(*key) {
            if !first.contains(&number) {
                first.push(number);
            }
        }
        assert!(first.is_sorted(), "out of order: {:?}", runs(&first));
    }
}
