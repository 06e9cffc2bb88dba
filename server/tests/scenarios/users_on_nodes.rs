//! C. Distributed delivery with NATS and Consul: people at different nodes write to each other; a node is lost, its
//! people come back at another and miss nothing, and who looks after the servers sees all of it.

use crate::cluster::{Cluster, at, heard, hears, own_name, people, posted, said, service, until};
use harness::Person;
use protocol::ServerFrame;
use protocol::rest::{Health, Node, Nodes};

async fn node(admin: &Person, name: &str) -> Option<Node> {
    let nodes: Nodes = admin.client.get("/api/v1/nodes").await.ok()?.json().ok()?;
    nodes.nodes.into_iter().find(|node| node.name == name)
}

/// Whether a node is so healthy, with so many people, in the eyes of another.
async fn is(admin: &Person, name: &str, health: Health, users: Option<u64>) -> bool {
    node(admin, name).await.is_some_and(|node| (node.health, node.users) == (health, users))
}

#[tokio::test]
async fn scenario_c_users_on_different_nodes_and_the_loss_of_a_node() {
    let (Some(cluster), Some(consul)) = (Cluster::on("nats").await, service("consul")) else { return };
    let discovery = format!("{consul}?service={}", own_name());
    let started = async |name| cluster.node(&["--discovery", &discovery, "--node", name]).await;
    let (north, mut south, east) = (started("north").await, started("south").await, started("east").await);
    let [ada, ben, cleo] = people(&north, ["ada", "ben", "cleo"]).await;
    let group = ada.client.group("Depot", &[ben.id(), cleo.id()]).await.unwrap().id;
    let direct = ada.client.direct(ben.id()).await.unwrap().id;

    // Everybody at a node of their own, and Ada with a second device at a third.
    let phone = at(&ada.second_device().await.unwrap(), &east);
    let (mut adas, mut on_adas_phone) = (ada.socket().await.unwrap(), phone.socket().await.unwrap());
    let (mut bens, bens_hello) = at(&ben, &south).live().await.unwrap();
    let mut cleos = at(&cleo, &east).socket().await.unwrap();
    for (name, users) in [("north", 1), ("south", 1), ("east", 2)] {
        until(name, || is(&ada, name, Health::Passing, Some(users))).await;
    }

    // To one, and to a group: to the others' nodes, to the own device elsewhere, and not back to where it was sent.
    adas.say(direct, "just you").await.unwrap();
    hears(&mut bens, direct, "just you").await;
    adas.say(group, "all of you").await.unwrap();
    for socket in [&mut bens, &mut cleos] {
        hears(socket, group, "all of you").await;
    }
    hears(&mut on_adas_phone, direct, "just you").await;
    hears(&mut on_adas_phone, group, "all of you").await;
    bens.say(direct, "thanks").await.unwrap();
    hears(&mut adas, direct, "thanks").await;
    hears(&mut on_adas_phone, direct, "thanks").await;
    for socket in [&mut adas, &mut bens, &mut cleos, &mut on_adas_phone] {
        assert_eq!(heard(socket).await, [], "nobody hears what they sent, nor anything twice");
    }

    // The node in the south is lost with Ben on it. The others go on, and know it before long.
    south.kill9().unwrap();
    assert_eq!(bens.closed().await.unwrap(), 1006);
    adas.say(group, "where is Ben?").await.unwrap();
    hears(&mut cleos, group, "where is Ben?").await;
    adas.say(direct, "come back").await.unwrap();
    until("the north knows", || async {
        node(&ada, "south").await.is_some_and(|it| it.health == Health::Critical)
    })
    .await;

    // Ben comes to the east with what he has, and gets what he missed, once.
    let ben_in_the_east = at(&ben, &east);
    let mut bens = ben_in_the_east.connect().await.unwrap();
    let cursors = vec![(direct, 2), (group, 1)];
    let hello = bens.hello_with(Some(bens_hello.epoch), Some(cursors), None).await.unwrap();
    let mut heads: Vec<_> = hello.heads.iter().map(|head| (head.id, head.head_rev, head.unread)).collect();
    heads.sort_by_key(|(id, ..)| *id == group);
    assert_eq!(heads, [(direct, 3, 1), (group, 2, 2)]);
    for (room, after, missed) in [(direct, 2, "come back"), (group, 1, "where is Ben?")] {
        let sync = protocol::ClientFrame::Sync { conversation: room, after };
        bens.frame(&sync).await.unwrap();
        let changes = bens.until("what he missed", |frame| match frame {
            ServerFrame::Changes { conversation, changes, .. } if *conversation == room => {
                Some(changes.clone())
            }
            _ => None,
        });
        let changes = changes.await.unwrap();
        let messages: Vec<_> = changes.iter().filter_map(|change| change.kind.message()).map(said).collect();
        assert_eq!(messages, [(room, missed.to_owned())]);
    }
    adas.say(direct, "there you are").await.unwrap();
    hears(&mut bens, direct, "there you are").await;
    bens.say(direct, "here I am").await.unwrap();
    hears(&mut adas, direct, "here I am").await;
    until("he is counted there", || is(&ada, "east", Health::Passing, Some(3))).await;

    // The node comes back by its name, and people may come to it again.
    south.start_again().await.unwrap();
    until("it is well", || is(&ada, "south", Health::Passing, Some(0))).await;
    let mut bens_phone = at(&ben.second_device().await.unwrap(), &south).socket().await.unwrap();
    adas.say(group, "all here").await.unwrap();
    for socket in [&mut bens, &mut bens_phone, &mut cleos] {
        let last =
            socket.until("all here", |frame| posted(frame).filter(|it| said(it).1 == "all here").cloned());
        last.await.unwrap();
    }
}
