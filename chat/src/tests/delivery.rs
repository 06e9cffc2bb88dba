//! What connected sockets get.

use super::*;
use crate::Drained;
use protocol::frame::close;

fn revs(frames: &[ServerFrame], id: ConversationId) -> Vec<u64> {
    frames
        .iter()
        .filter_map(|frame| match frame {
            ServerFrame::Event { conversation, change, .. } if *conversation == id => Some(change.rev),
            ServerFrame::Ack { message, duplicate: false, .. } if message.conversation == id => {
                Some(message.rev)
            }
            _ => None,
        })
        .collect()
}

#[tokio::test]
async fn members_get_events_the_sender_its_ack_in_their_place() {
    let scene = Scene::new().await;
    let [ada, ben, eve] = scene.people().await;
    let id = scene.group(ada, &[ben]).await;
    let (laptop, phone) = (scene.socket(ada).await, scene.socket(ada).await);
    let (bens, eves) = (scene.socket(ben).await, scene.socket(eve).await);
    for n in 1..=5 {
        let nonce: Nonce = format!("n{n}").parse().unwrap();
        scene.chat.send(&laptop, nonce, id, body("hi"), None).unwrap();
        scene.say(ben, id, "hello").await;
    }
    let enough = |frames: &[ServerFrame]| revs(frames, id).len() == 10;
    let dense: Vec<u64> = (1..=10).collect();
    let on_laptop = frames_until(&laptop, enough).await;
    let on_phone = frames_until(&phone, enough).await;
    let on_bens = frames_until(&bens, enough).await;
    for frames in [&on_laptop, &on_phone, &on_bens] {
        assert_eq!(revs(frames, id), dense);
    }
    let acks =
        |frames: &[ServerFrame]| frames.iter().filter(|f| matches!(f, ServerFrame::Ack { .. })).count();
    assert_eq!((acks(&on_laptop), acks(&on_phone), acks(&on_bens)), (5, 0, 0));
    let nonces = |frames: &[ServerFrame]| -> Vec<UserId> {
        let posted = frames.iter().filter_map(|frame| match frame {
            ServerFrame::Event { change, .. } => match &change.kind {
                ChangeKind::Posted { message } => message.nonce.as_ref().map(|_| message.sender),
                _ => None,
            },
            _ => None,
        });
        posted.collect()
    };
    assert_eq!(nonces(&on_phone), [ada.user; 5], "a sender's other devices know its nonces");
    assert_eq!(nonces(&on_bens), [ben.user; 5], "and nobody else's");
    // A stranger hears nothing of it: the next thing they get is their own.
    let own = scene.group(eve, &[]).await;
    let first = frames_until(&eves, |frames| !frames.is_empty()).await;
    assert!(matches!(&first[..], [ServerFrame::Heads { conversations }] if conversations[0].id == own));
}

#[tokio::test]
async fn joining_and_leaving_reach_open_sockets() {
    let scene = Scene::new().await;
    let [ada, ben, cleo] = scene.people().await;
    let (adas, cleos) = (scene.socket(ada).await, scene.socket(cleo).await);
    let id = scene.group(ada, &[ben]).await;
    scene.say(ada, id, "before").await;
    scene.chat.add_member(ada, id, cleo.user).await.unwrap();
    scene.say(ada, id, "welcome").await;
    let frames = frames_until(&cleos, |frames| revs(frames, id).contains(&3)).await;
    let ServerFrame::Heads { conversations } = &frames[0] else { panic!("{frames:?}") };
    assert!(conversations[0].head_rev >= 2, "the join is part of what the newcomer starts from");
    assert!(!format!("{frames:?}").contains("before"));

    scene.chat.remove_member(ada, id, cleo.user).await.unwrap();
    scene.say(ada, id, "between us").await;
    let private = scene.chat.create(cleo, NewConversation::Direct { user: ada.user }).await.unwrap().0.id;
    scene.say(ada, private, "sorry").await;
    let frames = frames_until(&cleos, |frames| !revs(frames, private).is_empty()).await;
    assert_eq!(frames[0], ServerFrame::Gone { conversation: id });
    assert_eq!(revs(&frames, id), [] as [u64; 0], "nothing after the removal");
    let frames = frames_until(&adas, |frames| revs(frames, id).contains(&5)).await;
    assert_eq!(revs(&frames, id), [1, 2, 3, 4, 5], "those who stay see every change");
}

