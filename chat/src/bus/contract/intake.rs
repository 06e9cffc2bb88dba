//! What an intake and its workers have to keep.

use super::super::intake::{Delivery, LEASE, Work, partition};
use super::workers::{
    Entry, Log, Running, Step, Stream, batch, exactly, keys, opened, runs, sealed, submit, submit_with,
    submitted,
};
use super::*;
use std::collections::BTreeSet;

/// How long after a lease ended its lines may take to be somebody else's, and how soon a worker that joins gets some.
const HANDOVER: Duration = Duration::from_secs(15);
/// How long we look for what must not come.
const QUIET: Duration = Duration::from_secs(2);

async fn next(work: &mut dyn Work, most: usize) -> Vec<Delivery> {
    let got = within(SOON, "there is work", work.next(most)).await;
    assert!(!got.is_empty() && got.len() <= most, "{} of at most {most}", got.len());
    got
}

async fn done(work: &mut dyn Work, deliveries: &[Delivery]) {
    answered("done is answered", work.done(deliveries)).await.unwrap();
}

/// Takes that many and reports them as done: what they were.
async fn finish(work: &mut dyn Work, count: usize) -> Vec<Entry> {
    let mut entries = Vec::new();
    while entries.len() < count {
        let got = next(work, 64.min(count - entries.len())).await;
        done(work, &got).await;
        entries.extend(got.iter().map(opened));
    }
    entries
}

pub(super) async fn order_is_kept_per_conversation(broker: &Broker) {
    let (intake, mut work) = (broker.intake().await, broker.work("one").await);
    let entries = batch(&keys(20), 0..40);
    submitted(&*intake, &entries).await;
    exactly(&finish(&mut *work, entries.len()).await, &entries);
    assert!(intake.is_up());
}

pub(super) async fn two_workers_share_the_lines(broker: &Broker) {
    let (intake, log, keys) = (broker.intake().await, Log::default(), keys(32));
    let one = Running::start("one", broker.work("one").await, &log);
    let two = Running::start("two", broker.work("two").await, &log);
    let mut stream = Stream { intake: &*intake, keys: &keys, log: &log, next: 0 };
    stream.reaches(HANDOVER, "one").await;
    stream.reaches(HANDOVER, "two").await;
    stream.more(50).await;
    stream.is_worked_off().await;
    one.stop().await;
    two.stop().await;
}

pub(super) async fn a_worker_that_joins_gets_some_lines_and_leaves_them(broker: &Broker) {
    let (intake, log, keys) = (broker.intake().await, Log::default(), keys(16));
    let one = Running::start("one", broker.work("one").await, &log);
    let mut stream = Stream { intake: &*intake, keys: &keys, log: &log, next: 0 };
    stream.reaches(HANDOVER, "one").await;
    let two = Running::start("two", broker.work("two").await, &log);
    stream.reaches(HANDOVER, "two").await;
    stream.more(20).await;
    // While there is work: the other goes on with its lines.
    tokio::join!(stream.more(20), one.stop());
    stream.is_worked_off().await;
    two.stop().await;
}

pub(super) async fn what_a_lost_worker_had_not_done_comes_to_another(broker: &Broker) {
    let (intake, log, keys) = (broker.intake().await, Log::default(), keys(16));
    submitted(&*intake, &batch(&keys, 0..5)).await;
    let mut one = broker.work("one").await;
    let held = next(&mut *one, 40).await;
    // Each line's first is done: what comes again, comes from there.
    let mut lines = BTreeSet::new();
    let first: Vec<_> = held.iter().filter(|delivery| lines.insert(delivery.partition)).cloned().collect();
    done(&mut *one, &first).await;
    submitted(&*intake, &batch(&keys, 5..8)).await;
    let two = Running::start("two", broker.work("two").await, &log);
    drop(one);
    until(LEASE + HANDOVER, "the other gets everything", async || {
        keys.iter().all(|key| log.numbers(*key).contains(&7))
    })
    .await;
    two.stop().await;
    for key in keys {
        let numbers = log.numbers(key);
        let undone = u64::from(lines.contains(&partition(key)));
        assert!(numbers[0] <= undone, "the other began with {} where {undone} was not done", numbers[0]);
        assert_eq!(runs(&numbers), [numbers[0]..=7]);
    }
    log.was_one_at_a_time();
}

