//! What a nonce was used for, in 64 bits: the first bytes of SHA-256. It only has to tell a retry from a mistake of the same
//! person's, so no more bits are needed. The same in every store: rows move from one to the other.

use crate::store::{Act, NewAct, NewConversation, NewPost};
use protocol::History;
use sha2::{Digest, Sha256};

/// Of a message: conversation, answered message, and the body as it is stored.
pub(super) fn of_post(post: &NewPost, body: &str) -> i64 {
    let mut hash = Sha256::new();
    hash.update(post.conversation.as_bytes());
    hash.update(post.reply_to.map_or([0; 16], |id| *id.as_bytes()));
    hash.update(body.as_bytes());
    first(hash)
}

/// Of the founding of a group. The id is drawn anew by every request, so it is not part of it; the members come sorted.
pub(super) fn of_founding(new: &NewConversation) -> i64 {
    let mut hash = Sha256::new();
    hash.update(b"found");
    hash.update((new.title.len() as u64).to_be_bytes());
    hash.update(new.title.as_bytes());
    for (account, _) in &new.members {
        hash.update(account.as_bytes());
    }
    hash.update([u8::from(new.public), u8::from(new.history == History::All)]);
    first(hash)
}

/// Of something done to a message.
pub(super) fn of_act(new: &NewAct) -> serde_json::Result<i64> {
    let mut hash = Sha256::new();
    hash.update(new.message.as_bytes());
    match &new.act {
        Act::Edit(body) => {
            hash.update(b"edit");
            hash.update(serde_json::to_string(body)?);
        }
        Act::Recall => hash.update(b"recall"),
        Act::React(emoji, on) => {
            hash.update(if *on { b"react" } else { b"retir" });
            hash.update(emoji.as_str());
        }
        Act::Pin(on) => hash.update(if *on { b"pin  " } else { b"unpin" }),
    }
    Ok(first(hash))
}

fn first(hash: Sha256) -> i64 {
    let bytes = hash.finalize();
    let mut first = [0; 8];
    first.copy_from_slice(&bytes[..8]);
    i64::from_be_bytes(first)
}
