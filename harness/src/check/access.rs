//! C7: nobody receives anything from outside their membership.

use super::attempts::Send;
use super::facts::{Facts, Receipt, Source};
use super::membership::{Interval, intervals};
use super::{Findings, Rule};
use protocol::{ConversationId, UserId};
use std::collections::{HashMap, HashSet};

/// Everything that was delivered, and everything that is there at rest, lies between a join and a leave of its reader.
pub fn outside(facts: &Facts<'_>, findings: &mut Findings) {
    let mut known: HashMap<(ConversationId, UserId), Option<Vec<Interval>>> = HashMap::new();
    let mut named = HashSet::new();
    for receipt in &facts.receipts {
        let Receipt { record, user, conversation, .. } = receipt;
        let mine = known
            .entry((*conversation, *user))
            .or_insert_with(|| intervals(facts, *conversation, *user))
            .as_deref();
        let inside = match (mine, receipt.message) {
            (Some(mine), Some(message)) => {
                let posted = facts.posted_rev(message);
                mine.iter().any(|interval| interval.covers(posted))
            }
            (Some(mine), None) => mine.iter().any(|interval| interval.borders_or_covers(receipt.rev)),
            (None, _) => !sent_after_removal(facts, receipt),
        };
        if !inside && named.insert((record.client.as_str(), *conversation, receipt.rev)) {
            let words = format!(
                "{} got change {} of {conversation} at {} ms and was no member then",
                record.client, receipt.rev, record.t
            );
            findings.add(Rule::C7, words);
        }
    }
    for view in facts.views_of(Source::Rest) {
        let Some(user) = view.user else { continue };
        let Some(mine) = intervals(facts, view.conversation, user) else { continue };
        let foreign = view.messages.iter().filter(|message| {
            let posted = facts.posted_rev(message);
            !mine.iter().any(|interval| interval.covers(posted))
        });
        for message in foreign {
            let words = format!(
                "{} of {} is in {}, who was no member then",
                message.seq, view.conversation, view.label
            );
            findings.add_at(Rule::C7, view.conversation, message.seq, words);
        }
    }
}

/// Where nobody saw the changes of membership: whether the message was first sent after a removal had been answered, and
/// acknowledged before anybody asked to bring the reader back. Then no order of events excuses it.
fn sent_after_removal(facts: &Facts<'_>, receipt: &Receipt<'_>) -> bool {
    let Some(send) = receipt.message.and_then(|message| facts.origin(message)) else { return false };
    let Some(acked) = send.tries.acks.first().map(|ack| ack.t) else { return false };
    let asked = facts.asked.get(&receipt.conversation).map(Vec::as_slice).unwrap_or_default();
    let of_reader = || asked.iter().filter(|asked| asked.subject == receipt.user);
    let removed = of_reader()
        .filter(|asked| !asked.join && asked.done && before(asked.answered, send))
        .map(|asked| asked.asked)
        .max();
    removed.is_some_and(|removed| {
        !of_reader().any(|asked| {
            asked.join && asked.asked <= acked && asked.answered.is_none_or(|answered| answered >= removed)
        })
    })
}

fn before(answered: Option<u64>, send: &Send<'_>) -> bool {
    answered.is_some_and(|answered| answered < send.tries.invoked)
}
