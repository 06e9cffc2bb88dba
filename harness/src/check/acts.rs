//! C1, C5, C6 for what is done to messages: what was acknowledged shows everywhere, nothing else does, and what was taken
//! back is gone.

use super::attempts::Act;
use super::facts::{Facts, Receipt, Source, View};
use super::{Findings, Rule};
use crate::history::{Deed, Seen, What};
use protocol::{ConversationId, MessageId};
use std::collections::{HashMap, HashSet};

/// C1: every acknowledged act shows in its own answer and in every truth that has the message, unless a later one took
/// its place.
pub fn undone(facts: &Facts<'_>, findings: &mut Findings) {
    let mut views: HashMap<ConversationId, Vec<&View<'_>>> = HashMap::new();
    for view in &facts.views {
        views.entry(view.conversation).or_default().push(view);
    }
    for act in facts.acts.values() {
        let Some(ack) = act.tries.acks.first() else { continue };
        let place = format!("{} of {}", ack.seq, act.conversation);
        if act.state.is_some_and(|state| !shows(act, state)) {
            let words = format!("{:?} of {place} was acknowledged without being done", act.deed);
            findings.add_at(Rule::C1, act.conversation, ack.seq, words);
        }
        for view in views.get(&act.conversation).into_iter().flatten() {
            // What has not come yet is C11's, and a message that is missing has been named.
            let reached = view.source != Source::Screen || ack.rev <= view.head_rev;
            let message = view.by_seq.get(&ack.seq).filter(|message| reached && message.id == act.message);
            let undone =
                message.is_some_and(|message| !shows(act, message) && !replaced(facts, act, message));
            if undone && !findings.names(act.conversation, ack.seq) {
                let words = format!(
                    "{:?} of {place} was acknowledged at {} ms, and is not in: {}",
                    act.deed, ack.t, view.label
                );
                findings.add_at(Rule::C1, act.conversation, ack.seq, words);
            }
        }
    }
}

/// Whether a message looks as somebody wanted it.
fn shows(act: &Act<'_>, message: &Seen) -> bool {
    match act.deed {
        Deed::Recall => message.recalled,
        Deed::Edit { body } => message.body == Some(*body),
        Deed::React { emoji, on } => message.has_reaction(emoji, act.user) == *on,
        Deed::Pin { on } => message.pinned == *on,
    }
}

/// Whether something that came later, or at the same time, excuses that a message does not look as wanted.
fn replaced(facts: &Facts<'_>, act: &Act<'_>, message: &Seen) -> bool {
    if *act.deed == Deed::Recall {
        return false;
    }
    let later = facts.may_have_happened(message.id).filter(|other| !surely_before(other, act));
    let excuses = |other: &Act<'_>| match (act.deed, other.deed) {
        (_, Deed::Recall) => message.recalled,
        (Deed::Edit { .. }, Deed::Edit { body }) => message.body == Some(*body),
        (Deed::React { emoji, on }, Deed::React { emoji: other_emoji, on: other_on }) => {
            other.user == act.user && emoji == other_emoji && on != other_on
        }
        (Deed::Pin { on }, Deed::Pin { on: other_on }) => on != other_on,
        _ => false,
    };
    later.into_iter().any(excuses)
}

/// Whether one act was done before another was first asked for, or has the lower number.
fn surely_before(one: &Act<'_>, other: &Act<'_>) -> bool {
    let Some(ack) = one.tries.acks.first() else { return false };
    if ack.t < other.tries.invoked {
        return true;
    }
    // The answer to a first edit carries its own number; that to another act may carry one of a change before it.
    let edits = matches!((one.deed, other.deed), (Deed::Edit { .. }, Deed::Edit { .. }));
    let second = other.tries.acks.first().filter(|second| !second.duplicate && !ack.duplicate);
    edits && second.is_some_and(|second| ack.rev < second.rev)
}

