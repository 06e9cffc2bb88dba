//! Several nodes on one Postgres, over every bus: what one person does at one node reaches the others at theirs.

use super::*;
use crate::bus::sealed::{SEAL, Seal};
use crate::watch::Pace;
use crate::{CacheUrl, PresenceUrl};
use protocol::frame::close;
use std::time::Duration;
use tempfile::TempDir;

/// No look at the store helps: what arrives came over the bus.
const NEVER: Pace = Pace { every: Duration::from_secs(3600), again: Duration::from_secs(3600) };

/// A bus of its own on the server of a kind, where one is given.
pub(super) fn bus(kind: &str) -> Option<BusUrl> {
    let url =
        std::env::var(format!("CONFAB_TEST_{}", kind.to_uppercase())).ok().filter(|url| !url.is_empty())?;
    Some(format!("{url}?prefix=t{:016x}", rand::random::<u64>()).parse().unwrap())
}

/// One database, and the nodes on it.
pub(super) struct Cluster {
    folder: TempDir,
    bus: BusUrl,
    ingest: IngestMode,
    presence: PresenceUrl,
    /// Of the nodes that start from now on.
    pub(super) cache: CacheUrl,
}

impl Cluster {
    pub(super) async fn new(kind: &str, ingest: IngestMode) -> Option<Self> {
        let (bus, _) = (bus(kind)?, postgres()?);
        Some(Self {
            folder: empty().await,
            bus,
            ingest,
            presence: PresenceUrl::Here,
            cache: CacheUrl::Memory,
        })
    }

    pub(super) async fn node(&self, roles: &str) -> Scene {
        let folder = tempfile::tempdir().unwrap();
        let settings = Settings {
            data: folder.path().join("data"),
            bus: self.bus.clone(),
            ingest: self.ingest,
            roles: roles.parse().unwrap(),
            presence: self.presence.clone(),
            cache: self.cache.clone(),
            ..settings(&self.folder)
        };
        Scene { chat: Chat::open_with(settings, |bus| bus, NEVER).await.unwrap(), folder }
    }
}

/// Texts of the messages a socket was told of, in order.
fn texts(frames: &[ServerFrame], id: ConversationId) -> Vec<String> {
    let text = |frame: &ServerFrame| {
        let ServerFrame::Event { conversation, change, .. } = frame else { return None };
        match &change.kind.message().filter(|_| *conversation == id)?.body {
            Body::Text { text } => Some(text.to_string()),
            _ => None,
        }
    };
    frames.iter().filter_map(text).collect()
}

/// Whether a socket was told that a conversation is not its person's any more.
fn let_go(id: ConversationId) -> impl FnMut(&[ServerFrame]) -> bool {
    move |frames| frames.contains(&ServerFrame::Gone { conversation: id })
}

