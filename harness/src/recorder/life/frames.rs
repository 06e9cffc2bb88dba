//! What a device does with what comes.

use super::{Life, RETRY};
use crate::Hello;
use crate::history::{Head, Seen, Via, What};
use crate::replica::Applied;
use protocol::{Change, ChangeKind, ConversationId, Message, Nonce, Refusal, ServerFrame};
use rand::RngExt;
use std::time::Duration;
use tokio::time::Instant;

impl Life {
    pub(super) async fn take_hello(&mut self, hello: Hello) {
        let reset = self.view.epoch.is_some_and(|epoch| epoch != hello.epoch);
        if reset {
            self.view.clear();
        }
        self.view.epoch = Some(hello.epoch);
        let heads: Vec<_> = hello.heads.iter().map(Head::from).collect();
        let record =
            What::Hello { epoch: hello.epoch, reset, heads: heads.clone(), gone: hello.gone.clone() };
        self.record(record).await;
        for conversation in hello.gone {
            self.leave(conversation).await;
        }
        for head in &heads {
            self.view.take_head(head);
        }
        self.ask_again_for_marks(&hello.heads).await;
    }

    pub(super) async fn take(&mut self, frame: ServerFrame) {
        match frame {
            ServerFrame::Event { conversation, change, .. } => {
                self.change(conversation, change, Via::Event).await;
            }
            ServerFrame::Ack { nonce, message, duplicate } => self.acked(nonce, message, duplicate).await,
            ServerFrame::Refused(refusal) => self.refused(refusal).await,
            ServerFrame::Changes { conversation, to, changes, .. } => {
                for change in changes {
                    self.change(conversation, change, Via::Changes).await;
                }
                // Where there is more, it is known to be missing, and is asked for next.
                self.view.synced(conversation, to);
            }
            ServerFrame::Reset { conversation, .. } => {
                self.record(What::Reset { conversation }).await;
                self.view.reset(conversation);
            }
            ServerFrame::Heads { conversations } => {
                let heads: Vec<_> = conversations.iter().map(Head::from).collect();
                self.record(What::Heads { heads: heads.clone() }).await;
                heads.iter().for_each(|head| self.view.take_head(head));
            }
            ServerFrame::Gone { conversation } => self.leave(conversation).await,
            ServerFrame::Read { conversation, user, seq, unread } => {
                self.record(What::ReadSeen { conversation, user, seq, unread }).await;
                if user == self.identity.user {
                    self.view.mark(conversation, seq);
                }
            }
            ServerFrame::Pong { n, heads } => self.pong(n, heads).await,
            ServerFrame::Bye { retry_after_ms, .. } => {
                self.retry_after = Some(Duration::from_millis(retry_after_ms));
            }
            ServerFrame::Welcome { .. }
            | ServerFrame::Live {}
            | ServerFrame::Accepted { .. }
            | ServerFrame::Unsupported => {}
        }
    }

    async fn change(&mut self, conversation: ConversationId, change: Change, via: Via) {
        let (kind, subject, message) = describe(&change.kind);
        let rev = change.rev;
        if !self.view.holds(conversation) {
            self.record(What::Dropped { conversation, rev, held: false, message }).await;
            return;
        }
        let what = match self.view.apply(conversation, &change) {
            Applied::Yes => {
                self.status.applied += 1;
                What::Applied { conversation, rev, change: kind.to_owned(), subject, message, via }
            }
            Applied::Gap { last, came } => {
                self.status.gaps += 1;
                What::Gap { conversation, last, came }
            }
            Applied::Known | Applied::Nothing => What::Dropped { conversation, rev, held: true, message },
        };
        self.record(what).await;
    }

    async fn acked(&mut self, nonce: Nonce, message: Message, duplicate: bool) {
        let record = What::Acked {
            nonce: nonce.clone(),
            conversation: message.conversation,
            seq: message.seq,
            rev: message.rev,
            message: message.id,
            duplicate,
        };
        self.record(record).await;
        self.status.acked += 1;
        self.status.duplicates += u64::from(duplicate);
        self.outbox.settle(&nonce);
        // An answer to what was sent while still a member may come after the end of that.
        if !duplicate && self.view.holds(message.conversation) {
            let conversation = message.conversation;
            let change = Change { rev: message.rev, kind: ChangeKind::Posted { message } };
            self.change(conversation, change, Via::Ack).await;
        }
    }

    async fn refused(&mut self, refusal: Refusal) {
        let Refusal { nonce, code, retryable, retry_after_ms, .. } = refusal;
        let Some(nonce) = nonce.and_then(|nonce| nonce.parse::<Nonce>().ok()) else {
            // A `sync` or `read`. Both are asked for again: the one after a while, the other when REST shows it.
            self.view.unanswered();
            self.sync_at = Instant::now() + retry_after_ms.map_or(RETRY, Duration::from_millis);
            return;
        };
        self.record(What::Refused { nonce: nonce.clone(), code, retryable }).await;
        if retryable {
            let wait = retry_after_ms.map_or(RETRY, Duration::from_millis);
            let spread = wait.mul_f64(rand::rng().random_range(1.0..=1.5));
            self.outbox.postpone(&nonce, Instant::now() + spread);
        } else {
            self.outbox.settle(&nonce);
        }
    }

    async fn pong(&mut self, n: u64, heads: Vec<(ConversationId, u64)>) {
        if self.pinged == Some(n) {
            self.pinged = None;
        }
        for (conversation, came) in heads {
            if self.view.hear(conversation, came) {
                let last = self.view.rev(conversation);
                self.record(What::Gap { conversation, last, came }).await;
            }
        }
    }

    /// No member any more.
    pub(super) async fn leave(&mut self, conversation: ConversationId) {
        if self.view.forget(conversation) {
            self.record(What::Gone { conversation }).await;
        }
    }
}

/// A change's type on the wire, whom it is about, and the message it carries.
fn describe(kind: &ChangeKind) -> (&'static str, Option<protocol::UserId>, Option<Seen>) {
    match kind {
        ChangeKind::Posted { message } => ("posted", None, Some(Seen::from(message))),
        ChangeKind::Joined { user, .. } => ("joined", Some(*user), None),
        ChangeKind::Left { user, .. } => ("left", Some(*user), None),
        ChangeKind::Renamed { .. } => ("renamed", None, None),
        ChangeKind::Role { user, .. } => ("role", Some(*user), None),
        ChangeKind::Unsupported => ("unsupported", None, None),
    }
}
