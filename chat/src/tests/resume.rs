//! What a hello costs, and that it is right at any size.

use super::statements::counted;
use super::*;

fn heads(frames: &[ServerFrame]) -> Vec<Conversation> {
    let heads = frames.iter().filter_map(|frame| match frame {
        ServerFrame::Heads { conversations } => Some(conversations.clone()),
        _ => None,
    });
    heads.flatten().collect()
}

#[tokio::test]
async fn a_hello_takes_three_queries_at_most_and_brings_what_the_list_has() {
    let scene = Scene::new().await;
    let [ada, ben, cleo] = scene.people().await;
    let founders: [Identity; 10] = scene.people().await;
    let alone = scene.group(cleo, &[]).await;
    let first = scene.chat.attach(cleo);
    let (frames, statements) = counted(scene.chat.hello(&first, Resume::default())).await;
    assert_eq!((heads(&frames.unwrap())[0].id, statements), (alone, 3));

    let mut ids = Vec::new();
    for founder in founders {
        for _ in 0..30 {
            ids.push(scene.group(founder, &[ada, ben]).await);
        }
    }
    scene.say(ben, ids[7], "hi").await;
    scene.chat.read(ada, ids[7], 1, None).await.unwrap();
    let socket = scene.chat.attach(ada);
    let (frames, statements) = counted(scene.chat.hello(&socket, Resume::default())).await;
    let listed = scene.chat.conversations(ada).await.unwrap();
    assert_eq!((heads(&frames.unwrap()), statements), (listed.conversations.clone(), 3));

    let cursors: Vec<_> = listed.conversations.iter().map(|c| (c.id, c.head_rev)).collect();
    let states: Vec<_> = listed.conversations.iter().map(|c| (c.id, c.state())).collect();
    let resume = Resume { epoch: Some(listed.epoch), cursors: Some(&cursors), states: Some(&states) };
    let (frames, statements) = counted(scene.chat.hello(&socket, resume)).await;
    assert_eq!((heads(&frames.unwrap()), statements), (vec![], 2), "nothing differs, nothing whole is read");

    scene.say(ben, ids[100], "news").await;
    let (frames, statements) = counted(scene.chat.hello(&socket, resume)).await;
    let differing = heads(&frames.unwrap());
    let one = scene.chat.conversation(ada, ids[100]).await.unwrap();
    assert_eq!((differing, statements), (vec![one], 3));

    // No change, but another of the members has read further.
    let cursors: Vec<_> = cursors.iter().map(|(id, rev)| (*id, *rev + u64::from(*id == ids[100]))).collect();
    scene.chat.read(ada, ids[100], 1, None).await.unwrap();
    let resume = Resume { cursors: Some(&cursors), ..resume };
    let frames = scene.chat.hello(&socket, resume).await.unwrap();
    assert_eq!(heads(&frames).iter().map(|c| (c.id, c.read_seq)).collect::<Vec<_>>(), [(ids[100], 1)]);
}

/// Whoever reads the database beside the server, to restore or to fill it, names the same epoch as the server.
#[tokio::test]
async fn the_epoch_told_is_the_one_in_the_database_whoever_opens_it() {
    let scene = Scene::new().await;
    let [ada] = scene.people().await;
    let Scene { chat, folder } = scene;
    chat.shutdown().await;
    drop(chat);
    let settings = settings(&folder);
    let bytes = "00112233445546778899aabbccddeeff";
    let set = |literal: String| format!("UPDATE meta SET value = {literal} WHERE key = 'epoch'");
    tamper(&settings, &set(format!("x'{bytes}'")), &set(format!("'\\x{bytes}'"))).await;
    for _ in 0..2 {
        let chat = Chat::open(settings.clone()).await.unwrap();
        let told = chat.conversations(ada).await.unwrap().epoch.to_string();
        assert_eq!(told.replace('-', ""), bytes);
        chat.shutdown().await;
    }
}
