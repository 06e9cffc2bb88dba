//! Bodies of workload messages: each says who sent it, as the how-manieth, and carries a hash of both and of its words, so
//! that a damaged or foreign text is known from the text alone.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;

/// Hash of a message's whole text: FNV-1a, 64 bits. It has to find damage, not to withstand an attacker. Written as
/// sixteen hexadecimal digits, because many readers of JSON lose the last bits of so large a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BodyHash(pub u64);

impl BodyHash {
    /// Of a text. <http://www.isthe.com/chongo/tech/comp/fnv/>
    pub fn of(text: &str) -> Self {
        let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        Self(text.bytes().fold(0xcbf2_9ce4_8422_2325, step))
    }
}

impl fmt::Display for BodyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl Serialize for BodyHash {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for BodyHash {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let digits = String::deserialize(from)?;
        u64::from_str_radix(&digits, 16).map(Self).map_err(serde::de::Error::custom)
    }
}

/// The text of a workload message: `SENDER N HASH WORDS`. `sender` (a device's name) has no spaces; `sender` and `n`
/// together are used once in a run, so that no two messages have the same text.
pub fn compose(sender: &str, n: u64, words: &str) -> String {
    format!("{sender} {n} {} {words}", seal(sender, n, words))
}

/// Whether a text is one that [`compose`] wrote, undamaged.
pub fn is_intact(text: &str) -> bool {
    let mut parts = text.splitn(4, ' ');
    let (Some(sender), Some(n), Some(hash), Some(words)) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return false;
    };
    n.parse().is_ok_and(|n| seal(sender, n, words).to_string() == hash)
}

fn seal(sender: &str, n: u64, words: &str) -> BodyHash {
    BodyHash::of(&format!("{sender} {n} {words}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn damage_shows_in_the_text_alone() {
        let text = compose("ada/1", 7, "hello  there");
        assert!(is_intact(&text));
        assert!(!is_intact(&text.replace("hello", "hallo")));
        assert!(!is_intact(&text.replace("ada/1 7", "ada/1 8")));
        assert!(!is_intact("hello"));
    }

    #[test]
    fn a_hash_is_read_back_whole() {
        let hash = BodyHash(u64::MAX - 1);
        assert_eq!(serde_json::from_str::<BodyHash>(&serde_json::to_string(&hash).unwrap()).unwrap(), hash);
    }
}