#[tokio::test]
async fn reads_reach_the_others_and_my_other_devices_with_what_is_left() {
    let scene = Scene::new().await;
    let [ada, ben] = scene.people().await;
    let id = scene.group(ada, &[ben]).await;
    for _ in 0..3 {
        scene.say(ada, id, "hi").await;
    }
    let (adas, laptop, phone) = (scene.socket(ada).await, scene.socket(ben).await, scene.socket(ben).await);
    scene.chat.read(ben, id, 2, Some(&laptop)).await.unwrap();
    scene.chat.read(ben, id, 1, None).await.unwrap();
    scene.say(ada, id, "more").await;
    let reads = |frames: Vec<ServerFrame>| -> Vec<(u64, Option<u64>)> {
        let reads = frames.into_iter().filter_map(|frame| match frame {
            ServerFrame::Read { user, seq, unread, .. } if user == ben.user => Some((seq, unread)),
            _ => None,
        });
        reads.collect()
    };
    let enough = |frames: &[ServerFrame]| !revs(frames, id).is_empty();
    assert_eq!(reads(frames_until(&adas, enough).await), [(2, None)], "a mark that did not move is not told");
    assert_eq!(reads(frames_until(&phone, enough).await), [(2, Some(1))]);
    assert_eq!(reads(frames_until(&laptop, enough).await), [], "who caused it knows");
}

#[tokio::test]
async fn a_reader_that_falls_behind_is_told_to_resync_and_others_get_everything() {
    let scene = Scene::new().await;
    let [ada, ben, cleo] = scene.people().await;
    let id = scene.group(ada, &[ben, cleo]).await;
    let (slow, quick) = (scene.socket(ben).await, scene.socket(cleo).await);
    let collecting =
        tokio::spawn(async move { frames_until(&quick, |frames| revs(frames, id).len() == 300).await });
    for _ in 0..300 {
        scene.say(ada, id, "x").await;
    }
    assert_eq!(revs(&collecting.await.unwrap(), id), (1..=300).collect::<Vec<_>>());
    let mut frames = Vec::new();
    let drained = slow.drain(&mut frames);
    assert!(matches!(drained, Drained::Close { code: close::RESYNC, .. }));
    assert!(frames.is_empty(), "half a backlog is worth nothing");
}

#[tokio::test]
async fn resuming_brings_what_differs_and_nothing_else() {
    let scene = Scene::new().await;
    let [ada, ben] = scene.people().await;
    let (quiet, busy, left) =
        (scene.group(ada, &[ben]).await, scene.group(ada, &[ben]).await, scene.group(ada, &[ben]).await);
    scene.say(ada, busy, "one").await;
    let had = scene.chat.conversations(ben).await.unwrap();
    let cursors: Vec<_> = had.conversations.iter().map(|c| (c.id, c.head_rev)).collect();
    let states: Vec<_> = had.conversations.iter().map(|c| (c.id, c.state())).collect();

    let resume = |epoch| Resume { epoch, cursors: Some(&cursors), states: Some(&states) };
    let heads = async |resume: Resume<'_>| -> (Vec<Conversation>, Vec<ServerFrame>) {
        let socket = scene.chat.attach(ben);
        let mut frames = scene.chat.hello(&socket, resume).await.unwrap();
        scene.chat.detach(&socket);
        assert!(matches!(frames.remove(0), ServerFrame::Welcome { .. }));
        assert!(matches!(frames.pop(), Some(ServerFrame::Present { .. })));
        assert_eq!(frames.pop(), Some(ServerFrame::Live {}));
        let ServerFrame::Heads { conversations } = frames.remove(0) else { panic!("no heads") };
        (conversations, frames)
    };
    let same = heads(resume(Some(had.epoch))).await;
    assert_eq!(same, (vec![], vec![]));

    scene.say(ada, busy, "two").await;
    scene.chat.remove_member(ben, left, ben.user).await.unwrap();
    let (conversations, rest) = heads(resume(Some(had.epoch))).await;
    assert_eq!(conversations.iter().map(|c| (c.id, c.unread)).collect::<Vec<_>>(), [(busy, 2)]);
    assert_eq!(rest, [ServerFrame::Gone { conversation: left }]);

    // Read on another device: no change, but the state is not what this client has.
    scene.chat.read(ben, busy, 2, None).await.unwrap();
    let cursors: Vec<_> = [(quiet, 0), (busy, 2)].into();
    let epoch = Some(had.epoch);
    let resume = Resume { epoch, cursors: Some(&cursors), states: Some(&states) };
    assert_eq!(heads(resume).await.0.iter().map(|c| (c.id, c.unread)).collect::<Vec<_>>(), [(busy, 0)]);

    let strange = Resume { epoch: Some(protocol::Epoch::generate()), cursors: Some(&cursors), states: None };
    assert_eq!(heads(strange).await.0.len(), 2, "another database: everything anew");
}

