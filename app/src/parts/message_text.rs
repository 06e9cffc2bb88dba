//! The words of a message as nodes: plain text, with addresses made into links and names of people set off. Never HTML
//! from a message.

use leptos::prelude::*;
use protocol::mention;

/// Longest text that is looked at for being nothing but emoji, in characters: a family of four is seven of them.
const EMOJI_CHARS: usize = 24;

/// A stretch of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piece<'a> {
    /// Words.
    Words(&'a str),
    /// An address that starts with http:// or https://.
    Link(&'a str),
    /// `@name` of somebody the server knows to be meant; whether that is me.
    Name(&'a str, bool),
}

/// Somebody a message names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mentioned {
    /// As it is typed after the `@`, lower case.
    pub username: String,
    /// Whether that is me, alone or with everybody else.
    pub me: bool,
}

/// Cuts a text at its addresses and at those names that somebody is meant by. Every character is in exactly one piece,
/// in order.
pub fn pieces_with_names<'a>(text: &'a str, mentioned: &[Mentioned]) -> Vec<Piece<'a>> {
    // Over the whole text, as the server does it: what counts against the limit is the same.
    let mut named = mention::names(text).filter_map(|named| {
        let (name, me) = named.candidates().find_map(|name| {
            let lower = name.to_ascii_lowercase();
            mentioned.iter().find(|one| one.username == lower).map(|one| (name, one.me))
        })?;
        Some((named.at.start..named.at.start + '@'.len_utf8() + name.len(), me))
    });
    let mut next = named.next();
    let (mut cut, mut at) = (Vec::new(), 0);
    for piece in pieces(text) {
        let (Piece::Words(part) | Piece::Link(part) | Piece::Name(part, _)) = piece;
        let (mut from, end) = (at, at + part.len());
        at = end;
        while let Some((range, me)) = next.clone().filter(|(range, _)| range.start < end) {
            next = named.next();
            // Within an address it is a part of the address.
            if !matches!(piece, Piece::Words(_)) || range.end > end || range.start < from {
                continue;
            }
            if range.start > from {
                cut.push(Piece::Words(&text[from..range.start]));
            }
            cut.push(Piece::Name(&text[range.clone()], me));
            from = range.end;
        }
        match piece {
            Piece::Words(_) if from < end => cut.push(Piece::Words(&text[from..end])),
            Piece::Words(_) => {}
            other => cut.push(other),
        }
    }
    cut
}

/// Cuts a text at its addresses. Every character is in exactly one piece, in order.
pub fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let (mut rest, mut from) = (text, 0);
    while let Some(at) = next_address(&rest[from..]).map(|at| from + at) {
        let length = address_length(&rest[at..]);
        let starts_word = !rest[..at].ends_with(|c: char| c.is_ascii_alphanumeric());
        // "http://" alone is no address, and inside a word it is not one either.
        if !starts_word || length <= "https://".len() {
            from = at + "http".len();
            continue;
        }
        if at > 0 {
            pieces.push(Piece::Words(&rest[..at]));
        }
        pieces.push(Piece::Link(&rest[at..at + length]));
        rest = &rest[at + length..];
        from = 0;
    }
    if !rest.is_empty() {
        pieces.push(Piece::Words(rest));
    }
    pieces
}

