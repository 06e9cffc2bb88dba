//! What may happen to a message after it was posted, as rules without a database: the same in every store.

use crate::store::{Act, NewAct};
use protocol::{Body, Emoji, Kind, Message, Reaction, Role, Timestamp, UserId, limits};

const RECALLED: &str = "This message was taken back.";

/// A message as who acts on it sees it.
pub(super) struct Found {
    pub(super) message: Message,
    pub(super) kind: Kind,
    pub(super) head_rev: u64,
    pub(super) head_seq: u64,
    pub(super) role: Role,
}

/// What is to be written.
pub(super) enum Verdict {
    Write,
    Nothing,
    Forbidden(&'static str),
    Conflict(&'static str),
}

fn react(message: &mut Message, by: UserId, emoji: &Emoji, on: bool) -> Verdict {
    let place = message.reactions.iter().position(|reaction| reaction.emoji == emoji.as_str());
    match (place, on) {
        (Some(i), _) => {
            let users = &mut message.reactions[i].users;
            let mine = users.iter().position(|user| *user == by);
            match (mine, on) {
                (None, true) if users.len() >= limits::REACTORS => {
                    return Verdict::Conflict("Enough people have chosen this reaction.");
                }
                (None, true) => users.push(by),
                (Some(place), false) => {
                    users.remove(place);
                    if users.is_empty() {
                        message.reactions.remove(i);
                    }
                }
                _ => return Verdict::Nothing,
            }
        }
        (None, true) if message.reactions.len() >= limits::REACTIONS => {
            return Verdict::Conflict("A message has at most 20 different reactions.");
        }
        (None, true) => {
            message.reactions.push(Reaction { emoji: emoji.to_string(), users: vec![by] });
        }
        (None, false) => return Verdict::Nothing,
    }
    Verdict::Write
}

/// How long ago, in milliseconds, by clocks that may jump.
fn age(at: Timestamp, now: Timestamp) -> u64 {
    u64::try_from(now.millis() - at.millis()).unwrap_or(0)
}

/// Changes `message` as asked, or says why not. No database: what needs one is checked by the caller.
pub(super) fn decide(found: &mut Found, new: &NewAct) -> Verdict {
    let message = &mut found.message;
    match &new.act {
        Act::Recall if message.recalled => return Verdict::Nothing,
        Act::Pin(false) if message.recalled => return Verdict::Nothing,
        _ if message.recalled => return Verdict::Conflict(RECALLED),
        _ => {}
    }
    match &new.act {
        Act::Edit(body) => {
            if message.sender != new.by {
                return Verdict::Forbidden("Only its author may edit a message.");
            }
            if message.body == *body {
                return Verdict::Nothing;
            }
            if age(message.sent_at, new.at) > limits::EDIT_MS {
                return Verdict::Forbidden("A message can be edited for two days.");
            }
            message.body = body.clone();
            Verdict::Write
        }
        Act::Recall => {
            let looks_after = found.kind == Kind::Group && found.role >= Role::Admin;
            if message.sender != new.by && !looks_after {
                return Verdict::Forbidden(
                    "Only its author, or who looks after the group, may take it back.",
                );
            }
            message.body = Body::Recalled;
            message.recalled = true;
            message.edited_at = None;
            message.mentions = Vec::new();
            message.mentions_all = false;
            message.reactions = Vec::new();
            message.pinned = false;
            Verdict::Write
        }
        Act::React(emoji, on) => react(message, new.by, emoji, *on),
        Act::Pin(on) if message.pinned == *on => Verdict::Nothing,
        Act::Pin(on) => {
            message.pinned = *on;
            Verdict::Write
        }
    }
}
