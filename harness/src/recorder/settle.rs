//! How a device finds out that it is at rest.

use super::life::Life;
use super::{Rest, view::View};
use crate::history::What;
use protocol::Conversation;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout};

/// Between two looks at what REST tells.
const LOOK: Duration = Duration::from_millis(200);
/// Beats after which a read mark that has not arrived is taken as lost; the comparison at the end then shows it.
const MARK_BEATS: u32 = 2;

/// A wait for rest.
#[derive(Debug)]
pub(super) struct Quiescing {
    begun: Instant,
    until: Instant,
    look_at: Instant,
    behind: Vec<(protocol::ConversationId, u64, u64)>,
    reply: oneshot::Sender<Rest>,
}

impl Quiescing {
    pub(super) fn new(deadline: Duration, reply: oneshot::Sender<Rest>) -> Self {
        let begun = Instant::now();
        Self { begun, until: begun + deadline, look_at: begun, behind: Vec::new(), reply }
    }

    /// When there is something to do.
    pub(super) fn wake(&self) -> Instant {
        self.until.min(self.look_at)
    }
}

impl Life {
    /// Looks whether the wait is over, where it is time to look.
    pub(super) async fn look_for_rest(&mut self) {
        let now = Instant::now();
        let Some(mut waiting) = self.quiescing.take() else { return };
        let mut complete = false;
        if now >= waiting.look_at {
            waiting.look_at = now + LOOK;
            if self.is_live() && self.outbox.is_empty() && self.view.is_settled() {
                let asked = self.identity.client.conversations();
                if let Ok(Ok(told)) = timeout(self.config.patience, asked).await {
                    let patient = now < waiting.begun + self.config.heartbeat * MARK_BEATS;
                    waiting.behind = behind(&self.view, &told.conversations);
                    self.ask_again_for_marks(&told.conversations).await;
                    let marked = told
                        .conversations
                        .iter()
                        .all(|conversation| self.view.read_seq(conversation.id) == conversation.read_seq);
                    // A device that lost its socket while it asked is not at rest.
                    complete = waiting.behind.is_empty() && (marked || !patient) && self.is_live();
                }
            }
        }
        if !complete && Instant::now() < waiting.until {
            self.quiescing = Some(waiting);
            return;
        }
        let Quiescing { begun, behind, reply, .. } = waiting;
        let rest = Rest { complete, waited: begun.elapsed(), unsent: self.outbox.len(), behind };
        let record = What::Quiesced {
            complete,
            waited_ms: u64::try_from(rest.waited.as_millis()).unwrap_or(u64::MAX),
            unsent: rest.unsent,
            behind: rest.behind.clone(),
        };
        self.record(record).await;
        // A driver that no longer waits wants no answer.
        let _ = reply.send(rest);
    }
}

/// What is not complete up to what REST tells, and what the device still has of conversations it is no member of.
fn behind(view: &View, told: &[Conversation]) -> Vec<(protocol::ConversationId, u64, u64)> {
    let lacking = told
        .iter()
        .filter(|conversation| {
            !view.holds(conversation.id) || view.rev(conversation.id) < conversation.head_rev
        })
        .map(|conversation| (conversation.id, view.rev(conversation.id), conversation.head_rev));
    let left = view
        .conversations()
        .filter(|id| !told.iter().any(|conversation| conversation.id == *id))
        .map(|id| (id, view.rev(id), 0));
    lacking.chain(left).collect()
}
