//! What those who run a cluster find in the stream of its events.

use super::super::super::NodeId;
use super::super::super::wire::Event;
use super::*;
use async_nats::jetstream::stream::DiscardPolicy;
use protocol::UserId;
use serde_json::Value;

/// What the stream holds once there are so many: subjects and events.
async fn events(address: &Address, many: u64) -> Vec<(String, Value)> {
    let client = async_nats::connect(&address.hosts[0]).await.unwrap();
    let context = async_nats::jetstream::new(client);
    let name = format!("{}-system", address.prefix);
    let stream = timeout(LONG, async {
        loop {
            if let Ok(mut stream) = context.get_stream(&name).await
                && stream.info().await.unwrap().state.messages >= many
            {
                return stream;
            }
        }
    });
    let stream = stream.await.expect("they are written");
    let info = stream.cached_info();
    let config = &info.config;
    assert_eq!((config.max_messages, config.max_age), (10_000, Duration::from_secs(86_400)));
    assert_eq!(config.discard, DiscardPolicy::Old);
    assert_eq!(info.state.messages, many);
    let mut events = Vec::new();
    for sequence in info.state.first_sequence..=info.state.last_sequence {
        let message = stream.get_raw_message(sequence).await.unwrap();
        events.push((message.subject.to_string(), serde_json::from_slice(&message.payload).unwrap()));
    }
    events
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_becomes_of_the_cluster_can_be_read_in_a_stream() {
    let Some(address) = address() else { return };
    let (one, two) =
        (super::super::wire(&address).await.unwrap(), super::super::wire(&address).await.unwrap());
    let (first, second) = (NodeId::draw(), NodeId::draw());
    let (conversation, ada, bob) = (conversations(1)[0], UserId::generate(), UserId::generate());
    one.wire.note(Event::NodeStarted { node: first, machine: "north".to_owned(), version: "1.2.3" });
    one.wire.note(Event::Joined { conversation, user: bob, by: ada });
    one.wire.note(Event::Left { conversation, user: bob, by: bob });
    // Everybody sees that it is silent.
    one.wire.note(Event::NodeSilent { node: second });
    events(&address, 4).await;
    two.wire.note(Event::NodeSilent { node: second });
    two.wire.note(Event::NodeMissed { node: second });
    events(&address, 5).await;
    // What was noted is written before it is closed.
    one.wire.note(Event::NodeStopped { node: first });
    one.wire.close().await;
    one.wire.note(Event::NodeMissed { node: first });
    two.wire.note(Event::NodeSilent { node: first });
    two.wire.close().await;
    let prefix = &address.prefix;
    let node = |node: NodeId| format!("{prefix}-system.node.{node}");
    let group = format!("{prefix}-system.group.{conversation}");
    let wanted = [
        (
            node(first),
            serde_json::json!({"event": "node_started", "node": first.to_string(), "machine": "north", "version": "1.2.3"}),
        ),
        (
            group.clone(),
            serde_json::json!({"event": "joined", "conversation": conversation, "user": bob, "by": ada}),
        ),
        (group, serde_json::json!({"event": "left", "conversation": conversation, "user": bob, "by": bob})),
        (node(second), serde_json::json!({"event": "node_silent", "node": second.to_string()})),
        (node(second), serde_json::json!({"event": "node_missed", "node": second.to_string()})),
        (node(first), serde_json::json!({"event": "node_stopped", "node": first.to_string()})),
    ];
    assert_eq!(events(&address, 6).await, wanted);
}
