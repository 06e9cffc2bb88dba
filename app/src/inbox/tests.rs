use super::*;
use crate::timeline::Applied;
use crate::timeline::tests::{conversation_id, message, user};
use proptest::prelude::*;
use protocol::{Change, ChangeKind, Kind, Member, Message, Role};

const ME: u128 = 1;

pub(crate) fn conversation(number: u128, head_seq: u64, read_seq: u64, unread: u64) -> Conversation {
    let member = |number, read_seq| Member { user: user(number), role: Role::Member, read_seq };
    Conversation {
        id: conversation_id(number),
        kind: Kind::Group,
        title: "Team".to_owned(),
        head_seq,
        head_rev: head_seq,
        read_seq,
        unread,
        mentions: 0,
        last_message: (head_seq > 0).then(|| message(head_seq, head_seq, user(2))),
        members: vec![member(ME, read_seq), member(2, head_seq)],
        member_count: 2,
        public: false,
        history: protocol::History::Join,
        settings: protocol::Settings::default(),
    }
}

fn entry(head_seq: u64, read_seq: u64, unread: u64) -> Entry {
    Entry::new(user(ME), conversation(1, head_seq, read_seq, unread), Activity::at(0))
}

fn change(rev: u64, kind: ChangeKind) -> Change {
    Change::new(rev, kind)
}

fn none(_: u64, _: u64) -> Option<(u64, u64)> {
    None
}

#[test]
fn a_message_of_another_is_unread_until_read() {
    let mut entry = entry(3, 3, 0);
    let mut named = message(4, 4, user(2));
    named.mentions = vec![user(ME)];
    entry.apply(&change(4, ChangeKind::Posted { message: named }));
    entry.apply(&change(5, ChangeKind::Posted { message: message(5, 5, user(2)) }));
    assert_eq!((entry.conversation().unread, entry.conversation().mentions), (2, 1));
    assert!(entry.read(4, none));
    assert_eq!((entry.conversation().unread, entry.conversation().mentions), (1, 0));
    assert_eq!(entry.untold(), Some(4));
    entry.told(4);
    assert_eq!(entry.untold(), None);
    assert!(!entry.read(2, none), "marks never move back");
}

#[test]
fn what_is_altered_counts_as_it_is_now() {
    let mut entry = entry(3, 3, 0);
    let kinds: [fn(Message) -> ChangeKind; 2] =
        [|message| ChangeKind::Edited { message }, |message| ChangeKind::Recalled { message }];
    for seq in 4..=6 {
        entry.apply(&change(seq, ChangeKind::Posted { message: message(seq, seq, user(2)) }));
    }
    let mut edited = message(5, 7, user(2));
    edited.mentions_all = true;
    entry.apply(&change(7, kinds[0](edited.clone())));
    assert_eq!((entry.conversation().unread, entry.conversation().mentions), (3, 1));
    let mut recalled = message(6, 8, user(2));
    (recalled.recalled, recalled.body) = (true, protocol::Body::Recalled);
    entry.apply(&change(8, kinds[1](recalled.clone())));
    assert_eq!((entry.conversation().unread, entry.conversation().mentions), (2, 1));
    assert_eq!(entry.conversation().last_message, Some(recalled));
    entry.apply(&change(9, ChangeKind::Reacted { message: message(2, 9, user(2)) }));
    assert!(!entry.is_estimated(), "a reaction counts for nothing");
}

#[test]
fn what_the_server_counted_and_was_altered_has_to_be_counted_again() {
    let mut entry = entry(9, 4, 5);
    let mut recalled = message(7, 10, user(2));
    recalled.recalled = true;
    let change = change(10, ChangeKind::Recalled { message: recalled });
    entry.apply(&change);
    assert!(entry.is_stale());
    let mut exact = entry.clone();
    exact.recount_from(|after, to| (after == 4 && to == 9).then_some((4, 0)));
    assert_eq!((exact.conversation().unread, exact.is_estimated()), (4, false));
    // An object from before the change says nothing about it.
    let mut late = conversation(1, 9, 4, 5);
    entry.replace(late.clone());
    assert!(entry.is_stale());
    (late.head_rev, late.unread) = (10, 4);
    entry.replace(late);
    assert_eq!((entry.conversation().unread, entry.is_estimated()), (4, false));
    // What is read already is not waited for.
    let mut read = self::entry(9, 8, 1);
    read.apply(&change);
    assert!(!read.is_estimated());
}

