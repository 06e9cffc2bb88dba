//! Known mistakes of chat servers, built in on purpose, one at a time, so that the fault harness can show that it
//! catches each (docs/reliability.md). Only with the feature `planted`, only in debug builds, chosen by the
//! environment variable `CONFAB_PLANTED`.

#[cfg(all(feature = "planted", not(debug_assertions)))]
compile_error!("planted mistakes never reach a release build");

use crate::persist::Reply;
use crate::store::{NewPost, PostOutcome, Stores};
use protocol::{ConversationId, Message, Nonce, UserId};
use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A mistake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mistake {
    /// The sender hears that a message is stored a moment before it is.
    AckBeforeCommit,
    /// A retry is a new message.
    NoDedupe,
    /// A retry is known only for a while, and only to the process that heard the first try.
    DedupeMemory30s,
    /// A new socket is told what there is before it hears what is new.
    SyncBeforeSubscribe,
    /// Doorbells get lost, and nobody looks.
    NoGapFill,
    /// The last read mark wins, not the highest.
    ReadMovesBack,
    /// Unread messages are counted up in memory.
    UnreadIncremented,
    /// Who leaves goes on hearing.
    LeaveKeepsSocket,
}

#[cfg(feature = "planted")]
impl Mistake {
    fn chosen() -> Option<Self> {
        static CHOSEN: std::sync::OnceLock<Option<Mistake>> = std::sync::OnceLock::new();
        *CHOSEN.get_or_init(|| {
            let name = std::env::var("CONFAB_PLANTED").ok()?;
            Some(match name.as_str() {
                "ack_before_commit" => Self::AckBeforeCommit,
                "no_dedupe" => Self::NoDedupe,
                "dedupe_memory_30s" => Self::DedupeMemory30s,
                "sync_before_subscribe" => Self::SyncBeforeSubscribe,
                "no_gap_fill" => Self::NoGapFill,
                "read_moves_back" => Self::ReadMovesBack,
                "unread_incremented" => Self::UnreadIncremented,
                "leave_keeps_socket" => Self::LeaveKeepsSocket,
                _ => return None,
            })
        })
    }
}

/// Whether this mistake is in effect. Never, and at no cost, without the feature.
pub(crate) fn is(mistake: Mistake) -> bool {
    #[cfg(feature = "planted")]
    let planted = Mistake::chosen() == Some(mistake);
    #[cfg(not(feature = "planted"))]
    let planted = {
        let _ = mistake;
        false
    };
    planted
}

type Kept<K, V> = LazyLock<Mutex<HashMap<K, V>>>;

fn with<K, V, R>(kept: &Kept<K, V>, act: impl FnOnce(&mut HashMap<K, V>) -> R) -> R {
    act(&mut kept.lock().unwrap_or_else(PoisonError::into_inner))
}

/// [`Mistake::NoDedupe`] and [`Mistake::DedupeMemory30s`]: what the nonces of these posts are called in the store.
pub(crate) fn renamed(posts: &[NewPost]) -> Option<Vec<NewPost>> {
    static HEARD: Kept<(UserId, Nonce), (Instant, Nonce)> = LazyLock::new(Mutex::default);
    let memory = is(Mistake::DedupeMemory30s);
    if !memory && !is(Mistake::NoDedupe) {
        return None;
    }
    let rename = |post: &NewPost| {
        let nonce = if memory {
            with(&HEARD, |heard| {
                heard.retain(|_, (since, _)| since.elapsed() < Duration::from_secs(30));
                let new = || (Instant::now(), Nonce::generate());
                heard.entry((post.sender, post.nonce.clone())).or_insert_with(new).1.clone()
            })
        } else {
            Nonce::generate()
        };
        NewPost { nonce, ..post.clone() }
    };
    Some(posts.iter().map(rename).collect())
}

/// The names the senders know.
pub(crate) fn named_back(posts: &[NewPost], outcomes: &mut [PostOutcome]) {
    for (post, outcome) in posts.iter().zip(outcomes) {
        if let PostOutcome::Stored { message, .. } | PostOutcome::Duplicate(message) = outcome {
            message.nonce = Some(post.nonce.clone());
        }
    }
}

/// [`Mistake::NoGapFill`]: whether this doorbell is one of those that nobody hears.
pub(crate) fn is_lost() -> bool {
    static HEARD: AtomicUsize = AtomicUsize::new(0);
    HEARD.fetch_add(1, Ordering::Relaxed) % 20 == 19
}

static COUNTED: Kept<ConversationId, u64> = LazyLock::new(Mutex::default);

/// [`Mistake::UnreadIncremented`]: one more.
pub(crate) fn count_up(conversation: ConversationId) {
    if is(Mistake::UnreadIncremented) {
        with(&COUNTED, |counted| *counted.entry(conversation).or_default() += 1);
    }
}

/// [`Mistake::UnreadIncremented`]: read, by whomever.
pub(crate) fn count_anew(conversation: ConversationId) {
    with(&COUNTED, |counted| counted.remove(&conversation));
}

/// [`Mistake::UnreadIncremented`]: what is believed to be unread.
pub(crate) fn counted(conversation: ConversationId) -> Option<u64> {
    is(Mistake::UnreadIncremented)
        .then(|| with(&COUNTED, |counted| counted.get(&conversation).copied().unwrap_or_default()))
}

/// [`Mistake::AckBeforeCommit`]: tells the senders what will be, and then takes its time.
pub(crate) async fn ack_early(stores: &Stores, posts: &[NewPost], replies: &[Reply]) {
    if !is(Mistake::AckBeforeCommit) {
        return;
    }
    let Ok(known) = stores.messages.look_up(posts).await else { return };
    let mut heads = HashMap::new();
    for ((post, reply), known) in posts.iter().zip(replies).zip(known) {
        let (Reply::Socket(socket), None) = (reply, known) else { continue };
        let Ok(Some(standing)) = stores.conversations.standing(post.sender, post.conversation).await else {
            continue;
        };
        let head = heads.entry(post.conversation).or_insert((standing.head_seq, standing.head_rev));
        *head = (head.0 + 1, head.1 + 1);
        let message = Message {
            id: post.id,
            conversation: post.conversation,
            seq: head.0,
            rev: head.1,
            sender: post.sender,
            nonce: Some(post.nonce.clone()),
            body: post.body.clone(),
            sent_at: post.sent_at,
            edited_at: None,
            recalled: false,
            reply_to: post.reply_to,
            mentions: Vec::new(),
            mentions_all: false,
            reactions: Vec::new(),
            pinned: false,
        };
        socket.push(&protocol::ServerFrame::Ack { nonce: post.nonce.clone(), message, duplicate: false });
    }
    tokio::time::sleep(Duration::from_millis(50)).await;
}

/// [`Mistake::SyncBeforeSubscribe`]: the time in which what comes is lost.
pub(crate) async fn dawdle() {
    tokio::time::sleep(Duration::from_millis(25)).await;
}
