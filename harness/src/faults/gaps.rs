//! Events that the server left out. What is committed after a `hello` was answered arrives as events, each once and
//! without holes; clients mend a hole by themselves, so that no other rule would show one.

use crate::history::{Head, Record, Via, What};
use protocol::ConversationId;
use std::collections::{BTreeSet, HashMap};

/// What one device has of a conversation and hears of it.
#[derive(Clone, Debug, Default)]
struct Stream {
    /// Last `rev` it has, however it came.
    have: u64,
    /// The `rev` of the next event on this connection.
    next: u64,
    /// Acknowledged ahead of events that must still come: a request that changed nothing is answered at once.
    early: BTreeSet<u64>,
}

/// Holes in the streams of events, from each `hello` to the end of its connection.
pub fn left_out(records: &[Record]) -> usize {
    let mut streams: HashMap<&str, HashMap<ConversationId, Stream>> = HashMap::new();
    let mut holes = 0;
    for Record { client, what, .. } in records {
        let streams = streams.entry(client).or_default();
        match what {
            What::Hello { heads, reset, .. } => {
                if *reset {
                    streams.clear();
                }
                // What `heads` does not name is as the client has it.
                streams.values_mut().for_each(|stream| stream.begin(stream.have + 1));
                heads.iter().for_each(|head| begin(streams, head));
            }
            What::Heads { heads } => heads.iter().for_each(|head| begin(streams, head)),
            What::Page { conversation, head_rev, .. } => {
                let stream = streams.entry(*conversation).or_default();
                stream.have = *head_rev;
            }
            What::Gone { conversation } => drop(streams.remove(conversation)),
            What::Applied { conversation, rev, via, .. } => {
                let stream = streams.entry(*conversation).or_default();
                stream.have = *rev;
                holes += match via {
                    Via::Changes => 0,
                    Via::Ack => stream.hear_early(*rev),
                    Via::Event => stream.hear(*rev),
                };
            }
            What::Gap { conversation, came, via: Some(Via::Ack), .. } => {
                holes += streams.entry(*conversation).or_default().hear_early(*came);
            }
            What::Dropped { conversation, rev, held: true, .. }
            | What::Gap { conversation, came: rev, .. } => {
                holes += streams.entry(*conversation).or_default().hear(*rev);
            }
            _ => {}
        }
    }
    holes
}

/// Events follow the object. Who did not have the conversation starts from it; who did still lacks what is between.
fn begin(streams: &mut HashMap<ConversationId, Stream>, head: &Head) {
    let stream = streams
        .entry(head.conversation)
        .or_insert_with(|| Stream { have: head.head_rev, ..Stream::default() });
    stream.begin(head.head_rev + 1);
}

impl Stream {
    fn begin(&mut self, next: u64) {
        self.next = next;
        self.early.clear();
    }

    /// An ack comes, which may be ahead of events: whether those come, the next event tells.
    fn hear_early(&mut self, rev: u64) -> usize {
        if self.next > 0 && rev > self.next {
            self.early.insert(rev);
            return 0;
        }
        self.hear(rev)
    }

    /// An event comes: 1 where others before it did not.
    fn hear(&mut self, rev: u64) -> usize {
        while self.early.remove(&self.next) {
            self.next += 1;
        }
        let hole = self.next > 0 && rev > self.next;
        self.next = self.next.max(rev + 1);
        usize::from(hole)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::Epoch;

    fn of(whats: Vec<What>) -> usize {
        let record = |what| Record { t: 0, client: "ada/1".into(), user: None, what };
        left_out(&whats.into_iter().map(record).collect::<Vec<_>>())
    }

    #[test]
    fn a_hole_counts_whether_or_not_the_client_is_catching_up() {
        let conversation = ConversationId::generate();
        let hello = |heads: &[u64]| What::Hello {
            epoch: Epoch::generate(),
            reset: false,
            heads: heads
                .iter()
                .map(|&head_rev| Head {
                    conversation,
                    head_seq: 0,
                    head_rev,
                    read_seq: 0,
                    unread: 0,
                    mentions: 0,
                })
                .collect(),
            gone: vec![],
        };
        let gap = |last, came| What::Gap { conversation, last, came, via: Some(Via::Event) };
        let acked = |last, came| What::Gap { conversation, last, came, via: Some(Via::Ack) };
        let applied = |rev, via| What::Applied {
            conversation,
            rev,
            change: "posted".into(),
            subject: None,
            message: None,
            via,
            asked: None,
        };
        // Catching up to 9 while 10 and 11 come already.
        let catching_up = vec![hello(&[9]), gap(7, 10), gap(7, 11), applied(8, Via::Changes)];
        assert_eq!(of(catching_up), 0);
        assert_eq!(of(vec![hello(&[9]), gap(7, 11)]), 1);
        assert_eq!(of(vec![hello(&[9]), applied(10, Via::Event), gap(10, 12)]), 1);
        // An answer ahead of its time, and one in front of what never came.
        let event = |rev| applied(rev, Via::Event);
        assert_eq!(of(vec![hello(&[9]), acked(9, 12), event(10), event(11), event(12), event(13)]), 0);
        assert_eq!(of(vec![hello(&[9]), acked(9, 11), event(10), event(11), event(13)]), 1);
        assert_eq!(of(vec![hello(&[9]), acked(9, 11), event(10), event(12)]), 0);
        assert_eq!(of(vec![hello(&[9]), acked(9, 12), event(10), event(13)]), 1);
        // A newcomer whose connection ends before anything else comes.
        assert_eq!(of(vec![hello(&[9]), hello(&[]), applied(10, Via::Event)]), 0);
        // A second connection, with nothing new at first.
        assert_eq!(of(vec![hello(&[9]), applied(10, Via::Event), hello(&[]), gap(10, 12)]), 1);
        assert_eq!(of(vec![hello(&[9]), applied(10, Via::Event), hello(&[12]), gap(10, 13)]), 0);
    }
}
