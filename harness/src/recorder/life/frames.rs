//! What a device does with what comes.

use super::super::request::Request;
use super::super::{RECENT, Recent};
use super::{Life, RETRY};
use crate::Hello;
use crate::history::{Head, Seen, Via, What};
use crate::replica::Applied;
use protocol::{Change, ChangeKind, ConversationId, Message, Nonce, Refusal, ServerFrame};
use rand::RngExt;
use std::sync::PoisonError;
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
        for conversation in &hello.heads {
            self.view.take_head(conversation);
        }
        self.ask_again_for_marks(&hello.heads).await;
    }

    pub(super) async fn take(&mut self, frame: ServerFrame) {
        match frame {
            ServerFrame::Event { conversation, change, .. } => {
                self.change(conversation, change, Via::Event, None).await;
            }
            ServerFrame::Ack { nonce, message, duplicate } => self.acked(nonce, message, duplicate).await,
            ServerFrame::Refused(refusal) => self.refused(refusal).await,
            ServerFrame::Changes { conversation, to, changes, .. } => {
                let asked = self.synced_at.remove(&conversation);
                for change in changes {
                    self.change(conversation, change, Via::Changes, asked).await;
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
                self.record(What::Heads { heads }).await;
                conversations.iter().for_each(|conversation| self.view.take_head(conversation));
            }
            ServerFrame::Gone { conversation } => self.leave(conversation).await,
            ServerFrame::Read { conversation, user, seq, unread, mentions } => {
                self.record(What::ReadSeen { conversation, user, seq, unread, mentions }).await;
                self.view.marked(conversation, user, seq);
            }
            ServerFrame::Settings { conversation, settings, .. } => self.view.set(conversation, settings),
            ServerFrame::Pong { n, heads } => self.pong(n, heads).await,
            ServerFrame::Bye { retry_after_ms, .. } => {
                self.retry_after = Some(Duration::from_millis(retry_after_ms));
            }
            ServerFrame::Welcome { .. }
            | ServerFrame::Live {}
            | ServerFrame::Accepted { .. }
            | ServerFrame::Typing { .. }
            | ServerFrame::Presence { .. }
            | ServerFrame::Present { .. }
            | ServerFrame::Unsupported => {}
        }
    }

    /// `asked`: milliseconds of the run when an answer to `sync` was asked for.
    async fn change(&mut self, conversation: ConversationId, change: Change, via: Via, asked: Option<u64>) {
        let (kind, subject, message) = describe(&change.kind);
        let rev = change.rev;
        if !self.view.holds(conversation) {
            self.record(What::Dropped { conversation, rev, held: false, message }).await;
            return;
        }
        let what = match self.view.apply(conversation, &change) {
            Applied::Yes => {
                self.status.applied += 1;
                self.notice(&change.kind);
                What::Applied { conversation, rev, change: kind.to_owned(), subject, message, via, asked }
            }
            Applied::Gap { last, came } => {
                self.status.gaps += 1;
                What::Gap { conversation, last, came, via: Some(via) }
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
            state: Some(Seen::from(&message)),
        };
        self.record(record).await;
        let asked = self.outbox.request(&nonce).cloned();
        self.status.acked += 1;
        self.status.duplicates += u64::from(duplicate);
        self.outbox.settle(&nonce);
        // An answer to what was sent while still a member may come after the end of that.
        if !duplicate && self.view.holds(message.conversation) {
            let (conversation, rev) = (message.conversation, message.rev);
            // What changed nothing is acknowledged too, and may overtake the event that posted the message.
            let kind = if self.view.is_new(&message) {
                ChangeKind::Posted { message }
            } else {
                made(asked.as_ref(), message)
            };
            self.change(conversation, Change::new(rev, kind), Via::Ack, None).await;
        }
    }

    /// Remembers a message for the driver to choose.
    fn notice(&self, kind: &ChangeKind) {
        let ChangeKind::Posted { message } = kind else { return };
        let recent =
            Recent { conversation: message.conversation, message: message.id, sender: message.sender };
        let mut latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        if latest.len() >= RECENT {
            latest.pop_front();
        }
        latest.push_back(recent);
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
                self.record(What::Gap { conversation, last, came, via: None }).await;
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

/// The change that an acknowledged request made of a message that is on the screen.
fn made(asked: Option<&Request>, message: Message) -> ChangeKind {
    match asked {
        Some(Request::Recall { .. }) => ChangeKind::Recalled { message },
        Some(Request::React { .. }) => ChangeKind::Reacted { message },
        Some(Request::Pin { .. }) => ChangeKind::Pinned { message },
        _ => ChangeKind::Edited { message },
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
        ChangeKind::Access { .. } => ("access", None, None),
        ChangeKind::Edited { message } => ("edited", None, Some(Seen::from(message))),
        ChangeKind::Recalled { message } => ("recalled", None, Some(Seen::from(message))),
        ChangeKind::Reacted { message } => ("reacted", None, Some(Seen::from(message))),
        ChangeKind::Pinned { message } => ("pinned", None, Some(Seen::from(message))),
        ChangeKind::Unsupported => ("unsupported", None, None),
    }
}