/// C5: nothing is recalled, reacted to or pinned that nobody recalled, reacted to or pinned.
pub fn invented(facts: &Facts<'_>, findings: &mut Findings) {
    let mut named: HashSet<MessageId> = HashSet::new();
    let live = facts.receipts.iter().filter_map(|receipt| Some((receipt.conversation, receipt.message?)));
    let at_rest =
        facts.views.iter().flat_map(|view| view.messages.iter().map(|message| (view.conversation, message)));
    for (conversation, message) in live.chain(at_rest) {
        if let Some(what) = phantom(facts, message)
            && named.insert(message.id)
        {
            let words = format!("{} at {} of {conversation}: {what}", message.id, message.seq);
            findings.add_at(Rule::C5, conversation, message.seq, words);
        }
    }
}

fn phantom(facts: &Facts<'_>, message: &Seen) -> Option<&'static str> {
    let done = |deed: &Deed| facts.may_have_happened(message.id).any(|act| act.deed == deed);
    if message.recalled && !done(&Deed::Recall) {
        return Some("nobody took it back");
    }
    if message.pinned && !done(&Deed::Pin { on: true }) {
        return Some("nobody pinned it");
    }
    let invented = message.reactions.iter().any(|reaction| {
        let deed = Deed::React { emoji: reaction.emoji.clone(), on: true };
        let chose =
            |user| facts.may_have_happened(message.id).any(|act| act.user == user && *act.deed == deed);
        !reaction.users.iter().copied().all(chose)
    });
    invented.then_some("it has a reaction that nobody chose")
}

/// C6: a message that is taken back has no words, no earlier ones, no reactions, no pin and no names anywhere, and
/// nothing that was read after the recall was acknowledged, or is numbered after it, carries its words.
pub fn taken_back(facts: &Facts<'_>, findings: &mut Findings) {
    for view in &facts.views {
        for message in view.messages.iter().filter(|message| message.recalled && carries(message)) {
            let words = format!(
                "{} of {} is taken back and still carries something in {}",
                message.seq, view.conversation, view.label
            );
            findings.add_at(Rule::C6, view.conversation, message.seq, words);
        }
    }
    for rows in facts.rows.values() {
        let gone: HashSet<u64> =
            rows.messages.iter().filter(|message| message.recalled).map(|message| message.seq).collect();
        for seq in rows.versions.iter().filter(|seq| gone.contains(seq)) {
            let words = format!("rows of {}: earlier words of {seq}, which is taken back", rows.conversation);
            findings.add_at(Rule::C6, rows.conversation, *seq, words);
        }
    }
    let mut recalls: HashMap<MessageId, Recall> = HashMap::new();
    for act in facts.acts.values().filter(|act| *act.deed == Deed::Recall) {
        for ack in &act.tries.acks {
            let recall = recalls.entry(act.message).or_insert(Recall { rev: ack.rev, t: ack.t });
            *recall = Recall { rev: recall.rev.min(ack.rev), t: recall.t.min(ack.t) };
        }
    }
    for receipt in &facts.receipts {
        let Some(message) = receipt.message.filter(|message| message.body.is_some()) else { continue };
        let Some(recall) = recalls.get(&message.id).filter(|recall| recall.covers(receipt)) else { continue };
        let words = format!(
            "{} got the words of {} of {} at {} ms, taken back as {} at {} ms",
            receipt.record.client, message.seq, receipt.conversation, receipt.record.t, recall.rev, recall.t
        );
        findings.add_at(Rule::C6, receipt.conversation, message.seq, words);
    }
}

fn carries(message: &Seen) -> bool {
    let names = message.mentions_all || !message.mentions.is_empty();
    message.body.is_some() || message.pinned || names || !message.reactions.is_empty()
}

/// The first acknowledgement of a recall.
#[derive(Clone, Copy)]
struct Recall {
    /// Number of the recall, or of a change after it.
    rev: u64,
    /// When somebody knew.
    t: u64,
}

impl Recall {
    /// Whether what came is of after the recall.
    fn covers(self, receipt: &Receipt<'_>) -> bool {
        let (complete, asked) = match &receipt.record.what {
            What::Page { head_rev, asked, .. } => (*head_rev, *asked),
            What::Applied { asked, .. } => (receipt.rev, *asked),
            _ => (receipt.rev, None),
        };
        complete >= self.rev || asked.is_some_and(|asked| asked > self.t)
    }
}
