//! One-time tickets for sockets.

use super::token;
use crate::Identity;
use protocol::SessionId;
use protocol::rest::Ticket;
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long a ticket is good.
const LIFE: Duration = Duration::from_secs(30);
/// Tickets that may be open at once. When full, the expired go; if none has, the oldest does.
const MOST: usize = 10_000;

/// Tickets not yet redeemed, by hash. In memory: a restart voids them, and the client asks for another.
#[derive(Default)]
pub(crate) struct Tickets(Mutex<HashMap<[u8; 32], (Identity, Instant)>>);

impl Tickets {
    fn open(&self) -> MutexGuard<'_, HashMap<[u8; 32], (Identity, Instant)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn issue(&self, who: Identity) -> Ticket {
        let (ticket, hash) = token::draw();
        let now = Instant::now();
        let mut open = self.open();
        if open.len() >= MOST {
            open.retain(|_, (_, until)| *until > now);
        }
        if open.len() >= MOST
            && let Some(oldest) = open.iter().min_by_key(|(_, (_, until))| *until).map(|(hash, _)| *hash)
        {
            open.remove(&oldest);
        }
        open.insert(hash, (who, now + LIFE));
        Ticket { ticket, expires_in_ms: 30_000 }
    }

    pub(super) fn redeem(&self, ticket: &str) -> Option<Identity> {
        let (who, until) = self.open().remove(&token::hash(ticket)?)?;
        (until > Instant::now()).then_some(who)
    }

    pub(super) fn forget(&self, session: SessionId) {
        self.open().retain(|_, (who, _)| who.session != session);
    }
}
