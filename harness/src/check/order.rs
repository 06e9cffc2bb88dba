//! C2, C3, C4: once, in one order, without holes.

use super::facts::{Facts, Logged, Source, View};
use super::membership::{Standing, standing};
use super::{Findings, Rule};
use crate::history::What;
use protocol::{ConversationId, MessageId};
use std::collections::{BTreeSet, HashMap};

/// C2: no view has an id, a place, a nonce or a sent text twice.
pub fn doubled(facts: &Facts<'_>, findings: &mut Findings) {
    for view in &facts.views {
        let mut ids = HashMap::new();
        let mut places = HashMap::new();
        let mut nonces = HashMap::new();
        let mut texts: HashMap<_, usize> = HashMap::new();
        for message in view.messages {
            // Two sends may carry the same text, where the workload does not make each text its own.
            let sends = message.body.and_then(|body| facts.by_body.get(&body)).map_or(0, Vec::len);
            let copies = message.body.map_or(0, |body| {
                let copies = texts.entry((message.sender, body)).or_default();
                *copies += 1;
                *copies
            });
            let nonce = message.nonce.as_ref();
            let what = if ids.insert(message.id, ()).is_some() {
                "its id stands there twice"
            } else if places.insert(message.seq, ()).is_some() {
                "another message has its place"
            } else if nonce.is_some_and(|nonce| nonces.insert((message.sender, nonce), ()).is_some()) {
                "its nonce stands there twice"
            } else if sends > 0 && copies > sends {
                "it was sent once and stands there twice"
            } else {
                continue;
            };
            let words = format!(
                "{} at {} of {}, in {}: {what}",
                message.id, message.seq, view.conversation, view.label
            );
            findings.add_at(Rule::C2, view.conversation, message.seq, words);
        }
    }
}

/// C3: everybody has one order, it is the order of the numbers, and what was sent after an answer stands after it.
pub fn reordered(facts: &Facts<'_>, findings: &mut Findings) {
    let mut places: HashMap<(ConversationId, u64), MessageId> = HashMap::new();
    let mut of: HashMap<MessageId, u64> = HashMap::new();
    for view in &facts.views {
        let mut last = 0;
        for message in view.messages {
            let (id, seq, conversation) = (message.id, message.seq, view.conversation);
            let elsewhere = *of.entry(id).or_insert(seq) != seq;
            if *places.entry((conversation, seq)).or_insert(id) != id && !findings.names(conversation, seq) {
                let words = format!("{seq} of {conversation} is another message in {}", view.label);
                findings.add_at(Rule::C3, conversation, seq, words);
            } else if elsewhere && !findings.names(conversation, seq) {
                let words = format!("{id} of {conversation} stands elsewhere in {}: at {seq}", view.label);
                findings.add_at(Rule::C3, conversation, seq, words);
            }
            if seq < last {
                let words = format!("{seq} of {conversation} stands after {last} in {}", view.label);
                findings.add_at(Rule::C3, conversation, seq, words);
            }
            last = seq;
        }
    }
    for (conversation, rev) in &facts.conflicts {
        findings.add(Rule::C3, format!("change {rev} of {conversation} is not the same for everybody"));
    }
    for send in facts.sends.values() {
        // A sender that waits for its answers has its order kept by this, and so has everybody who answers somebody.
        let Some(ack) = send.tries.acks.first().filter(|ack| ack.seq <= send.floor) else { continue };
        let words = format!(
            "{} of {} was first sent at {} ms, after {} had been acknowledged, and is {}",
            send.nonce, send.conversation, send.tries.invoked, send.floor, ack.seq
        );
        findings.add_at(Rule::C3, send.conversation, ack.seq, words);
    }
}

/// C4: `seq` has no holes in any view, `rev` none in the rows and none in what a client applied.
pub fn holes(facts: &Facts<'_>, findings: &mut Findings) {
    for view in &facts.views {
        let from = first_place(facts, view);
        for seq in from + 1..=view.head_seq {
            if !view.by_seq.contains_key(&seq) && !findings.names(view.conversation, seq) {
                let words = format!(
                    "{seq} of {} is missing in {} (head {})",
                    view.conversation, view.label, view.head_seq
                );
                findings.add_at(Rule::C4, view.conversation, seq, words);
            }
        }
        let beyond = view.messages.iter().map(|message| message.seq).max().filter(|seq| *seq > view.head_seq);
        if let Some(seq) = beyond {
            let words = format!(
                "the head of {} is {} in {}, before {seq}",
                view.conversation, view.head_seq, view.label
            );
            findings.add_at(Rule::C4, view.conversation, seq, words);
        }
    }
    numbers_of_rows(facts, findings);
    numbers_applied(facts, findings);
}

