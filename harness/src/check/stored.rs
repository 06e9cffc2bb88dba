//! C1, C5, C6, C8: what was acknowledged is there, and nothing else is.

use super::attempts::Ack;
use super::facts::{Facts, Source, View};
use super::membership::{Standing, standing};
use super::{Findings, Rule};
use crate::history::{BodyHash, Deed, Seen};
use protocol::{ConversationId, MessageId};
use std::collections::{HashMap, HashSet};

/// C1: every acknowledged message is in the rows, in what REST tells each member whose membership covers it, and on
/// the screens of those members that have come that far.
pub fn missing(facts: &Facts<'_>, findings: &mut Findings) {
    let mut views: HashMap<ConversationId, Vec<(&View<'_>, Option<u64>)>> = HashMap::new();
    for view in &facts.views {
        if let Some(after) = begins_after(facts, view) {
            views.entry(view.conversation).or_default().push((view, after));
        }
    }
    for send in facts.sends.values() {
        // An answer to a retry that names another place is C8's.
        let Some(ack) = send.tries.acks.first() else { continue };
        let posted = facts.posted.get(&ack.id).copied().unwrap_or(ack.rev);
        for (view, after) in views.get(&send.conversation).into_iter().flatten() {
            // Without a known join, what was loaded says where the view begins.
            let begun = after.map_or(ack.seq > view.from_seq, |after| posted > after);
            let reached = match view.source {
                Source::Rows | Source::Rest => begun,
                // What was never loaded is not missing, and what has not come yet is C11's.
                Source::Screen => begun && ack.seq > view.from_seq && posted <= view.head_rev,
            };
            if reached && view.by_seq.get(&ack.seq).is_none_or(|message| message.id != ack.id) {
                let words = format!(
                    "{} was acknowledged at {} ms as {} of {}, and is not in: {}",
                    send.nonce, ack.t, ack.seq, send.conversation, view.label
                );
                findings.add_at(Rule::C1, send.conversation, ack.seq, words);
            }
        }
    }
}

/// The change after which a view must have everything; the inner none: the history does not tell. None for a view of
/// somebody who is no member at the end, which need not have anything.
fn begins_after(facts: &Facts<'_>, view: &View<'_>) -> Option<Option<u64>> {
    let Some(user) = view.user else { return Some(Some(0)) };
    match standing(facts, view.conversation, user) {
        Standing::Since(rev) => Some(Some(rev)),
        Standing::Untold => Some(None),
        Standing::Out => None,
    }
}

/// C5 and C6: whatever was seen anywhere was sent, was not refused, and says what was sent. Each message is named once
/// for each of the two.
pub fn invented(facts: &Facts<'_>, findings: &mut Findings) {
    let mut named: HashSet<(Rule, MessageId)> = HashSet::new();
    let live = facts
        .receipts
        .iter()
        .filter_map(|receipt| Some((receipt.conversation, receipt.message?, receipt.record.client.as_str())));
    let at_rest = facts.views.iter().flat_map(|view| {
        view.messages.iter().map(move |message| (view.conversation, message, view.label.as_str()))
    });
    for (conversation, message, label) in live.chain(at_rest) {
        let Some((rule, what)) = judge(facts, conversation, message) else { continue };
        if named.insert((rule, message.id)) {
            let words = format!(
                "{} at {} of {conversation} from {}, seen by {label}: {what}",
                message.id, message.seq, message.sender
            );
            findings.add_at(rule, conversation, message.seq, words);
        }
    }
}

fn judge(facts: &Facts<'_>, conversation: ConversationId, message: &Seen) -> Option<(Rule, &'static str)> {
    let Some(send) = facts.origin(message) else {
        return match message.body {
            // Edited before anybody saw it, and its origin is not known.
            Some(body) if edited_to(facts, message, body) => None,
            Some(_) if message.intact => Some((Rule::C5, "nobody sent it")),
            Some(_) => Some((Rule::C6, "its text is damaged")),
            // A recalled message whose origin is not known has no text to tell it by.
            None => None,
        };
    };
    if message.body.is_some_and(|body| body != send.body && !edited_to(facts, message, body)) {
        return Some((Rule::C6, "its text is not what was sent, nor what it was edited to"));
    }
    if send.user != message.sender {
        return Some((Rule::C5, "somebody else sent it"));
    }
    if send.conversation != conversation {
        return Some((Rule::C5, "it was sent to another conversation"));
    }
    send.tries.refused_for_good().then_some((Rule::C5, "every attempt to send it was refused"))
}

/// Whether somebody gave the message these words, as far as was not refused.
fn edited_to(facts: &Facts<'_>, message: &Seen, body: BodyHash) -> bool {
    let mut edits = facts.may_have_happened(message.id);
    edits.any(|act| act.user == message.sender && *act.deed == Deed::Edit { body })
}

/// C8: however often a message is acknowledged, it is the same message at the same place.
pub fn answered_otherwise(facts: &Facts<'_>, findings: &mut Findings) {
    let sends = facts.sends.values().map(|send| (send.nonce, send.conversation, &send.tries, None));
    let acts = facts.acts.values();
    let acts = acts.map(|act| (act.nonce, act.conversation, &act.tries, Some(act.message)));
    for (nonce, conversation, tries, about) in sends.chain(acts) {
        let Some(first) = tries.acks.first() else { continue };
        let same = |ack: &&Ack| (ack.seq, ack.id) == (first.seq, about.unwrap_or(first.id));
        if let Some(other) = tries.acks.iter().find(|ack| !same(ack)) {
            let words = format!(
                "{nonce} of {conversation} was acknowledged at {} ms as {} and at {} ms as {}",
                first.t, first.seq, other.t, other.seq
            );
            findings.add(Rule::C8, words);
        }
    }
}