#[test]
fn a_group_has_one_owner_and_tells_who_may_find_it() {
    let mut entry = entry(0, 0, 0);
    let role = |user, role| ChangeKind::Role { by: self::user(ME), user: self::user(user), role };
    entry.apply(&change(1, role(ME, Role::Owner)));
    entry.apply(&change(2, role(2, Role::Owner)));
    let roles: Vec<_> = entry.conversation().members.iter().map(|member| member.role).collect();
    assert_eq!(roles, [Role::Admin, Role::Owner]);
    let (public, history) = (true, protocol::History::All);
    entry.apply(&change(3, ChangeKind::Access { by: user(2), public, history }));
    assert_eq!((entry.conversation().public, entry.conversation().history), (public, history));
}

#[test]
fn writing_reads_everything_before() {
    let mut entry = entry(3, 1, 2);
    entry.apply(&change(4, ChangeKind::Posted { message: message(4, 4, user(ME)) }));
    assert_eq!((entry.conversation().unread, entry.conversation().read_seq), (0, 4));
    assert_eq!(entry.untold(), None, "the server knows it from the message");
    assert_eq!(entry.conversation().members[0].read_seq, 4);
}

#[test]
fn a_mark_ahead_of_the_news_takes_effect_with_them() {
    let mut entry = entry(3, 3, 0);
    entry.read(5, none);
    assert_eq!(entry.conversation().read_seq, 3);
    for seq in 4..=6 {
        entry.apply(&change(seq, ChangeKind::Posted { message: message(seq, seq, user(2)) }));
    }
    assert_eq!((entry.conversation().read_seq, entry.conversation().unread), (5, 1));
}

#[test]
fn a_mark_inside_what_the_server_counted_is_exact_only_with_the_messages() {
    let mut one = entry(10, 2, 7);
    one.read(6, none);
    assert!(one.is_estimated());
    assert_eq!(one.conversation().unread, 4, "at most those there are");
    one.recount_from(|after, to| Some((to - after - 1, 0)));
    assert!(!one.is_estimated());
    assert_eq!(one.conversation().unread, 3);
    let mut other = entry(10, 2, 7);
    other.read_elsewhere(6, Some((2, 0)), none);
    assert!(other.is_estimated());
    assert_eq!(other.conversation().unread, 2);
    other.replace(conversation(1, 10, 6, 2));
    assert!(!other.is_estimated());
}

#[test]
fn a_lost_mark_is_told_again() {
    let mut entry = entry(5, 2, 3);
    entry.read(5, none);
    entry.told(5);
    entry.replace(conversation(1, 5, 2, 3));
    assert_eq!((entry.conversation().read_seq, entry.conversation().unread), (5, 0));
    assert_eq!(entry.untold(), Some(5));
}

#[test]
fn membership_and_title_follow_the_log() {
    let mut entry = entry(3, 3, 0);
    let by = user(2);
    entry.apply(&change(4, ChangeKind::Joined { by, user: user(3) }));
    entry.apply(&change(5, ChangeKind::Role { by, user: user(3), role: Role::Admin }));
    entry.apply(&change(6, ChangeKind::Renamed { by, title: "Crew".to_owned() }));
    let shown = entry.conversation();
    assert_eq!((shown.member_count, shown.members.len(), shown.title.as_str()), (3, 3, "Crew"));
    assert_eq!((shown.members[2].role, shown.members[2].read_seq), (Role::Admin, 3));
    entry.apply(&change(7, ChangeKind::Left { by: user(3), user: user(3) }));
    assert_eq!((entry.conversation().member_count, entry.conversation().members.len()), (2, 2));
    assert_eq!(entry.apply(&change(9, ChangeKind::Unsupported)), Applied::Gap { after: 7 });
    assert_eq!((entry.rev(), entry.known_rev()), (7, 9));
}

