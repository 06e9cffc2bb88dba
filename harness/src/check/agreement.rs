//! C10, C11: at rest everybody has come to the end of the log, and all truths say the same.

use super::facts::{Facts, Source, View};
use super::{Findings, Rule};
use crate::history::What;
use protocol::{ConversationId, MessageId, UserId};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

/// C10: each screen shows what REST tells its user, REST tells what the rows hold, everybody's REST has one head, and what
/// somebody saw live is still there.
pub fn differing(facts: &Facts<'_>, findings: &mut Findings) {
    let rests: HashMap<_, _> =
        facts.views_of(Source::Rest).map(|view| ((view.conversation, view.user), view)).collect();
    let rows: HashMap<_, _> = facts.views_of(Source::Rows).map(|view| (view.conversation, view)).collect();
    let mut heads: HashMap<ConversationId, &View<'_>> = HashMap::new();
    for rest in facts.views_of(Source::Rest) {
        let truth = rows.get(&rest.conversation).copied();
        let truth = truth.unwrap_or_else(|| heads.entry(rest.conversation).or_insert(rest));
        if truth.source == Source::Rows {
            compare(rest, truth, findings);
        }
        compare_heads(rest, truth, findings);
    }
    for screen in facts.views_of(Source::Screen) {
        let Some(rest) = rests.get(&(screen.conversation, screen.user)) else { continue };
        // One that has not come that far is stuck, not wrong.
        if screen.head_rev >= rest.head_rev {
            compare(screen, rest, findings);
            compare_heads(screen, rest, findings);
        }
    }
    vanished(facts, findings);
}

/// Compares what both must have.
fn compare(one: &View<'_>, other: &View<'_>, findings: &mut Findings) {
    let conversation = one.conversation;
    let from = one.from_seq.max(other.from_seq);
    let places: BTreeSet<u64> =
        one.by_seq.keys().chain(other.by_seq.keys()).copied().filter(|seq| *seq > from).collect();
    for seq in places {
        if findings.names(conversation, seq) {
            continue;
        }
        let what = match (one.by_seq.get(&seq), other.by_seq.get(&seq)) {
            (Some(a), Some(b)) if a.id != b.id => "another message".to_owned(),
            (Some(a), Some(b)) => match a.differs_in(b) {
                Some(part) => format!("another {part}"),
                None => continue,
            },
            (Some(_), None) => "no message".to_owned(),
            (None, _) => "a message that the first has not".to_owned(),
        };
        let words = format!("{seq} of {conversation}: beside {}, {} has {what}", one.label, other.label);
        findings.add_at(Rule::C10, conversation, seq, words);
    }
}

fn compare_heads(one: &View<'_>, other: &View<'_>, findings: &mut Findings) {
    if (one.head_seq, one.head_rev) == (other.head_seq, other.head_rev) {
        return;
    }
    let between = one.head_seq.min(other.head_seq) + 1..=one.head_seq.max(other.head_seq);
    if between.into_iter().any(|seq| findings.names(one.conversation, seq)) {
        return; // the message that makes the difference has been named
    }
    let words = format!(
        "the head of {} is seq {} rev {} in {}, seq {} rev {} in {}",
        one.conversation, one.head_seq, one.head_rev, one.label, other.head_seq, other.head_rev, other.label
    );
    findings.add(Rule::C10, words);
}

/// What was applied by a client and is in no truth at rest, although the truth reaches there.
fn vanished(facts: &Facts<'_>, findings: &mut Findings) {
    let mut there: HashSet<MessageId> = HashSet::new();
    let mut reach: HashMap<ConversationId, u64> = HashMap::new();
    for view in facts.views.iter().filter(|view| view.source != Source::Screen) {
        there.extend(view.messages.iter().map(|message| message.id));
        let from = reach.entry(view.conversation).or_insert(u64::MAX);
        *from = (*from).min(view.from_seq);
    }
    for receipt in &facts.receipts {
        let (Some(message), What::Applied { .. }) = (receipt.message, &receipt.record.what) else { continue };
        let conversation = receipt.conversation;
        let reached = reach.get(&conversation).is_some_and(|from| message.seq > *from);
        if reached && !there.contains(&message.id) && !findings.names(conversation, message.seq) {
            let words = format!(
                "{} of {conversation} was on the screen of {} at {} ms and is nowhere at rest",
                message.seq, receipt.record.client, receipt.record.t
            );
            findings.add_at(Rule::C10, conversation, message.seq, words);
        }
    }
}

/// C11: after the deadline every client has sent everything and has come to the head that REST tells. One finding a
/// client.
pub fn stuck(facts: &Facts<'_>, findings: &mut Findings) {
    let mut stuck: BTreeMap<&str, String> = BTreeMap::new();
    let mut rested: BTreeMap<&str, Option<String>> = BTreeMap::new();
    let mut users: BTreeMap<&str, UserId> = BTreeMap::new();
    for record in facts.records {
        if let What::Quiesced { complete, waited_ms, unsent, behind } = &record.what {
            let words = format!(
                "{} was not complete after {waited_ms} ms: {unsent} unsent, {} conversations behind{}",
                record.client,
                behind.len(),
                behind
                    .first()
                    .map_or(String::new(), |(id, have, head)| format!(", {id} at {have} of {head}"))
            );
            // The last wait counts: a run may wait more than once.
            rested.insert(&record.client, (!complete).then_some(words));
        }
        if let (What::Screen(_), Some(user)) = (&record.what, record.user) {
            users.insert(&record.client, user);
        }
    }
    stuck.extend(rested.into_iter().filter_map(|(client, words)| Some((client, words?))));
    let screens: HashMap<_, _> =
        facts.views_of(Source::Screen).map(|view| ((view.client, view.conversation), view)).collect();
    let mut rests: HashMap<UserId, Vec<&View<'_>>> = HashMap::new();
    for rest in facts.views_of(Source::Rest) {
        if let Some(user) = rest.user {
            rests.entry(user).or_default().push(rest);
        }
    }
    for (client, user) in users {
        for rest in rests.get(&user).into_iter().flatten() {
            let have = screens.get(&(client, rest.conversation)).map(|screen| screen.head_rev);
            if have.is_none_or(|have| have < rest.head_rev) {
                stuck.entry(client).or_insert_with(|| {
                    let have = have.map_or("nothing".to_owned(), |have| format!("rev {have}"));
                    format!("{client} has {have} of {}, REST tells rev {}", rest.conversation, rest.head_rev)
                });
            }
        }
    }
    for words in stuck.into_values() {
        findings.add(Rule::C11, words);
    }
}
