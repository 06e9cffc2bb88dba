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

/// When each was heard last; at most [`NODES`], beyond which all are forgotten and begin anew.
pub(super) struct Peers(Mutex<(HashMap<NodeId, Instant>, Instant)>);

impl Default for Peers {
    fn default() -> Self {
        Self(Mutex::new((HashMap::new(), Instant::now())))
    }
}

impl Peers {
    /// A node told something, at this time.
    pub(super) fn heard(&self, node: NodeId, at: Instant) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (last, since) = &mut *known;
        if last.len() >= NODES && !last.contains_key(&node) {
            last.clear();
            *since = Instant::now();
        }
        last.insert(node, at);
    }

    /// Since when all of them are heard; none where one is silent.
    pub(super) fn whole_since(&self) -> Option<Instant> {
        let now = Instant::now();
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (last, since) = &mut *known;
        if last.values().all(|at| now - *at <= SILENT) {
            return Some(*since);
        }
        let before = last.len();
        last.retain(|_, at| now - *at <= ENDED);
        if last.len() < before {
            *since = now;
        }
        last.values().all(|at| now - *at <= SILENT).then_some(*since)
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
            peers.heard(node, Instant::now());
        }
        advance(BEAT).await;
        peers.heard(one, Instant::now());
        assert_eq!(peers.whole_since(), Some(began));
        advance(BEAT).await;
        peers.heard(one, Instant::now());
        assert_eq!(peers.whole_since(), None, "the other one has been silent for two seconds");
        peers.heard(other, Instant::now());
        assert_eq!(peers.whole_since(), Some(began), "only late");
        advance(ENDED + BEAT).await;
        peers.heard(one, Instant::now());
        assert_eq!(peers.whole_since(), Some(Instant::now()));
    }
}