fn next_address(text: &str) -> Option<usize> {
    match (text.find("https://"), text.find("http://")) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

/// Bytes of the address at the start of `text`: up to white space or a character that no address holds, without
/// the punctuation of the sentence around it.
fn address_length(text: &str) -> usize {
    let end = text
        .find(|c: char| {
            c.is_whitespace() || c.is_control() || "<>\"`{}|\\^“”‘’«»，。；：！？（）【】《》、".contains(c)
        })
        .unwrap_or(text.len());
    let mut address = &text[..end];
    while let Some(last) = address.chars().next_back() {
        let closes = |open: char, close: char| {
            last == close && address.matches(close).count() > address.matches(open).count()
        };
        if ".,;:!?'*_~".contains(last) || closes('(', ')') || closes('[', ']') {
            address = &address[..address.len() - last.len_utf8()];
        } else {
            break;
        }
    }
    address.len()
}

/// Whether a text is one to three emoji and nothing else; such a message is drawn large.
pub fn is_emoji(text: &str) -> bool {
    let text = text.trim();
    let (mut emoji, mut joined, mut flags) = (0, false, 0);
    for (at, c) in text.chars().enumerate() {
        if at >= EMOJI_CHARS {
            return false;
        }
        match c {
            '\u{200d}' => joined = true,
            '\u{fe0f}' | '\u{1f3fb}'..='\u{1f3ff}' | '\u{e0020}'..='\u{e007f}' => {}
            '\u{1f1e6}'..='\u{1f1ff}' => flags += 1,
            '\u{1f300}'..='\u{1faff}'
            | '\u{2600}'..='\u{27bf}'
            | '\u{2b50}'
            | '\u{2b55}'
            | '\u{231a}'
            | '\u{231b}'
            | '\u{23e9}'..='\u{23f3}' => {
                if !joined {
                    emoji += 1;
                }
                joined = false;
            }
            _ => return false,
        }
    }
    (1..=3).contains(&(emoji + flags / 2)) && flags % 2 == 0
}

/// The words.
#[component]
pub fn MessageText(
    /// As written.
    text: String,
    /// Whom it names.
    names: Vec<Mentioned>,
) -> impl IntoView {
    let large = is_emoji(&text);
    let nodes: Vec<AnyView> = pieces_with_names(&text, &names)
        .into_iter()
        .map(|piece| match piece {
            Piece::Words(words) => words.to_owned().into_any(),
            Piece::Name(name, me) => {
                view! { <span class="mention" class:me=me>{name.to_owned()}</span> }.into_any()
            }
            Piece::Link(address) => {
                let address = address.to_owned();
                view! { <a href=address.clone() target="_blank" rel="noopener noreferrer nofollow external">{address.clone()}</a> }.into_any()
            }
        })
        .collect();
    view! { <span class="message-text" class:large=large>{nodes}</span> }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Piece::{Link, Name, Words};

    #[test]
    fn names_of_people_who_are_meant_are_set_off() {
        let mentioned =
            [("ada", true), ("ben", false)].map(|(name, me)| Mentioned { username: name.to_owned(), me });
        let cases: [(&str, &[Piece<'_>]); 6] = [
            ("@ada", &[Name("@ada", true)]),
            ("hi @Ben.", &[Words("hi "), Name("@Ben", false), Words(".")]),
            (
                "@ada and @nobody, 你好@ben",
                &[Name("@ada", true), Words(" and @nobody, 你好"), Name("@ben", false)],
            ),
            ("x@ada", &[Words("x@ada")]),
            (
                "https://a.example/@ada @ada",
                &[Link("https://a.example/@ada"), Words(" "), Name("@ada", true)],
            ),
            ("no name", &[Words("no name")]),
        ];
        for (text, expected) in cases {
            assert_eq!(pieces_with_names(text, &mentioned), expected, "{text}");
        }
    }

    #[test]
    fn addresses_become_links_and_nothing_is_lost() {
        let cases: [(&str, &[Piece<'_>]); 8] = [
            ("no address", &[Words("no address")]),
            (
                "see https://a.example/x?y=1#z.",
                &[Words("see "), Link("https://a.example/x?y=1#z"), Words(".")],
            ),
            ("(http://a.example/b_(c))", &[Words("("), Link("http://a.example/b_(c)"), Words(")")]),
            ("http:// and https://", &[Words("http:// and https://")]),
            ("xhttp://a.example", &[Words("xhttp://a.example")]),
            ("看https://a.example/页，好", &[Words("看"), Link("https://a.example/页"), Words("，好")]),
            ("javascript:alert(1) <b>", &[Words("javascript:alert(1) <b>")]),
            (
                "https://a.example https://b.example",
                &[Link("https://a.example"), Words(" "), Link("https://b.example")],
            ),
        ];
        for (text, expected) in cases {
            assert_eq!(pieces(text), expected, "{text}");
        }
    }

    #[test]
    fn only_emoji_are_large() {
        for large in ["👍", "🎉🎉", " 👨‍👩‍👧‍👦 ", "❤️", "🇩🇪", "👋🏽"] {
            assert!(is_emoji(large), "{large}");
        }
        for small in ["", "ok 👍", "👍👍👍👍", "1", "🇩"] {
            assert!(!is_emoji(small), "{small}");
        }
    }
}
