//! What the answers to requests do.

use super::{Ask, Loading, Moment, PAGE, SYNC_AGAIN, World};
use crate::api::Span;
use crate::timeline::Timeline;
use protocol::rest::Messages;
use protocol::{Change, ChangeKind, Code, Conversation, ConversationId, User, UserId};

impl World {
    /// A page of messages came, or not.
    pub fn page(&mut self, ask: Ask, page: Result<Messages, Code>) {
        let id = ask.conversation;
        let Some(slot) = self.timelines.get_mut(&id).filter(|slot| slot.generation == ask.generation) else {
            return; // the timeline was dropped or loaded anew since
        };
        self.changed.timelines.insert(id);
        let page = match page {
            Ok(page) => page,
            Err(_) => {
                match &mut slot.state {
                    Loading::Here(timeline) => timeline.fetch_failed(),
                    state => *state = Loading::Failed,
                }
                return;
            }
        };
        let senders: Vec<_> = page.messages.iter().map(|message| message.sender).collect();
        let mine = page.messages.iter().filter_map(|message| Some((message.nonce.clone()?, message.rev)));
        let mine: Vec<_> = mine.collect();
        let own =
            page.messages.iter().rev().find(|message| message.sender == self.me).map(|message| message.seq);
        let count = page.messages.len();
        let mut more = None;
        let quoted = page.quoted.clone();
        let people = page.happened.iter().filter_map(happened_to).collect::<Vec<_>>();
        match &mut slot.state {
            Loading::Here(timeline) => match ask.span {
                Span::Before(_) => timeline.prepend(page, PAGE),
                Span::After(_) => {
                    let grew = !page.messages.is_empty();
                    timeline.append(page);
                    // Messages that came meanwhile did not join; the view asks only once for one scroll.
                    if grew && !timeline.reaches_head() && count < PAGE as usize {
                        more = timeline.refetch_newer();
                    }
                }
                Span::Newest => timeline.jump(page, None),
                Span::Around(seq) => timeline.jump(page, Some(seq)),
            },
            state => {
                let around = if let Span::Around(seq) = ask.span { Some(seq) } else { None };
                *state = Loading::Here(Timeline::new(page, around));
            }
        }
        if matches!(ask.span, Span::Newest | Span::Around(_)) {
            // Answers to questions about the run that was replaced do not join this one.
            self.count += 1;
            slot.generation = self.count;
        }
        self.ask(id, more);
        for person in senders.into_iter().chain(people).chain(quoted.iter().map(|message| message.sender)) {
            self.people.want(person);
        }
        for message in &quoted {
            self.learn(message);
        }
        self.quotes.know(quoted.iter());
        for (nonce, rev) in mine {
            self.settle(&nonce, Some(rev));
        }
        let rev = self.loaded(id).map(|timeline| timeline.rev());
        self.outbox.caught_up(id, rev);
        if let (Some(entry), Some(rev)) = (self.inbox.get_mut(id), rev) {
            entry.heard(rev);
        }
        if let Some(seq) = own
            && self.inbox.get_mut(id).is_some_and(|entry| entry.sent(seq))
        {
            self.changed.conversations.insert(id);
            self.recount(id);
            self.count_anew(id);
        }
        self.recount(id);
        self.catch_up(id);
    }

    /// A conversation's object came, or not.
    pub fn conversation_fetched(
        &mut self,
        id: ConversationId,
        conversation: Result<Conversation, Code>,
        moment: Moment,
    ) {
        self.fetching.remove(&id);
        match conversation {
            Ok(conversation) => {
                self.put(conversation, moment);
                self.catch_up(id);
                self.notice_reads(moment.now);
                // Asked before something counted otherwise: asked again.
                if self.inbox.get(id).is_some_and(|entry| entry.is_stale()) {
                    self.fetch(id);
                }
            }
            Err(Code::NotFound | Code::Forbidden) => self.drop_conversation(id),
            Err(_) if self.void.contains(&id) => self.sync_at = Some(moment.now + SYNC_AGAIN),
            Err(_) => {}
        }
        self.check_complete();
    }

    /// People came, or the server could not be asked for them.
    pub fn people_fetched(&mut self, ids: Vec<UserId>, people: Result<Vec<User>, Code>) {
        match people {
            Ok(people) => self.know_people(people),
            Err(_) => self.people.ask_again(ids),
        }
    }
}

/// Whom a change that is no message is about, besides who did it.
fn happened_to(change: &Change) -> Option<UserId> {
    match &change.kind {
        ChangeKind::Joined { user, .. } | ChangeKind::Left { user, .. } | ChangeKind::Role { user, .. } => {
            Some(*user)
        }
        _ => None,
    }
}
