//! What goes over a broker goes under seal: HMAC-SHA-256 with a key that stands in the database. Whoever reaches the
//! broker and not the database can forge nothing, and is heard by nobody. They can read what passes, and repeat it:
//! repeated changes are known by their numbers, repeated work by its nonces.

use bytes::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::Sha256;

/// Bytes of a seal, in front of what is sealed.
pub(crate) const SEAL: usize = 32;

/// A seal for one purpose: what was sealed for another is not opened.
#[derive(Clone)]
pub(crate) struct Seal(Hmac<Sha256>);

/// The key fills half a block; RFC 2104 puts zeros behind a shorter key.
fn keyed(key: &[u8; 32]) -> Hmac<Sha256> {
    let mut block = [0; 64];
    block[..32].copy_from_slice(key);
    Hmac::new(&block.into())
}

impl Seal {
    pub(crate) fn new(key: &[u8; 32], purpose: &str) -> Self {
        let own: [u8; 32] = keyed(key).chain_update(purpose).finalize().into_bytes().into();
        Self(keyed(&own))
    }

    /// The seal of these bytes.
    pub(crate) fn of(&self, bytes: &[u8]) -> [u8; SEAL] {
        self.0.clone().chain_update(bytes).finalize().into_bytes().into()
    }

    /// The bytes behind their seal, where it is right; it is compared in constant time.
    pub(crate) fn checked<'a>(&self, sealed: &'a [u8]) -> Option<&'a [u8]> {
        let (seal, bytes) = sealed.split_at_checked(SEAL)?;
        self.0.clone().chain_update(bytes).verify_slice(seal).ok()?;
        Some(bytes)
    }

    /// As JSON, sealed.
    pub(crate) fn close(&self, value: &impl Serialize) -> serde_json::Result<Bytes> {
        let mut sealed = vec![0; SEAL];
        serde_json::to_writer(&mut sealed, value)?;
        let seal = self.of(&sealed[SEAL..]);
        sealed[..SEAL].copy_from_slice(&seal);
        Ok(sealed.into())
    }

    /// What was sealed, where the seal is right and it is what was expected.
    pub(crate) fn open<T: DeserializeOwned>(&self, sealed: &[u8]) -> Option<T> {
        serde_json::from_slice(self.checked(sealed)?).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_sealed_with_this_key_for_this_purpose_is_opened() {
        let seal = Seal::new(&[1; 32], "stored");
        let sealed = seal.close(&("hello", 7)).unwrap();
        assert_eq!(seal.open::<(String, u8)>(&sealed), Some(("hello".to_owned(), 7)));
        assert_eq!(seal.open::<u8>(&sealed), None, "something else");
        assert_eq!(Seal::new(&[2; 32], "stored").open::<(String, u8)>(&sealed), None);
        assert_eq!(Seal::new(&[1; 32], "submitted").open::<(String, u8)>(&sealed), None);
        for at in 0..sealed.len() {
            let mut forged = sealed.to_vec();
            forged[at] ^= 1;
            assert_eq!(seal.open::<(String, u8)>(&forged), None, "byte {at}");
        }
        assert_eq!(seal.open::<u8>(b"short"), None);
    }
}
