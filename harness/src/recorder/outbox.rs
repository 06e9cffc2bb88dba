//! What a device has to send: kept until it is acknowledged or refused for good, one request per conversation in
//! flight, so that a sender's order survives every retry.

use super::request::Request;
use protocol::{ConversationId, Nonce};
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;
use tokio::time::Instant;

/// Requests that may wait. At the bound the device takes no further commands, and its driver waits.
pub const WAITING: usize = 10_000;

/// Everything without a final answer.
#[derive(Debug, Default)]
pub struct Outbox {
    turns: BTreeMap<ConversationId, VecDeque<Item>>,
    /// Sent out of turn, whatever else is in flight.
    repeats: BTreeMap<Nonce, Item>,
}

/// One request.
#[derive(Clone, Debug)]
pub struct Item {
    /// Its key.
    pub nonce: Nonce,
    /// Where to.
    pub conversation: ConversationId,
    /// What.
    pub request: Request,
    /// Attempts so far.
    pub attempts: u32,
    state: State,
}

#[derive(Clone, Copy, Debug)]
enum State {
    Waiting { until: Instant },
    InFlight { since: Instant },
}

impl Item {
    fn new(nonce: Nonce, conversation: ConversationId, request: Request, now: Instant) -> Self {
        Self { nonce, conversation, request, attempts: 0, state: State::Waiting { until: now } }
    }
}

impl Outbox {
    /// Adds a request behind the others of its conversation.
    pub fn push(&mut self, nonce: Nonce, conversation: ConversationId, request: Request, now: Instant) {
        let item = Item::new(nonce, conversation, request, now);
        self.turns.entry(conversation).or_default().push_back(item);
    }

    /// Adds a repetition, which waits for nothing. One of the same nonce takes the place of the other.
    pub fn repeat(&mut self, nonce: Nonce, conversation: ConversationId, request: Request, now: Instant) {
        self.repeats.insert(nonce.clone(), Item::new(nonce, conversation, request, now));
    }

    /// How many requests have no final answer.
    pub fn len(&self) -> usize {
        self.repeats.len() + self.turns.values().map(VecDeque::len).sum::<usize>()
    }

    /// Whether everything is answered.
    pub fn is_empty(&self) -> bool {
        self.repeats.is_empty() && self.turns.is_empty()
    }

    /// Those whose turn it is.
    fn first(&mut self) -> impl Iterator<Item = &mut Item> {
        self.turns.values_mut().filter_map(VecDeque::front_mut).chain(self.repeats.values_mut())
    }

    /// The next request to send now; it counts as in flight.
    pub fn take_due(&mut self, now: Instant) -> Option<Item> {
        let due = |item: &&mut Item| matches!(item.state, State::Waiting { until } if until <= now);
        let item = self.first().find(due)?;
        item.attempts += 1;
        item.state = State::InFlight { since: now };
        Some(item.clone())
    }

    /// When there is something to send, or to give up waiting for.
    pub fn wake(&mut self, patience: Duration) -> Option<Instant> {
        self.first()
            .map(|item| match item.state {
                State::Waiting { until } => until,
                State::InFlight { since } => since + patience,
            })
            .min()
    }

    /// What was asked under a nonce, while it has no final answer.
    pub fn request(&self, nonce: &Nonce) -> Option<&Request> {
        let first = self.turns.values().filter_map(VecDeque::front);
        let item = first.chain(self.repeats.values()).find(|item| item.nonce == *nonce);
        item.map(|item| &item.request)
    }

    /// A final answer came.
    pub fn settle(&mut self, nonce: &Nonce) {
        self.repeats.remove(nonce);
        self.turns.retain(|_, queue| {
            if queue.front().is_some_and(|item| item.nonce == *nonce && item.attempts > 0) {
                queue.pop_front();
            }
            !queue.is_empty()
        });
    }

    /// The server asks to try again later.
    pub fn postpone(&mut self, nonce: &Nonce, until: Instant) {
        self.first().filter(|item| item.nonce == *nonce).for_each(|item| {
            if matches!(item.state, State::InFlight { .. }) {
                item.state = State::Waiting { until };
            }
        });
    }

    /// The connection is gone: what was in flight may or may not have arrived, and waits again.
    pub fn lose(&mut self, now: Instant) -> Vec<Nonce> {
        self.wait_again(now, |_| true)
    }

    /// What has been in flight too long waits again.
    pub fn lose_overdue(&mut self, now: Instant, patience: Duration) -> Vec<Nonce> {
        self.wait_again(now, |since| since + patience <= now)
    }

    fn wait_again(&mut self, now: Instant, lost: impl Fn(Instant) -> bool) -> Vec<Nonce> {
        self.first()
            .filter_map(|item| match item.state {
                State::InFlight { since } if lost(since) => {
                    item.state = State::Waiting { until: now };
                    Some(item.nonce.clone())
                }
                _ => None,
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn say(text: &str) -> Request {
        Request::Send { text: text.to_owned(), reply_to: None }
    }

    #[test]
    fn the_next_of_a_conversation_waits_for_the_answer() {
        let (now, room, other) = (Instant::now(), ConversationId::generate(), ConversationId::generate());
        let mut outbox = Outbox::default();
        let [one, two, three] = [(); 3].map(|()| Nonce::generate());
        outbox.push(one.clone(), room, say("1"), now);
        outbox.push(two.clone(), room, say("2"), now);
        outbox.push(three.clone(), other, say("3"), now);
        let mut sent: Vec<_> = std::iter::from_fn(|| outbox.take_due(now)).map(|item| item.nonce).collect();
        sent.sort();
        assert_eq!(sent, [one.clone(), three.clone()]);

        // A lost connection sends the same again, not the next.
        assert_eq!(outbox.lose(now).len(), 2);
        assert!(std::iter::from_fn(|| outbox.take_due(now)).all(|item| item.nonce != two));
        outbox.settle(&one);
        assert_eq!(outbox.take_due(now).unwrap().nonce, two);
        outbox.settle(&two);
        outbox.settle(&three);
        assert!(outbox.is_empty());
    }
}
