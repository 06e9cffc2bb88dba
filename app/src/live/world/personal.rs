//! What only I see of a conversation: settings, drafts, what I keep as unread. Shown at once; sent when there is a
//! connection, and again after a lost one, because nothing acknowledges it.

use super::{Moment, Request, World};
use protocol::rest::PatchSettings;
use protocol::{ClientFrame, ConversationId, Settings, limits};
use std::collections::HashMap;

/// Milliseconds between two drafts of one conversation.
pub(super) const DRAFT_EVERY: u64 = 2_000;
/// Pongs after which a frame that was not refused has been taken: the second one answers a ping sent after it.
const PONGS: u8 = 2;

/// Bounded by my conversations: one wish each, which takes in the later ones.
#[derive(Debug, Default)]
pub(super) struct Personal {
    wishes: HashMap<ConversationId, Wish>,
}

/// Milliseconds after which a frame sent on a good connection has been taken: what another device says then is newer.
const TAKEN: u64 = 2_000;

/// What I want of one conversation and the server may not have.
#[derive(Clone, Debug, Default)]
struct Wish {
    patch: PatchSettings,
    /// To be kept as unread from here, or no longer.
    kept: Option<Option<u64>>,
    step: Step,
    /// Whether another device wanted something else at the same time: the server's object says who was last.
    contested: bool,
    /// The draft that the server has, as long as it was told of no other.
    drafted: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// Not sent, and not before this time.
    Due(u64),
    /// Sent on this connection, at this time; so many pongs since.
    Sent { at: u64, pongs: u8 },
}

impl Default for Step {
    fn default() -> Self {
        Self::Due(0)
    }
}

impl Wish {
    fn show(&self, settings: &mut Settings, now: u64) {
        let PatchSettings { muted_until, pinned, archived, draft } = &self.patch;
        if let Some(until) = muted_until {
            settings.muted_until =
                Some(*until).filter(|until| u64::try_from(until.millis()).unwrap_or(0) > now);
        }
        settings.pinned = pinned.unwrap_or(settings.pinned);
        settings.archived = archived.unwrap_or(settings.archived);
        if let Some(draft) = draft {
            settings.draft.clone_from(draft);
        }
        settings.unread_from = self.kept.unwrap_or(settings.unread_from);
    }
}

impl Personal {
    pub(super) fn wake_at(&self) -> Option<u64> {
        let due = self.wishes.values().filter_map(|wish| match wish.step {
            Step::Due(at) => Some(at),
            Step::Sent { at, .. } => wish.contested.then_some(at + TAKEN),
        });
        due.min()
    }

    pub(super) fn forget(&mut self, id: ConversationId) {
        self.wishes.remove(&id);
    }
}

impl World {
    /// Changes what only I see.
    pub fn set(&mut self, id: ConversationId, patch: PatchSettings, moment: Moment) {
        self.wish(id, moment, 0, |wish| {
            let own = &mut wish.patch;
            own.muted_until = patch.muted_until.or(own.muted_until);
            own.pinned = patch.pinned.or(own.pinned);
            own.archived = patch.archived.or(own.archived);
            if patch.draft.is_some() {
                own.draft = patch.draft;
            }
        });
    }

    /// Keeps the conversation as unread from `seq` on.
    pub fn mark_unread(&mut self, id: ConversationId, seq: u64, moment: Moment) {
        let Some(entry) = self.inbox.get(id) else { return };
        // As the server bounds it.
        let head = entry.conversation().head_seq;
        let seq = seq.clamp(head.saturating_sub(limits::UNREAD_BACK).max(1), head.max(1));
        self.wish(id, moment, 0, |wish| wish.kept = Some(Some(seq)));
    }

    /// Keeps words not sent yet. A text too long to be a message is kept on this device only.
    pub fn set_draft(&mut self, id: ConversationId, text: String, moment: Moment) {
        let Some(entry) = self.inbox.get(id) else { return };
        let before = entry.conversation().settings.draft.clone();
        if before == text || !fits(&text) {
            return;
        }
        self.wish(id, moment, DRAFT_EVERY, |wish| {
            if wish.patch.draft.is_none() {
                wish.drafted = Some(before);
            }
            wish.patch.draft = Some(text);
        });
        // Words that were sent before the server heard of them as a draft leave nothing to tell.
        if let Some(wish) = self.personal.wishes.get_mut(&id)
            && wish.drafted.is_some()
            && wish.drafted == wish.patch.draft
        {
            (wish.drafted, wish.patch.draft) = (None, None);
            if wish.patch == PatchSettings::default() && wish.kept.is_none() {
                self.personal.wishes.remove(&id);
            }
        }
    }

    /// Sends the draft now.
    pub fn flush_draft(&mut self, id: ConversationId, moment: Moment) {
        if let Some(Wish { step: Step::Due(at), .. }) = self.personal.wishes.get_mut(&id) {
            *at = 0;
        }
        self.flush_personal(moment.now);
    }

    fn wish(&mut self, id: ConversationId, moment: Moment, wait: u64, change: impl FnOnce(&mut Wish)) {
        if self.inbox.get(id).is_none() {
            return;
        }
        let at = moment.now + wait;
        let wish = self.personal.wishes.entry(id).or_insert(Wish { step: Step::Due(at), ..Wish::default() });
        change(wish);
        wish.step = match wish.step {
            Step::Due(before) => Step::Due(before.min(at)),
            Step::Sent { .. } => Step::Due(at),
        };
        self.show_wish(id);
        self.flush_personal(moment.now);
    }

