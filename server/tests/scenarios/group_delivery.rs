//! E. Groups over Redis: who is online gets the message at whichever node they are, the sender does not; who is offline
//! catches up by `unread/all` and by history; groups hear nothing of each other.

use crate::cluster::{Cluster, at, heard, hears, people, posted, seen_by_others, words};
use harness::{Person, Server};
use protocol::ServerFrame;

#[tokio::test]
async fn scenario_e_three_online_members_one_offline_and_two_groups_apart() {
    let Some(cluster) = Cluster::on("redis").await else { return };
    let nodes = [cluster.node(&[]).await, cluster.node(&[]).await, cluster.node(&[]).await];
    let [ada, ben, cleo, dana] = people(&nodes[0], ["ada", "ben", "cleo", "dana"]).await;
    three_online_members(&nodes, [&ada, &ben, &cleo]).await;
    one_offline_who_catches_up(&nodes, [&ada, &ben, &dana]).await;
    two_groups_isolated(&nodes, [&ada, &ben, &cleo, &dana]).await;
}

/// Three members, each at a node of their own: what one writes the two others get, and nobody gets it twice.
async fn three_online_members(nodes: &[Server; 3], people: [&Person; 3]) {
    let [ada, ben, cleo] = people;
    let room = ada.client.group("Depot", &[ben.id(), cleo.id()]).await.unwrap().id;
    let mut sockets = Vec::new();
    for (person, node) in people.into_iter().zip(nodes) {
        sockets.push(at(person, node).socket().await.unwrap());
    }
    for sender in 0..3 {
        let text = format!("from {}", people[sender].user.username);
        let nonce = sockets[sender].post(room, &text).await.unwrap();
        for other in (0..3).filter(|other| *other != sender) {
            let message = hears(&mut sockets[other], room, &text).await;
            assert_eq!((message.sender, message.seq), (people[sender].id(), sender as u64 + 1));
            assert_eq!(heard(&mut sockets[other]).await, [], "once");
        }
        // The sender's own answer is the ack, and nothing else.
        let mut echoes = 0;
        let answered = sockets[sender].until("the ack", |frame| {
            echoes += usize::from(posted(frame).is_some());
            matches!(frame, ServerFrame::Ack { nonce: of, .. } if *of == nonce).then_some(())
        });
        answered.await.unwrap();
        assert_eq!((echoes, heard(&mut sockets[sender]).await), (0, vec![]));
    }
}

/// Sixty messages in the group and two between two, while one member is away: they are told of all of it at once when they
/// come, read page by page when they open the group, and mark it as read.
async fn one_offline_who_catches_up(nodes: &[Server; 3], [ada, ben, dana]: [&Person; 3]) {
    let group = ada.client.group("Yard", &[ben.id(), dana.id()]).await.unwrap().id;
    let direct = ben.client.direct(dana.id()).await.unwrap().id;
    let (mut adas, mut bens) =
        (at(ada, &nodes[0]).socket().await.unwrap(), at(ben, &nodes[1]).socket().await.unwrap());
    let mut written = Vec::new();
    for number in 1..=60 {
        let sender = if number % 3 == 0 { &mut bens } else { &mut adas };
        written.push(sender.say(group, &format!("{number}")).await.unwrap());
    }
    for text in ["are you there?", "call me"] {
        bens.say(direct, text).await.unwrap();
    }

    // At login, at a node where nobody of them is.
    let dana = at(dana, &nodes[2]);
    let all = dana.client.unread_all().await.unwrap();
    let [private] = &all.private_unreads[..] else { panic!("{all:?}") };
    assert_eq!(
        (private.conversation, words(&private.messages)),
        (direct, vec!["are you there?".into(), "call me".into()])
    );
    let [grouped] = &all.group_unreads[..] else { panic!("{all:?}") };
    assert_eq!((grouped.conversation, grouped.unread), (group, 60));
    let written = seen_by_others(written);
    assert_eq!(grouped.messages, written[10..], "the newest fifty");

    // The group is opened: the newest page, then the one before it.
    let newest = dana.client.messages(group, "limit=50").await.unwrap();
    let first = newest.messages[0].seq;
    let older = dana.client.messages(group, &format!("before={first}&limit=50")).await.unwrap();
    assert_eq!([older.messages, newest.messages].concat(), written, "all sixty, in order, as they were sent");

    // And read: nothing is left, and the others know.
    for (room, seq) in [(group, 60), (direct, 2)] {
        assert_eq!(dana.client.read(room, seq).await.unwrap().unread, 0);
    }
    let mark = |frame: &ServerFrame| match frame {
        ServerFrame::Read { conversation, user, seq, .. } if *conversation == group => Some((*user, *seq)),
        _ => None,
    };
    assert_eq!(adas.until("the read mark", mark).await.unwrap(), (dana.id(), 60));
    let all = dana.client.unread_all().await.unwrap();
    assert_eq!((all.private_unreads, all.group_unreads), (vec![], vec![]));
    // From here on it is live.
    let mut danas = dana.socket().await.unwrap();
    adas.say(group, "welcome back").await.unwrap();
    hears(&mut danas, group, "welcome back").await;
}

/// Two groups of two at the same nodes: what is said in one does not exist in the other.
async fn two_groups_isolated(nodes: &[Server; 3], [ada, ben, cleo, dana]: [&Person; 4]) {
    let red = ada.client.group("Red", &[ben.id()]).await.unwrap().id;
    let blue = cleo.client.group("Blue", &[dana.id()]).await.unwrap().id;
    // The receivers of both share a node, and so do the senders.
    let (mut adas, mut cleos) =
        (at(ada, &nodes[0]).socket().await.unwrap(), at(cleo, &nodes[0]).socket().await.unwrap());
    let (mut bens, mut danas) =
        (at(ben, &nodes[1]).socket().await.unwrap(), at(dana, &nodes[1]).socket().await.unwrap());
    for number in 1..=20 {
        adas.say(red, &format!("red {number}")).await.unwrap();
        cleos.say(blue, &format!("blue {number}")).await.unwrap();
    }
    for number in 1..=20 {
        hears(&mut bens, red, &format!("red {number}")).await;
        hears(&mut danas, blue, &format!("blue {number}")).await;
    }
    for socket in [&mut bens, &mut danas, &mut adas, &mut cleos] {
        assert_eq!(heard(socket).await, [], "and nothing of the other group");
    }
    for (person, theirs, other) in [(ben, red, blue), (dana, blue, red)] {
        let all = person.client.unread_all().await.unwrap().group_unreads;
        assert!(all.iter().any(|it| it.conversation == theirs && it.unread == 20));
        assert!(all.iter().all(|it| it.conversation != other));
        assert_eq!(person.client.messages(other, "limit=50").await.unwrap_err().status(), Some(404));
        assert_eq!(person.client.post(other, "let me in").await.unwrap_err().status(), Some(404));
    }
}
