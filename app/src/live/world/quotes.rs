//! Messages that others quote, wherever they stand.

use super::{Request, World};
use crate::timeline::Quoted;
use protocol::{Code, ConversationId, Message, MessageId};
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

/// Quoted messages kept. One more drops the oldest, which is asked for again when looked at again.
pub(super) const QUOTES: usize = 500;

/// They follow what happens to them while they are kept.
#[derive(Debug, Default)]
pub(super) struct Quotes {
    known: HashMap<MessageId, Quoted>,
    /// Oldest first.
    order: VecDeque<MessageId>,
}

impl Quotes {
    fn put(&mut self, id: MessageId, quoted: Quoted) {
        if self.known.insert(id, quoted).is_none() {
            self.order.push_back(id);
            if self.order.len() > QUOTES
                && let Some(oldest) = self.order.pop_front()
            {
                self.known.remove(&oldest);
            }
        }
    }

    /// Takes in messages a page carries for its quotes.
    pub(super) fn know<'a>(&mut self, messages: impl Iterator<Item = &'a Message>) {
        for message in messages {
            if !self.is_newer(message) {
                self.put(message.id, Quoted::Here(Arc::new(message.clone())));
            }
        }
    }

    #[cfg(test)]
    pub(super) fn knows(&self, id: MessageId) -> bool {
        self.known.contains_key(&id)
    }

    /// Whether what is here is newer than this.
    fn is_newer(&self, than: &Message) -> bool {
        matches!(self.known.get(&than.id), Some(Quoted::Here(held)) if held.rev >= than.rev)
    }
}

impl World {
    /// Somebody looks at a quote of a message: it is kept, or asked for.
    pub fn quote(&mut self, id: ConversationId, message: MessageId) {
        if self.quotes.known.contains_key(&message) {
            return;
        }
        let here = self.loaded(id).and_then(|timeline| timeline.find(message)).cloned();
        if here.is_none() {
            self.requests.push(Request::Message(message));
        }
        self.quotes.put(message, here.map_or(Quoted::Unknown, Quoted::Here));
    }

    /// A quoted message as it is now, with what I did to it.
    pub fn quoted(&self, id: MessageId) -> Quoted {
        match self.quotes.known.get(&id) {
            Some(Quoted::Here(message)) => {
                let mut message = Message::clone(message);
                self.show(&mut message);
                Quoted::Here(Arc::new(message))
            }
            Some(other) => other.clone(),
            None => Quoted::Unknown,
        }
    }

    /// A quoted message came, or not. One that could not be asked for is asked for once more after the next connection.
    pub fn message_fetched(&mut self, id: MessageId, message: Result<Message, Code>) {
        match message {
            Ok(message) => {
                self.people.want(message.sender);
                self.learn(&message);
            }
            Err(Code::NotFound | Code::Forbidden) => {
                self.quotes.put(id, Quoted::Gone);
                self.changed.quoted.insert(id);
            }
            Err(_) => {}
        }
    }

    /// A message as it is now: where it is quoted, the quote follows.
    pub(super) fn learn(&mut self, message: &Message) {
        if self.quotes.known.contains_key(&message.id) && !self.quotes.is_newer(message) {
            self.quotes.put(message.id, Quoted::Here(Arc::new(message.clone())));
            self.changed.quoted.insert(message.id);
        }
    }

    /// Asks again for what could not be asked for.
    pub(super) fn ask_for_quotes(&mut self) {
        let unknown = self.quotes.known.iter().filter(|(_, quoted)| **quoted == Quoted::Unknown);
        self.requests.extend(unknown.map(|(id, _)| Request::Message(*id)).collect::<Vec<_>>());
    }
}
