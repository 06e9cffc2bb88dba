//! Notices what the bus lost for good: a doorbell after which no other one rang.
//!
//! Every few seconds the heads of the store are compared with what was delivered here. A conversation that is behind,
//! and still behind a moment later, is rung again through the delivery, which reads what is missing.

use crate::hub::Hub;
use crate::planted::{self, Mistake};
use crate::store::Conversations;
use protocol::ConversationId;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

/// Conversations that wait to be rung. One more is rung after the next look.
pub(crate) const RINGS: usize = 256;
/// Conversations of one query.
const AT_ONCE: usize = 500;

/// How often to look.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    /// Between two looks, give or take a fifth, so that nodes do not look together.
    pub(crate) every: Duration,
    /// Before the second look at what is behind: what is on its way has arrived by then.
    pub(crate) again: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self { every: Duration::from_secs(5), again: Duration::from_secs(1) }
    }
}

/// Looks until it is stopped.
pub(crate) async fn run(
    hub: Arc<Hub>,
    conversations: Arc<dyn Conversations>,
    rings: mpsc::Sender<ConversationId>,
    pace: Pace,
    stop: CancellationToken,
) {
    if planted::is(Mistake::NoGapFill) {
        return;
    }
    let watching = async {
        loop {
            sleep(pace.every.mul_f64(rand::random_range(0.8..1.2))).await;
            let behind = behind(&hub, &*conversations).await;
            if behind.is_empty() {
                continue;
            }
            sleep(pace.again).await;
            for (conversation, head) in behind {
                if hub.place(conversation).is_some_and(|place| place.rev < head)
                    && rings.try_send(conversation).is_err()
                {
                    break;
                }
            }
        }
    };
    stop.run_until_cancelled(watching).await;
}

/// Conversations of which the store has more than was delivered, with their heads there.
async fn behind(hub: &Hub, conversations: &dyn Conversations) -> Vec<(ConversationId, u64)> {
    let mut behind = Vec::new();
    let places = hub.places();
    for places in places.chunks(AT_ONCE) {
        let ids: Vec<_> = places.iter().map(|(id, _)| *id).collect();
        let heads = match conversations.head_revs(&ids).await {
            Ok(heads) => heads,
            Err(error) => {
                tracing::warn!(store.error = %error, "the heads could not be read; they are read again later");
                return behind;
            }
        };
        behind.extend(heads.into_iter().filter(|(id, head)| {
            // Of one that nobody hears any more, or that moved meanwhile, there is nothing to do.
            hub.place(*id).is_some_and(|place| place.rev < *head)
        }));
    }
    behind
}
