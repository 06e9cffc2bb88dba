//! What a worker has refused stays refused when the broker delivers it again, however its sender stands by then.

use super::*;
use crate::clock;
use crate::store::{NewPost, PostOutcome, Source};
use protocol::MessageId;

fn post(sender: Identity, conversation: ConversationId, reply_to: Option<MessageId>) -> NewPost {
    NewPost {
        id: MessageId::generate(),
        conversation,
        sender: sender.user,
        nonce: Nonce::generate(),
        body: body("let me in"),
        reply_to,
        sent_at: clock::now(),
    }
}

impl Scene {
    async fn deliver(&self, posts: &[NewPost]) -> Vec<PostOutcome> {
        self.read_from(Source::Broker, posts).await
    }

    async fn read_from(&self, source: Source, posts: &[NewPost]) -> Vec<PostOutcome> {
        self.chat.inner.stores.messages.post_submitted(posts, source).await.unwrap()
    }
}

#[tokio::test]
async fn a_refusal_is_kept_and_a_retry_by_its_sender_is_not_refused_for_it() {
    let scene = Scene::new().await;
    let [ada, ben] = scene.people().await;
    let id = scene.group(ada, &[]).await;
    let (hers, early, lost) =
        (post(ada, id, None), post(ben, id, None), post(ada, id, Some(MessageId::generate())));
    let batch = [early.clone(), hers.clone(), lost.clone()];
    let first = scene.deliver(&batch).await;
    assert!(matches!(
        first[..],
        [PostOutcome::NotFound, PostOutcome::Stored { .. }, PostOutcome::NoSuchReply]
    ));
    scene.chat.add_member(ada, id, ben.user).await.unwrap();
    let again = scene.deliver(&batch).await;
    assert!(matches!(
        again[..],
        [PostOutcome::NotFound, PostOutcome::Duplicate(_), PostOutcome::NoSuchReply]
    ));
    assert_eq!(scene.chat.conversation(ben, id).await.unwrap().head_seq, 1);
    // The same nonce once more by the sender's own hand, and then what was refused comes yet again.
    let retry = NewPost { id: MessageId::generate(), ..early.clone() };
    let stored = scene.deliver(&[retry.clone(), early.clone()]).await;
    assert!(
        matches!(&stored[..], [PostOutcome::Stored { .. }, PostOutcome::Duplicate(message)] if message.id == retry.id)
    );
    assert_eq!(scene.chat.conversation(ben, id).await.unwrap().head_seq, 2);
    scene.chat.shutdown().await;
    assert_eq!(Chat::examine(&settings(&scene.folder)).await.unwrap().findings, Vec::<String>::new());
}

#[tokio::test]
async fn refusals_of_long_ago_are_forgotten_with_the_next_one() {
    let scene = Scene::new().await;
    let [ada, ben] = scene.people().await;
    let id = scene.group(ada, &[]).await;
    let long_ago = u128::try_from(clock::now().millis()).unwrap() - 31 * 24 * 3_600_000;
    let old =
        NewPost { id: MessageId::from_uuid(uuid::Uuid::from_u128(long_ago << 80)), ..post(ben, id, None) };
    let recent = post(ben, id, None);
    for delivered in [&old, &recent, &recent] {
        assert_eq!(scene.deliver(std::slice::from_ref(delivered)).await, [PostOutcome::NotFound]);
    }
    scene.chat.add_member(ada, id, ben.user).await.unwrap();
    assert_eq!(scene.deliver(&[recent]).await, [PostOutcome::NotFound]);
    assert!(matches!(scene.deliver(&[old]).await[..], [PostOutcome::Stored { .. }]));
}

/// Who replays a topic is told what is refused, may let somebody in, and replays it again.
#[tokio::test]
async fn a_replay_heeds_what_workers_refused_and_notes_nothing_itself() {
    let scene = Scene::new().await;
    let [ada, ben] = scene.people().await;
    let id = scene.group(ada, &[]).await;
    let (refused, lost) = (post(ben, id, None), post(ben, id, None));
    assert_eq!(scene.deliver(std::slice::from_ref(&refused)).await, [PostOutcome::NotFound]);
    let topic = [refused, lost];
    let first = scene.read_from(Source::Topic, &topic).await;
    assert_eq!(first, [PostOutcome::NotFound, PostOutcome::NotFound]);
    scene.chat.add_member(ada, id, ben.user).await.unwrap();
    let again = scene.read_from(Source::Topic, &topic).await;
    assert!(matches!(again[..], [PostOutcome::NotFound, PostOutcome::Stored { .. }]));
}
