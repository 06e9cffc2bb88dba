//! Reads what a page starts from.

use super::{Place, accepted_locale};
use crate::session::cookie;
use app::boot::{Boot, Open, Viewer};
use axum::http::{HeaderMap, StatusCode};
use chat::{Chat, Error, Identity, Registration, Span};
use protocol::{Nonce, Timestamp, UserId, limits};
use std::collections::BTreeSet;
use std::time::{SystemTime, UNIX_EPOCH};

/// Languages of the interface.
const LOCALES: [&str; 2] = ["en", "zh-CN"];
/// Most pinned messages a page carries; it fetches more than that itself.
const PINS: usize = 10;
/// Characters of a time zone's name.
const TIME_ZONE_CHARS: usize = 64;

/// What the page of `place` starts from for `who`, and its status.
pub(super) async fn load(
    chat: &Chat,
    who: Option<Identity>,
    place: &Place,
    headers: &HeaderMap,
) -> Result<(Boot, StatusCode), Error> {
    let mut status = StatusCode::OK;
    let mut viewer = None;
    if let Some(who) = who {
        let mut world = viewer_of(chat, who).await?;
        let wanted = match *place {
            Place::Conversation(id, seq) => Some((id, seq.map_or(Span::Newest, Span::Around))),
            Place::Home => world.conversations.first().map(|newest| (newest.id, Span::Newest)),
            _ => None,
        };
        if let Some((conversation, span)) = wanted {
            match chat.history(who, conversation, span, limits::PAGE_DEFAULT).await {
                Ok(page) => {
                    let pins = chat.pins(who, conversation).await?.messages;
                    let pins = Some(pins).filter(|pins| pins.len() <= PINS);
                    world.open = Some(Open { conversation, page, pins });
                }
                // Not mine, or not there: the page says so, in the same words for both.
                Err(Error::NotFound) => status = StatusCode::NOT_FOUND,
                Err(error) => return Err(error),
            }
        }
        world.people = people(chat, who, &world).await?;
        viewer = Some(world);
    }
    if *place == Place::Unknown {
        status = StatusCode::NOT_FOUND;
    }
    let found = match (who, place) {
        (Some(who), Place::New(Some(q))) => Some(chat.search_people(who, q).await?),
        _ => None,
    };
    let groups = match (who, place) {
        (Some(who), Place::Find(q)) => Some(chat.groups(who, q).await?.groups),
        _ => None,
    };
    let sessions = match (who, place) {
        (Some(who), Place::Settings) => Some(chat.sessions(who).await?),
        _ => None,
    };
    let chosen = viewer.as_ref().and_then(|viewer| viewer.me.locale.as_deref());
    let locale = chosen.filter(|chosen| LOCALES.contains(chosen)).unwrap_or_else(|| accepted_locale(headers));
    let boot = Boot {
        locale: locale.to_owned(),
        viewer,
        time_zone: time_zone(headers),
        now: now(),
        registration_open: chat.registration() == Registration::Open,
        form_nonce: Nonce::generate().to_string(),
        found,
        groups,
        sessions,
    };
    Ok((boot, status))
}

async fn viewer_of(chat: &Chat, who: Identity) -> Result<Viewer, Error> {
    let (me, list) = tokio::try_join!(chat.me(who), chat.conversations(who))?;
    let (epoch, conversations) = (list.epoch, list.conversations);
    Ok(Viewer { me, epoch, conversations, people: Vec::new(), open: None })
}

/// Everybody the page names: members, senders of last messages, senders on the open page.
async fn people(chat: &Chat, who: Identity, world: &Viewer) -> Result<Vec<protocol::User>, Error> {
    let mut ids: BTreeSet<UserId> = BTreeSet::from([who.user]);
    for conversation in &world.conversations {
        ids.extend(conversation.members.iter().map(|member| member.user));
        ids.extend(conversation.last_message.iter().map(|message| message.sender));
    }
    let messages = |open| {
        let Open { page, pins, .. }: &Open = open;
        page.messages.iter().chain(&page.quoted).chain(pins.iter().flatten())
    };
    for message in world.open.iter().flat_map(messages) {
        ids.insert(message.sender);
        ids.extend(&message.mentions);
        ids.extend(message.reactions.iter().flat_map(|reaction| &reaction.users));
    }
    let ids: Vec<_> = ids.into_iter().collect();
    let mut people = Vec::with_capacity(ids.len());
    for part in ids.chunks(limits::PEOPLE_IDS) {
        people.extend(chat.people(who, part).await?);
    }
    Ok(people)
}

/// The browser's time zone, as its script left it in a cookie. Anything but a plausible name is no name.
fn time_zone(headers: &HeaderMap) -> Option<String> {
    let name = cookie(headers, "tz")?;
    let plausible = !name.is_empty()
        && name.len() <= TIME_ZONE_CHARS
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'+' | b'-' | b'/'));
    plausible.then(|| name.to_owned())
}

fn now() -> Timestamp {
    // A clock before 1970 is wrong in any case.
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::{HeaderValue, header};

    #[test]
    fn a_time_zone_is_a_plausible_name() {
        let zone = |text: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::COOKIE, HeaderValue::from_static(text));
            time_zone(&headers)
        };
        assert_eq!(
            zone("confab=t; tz=America/Argentina/Buenos_Aires").as_deref(),
            Some("America/Argentina/Buenos_Aires")
        );
        assert_eq!(zone("tz=Etc/GMT+1").as_deref(), Some("Etc/GMT+1"));
        for text in ["", "tz=", "tz=<b>", "tz=a b", "tz=Asia%2FTokyo"] {
            assert_eq!(zone(text), None, "{text}");
        }
    }
}