#[test]
fn a_large_group_carries_no_members_until_it_is_small_again() {
    let mut entry = entry(0, 0, 0);
    for number in 0..49 {
        let joined = ChangeKind::Joined { by: user(2), user: user(100 + number) };
        entry.apply(&change(1 + u64::try_from(number).unwrap(), joined));
    }
    assert_eq!((entry.conversation().member_count, entry.conversation().members.len()), (51, 0));
    assert!(!entry.lacks_members());
    entry.apply(&change(50, ChangeKind::Left { by: user(2), user: user(100) }));
    assert_eq!(entry.conversation().member_count, 50);
    assert!(entry.lacks_members());
}

#[test]
fn a_silent_conversation_calls_only_by_my_name() {
    let mut muted = conversation(1, 9, 4, 5);
    muted.mentions = 2;
    muted.settings.muted_until = Some(protocol::Timestamp::from_millis(100));
    muted.settings.archived = true;
    let inbox = Inbox::new(user(ME), &[muted, conversation(2, 3, 2, 1)]);
    assert_eq!(inbox.unread_total(99), 2 + 1);
    assert_eq!(inbox.listed(99, true), [conversation_id(1)], "what is silent stays away");
    assert_eq!(inbox.unread_total(100), 5 + 1, "until then");
    assert_eq!(inbox.listed(100, true), []);
}

#[test]
fn the_list_is_ordered_by_activity() {
    let mut quiet = conversation(2, 0, 0, 0);
    quiet.last_message = None;
    let mut inbox = Inbox::new(user(ME), &[conversation(1, 20, 0, 20), quiet, conversation(3, 10, 0, 10)]);
    assert_eq!(inbox.order(), [1, 2, 3].map(conversation_id), "as the server sent it");
    assert_eq!(inbox.unread_total(0), 30);
    let news = change(11, ChangeKind::Posted { message: message(30, 11, user(2)) });
    inbox.get_mut(conversation_id(3)).unwrap().apply(&news);
    assert_eq!(inbox.order()[0], conversation_id(3));
}

/// What happens around one conversation, in any order.
#[derive(Clone, Debug)]
enum Step {
    Post {
        mine: bool,
    },
    Deliver,
    Redeliver {
        back: u64,
    },
    Sync,
    /// The server's object of now, to arrive later.
    Snapshot,
    Arrive {
        which: usize,
    },
    ReadHere {
        back: u64,
        cached: bool,
    },
    Tell,
    ReadElsewhere {
        back: u64,
    },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => any::<bool>().prop_map(|mine| Step::Post { mine }),
        4 => Just(Step::Deliver),
        1 => (0_u64..5).prop_map(|back| Step::Redeliver { back }),
        1 => Just(Step::Sync),
        1 => Just(Step::Snapshot),
        1 => (0_usize..8).prop_map(|which| Step::Arrive { which }),
        2 => (0_u64..6, any::<bool>()).prop_map(|(back, cached)| Step::ReadHere { back, cached }),
        1 => Just(Step::Tell),
        1 => (0_u64..6).prop_map(|back| Step::ReadElsewhere { back }),
    ]
}

#[derive(Default)]
struct Server {
    mine: Vec<bool>,
    read: u64,
}

impl Server {
    fn head(&self) -> u64 {
        self.mine.len() as u64
    }

    /// Counts the messages after `read` up to `head` one by one.
    fn unread(&self, read: u64, head: u64) -> u64 {
        let (read, head) = (read as usize, head as usize);
        self.mine[read.min(head)..head].iter().filter(|mine| !**mine).count() as u64
    }

