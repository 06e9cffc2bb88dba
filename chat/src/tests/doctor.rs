//! The doctor finds what was changed behind the server's back, and nothing where nothing was.

use super::*;
use crate::Act;

async fn damaged(with: &str) -> Vec<String> {
    let scene = Scene::new().await;
    let [ada, ben] = scene.people().await;
    let id = scene.group(ada, &[ben]).await;
    for n in 0..5 {
        scene.say(ada, id, &format!("number {n}")).await;
    }
    let named = scene.say(ada, id, "@all look").await;
    let page = scene.chat.history(ada, id, Span::Newest, 6).await.unwrap();
    let body = Body::Text { text: "other words".parse().unwrap() };
    scene.chat.act(ada, page.messages[0].id, Some(Nonce::generate()), Act::Edit(body)).await.unwrap();
    scene.chat.act(ada, page.messages[1].id, None, Act::Recall).await.unwrap();
    scene.chat.act(ben, page.messages[2].id, None, Act::Pin(true)).await.unwrap();
    scene.chat.read(ben, id, named - 2, None).await.unwrap();
    scene.chat.shutdown().await;
    let settings = settings(&scene.folder);
    assert_eq!(Chat::examine(&settings).await.unwrap().findings, Vec::<String>::new());
    let nobody = "'00000000-0000-0000-0000-000000000000'";
    tamper(&settings, with, &with.replace("zeroblob(16)", nobody)).await;
    let report = Chat::examine(&settings).await.unwrap();
    assert!(report.looked_at.contains("6 messages") || !report.findings.is_empty());
    report.findings
}

#[tokio::test]
async fn every_drift_is_found() {
    let cases = [
        ("UPDATE conversation SET head_seq = head_seq + 1", "newest message is 7"),
        ("DELETE FROM message WHERE seq = 3", "hole"),
        ("UPDATE conversation SET head_rev = head_rev + 1", "newest change"),
        ("UPDATE message SET posted_rev = 99 WHERE seq = 4", "after its newest"),
        ("UPDATE message SET posted_rev = 7 WHERE seq = 6", "two changes"),
        ("UPDATE message SET posted_rev = 2 WHERE seq = 3", "before the message before it"),
        ("UPDATE change SET seq = 1 WHERE rev = 8", "stands after"),
        ("UPDATE message SET rev = 1 WHERE seq = 1", "last change"),
        ("UPDATE conversation SET member_count = 7", "7 members"),
        ("UPDATE member SET read_seq = 77", "after its newest message"),
        ("UPDATE member SET read_seq = 0 WHERE role = 2", "counts 5 unread"),
        ("UPDATE member SET role = 2", "2 owners"),
        (
            "UPDATE message SET body = '{\"kind\":\"text\",\"text\":\"x\"}' WHERE recalled",
            "still says something",
        ),
        (
            "UPDATE message SET recalled = TRUE, body = '{\"kind\":\"recalled\"}' WHERE seq = 1",
            "earlier version",
        ),
        ("DELETE FROM mention", "names 1 people"),
        ("UPDATE mention SET seq = 99", "not there or names nobody"),
        ("UPDATE change SET conversation = zeroblob(16)", "which is not there"),
        ("UPDATE message SET sender = zeroblob(16) WHERE seq = 2", "wrote a message and is not there"),
        ("UPDATE request SET seq = 99", "which is not there"),
        (
            "INSERT INTO request SELECT nonce, sender, 0, conversation, seq FROM message WHERE seq = 1",
            "for something else",
        ),
        ("INSERT INTO refused SELECT id, 1 FROM message WHERE seq = 2", "was refused, and is stored"),
        ("DELETE FROM meta WHERE key = 'epoch'", "no epoch"),
        ("UPDATE conversation SET kind = 0", "two people"),
        ("UPDATE member SET account = zeroblob(16) WHERE role = 0", "is a member somewhere and is not there"),
    ];
    for (damage, told) in cases {
        let findings = damaged(damage).await;
        assert!(findings.iter().any(|finding| finding.contains(told)), "{damage}: {findings:?}");
    }
}
