//! The words of the page. Keys are checked when this compiles; no view holds a sentence of its own.
//!
//! The language is settled before the first node is drawn (it is part of [`Boot`](crate::boot::Boot)) and changes
//! only with a new page, so views take it as a plain value and nothing has to be redrawn for it.

use crate::i18n::Locale;
use leptos::prelude::*;
use protocol::Code;

pub use leptos_i18n::td_string as say;

/// The language of this page, provided by [`App`](crate::App).
pub fn use_words() -> Locale {
    use_context::<Locale>().unwrap_or_default()
}

/// Reads a language tag as the server wrote it.
pub fn locale_of(tag: &str) -> Locale {
    tag.parse().unwrap_or_default()
}

/// Whether the singular form stands with `n`.
fn is_one(words: Locale, n: u64) -> bool {
    #[cfg(feature = "ssr")]
    return matches!(words, Locale::en) && n == 1;
    #[cfg(not(feature = "ssr"))]
    {
        use js_sys::{Array, Intl::PluralRules, Object};
        let tags = Array::of1(&leptos_i18n::Locale::as_str(words).into());
        #[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
        let form = PluralRules::new(&tags, &Object::new()).select(n as f64);
        form == "one"
    }
}

macro_rules! counted {
    ($(#[$doc:meta])* $name:ident, $one:ident, $other:ident) => {
        $(#[$doc])*
        pub fn $name(words: Locale, n: u64) -> String {
            if is_one(words, n) { say!(words, $one, count = n) } else { say!(words, $other, count = n) }
        }
    };
}
counted!(
    /// "3 unread"
    unread, unread_singular, unread_plural
);
counted!(
    /// "5 members"
    members, members_singular, members_plural
);
counted!(
    /// "Offline, 2 messages waiting"
    waiting, link_offline_singular, link_offline_plural
);

/// Unread messages above this are written "99+".
const BADGE_MOST: u64 = 99;

/// A count as a badge shows it.
pub fn badge(n: u64) -> String {
    if n > BADGE_MOST { format!("{BADGE_MOST}+") } else { n.to_string() }
}

/// The sentence for a reason the server gave.
pub fn reason(words: Locale, code: Code) -> &'static str {
    match code {
        Code::Unauthorized => say!(words, error_unauthorized),
        Code::Forbidden => say!(words, error_forbidden),
        Code::NotFound => say!(words, error_not_found),
        Code::Invalid | Code::UnknownType => say!(words, error_invalid),
        Code::Conflict | Code::IdempotencyConflict | Code::Reset => say!(words, error_conflict),
        Code::TooLarge => say!(words, error_too_large),
        Code::RateLimited => say!(words, error_rate_limited),
        Code::Unavailable => say!(words, error_unavailable),
        Code::Internal => say!(words, error_internal),
    }
}

/// Reads the `error` of a page's address, where a form without script reports what went wrong.
pub fn code_of(word: &str) -> Code {
    serde_json::from_value(serde_json::Value::String(word.to_owned())).unwrap_or(Code::Internal)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    /// The build only warns about a key that one language lacks, and falls back to English.
    #[test]
    fn every_language_says_everything() {
        let read = |text| serde_json::from_str::<BTreeMap<String, String>>(text).unwrap();
        let en = read(include_str!("../locales/en.json"));
        let zh = read(include_str!("../locales/zh-CN.json"));
        assert_eq!(en.keys().collect::<Vec<_>>(), zh.keys().collect::<Vec<_>>());
    }

    #[cfg(feature = "ssr")]
    #[test]
    fn one_is_not_many() {
        assert_eq!(members(Locale::en, 1), "1 member");
        assert_eq!(members(Locale::en, 2), "2 members");
        assert_eq!(members(Locale::zh_CN, 1), "1 位成员");
        assert_eq!(badge(99), "99");
        assert_eq!(badge(148), "99+");
    }

    #[test]
    fn reasons_of_addresses_are_read() {
        assert_eq!(code_of("rate_limited"), Code::RateLimited);
        assert_eq!(code_of("nonsense"), Code::Internal);
    }
}
