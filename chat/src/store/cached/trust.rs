//! Whether what is cached may still be believed, as far as this node knows.
//!
//! It hears every doorbell as soon as it is heard, and of what a doorbell says has changed it keeps a note for as long as anybody
//! may have cached it: until then nobody here asks a cache for it, whatever stands in it. Where doorbells may have been missed,
//! all that was read before is void; where they may be missed just now, no cache is asked.

use super::Key;
use crate::bus::{Bus, Ear, Stored};
use protocol::{Change, ChangeKind, ConversationId};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::Instant;

/// Changes that are remembered. Beyond it those whose time is over go; if that frees nothing, all go, and with them the belief in
/// all that was read before.
const CHANGES: usize = 16_384;
/// How much longer than an entry's life: by so much the clocks of two machines may differ where its age is looked at.
const DRIFT: Duration = Duration::from_secs(31);

struct Doubts {
    /// What was read before is void.
    since: Instant,
    /// Until when these are read from the store.
    changed: HashMap<Key, Instant>,
}

/// See the module.
pub(crate) struct Trust {
    doubts: Mutex<Doubts>,
    /// Knows whether everything is heard; set once, because it hears through this.
    bus: OnceLock<Weak<dyn Bus>>,
    removals: mpsc::Sender<Key>,
}

impl Trust {
    /// What is to be taken out of the cache goes to `removals`; what finds it full stays there and is not asked for.
    pub(super) fn new(removals: mpsc::Sender<Key>) -> Self {
        let doubts = Doubts { since: Instant::now(), changed: HashMap::new() };
        Self { doubts: Mutex::new(doubts), bus: OnceLock::new(), removals }
    }

    /// Nothing is cached before this is known.
    pub(crate) fn hear_by(&self, bus: &Arc<dyn Bus>) {
        let _known = self.bus.set(Arc::downgrade(bus));
    }

    fn doubts(&self) -> MutexGuard<'_, Doubts> {
        // Each holder leaves a whole state behind.
        self.doubts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From when on an entry must have been read from the store to be believed; none where no cache is to be asked. The same
    /// answer twice: nothing that concerns the entry was heard between.
    pub(super) fn since(&self, key: Key) -> Option<Instant> {
        let whole = self.bus.get()?.upgrade()?.whole_since()?;
        let doubts = self.doubts();
        let changed = doubts.changed.get(&key).is_some_and(|until| Instant::now() < *until);
        (!changed).then(|| whole.max(doubts.since))
    }

    /// The entry has changed.
    pub(super) fn forget(&self, key: Key) {
        let now = Instant::now();
        let mut doubts = self.doubts();
        if doubts.changed.len() >= CHANGES {
            doubts.changed.retain(|_, until| now < *until);
            if doubts.changed.len() >= CHANGES {
                doubts.changed.clear();
                doubts.since = now;
            }
        }
        doubts.changed.insert(key, now + key.lifetime() + DRIFT);
        drop(doubts);
        let _full = self.removals.try_send(key);
    }

    /// Anything may have changed.
    pub(super) fn doubt(&self) {
        self.doubts().since = Instant::now();
    }
}

impl Ear for Trust {
    fn heard(&self, stored: &Stored) {
        match stored {
            Stored::Ended { token: Some(hash), .. } => self.forget(Key::Session(*hash)),
            Stored::Ended { token: None, .. } | Stored::Missed => self.doubt(),
            Stored::Change { conversation, change, .. } => self.changed(*conversation, change),
            _ => {}
        }
    }

    fn changed(&self, conversation: ConversationId, change: &Change) {
        match &change.kind {
            ChangeKind::Joined { user, .. }
            | ChangeKind::Left { user, .. }
            | ChangeKind::Role { user, .. } => self.forget(Key::Role(conversation, *user)),
            _ => {}
        }
    }
}
