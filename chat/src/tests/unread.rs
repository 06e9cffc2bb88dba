//! Unread counts against a recount of the rows, over random histories.

use super::statements::counted;
use super::*;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use protocol::rest::PatchSettings;

#[derive(Clone, Debug)]
enum Step {
    Send(usize),
    Read(usize, u64),
    Leave(usize),
    Join(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (0..4usize).prop_map(Step::Send),
        3 => ((0..4usize), (0..40u64)).prop_map(|(who, seq)| Step::Read(who, seq)),
        1 => (1..4usize).prop_map(Step::Leave),
        1 => (1..4usize).prop_map(Step::Join),
    ];
    prop::collection::vec(step, 1..40)
}

/// What a member should see: where they joined and the furthest they have read.
#[derive(Clone, Copy)]
struct Model {
    mark: u64,
}

async fn recount(scene: &Scene, who: Identity, id: ConversationId, mark: u64) -> u64 {
    let page = scene.chat.history(who, id, Span::Newest, 200).await.unwrap();
    page.messages.iter().filter(|m| m.seq > mark && m.sender != who.user && !m.recalled).count() as u64
}

async fn play(steps: &[Step]) {
    let scene = Scene::new().await;
    let people = scene.people::<4>().await;
    let id = scene.group(people[0], &people[1..]).await;
    let mut model = [Some(Model { mark: 0 }); 4];
    let mut head = 0;
    for step in steps {
        match *step {
            Step::Send(who) => {
                let sent = scene.chat.post(people[who], id, message("x")).await;
                assert_eq!(sent.is_ok(), model[who].is_some());
                if let Some(model) = &mut model[who] {
                    head += 1;
                    model.mark = head;
                }
            }
            Step::Read(who, seq) => {
                let read = scene.chat.read(people[who], id, seq, None).await;
                match &mut model[who] {
                    None => assert_eq!(read, Err(Error::NotFound)),
                    Some(model) => {
                        model.mark = model.mark.max(seq.min(head));
                        let read = read.unwrap();
                        assert_eq!(read.read_seq, model.mark, "never back, never past the head");
                        assert_eq!(read.unread, recount(&scene, people[who], id, model.mark).await);
                    }
                }
            }
            Step::Leave(who) => {
                let left = scene.chat.remove_member(people[who], id, people[who].user).await;
                assert_eq!(left.is_ok(), model[who].take().is_some());
            }
            Step::Join(who) => {
                scene.chat.add_member(people[0], id, people[who].user).await.unwrap();
                model[who].get_or_insert(Model { mark: head });
            }
        }
        for (who, model) in people.iter().zip(model) {
            let Some(Model { mark }) = model else {
                assert!(scene.chat.conversations(*who).await.unwrap().conversations.is_empty());
                continue;
            };
            let listed = scene.chat.conversations(*who).await.unwrap().conversations.remove(0);
            let expected = recount(&scene, *who, id, mark).await;
            assert_eq!((listed.read_seq, listed.unread), (mark, expected), "{step:?}");
            assert_eq!(scene.chat.conversation(*who, id).await.unwrap(), listed);
            let all = scene.chat.unread_all(*who).await.unwrap();
            assert!(all.private_unreads.is_empty());
            match all.group_unreads.first() {
                Some(unread) => {
                    assert_eq!((unread.unread, unread.messages.len() as u64), (expected, expected));
                }
                None => assert_eq!(expected, 0),
            }
        }
    }
}

#[test]
fn unread_equals_a_recount_after_every_order_of_send_read_leave_and_join() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let config = Config { cases: 24, failure_persistence: None, ..Config::default() };
    TestRunner::new(config)
        .run(&steps(), |steps| {
            runtime.block_on(play(&steps));
            Ok(())
        })
        .unwrap();
}

#[tokio::test]
async fn everything_unread_costs_as_many_queries_however_many_conversations_there_are() {
    let scene = Scene::new().await;
    let [ada, ben] = scene.people().await;
    for conversations in 1..=30 {
        let id = scene.group(ada, &[ben]).await;
        for _ in 0..3 {
            scene.say(ada, id, "x").await;
        }
        let (all, queries) = counted(scene.chat.unread_all(ben)).await;
        let all = all.unwrap();
        assert_eq!(all.group_unreads.len(), conversations);
        assert!(all.group_unreads.iter().all(|unread| unread.unread == 3 && unread.messages.len() == 3));
        assert_eq!(queries, 2, "conversations with their members, their messages");
    }
}

#[tokio::test]
async fn the_newest_unread_messages_are_told_without_own_ones_and_recalled_ones() {
    let scene = Scene::new().await;
    let [ada, ben] = scene.people().await;
    let id = scene.group(ada, &[ben]).await;
    let mut sent = Vec::new();
    for n in 1..=120 {
        let who = if n == 20 { ben } else { ada };
        sent.push(scene.chat.post(who, id, message("x")).await.unwrap().message);
    }
    for n in [90, 100, 110] {
        scene.chat.act(ada, sent[n - 1].id, None, crate::Act::Recall).await.unwrap();
    }
    let told = async || {
        let all = scene.chat.unread_all(ben).await.unwrap().group_unreads.remove(0);
        (all.unread, all.messages.iter().map(|message| message.seq).collect::<Vec<_>>())
    };
    let newest: Vec<_> = (1..=120).filter(|n| ![90, 100, 110].contains(n)).collect();
    // Fifty of them, although three of the newest are gone.
    assert_eq!(told().await, (97, newest[newest.len() - 50..].to_vec()));
    scene.chat.read(ben, id, 120, None).await.unwrap();
    scene.chat.mark_unread(ben, id, 15, None).await.unwrap();
    assert_eq!(told().await, (102, newest[newest.len() - 50..].to_vec()));
    scene.chat.mark_unread(ben, id, 109, None).await.unwrap();
    assert_eq!(told().await, (11, [109].into_iter().chain(111..=120).collect()));
}

#[tokio::test]
async fn what_one_person_does_keeps_its_order_in_one_batch() {
    let scene = Scene::new().await;
    let [ada, ben] = scene.people().await;
    let id = scene.group(ada, &[ben]).await;
    let head = scene.say(ben, id, "hi").await;
    let chat = &scene.chat;
    chat.read(ada, id, head, None).await.unwrap();
    let draft = |text: &str| PatchSettings { draft: Some(text.to_owned()), ..PatchSettings::default() };
    // All are queued before the first is written.
    let (kept, first, second, others, posted, read) = tokio::join!(
        chat.mark_unread(ada, id, head, None),
        chat.set(ada, id, draft("h"), None),
        chat.set(ada, id, draft("hello"), None),
        chat.set(ben, id, draft("other words"), None),
        chat.post(ada, id, message("hello")),
        chat.read(ben, id, head + 1, None),
    );
    assert_eq!(kept.unwrap().unread, 1);
    assert_eq!((first.unwrap().draft.as_str(), second.unwrap().draft.as_str()), ("h", "hello"));
    assert_eq!((others.unwrap().unread_from, posted.unwrap().message.seq), (None, head + 1));
    assert_eq!(read.unwrap().unread, 0);
    let object = chat.conversation(ada, id).await.unwrap();
    assert_eq!((object.settings.unread_from, object.unread), (None, 0), "my message came after the mark");
    assert_eq!(object.settings.draft, "hello");
    assert_eq!(chat.set(ben, ConversationId::generate(), draft("x"), None).await, Err(Error::NotFound));
}
