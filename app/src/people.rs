//! The people this tab knows, and those it has to ask for. Plain data: no signals.

use protocol::{Presence, Timestamp, User, UserId, limits};
use std::collections::{HashMap, HashSet, VecDeque};

/// People by id. Bounded by how many I share a conversation with or looked at.
#[derive(Clone, Debug, Default)]
pub struct People {
    known: HashMap<UserId, User>,
    /// Wanted, not yet asked for.
    wanted: VecDeque<UserId>,
    /// Wanted or asked for: nobody is asked for twice, also if the server does not know them.
    asked: HashSet<UserId>,
    /// Who is connected, as far as told since the last `hello`; none before: then the people themselves say it.
    here: Option<HashMap<UserId, Presence>>,
}

impl People {
    /// Starts with those the page carries.
    pub fn new(people: impl IntoIterator<Item = User>) -> Self {
        let known = people.into_iter().map(|user| (user.id, user)).collect();
        Self { known, ..Self::default() }
    }

    /// A person.
    pub fn get(&self, id: UserId) -> Option<&User> {
        self.known.get(&id)
    }

    /// Asks for a person unless known or asked for; says whether somebody has to be asked for now.
    pub fn want(&mut self, id: UserId) -> bool {
        if self.known.contains_key(&id) || !self.asked.insert(id) {
            return false;
        }
        self.wanted.push_back(id);
        true
    }

    /// The next people to ask for, at most [`limits::PEOPLE_IDS`].
    pub fn take(&mut self) -> Vec<UserId> {
        let count = self.wanted.len().min(limits::PEOPLE_IDS);
        self.wanted.drain(..count).collect()
    }

    /// Whether somebody has to be asked for.
    pub fn wants(&self) -> bool {
        !self.wanted.is_empty()
    }

    /// Takes in people; returns who is new or changed.
    pub fn know(&mut self, people: Vec<User>) -> Vec<UserId> {
        let mut changed = Vec::new();
        for mut user in people {
            if let Some(here) = &self.here {
                user.presence = here.get(&user.id).copied().unwrap_or_default();
            }
            if self.known.get(&user.id) != Some(&user) {
                changed.push(user.id);
                self.known.insert(user.id, user);
            }
        }
        changed
    }

    /// Somebody came, left or stepped away; returns them where that is news.
    pub fn stepped(&mut self, id: UserId, state: Presence, last_seen: Option<Timestamp>) -> Option<UserId> {
        if let Some(here) = &mut self.here {
            if state == Presence::Offline {
                here.remove(&id);
            } else {
                here.insert(id, state);
            }
        }
        let user = self.known.get_mut(&id)?;
        let news = user.presence != state || last_seen.is_some_and(|at| user.last_seen != Some(at));
        user.presence = state;
        user.last_seen = last_seen.or(user.last_seen);
        news.then_some(id)
    }

    /// Who is connected; everybody else is not. Returns those for whom that is news.
    pub fn present(&mut self, online: &[UserId], away: &[UserId]) -> Vec<UserId> {
        let online = online.iter().map(|id| (*id, Presence::Online));
        let here: HashMap<_, _> = away.iter().map(|id| (*id, Presence::Away)).chain(online).collect();
        let mut changed = Vec::new();
        for (id, user) in &mut self.known {
            let state = here.get(id).copied().unwrap_or_default();
            if std::mem::replace(&mut user.presence, state) != state {
                changed.push(*id);
            }
        }
        self.here = Some(here);
        changed
    }

    /// The server could not be asked: they are wanted again.
    pub fn ask_again(&mut self, ids: Vec<UserId>) {
        self.wanted.extend(ids);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(id: UserId) -> User {
        User {
            id,
            username: "ada".to_owned(),
            display_name: "Ada".to_owned(),
            avatar: None,
            presence: Presence::Offline,
            last_seen: None,
        }
    }

    #[test]
    fn everybody_is_asked_for_once() {
        let (ada, ben) = (UserId::generate(), UserId::generate());
        let mut people = People::new([user(ada)]);
        assert!(!people.want(ada));
        assert!(people.want(ben));
        assert!(!people.want(ben));
        assert_eq!(people.take(), [ben]);
        assert!(!people.want(ben), "still on its way");
        people.ask_again(vec![ben]);
        assert_eq!(people.take(), [ben]);
        assert_eq!(people.know(vec![user(ben), user(ada)]), [ben]);
        assert!(!people.wants());
    }

    #[test]
    fn one_question_is_bounded() {
        let mut people = People::default();
        for _ in 0..limits::PEOPLE_IDS + 1 {
            people.want(UserId::generate());
        }
        assert_eq!(people.take().len(), limits::PEOPLE_IDS);
        assert_eq!(people.take().len(), 1);
    }
}