    fn change(&self, seq: u64) -> Change {
        let sender = if self.mine[seq as usize - 1] { user(ME) } else { user(2) };
        change(seq, ChangeKind::Posted { message: message(seq, seq, sender) })
    }

    fn object(&self) -> Conversation {
        conversation(1, self.head(), self.read, self.unread(self.read, self.head()))
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// The derived count is the recounted one after every step, unless it says that it is an estimate.
    #[test]
    fn unread_equals_a_recount(steps in proptest::collection::vec(step(), 1..150)) {
        let mut server = Server::default();
        let mut entry = Entry::new(user(ME), server.object(), Activity::at(0));
        let mut snapshots = Vec::new();
        for step in steps {
            let before = entry.conversation().read_seq;
            match step {
                Step::Post { mine } => {
                    server.mine.push(mine);
                    if mine { server.read = server.head(); }
                }
                Step::Deliver if entry.rev() < server.head() => {
                    prop_assert_eq!(entry.apply(&server.change(entry.rev() + 1)), Applied::Done);
                }
                Step::Redeliver { back } if entry.rev() > back => {
                    prop_assert_eq!(entry.apply(&server.change(entry.rev() - back)), Applied::Duplicate);
                }
                Step::Sync => {
                    let (from, to) = (entry.rev(), server.head());
                    let changes: Vec<_> = (from + 1..=to).map(|seq| server.change(seq)).collect();
                    entry.apply_changes(from, to, &changes);
                }
                Step::Snapshot => snapshots.push(server.object()),
                Step::Arrive { which } if which < snapshots.len() => entry.replace(snapshots.swap_remove(which)),
                Step::ReadHere { back, cached } => {
                    let seq = entry.conversation().head_seq.saturating_sub(back);
                    entry.read(seq, |after, to| cached.then(|| (server.unread(after, to), 0)));
                }
                Step::Tell => {
                    if let Some(seq) = entry.untold() {
                        server.read = server.read.max(seq);
                        entry.told(seq);
                    }
                }
                Step::ReadElsewhere { back } => {
                    server.read = server.read.max(server.head().saturating_sub(back));
                    let unread = server.unread(server.read, server.head());
                    entry.read_elsewhere(server.read, Some((unread, 0)), none);
                }
                Step::Deliver | Step::Redeliver { .. } | Step::Arrive { .. } => {}
            }
            let shown = entry.conversation();
            prop_assert!(shown.read_seq >= before, "a mark moved back");
            prop_assert!(shown.read_seq <= shown.head_seq);
            if !entry.is_estimated() {
                prop_assert_eq!(shown.unread, server.unread(shown.read_seq, shown.head_seq));
            }
        }
        // All told and all heard: exactly the server's own count, and no estimate any more.
        let (from, to) = (entry.rev(), server.head());
        let changes: Vec<_> = (from + 1..=to).map(|seq| server.change(seq)).collect();
        entry.apply_changes(from, to, &changes);
        server.read = server.read.max(entry.conversation().read_seq);
        entry.replace(server.object());
        prop_assert!(!entry.is_estimated());
        prop_assert_eq!(entry.conversation(), &server.object());
    }

}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    /// So it is when thousands come unread.
    #[test]
    fn folding_does_not_change_the_count(read_at in 0_u64..1_500, mine in proptest::collection::vec(any::<bool>(), 1_500)) {
        let mut server = Server::default();
        let mut entry = Entry::new(user(ME), server.object(), Activity::at(0));
        for (index, mine) in mine.into_iter().enumerate() {
            server.mine.push(mine && index % 97 == 0);
            let seq = server.head();
            entry.apply(&server.change(seq));
            if seq == read_at {
                entry.read(seq - 1, none);
            }
            prop_assert!(!entry.is_estimated());
        }
        let shown = entry.conversation();
        prop_assert_eq!(shown.unread, server.unread(shown.read_seq, shown.head_seq));
    }
}
