//! Within this process.

use super::{Cache, Key, LONGEST, Lease, Looked, NoAnswer};
use async_trait::async_trait;
use bytes::Bytes;
use moka::sync;
use tokio::time::Instant;

/// Entries. They are of 40 bytes at most, with what surrounds them about 200: 13 MB. When full, those that are asked for least go.
const ENTRIES: u64 = 65_536;

/// See the module.
pub(crate) struct Memory(sync::Cache<Key, (Instant, Bytes)>);

impl Default for Memory {
    fn default() -> Self {
        Self(sync::Cache::builder().max_capacity(ENTRIES).time_to_live(LONGEST).build())
    }
}

#[async_trait]
impl Cache for Memory {
    async fn look(&self, key: Key, since: Instant) -> Result<Looked, NoAnswer> {
        let now = Instant::now();
        let found = self.0.get(&key).filter(|(read, _)| *read > since && *read + key.lifetime() > now);
        Ok(found.map_or_else(|| Looked::Miss(Lease::new(now)), |(_, value)| Looked::Hit(value)))
    }

    /// A late one may put in what has changed meanwhile; as it has been changed since, nobody asks for it until its life is over.
    async fn fill(&self, key: Key, lease: Lease, value: Bytes) -> Result<(), NoAnswer> {
        self.0.insert(key, (lease.begun, value));
        Ok(())
    }

    async fn remove(&self, keys: &[Key]) {
        keys.iter().for_each(|key| self.0.invalidate(key));
    }
}
