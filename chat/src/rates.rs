//! How often one person may do what, on all their devices together. High enough for programs, low enough that one of
//! them takes a part of the writer and not all of it.

use crate::error::Error;
use crate::metrics::Counter;
use governor::clock::{Clock, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota};
use protocol::UserId;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// Looks after which buckets that are full again are forgotten. Each look adds one bucket at most, so beside the people
/// of the last minute there are never more than this.
const SWEEP: usize = 4_096;

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// Posting a message.
    Send,
    /// Editing, recalling, reacting, pinning.
    Act,
    /// Founding a group.
    Found,
    /// Opening a direct conversation, and everything about a group and its members.
    Member,
    /// Moving a read mark.
    Mark,
    /// Changing what only oneself sees.
    Settings,
    /// Asking for a ticket.
    Ticket,
}

/// One kind of action.
struct Rate {
    buckets: DefaultKeyedRateLimiter<UserId>,
    looks: AtomicUsize,
    refused: Counter,
}

impl Rate {
    /// So many at once, and one more each `every`.
    fn new(burst: u32, every: Duration) -> Self {
        let burst = NonZeroU32::new(burst).expect("a constant, not zero");
        let quota = Quota::with_period(every).expect("a constant, not zero").allow_burst(burst);
        Self {
            buckets: DefaultKeyedRateLimiter::keyed(quota),
            looks: AtomicUsize::new(0),
            refused: Counter::default(),
        }
    }

    fn check(&self, user: UserId) -> Result<(), Error> {
        if self.looks.fetch_add(1, Ordering::Relaxed) % SWEEP == SWEEP - 1 {
            self.buckets.retain_recent(); // a full bucket is as good as none
        }
        self.buckets.check_key(&user).map_err(|early| {
            self.refused.inc();
            let wait = early.wait_time_from(DefaultClock::default().now());
            // Told in whole milliseconds, and none would mean: at once.
            Error::RateLimited { retry_after: wait.max(Duration::from_millis(1)) }
        })
    }
}

/// All kinds.
pub(crate) struct Rates {
    send: Rate,
    act: Rate,
    found: Rate,
    member: Rate,
    mark: Rate,
    settings: Rate,
    ticket: Rate,
}

impl Rates {
    pub(crate) fn new() -> Self {
        Self {
            send: Rate::new(2_000, Duration::from_millis(1)),
            act: Rate::new(200, Duration::from_millis(20)),
            found: Rate::new(30, Duration::from_secs(2)),
            member: Rate::new(200, Duration::from_millis(50)),
            mark: Rate::new(500, Duration::from_millis(5)),
            settings: Rate::new(100, Duration::from_millis(50)),
            ticket: Rate::new(100, Duration::from_millis(100)),
        }
    }

    /// Counts one action, or says how long to wait.
    pub(crate) fn check(&self, action: Action, user: UserId) -> Result<(), Error> {
        let rate = match action {
            Action::Send => &self.send,
            Action::Act => &self.act,
            Action::Found => &self.found,
            Action::Member => &self.member,
            Action::Mark => &self.mark,
            Action::Settings => &self.settings,
            Action::Ticket => &self.ticket,
        };
        rate.check(user)
    }

    /// How many of each action came too soon.
    pub(crate) fn refused(&self) -> [(&'static str, u64); 7] {
        let Self { send, act, found, member, mark, settings, ticket } = self;
        let named = [
            ("send", send),
            ("act", act),
            ("found", found),
            ("member", member),
            ("mark", mark),
            ("settings", settings),
            ("ticket", ticket),
        ];
        named.map(|(action, rate)| (action, rate.refused.get()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_person_and_action_has_a_bucket_of_its_own_and_is_told_how_long_to_wait() {
        let rates = Rates::new();
        let (ada, ben) = (UserId::generate(), UserId::generate());
        for _ in 0..30 {
            rates.check(Action::Found, ada).unwrap();
        }
        let Err(Error::RateLimited { retry_after }) = rates.check(Action::Found, ada) else { panic!() };
        assert!(retry_after > Duration::ZERO && retry_after <= Duration::from_secs(2), "{retry_after:?}");
        rates.check(Action::Found, ben).unwrap();
        rates.check(Action::Member, ada).unwrap();
    }

    #[test]
    fn what_is_full_again_is_forgotten() {
        let rate = Rate::new(2_000, Duration::from_nanos(1));
        for _ in 0..SWEEP * 4 {
            rate.check(UserId::generate()).unwrap();
        }
        assert!(rate.buckets.len() <= SWEEP, "{}", rate.buckets.len());
    }
}
