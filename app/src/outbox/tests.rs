use super::*;
use crate::timeline::tests::conversation_id;
use std::collections::HashSet;
use std::time::Duration;

fn nonce(text: &str) -> Nonce {
    text.parse().unwrap()
}

fn hello() -> Act {
    Act::Send { text: "hello".parse().unwrap(), reply_to: None }
}

fn push(outbox: &mut Outbox, number: u128, name: &str) {
    let taken = outbox.push(conversation_id(number), nonce(name), hello(), Timestamp::from_millis(7));
    assert!(taken);
}

fn due(outbox: &mut Outbox, now: u64) -> Vec<String> {
    let mut due: Vec<_> = outbox.due(now).into_iter().map(|(_, one)| one.nonce.to_string()).collect();
    due.sort();
    due
}

fn refusal(code: Code, retry_after_ms: Option<u64>) -> Refusal {
    Refusal {
        nonce: None,
        in_reply_to: None,
        code,
        message: "No.".to_owned(),
        retryable: code.retryable(),
        retry_after_ms,
    }
}

fn states(outbox: &Outbox, number: u128) -> Vec<(String, bool)> {
    let echoes = outbox.echoes(conversation_id(number));
    echoes
        .iter()
        .map(|echo| (echo.nonce.to_string(), matches!(echo.state, PendingState::Refused { .. })))
        .collect()
}

#[test]
fn one_at_a_time_per_conversation_in_order() {
    let mut outbox = Outbox::default();
    for (number, name) in [(1, "a1"), (1, "a2"), (2, "b1"), (1, "a3")] {
        push(&mut outbox, number, name);
    }
    assert_eq!(due(&mut outbox, 0), ["a1", "b1"]);
    assert!(due(&mut outbox, 0).is_empty());
    assert!(outbox.settled(&nonce("a1")).is_some());
    assert_eq!(due(&mut outbox, 0), ["a2"]);
    outbox.accepted(&nonce("a2"));
    assert!(due(&mut outbox, 0).is_empty(), "accepted is not stored");
    outbox.stored(&nonce("a2"), 9);
    assert_eq!(due(&mut outbox, 0), ["a3"]);
    assert_eq!(outbox.waiting(), 2);
    outbox.caught_up(conversation_id(1), Some(8));
    assert_eq!(outbox.echoes(conversation_id(1)).len(), 2, "shown until the timeline has it");
    outbox.caught_up(conversation_id(1), Some(9));
    assert_eq!(outbox.echoes(conversation_id(1)).len(), 1);
}

#[test]
fn what_was_accepted_and_never_answered_is_asked_for_again() {
    let mut outbox = Outbox::default();
    push(&mut outbox, 1, "a1");
    assert_eq!(due(&mut outbox, 1_000), ["a1"]);
    assert_eq!(outbox.wake_at(), None, "a connection that says nothing is another's business");
    outbox.accepted(&nonce("a1"));
    assert_eq!(outbox.wake_at(), Some(1_000 + ASK_AGAIN));
    assert!(due(&mut outbox, ASK_AGAIN).is_empty());
    assert_eq!(due(&mut outbox, 1_000 + ASK_AGAIN), ["a1"]);
    assert!(due(&mut outbox, 1_001 + ASK_AGAIN).is_empty(), "once in a while");
}

#[test]
fn a_lost_connection_sends_the_same_nonce_again_first() {
    let mut outbox = Outbox::default();
    push(&mut outbox, 1, "a1");
    push(&mut outbox, 1, "a2");
    assert_eq!(due(&mut outbox, 0), ["a1"]);
    outbox.disconnected();
    assert_eq!(due(&mut outbox, 0), ["a1"]);
}

#[test]
fn a_passing_refusal_waits_and_holds_the_others_back() {
    let mut outbox = Outbox::default();
    push(&mut outbox, 1, "a1");
    push(&mut outbox, 1, "a2");
    due(&mut outbox, 1_000);
    outbox.refused(&nonce("a1"), &refusal(Code::RateLimited, Some(3_000)), 1_000, 0.5);
    assert!(due(&mut outbox, 3_999).is_empty());
    assert_eq!(outbox.wake_at(), Some(4_000));
    assert_eq!(states(&outbox, 1)[0], ("a1".to_owned(), false));
    assert_eq!(due(&mut outbox, 4_000), ["a1"]);
    // Without a time from the server the waits grow.
    outbox.refused(&nonce("a1"), &refusal(Code::Unavailable, None), 4_000, 1.0);
    assert_eq!(outbox.wake_at(), Some(5_000));
    due(&mut outbox, 5_000);
    outbox.refused(&nonce("a1"), &refusal(Code::Unavailable, None), 5_000, 1.0);
    assert_eq!(outbox.wake_at(), Some(7_000));
}

