//! What happened between messages, as one soft line: who came, went, named the group, has another role.

use crate::i18n::Locale;
use crate::live::Live;
use crate::names::{self, PLACES};
use crate::words::{say, use_words};
use leptos::prelude::*;
use protocol::{Change, ChangeKind, History, Role};
use std::sync::Arc;

/// The line. A change that is not told in a line of its own draws nothing.
#[component]
pub fn TimelineLine(
    /// What happened.
    change: Arc<Change>,
) -> impl IntoView {
    let (live, words) = (expect_context::<Live>(), use_words());
    let text = sentence(words, &change.kind)?;
    let said = move || {
        // A title stands where a person would: it is a name too.
        let other = match &change.kind {
            ChangeKind::Joined { user, .. }
            | ChangeKind::Left { user, .. }
            | ChangeKind::Role { user, .. } => names::of_object(live, words, *user),
            ChangeKind::Renamed { title, .. } => title.clone(),
            _ => String::new(),
        };
        let by = by(&change.kind).map(|by| names::of_subject(live, words, by)).unwrap_or_default();
        names::in_sentence(&text, [by, other])
    };
    Some(view! { <p class="timeline-line" dir="auto">{said}</p> }.into_any())
}

/// Who did it.
const fn by(kind: &ChangeKind) -> Option<protocol::UserId> {
    match kind {
        ChangeKind::Joined { by, .. }
        | ChangeKind::Left { by, .. }
        | ChangeKind::Renamed { by, .. }
        | ChangeKind::Role { by, .. }
        | ChangeKind::Access { by, .. } => Some(*by),
        _ => None,
    }
}

/// What is said, with [`PLACES`] for who did it and whom or what it is about.
fn sentence(words: Locale, kind: &ChangeKind) -> Option<String> {
    let [one, other] = PLACES;
    Some(match kind {
        ChangeKind::Joined { by, user } if by == user => say!(words, line_joined, user = one),
        ChangeKind::Joined { .. } => say!(words, line_added, by = one, user = other),
        ChangeKind::Left { by, user } if by == user => say!(words, line_left, user = one),
        ChangeKind::Left { .. } => say!(words, line_removed, by = one, user = other),
        ChangeKind::Renamed { .. } => say!(words, line_renamed, by = one, title = other),
        ChangeKind::Role { role: Role::Owner, .. } => say!(words, line_owner, by = one, user = other),
        // Whoever handed the group over.
        ChangeKind::Role { by, user, .. } if by == user => say!(words, line_admin_self, by = one),
        ChangeKind::Role { role: Role::Admin, .. } => say!(words, line_admin, by = one, user = other),
        ChangeKind::Role { role: Role::Member, .. } => say!(words, line_member, by = one, user = other),
        ChangeKind::Access { public, history, .. } => {
            let access = if *public { say!(words, line_public) } else { say!(words, line_private) };
            let history = match history {
                History::All => say!(words, line_newcomers_all),
                History::Join => say!(words, line_newcomers_join),
            };
            say!(words, line_access, by = one, access = access, history = history)
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::UserId;

    #[test]
    fn every_change_of_a_group_is_told_with_its_names() {
        let (by, user) = (UserId::generate(), UserId::generate());
        let role = |user, role| ChangeKind::Role { by, user, role };
        let access = |public, history| ChangeKind::Access { by, public, history };
        let said = |kind: &ChangeKind| {
            let text = sentence(Locale::en, kind).unwrap();
            text.replace(PLACES[0], "Ada").replace(PLACES[1], "Ben")
        };
        for (kind, text) in [
            (ChangeKind::Joined { by: user, user }, "Ada joined"),
            (ChangeKind::Joined { by, user }, "Ada added Ben"),
            (ChangeKind::Left { by: user, user }, "Ada left"),
            (ChangeKind::Left { by, user }, "Ada removed Ben"),
            (ChangeKind::Renamed { by, title: "B".to_owned() }, "Ada named the group Ben"),
            (role(user, Role::Owner), "Ada made Ben the owner"),
            (role(user, Role::Admin), "Ada made Ben an admin"),
            (role(by, Role::Admin), "Ada became an admin"),
            (role(user, Role::Member), "Ada took the admin role from Ben"),
            (
                access(true, History::All),
                "Ada changed the group: open to everybody, newcomers see everything",
            ),
            (
                access(false, History::Join),
                "Ada changed the group: private, newcomers see what comes after they join",
            ),
        ] {
            assert_eq!(said(&kind), text);
        }
        assert_eq!(sentence(Locale::en, &ChangeKind::Unsupported), None);
    }
}