    /// The server's object came, whatever draft is in it.
    pub(super) fn show_wish_anew(&mut self, id: ConversationId) {
        if let Some(wish) = self.personal.wishes.get_mut(&id) {
            wish.drafted = None;
        }
        self.show_wish(id);
    }

    /// Puts what I want over what the server has.
    fn show_wish(&mut self, id: ConversationId) {
        if let (Some(wish), Some(entry)) = (self.personal.wishes.get(&id), self.inbox.get_mut(id)) {
            let mut settings = entry.conversation().settings.clone();
            wish.show(&mut settings, self.now);
            entry.set(settings);
            self.changed.conversations.insert(id);
            self.recount(id);
        }
    }

    /// Sends what is due.
    pub(super) fn flush_personal(&mut self, now: u64) {
        if !self.live {
            return;
        }
        let settled =
            |wish: &Wish| wish.contested && matches!(wish.step, Step::Sent { at, .. } if at + TAKEN <= now);
        for (id, _) in self.personal.wishes.extract_if(|_, wish| settled(wish)).collect::<Vec<_>>() {
            self.fetch(id);
        }
        for (id, wish) in &mut self.personal.wishes {
            let Step::Due(at) = wish.step else { continue };
            if at > now {
                continue;
            }
            wish.step = Step::Sent { at: now, pongs: 0 };
            wish.drafted = None;
            if wish.patch != PatchSettings::default() {
                let frame = ClientFrame::Settings { conversation: *id, settings: wish.patch.clone() };
                self.requests.push(Request::Frame(frame));
            }
            let frame = match wish.kept {
                Some(Some(seq)) => ClientFrame::Unread { conversation: *id, seq },
                Some(None) => {
                    let seq = self.inbox.get(*id).map_or(0, |entry| entry.conversation().read_seq);
                    ClientFrame::Read { conversation: *id, seq }
                }
                None => continue,
            };
            self.requests.push(Request::Frame(frame));
        }
    }

    /// I read on: what was kept as unread is read.
    pub(super) fn unkeep(&mut self, id: ConversationId, moment: Moment) {
        if self.inbox.get(id).is_some_and(|entry| entry.conversation().settings.unread_from.is_some()) {
            self.wish(id, moment, 0, |wish| wish.kept = Some(None));
        }
    }

    /// The server has my mark elsewhere from. Which came first, that or what I want, only its object says.
    pub(super) fn unkept(&mut self, id: ConversationId) {
        let wished = self.personal.wishes.get_mut(&id).and_then(|wish| wish.kept.take());
        if let Some(Some(_)) = wished {
            self.fetch(id);
        }
    }

    /// Another device of mine changed something.
    pub(super) fn settings(
        &mut self,
        id: ConversationId,
        settings: Settings,
        counted: (u64, u64),
        moment: Moment,
    ) {
        if let Some(wish) = self.personal.wishes.get_mut(&id) {
            let mut mine = settings.clone();
            wish.show(&mut mine, moment.now);
            wish.contested |= mine != settings;
            if wish.drafted.is_some() {
                wish.drafted = Some(settings.draft.clone());
            }
            if matches!(wish.step, Step::Sent { at, .. } if at + TAKEN <= moment.now) {
                self.personal.wishes.remove(&id);
            }
        }
        let Some(entry) = self.inbox.get_mut(id) else { return };
        entry.set(settings);
        entry.counted_elsewhere(counted.0, counted.1);
        self.changed.conversations.insert(id);
        self.show_wish(id);
        self.recount(id);
        if !self.personal.wishes.contains_key(&id) {
            self.count_anew(id);
        }
    }

    /// The server refused one of them; it does not say which. Its objects say what it has.
    pub(super) fn personal_refused(&mut self) {
        for id in self.personal.wishes.drain().map(|(id, _)| id).collect::<Vec<_>>() {
            self.fetch(id);
        }
    }

    /// A pong came: what was sent long enough before has been taken, and can be counted.
    pub(super) fn personal_ponged(&mut self) {
        let mut taken = Vec::new();
        self.personal.wishes.retain(|id, wish| match &mut wish.step {
            Step::Sent { pongs, .. } => {
                *pongs += 1;
                if *pongs == PONGS {
                    taken.push((*id, wish.contested));
                }
                *pongs < PONGS
            }
            Step::Due(_) => true,
        });
        for (id, contested) in taken {
            if contested {
                self.fetch(id);
            }
            self.count_anew(id);
        }
    }

    /// What was sent may be lost with the connection: it goes again, which changes nothing where it arrived.
    pub(super) fn personal_disconnected(&mut self) {
        for wish in self.personal.wishes.values_mut() {
            if let Step::Sent { at, .. } = wish.step {
                wish.step = Step::Due(at);
            }
        }
    }
}

/// Whether a draft may be a message, and surely fits a frame: every character of it takes at most twice its bytes there.
fn fits(text: &str) -> bool {
    text.len() <= limits::FRAME_BYTES / 2 - 1_024
        && text.chars().count() <= limits::TEXT_CHARS
        && !text.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\t' | '\r'))
}
