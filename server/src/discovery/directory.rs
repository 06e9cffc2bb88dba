//! What is known of the nodes, and whether that is how it is now.

use protocol::Timestamp;
use protocol::rest::{Health, Node};
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

/// Nodes that are kept. Of more, those told of last are left out.
pub(super) const NODES: usize = 256;

/// Now, for what is shown.
pub(super) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// A node as a back end tells of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Told {
    pub(super) name: String,
    pub(super) address: String,
    pub(super) health: Health,
    pub(super) is_self: bool,
}

/// How many are connected to a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) users: u64,
    pub(super) sockets: u64,
}

/// Who has to be reached for the list to be fresh.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Contact {
    /// Who is told of us.
    Keeping,
    /// Who tells us of others.
    Watching,
}

#[derive(Default)]
struct Known {
    nodes: Vec<Node>,
    /// By the node's name.
    counts: BTreeMap<String, Counts>,
    keeping: bool,
    watching: bool,
}

/// The nodes that are known. A standard mutex: held for a copy of a short list, never over an await.
pub(super) struct Directory(Mutex<Known>);

impl Directory {
    /// Nothing is known; `alone`: and there is nothing more to know.
    pub(super) fn new(alone: bool) -> Self {
        Self(Mutex::new(Known { keeping: alone, watching: alone, ..Known::default() }))
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// These are the nodes, and no others.
    pub(super) fn tell(&self, mut told: Vec<Told>) {
        if told.len() > NODES {
            tracing::warn!(nodes = told.len(), kept = NODES, "more nodes than are kept");
            told.truncate(NODES);
        }
        let now = now();
        let known = &mut *self.known();
        let before = std::mem::take(&mut known.nodes);
        let nodes = told.into_iter().map(|Told { name, address, health, is_self }| {
            let seen_at = match health {
                Health::Passing => Some(now),
                _ => before
                    .iter()
                    .find(|node| node.name == name && node.address == address)
                    .and_then(|node| node.seen_at),
            };
            Node { name, address, health, users: None, sockets: None, is_self, seen_at }
        });
        known.nodes = nodes.collect();
    }

    /// So many are connected to each of these, and nothing is known of the others.
    pub(super) fn count(&self, counts: BTreeMap<String, Counts>) {
        self.known().counts = counts;
    }

    /// Whether somebody was reached just now. Answers whether that was otherwise before.
    pub(super) fn reached(&self, contact: Contact, reached: bool) -> bool {
        let mut known = self.known();
        let before = match contact {
            Contact::Keeping => &mut known.keeping,
            Contact::Watching => &mut known.watching,
        };
        std::mem::replace(before, reached) != reached
    }

    /// The nodes as they are, or were last; and which of the two.
    pub(super) fn nodes(&self) -> (Vec<Node>, bool) {
        let known = self.known();
        let mut nodes = known.nodes.clone();
        for node in &mut nodes {
            let counts = known.counts.get(&node.name);
            node.users = counts.map(|counts| counts.users);
            node.sockets = counts.map(|counts| counts.sockets);
        }
        (nodes, known.keeping && known.watching)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(name: &str, health: Health) -> Told {
        Told { name: name.to_owned(), address: format!("http://{name}"), health, is_self: false }
    }

    #[test]
    fn who_fails_was_seen_when_it_last_passed() {
        let directory = Directory::new(false);
        directory.tell(vec![told("a", Health::Passing), told("b", Health::Critical)]);
        let (before, fresh) = directory.nodes();
        assert!(!fresh);
        assert!(before[0].seen_at.is_some() && before[1].seen_at.is_none());
        directory.tell(vec![told("a", Health::Critical)]);
        let (after, _) = directory.nodes();
        assert_eq!(
            (after.len(), after[0].health, after[0].seen_at),
            (1, Health::Critical, before[0].seen_at)
        );
    }

    #[test]
    fn it_is_fresh_while_both_sides_are_reached() {
        let directory = Directory::new(false);
        assert!(directory.reached(Contact::Keeping, true));
        assert!(!directory.reached(Contact::Keeping, true));
        assert!(!directory.nodes().1);
        directory.reached(Contact::Watching, true);
        assert!(directory.nodes().1);
        directory.reached(Contact::Keeping, false);
        assert!(!directory.nodes().1);
        assert!(Directory::new(true).nodes().1);
    }

    #[test]
    fn counts_belong_to_names_and_the_list_has_a_bound() {
        let directory = Directory::new(false);
        let many = (0..NODES + 5).map(|n| told(&n.to_string(), Health::Passing)).collect();
        directory.tell(many);
        directory.count([("1".to_owned(), Counts { users: 2, sockets: 3 })].into());
        let (nodes, _) = directory.nodes();
        assert_eq!(nodes.len(), NODES);
        assert_eq!((nodes[1].users, nodes[1].sockets, nodes[2].users), (Some(2), Some(3), None));
    }
}
