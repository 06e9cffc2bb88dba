//! Which other nodes were heard lately. Each says something every [`BEAT`]: one that is silent has ended, or is not heard, and what
//! it says meanwhile is unknown here.

use super::{BEAT, NODES};
use crate::bus::NodeId;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// How long a node is silent until something of it may be missing: what it told last, at most this long ago, is then believed no more.
/// Below the two seconds within which an end reaches every node (G12).
const SILENT: Duration = Duration::from_millis(1800);
const _: () = assert!(SILENT.as_millis() > BEAT.as_millis());
/// After this long it is taken for ended. If it is not, and only cut off from the broker, its people find out what that means.
const ENDED: Duration = Duration::from_secs(30);

/// What was heard of a node last: when, and how long it had been on its way.
type Last = (Instant, Duration);

/// Of each node; at most [`NODES`], beyond which all are forgotten and begin anew. And since when nothing of any was missed.
pub(super) struct Peers(Mutex<(HashMap<NodeId, Last>, Instant)>);

impl Default for Peers {
    fn default() -> Self {
        Self(Mutex::new((HashMap::new(), Instant::now())))
    }
}

impl Peers {
    /// A node told something. `late`: how long ago, by its clock and ours; where they differ by more than [`SILENT`] it is never
    /// heard in time.
    pub(super) fn heard(&self, node: NodeId, late: Duration) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (last, since) = &mut *known;
        if last.len() >= NODES && !last.contains_key(&node) {
            last.clear();
            *since = Instant::now();
        }
        last.insert(node, (Instant::now(), late));
    }

    /// Since when all of them are heard; none where one is silent.
    pub(super) fn whole_since(&self) -> Option<Instant> {
        let now = Instant::now();
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (last, since) = &mut *known;
        let all_heard =
            |last: &HashMap<NodeId, Last>| last.values().all(|(at, late)| now - *at + *late <= SILENT);
        if all_heard(last) {
            return Some(*since);
        }
        let before = last.len();
        last.retain(|_, (at, _)| now - *at <= ENDED);
        if last.len() < before {
            *since = now;
        }
        all_heard(last).then_some(*since)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::advance;

    #[tokio::test(start_paused = true)]
    async fn while_one_is_silent_nothing_is_sure_and_when_it_is_gone_only_what_is_new() {
        let peers = Peers::default();
        let began = peers.whole_since().unwrap();
        let (one, other) = (NodeId::draw(), NodeId::draw());
        for node in [one, other] {
            peers.heard(node, Duration::ZERO);
        }
        advance(BEAT).await;
        peers.heard(one, Duration::ZERO);
        assert_eq!(peers.whole_since(), Some(began));
        advance(BEAT).await;
        peers.heard(one, Duration::ZERO);
        assert_eq!(peers.whole_since(), None, "the other one has been silent for two seconds");
        peers.heard(other, Duration::ZERO);
        assert_eq!(peers.whole_since(), Some(began), "only late");
        peers.heard(other, SILENT * 2);
        assert_eq!(peers.whole_since(), None, "what it says now comes later still");
        advance(ENDED + BEAT).await;
        peers.heard(one, Duration::ZERO);
        assert_eq!(peers.whole_since(), Some(Instant::now()));
    }
}
