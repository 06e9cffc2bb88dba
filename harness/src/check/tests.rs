//! Histories made by hand: a good one, and for each rule some that break it, each caught by that rule alone.

use super::{Report, Rule, judge};
use crate::history::{
    BodyHash, DRIVER, Head, Record, RowChange, RowMember, Rows, Seen, Truth, Via, What, compose,
};
use protocol::{Code, ConversationId, Epoch, Kind, MessageId, Nonce, UserId};

mod acts;

/// A small run: Ada and Ben in a room; Cleo comes and goes. Tests bend it.
struct Story {
    records: Vec<Record>,
    t: u64,
    room: ConversationId,
    ada: UserId,
    ben: UserId,
    cleo: UserId,
    /// What is in the room, with nonces and posting numbers, as rows have them.
    stored: Vec<Seen>,
    changes: Vec<RowChange>,
    rev: u64,
}

/// A truth that a test may bend before it is recorded.
struct Rest {
    rests: Vec<(UserId, Truth)>,
    screens: Vec<(&'static str, UserId, Truth)>,
    rows: Option<Rows>,
}

impl Story {
    fn begin() -> Self {
        let [ada, ben, cleo] = [(); 3].map(|()| UserId::generate());
        let room = ConversationId::generate();
        let mut story = Self {
            records: Vec::new(),
            t: 0,
            room,
            ada,
            ben,
            cleo,
            stored: Vec::new(),
            changes: Vec::new(),
            rev: 0,
        };
        let members = vec![ada, ben];
        story.push(DRIVER, None, What::Founded { conversation: room, kind: Kind::Group, members });
        story
    }

    fn push(&mut self, client: &str, user: Option<UserId>, what: What) {
        self.t += 10;
        self.records.push(Record { t: self.t, client: client.into(), user, what });
    }

    fn client(&self, client: &str) -> UserId {
        match client.split('/').next() {
            Some("ada") => self.ada,
            Some("ben") => self.ben,
            _ => self.cleo,
        }
    }

    fn saw(&mut self, client: &str, what: What) {
        let user = self.client(client);
        self.push(client, Some(user), what);
    }

    fn invoke(&mut self, client: &str, message: &Seen) {
        let (conversation, body) = (self.room, message.body.unwrap());
        let nonce = message.nonce.clone().unwrap();
        self.saw(client, What::Invoke { nonce, conversation, body, attempt: 1 });
    }

    fn ack(&mut self, client: &str, message: &Seen, duplicate: bool) {
        let nonce = message.nonce.clone().unwrap();
        let (conversation, message) = (self.room, message.clone());
        let Seen { seq, rev, id, .. } = message;
        self.saw(client, What::Acked { nonce, conversation, seq, rev, message: id, duplicate, state: None });
    }

    /// A message that nobody has tried to send yet, at the next place.
    fn draft(&self, client: &str) -> Seen {
        let seq = self.stored.len() as u64 + 1;
        let text = compose(client, seq, "hello");
        let (body, intact) = Seen::body_of(Some(&text));
        Seen {
            seq,
            rev: self.rev + 1,
            posted_rev: Some(self.rev + 1),
            id: MessageId::generate(),
            sender: self.client(client),
            nonce: Some(Nonce::generate()),
            body,
            intact,
            recalled: false,
            edited: false,
            mentions: Vec::new(),
            mentions_all: false,
            reactions: Vec::new(),
            pinned: false,
            reply_to: None,
        }
    }

    fn store(&mut self, message: &Seen) {
        self.rev = message.rev;
        self.stored.push(message.clone());
    }

    /// Sends, stores and acknowledges one.
    fn say(&mut self, client: &str) -> Seen {
        let message = self.draft(client);
        self.invoke(client, &message);
        self.store(&message);
        self.ack(client, &message, false);
        message
    }

    /// A client's rule lets a message onto its screen.
    fn applied(&mut self, client: &str, message: &Seen) {
        let own = message.sender == self.client(client);
        let what = What::Applied {
            conversation: self.room,
            rev: message.rev,
            change: "posted".into(),
            subject: None,
            message: Some(shown(message, own)),
            via: Via::Event,
            asked: None,
        };
        self.saw(client, what);
    }

