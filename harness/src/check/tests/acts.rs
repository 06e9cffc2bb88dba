//! What is done to messages: a good history of it, and bad ones.

use super::{Rest, Story, breaks, shown};
use crate::check::Rule;
use crate::history::{Deed, RowChange, Seen, Via, What, compose};
use protocol::{Code, Nonce, Reaction, UserId};

const THUMB: &str = "👍";

fn react(on: bool) -> Deed {
    Deed::React { emoji: THUMB.into(), on }
}

/// Other words, and the deed that gives them.
fn other_words(n: u64) -> (Seen, Deed) {
    let (body, intact) = Seen::body_of(Some(&compose("ada/1", 100 + n, "other words")));
    let mut story = Story::begin();
    let words = Seen { body, intact, edited: true, ..story.say("ada/1") };
    (words, Deed::Edit { body: body.unwrap() })
}

impl Story {
    /// Tries to do something to a message.
    fn tries(&mut self, client: &str, message: &Seen, deed: &Deed) -> Nonce {
        let nonce = Nonce::generate();
        let (conversation, message, deed) = (self.room, message.id, deed.clone());
        self.saw(client, What::Act { nonce: nonce.clone(), conversation, message, deed, attempt: 1 });
        nonce
    }

    /// Does it to what is stored.
    fn does(&mut self, client: &str, seq: u64, deed: &Deed) -> Seen {
        self.rev += 1;
        let (rev, user) = (self.rev, self.client(client));
        let message = self.stored.iter_mut().find(|message| message.seq == seq).unwrap();
        message.rev = rev;
        let change = match deed {
            Deed::Edit { body } => {
                (message.body, message.edited) = (Some(*body), true);
                "edited"
            }
            Deed::Recall => {
                *message = taken_back(message);
                "recalled"
            }
            Deed::React { emoji, on } => {
                message.reactions.clear();
                if *on {
                    message.reactions.push(Reaction { emoji: emoji.clone(), users: vec![user] });
                }
                "reacted"
            }
            Deed::Pin { on } => {
                message.pinned = *on;
                "pinned"
            }
        };
        let message = message.clone();
        self.changes.push(RowChange { rev, change: change.into(), subject: None });
        message
    }

    fn acked(&mut self, client: &str, nonce: Nonce, message: &Seen, duplicate: bool) {
        let (conversation, Seen { seq, rev, id, .. }) = (self.room, message.clone());
        let state = Some(message.clone());
        self.saw(client, What::Acked { nonce, conversation, seq, rev, message: id, duplicate, state });
    }

    /// Tries, does and acknowledges it.
    fn act(&mut self, client: &str, seq: u64, deed: &Deed) -> Seen {
        let message = self.stored[seq as usize - 1].clone();
        let nonce = self.tries(client, &message, deed);
        let message = self.does(client, seq, deed);
        self.acked(client, nonce, &message, false);
        message
    }

    fn with_one_message() -> Self {
        let mut story = Self::begin();
        story.say("ada/1");
        story
    }
}

fn taken_back(message: &Seen) -> Seen {
    Seen {
        body: None,
        intact: false,
        recalled: true,
        edited: false,
        reactions: Vec::new(),
        pinned: false,
        mentions: Vec::new(),
        mentions_all: false,
        ..message.clone()
    }
}

/// Lets every truth have a message as it was before.
fn forgets(rest: &mut Rest, before: &Seen) {
    rest.everywhere(|all| {
        let rev = all[0].rev;
        all[0] = Seen { rev, ..before.clone() };
    });
}

