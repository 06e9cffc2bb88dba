//! Nodes on one database and one broker, people at any of them, and what they see.

use harness::backing::Service;
use harness::{Person, Server, Socket};
use protocol::{ChangeKind, ConversationId, Message, ServerFrame};
use std::path::{Path, PathBuf};
use std::time::Duration;
use uuid::Uuid;

/// The program.
pub const CONFAB: &str = env!("CARGO_BIN_EXE_confab");

/// Longer than a broker takes to give a worker its lines, also on a machine that does much else.
const PATIENCE: Duration = Duration::from_secs(60);

/// The address of a server of the tests.
pub fn service(kind: &str) -> Option<String> {
    let name = format!("CONFAB_TEST_{}", kind.to_uppercase());
    let url = std::env::var(&name).ok().filter(|url| !url.is_empty());
    assert!(url.is_some() || std::env::var_os("CI").is_none(), "{name} names no server");
    url
}

/// A name that nobody else has.
pub fn own_name() -> String {
    let (_, random) = Uuid::new_v4().as_u64_pair();
    format!("scenario-{random:016x}")
}

/// A bus of the scenario's own on the broker of the tests.
pub fn bus(kind: &str) -> Option<String> {
    Some(format!("{}?prefix={}", service(kind)?, own_name()))
}

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("server/ lies in the workspace").to_owned()
}

/// A Postgres and a bus, for any number of nodes.
pub struct Cluster {
    postgres: Service,
    bus: String,
}

impl Cluster {
    /// On a broker of the tests, where there is one.
    pub async fn on(kind: &str) -> Option<Self> {
        let bus = bus(kind)?;
        let script = workspace().join("scripts").join("services");
        let postgres = Service::start(&script, "postgres", own_name()).await.expect("a database");
        Some(Self { postgres, bus })
    }

    /// One more node.
    pub async fn node(&self, flags: &[&str]) -> Server {
        let mut all = vec!["--store", self.postgres.url(), "--bus", &self.bus];
        all.extend(flags);
        Server::start_with(CONFAB, &all).await.expect("a node")
    }
}

/// People by these names, with accounts made at one node, one after the other: the first looks after the servers.
pub async fn people<const N: usize>(node: &Server, names: [&str; N]) -> [Person; N] {
    let nobody = node.client().expect("a client");
    let mut people = Vec::new();
    for name in names {
        people.push(Person::register(&nobody, name).await.expect("an account"));
    }
    people.try_into().expect("as many people as names")
}

/// The same person on the same session, at another node.
pub fn at(person: &Person, node: &Server) -> Person {
    let client = node.client().expect("a client").with_token(person.client.token());
    Person { client, user: person.user.clone() }
}

/// The message that a frame brings somebody, other than as the answer to their own request.
pub fn posted(frame: &ServerFrame) -> Option<&Message> {
    match frame {
        ServerFrame::Event { change, .. } => match &change.kind {
            ChangeKind::Posted { message } => Some(message),
            _ => None,
        },
        _ => None,
    }
}

/// Where and what.
pub fn said(message: &Message) -> (ConversationId, String) {
    (message.conversation, message.body.text().unwrap_or_default().to_owned())
}

/// As others than their senders see them: nonces are for those who sent.
pub fn seen_by_others(messages: Vec<Message>) -> Vec<Message> {
    messages.into_iter().map(|message| Message { nonce: None, ..message }).collect()
}

/// Words alone, in order.
pub fn words(messages: &[Message]) -> Vec<String> {
    messages.iter().map(|message| said(message).1).collect()
}

/// Reads on to the next message; it must be this one.
pub async fn hears(socket: &mut Socket, room: ConversationId, text: &str) -> Message {
    let heard = socket.until("a message", |frame| posted(frame).cloned()).await.expect("it arrives");
    assert_eq!(said(&heard), (room, text.to_owned()));
    heard
}

/// Messages that came over a socket since, none of which was waited for.
pub async fn heard(socket: &mut Socket) -> Vec<(ConversationId, String)> {
    socket.settle().await.expect("a live socket").iter().filter_map(posted).map(said).collect()
}

/// Waits for a condition.
pub async fn until<F: Future<Output = bool>>(what: &str, mut holds: impl FnMut() -> F) {
    let wait = async {
        let mut tries = tokio::time::interval(Duration::from_millis(50));
        loop {
            tries.tick().await;
            if holds().await {
                return;
            }
        }
    };
    tokio::time::timeout(PATIENCE, wait).await.unwrap_or_else(|_| panic!("never: {what}"));
}