    /// A message comes to a client that does not have the conversation.
    fn dropped(&mut self, client: &str, message: &Seen) {
        let (conversation, rev) = (self.room, message.rev);
        let message = Some(shown(message, false));
        self.saw(client, What::Dropped { conversation, rev, held: false, message });
    }

    fn change(&mut self, change: &str, subject: UserId) {
        self.rev += 1;
        self.changes.push(RowChange { rev: self.rev, change: change.into(), subject: Some(subject) });
        let what = What::Applied {
            conversation: self.room,
            rev: self.rev,
            change: change.into(),
            subject: Some(subject),
            message: None,
            via: Via::Event,
            asked: None,
        };
        self.saw("ada/2", what);
    }

    fn truth(&self, user: UserId) -> Truth {
        let head_seq = self.stored.len() as u64;
        let own = self.stored.iter().filter(|message| message.sender == user);
        let read_seq = own.map(|message| message.seq).max().unwrap_or_default();
        let unread = self
            .stored
            .iter()
            .filter(|message| message.seq > read_seq && message.sender != user && !message.recalled);
        let unread = unread.count() as u64;
        Truth {
            conversation: self.room,
            from_seq: 0,
            messages: self.stored.iter().map(|message| shown(message, message.sender == user)).collect(),
            head_seq,
            head_rev: self.rev,
            read_seq,
            unread: Some(unread),
            mentions: Some(0),
        }
    }

    /// What a run that went well ends with.
    fn rest(&self) -> Rest {
        let members = [self.ada, self.ben];
        let row = |user| {
            let read_seq = self.truth(user).read_seq;
            RowMember { user, joined_seq: 0, joined_rev: 0, read_seq, mentions: None }
        };
        Rest {
            rests: members.map(|user| (user, self.truth(user))).into(),
            screens: vec![
                ("ada/1", self.ada, self.truth(self.ada)),
                ("ben/1", self.ben, self.truth(self.ben)),
            ],
            rows: Some(Rows {
                conversation: self.room,
                messages: self.stored.clone(),
                head_seq: self.stored.len() as u64,
                head_rev: self.rev,
                members: members.map(row).into(),
                changes: self.changes.clone(),
                versions: Vec::new(),
            }),
        }
    }

    fn end(mut self, rest: Rest) -> Report {
        for (client, user, truth) in rest.screens {
            let done = What::Quiesced { complete: true, waited_ms: 5, unsent: 0, behind: Vec::new() };
            self.push(client, Some(user), done);
            self.push(client, Some(user), What::Screen(truth));
        }
        for (user, truth) in rest.rests {
            self.push("rest", Some(user), What::Rest(truth));
        }
        if let Some(rows) = rest.rows {
            self.push(DRIVER, None, What::Rows(rows));
        }
        judge(&self.records)
    }

