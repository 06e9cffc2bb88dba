//! Who was a member when, in numbers of the conversation's log and never by a clock.

use super::facts::{Facts, Logged};
use protocol::{ConversationId, UserId};

/// From a join to a leave: changes between the two are the member's to see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interval {
    /// The change that made them a member; 0 for those who founded.
    pub joined: u64,
    /// The change that ended it; `u64::MAX` while it lasts.
    pub left: u64,
}

impl Interval {
    /// Whether a message posted by this change is theirs to see.
    pub fn covers(&self, rev: u64) -> bool {
        self.joined < rev && rev < self.left
    }

    /// Whether any change is theirs to see: their own join and leave are.
    pub fn borders_or_covers(&self, rev: u64) -> bool {
        self.joined <= rev && rev <= self.left
    }
}

/// Somebody's intervals, in order. None where the history does not tell: a membership was changed, and nobody who
/// recorded has seen the change.
pub fn intervals(facts: &Facts<'_>, conversation: ConversationId, user: UserId) -> Option<Vec<Interval>> {
    let founded = facts.founded.get(&conversation).map(|members| members.contains(&user));
    let (mut joins, mut leaves) = (0, 0);
    let mut open = founded.unwrap_or_default().then_some(0);
    let mut intervals = Vec::new();
    for (rev, logged) in facts.log.get(&conversation).into_iter().flatten() {
        match logged {
            Logged::Joined(who) if *who == user => {
                joins += 1;
                open = Some(*rev);
            }
            Logged::Left(who) if *who == user => {
                leaves += 1;
                intervals.push(Interval { joined: open.take().unwrap_or_default(), left: *rev });
            }
            _ => {}
        }
    }
    intervals.extend(open.map(|joined| Interval { joined, left: u64::MAX }));
    // Rows hold every change; without them what was done, or may have been, must have been seen.
    let complete = facts.rows.contains_key(&conversation) || {
        let asked = facts.asked.get(&conversation).map(Vec::as_slice).unwrap_or_default();
        let may = |join| {
            let of = asked.iter().filter(|asked| asked.subject == user && asked.join == join);
            of.filter(|asked| asked.done || asked.answered.is_none()).count()
        };
        may(true) <= joins && may(false) <= leaves
    };
    (complete && (founded.is_some() || joins + leaves > 0)).then_some(intervals)
}

/// Somebody's membership at the end of the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Since this change.
    Since(u64),
    /// No member.
    Out,
    /// The history does not tell.
    Untold,
}

/// Somebody's membership at the end of the run.
pub fn standing(facts: &Facts<'_>, conversation: ConversationId, user: UserId) -> Standing {
    let rows = facts.rows.get(&conversation);
    if let Some(rows) = rows.filter(|rows| !rows.members.is_empty()) {
        let member = rows.members.iter().find(|member| member.user == user);
        return member.map_or(Standing::Out, |member| Standing::Since(member.joined_rev));
    }
    match intervals(facts, conversation, user) {
        None => Standing::Untold,
        Some(intervals) => match intervals.last() {
            Some(interval) if interval.left == u64::MAX => Standing::Since(interval.joined),
            _ => Standing::Out,
        },
    }
}
