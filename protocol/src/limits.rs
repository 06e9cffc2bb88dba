//! Every bound of the contract, in one place. `welcome` sends them, so that no client has to guess.

use serde::{Deserialize, Serialize};

/// Longest WebSocket frame, in bytes. A longer one closes the socket with 1009.
pub const FRAME_BYTES: usize = 64 * 1024;
/// Longest text of a message, in Unicode scalar values.
pub const TEXT_CHARS: usize = 16_000;
/// Most messages or changes in one page; a larger request gets this many.
pub const PAGE: u32 = 200;
/// Messages in a page when the request names no number.
pub const PAGE_DEFAULT: u32 = 50;
/// Most cursors in one `hello`. A client with more leaves the rest out and gets those conversations whole.
pub const CURSORS: usize = 500;
/// Most conversations of one person: another one is refused, whoever opens it.
pub const CONVERSATIONS: u32 = 5_000;
/// Most sockets one person may have open at once; another one is refused.
pub const SOCKETS: usize = 100;
/// Frames that may wait for one socket; one more closes it with 4008 (resync).
pub const QUEUE_FRAMES: usize = 256;
/// Bytes that may wait for one socket; more closes it with 4008 (resync).
pub const QUEUE_BYTES: usize = 256 * 1024;
/// Most members of a group.
pub const GROUP_MEMBERS: u32 = 100_000;
/// Members carried inside a conversation object; a larger group lists them at `/members` only.
pub const MEMBERS_INLINE: u32 = 50;
/// Longest title of a group, in Unicode scalar values.
pub const TITLE_CHARS: usize = 100;
/// Longest nonce, in Unicode scalar values.
pub const NONCE_CHARS: usize = 64;
/// Frames a socket may send at once; beyond it they come too fast.
pub const FRAMES_BURST: u32 = 2_000;
/// Frames a socket may send each second in the long run. More are refused as `rate_limited` and stored nothing.
pub const FRAMES_PER_SECOND: u32 = 1_000;
/// Milliseconds between a client's pings. A socket silent for two and a half beats is closed.
pub const HEARTBEAT_MS: u32 = 25_000;
/// Milliseconds a new socket has for its `hello`.
pub const HELLO_MS: u32 = 10_000;
/// Changes a client may be behind in one conversation; further behind it is told `reset`.
pub const SYNC_CHANGES: u64 = 1_000;
/// Shortest and longest user name, in characters.
pub const USERNAME_CHARS: std::ops::RangeInclusive<usize> = 2..=32;
/// Shortest and longest password, in Unicode scalar values.
pub const PASSWORD_CHARS: std::ops::RangeInclusive<usize> = 8..=256;
/// Longest display name, in Unicode scalar values.
pub const DISPLAY_NAME_CHARS: usize = 64;
/// Most people one search returns.
pub const PEOPLE: u32 = 20;
/// Most public groups one search returns.
pub const GROUPS: u32 = 20;
/// Most ids one look-up of people may name.
pub const PEOPLE_IDS: usize = 200;
/// Newest messages each conversation carries in `unread/all`.
pub const UNREAD_MESSAGES: u32 = 50;
/// Most messages of all conversations together in `unread/all`, unless there are more conversations than that. Where
/// more than a hundred have unread messages, each carries fewer of them.
pub const UNREAD_MESSAGES_ALL: u32 = 5_000;
/// Longest emoji, in bytes: a family with skin tones is far shorter.
pub const EMOJI_BYTES: usize = 64;
/// Most different emoji under one message; another one is refused.
pub const REACTIONS: usize = 20;
/// Most people who choose one emoji under one message; one more is refused.
pub const REACTORS: usize = 100;
/// Most pinned messages of a conversation; another one is refused.
pub const PINS: u32 = 100;
/// Most names of one message that are resolved; the rest are words.
pub const MENTIONS: usize = 50;
/// Milliseconds after which a message can no longer be edited: two days.
pub const EDIT_MS: u64 = 48 * 60 * 60 * 1000;
/// Most earlier versions of one message; another edit is refused.
pub const EDITS: u32 = 100;
/// How far back from the newest message one may mark as unread.
pub const UNREAD_BACK: u64 = 1_000;
/// Milliseconds for which `typing` is good.
pub const TYPING_MS: u32 = 6_000;
/// Most readers named in an answer.
pub const READERS: u32 = 200;

/// The limits a client must respect, as sent in `welcome`. One that an older server does not name yet is ours.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[expect(missing_docs, reason = "each field is the constant of the same name")]
pub struct Limits {
    pub frame_bytes: usize,
    pub text_chars: usize,
    pub page: u32,
    pub cursors: usize,
    pub conversations: u32,
    pub sockets: usize,
    pub queue_frames: usize,
    pub queue_bytes: usize,
    pub group_members: u32,
    pub members_inline: u32,
    pub title_chars: usize,
    pub nonce_chars: usize,
    pub hello_ms: u32,
    pub frames_burst: u32,
    pub frames_per_second: u32,
    pub sync_changes: u64,
    pub reactions: usize,
    pub reactors: usize,
    pub pins: u32,
    pub mentions: usize,
    pub edit_ms: u64,
    pub edits: u32,
    pub unread_back: u64,
    pub typing_ms: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            frame_bytes: FRAME_BYTES,
            text_chars: TEXT_CHARS,
            page: PAGE,
            cursors: CURSORS,
            conversations: CONVERSATIONS,
            sockets: SOCKETS,
            queue_frames: QUEUE_FRAMES,
            queue_bytes: QUEUE_BYTES,
            group_members: GROUP_MEMBERS,
            members_inline: MEMBERS_INLINE,
            title_chars: TITLE_CHARS,
            nonce_chars: NONCE_CHARS,
            hello_ms: HELLO_MS,
            frames_burst: FRAMES_BURST,
            frames_per_second: FRAMES_PER_SECOND,
            sync_changes: SYNC_CHANGES,
            reactions: REACTIONS,
            reactors: REACTORS,
            pins: PINS,
            mentions: MENTIONS,
            edit_ms: EDIT_MS,
            edits: EDITS,
            unread_back: UNREAD_BACK,
            typing_ms: TYPING_MS,
        }
    }
}