    fn end_well(self) -> Report {
        let rest = self.rest();
        self.end(rest)
    }
}

impl Rest {
    /// Bends every truth alike.
    fn everywhere(&mut self, bend: impl Fn(&mut Vec<Seen>)) {
        let truths = self.rests.iter_mut().map(|(_, truth)| truth);
        let truths = truths.chain(self.screens.iter_mut().map(|(.., truth)| truth));
        for truth in truths {
            bend(&mut truth.messages);
        }
        bend(&mut self.rows.as_mut().unwrap().messages);
    }
}

/// A message as a client gets it: without what only rows have, and the nonce for the sender alone.
fn shown(message: &Seen, own: bool) -> Seen {
    let nonce = message.nonce.clone().filter(|_| own);
    Seen { nonce, posted_rev: None, ..message.clone() }
}

#[track_caller]
fn breaks(report: &Report, rule: Rule) {
    assert_eq!(report.broken(), [rule], "{report}");
}

#[test]
fn a_good_history_passes() {
    let mut story = Story::begin();
    for client in ["ada/1", "ben/1", "ada/1", "ada/2", "ben/1"] {
        let message = story.say(client);
        story.applied("ada/2", &message);
        story.applied("ben/1", &message);
    }
    story.change("joined", story.cleo);
    let message = story.say("cleo/1");
    story.applied("ada/2", &message);
    story.change("left", story.cleo);
    // A retry, an attempt whose answer was lost, and one that was refused and then stored.
    story.invoke("cleo/1", &message);
    story.ack("cleo/1", &message, true);
    let message = story.draft("ada/1");
    story.invoke("ada/1", &message);
    story.saw("ada/1", What::Unknown { nonce: message.nonce.clone().unwrap() });
    story.store(&message);
    let message = story.draft("ben/1");
    story.invoke("ben/1", &message);
    let nonce = message.nonce.clone().unwrap();
    story.saw("ben/1", What::Refused { nonce, code: Code::Unavailable, retryable: true });
    story.invoke("ben/1", &message);
    story.store(&message);
    story.ack("ben/1", &message, false);
    let report = story.end_well();
    assert!(report.is_clean(), "{report}");
    assert_eq!((report.totals.sent, report.totals.acked, report.totals.retries), (8, 7, 2));
    assert_eq!((report.totals.absorbed, report.totals.refused, report.totals.unknown), (1, 1, 1));
}

#[test]
fn c1_an_acknowledged_message_is_nowhere() {
    let mut story = Story::begin();
    story.say("ada/1");
    let lost = story.say("ada/1");
    story.stored.pop();
    story.rev = lost.rev - 1;
    breaks(&story.end_well(), Rule::C1);
}

#[test]
fn c1_an_acknowledged_message_is_missing_in_one_truth() {
    let story = || {
        let mut story = Story::begin();
        (0..3).for_each(|_| drop(story.say("ada/1")));
        story
    };
    let (one, two, three) = (story(), story(), story());
    let mut rest = one.rest();
    rest.rows.as_mut().unwrap().messages.remove(1);
    breaks(&one.end(rest), Rule::C1);
    let mut rest = two.rest();
    rest.screens[1].2.messages.remove(1);
    breaks(&two.end(rest), Rule::C1);
    let mut rest = three.rest();
    rest.rests[0].1.messages.remove(0);
    rest.rests[0].1.from_seq = 1;
    breaks(&three.end(rest), Rule::C1);
}

#[test]
fn c2_a_retry_was_stored_again() {
    let mut story = Story::begin();
    let message = story.say("ada/1");
    let again = Seen { nonce: Some(Nonce::generate()), ..story.draft("ada/1") };
    story.store(&Seen { body: message.body, ..again });
    breaks(&story.end_well(), Rule::C2);
}

#[test]
fn c2_a_nonce_an_id_or_a_place_twice() {
    let bends: [fn(&mut Vec<Seen>); 3] = [
        |all| {
            let first = all[0].clone();
            (all[1].nonce, all[1].body) = (first.nonce, first.body);
        },
        |all| {
            let Seen { seq, rev, posted_rev, .. } = all[1];
            all[1] = Seen { seq, rev, posted_rev, ..all[0].clone() };
        },
        |all| all.push(all[1].clone()),
    ];
    for bend in bends {
        let mut story = Story::begin();
        for _ in 0..2 {
            let message = story.draft("ada/1");
            story.invoke("ada/1", &message);
            story.store(&message);
        }
        let mut rest = story.rest();
        rest.everywhere(bend);
        // Others see no nonces.
        breaks(&story.end(rest), Rule::C2);
    }
}

#[test]
fn c3_members_have_two_orders() {
    let mut story = Story::begin();
    for _ in 0..2 {
        let message = story.draft("ada/1");
        story.invoke("ada/1", &message);
        story.store(&message);
    }
    let mut rest = story.rest();
    let swapped = &mut rest.screens[1].2.messages;
    swapped.swap(0, 1);
    (swapped[0].seq, swapped[1].seq) = (1, 2);
    breaks(&story.end(rest), Rule::C3);
}

#[test]
fn c3_a_screen_shows_another_order() {
    let mut story = Story::begin();
    (0..2).for_each(|_| drop(story.say("ada/1")));
    let mut rest = story.rest();
    rest.screens[1].2.messages.swap(0, 1);
    breaks(&story.end(rest), Rule::C3);
}

#[test]
fn c3_a_sender_is_overtaken_by_its_own_next_message() {
    let mut story = Story::begin();
    let (second, first) = (story.draft("ada/1"), story.draft("ada/1"));
    let first = Seen { seq: 2, rev: 2, posted_rev: Some(2), ..first };
    let second = Seen { body: Some(BodyHash(7)), ..second };
    for message in [&first, &second] {
        story.invoke("ada/1", message);
        story.ack("ada/1", message, false);
    }
    story.store(&second);
    story.store(&first);
    breaks(&story.end_well(), Rule::C3);
}

#[test]
fn c4_a_place_was_never_given() {
    let mut story = Story::begin();
    story.say("ada/1");
    let late = story.draft("ada/1");
    let late = Seen { seq: 3, ..late };
    story.invoke("ada/1", &late);
    story.store(&late);
    story.ack("ada/1", &late, false);
    let mut rest = story.rest();
    let heads = rest.rests.iter_mut().map(|(_, truth)| truth);
    for truth in heads.chain(rest.screens.iter_mut().map(|(.., truth)| truth)) {
        truth.head_seq = 3;
    }
    rest.rows.as_mut().unwrap().head_seq = 3;
    breaks(&story.end(rest), Rule::C4);
}

#[test]
fn c4_a_change_has_no_number_or_no_follower() {
    let mut story = Story::begin();
    story.say("ada/1");
    story.rev += 1;
    story.say("ada/1");
    breaks(&story.end_well(), Rule::C4);

    let mut story = Story::begin();
    let [one, _, three] = [(); 3].map(|()| story.say("ada/1"));
    story.applied("ben/1", &one);
    story.applied("ben/1", &three);
    breaks(&story.end_well(), Rule::C4);
}

#[test]
fn c5_nobody_sent_it() {
    let mut story = Story::begin();
    story.say("ada/1");
    let ghost = story.draft("ben/1");
    story.store(&ghost);
    breaks(&story.end_well(), Rule::C5);
}

#[test]
fn c5_it_was_refused_and_stands_there() {
    let mut story = Story::begin();
    let message = story.draft("ada/1");
    story.invoke("ada/1", &message);
    let nonce = message.nonce.clone().unwrap();
    story.saw("ada/1", What::Refused { nonce, code: Code::Unavailable, retryable: true });
    story.store(&message);
    breaks(&story.end_well(), Rule::C5);
}

#[test]
fn c6_a_text_is_damaged() {
    let mut story = Story::begin();
    story.say("ada/1");
    let mut rest = story.rest();
    rest.everywhere(|all| (all[0].body, all[0].intact) = (Some(BodyHash(1)), false));
    breaks(&story.end(rest), Rule::C6);
}

#[test]
fn c7_somebody_who_was_removed_goes_on_hearing() {
    let mut story = Story::begin();
    story.change("joined", story.cleo);
    let message = story.say("ada/1");
    story.applied("cleo/1", &message);
    story.applied("ada/2", &message);
    story.change("left", story.cleo);
    let message = story.say("ada/1");
    story.dropped("cleo/1", &message);
    breaks(&story.end_well(), Rule::C7);
}

#[test]
fn c7_a_newcomer_is_told_what_was_said_before() {
    let mut story = Story::begin();
    let message = story.say("ada/1");
    story.change("joined", story.cleo);
    story.dropped("cleo/1", &message);
    story.change("left", story.cleo);
    breaks(&story.end_well(), Rule::C7);
}

#[test]
fn c7_without_rows_and_without_witnesses_the_answer_to_the_removal_decides() {
    let mut story = Story::begin();
    let (conversation, subject) = (story.room, story.cleo);
    for join in [true, false] {
        let (asked, answered) = (story.t, Some(story.t + 5));
        let what = What::Membership { conversation, subject, join, asked, answered, done: true };
        story.push("rest", Some(story.ada), what);
        story.rev += 1;
    }
    let message = story.say("ada/1");
    story.applied("cleo/1", &message);
    let mut rest = story.rest();
    rest.rows = None;
    breaks(&story.end(rest), Rule::C7);
}

#[test]
fn c8_a_retry_gets_another_place() {
    let mut story = Story::begin();
    let message = story.say("ada/1");
    story.say("ada/1");
    story.invoke("ada/1", &message);
    story.ack("ada/1", &Seen { seq: 2, ..message }, true);
    breaks(&story.end_well(), Rule::C8);
}

#[test]
fn c9_a_read_mark_moves_back() {
    let mut story = Story::begin();
    story.say("ada/1");
    story.say("ada/1");
    let (conversation, user) = (story.room, story.ada);
    for seq in [2, 1] {
        story.saw("ben/1", What::ReadSeen { conversation, user, seq, unread: None, mentions: None });
    }
    breaks(&story.end_well(), Rule::C9);
}

#[test]
fn c9_of_several_nodes_one_may_tell_a_mark_late() {
    let run = |several| What::Run { seed: 1, server: "0".into(), several, workload: Default::default() };
    for several in [true, false] {
        let mut story = Story::begin();
        story.push(DRIVER, None, run(several));
        let (conversation, user) = (story.room, story.ada);
        for n in 1..=2 {
            story.say("ada/1");
            story.saw("ben/1", What::ReadSeen { conversation, user, seq: n, unread: None, mentions: None });
        }
        story.saw("ben/1", What::ReadSeen { conversation, user, seq: 1, unread: None, mentions: None });
        let report = story.end_well();
        assert_eq!(report.broken(), if several { vec![] } else { vec![Rule::C9] }, "{report}");
    }
}

#[test]
fn c9_a_mark_that_was_seen_is_gone_at_the_end() {
    let mut story = Story::begin();
    story.say("ada/1");
    let (conversation, user) = (story.room, story.ben);
    story.saw("ada/1", What::ReadSeen { conversation, user, seq: 1, unread: None, mentions: None });
    breaks(&story.end_well(), Rule::C9);
}

#[test]
fn c9_a_head_is_told_lower_than_before() {
    let mut story = Story::begin();
    story.say("ada/1");
    let epoch = Epoch::generate();
    for head_rev in [5, 4] {
        let head =
            Head { conversation: story.room, head_seq: 1, head_rev, read_seq: 0, unread: 1, mentions: 0 };
        story.saw("ben/1", What::Hello { epoch, reset: false, heads: vec![head], gone: Vec::new() });
    }
    breaks(&story.end_well(), Rule::C9);
}

#[test]
fn c10_a_screen_shows_something_else() {
    let mut story = Story::begin();
    story.say("ada/1");
    let mut rest = story.rest();
    rest.screens[1].2.messages[0].edited = true;
    breaks(&story.end(rest), Rule::C10);
}

#[test]
fn c10_what_somebody_saw_is_gone() {
    let mut story = Story::begin();
    story.say("ada/1");
    let message = story.draft("ada/1");
    story.invoke("ada/1", &message);
    story.applied("ben/1", &message);
    breaks(&story.end_well(), Rule::C10);
}

#[test]
fn c11_a_client_is_stuck() {
    let mut story = Story::begin();
    story.say("ada/1");
    story.say("ada/1");
    let mut rest = story.rest();
    let screen = &mut rest.screens[1].2;
    screen.messages.pop();
    (screen.head_seq, screen.head_rev, screen.unread) = (1, 1, Some(1));
    breaks(&story.end(rest), Rule::C11);

    let mut story = Story::begin();
    story.say("ada/1");
    let behind = vec![(story.room, 0, 1)];
    story.saw("ben/2", What::Quiesced { complete: false, waited_ms: 30_000, unsent: 0, behind });
    breaks(&story.end_well(), Rule::C11);
}

#[test]
fn c12_unread_is_miscounted() {
    let mut story = Story::begin();
    story.say("ada/1");
    let mut rest = story.rest();
    rest.rests[1].1.unread = Some(2);
    breaks(&story.end(rest), Rule::C12);

    let mut story = Story::begin();
    story.say("ada/1");
    let mut rest = story.rest();
    rest.screens[1].2.read_seq = 1;
    breaks(&story.end(rest), Rule::C12);
}

#[test]
fn the_table_names_what_it_found() {
    let mut story = Story::begin();
    story.say("ada/1");
    let mut rest = story.rest();
    rest.rests[1].1.unread = Some(2);
    let table = story.end(rest).to_string();
    assert!(table.contains("C12  unread wrong at rest                       1"), "{table}");
    assert!(table.contains("says 2 unread in"), "{table}");
}
