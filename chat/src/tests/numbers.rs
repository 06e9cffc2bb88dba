//! `seq`, `rev` and nonces: what makes loss and doubling visible.

use super::*;
use protocol::Role;
use tokio::task::JoinSet;

#[tokio::test(flavor = "multi_thread")]
async fn seq_and_rev_are_dense_under_200_concurrent_senders() {
    let scene = Scene::new().await;
    let people = scene.people::<10>().await;
    let id = scene.group(people[0], &people[1..]).await;
    let mut sending = JoinSet::new();
    for i in 0..200 {
        let (chat, who) = (scene.chat.clone(), people[i % people.len()]);
        sending.spawn(async move {
            let mut last = 0;
            for n in 0..5 {
                let seq = chat.post(who, id, message(&format!("{i} {n}"))).await.unwrap().message.seq;
                assert!(seq > last, "a sender's own messages keep their order");
                last = seq;
            }
        });
    }
    // Changes of another kind in between take a rev and no seq.
    let [late] = scene.people().await;
    scene.chat.add_member(people[1], id, late.user).await.unwrap();
    scene.chat.rename(people[0], id, "Renamed".to_owned()).await.unwrap();
    sending.join_all().await;

    let (mut after, mut revs, mut seqs) = (0, Vec::new(), Vec::new());
    loop {
        let page = scene.chat.changes(people[0], id, after, 77).await;
        // Further behind than the bound is told to start over.
        if after == 0 && matches!(page, Err(Error::Reset(_))) {
            let newest = scene.chat.history(people[0], id, Span::Newest, 1).await.unwrap();
            after = newest.head_rev - protocol::limits::SYNC_CHANGES;
            continue;
        }
        let page = page.unwrap();
        for change in &page.changes {
            revs.push(change.rev);
            if let ChangeKind::Posted { message } = &change.kind {
                assert_eq!(message.rev, change.rev);
                seqs.push(message.seq);
            }
        }
        after = page.to;
        if !page.more {
            break;
        }
    }
    let head = scene.chat.conversation(people[0], id).await.unwrap();
    assert_eq!((head.head_seq, head.head_rev), (1000, 1002));
    assert_eq!(revs, (head.head_rev - revs.len() as u64 + 1..=head.head_rev).collect::<Vec<_>>());
    assert_eq!(seqs, (head.head_seq - seqs.len() as u64 + 1..=head.head_seq).collect::<Vec<_>>());
    let mut before = 1001;
    for expected in (1..=1000).rev() {
        if before == expected + 1 {
            let page = scene.chat.history(people[0], id, Span::Before(before), 1).await.unwrap();
            assert_eq!(page.messages[0].seq, expected);
            before = expected;
        }
        if expected < 990 {
            break;
        }
    }
}