#[test]
fn a_final_refusal_lets_the_others_pass_and_waits_for_me() {
    let mut outbox = Outbox::default();
    push(&mut outbox, 1, "a1");
    push(&mut outbox, 1, "a2");
    due(&mut outbox, 0);
    assert!(!outbox.discard(&nonce("a1")), "it may be stored already");
    outbox.refused(&nonce("a1"), &refusal(Code::Forbidden, None), 0, 0.5);
    assert_eq!(due(&mut outbox, 0), ["a2"]);
    assert_eq!(outbox.waiting(), 1);
    assert_eq!(outbox.retry(&nonce("a1"), nonce("fresh")), Some(nonce("a1")));
    assert_eq!(states(&outbox, 1), [("a2".to_owned(), false), ("a1".to_owned(), false)]);
    outbox.settled(&nonce("a2"));
    assert_eq!(due(&mut outbox, 0), ["a1"], "the same nonce: it is stored once");
    outbox.refused(&nonce("a1"), &refusal(Code::IdempotencyConflict, None), 0, 0.5);
    assert_eq!(outbox.retry(&nonce("a1"), nonce("fresh")), Some(nonce("fresh")));
    assert_eq!(due(&mut outbox, 0), ["fresh"]);
    outbox.refused(&nonce("fresh"), &refusal(Code::Forbidden, None), 0, 0.5);
    assert!(outbox.discard(&nonce("fresh")));
    assert!(outbox.conversations().is_empty());
}

#[test]
fn unsent_ones_survive_a_reload_in_order() {
    let mut outbox = Outbox::default();
    for name in ["a1", "a2", "a3"] {
        push(&mut outbox, 1, name);
    }
    let kept = ["a3", "a1", "a2"].map(|name| serde_json::to_string(&outbox.saved(&nonce(name))).unwrap());
    let mut next = Outbox::default();
    push(&mut next, 1, "a4");
    next.gone(&nonce("a1"));
    for one in kept {
        next.restore(serde_json::from_str(&one).unwrap());
    }
    let names: Vec<_> = states(&next, 1).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["a2", "a3", "a4"], "another tab settled the first");
}

#[test]
fn nothing_goes_before_it_is_kept() {
    let mut outbox = Outbox::default();
    outbox.keep();
    push(&mut outbox, 1, "a1");
    push(&mut outbox, 1, "a2");
    outbox.kept(&nonce("a2"));
    assert!(due(&mut outbox, 0).is_empty(), "nor out of order");
    assert_eq!(outbox.waiting(), 2);
    assert_eq!(outbox.all_kept(), [nonce("a2")]);
    outbox.kept(&nonce("a1"));
    assert_eq!(due(&mut outbox, 0), ["a1"]);
    outbox.kept(&nonce("a1"));
    assert!(due(&mut outbox, 0).is_empty(), "on its way");
}

#[test]
fn what_another_tab_tries_again_is_tried_again() {
    let mut outbox = Outbox::default();
    push(&mut outbox, 1, "a1");
    due(&mut outbox, 0);
    outbox.refused(&nonce("a1"), &refusal(Code::Forbidden, None), 0, 0.5);
    let kept = outbox.saved(&nonce("a1")).unwrap();
    outbox.restore(kept);
    assert_eq!(due(&mut outbox, 0), ["a1"]);
}

#[test]
fn there_is_an_end() {
    let mut outbox = Outbox::default();
    for number in 0..MOST {
        push(&mut outbox, (number % 3) as u128, &number.to_string());
    }
    assert!(!outbox.push(conversation_id(1), nonce("one more"), hello(), Timestamp::from_millis(0)));
}

#[test]
fn waits_are_spread() {
    let waits: HashSet<_> = (0..10).map(|step| Backoff::default().next(f64::from(step) / 10.0)).collect();
    assert_eq!(waits.len(), 10);
    assert!(waits.iter().all(|wait| *wait < Duration::from_millis(500)));
}
