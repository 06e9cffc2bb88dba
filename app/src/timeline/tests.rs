use super::cache::{CACHE_MESSAGES, OPEN_ROWS, STEP};
use super::*;
use crate::api::Span;
use proptest::prelude::*;
use protocol::rest::Messages;
use protocol::{Body, Change, ChangeKind, ConversationId, UserId};
use std::collections::HashSet;
use uuid::Uuid;

pub(crate) fn user(number: u128) -> UserId {
    UserId::from_uuid(Uuid::from_u128(number))
}

pub(crate) fn conversation_id(number: u128) -> ConversationId {
    ConversationId::from_uuid(Uuid::from_u128(0xc0 << 64 | number))
}

pub(crate) fn message(seq: u64, rev: u64, sender: UserId) -> Message {
    Message {
        id: MessageId::from_uuid(Uuid::from_u128(u128::from(seq))),
        conversation: conversation_id(1),
        seq,
        rev,
        sender,
        nonce: None,
        body: Body::Text { text: format!("message {seq}").parse().unwrap() },
        sent_at: Timestamp::from_millis(1_795_000_000_000 + i64::try_from(seq).unwrap()),
        edited_at: None,
        recalled: false,
        reply_to: None,
        mentions: Vec::new(),
        mentions_all: false,
        reactions: Vec::new(),
        pinned: false,
    }
}

/// A conversation in which change `n` posts message `n`.
fn posted(seq: u64) -> Change {
    Change::new(seq, ChangeKind::Posted { message: message(seq, seq, user(2)) })
}

fn page(seqs: std::ops::RangeInclusive<u64>, head: u64) -> Messages {
    let messages = seqs.map(|seq| message(seq, seq, user(2))).collect();
    Messages { messages, quoted: Vec::new(), happened: Vec::new(), head_seq: head, head_rev: head }
}

fn seqs(timeline: &Timeline) -> Vec<u64> {
    timeline.window(user(1), Vec::new()).rows.iter().filter_map(Row::seq).collect()
}

fn pending(nonce: &str) -> Arc<Pending> {
    Arc::new(Pending {
        nonce: nonce.parse().unwrap(),
        act: Act::Send { text: "soon".parse().unwrap(), reply_to: None },
        at: Timestamp::from_millis(0),
        state: PendingState::Waiting,
    })
}

fn renamed(rev: u64, after: Option<u64>) -> Change {
    let kind = ChangeKind::Renamed { by: user(2), title: format!("title {rev}") };
    Change { after, at: Some(Timestamp::from_millis(1)), ..Change::new(rev, kind) }
}

fn keys(timeline: &Timeline) -> Vec<String> {
    let rows = timeline.window(user(1), Vec::new()).rows;
    let name = |row: &Row| row.seq().map_or_else(|| format!("{:?}", row.key()), |seq| seq.to_string());
    rows.iter().map(name).collect()
}

#[test]
fn lines_stand_where_they_happened() {
    let mut first = page(1..=3, 3);
    (first.head_rev, first.happened) = (5, vec![renamed(5, Some(2)), renamed(4, Some(2))]);
    let mut timeline = Timeline::new(first, None);
    assert_eq!(keys(&timeline), ["1", "2", "Line(4)", "Line(5)", "3"]);
    timeline.apply(&renamed(6, None));
    let mut posted = message(4, 7, user(2));
    posted.seq = 4;
    timeline.apply(&Change::new(7, ChangeKind::Posted { message: posted }));
    timeline.apply(&renamed(8, Some(4)));
    assert_eq!(keys(&timeline), ["1", "2", "Line(4)", "Line(5)", "3", "Line(6)", "4", "Line(8)"]);
    // Before the first message only where nothing comes before it.
    let early = |seqs: std::ops::RangeInclusive<u64>| {
        let mut one = page(seqs, 60);
        one.happened = vec![renamed(1, Some(0))];
        keys(&Timeline::new(one, None)).first().cloned()
    };
    assert_eq!(early(1..=60).as_deref(), Some("Line(1)"));
    assert_eq!(early(11..=60).as_deref(), Some("11"));
}

