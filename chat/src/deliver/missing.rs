//! What the bus did not tell of is read from the store: a lost doorbell costs time, never data.

use super::Deliver;
use crate::bus::Origin;
use crate::hub::Place;
use crate::store::{Standing, StoreError};
use protocol::frame::close;
use protocol::{Change, ChangeKind, ConversationId, Kind, limits};

/// What the server itself sees: everything.
const ALL: Standing = Standing { head_seq: u64::MAX, head_rev: u64::MAX, joined_seq: 0, joined_rev: 0 };

impl Deliver {
    /// Delivers everything after a place, in order; `came`, where it is among it, in the form it came in. Where the
    /// store does not answer nothing is delivered and the place stays: the next look finds the gap again.
    pub(super) async fn catch_up(
        &self,
        conversation: ConversationId,
        kind: Kind,
        place: Place,
        came: Option<(Change, Option<Origin>)>,
    ) {
        let mut missing = match self.missing(conversation, place.rev).await {
            Ok(missing) => missing,
            Err(error) => {
                tracing::error!(store.error = %error, "missed changes could not be read; they are read again later");
                return self.answer(came);
            }
        };
        let (came, mut origin) = came.unzip();
        if let Some(came) = &came {
            match missing.iter_mut().find(|change| change.rev == came.rev) {
                Some(change) => *change = came.clone(),
                None => missing.push(came.clone()),
            }
        }
        let dense = missing.iter().zip(place.rev + 1..).all(|(change, rev)| change.rev == rev);
        if !dense || missing.len() as u64 > limits::SYNC_CHANGES {
            tracing::warn!(conversation.id = %conversation, dense, count = missing.len(), "too much was missed");
            self.hub.metrics().rooms_resynced.inc();
            self.hub.close_room(conversation, close::RESYNC, "come back with cursors");
            return self.answer(came.zip(origin));
        }
        if missing.len() > usize::from(came.is_some()) {
            let metrics = self.hub.metrics();
            if came.is_some() { &metrics.gap_fills_doorbell } else { &metrics.gap_fills_watch }.inc();
            tracing::info!(conversation.id = %conversation, count = missing.len(), "delivering what was missed");
        }
        if let Some(ear) = &self.ear {
            missing.iter().for_each(|change| ear.changed(conversation, change));
        }
        // Whoever left is let go first: a message stands in the log as it is now, which may be after their leaving.
        for change in &missing {
            if let ChangeKind::Left { user, .. } = change.kind {
                self.let_go(conversation, user);
            }
        }
        for change in missing {
            let origin =
                origin.take_if(|_| came.as_ref().is_some_and(|came| came.rev == change.rev)).flatten();
            self.change(conversation, kind, change, origin).await;
        }
    }

    /// The changes after a `rev`, one more than a client may be behind at most.
    async fn missing(&self, conversation: ConversationId, after: u64) -> Result<Vec<Change>, StoreError> {
        let mut missing: Vec<Change> = Vec::new();
        loop {
            let after = missing.last().map_or(after, |change| change.rev);
            let page = self.stores.messages.changes(conversation, ALL, after, limits::PAGE).await?;
            let last = page.changes.len() < limits::PAGE as usize;
            missing.extend(page.changes);
            if last || missing.len() as u64 > limits::SYNC_CHANGES {
                return Ok(missing);
            }
        }
    }

    /// A change that cannot be delivered is stored all the same: the socket that asked gets its answer.
    fn answer(&self, came: Option<(Change, Option<Origin>)>) {
        if let Some((change, Some(origin))) = came {
            self.acknowledge(&change, &origin);
        }
    }
}
