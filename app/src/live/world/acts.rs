//! What I do to messages: kept in the outbox, shown before it is stored, taken back where it is refused.

use super::{Moment, Request, World};
use crate::live::Notice;
use crate::outbox::{Act, Saved};
use protocol::{Code, ConversationId, Message, Nonce, Refusal, Timestamp, limits};

/// Notices shown at once; one more takes the oldest away.
pub(super) const NOTICES: usize = 5;

/// What was refused.
#[derive(Debug, Default)]
pub(super) struct Notices {
    shown: Vec<Notice>,
    count: u64,
}

impl World {
    /// Takes a request of mine; says whether there was room.
    pub fn act(&mut self, id: ConversationId, nonce: Nonce, act: Act, moment: Moment) -> bool {
        let at = Timestamp::from_millis(i64::try_from(moment.now).unwrap_or(i64::MAX));
        let is_message = matches!(act, Act::Send { .. });
        if !self.outbox.push(id, nonce.clone(), act.clone(), at) {
            if !is_message {
                self.notice(Code::RateLimited, "Too much waits to be sent already.".to_owned(), act);
            }
            return false;
        }
        self.requests.push(Request::Keep(nonce));
        self.acted(id, &act);
        if is_message {
            self.typed(id);
            self.show_newest(id);
        }
        self.flush_outbox(moment.now);
        true
    }

    /// What an act shows has to be drawn anew.
    fn acted(&mut self, id: ConversationId, act: &Act) {
        self.changed.timelines.insert(id);
        self.changed.conversations.insert(id);
        self.changed.quoted.extend(act.message());
    }

    /// A message with what I did to it and is not stored yet.
    pub(super) fn show(&self, message: &mut Message) {
        self.outbox.show(message, self.me);
    }

    /// Sends a refused message again; `fresh` is a nonce never used.
    pub fn retry(&mut self, id: ConversationId, nonce: &Nonce, fresh: Nonce, moment: Moment) {
        if let Some(now) = self.outbox.retry(nonce, fresh) {
            self.changed.timelines.insert(id);
            if now != *nonce {
                self.requests.push(Request::Drop { nonce: nonce.clone(), stored: None });
            }
            self.requests.push(Request::Keep(now));
            self.flush_outbox(moment.now);
        }
    }

    /// Drops a refused message.
    pub fn discard(&mut self, id: ConversationId, nonce: &Nonce) {
        if self.outbox.discard(nonce) {
            self.changed.timelines.insert(id);
            self.requests.push(Request::Drop { nonce: nonce.clone(), stored: None });
        }
    }

    /// Drops everything unsent.
    pub fn forget_unsent(&mut self) {
        self.changed.timelines.extend(self.outbox.conversations());
        self.outbox.clear();
    }

    /// Takes in what is kept on this device: requests of before, or of another tab.
    pub fn restore(&mut self, saved: Vec<Saved>, moment: Moment) {
        for one in saved {
            let id = one.conversation;
            self.acted(id, &one.act);
            self.outbox.restore(one);
        }
        self.flush_outbox(moment.now);
    }

    /// A request survives the tab, or cannot be made to: it may go.
    pub fn kept(&mut self, nonce: &Nonce, moment: Moment) {
        self.outbox.kept(nonce);
        self.flush_outbox(moment.now);
    }

    /// Another tab is done with a request; `stored` is the change it became, if it did.
    pub fn dropped(&mut self, nonce: &Nonce, stored: Option<u64>, moment: Moment) {
        self.outbox.gone(nonce);
        match (self.outbox.conversation(nonce), stored) {
            (Some(id), Some(rev)) => self.mine_is_stored(id, nonce, rev),
            _ => self.settle(nonce, None),
        }
        // The other tab has told everybody.
        self.requests.retain(|request| !matches!(request, Request::Drop { nonce: one, .. } if one == nonce));
        self.flush_outbox(moment.now);
    }

    /// Another tab was refused a request.
    pub fn told_refused(&mut self, nonce: &Nonce, refusal: &Refusal, moment: Moment) {
        if !self.sends {
            self.request_refused(nonce, refusal, moment);
        }
    }

    /// This tab becomes the one that sends: of what it had `before`, only what is still kept is to be sent.
    pub fn adopt(&mut self, before: &[Nonce], kept: Vec<Saved>, moment: Moment) {
        for nonce in before.iter().filter(|nonce| !kept.iter().any(|one| one.nonce == **nonce)) {
            self.settle(nonce, None);
        }
        self.restore(kept, moment);
        self.may_send(true, moment);
    }

    /// Whether this tab is the one that sends.
    pub fn may_send(&mut self, sends: bool, moment: Moment) {
        self.sends = sends;
        self.flush_outbox(moment.now);
    }

    /// Whether this tab could send what another should have sent long ago.
    pub fn is_left(&self, nonce: &Nonce) -> bool {
        self.live && !self.sends && self.outbox.waits(nonce)
    }

    /// Sends what may be sent.
    pub(super) fn flush_outbox(&mut self, now: u64) {
        if !self.live || !self.sends {
            return;
        }
        for (conversation, pending) in self.outbox.due(now) {
            let frame = pending.act.frame(conversation, pending.nonce.clone());
            // Only control characters, six bytes each in JSON, take a text within its limit this far; the server would
            // close the socket over it, again and again.
            let fits = serde_json::to_string(&frame).is_ok_and(|text| text.len() <= limits::FRAME_BYTES);
            if fits {
                self.requests.push(Request::Frame(frame));
            } else {
                let refusal = Refusal {
                    nonce: Some(pending.nonce.to_string()),
                    in_reply_to: None,
                    code: Code::TooLarge,
                    message: "The message is too large.".to_owned(),
                    retryable: false,
                    retry_after_ms: None,
                };
                self.request_refused(&pending.nonce, &refusal, Moment { now, random: 0.0 });
            }
            self.changed.timelines.insert(conversation);
        }
    }

    /// A request was refused: tried again later where that may help; else a message waits for me, and anything else is
    /// taken back.
    pub(super) fn request_refused(&mut self, nonce: &Nonce, refusal: &Refusal, moment: Moment) {
        let Some((id, pending)) = self.outbox.refused(nonce, refusal, moment.now, moment.random) else {
            return;
        };
        self.acted(id, &pending.act);
        if refusal.retryable {
            return;
        }
        if self.sends {
            self.requests.push(Request::Refused(nonce.clone(), refusal.clone()));
        }
        if pending.act.message().is_some() {
            self.settle(nonce, None);
            self.notice(refusal.code, refusal.message.clone(), pending.act.clone());
        }
    }

    /// A request is done with, as change `stored` if it became one: it is kept no longer.
    pub(super) fn settle(&mut self, nonce: &Nonce, stored: Option<u64>) {
        if let Some((id, pending)) = self.outbox.settled(nonce) {
            self.acted(id, &pending.act);
            self.requests.push(Request::Drop { nonce: nonce.clone(), stored });
        }
    }

    fn notice(&mut self, code: Code, message: String, act: Act) {
        self.notices.count += 1;
        self.notices.shown.push(Notice { number: self.notices.count, code, message, act });
        if self.notices.shown.len() > NOTICES {
            self.notices.shown.remove(0);
        }
    }

    /// What was refused, oldest first.
    pub fn notices(&self) -> Vec<Notice> {
        self.notices.shown.clone()
    }

    /// Takes a notice away.
    pub fn dismiss(&mut self, number: u64) {
        self.notices.shown.retain(|notice| notice.number != number);
    }
}