#[test]
fn lines_are_bounded_kept_and_shown() {
    let mut timeline = Timeline::new(page(1..=3, 3), None);
    let most = lines::LINES as u64;
    for rev in 4..most + 100 {
        timeline.apply(&renamed(rev, Some(3)));
    }
    let rows = timeline.window(user(1), Vec::new()).rows;
    assert_eq!(rows.len(), 3 + WINDOW_ROWS);
    assert_eq!(rows.last().map(Row::key), Some(RowKey::Line(most + 99)));
}

#[test]
fn what_happens_to_a_message_takes_its_place_also_from_an_older_page() {
    let mut timeline = Timeline::new(page(51..=60, 60), None);
    let mut edited = message(20, 61, user(2));
    edited.pinned = true;
    timeline.apply(&Change::new(61, ChangeKind::Pinned { message: edited }));
    let mut recalled = message(55, 62, user(2));
    recalled.recalled = true;
    timeline.apply(&Change::new(62, ChangeKind::Recalled { message: recalled }));
    assert_eq!(timeline.find(MessageId::from_uuid(Uuid::from_u128(55))).map(|one| one.recalled), Some(true));
    assert_eq!(timeline.unread(user(1), 50, 60), Some((9, 0)));
    timeline.show_older();
    timeline.prepend(page(1..=50, 60), 50);
    let twenty = timeline.find(MessageId::from_uuid(Uuid::from_u128(20))).unwrap();
    assert!(twenty.pinned, "the page was read before");
}

#[test]
fn applies_only_the_next_change() {
    let mut timeline = Timeline::new(page(1..=3, 3), None);
    assert_eq!(timeline.apply(&posted(3)), Applied::Duplicate);
    assert_eq!(timeline.apply(&posted(5)), Applied::Gap { after: 3 });
    assert_eq!(timeline.apply(&posted(4)), Applied::Done);
    assert_eq!(seqs(&timeline), [1, 2, 3, 4]);
    assert_eq!(timeline.apply_changes(5, 6, &[posted(6)]), Applied::Gap { after: 4 });
    assert_eq!(timeline.apply_changes(2, 7, &[posted(3), posted(4), posted(5), posted(6)]), Applied::Done);
    assert_eq!((timeline.rev(), seqs(&timeline)), (7, vec![1, 2, 3, 4, 5, 6]));
}

#[test]
fn a_change_that_is_no_message_moves_the_position_only() {
    let mut timeline = Timeline::new(page(1..=3, 3), None);
    assert_eq!(timeline.apply(&Change::new(4, ChangeKind::Unsupported)), Applied::Done);
    assert_eq!((timeline.rev(), timeline.head_seq()), (4, 3));
}

#[test]
fn an_empty_conversation_is_complete_and_takes_its_first_message() {
    let mut timeline = Timeline::new(
        Messages { messages: Vec::new(), quoted: Vec::new(), happened: Vec::new(), head_seq: 0, head_rev: 2 },
        None,
    );
    let window = timeline.window(user(1), vec![pending("n")]);
    assert!(window.at_start && window.at_head);
    assert_eq!(window.rows.len(), 1);
    let first = Change::new(3, ChangeKind::Posted { message: message(1, 3, user(2)) });
    assert_eq!(timeline.apply(&first), Applied::Done);
    assert_eq!(seqs(&timeline), [1]);
}

#[test]
fn an_echo_goes_when_its_message_is_there_and_keeps_its_key() {
    let mut timeline = Timeline::new(page(1..=3, 3), None);
    let echo = pending("mine");
    let before = timeline.window(user(1), vec![Arc::clone(&echo)]);
    let mut mine = message(4, 4, user(1));
    mine.nonce = Some(echo.nonce.clone());
    timeline.apply(&Change::new(4, ChangeKind::Posted { message: mine }));
    let after = timeline.window(user(1), vec![echo]);
    assert_eq!((before.rows.len(), after.rows.len()), (4, 4));
    assert_eq!(before.rows.last().map(Row::key), after.rows.last().map(Row::key));
    assert_ne!(before.rows.last(), after.rows.last());
}