/// Both nodes have heard of each other: a broker's client takes a while until it listens.
pub(super) async fn acquainted(one: &Scene, other: &Scene) {
    for (here, there) in [(one, other), (other, one)] {
        let [ada, ben] = here.people().await;
        let id = here.group(ada, &[ben]).await;
        let bens = there.socket(ben).await;
        let hears = async {
            loop {
                here.say(ada, id, "are you there?").await;
                let heard = frames_until(&bens, |frames| !texts(frames, id).is_empty());
                if tokio::time::timeout(Duration::from_millis(200), heard).await.is_ok() {
                    return;
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(30), hears).await.expect("the other node hears nothing");
        there.chat.detach(&bens);
    }
}

/// Two nodes: who writes at one is read at the other, in order, once; every kind of news crosses.
async fn news_crosses(kind: &str) {
    let Some(cluster) = Cluster::new(kind, IngestMode::Direct).await else { return };
    let (one, other) = (cluster.node("gateway,worker").await, cluster.node("gateway,worker").await);
    acquainted(&one, &other).await;
    let [ada, ben, cleo] = one.people().await;
    let (adas, bens, cleos) = (one.socket(ada).await, other.socket(ben).await, other.socket(cleo).await);
    // Founded at one node, it opens at the other.
    let id = one.group(ada, &[ben]).await;
    let whole = |frames: &[ServerFrame]| {
        frames.iter().any(|frame| {
            matches!(frame, ServerFrame::Heads { conversations } if conversations.iter().any(|one| one.id == id))
        })
    };
    frames_until(&bens, whole).await;
    for n in 0..50 {
        one.say(ada, id, &format!("{n}")).await;
    }
    let frames = frames_until(&bens, |frames| texts(frames, id).len() >= 50).await;
    assert_eq!(texts(&frames, id), (0..50).map(|n| n.to_string()).collect::<Vec<_>>());
    // Read there, it is known here; a newcomer gets in, and who is removed hears no more.
    other.chat.read(ben, id, 50, None).await.unwrap();
    frames_until(&adas, |frames| {
        frames
            .iter()
            .any(|frame| matches!(frame, ServerFrame::Read { user, seq: 50, .. } if *user == ben.user))
    })
    .await;
    one.chat.add_member(ada, id, cleo.user).await.unwrap();
    frames_until(&cleos, whole).await;
    one.chat.remove_member(ada, id, cleo.user).await.unwrap();
    frames_until(&cleos, let_go(id)).await;
    one.say(ada, id, "without Cleo").await;
    frames_until(&bens, |frames| texts(frames, id).last().is_some_and(|text| text == "without Cleo")).await;
    let direct = other.chat.create(cleo, NewConversation::Direct { user: ben.user }).await.unwrap().0.id;
    one.say(ben, direct, "you still hear me").await;
    let frames = frames_until(&cleos, |frames| !texts(frames, direct).is_empty()).await;
    assert_eq!(texts(&frames, id), [] as [&str; 0]);
    // A session that ends at one node is closed at the other.
    one.chat.sign_out(ben).await.unwrap();
    assert_eq!(closed(&bens).await, close::SESSION_ENDED);
    one.chat.shutdown().await;
    other.chat.shutdown().await;
}

/// A ticket of one node is good at the other, once among all.
async fn a_ticket_is_good_anywhere_once(kind: &str) {
    let Some(cluster) = Cluster::new(kind, IngestMode::Direct).await else { return };
    let (one, other) = (cluster.node("gateway,worker").await, cluster.node("gateway,worker").await);
    acquainted(&one, &other).await;
    let [ada, ben] = one.people().await;
    let ticket = one.chat.ticket(ada).unwrap().ticket;
    let id = one.group(ada, &[ben]).await;
    assert_eq!(other.chat.redeem(&ticket).await.unwrap(), Some(ada));
    assert_eq!(other.chat.redeem(&ticket).await.unwrap(), None);
    // What the other node told before this message was heard before it.
    let adas = one.socket(ada).await;
    other.say(ben, id, "redeemed").await;
    frames_until(&adas, |frames| !texts(frames, id).is_empty()).await;
    assert_eq!(one.chat.redeem(&ticket).await.unwrap(), None);
}

/// A gateway takes, a worker stores: accepted first, then the ack, over sockets and over requests.
async fn queued_messages_are_accepted_and_then_stored(kind: &str) {
    let Some(cluster) = Cluster::new(kind, IngestMode::Queued).await else { return };
    let (gateway, worker) = (cluster.node("gateway").await, cluster.node("worker").await);
    let [ada, ben] = gateway.people().await;
    let id = gateway.group(ada, &[ben]).await;
    acquainted_by_queue(&gateway, ada, id).await;
    let (adas, bens) = (gateway.socket(ada).await, gateway.socket(ben).await);
    let nonces: Vec<Nonce> = (0..200).map(|n| format!("n{n}").parse().unwrap()).collect();
    for (n, nonce) in nonces.iter().enumerate() {
        gateway.chat.send(&adas, nonce.clone(), id, body(&format!("{n}")), None).unwrap();
    }
    let frames = frames_until(&adas, |frames| {
        frames.iter().filter(|frame| matches!(frame, ServerFrame::Ack { .. })).count() == nonces.len()
    })
    .await;
    let accepted = |nonce: &Nonce| {
        frames.iter().position(|frame| matches!(frame, ServerFrame::Accepted { nonce: of } if of == nonce))
    };
    let acked: Vec<_> = frames
        .iter()
        .enumerate()
        .filter_map(|(at, frame)| match frame {
            ServerFrame::Ack { nonce, duplicate: false, .. } => Some((at, nonce.clone())),
            _ => None,
        })
        .collect();
    assert_eq!(
        acked.iter().map(|(_, nonce)| nonce.clone()).collect::<Vec<_>>(),
        nonces,
        "in the order they were sent"
    );
    assert!(nonces.iter().all(|nonce| accepted(nonce).is_some()));
    let heard = frames_until(&bens, |frames| texts(frames, id).len() >= nonces.len()).await;
    assert_eq!(texts(&heard, id), (0..200).map(|n| n.to_string()).collect::<Vec<_>>());
    // The same nonce again, with the same and with other words; and by somebody who is no member.
    let [stranger] = gateway.people().await;
    let again = NewMessage { nonce: nonces[7].clone(), body: body("7"), reply_to: None };
    assert!(gateway.chat.post(ada, id, again.clone()).await.unwrap().duplicate);
    let other = NewMessage { body: body("other words"), ..again };
    assert_eq!(gateway.chat.post(ada, id, other).await.unwrap_err(), Error::IdempotencyConflict);
    assert_eq!(gateway.chat.post(stranger, id, message("hi")).await.unwrap_err(), Error::NotFound);
    gateway.chat.shutdown().await;
    worker.chat.shutdown().await;
}

/// Until a worker has its lines and its answers are heard.
async fn acquainted_by_queue(gateway: &Scene, who: Identity, id: ConversationId) {
    let stored = async { while gateway.chat.post(who, id, message("are you there?")).await.is_err() {} };
    tokio::time::timeout(Duration::from_secs(60), stored).await.expect("no worker stores anything");
}

/// Whoever reaches the broker and not the database is heard by nobody, and their work is buried.
async fn what_is_forged_reaches_nobody(kind: &str) {
    let Some(cluster) = Cluster::new(kind, IngestMode::Queued).await else { return };
    let node = cluster.node("gateway,worker").await;
    let [ada, ben] = node.people().await;
    let id = node.group(ada, &[ben]).await;
    acquainted_by_queue(&node, ada, id).await;
    let (bens, before) = (node.socket(ben).await, node.chat.conversation(ada, id).await.unwrap().head_seq);
    let forger = Seal::new(&[7; 32], "submitted");
    let post = crate::store::NewPost {
        id: protocol::MessageId::generate(),
        conversation: id,
        sender: ada.user,
        nonce: Nonce::generate(),
        body: body("send me your money"),
        reply_to: None,
        sent_at: Timestamp::default(),
    };
    let origin = crate::bus::Origin { socket: bens.id(), user: ada.user, nonce: post.nonce.clone() };
    let forged = forger.close(&crate::ingest::Submitted { post, origin }).unwrap();
    assert!(forged.len() > SEAL);
    let intake = crate::open::intake(&cluster.bus).await.unwrap();
    let submitted =
        intake.submit(vec![crate::bus::intake::Submission { key: id, sealed: forged.clone() }]).await;
    assert!(submitted.iter().all(Result::is_ok));
    let buried = async {
        loop {
            if let Some(letter) = intake.dead(10).await.unwrap().pop() {
                return letter;
            }
            tokio::task::yield_now().await;
        }
    };
    let letter = tokio::time::timeout(Duration::from_secs(20), buried).await.expect("nothing was buried");
    assert_eq!(letter.sealed, forged);
    assert!(letter.reason.contains("not sealed"), "{}", letter.reason);
    node.say(ada, id, "the next one").await;
    let frames = frames_until(&bens, |frames| !texts(frames, id).is_empty()).await;
    assert_eq!(texts(&frames, id), ["the next one"]);
    assert_eq!(node.chat.conversation(ada, id).await.unwrap().head_seq, before + 1);
    intake.close().await;
    node.chat.shutdown().await;
}

/// Sixteen thousand queued messages and two workers: one is gone in the middle, the other takes over; nothing is lost, doubled
/// or reordered within a conversation.
async fn a_worker_that_dies_is_replaced(kind: &str) {
    const CONVERSATIONS: usize = 8;
    const EACH: usize = 2_000;
    let Some(cluster) = Cluster::new(kind, IngestMode::Queued).await else { return };
    let gateway = cluster.node("gateway").await;
    let [ada, ben] = gateway.people().await;
    let mut ids = Vec::new();
    for _ in 0..CONVERSATIONS {
        ids.push(gateway.group(ada, &[ben]).await);
    }
    // Queued by the broker's own front, past the rates of people.
    let (intake, seal) = (
        crate::open::intake(&cluster.bus).await.unwrap(),
        Seal::new(&gateway.chat.inner.stores.database.key(), "submitted"),
    );
    for n in 0..EACH {
        let submission = |id: &ConversationId| {
            let post = crate::store::NewPost {
                id: protocol::MessageId::generate(),
                conversation: *id,
                sender: ada.user,
                nonce: format!("{id}-{n}").parse().unwrap(),
                body: body(&n.to_string()),
                reply_to: None,
                sent_at: Timestamp::default(),
            };
            let origin =
                crate::bus::Origin { socket: crate::SocketId(0), user: ada.user, nonce: post.nonce.clone() };
            let sealed = seal.close(&crate::ingest::Submitted { post, origin }).unwrap();
            crate::bus::intake::Submission { key: *id, sealed }
        };
        let submitted = intake.submit(ids.iter().map(submission).collect()).await;
        assert!(submitted.iter().all(Result::is_ok));
    }
    let (first, second) = (cluster.node("worker").await, cluster.node("worker").await);
    let stored = async |least: usize| {
        let counting = async {
            loop {
                let mut sum = 0;
                for id in &ids {
                    sum +=
                        usize::try_from(gateway.chat.conversation(ben, *id).await.unwrap().head_seq).unwrap();
                }
                if sum >= least {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(120), counting).await.expect("the workers stand still");
    };
    stored(CONVERSATIONS * EACH / 4).await;
    first.chat.kill_worker().await;
    stored(CONVERSATIONS * EACH).await;
    for id in &ids {
        let mut texts = Vec::with_capacity(EACH);
        while texts.len() < EACH {
            let page =
                gateway.chat.history(ben, *id, Span::After(texts.len() as u64), 200).await.unwrap().messages;
            assert!(!page.is_empty(), "a hole");
            texts.extend(page.into_iter().map(|message| match message.body {
                Body::Text { text } => text.to_string(),
                other => panic!("{other:?}"),
            }));
        }
        assert_eq!(texts, (0..EACH).map(|n| n.to_string()).collect::<Vec<_>>());
    }
    intake.close().await;
    for node in [gateway, second] {
        node.chat.shutdown().await;
    }
}

/// Who is at another node is told at the start, as a change, and as gone when that node is gone without a word.
#[tokio::test(flavor = "multi_thread")]
async fn people_at_other_nodes_are_here_too() {
    let Some(mut cluster) = Cluster::new("redis", IngestMode::Direct).await else { return };
    let url = std::env::var("CONFAB_TEST_REDIS").unwrap();
    let prefix = format!("p{:016x}", rand::random::<u64>());
    cluster.presence = format!("{url}?prefix={prefix}").parse().unwrap();
    let (one, other) = (cluster.node("gateway,worker").await, cluster.node("gateway,worker").await);
    acquainted(&one, &other).await;
    let [ada, ben, eve] = one.people().await;
    one.group(ada, &[ben]).await;
    let bens = other.socket(ben).await;
    let strangers = other.socket(eve).await;
    let shared = async {
        // Told after a while: whoever comes and goes at once is no news.
        loop {
            let adas = one.chat.attach(ada);
            let frames = one.chat.hello(&adas, Resume::default()).await.unwrap();
            let present = ServerFrame::Present { online: vec![ben.user], away: vec![] };
            if frames.contains(&present) {
                return adas;
            }
            one.chat.detach(&adas);
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    let adas = tokio::time::timeout(Duration::from_secs(20), shared).await.expect("Ben is never there");
    assert_eq!(one.chat.person(ada, ben.user).await.unwrap().presence, protocol::Presence::Online);
    let is = |state| {
        move |frames: &[ServerFrame]| {
            frames.iter().any(|frame| matches!(frame, ServerFrame::Presence { user, state: of, .. } if *user == ben.user && *of == state))
        }
    };
    other.chat.step(&bens, protocol::Presence::Away);
    frames_until(&adas, is(protocol::Presence::Away)).await;
    // The node is gone without a word: its leases run out.
    let mut connection =
        ::redis::Client::open(url).unwrap().get_multiplexed_async_connection().await.unwrap();
    let keys: Vec<String> = ::redis::cmd("KEYS")
        .arg(format!("{prefix}:presence:{}:*", ben.user))
        .query_async(&mut connection)
        .await
        .unwrap();
    assert_eq!(keys.len(), 1);
    let _gone: () = ::redis::cmd("DEL").arg(keys).query_async(&mut connection).await.unwrap();
    let presences = &one.chat.inner.presences;
    presences.expire(&**presences.leases.as_ref().unwrap()).await;
    frames_until(&adas, is(protocol::Presence::Offline)).await;
    assert_eq!(one.chat.person(ada, ben.user).await.unwrap().presence, protocol::Presence::Offline);
    drop(strangers);
}

macro_rules! on_every_bus {
    ($($kind:ident)*) => {$(
        mod $kind {
            #[tokio::test(flavor = "multi_thread")]
            async fn news_crosses() {
                super::news_crosses(stringify!($kind)).await;
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn a_ticket_is_good_anywhere_once() {
                super::a_ticket_is_good_anywhere_once(stringify!($kind)).await;
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn queued_messages_are_accepted_and_then_stored() {
                super::queued_messages_are_accepted_and_then_stored(stringify!($kind)).await;
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn what_is_forged_reaches_nobody() {
                super::what_is_forged_reaches_nobody(stringify!($kind)).await;
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn a_worker_that_dies_is_replaced() {
                super::a_worker_that_dies_is_replaced(stringify!($kind)).await;
            }
        }
    )*};
}

on_every_bus!(redis nats kafka);
