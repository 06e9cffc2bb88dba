//! `@name` in a text: found the same way by the server, which resolves it, and by the page, which shows it.

use crate::limits::{MENTIONS, USERNAME_CHARS};
use std::ops::Range;

/// The name that means everybody.
pub const ALL: &str = "all";

/// One `@name` of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named<'a> {
    /// Where it stands, the `@` included, in bytes.
    pub at: Range<usize>,
    /// The name as it was typed, without the `@`.
    pub name: &'a str,
}

impl<'a> Named<'a> {
    /// The names it may mean, longest first, at most three: a user name may end in a dot, and so may a sentence.
    pub fn candidates(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        let full = self.name;
        let mut next = Some(full);
        std::iter::from_fn(move || {
            let name = next?;
            next = name.strip_suffix(['.', '-', '_']);
            Some(name)
        })
        .take(3)
        .filter(|name| USERNAME_CHARS.contains(&name.len()))
    }
}

const fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-')
}

/// Every `@name` of a text, first to last, at most [`MENTIONS`]. An `@` within a word (an address) names nobody.
pub fn names(text: &str) -> impl Iterator<Item = Named<'_>> {
    let bytes = text.as_bytes();
    text.match_indices('@')
        .filter_map(move |(at, _)| {
            let before = text[..at].chars().next_back();
            if before.is_some_and(|c| c.is_ascii_alphanumeric() || matches!(c, '@' | '.' | '_' | '-')) {
                return None;
            }
            let length = bytes[at + 1..].iter().take_while(|byte| is_name(**byte)).count();
            let end = at + 1 + length;
            (length >= *USERNAME_CHARS.start()).then(|| Named { at: at..end, name: &text[at + 1..end] })
        })
        .take(MENTIONS)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<&str> {
        names(text).map(|named| named.name).collect()
    }

    #[test]
    fn names_stand_alone_and_addresses_do_not_count() {
        assert_eq!(found("@ada, @Ben.K and (@chen_li)"), ["ada", "Ben.K", "chen_li"]);
        assert_eq!(found("你好@ada早"), ["ada"]);
        assert_eq!(found("mail ada@example.org, @@ada, @ a @x"), Vec::<&str>::new());
    }

    #[test]
    fn a_sentence_may_end_after_a_name() {
        let named = names("ask @ada.").next().expect("a name");
        assert_eq!(named.candidates().collect::<Vec<_>>(), ["ada.", "ada"]);
        assert_eq!(&"ask @ada."[named.at], "@ada.");
    }

    #[test]
    fn more_names_than_the_limit_are_words() {
        assert_eq!(names(&"@ada ".repeat(MENTIONS + 5)).count(), MENTIONS);
    }
}