#[test]
fn the_window_slides_within_the_cache_and_asks_at_its_ends() {
    let mut timeline = Timeline::new(page(951..=1_000, 1_000), None);
    assert_eq!(seqs(&timeline).len(), 50);
    assert_eq!(timeline.show_older(), Some(Span::Before(951)));
    assert_eq!(timeline.show_older(), None, "it is already being fetched");
    assert!(timeline.window(user(1), Vec::new()).fetching_older);
    timeline.prepend(page(901..=950, 1_000), 50);
    assert_eq!((seqs(&timeline).first(), seqs(&timeline).len()), (Some(&901), 100));
    for start in [851, 801, 751, 701] {
        assert_eq!(timeline.show_older(), Some(Span::Before(start + STEP)));
        timeline.prepend(page(start..=start + STEP - 1, 1_000), 50);
        assert_eq!(seqs(&timeline).first(), Some(&start));
        assert!(seqs(&timeline).len() <= WINDOW_ROWS);
    }
    assert!(!timeline.window(user(1), vec![pending("n")]).at_head, "the window left the end");
    assert_eq!(
        timeline.window(user(1), vec![pending("n")]).rows.len(),
        WINDOW_ROWS,
        "unsent ones stand at the end only"
    );
    // A new message does not move what is being read.
    let before = seqs(&timeline);
    timeline.apply(&posted(1_001));
    assert_eq!(seqs(&timeline), before);
    assert_eq!(timeline.show_newer(), None, "it is cached");
    assert_eq!(seqs(&timeline).first(), Some(&751));
    assert_eq!(timeline.show_newest(), None);
    assert_eq!((seqs(&timeline).last(), seqs(&timeline).len() as u64), (Some(&1_001), OPEN_ROWS));
}

#[test]
fn the_start_is_known_from_a_short_page_or_the_first_message() {
    let mut timeline = Timeline::new(page(51..=60, 60), None);
    timeline.show_older();
    timeline.prepend(page(21..=50, 60), 50);
    assert!(timeline.window(user(1), Vec::new()).at_start, "whoever joined late may see no more");
    assert_eq!(timeline.show_older(), None);
}

#[test]
fn a_page_around_a_message_leads_to_the_newest_one() {
    let mut timeline = Timeline::new(page(401..=450, 1_000), Some(425));
    assert!(!timeline.window(user(1), Vec::new()).at_head);
    assert_eq!(timeline.apply(&posted(1_001)), Applied::Done, "outside the cached run, yet known");
    assert_eq!(timeline.head_seq(), 1_001);
    assert_eq!(timeline.show_newer(), Some(Span::After(450)));
    timeline.append(page(451..=500, 1_000));
    assert_eq!(seqs(&timeline).last(), Some(&500));
    assert_eq!(timeline.show_newest(), Some(Span::Newest));
    // Read before message 1,001: it is put on top from memory.
    timeline.jump(page(951..=1_000, 1_000), None);
    assert_eq!((seqs(&timeline).first(), seqs(&timeline).last()), (Some(&951), Some(&1_001)));
    assert!(timeline.window(user(1), Vec::new()).at_head);
}

#[test]
fn the_cache_is_bounded_at_the_end_the_reader_is_not_at() {
    let mut timeline = Timeline::new(page(1..=1, 1), None);
    for seq in 2..=CACHE_MESSAGES as u64 + 10 {
        timeline.apply(&posted(seq));
    }
    let window = timeline.window(user(1), Vec::new());
    assert_eq!((window.rows.len(), window.rows.last().and_then(Row::seq)), (WINDOW_ROWS, Some(5_010)));
    while timeline.show_older().is_none() {}
    assert_eq!(seqs(&timeline).first(), Some(&11), "the oldest ones were dropped");
    timeline.prepend(page(1..=10, 5_010), 50);
    assert!(timeline.window(user(1), Vec::new()).at_start);
    assert!(!timeline.reaches_head(), "now the newest ones were");
    timeline.apply(&posted(5_011));
    assert_eq!(seqs(&timeline).first(), Some(&1));
    assert_eq!(timeline.show_newest(), Some(Span::Newest));
}

