//! The people this tab knows, and those it has to ask for. Plain data: no signals.

use protocol::{User, UserId, limits};
use std::collections::{HashMap, HashSet, VecDeque};

/// People by id. Bounded by how many I share a conversation with or looked at.
#[derive(Clone, Debug, Default)]
pub struct People {
    known: HashMap<UserId, User>,
    /// Wanted, not yet asked for.
    wanted: VecDeque<UserId>,
    /// Wanted or asked for: nobody is asked for twice, also if the server does not know them.
    asked: HashSet<UserId>,
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
        for user in people {
            if self.known.get(&user.id) != Some(&user) {
                changed.push(user.id);
                self.known.insert(user.id, user);
            }
        }
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
    use protocol::Presence;

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