#[test]
fn a_good_history_of_acts_passes() {
    let mut story = Story::with_one_message();
    story.say("ben/1");
    story.act("ada/1", 1, &other_words(1).1);
    story.act("ada/2", 1, &other_words(2).1);
    story.act("ben/1", 1, &react(true));
    story.act("ben/1", 1, &Deed::Pin { on: true });
    story.act("ada/1", 1, &Deed::Pin { on: false });
    story.act("ben/1", 2, &Deed::Recall);
    // Too late, and refused.
    let recalled = story.stored[1].clone();
    let nonce = story.tries("ben/1", &recalled, &other_words(3).1);
    story.saw("ben/1", What::Refused { nonce, code: Code::Conflict, retryable: false });
    // A retry that finds the reaction taken away by then.
    let first = story.stored[0].clone();
    let nonce = story.tries("ben/1", &first, &react(false));
    story.saw("ben/1", What::Unknown { nonce: nonce.clone() });
    let after = story.does("ben/1", 1, &react(false));
    story.acked("ben/1", nonce, &after, true);
    let report = story.end_well();
    assert!(report.is_clean(), "{report}");
    assert_eq!((report.totals.acts, report.totals.acts_acked), (8, 7));
}

#[test]
fn c1_an_acknowledged_act_is_nowhere() {
    for deed in [other_words(1).1, Deed::Recall, react(true), Deed::Pin { on: true }] {
        let mut story = Story::with_one_message();
        let before = story.stored[0].clone();
        story.act("ada/1", 1, &deed);
        let mut rest = story.rest();
        forgets(&mut rest, &before);
        breaks(&story.end(rest), Rule::C1);
    }
}

#[test]
fn c1_an_acknowledged_act_is_missing_on_one_screen() {
    for deed in [other_words(1).1, react(true), Deed::Pin { on: true }] {
        let mut story = Story::with_one_message();
        let before = story.stored[0].clone();
        let after = story.act("ada/1", 1, &deed);
        let mut rest = story.rest();
        rest.screens[1].2.messages[0] = Seen { rev: after.rev, ..shown(&before, false) };
        breaks(&story.end(rest), Rule::C1);
    }
}

#[test]
fn c1_a_late_retry_undoes_what_came_after_it() {
    let mut story = Story::with_one_message();
    let first = story.act("ada/1", 1, &other_words(1).1);
    story.act("ada/1", 1, &other_words(2).1);
    let mut rest = story.rest();
    forgets(&mut rest, &first);
    breaks(&story.end(rest), Rule::C1);

    let mut story = Story::with_one_message();
    let put = story.act("ben/1", 1, &react(true));
    story.act("ben/1", 1, &react(false));
    let mut rest = story.rest();
    forgets(&mut rest, &put);
    breaks(&story.end(rest), Rule::C1);
}

#[test]
fn c1_an_answer_shows_that_nothing_was_done() {
    let mut story = Story::with_one_message();
    let before = story.stored[0].clone();
    let nonce = story.tries("ada/1", &before, &Deed::Pin { on: true });
    story.acked("ada/1", nonce, &before, false);
    breaks(&story.end_well(), Rule::C1);
}

#[test]
fn c5_nobody_did_it() {
    for deed in [Deed::Recall, react(true), Deed::Pin { on: true }] {
        let mut story = Story::with_one_message();
        story.does("ben/1", 1, &deed);
        breaks(&story.end_well(), Rule::C5);

        // Tried, refused, and done all the same.
        let mut story = Story::with_one_message();
        let before = story.stored[0].clone();
        let nonce = story.tries("ben/1", &before, &deed);
        story.saw("ben/1", What::Refused { nonce, code: Code::Unavailable, retryable: true });
        story.does("ben/1", 1, &deed);
        breaks(&story.end_well(), Rule::C5);
    }
}

#[test]
fn c5_somebody_else_reacted() {
    let mut story = Story::with_one_message();
    story.act("ben/1", 1, &react(true));
    let mut rest = story.rest();
    let stranger = UserId::generate();
    rest.everywhere(|all| all[0].reactions[0].users.push(stranger));
    breaks(&story.end(rest), Rule::C5);
}

#[test]
fn c6_words_that_nobody_gave_it() {
    let mut story = Story::with_one_message();
    story.act("ada/1", 1, &other_words(1).1);
    let mut rest = story.rest();
    let wrong = other_words(2).0.body;
    rest.everywhere(|all| all[0].body = wrong);
    breaks(&story.end(rest), Rule::C6);

    // Another person's words under the first one's name.
    let mut story = Story::with_one_message();
    story.act("ben/1", 1, &other_words(1).1);
    breaks(&story.end_well(), Rule::C6);
}

