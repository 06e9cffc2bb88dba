//! Judges a history: was anything lost, doubled, reordered, invented, damaged or shown to the wrong person?
//!
//! Everything here is a pure function of the records, O(n log n). [`facts`] gathers what the rules ask for, with
//! [`attempts`], what people tried;
//! [`membership`] knows who was a member when. The rules: [`stored`] (C1, C5, C6, C8), [`acts`] (C1, C5, C6 for what is
//! done to messages), [`order`] (C2, C3, C4),
//! [`access`] (C7), [`marks`] (C9, C12), [`agreement`] (C10, C11). [`report`] is the table, [`command`] prints it.
//!
//! One fault can break several rules. A place in a conversation that an earlier rule has named is not named again by
//! C4 and C10, which would only say that the same thing is missing.

pub mod access;
pub mod acts;
pub mod agreement;
pub mod attempts;
pub mod command;
pub mod facts;
pub mod marks;
pub mod membership;
pub mod order;
pub mod report;
pub mod stored;

pub use report::{Finding, Report, Rule};

use crate::history::{Parsed, Record};
use facts::Facts;
use protocol::ConversationId;
use report::Totals;
use std::collections::HashSet;

/// What the rules have found so far.
#[derive(Debug, Default)]
pub struct Findings {
    list: Vec<Finding>,
    named: HashSet<(ConversationId, u64)>,
}

impl Findings {
    /// Adds one that is not about a place.
    pub fn add(&mut self, rule: Rule, words: String) {
        self.list.push(Finding { rule, words });
    }

    /// Adds one about a message's place, which later rules leave alone.
    pub fn add_at(&mut self, rule: Rule, conversation: ConversationId, seq: u64, words: String) {
        self.named.insert((conversation, seq));
        self.add(rule, words);
    }

    /// Whether a rule has named this place.
    pub fn names(&self, conversation: ConversationId, seq: u64) -> bool {
        self.named.contains(&(conversation, seq))
    }
}

/// Judges a history as it was read.
pub fn check(history: &Parsed) -> Report {
    Report { torn: history.torn, ..judge(&history.records) }
}

/// Judges records.
pub fn judge(records: &[Record]) -> Report {
    let facts = Facts::gather(records);
    let mut findings = Findings::default();
    stored::missing(&facts, &mut findings);
    order::doubled(&facts, &mut findings);
    order::reordered(&facts, &mut findings);
    stored::invented(&facts, &mut findings);
    acts::undone(&facts, &mut findings);
    acts::invented(&facts, &mut findings);
    acts::taken_back(&facts, &mut findings);
    stored::answered_otherwise(&facts, &mut findings);
    order::holes(&facts, &mut findings);
    access::outside(&facts, &mut findings);
    marks::moved_back(&facts, &mut findings);
    agreement::differing(&facts, &mut findings);
    agreement::stuck(&facts, &mut findings);
    marks::unread(&facts, &mut findings);
    Report::new(Totals::of(&facts), findings.list)
}

#[cfg(test)]
mod tests;