/// The place after which a view must have everything.
fn first_place(facts: &Facts<'_>, view: &View<'_>) -> u64 {
    let Some(user) = view.user else { return 0 };
    if view.source == Source::Screen {
        return view.from_seq;
    }
    if let Some(rows) = facts.rows.get(&view.conversation)
        && let Some(member) = rows.members.iter().find(|member| member.user == user)
    {
        return member.joined_seq;
    }
    match standing(facts, view.conversation, user) {
        Standing::Since(0) => 0,
        Standing::Since(rev) => {
            // The newest message before the join, as far as anybody saw it.
            let before = facts.log.get(&view.conversation).into_iter().flat_map(|log| log.range(..rev).rev());
            let mut before = before.filter_map(|(_, logged)| match logged {
                Logged::Posted(_, seq) => Some(*seq),
                _ => None,
            });
            before.next().unwrap_or(view.from_seq)
        }
        Standing::Out | Standing::Untold => view.from_seq,
    }
}

fn numbers_of_rows(facts: &Facts<'_>, findings: &mut Findings) {
    for rows in facts.rows.values() {
        let posted = rows.messages.iter().filter_map(|message| message.posted_rev);
        // A reader of rows that does not know these numbers leaves them out, and there is nothing to compare.
        if posted.clone().count() < rows.messages.len() {
            continue;
        }
        let there: BTreeSet<u64> = posted.chain(rows.changes.iter().map(|change| change.rev)).collect();
        // What C2 has named stands there twice, and so does its number.
        let once = rows.messages.iter().filter(|message| !findings.names(rows.conversation, message.seq));
        let once = once.filter_map(|message| message.posted_rev);
        let mut revs: Vec<u64> = once.chain(rows.changes.iter().map(|change| change.rev)).collect();
        revs.sort_unstable();
        for pair in revs.windows(2).filter(|pair| pair[0] == pair[1]) {
            let words = format!("rows of {}: change {} stands there twice", rows.conversation, pair[0]);
            findings.add(Rule::C4, words);
        }
        for rev in (1..=rows.head_rev).filter(|rev| !there.contains(rev)) {
            // A message that is missing takes its number with it.
            let of_message = match facts.log.get(&rows.conversation).and_then(|log| log.get(&rev)) {
                Some(Logged::Posted(_, seq)) => findings.names(rows.conversation, *seq),
                _ => false,
            };
            if !of_message {
                findings.add(Rule::C4, format!("rows of {}: there is no change {rev}", rows.conversation));
            }
        }
    }
}

/// Follows each client's own position: what it applied must follow it.
fn numbers_applied(facts: &Facts<'_>, findings: &mut Findings) {
    let mut at: HashMap<(&str, ConversationId), u64> = HashMap::new();
    for record in facts.records {
        let client = record.client.as_str();
        match &record.what {
            What::Hello { heads, reset, .. } => {
                if *reset {
                    at.retain(|(of, _), _| *of != client);
                }
                for head in heads {
                    at.entry((client, head.conversation)).or_insert(head.head_rev);
                }
            }
            What::Heads { heads } => {
                for head in heads {
                    at.entry((client, head.conversation)).or_insert(head.head_rev);
                }
            }
            What::Page { conversation, head_rev, .. } => {
                at.insert((client, *conversation), *head_rev);
            }
            What::Gone { conversation } => {
                at.remove(&(client, *conversation));
            }
            What::Applied { conversation, rev, .. } => {
                if let Some(last) = at.insert((client, *conversation), *rev)
                    && *rev != last + 1
                {
                    let words = format!("{client} applied {rev} of {conversation} after {last}");
                    findings.add(Rule::C4, words);
                }
            }
            _ => {}
        }
    }
}
