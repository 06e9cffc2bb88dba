//! A bus that loses: everybody still gets everything, in order, once.

use super::*;
use crate::bus::{Bus, Stored};
use crate::watch::Pace;
use crate::{Act, Drained};
use async_trait::async_trait;
use protocol::frame::close;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// Loses every so manieth change.
struct Lossy {
    bus: Arc<dyn Bus>,
    published: AtomicUsize,
    /// 0: none.
    every: Arc<AtomicUsize>,
}

#[async_trait]
impl Bus for Lossy {
    async fn publish(&self, stored: Stored) {
        let every = self.every.load(Ordering::Relaxed);
        if every > 0 && matches!(stored, Stored::Change { .. }) {
            let number = self.published.fetch_add(1, Ordering::Relaxed) + 1;
            if number.is_multiple_of(every) {
                return;
            }
        }
        self.bus.publish(stored).await;
    }

    fn whisper(&self, stored: Stored) -> bool {
        self.bus.whisper(stored)
    }

    fn is_up(&self) -> bool {
        self.bus.is_up()
    }

    fn whole_since(&self) -> Option<tokio::time::Instant> {
        self.bus.whole_since()
    }

    async fn close(&self) {
        self.bus.close().await;
    }
}

/// Often enough for a test.
const OFTEN: Duration = Duration::from_millis(100);
/// The next doorbell shows the gap first.
const NEVER: Duration = Duration::from_secs(3600);

async fn losing(every: usize, look: Duration) -> (Scene, Arc<AtomicUsize>) {
    let folder = empty().await;
    let every = Arc::new(AtomicUsize::new(every));
    let around = |bus| -> Arc<dyn Bus> {
        Arc::new(Lossy { bus, published: AtomicUsize::new(0), every: every.clone() })
    };
    let pace = Pace { every: look, again: look / 2 };
    let chat = Chat::open_with(settings(&folder), around, pace).await.unwrap();
    (Scene { chat, folder }, every)
}

fn revs(frames: &[ServerFrame], id: ConversationId) -> Vec<u64> {
    frames
        .iter()
        .filter_map(|frame| match frame {
            ServerFrame::Event { conversation, change, .. } if *conversation == id => Some(change.rev),
            _ => None,
        })
        .collect()
}

