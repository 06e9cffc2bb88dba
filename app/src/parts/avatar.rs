//! A person's or a group's picture: two letters on a hue of their own.

use crate::parts::presence::Dot;
use leptos::prelude::*;
use protocol::UserId;
use uuid::Uuid;

/// Hues in `style/tokens.css`.
const HUES: u32 = 12;

/// The class that gives a person or a group its colour, the same in every browser.
pub fn hue(id: Uuid) -> String {
    // FNV-1a, because it is short and spreads. The first bytes of a UUIDv7 are time; the last are random.
    let sum = id.as_bytes()[8..]
        .iter()
        .fold(0x811c_9dc5_u32, |sum, byte| (sum ^ u32::from(*byte)).wrapping_mul(0x0100_0193));
    format!("hue-{}", sum % HUES)
}

/// Whether a character is written without spaces between words, so that one of it says enough.
fn is_ideograph(c: char) -> bool {
    matches!(c, '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{9fff}' | '\u{ac00}'..='\u{d7af}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{3ffff}')
}

/// Letters for a name: the first of its first two words, two of a single word, one ideograph.
pub fn initials(name: &str) -> String {
    let mut words = name
        .split(|c: char| c.is_whitespace() || "-_.·/&+,()".contains(c))
        .filter_map(|word| word.chars().find(|c| c.is_alphanumeric()).map(|first| (first, word)));
    let Some((first, word)) = words.next() else { return "?".to_owned() };
    if is_ideograph(first) {
        return first.to_string();
    }
    let second = match words.next() {
        Some((second, _)) if !is_ideograph(second) => Some(second),
        Some(_) => None,
        None => word.chars().filter(|c| c.is_alphanumeric()).nth(1),
    };
    first.to_uppercase().chain(second.into_iter().flat_map(char::to_uppercase)).collect()
}

/// The picture. Decoration: the name stands beside it.
#[component]
pub fn Avatar(
    /// Whose.
    id: Uuid,
    /// Their name.
    #[prop(into)]
    name: Signal<String>,
    /// A further class for its size: `small` (34 px) or `tiny` (28 px); else 44 px.
    #[prop(optional)]
    size: &'static str,
    /// Whose dot it bears: that of a person who comes and goes.
    #[prop(optional_no_strip)]
    who: Option<UserId>,
) -> impl IntoView {
    view! {
        <span class=format!("avatar {size} {}", hue(id)) aria-hidden="true">
            {move || name.with(|name| initials(name))}
            {who.map(|user| view! { <Dot user=user /> })}
        </span>
    }
    .into_any()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_of_names() {
        for (name, letters) in [
            ("Ada Lovelace", "AL"),
            ("mei", "ME"),
            ("Jonas K.", "JK"),
            ("读书会", "读"),
            ("Élan vital", "ÉV"),
            ("On-call", "OC"),
            ("x", "X"),
            ("👋", "?"),
            ("", "?"),
            ("A 林", "A"),
        ] {
            assert_eq!(initials(name), letters, "{name}");
        }
    }
}