#[test]
fn unread_is_counted_where_it_is_cached() {
    let me = user(1);
    let mut page = page(11..=20, 20);
    page.messages[3].sender = me;
    page.messages[5].recalled = true;
    page.messages[9].mentions = vec![me];
    let timeline = Timeline::new(page, None);
    assert_eq!(timeline.unread(me, 10, 20), Some((8, 1)));
    assert_eq!(timeline.unread(me, 19, 20), Some((1, 1)));
    assert_eq!(timeline.unread(me, 20, 20), Some((0, 0)));
    assert_eq!(timeline.unread(me, 9, 20), None);
    assert_eq!(timeline.unread(me, 12, 21), None);
}

#[derive(Clone, Debug)]
enum Step {
    Event(u64),
    Changes(u64, u64),
    Older,
    Newer,
    Newest,
    Around(u64),
    OldAnswer,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0_u64..4).prop_map(Step::Event),
        2 => (0_u64..10, 0_u64..30).prop_map(|(back, count)| Step::Changes(back, count)),
        2 => Just(Step::Older),
        2 => Just(Step::Newer),
        1 => Just(Step::Newest),
        1 => (1_u64..400).prop_map(Step::Around),
        1 => Just(Step::OldAnswer),
    ]
}

proptest! {
    /// Whatever comes in whatever order: no row twice, no hole, in order, never more than a window.
    #[test]
    fn rows_are_a_run_without_holes(steps in proptest::collection::vec(step(), 1..120)) {
        const HEAD: u64 = 400;
        let answer = |span: Span, head: u64| match span {
            Span::Newest => page(head.saturating_sub(49).max(1)..=head, head),
            Span::Before(seq) => page(seq.saturating_sub(50).max(1)..=seq - 1, head),
            Span::After(seq) => page(seq + 1..=(seq + 50).min(head), head),
            Span::Around(seq) => page(seq.saturating_sub(25).max(1)..=(seq + 24).min(head), head),
        };
        let mut timeline = Timeline::new(page(151..=200, 200), None);
        for step in steps {
            let rev = timeline.rev();
            let span = match step {
                Step::Event(ahead) => {
                    if rev + ahead <= HEAD && rev + ahead > 0 {
                        timeline.apply(&posted(rev + ahead));
                    }
                    None
                }
                Step::Changes(back, count) => {
                    let from = rev.saturating_sub(back);
                    let to = (from + count).min(HEAD);
                    let changes: Vec<_> = (from + 1..=to).map(posted).collect();
                    timeline.apply_changes(from, to.max(from), &changes);
                    None
                }
                Step::Older => timeline.show_older(),
                Step::Newer => timeline.show_newer(),
                Step::Newest => timeline.show_newest(),
                Step::Around(seq) => timeline.show_around(seq.min(timeline.head_seq())),
                Step::OldAnswer => { timeline.prepend(page(101..=150, HEAD), 50); None }
            };
            // The answer was read when the log was anywhere between here and its end.
            let head = timeline.rev().max(200);
            match span {
                Some(span @ Span::Before(_)) => timeline.prepend(answer(span, head), 50),
                Some(span @ Span::After(_)) => timeline.append(answer(span, head)),
                Some(span @ Span::Newest) => timeline.jump(answer(span, head.saturating_sub(3)), None),
                Some(span @ Span::Around(seq)) => timeline.jump(answer(span, head), Some(seq)),
                None => {}
            }
            let shown = seqs(&timeline);
            prop_assert!(!shown.is_empty());
            prop_assert!(shown.len() <= WINDOW_ROWS);
            prop_assert!(shown.windows(2).all(|pair| pair[0] + 1 == pair[1]), "{shown:?}");
            let window = timeline.window(user(1), vec![pending("n")]);
            let keys: HashSet<_> = window.rows.iter().map(Row::key).collect();
            prop_assert_eq!(keys.len(), window.rows.len());
            prop_assert_eq!(window.at_head, shown.last() == Some(&timeline.head_seq()));
            prop_assert!(!window.at_start || shown.first() == Some(&1));
        }
    }
}