#[tokio::test]
async fn every_third_doorbell_lost_and_every_socket_gets_every_change_once_in_order() {
    let (scene, _) = losing(3, OFTEN).await;
    let [ada, ben, cleo] = scene.people().await;
    let id = scene.group(ada, &[ben]).await;
    let sockets = [scene.socket(ada).await, scene.socket(ben).await, scene.socket(ben).await];
    let until = async |socket: &Socket, rev: u64| {
        frames_until(socket, |frames| revs(frames, id).last().is_some_and(|last| *last >= rev)).await
    };
    let mut last = 0;
    for round in 1..=10 {
        for _ in 0..round {
            scene.say(ada, id, "hi").await;
        }
        let message = scene.chat.post(ben, id, message("said")).await.unwrap().message.id;
        scene.chat.act(ben, message, None, Act::Edit(body("said better"))).await.unwrap();
        scene.chat.act(ada, message, None, Act::Pin(true)).await.unwrap();
        scene.chat.rename(ada, id, format!("Group {round}")).await.unwrap();
        let head = scene.chat.conversation(ada, id).await.unwrap().head_rev;
        for socket in &sockets {
            let frames = until(socket, head).await;
            assert_eq!(revs(&frames, id), (last + 1..=head).collect::<Vec<_>>(), "round {round}");
        }
        last = head;
    }
    // Joining and leaving are changes too: a newcomer gets in, and who is removed gets out.
    let cleos = scene.socket(cleo).await;
    for _ in 0..6 {
        scene.chat.add_member(ada, id, cleo.user).await.unwrap();
        let there = |frame: &ServerFrame| matches!(frame, ServerFrame::Heads { .. });
        frames_until(&cleos, |frames| frames.iter().any(there)).await;
        scene.chat.remove_member(ada, id, cleo.user).await.unwrap();
        let gone = ServerFrame::Gone { conversation: id };
        frames_until(&cleos, |frames| frames.contains(&gone)).await;
    }
    for socket in &sockets {
        let frames = until(socket, last + 12).await;
        assert_eq!(revs(&frames, id), (last + 1..=last + 12).collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn who_sends_over_a_socket_is_answered_though_the_doorbell_is_lost() {
    let (scene, _) = losing(2, OFTEN).await;
    let [ada, ben] = scene.people().await;
    let id = scene.group(ada, &[ben]).await;
    let socket = scene.socket(ada).await;
    for n in 0..20 {
        let nonce: Nonce = format!("n{n}").parse().unwrap();
        scene.chat.send(&socket, nonce.clone(), id, body("hi"), None).unwrap();
        let answers = |frame: &ServerFrame| match frame {
            ServerFrame::Ack { nonce: of, .. } => *of == nonce,
            ServerFrame::Event { change, .. } => {
                change.kind.message().is_some_and(|message| message.nonce.as_ref() == Some(&nonce))
            }
            _ => false,
        };
        frames_until(&socket, |frames| frames.iter().any(answers)).await;
    }
}

#[tokio::test]
async fn who_left_gets_nothing_of_later_though_their_leaving_was_not_told() {
    let (scene, every) = losing(0, NEVER).await;
    let [ada, ben] = scene.people().await;
    let id = scene.group(ada, &[ben]).await;
    let bens = scene.socket(ben).await;
    every.store(1, Ordering::Relaxed);
    let said = scene.chat.post(ada, id, message("before")).await.unwrap().message.id;
    scene.chat.remove_member(ada, id, ben.user).await.unwrap();
    scene.chat.act(ada, said, None, Act::Edit(body("between us"))).await.unwrap();
    every.store(0, Ordering::Relaxed);
    scene.say(ada, id, "alone").await;
    let gone = ServerFrame::Gone { conversation: id };
    let frames = frames_until(&bens, |frames| frames.contains(&gone)).await;
    assert!(!format!("{frames:?}").contains("between us"), "{frames:?}");
    let private = scene.chat.create(ben, NewConversation::Direct { user: ada.user }).await.unwrap().0.id;
    scene.say(ada, private, "sorry").await;
    let frames = frames_until(&bens, |frames| !revs(frames, private).is_empty()).await;
    assert_eq!(revs(&frames, id), [] as [u64; 0]);
}

#[tokio::test]
async fn who_joined_hears_nothing_from_before_though_the_node_was_behind() {
    let (scene, every) = losing(0, NEVER).await;
    let [ada, ben, cleo] = scene.people().await;
    let id = scene.group(ada, &[cleo]).await;
    let said = scene.chat.post(ada, id, message("before Ben")).await.unwrap().message.id;
    let adas = scene.socket(ada).await;
    every.store(1, Ordering::Relaxed);
    scene.chat.rename(ada, id, "what Ben must not know".to_owned()).await.unwrap();
    let react = Act::React("👍".parse().unwrap(), true);
    scene.chat.act(cleo, said, Some(Nonce::generate()), react).await.unwrap();
    scene.chat.remove_member(ada, id, cleo.user).await.unwrap();
    scene.chat.add_member(ada, id, ben.user).await.unwrap();
    let joined = scene.chat.conversation(ben, id).await.unwrap().head_rev;
    let bens = scene.socket(ben).await;
    every.store(0, Ordering::Relaxed);
    scene.say(ada, id, "and now").await;
    let frames = frames_until(&adas, |frames| revs(frames, id).contains(&(joined + 1))).await;
    assert_eq!(revs(&frames, id), (joined - 3..=joined + 1).collect::<Vec<_>>());
    let frames = frames_until(&bens, |frames| revs(frames, id).contains(&(joined + 1))).await;
    assert_eq!(revs(&frames, id), [joined, joined + 1]);
}

#[tokio::test]
async fn too_far_behind_everybody_comes_back_with_cursors() {
    let (scene, every) = losing(0, NEVER).await;
    let [ada, ben] = scene.people().await;
    let id = scene.group(ada, &[ben]).await;
    let bens = scene.socket(ben).await;
    every.store(1, Ordering::Relaxed);
    let posts = (0..protocol::limits::SYNC_CHANGES).map(|_| scene.say(ada, id, "x"));
    futures::future::join_all(posts).await;
    every.store(0, Ordering::Relaxed);
    scene.say(ada, id, "one too many").await;
    let closing = async {
        while !bens.is_closing() {
            bens.wait().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), closing).await.unwrap();
    let mut frames = Vec::new();
    assert!(matches!(bens.drain(&mut frames), Drained::Close { code: close::RESYNC, .. }));
    assert_eq!(frames.len(), 0);
    // Who comes next begins anew.
    let again = scene.socket(ben).await;
    scene.say(ada, id, "and on").await;
    let frames = frames_until(&again, |frames| !revs(frames, id).is_empty()).await;
    assert_eq!(revs(&frames, id), [protocol::limits::SYNC_CHANGES + 2]);
}