#[test]
fn c6_a_recalled_message_keeps_its_words_somewhere() {
    let story = || {
        let mut story = Story::with_one_message();
        let before = story.stored[0].clone();
        story.act("ada/1", 1, &Deed::Recall);
        (story, before)
    };
    let (one, before) = story();
    let mut rest = one.rest();
    rest.rows.as_mut().unwrap().messages[0].body = before.body;
    breaks(&one.end(rest), Rule::C6);

    let (two, _) = story();
    let mut rest = two.rest();
    rest.rows.as_mut().unwrap().versions.push(1);
    breaks(&two.end(rest), Rule::C6);
}

#[test]
fn c6_a_page_or_a_change_carries_what_was_taken_back() {
    let story = || {
        let mut story = Story::with_one_message();
        let before = shown(&story.stored[0], false);
        let recall = story.act("ada/1", 1, &Deed::Recall);
        (story, before, recall.rev)
    };
    let (mut one, before, head_rev) = story();
    let (conversation, head_seq) = (one.room, 1);
    let messages = vec![before];
    one.saw("ben/1", What::Page { conversation, head_seq, head_rev, messages, asked: None });
    breaks(&one.end_well(), Rule::C6);

    // The log of before the recall, asked for after it.
    let (mut two, before, _) = story();
    let (conversation, asked, rev) = (two.room, Some(two.t + 1), before.rev);
    let change = "posted".to_owned();
    let message = Some(before);
    let what = What::Applied { conversation, rev, change, subject: None, message, via: Via::Changes, asked };
    two.saw("ben/1", what);
    breaks(&two.end_well(), Rule::C6);

    // The same, asked for in time.
    let (mut three, before, rev) = story();
    let (conversation, asked, change) = (three.room, Some(1), "posted".to_owned());
    let (own, message) = (rev - 1, Some(before));
    let what =
        What::Applied { conversation, rev: own, change, subject: None, message, via: Via::Changes, asked };
    three.saw("ben/1", what);
    let report = three.end_well();
    assert!(report.is_clean(), "{report}");
}

#[test]
fn c8_a_retry_of_an_act_is_about_another_message() {
    let mut story = Story::with_one_message();
    let other = story.say("ada/1");
    let before = story.stored[0].clone();
    let nonce = story.tries("ben/1", &before, &Deed::Pin { on: true });
    let after = story.does("ben/1", 1, &Deed::Pin { on: true });
    story.acked("ben/1", nonce.clone(), &after, false);
    story.acked("ben/1", nonce, &other, true);
    breaks(&story.end_well(), Rule::C8);
}

#[test]
fn c10_a_screen_has_another_state() {
    let bends: [fn(&mut Seen); 4] = [
        |seen| seen.edited = true,
        |seen| seen.mentions_all = true,
        |seen| seen.mentions.push(UserId::generate()),
        |seen| seen.reply_to = Some(seen.id),
    ];
    for bend in bends {
        let mut story = Story::with_one_message();
        story.say("ben/1");
        let mut rest = story.rest();
        // Ben's own message, so that nobody's count of mentions depends on it.
        bend(&mut rest.screens[1].2.messages[1]);
        breaks(&story.end(rest), Rule::C10);
    }
}

#[test]
fn c12_mentions_are_miscounted() {
    let story = || {
        let mut story = Story::with_one_message();
        story.stored[0].mentions_all = true;
        let mut rest = story.rest();
        for mentions in [&mut rest.rests[1].1.mentions, &mut rest.screens[1].2.mentions] {
            *mentions = Some(1);
        }
        (story, rest)
    };
    let (one, rest) = story();
    let report = one.end(rest);
    assert!(report.is_clean(), "{report}");
    let bends: [fn(&mut Rest); 3] = [
        |rest| rest.rests[1].1.mentions = Some(0),
        |rest| rest.screens[1].2.mentions = Some(2),
        |rest| rest.rows.as_mut().unwrap().members[1].mentions = Some(0),
    ];
    for bend in bends {
        let (story, mut rest) = story();
        bend(&mut rest);
        breaks(&story.end(rest), Rule::C12);
    }
}
