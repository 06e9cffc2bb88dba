//! What a wire has to keep.

use super::super::wire::{Heard, Parcel, Subject, Wire, WireError};
use super::*;
use bytes::Bytes;
use protocol::{ConversationId, UserId};
use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TryRecvError;

/// How soon those that lost each other hear each other again once the broker is back.
pub(super) const AGAIN: Duration = Duration::from_secs(10);
/// Numbers from here on are greetings, each meeting's higher than those before.
const GREETING: u64 = 1 << 63;

/// A node with its wire, and what it heard of the others.
pub(super) struct Node {
    name: u8,
    wire: Box<dyn Wire>,
    heard: mpsc::Receiver<Heard>,
    /// Who said which number, and how much beside it.
    said: Vec<(u8, u64, usize)>,
    /// Who greeted last how.
    greeted: BTreeSet<(u8, u64)>,
    pub(super) gaps: usize,
    ended: bool,
}

impl Node {
    pub(super) async fn open(broker: &Broker, name: u8) -> Self {
        let Link { wire, heard } = broker.link().await;
        Self { name, wire, heard, said: Vec::new(), greeted: BTreeSet::new(), gaps: 0, ended: false }
    }

    fn parcel(&self, number: u64, filler: usize) -> Parcel {
        let subject = match number % 4 {
            0 => Subject::Direct(ConversationId::generate()),
            1 => Subject::Group(ConversationId::generate()),
            2 => Subject::User(UserId::generate()),
            _ => Subject::Nodes,
        };
        let mut sealed = vec![self.name];
        sealed.extend(number.to_be_bytes());
        sealed.resize(9 + filler, 0xa5);
        Parcel { subject, sealed: Bytes::from(sealed) }
    }

    /// Says numbers, with so many bytes beside each.
    pub(super) async fn say(&self, numbers: Range<u64>, filler: usize) -> Result<(), WireError> {
        let parcels = numbers.map(|number| self.parcel(number, filler)).collect();
        answered("a send is answered", self.wire.send(parcels)).await
    }

    pub(super) fn is_up(&self) -> bool {
        self.wire.is_up()
    }

    /// Takes in what there is to hear.
    pub(super) fn listen(&mut self) {
        loop {
            match self.heard.try_recv() {
                Ok(Heard::Gap) => self.gaps += 1,
                Ok(Heard::Sealed(sealed)) => {
                    let number = u64::from_be_bytes(sealed[1..9].try_into().unwrap());
                    assert!(sealed[9..].iter().all(|byte| *byte == 0xa5), "the filler came back otherwise");
                    if sealed[0] == self.name {
                        // An echo: hearers drop their own.
                    } else if number >= GREETING {
                        self.greeted.insert((sealed[0], number));
                    } else {
                        self.said.push((sealed[0], number, sealed.len() - 9));
                    }
                }
                Err(TryRecvError::Empty) => return,
                Err(TryRecvError::Disconnected) => return self.ended = true,
            }
        }
    }

    /// The numbers that somebody said, as they were heard.
    fn of(&self, name: u8) -> Vec<u64> {
        self.said.iter().filter(|(by, ..)| *by == name).map(|(_, number, _)| *number).collect()
    }

    async fn hears(&mut self, name: u8, last: u64) {
        let what = format!("node {} hears node {name} up to {last}", self.name);
        until(SOON, &what, async || {
            self.listen();
            self.of(name).contains(&last)
        })
        .await;
    }
}

/// Until each of them hears each other: a wire may be opened before it listens.
pub(super) async fn meet(longest: Duration, nodes: &mut [Node]) {
    static MEETINGS: AtomicU64 = AtomicU64::new(GREETING);
    let greeting = MEETINGS.fetch_add(1, Ordering::Relaxed);
    let names: Vec<u8> = nodes.iter().map(|node| node.name).collect();
    until(longest, "the nodes hear each other", async || {
        let mut met = true;
        for node in nodes.iter_mut() {
            // What cannot be sent yet is said again in the next round.
            let _ = node.say(greeting..greeting + 1, 0).await;
            node.listen();
            met &= names.iter().all(|name| *name == node.name || node.greeted.contains(&(*name, greeting)));
        }
        met
    })
    .await;
}