pub(super) async fn a_slow_worker_keeps_its_work(broker: &Broker) {
    let (intake, log, keys) = (broker.intake().await, Log::default(), keys(16));
    submitted(&*intake, &batch(&keys, 0..3)).await;
    let mut one = broker.work("one").await;
    let held = next(&mut *one, 20).await;
    log.write(Step::Took, "one", &held);
    let two = Running::start("two", broker.work("two").await, &log);
    let lines: BTreeSet<u16> = held.iter().map(|delivery| delivery.partition).collect();
    let began = Instant::now();
    until(LEASE * 2, "longer than a lease", async || {
        let other = log.took(Some("two"));
        assert!(other.iter().all(|entry| !lines.contains(&partition(entry.0))), "it was given away");
        began.elapsed() > LEASE + QUIET
    })
    .await;
    log.write(Step::LetGo, "one", &held);
    done(&mut *one, &held).await;
    let one = Running::start("one", one, &log);
    let mut stream = Stream { intake: &*intake, keys: &keys, log: &log, next: 3 };
    stream.more(2).await;
    stream.is_worked_off().await;
    one.stop().await;
    two.stop().await;
}

pub(super) async fn what_was_done_does_not_come_again_after_a_clean_stop(broker: &Broker) {
    let (intake, keys) = (broker.intake().await, keys(16));
    let mut one = broker.work("one").await;
    submitted(&*intake, &batch(&keys, 0..5)).await;
    exactly(&finish(&mut *one, 80).await, &batch(&keys, 0..5));
    submitted(&*intake, &batch(&keys, 5..7)).await;
    next(&mut *one, 8).await;
    within(LEASE / 2, "a worker is closed", one.close()).await;
    let mut two = broker.work("two").await;
    let rest = within(LEASE / 2, "the other gets the rest at once", finish(&mut *two, 32)).await;
    exactly(&rest, &batch(&keys, 5..7));
    two.close().await;
}

pub(super) async fn a_next_without_done_skips_nothing(broker: &Broker) {
    let (intake, keys) = (broker.intake().await, keys(1));
    submitted(&*intake, &batch(&keys, 0..10)).await;
    let mut work = broker.work("one").await;
    let mut got = next(&mut *work, 4).await;
    for _ in 0..3 {
        // What is undone comes again, or what follows it comes, or nothing until it is done.
        let Ok(more) = timeout(QUIET, work.next(4)).await else { break };
        let first = opened(&more[0]).1;
        assert!(first == 0 || first == got.len() as u64, "{first} came where {} are undone", got.len());
        for (delivery, number) in more.into_iter().zip(first..) {
            assert_eq!(opened(&delivery).1, number);
            if number == got.len() as u64 {
                got.push(delivery);
            }
        }
    }
    done(&mut *work, &got).await;
    let mut entries: Vec<_> = got.iter().map(opened).collect();
    let rest = 10 - entries.len();
    entries.extend(finish(&mut *work, rest).await);
    exactly(&entries, &batch(&keys, 0..10));
}

pub(super) async fn a_next_that_is_given_up_loses_nothing(broker: &Broker) {
    let (intake, keys) = (broker.intake().await, keys(4));
    let mut work = broker.work("one").await;
    submitted(&*intake, &batch(&keys, 0..1)).await;
    let mut entries = finish(&mut *work, 4).await;
    let submitting = async {
        for number in 1..200 {
            submitted(&*intake, &batch(&keys, number..number + 1)).await;
        }
    };
    let working = async {
        let mut patience = (0..12).map(|power| Duration::from_micros(100 << power)).cycle();
        while entries.len() < 800 {
            // Whether it was given up a moment before it had something is chance: what matters is that some were.
            if let Ok(got) = timeout(patience.next().unwrap(), work.next(8)).await {
                done(&mut *work, &got).await;
                entries.extend(got.iter().map(opened));
            }
        }
    };
    within(SOON * 3, "everything comes", async { tokio::join!(submitting, working) }).await;
    exactly(&entries, &batch(&keys, 0..200));
}

pub(super) async fn the_backlog_stays_with_the_broker(broker: &Broker) {
    let (intake, keys) = (broker.intake().await, keys(50));
    let entries = batch(&keys, 0..100);
    submitted(&*intake, &entries).await;
    let backlog = async || answered("asking for the backlog is answered", intake.backlog()).await.unwrap();
    until(SOON, "the backlog is all of it", async || backlog().await == 5000).await;
    let mut work = broker.work("one").await;
    let held = next(&mut *work, 100).await;
    assert!(backlog().await >= 5000 - held.len() as u64, "a worker that asks for no more is given no more");
    done(&mut *work, &held).await;
    let mut came: Vec<_> = held.iter().map(opened).collect();
    came.extend(finish(&mut *work, 5000 - held.len()).await);
    exactly(&came, &entries);
    until(SOON, "there is no backlog", async || backlog().await == 0).await;
}