#[tokio::test]
async fn a_nonce_stands_for_one_message_for_ever() {
    let scene = Scene::new().await;
    let [ada, ben] = scene.people().await;
    let (id, other) = (scene.group(ada, &[ben]).await, scene.group(ada, &[ben]).await);
    let first = message("hello");
    let stored = scene.chat.post(ada, id, first.clone()).await.unwrap();
    assert!(!stored.duplicate);
    for _ in 0..3 {
        let again = scene.chat.post(ada, id, first.clone()).await.unwrap();
        assert_eq!((again.message, again.duplicate), (stored.message.clone(), true));
    }
    let changed = NewMessage { body: body("hello!"), ..first.clone() };
    assert_eq!(scene.chat.post(ada, id, changed).await, Err(Error::IdempotencyConflict));
    assert_eq!(scene.chat.post(ada, other, first.clone()).await, Err(Error::IdempotencyConflict));
    let answering = NewMessage { reply_to: Some(stored.message.id), ..first.clone() };
    assert_eq!(scene.chat.post(ada, id, answering).await, Err(Error::IdempotencyConflict));
    // Somebody else's nonce is another nonce.
    assert!(!scene.chat.post(ben, id, first.clone()).await.unwrap().duplicate);
    assert_eq!(scene.chat.conversation(ada, id).await.unwrap().head_seq, 2);
    // It keeps its first answer after its sender left.
    scene.chat.set_role(ada, id, ben.user, Role::Owner).await.unwrap();
    scene.chat.remove_member(ada, id, ada.user).await.unwrap();
    assert!(scene.chat.post(ada, id, first).await.unwrap().duplicate);
    assert_eq!(scene.chat.post(ada, id, message("new")).await, Err(Error::NotFound));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_nonce_many_times_at_once_is_stored_once() {
    let scene = Scene::new().await;
    let [ada, ben] = scene.people().await;
    let id = scene.group(ada, &[ben]).await;
    let new = message("once");
    let mut sending = JoinSet::new();
    for i in 0..60 {
        let (chat, mut new) = (scene.chat.clone(), new.clone());
        if i % 10 == 9 {
            new.body = body("another");
        }
        sending.spawn(async move { chat.post(ada, id, new).await });
    }
    let mut stored = BTreeSet::new();
    let (mut first, mut conflicts) = (0, 0);
    for answer in sending.join_all().await {
        match answer {
            Ok(posted) => {
                stored.insert(posted.message.id);
                first += usize::from(!posted.duplicate);
            }
            Err(error) => {
                assert_eq!(error, Error::IdempotencyConflict);
                conflicts += 1;
            }
        }
    }
    assert_eq!((stored.len(), first), (1, 1));
    // Whichever body came first, the other one never made a second row.
    assert!(conflicts == 6 || conflicts == 54, "{conflicts}");
    assert_eq!(scene.chat.conversation(ben, id).await.unwrap().head_seq, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn both_open_the_same_direct_conversation_at_once() {
    let scene = Scene::new().await;
    let [ada, ben] = scene.people().await;
    let mut opening = JoinSet::new();
    for i in 0..20 {
        let (chat, (me, other)) = (scene.chat.clone(), if i % 2 == 0 { (ada, ben) } else { (ben, ada) });
        opening.spawn(
            async move { chat.create(me, NewConversation::Direct { user: other.user }).await.unwrap() },
        );
    }
    let opened = opening.join_all().await;
    assert_eq!(opened.iter().map(|(conversation, _)| conversation.id).collect::<BTreeSet<_>>().len(), 1);
    assert_eq!(opened.iter().filter(|(_, created)| *created).count(), 1);
    assert_eq!(opened[0].0.id, ConversationId::direct(ada.user, ben.user));
    let nobody = NewConversation::Direct { user: UserId::generate() };
    assert_eq!(scene.chat.create(ada, nobody).await.unwrap_err(), Error::NotFound);
    let myself = NewConversation::Direct { user: ada.user };
    assert_eq!(scene.chat.create(ada, myself).await.unwrap_err().code(), Code::Invalid);
}

#[tokio::test]
async fn pages_meet_without_overlap_or_gap() {
    let scene = Scene::new().await;
    let [ada, ben] = scene.people().await;
    let id = scene.group(ada, &[ben]).await;
    for n in 1..=23 {
        assert_eq!(scene.say(ada, id, &n.to_string()).await, n);
    }
    let seqs = async |span, limit| -> Vec<u64> {
        let page = scene.chat.history(ben, id, span, limit).await.unwrap();
        assert_eq!((page.head_seq, page.head_rev), (23, 23));
        assert!(page.messages.iter().all(|message| message.nonce.is_none()), "nonces are the sender's");
        page.messages.iter().map(|message| message.seq).collect()
    };
    assert_eq!(seqs(Span::Newest, 3).await, [21, 22, 23]);
    assert_eq!(seqs(Span::Before(21), 3).await, [18, 19, 20]);
    assert_eq!(seqs(Span::Before(2), 3).await, [1]);
    assert_eq!(seqs(Span::Before(0), 3).await, [] as [u64; 0]);
    assert_eq!(seqs(Span::After(21), 5).await, [22, 23]);
    assert_eq!(seqs(Span::Around(10), 5).await, [8, 9, 10, 11, 12]);
    assert_eq!(seqs(Span::Newest, 0).await, [23]);
    assert_eq!(seqs(Span::Newest, u32::MAX).await.len(), 23);
}

#[tokio::test]
async fn a_newcomer_sees_what_comes_after_the_join() {
    let scene = Scene::new().await;
    let [ada, ben, cleo] = scene.people().await;
    let id = scene.group(ada, &[ben]).await;
    scene.say(ada, id, "before").await;
    assert_eq!(scene.chat.history(cleo, id, Span::Newest, 50).await, Err(Error::NotFound));
    scene.chat.add_member(ben, id, cleo.user).await.unwrap();
    let seen = scene.chat.conversation(cleo, id).await.unwrap();
    assert_eq!((seen.unread, seen.last_message, seen.member_count), (0, None, 3));
    let after = scene.say(ada, id, "after").await;
    let page = scene.chat.history(cleo, id, Span::Newest, 50).await.unwrap();
    assert_eq!(page.messages.iter().map(|message| message.seq).collect::<Vec<_>>(), [after]);
    assert!(matches!(scene.chat.changes(cleo, id, 0, 50).await, Err(Error::Reset(_))));
    // Nor can they reach behind it by answering what they cannot see.
    let before = scene.chat.history(ada, id, Span::Newest, 50).await.unwrap().messages[0].id;
    let answer = NewMessage { reply_to: Some(before), ..message("?") };
    assert_eq!(scene.chat.post(cleo, id, answer).await.unwrap_err().code(), Code::Invalid);
}

/// Who is what; of those who joined together, the higher role first.
async fn roles(scene: &Scene, who: Identity, id: ConversationId) -> Vec<(UserId, Role)> {
    let members = scene.chat.conversation(who, id).await.unwrap().members;
    members.iter().map(|member| (member.user, member.role)).collect()
}

#[tokio::test]
async fn a_group_is_ruled_by_its_roles_and_never_without_an_owner() {
    let scene = Scene::new().await;
    let [ada, ben, cleo, dan] = scene.people().await;
    let id = scene.group(ada, &[ben, cleo]).await;
    let code = |result: crate::Result<()>| result.unwrap_err().code();
    assert_eq!(code(scene.chat.remove_member(ben, id, cleo.user).await), Code::Forbidden);
    assert_eq!(code(scene.chat.rename(ben, id, "Mine".to_owned()).await.map(drop)), Code::Forbidden);
    assert_eq!(code(scene.chat.remove_member(dan, id, ben.user).await), Code::NotFound);
    assert_eq!(code(scene.chat.add_member(ada, id, UserId::generate()).await.map(drop)), Code::NotFound);
    scene.chat.remove_member(ada, id, cleo.user).await.unwrap();
    assert_eq!(scene.chat.conversation(cleo, id).await, Err(Error::NotFound));

    // An owner stays until somebody else is one; the one before becomes an admin.
    assert_eq!(code(scene.chat.remove_member(ada, id, ada.user).await), Code::Conflict);
    let give = async |by: Identity, to: Identity, role| scene.chat.set_role(by, id, to.user, role).await;
    assert_eq!(code(give(ben, ben, Role::Owner).await.map(drop)), Code::Forbidden);
    assert_eq!(code(give(ada, ada, Role::Member).await.map(drop)), Code::Conflict);
    assert_eq!(code(give(ada, cleo, Role::Admin).await.map(drop)), Code::NotFound);
    assert_eq!(code(give(dan, dan, Role::Admin).await.map(drop)), Code::NotFound);
    assert_eq!(give(ada, ben, Role::Owner).await.unwrap().role, Role::Owner);
    assert_eq!(roles(&scene, ben, id).await, [(ben.user, Role::Owner), (ada.user, Role::Admin)]);
    assert_eq!(code(scene.chat.remove_member(ada, id, ben.user).await), Code::Forbidden);
    scene.chat.remove_member(ada, id, ada.user).await.unwrap();
    assert_eq!(roles(&scene, ben, id).await, [(ben.user, Role::Owner)]);
    // Removed, role, role, left: four changes, numbered on.
    assert_eq!(scene.chat.conversation(ben, id).await.unwrap().head_rev, 4);
    scene.chat.remove_member(ben, id, ben.user).await.unwrap();

    let direct = scene.chat.create(ada, NewConversation::Direct { user: ben.user }).await.unwrap().0.id;
    assert_eq!(code(scene.chat.remove_member(ada, direct, ada.user).await), Code::Forbidden);
    assert_eq!(code(scene.chat.add_member(ada, direct, cleo.user).await.map(drop)), Code::Forbidden);
    assert_eq!(
        code(scene.chat.set_role(ada, direct, ben.user, Role::Admin).await.map(drop)),
        Code::Forbidden
    );
}

#[tokio::test]
async fn a_page_begins_at_a_time() {
    let scene = Scene::new().await;
    let [ada, ben, cleo] = scene.people().await;
    let id = scene.group(ada, &[ben]).await;
    let at = async |who: Identity, time: Timestamp| -> Vec<u64> {
        let page = scene.chat.history(who, id, Span::At(time), 3).await.unwrap();
        page.messages.iter().map(|message| message.seq).collect()
    };
    let (first, last) = (Timestamp::default(), Timestamp::from_millis(i64::MAX));
    assert_eq!(at(ada, first).await, [] as [u64; 0]);
    let mut times = Vec::new();
    for n in 0..17 {
        if n == 9 {
            scene.chat.add_member(ada, id, cleo.user).await.unwrap();
        }
        let sent = scene.chat.post(ada, id, message("x")).await.unwrap().message;
        times.push(sent.sent_at);
    }
    for time in &times {
        // Several messages may share a millisecond: the page begins with the first of them.
        let first = times.iter().position(|sent| sent >= time).unwrap() as u64 + 1;
        let expected: Vec<_> = (first..=17).take(3).collect();
        assert_eq!(at(ben, *time).await, expected);
        let visible = first.max(10);
        assert_eq!(
            at(cleo, *time).await,
            (visible..=17).take(3).collect::<Vec<_>>(),
            "only what she may see"
        );
    }
    assert_eq!((at(ben, first).await, at(ben, last).await), (vec![1, 2, 3], vec![]));
}

#[tokio::test]
async fn a_nonce_founds_one_group() {
    let scene = Scene::new().await;
    let [ada, ben, cleo] = scene.people().await;
    let new = |members: &[Identity], nonce: &str, public| NewConversation::Group {
        title: "Depot".to_owned(),
        members: members.iter().map(|who| who.user).collect(),
        nonce: Some(nonce.parse().unwrap()),
        public,
        history: protocol::History::Join,
    };
    let (first, created) = scene.chat.create(ada, new(&[ben, cleo], "n", false)).await.unwrap();
    assert!(created);
    let (again, created) = scene.chat.create(ada, new(&[cleo, ben, cleo], "n", false)).await.unwrap();
    assert_eq!((again.id, created), (first.id, false));
    for other in [new(&[ben], "n", false), new(&[ben, cleo], "n", true)] {
        assert_eq!(scene.chat.create(ada, other).await, Err(Error::IdempotencyConflict));
    }
    // It is used up for messages too, and the other way round; somebody else's is another one.
    let post = NewMessage { nonce: "n".parse().unwrap(), ..message("x") };
    assert_eq!(scene.chat.post(ada, first.id, post).await, Err(Error::IdempotencyConflict));
    let post = NewMessage { nonce: "m".parse().unwrap(), ..message("x") };
    scene.chat.post(ada, first.id, post).await.unwrap();
    assert_eq!(scene.chat.create(ada, new(&[], "m", false)).await, Err(Error::IdempotencyConflict));
    assert!(scene.chat.create(ben, new(&[cleo], "n", false)).await.unwrap().1);
    // Nobody who does not exist is in it, and the nonce is still free then.
    let nobody = Identity { user: UserId::generate(), ..ada };
    assert_eq!(scene.chat.create(ada, new(&[nobody], "o", false)).await.unwrap_err().code(), Code::Invalid);
    assert!(scene.chat.create(ada, new(&[], "o", false)).await.unwrap().1);
}
