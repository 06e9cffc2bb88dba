//! C9, C12: read marks and heads only go forward, and what is unread follows from them.

use super::facts::{Facts, Source, View};
use super::{Findings, Rule};
use crate::history::{Seen, What};
use protocol::{ConversationId, UserId};
use std::collections::HashMap;

/// C9: no client sees a mark or a head go back, and none is lower at the end than somebody has seen it. Only a `read` may be late
/// where several nodes serve: the highest counts, for clients and here.
pub fn moved_back(facts: &Facts<'_>, findings: &mut Findings) {
    let mut told: HashMap<(&str, ConversationId), (u64, u64)> = HashMap::new();
    let mut seen: HashMap<(&str, ConversationId, UserId), u64> = HashMap::new();
    let mut highest: HashMap<(ConversationId, UserId), u64> = HashMap::new();
    let mut several = false;
    for record in facts.records {
        let client = record.client.as_str();
        match &record.what {
            What::Hello { heads, reset, .. } => {
                if *reset {
                    // Another database: nothing that was seen before says anything about it.
                    told.retain(|(of, _), _| *of != client);
                    seen.retain(|(of, ..), _| *of != client);
                    highest.clear();
                }
                for head in heads {
                    let (rev, mark) = told.entry((client, head.conversation)).or_default();
                    if head.head_rev < *rev || head.read_seq < *mark {
                        let words = format!(
                            "{client} was told at {} ms of {}: head {} after {rev}, mark {} after {mark}",
                            record.t, head.conversation, head.head_rev, head.read_seq
                        );
                        findings.add(Rule::C9, words);
                    }
                    (*rev, *mark) = ((*rev).max(head.head_rev), (*mark).max(head.read_seq));
                    if let Some(user) = record.user {
                        raise(&mut highest, (head.conversation, user), head.read_seq);
                    }
                }
            }
            What::Applied { conversation, rev, .. } => {
                let (last, _) = told.entry((client, *conversation)).or_default();
                *last = (*last).max(*rev);
            }
            What::Run { several: true, .. } => several = true,
            What::ReadSeen { conversation, user, seq, .. } => {
                let last = seen.entry((client, *conversation, *user)).or_default();
                if *seq < *last && !several {
                    let words = format!(
                        "{client} saw the mark of {user} in {conversation} at {} ms: {seq} after {last}",
                        record.t
                    );
                    findings.add(Rule::C9, words);
                }
                *last = (*last).max(*seq);
                raise(&mut highest, (*conversation, *user), *seq);
            }
            _ => {}
        }
    }
    for view in facts.views_of(Source::Rest) {
        let Some(user) = view.user else { continue };
        let seen = highest.get(&(view.conversation, user)).copied().unwrap_or_default();
        if view.read_seq < seen {
            let words = format!(
                "{} has the mark {} in {}, seen before at {seen}",
                view.label, view.read_seq, view.conversation
            );
            findings.add(Rule::C9, words);
        }
    }
}

fn raise<K: std::hash::Hash + Eq>(highest: &mut HashMap<K, u64>, key: K, seq: u64) {
    let last = highest.entry(key).or_default();
    *last = (*last).max(seq);
}

/// C12: at rest, unread and mentions are what a count over the messages gives, on every screen too, and everybody has
/// the same mark.
pub fn unread(facts: &Facts<'_>, findings: &mut Findings) {
    let screens: HashMap<_, Vec<&View<'_>>> =
        facts.views_of(Source::Screen).fold(HashMap::new(), |mut all, view| {
            all.entry((view.conversation, view.user)).or_insert_with(Vec::new).push(view);
            all
        });
    for rest in facts.views_of(Source::Rest) {
        let Some(user) = rest.user else { continue };
        let behind_mark =
            |message: &&Seen| message.seq > rest.read_seq && message.sender != user && !message.recalled;
        // Rows where there are some: what REST leaves out must not make its own count right.
        let row_view = facts.rows.get(&rest.conversation);
        let messages = row_view.map_or(rest.messages, |rows| &rows.messages);
        if (rest.read_seq + 1..=rest.head_seq).any(|seq| findings.names(rest.conversation, seq)) {
            continue; // something is wrong with these messages, and has been named
        }
        let counted = messages.iter().filter(behind_mark).count() as u64;
        let naming = messages.iter().filter(behind_mark).filter(|message| message.names(user));
        let naming = naming.count() as u64;
        let place = rest.conversation;
        if rest.unread.is_some_and(|unread| unread != counted) {
            let told = rest.unread.unwrap_or_default();
            findings
                .add(Rule::C12, format!("{} says {told} unread in {place}, counted {counted}", rest.label));
        }
        if rest.mentions.is_some_and(|mentions| mentions != naming) {
            let told = rest.mentions.unwrap_or_default();
            findings
                .add(Rule::C12, format!("{} says {told} mentions in {place}, counted {naming}", rest.label));
        }
        let member = row_view.and_then(|rows| rows.members.iter().find(|member| member.user == user));
        if let Some(told) = member.and_then(|member| member.mentions).filter(|mentions| *mentions != naming) {
            let words = format!("rows have {told} mentions of {user} in {place}, counted {naming}");
            findings.add(Rule::C12, words);
        }
        if let Some(member) = member
            && member.read_seq != rest.read_seq
        {
            let words = format!(
                "{} has the mark {} in {place}, its row {}",
                rest.label, rest.read_seq, member.read_seq
            );
            findings.add(Rule::C12, words);
        }
        // A screen that is not complete is stuck, and named as that.
        let mine = screens.get(&(place, rest.user)).into_iter().flatten();
        for screen in mine.filter(|screen| screen.head_rev >= rest.head_rev) {
            if screen.read_seq != rest.read_seq {
                let words = format!(
                    "{} has the mark {} in {place}, REST {}",
                    screen.label, screen.read_seq, rest.read_seq
                );
                findings.add(Rule::C12, words);
            } else if screen.unread.is_some_and(|unread| unread != counted) {
                let told = screen.unread.unwrap_or_default();
                findings.add(
                    Rule::C12,
                    format!("{} shows {told} unread in {place}, counted {counted}", screen.label),
                );
            } else if screen.mentions.is_some_and(|mentions| mentions != naming) {
                let told = screen.mentions.unwrap_or_default();
                findings.add(
                    Rule::C12,
                    format!("{} shows {told} mentions in {place}, counted {naming}", screen.label),
                );
            }
        }
    }
}