pub(super) async fn what_is_buried_is_kept_with_its_reason_and_its_line_goes_on(broker: &Broker) {
    let (intake, keys) = (broker.intake().await, keys(2));
    submitted(&*intake, &batch(&keys, 0..3)).await;
    let mut work = broker.work("one").await;
    let mut came = Vec::new();
    while came.len() < 6 {
        for delivery in next(&mut *work, 6).await {
            let entry = opened(&delivery);
            came.push(entry);
            if entry.0 == keys[0] && entry.1 < 2 {
                let reason = format!("not a member: Zoë, {}", entry.1);
                answered("burying is answered", work.bury(&delivery, &reason)).await.unwrap();
            } else {
                done(&mut *work, &[delivery]).await;
            }
        }
    }
    exactly(&came, &batch(&keys, 0..3));
    work.close().await;
    submitted(&*intake, &batch(&keys, 3..4)).await;
    let mut work = broker.work("two").await;
    exactly(&finish(&mut *work, 2).await, &batch(&keys, 3..4));

    let dead = async |most| answered("asking for the dead is answered", intake.dead(most)).await.unwrap();
    until(SOON, "both are among the dead", async || dead(10).await.len() == 2).await;
    let letters = dead(10).await;
    for (letter, number) in letters.iter().zip(0..) {
        assert_eq!(letter.reason, format!("not a member: Zoë, {number}"));
        assert_eq!(letter.sealed, sealed((keys[0], number), 0));
    }
    assert_eq!(dead(1).await[0].id, letters[0].id, "the oldest first");
    answered("forgetting is answered", intake.forget(&letters[0])).await.unwrap();
    until(SOON, "the other is still there", async || {
        let left: Vec<_> = dead(10).await.into_iter().map(|letter| letter.id).collect();
        assert!(left.contains(&letters[1].id));
        left.len() == 1
    })
    .await;
}

pub(super) async fn what_came_before_a_buried_one_is_not_done_with_it(broker: &Broker) {
    let (intake, keys) = (broker.intake().await, keys(1));
    submitted(&*intake, &batch(&keys, 0..4)).await;
    let mut one = broker.work("one").await;
    let third = loop {
        let got = next(&mut *one, 3).await;
        if let Some(third) = got.into_iter().find(|delivery| opened(delivery).1 == 2) {
            break third;
        }
    };
    answered("burying is answered", one.bury(&third, "no")).await.unwrap();
    one.close().await;
    let mut two = broker.work("two").await;
    let mut numbers = Vec::new();
    while !numbers.contains(&3) {
        numbers.extend(finish(&mut *two, 1).await.iter().map(|entry| entry.1));
    }
    // That which was buried is done, or comes again to be buried again.
    assert!(numbers == [0, 1, 3] || numbers == [0, 1, 2, 3], "{numbers:?}");
}

pub(super) async fn two_prefixes_keep_their_work_apart(broker: &Broker) {
    let (ours, theirs) = (broker.intake().await, broker.apart().intake().await);
    let (mut our_work, mut their_work) = (broker.work("one").await, broker.apart().work("one").await);
    let (our_keys, their_keys) = (keys(16), keys(16));
    submitted(&*ours, &batch(&our_keys, 0..5)).await;
    submitted(&*theirs, &batch(&their_keys, 0..5)).await;
    exactly(&finish(&mut *our_work, 80).await, &batch(&our_keys, 0..5));
    let got = next(&mut *their_work, 1).await;
    answered("burying is answered", their_work.bury(&got[0], "no")).await.unwrap();
    let mut came: Vec<_> = got.iter().map(opened).collect();
    came.extend(finish(&mut *their_work, 79).await);
    exactly(&came, &batch(&their_keys, 0..5));
    until(SOON, "theirs is among their dead", async || theirs.dead(10).await.unwrap().len() == 1).await;
    assert!(ours.dead(10).await.unwrap().is_empty());
}

pub(super) async fn a_large_submission_passes(broker: &Broker) {
    let (intake, mut work, keys) = (broker.intake().await, broker.work("one").await, keys(1));
    let entries = batch(&keys, 0..5);
    assert_eq!(submit_with(&*intake, &entries, 64 * 1024).await, [true; 5]);
    let mut came = Vec::new();
    while came.len() < 5 {
        let got = next(&mut *work, 5).await;
        assert!(got.iter().all(|delivery| delivery.sealed == sealed(opened(delivery), 64 * 1024)));
        done(&mut *work, &got).await;
        came.extend(got.iter().map(opened));
    }
    exactly(&came, &entries);
}

pub(super) async fn closing_with_nothing_to_do_ends_at_once(broker: &Broker) {
    let (intake, mut work) = (broker.intake().await, broker.work("one").await);
    submitted(&*intake, &[]).await;
    assert!(submit(&*intake, &[]).await.is_empty());
    done(&mut *work, &[]).await;
    within(LEASE / 2, "a worker is closed", work.close()).await;
    assert!(answered("a closed worker has no work", work.next(8)).await.is_empty());
    answered("an intake is closed", intake.close()).await;
}
