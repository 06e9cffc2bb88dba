//! Session tokens: 256 random bits, known in clear to the client only.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

/// A new token and the hash under which it is kept. SHA-256 is enough: the token has nothing to guess.
pub(super) fn draw() -> (String, [u8; 32]) {
    let bytes: [u8; 32] = rand::random();
    let token = URL_SAFE_NO_PAD.encode(bytes);
    let hash = Sha256::digest(bytes).into();
    (token, hash)
}

/// The hash of a token as a client sent it; none where it cannot be one.
pub(super) fn hash(token: &str) -> Option<[u8; 32]> {
    let bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
    (bytes.len() == 32).then(|| Sha256::digest(bytes).into())
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_token_is_found_again_by_its_hash_only() {
        let (token, hash) = super::draw();
        assert_eq!(super::hash(&token), Some(hash));
        assert_ne!(super::draw().0, token);
        assert_eq!(super::hash("short"), None);
        assert_eq!(super::hash(&format!("{token}A")), None);
    }
}