async fn nodes<const N: usize>(broker: &Broker) -> [Node; N] {
    let mut nodes = Vec::new();
    for name in 0..N {
        nodes.push(Node::open(broker, u8::try_from(name).unwrap()).await);
    }
    meet(SOON, &mut nodes).await;
    nodes.try_into().ok().unwrap()
}

pub(super) async fn what_is_sent_is_heard_once_in_order_by_every_node(broker: &Broker) {
    let mut nodes = nodes::<3>(broker).await;
    let [one, two, three] = &mut nodes;
    (one.gaps, two.gaps, three.gaps) = (0, 0, 0);
    for batch in 0..20 {
        one.say(batch * 10..batch * 10 + 10, 100).await.unwrap();
        two.say(batch..batch + 1, 100).await.unwrap();
    }
    one.say(200..201, 0).await.unwrap();
    two.say(20..21, 0).await.unwrap();
    for node in [&mut *two, &mut *three] {
        node.hears(0, 200).await;
        assert_eq!(node.of(0), (0..=200).collect::<Vec<_>>());
    }
    for node in [one, three] {
        node.hears(1, 20).await;
        assert_eq!(node.of(1), (0..=20).collect::<Vec<_>>());
    }
    for node in &nodes {
        assert!(node.is_up(), "node {} thinks the broker away", node.name);
        assert_eq!(node.gaps, 0, "node {} was told of gaps where nothing was lost", node.name);
    }
    answered("sending nothing is answered", nodes[0].wire.send(Vec::new())).await.unwrap();
}

pub(super) async fn a_large_parcel_passes(broker: &Broker) {
    let [one, mut two] = nodes(broker).await;
    for number in 0..5 {
        one.say(number..number + 1, 200 * 1024).await.unwrap();
    }
    two.hears(0, 4).await;
    assert_eq!(two.said, (0..5).map(|number| (0, number, 200 * 1024)).collect::<Vec<_>>());
}

pub(super) async fn two_prefixes_do_not_hear_each_other(broker: &Broker) {
    let [one, mut two] = nodes(broker).await;
    let [other, mut another] = nodes(&broker.apart()).await;
    one.say(0..50, 0).await.unwrap();
    two.hears(0, 49).await;
    // Had the others been sent any of it, it would have come before this.
    other.say(100..150, 0).await.unwrap();
    another.hears(0, 149).await;
    assert_eq!(another.of(0), (100..150).collect::<Vec<_>>());
    one.say(50..51, 0).await.unwrap();
    two.hears(0, 50).await;
    assert_eq!(two.of(0), (0..51).collect::<Vec<_>>());
}

/// More than any queue between two nodes holds.
pub(super) async fn a_hearer_that_does_not_read_stops_nobody(broker: &Broker) {
    const BATCHES: u64 = 500;
    const BATCH: u64 = 20;
    let [mut one, mut two] = nodes(broker).await;
    two.listen();
    two.gaps = 0;
    let mut next = 0;
    for _ in 0..BATCHES {
        // What fails may not be heard, which then must be told like what is dropped later.
        let _ = one.say(next..next + BATCH, 8 * 1024).await;
        one.listen();
        next += BATCH;
    }
    let flood = next;
    until(SOON * 3, "all is heard, or a gap is told and what is sent later is heard", async || {
        let _ = one.say(next..next + 1, 0).await;
        next += 1;
        one.listen();
        two.listen();
        let heard = two.of(0);
        let all = heard.iter().filter(|number| **number < flood).count() as u64 == flood;
        heard.last().is_some_and(|last| *last >= flood) && (all || two.gaps > 0)
    })
    .await;
    let heard = two.of(0);
    assert!(heard.is_sorted_by(|a, b| a < b), "what was heard came once and in order");
}

pub(super) async fn closing_sends_what_was_taken_and_ends_the_hearing(broker: &Broker) {
    let [mut one, mut two] = nodes(broker).await;
    for batch in 0..10 {
        one.say(batch * 100..batch * 100 + 100, 100).await.unwrap();
    }
    answered("closing ends", one.wire.close()).await;
    two.hears(0, 999).await;
    assert_eq!(two.of(0), (0..1000).collect::<Vec<_>>());
    answered("closing ends", two.wire.close()).await;
    for node in [&mut one, &mut two] {
        until(PATIENCE + GRACE, "a closed wire's hearing ends", async || {
            node.listen();
            node.ended
        })
        .await;
    }
}
