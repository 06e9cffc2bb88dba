//! One-time tickets for sockets. A ticket says under seal whose it is, so that any node may redeem it; which were
//! redeemed is remembered for as long as they would be good, and told to the other nodes.

use crate::Identity;
use crate::bus::sealed::Seal;
use crate::clock::now;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use protocol::rest::Ticket;
use protocol::{SessionId, UserId};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use uuid::Uuid;

/// How long a ticket is good.
const LIFE_MS: i64 = 30_000;
/// How far ahead the clock of the node that issued it may be.
const SKEW_MS: i64 = 60_000;
/// Tickets remembered as redeemed. When full, those whose time is over go; if none is, no ticket is redeemed: a
/// thousand a second would have to be.
const MOST: usize = 100_000;

/// Tickets, and which of them were redeemed.
pub(crate) struct Tickets {
    seal: Seal,
    /// Milliseconds since 1970. A ticket from before may have been redeemed by the run before this one.
    since: i64,
    /// When each one's time is over.
    redeemed: Mutex<HashMap<[u8; 32], i64>>,
}

impl Tickets {
    pub(crate) fn new(key: &[u8; 32]) -> Self {
        Self { seal: Seal::new(key, "ticket"), since: millis(), redeemed: Mutex::default() }
    }

    pub(super) fn issue(&self, who: Identity) -> Ticket {
        let mut bytes = Vec::with_capacity(80);
        bytes.extend(who.user.as_bytes());
        bytes.extend(who.session.as_bytes());
        bytes.extend(millis().to_be_bytes());
        bytes.extend(rand::random::<[u8; 8]>());
        let seal = self.seal.of(&bytes);
        let ticket = URL_SAFE_NO_PAD.encode([&seal[..], &bytes].concat());
        Ticket { ticket, expires_in_ms: 30_000 }
    }

    /// Whose it is, and what it is called among the redeemed, where it is good.
    pub(super) fn redeem(&self, ticket: &str) -> Option<(Identity, [u8; 32])> {
        let sealed = URL_SAFE_NO_PAD.decode(ticket).ok()?;
        let bytes = self.seal.checked(&sealed)?;
        let (user, rest) = bytes.split_first_chunk::<16>()?;
        let (session, rest) = rest.split_first_chunk::<16>()?;
        let issued = i64::from_be_bytes(*rest.first_chunk::<8>()?);
        let now = millis();
        if issued < self.since || issued > now + SKEW_MS || now >= issued + LIFE_MS {
            return None;
        }
        let name = *sealed.first_chunk::<32>()?;
        self.remember(name).then(|| {
            let user = UserId::from_uuid(Uuid::from_bytes(*user));
            (Identity { user, session: SessionId::from_uuid(Uuid::from_bytes(*session)) }, name)
        })
    }

    /// This one was redeemed. `false`: it was before.
    pub(crate) fn remember(&self, name: [u8; 32]) -> bool {
        let mut redeemed = self.redeemed.lock().unwrap_or_else(PoisonError::into_inner);
        if redeemed.len() >= MOST {
            let now = millis();
            redeemed.retain(|_, over| *over > now);
        }
        redeemed.len() < MOST && redeemed.insert(name, millis() + LIFE_MS + SKEW_MS).is_none()
    }
}

fn millis() -> i64 {
    now().millis()
}