#[tokio::test]
async fn a_session_that_ends_closes_its_sockets_only() {
    let scene = Scene::new().await;
    let new = Register { username: "ada".into(), password: "long enough".into(), display_name: None };
    let laptop = scene.chat.register(new, "laptop", HERE).await.unwrap().token;
    let sign_in = SignIn { username: "ada".into(), password: "long enough".into() };
    let phone = scene.chat.sign_in(sign_in, "phone", HERE).await.unwrap().token;
    let laptop = scene.chat.authenticate(&laptop).await.unwrap().unwrap();
    let phone = scene.chat.authenticate(&phone).await.unwrap().unwrap();
    let (on_laptop, on_phone) = (scene.socket(laptop).await, scene.socket(phone).await);
    let late = scene.chat.attach(phone);
    scene.chat.revoke(laptop, phone.session).await.unwrap();
    assert_eq!(closed(&on_phone).await, close::SESSION_ENDED);
    assert!(!on_laptop.is_closing());
    assert_eq!(scene.chat.hello(&late, Resume::default()).await.unwrap_err(), Error::Unauthorized);
}

#[tokio::test]
async fn a_pong_names_the_heads_that_moved() {
    let scene = Scene::new().await;
    let [ada, ben] = scene.people().await;
    let (one, other) = (scene.group(ada, &[ben]).await, scene.group(ada, &[ben]).await);
    let socket = scene.socket(ben).await;
    assert_eq!(scene.chat.moved(&socket), []);
    scene.say(ada, one, "x").await;
    scene.say(ada, one, "y").await;
    frames_until(&socket, |frames| revs(frames, one).len() == 2).await;
    let mut frames = Vec::new();
    // The head is noted after the fan-out: wait for a later event to be sure of the earlier note.
    scene.say(ada, other, "z").await;
    frames.extend(frames_until(&socket, |frames| !revs(frames, other).is_empty()).await);
    let moved = scene.chat.moved(&socket);
    assert!(moved.contains(&(one, 2)), "{moved:?}");
    scene.chat.detach(&socket);
    assert_eq!(scene.chat.sockets(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_person_sends_is_answered_in_order_while_batches_overlap() {
    let scene = Scene::new().await;
    let people = scene.people::<8>().await;
    let shared = scene.group(people[0], &people[1..]).await;
    let mut lines = Vec::new();
    for (at, who) in people.iter().copied().enumerate() {
        let own = scene.group(who, &[people[(at + 1) % people.len()]]).await;
        lines.push((who, own, Vec::new()));
    }
    let mut sockets = Vec::new();
    for who in people {
        sockets.push(scene.socket(who).await);
    }
    for n in 0..10 {
        for ((who, own, sent), socket) in lines.iter_mut().zip(&sockets) {
            for id in [*own, shared] {
                let nonce = Nonce::generate();
                scene
                    .chat
                    .send(socket, nonce.clone(), id, body(&format!("{n} of {}", who.user)), None)
                    .unwrap();
                sent.push(nonce);
            }
        }
        // What was sent so far is under way; what follows is another batch.
        tokio::task::yield_now().await;
    }
    for ((_, own, sent), socket) in lines.iter().zip(&sockets) {
        let acks = |frames: &[ServerFrame]| -> Vec<Nonce> {
            let nonce = |frame: &ServerFrame| match frame {
                ServerFrame::Ack { nonce, .. } => Some(nonce.clone()),
                _ => None,
            };
            frames.iter().filter_map(nonce).collect()
        };
        let frames = frames_until(socket, |frames| acks(frames).len() == sent.len()).await;
        assert_eq!(acks(&frames), *sent);
        assert_eq!(revs(&frames, *own), (1..=10).collect::<Vec<_>>());
    }
}
