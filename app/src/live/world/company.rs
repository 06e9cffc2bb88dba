//! Who else is here, and who is writing. Nothing of it is stored anywhere; what is lost is said again.

use super::{Moment, Request, World};
use protocol::{ClientFrame, ConversationId, Presence, UserId, limits};
use std::collections::HashMap;

/// Milliseconds between two `typing` frames of one conversation: twice within a lease.
pub(super) const TYPING_EVERY: u64 = limits::TYPING_MS as u64 / 2;
/// People shown as writing in one conversation; further ones are not told apart from nobody.
const TYPISTS: usize = 20;

#[derive(Debug, Default)]
pub(super) struct Company {
    /// Who is writing, until when. Bounded by my conversations and [`TYPISTS`].
    typing: HashMap<ConversationId, Vec<(UserId, u64)>>,
    /// When I may next say that I am writing.
    said: HashMap<ConversationId, u64>,
    /// Whether nobody is at this device.
    away: bool,
}

impl Company {
    pub(super) fn wake_at(&self) -> Option<u64> {
        self.typing.values().flatten().map(|(_, until)| *until).min()
    }

    pub(super) fn forget(&mut self, id: ConversationId) {
        self.typing.remove(&id);
        self.said.remove(&id);
    }
}

impl World {
    /// Who is writing, without me.
    pub fn typists(&self, id: ConversationId) -> Vec<UserId> {
        let typing = self.company.typing.get(&id).map(Vec::as_slice).unwrap_or_default();
        typing.iter().map(|(user, _)| *user).collect()
    }

    /// I am writing.
    pub fn typing(&mut self, id: ConversationId, moment: Moment) {
        let next = self.company.said.get(&id).copied().unwrap_or_default();
        if self.live && next <= moment.now {
            self.company.said.insert(id, moment.now + TYPING_EVERY);
            self.requests.push(Request::Frame(ClientFrame::Typing { conversation: id }));
        }
    }

    /// I have written: the next message begins anew.
    pub(super) fn typed(&mut self, id: ConversationId) {
        self.company.said.remove(&id);
    }

    /// Somebody is writing.
    pub(super) fn types(&mut self, id: ConversationId, user: UserId, now: u64) {
        if user == self.me || self.inbox.get(id).is_none() {
            return;
        }
        let typing = self.company.typing.entry(id).or_default();
        let until = now + u64::from(limits::TYPING_MS);
        let full = typing.len() == TYPISTS;
        match typing.iter_mut().find(|(who, _)| *who == user) {
            Some(lease) => lease.1 = until,
            None if full => {}
            None => typing.push((user, until)),
        }
        self.people.want(user);
        self.changed.typists.insert(id);
    }

    /// Somebody's message came.
    pub(super) fn wrote(&mut self, id: ConversationId, user: UserId) {
        self.end_typing_where(id, |who, _| who == user);
    }

    /// Ends the leases that are over.
    pub(super) fn end_typing(&mut self, now: u64) {
        for id in self.company.typing.keys().copied().collect::<Vec<_>>() {
            self.end_typing_where(id, |_, until| until <= now);
        }
    }

    fn end_typing_where(&mut self, id: ConversationId, over: impl Fn(UserId, u64) -> bool) {
        if let Some(typing) = self.company.typing.get_mut(&id) {
            let before = typing.len();
            typing.retain(|(user, until)| !over(*user, *until));
            if typing.len() < before {
                self.changed.typists.insert(id);
            }
            if typing.is_empty() {
                self.company.typing.remove(&id);
            }
        }
    }

    /// Somebody is at this device, or nobody.
    pub fn step(&mut self, state: Presence) {
        let away = state != Presence::Online;
        if std::mem::replace(&mut self.company.away, away) != away && self.live {
            self.say_presence();
        }
    }

    /// After `hello` the server takes me for online.
    pub(super) fn say_away(&mut self) {
        if self.company.away {
            self.say_presence();
        }
    }

    fn say_presence(&mut self) {
        let state = if self.company.away { Presence::Away } else { Presence::Online };
        self.requests.push(Request::Frame(ClientFrame::Presence { state }));
    }

    pub(super) fn company_disconnected(&mut self) {
        self.company.said.clear();
        let typing = self.company.typing.drain().map(|(id, _)| id).collect::<Vec<_>>();
        self.changed.typists.extend(typing);
    }
}
