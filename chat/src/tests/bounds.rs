//! What one person can have at most, and how much of it one answer carries.

use super::*;
use protocol::limits;

/// A chat with two people, where the first is alone in this many groups with this many messages of the second in each.
async fn crowded(groups: u32, messages: u32) -> (Scene, [Identity; 2]) {
    let scene = Scene::new().await;
    let [ada, ben] = scene.people().await;
    scene.chat.shutdown().await;
    let Scene { chat, folder } = scene;
    drop(chat);
    let hex = |who: Identity| who.user.uuid().simple().to_string();
    let fill = format!(
        "WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < {groups}) \
         INSERT INTO conversation (id, kind, title, head_seq, head_rev, member_count, created_at) \
         SELECT randomblob(16), 1, 'Group ' || i, {messages}, {messages}, 1, 0 FROM n; \
         INSERT INTO member (conversation, account, role, read_seq, joined_seq, joined_rev, joined_at) \
         SELECT id, unhex('{ada}'), 2, 0, 0, 0, 0 FROM conversation; \
         WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < {messages}) \
         INSERT INTO message (conversation, seq, posted_rev, rev, id, sender, nonce, digest, body, sent_at) \
         SELECT id, i, i, i, randomblob(16), unhex('{ben}'), hex(randomblob(8)), 0, \
         '{{\"kind\":\"text\",\"text\":\"hi\"}}', 0 FROM conversation, n",
        ada = hex(ada),
        ben = hex(ben),
    );
    let postgres = format!(
        "INSERT INTO conversation (id, kind, title, head_seq, head_rev, member_count, created_at) \
         SELECT gen_random_uuid(), 1, 'Group ' || i, {messages}, {messages}, 1, 0 FROM generate_series(1, {groups}) i; \
         INSERT INTO member (conversation, account, role, read_seq, joined_seq, joined_rev, joined_at) \
         SELECT id, '{ada}', 2, 0, 0, 0, 0 FROM conversation; \
         INSERT INTO message (conversation, seq, posted_rev, rev, id, sender, nonce, digest, body, sent_at) \
         SELECT id, i, i, i, gen_random_uuid(), '{ben}', gen_random_uuid()::text, 0, \
         '{{\"kind\":\"text\",\"text\":\"hi\"}}', 0 FROM conversation, generate_series(1, {messages}) i",
        ada = ada.user.uuid(),
        ben = ben.user.uuid(),
    );
    tamper(&settings(&folder), &fill, &postgres).await;
    (Scene { chat: Chat::open(settings(&folder)).await.unwrap(), folder }, [ada, ben])
}

#[tokio::test]
async fn one_conversation_too_many_is_refused_whoever_opens_it() {
    let (scene, [ada, ben]) = crowded(limits::CONVERSATIONS - 1, 0).await;
    let last = scene.group(ada, &[]).await;
    let direct = NewConversation::Direct { user: ada.user };
    assert_eq!(scene.chat.create(ben, direct.clone()).await.unwrap_err().code(), Code::Conflict);
    let theirs = scene.group(ben, &[]).await;
    assert_eq!(scene.chat.add_member(ben, theirs, ada.user).await.unwrap_err().code(), Code::Conflict);
    assert_eq!(scene.chat.conversation(ben, theirs).await.unwrap().member_count, 1, "nothing was stored");
    scene.chat.remove_member(ada, last, ada.user).await.unwrap();
    scene.chat.create(ben, direct).await.unwrap();
}

#[tokio::test]
async fn many_conversations_come_in_several_heads() {
    let (scene, [ada, _]) = crowded(1_001, 0).await;
    let socket = scene.chat.attach(ada);
    let frames = scene.chat.hello(&socket, Resume::default()).await.unwrap();
    let heads: Vec<_> = frames
        .iter()
        .filter_map(|frame| match frame {
            ServerFrame::Heads { conversations } => Some(conversations.len()),
            _ => None,
        })
        .collect();
    assert_eq!(heads, [500, 500, 1]);
}

#[tokio::test]
async fn where_much_is_unread_each_conversation_says_less_of_it_and_counts_all() {
    let (scene, [ada, _]) = crowded(200, 60).await;
    let all = scene.chat.unread_all(ada).await.unwrap().group_unreads;
    assert_eq!(all.len(), 200);
    for told in &all {
        let seqs: Vec<_> = told.messages.iter().map(|message| message.seq).collect();
        assert_eq!((told.unread, seqs), (60, (36..=60).collect()));
    }
}
