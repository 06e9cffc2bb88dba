//! Failed sign-ins are slowed, per account and per address. Nobody is locked out: an account under attack only
//! answers later, and a signed-in device never passes here.

use crate::error::Error;
use governor::clock::{Clock, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota};
use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;

/// Failures an address has free; then one every [`ADDRESS_EVERY`], refused until then.
const ADDRESS_FREE: NonZeroU32 = NonZeroU32::new(20).expect("not zero");
const ADDRESS_EVERY: Duration = Duration::from_secs(5);
/// Failures an account has free; then each try waits, up to [`ACCOUNT_LONGEST`].
const ACCOUNT_FREE: NonZeroU32 = NonZeroU32::new(5).expect("not zero");
const ACCOUNT_EVERY: Duration = Duration::from_secs(2);
const ACCOUNT_LONGEST: Duration = Duration::from_secs(4);
/// Tries that may be waiting; beyond it they are refused as too many.
const WAITING: usize = 256;
/// Names and addresses remembered at once. When full, those whose time is over go; if that frees nothing, all go:
/// the buckets of the limiter still slow them.
const MOST: usize = 10_000;

/// Failures of one kind of key: a token bucket, and until when the key is slowed.
struct Failures<K: Hash + Eq + Clone> {
    bucket: DefaultKeyedRateLimiter<K>,
    until: Mutex<HashMap<K, Instant>>,
}

impl<K: Hash + Eq + Clone> Failures<K> {
    fn new(every: Duration, free: NonZeroU32) -> Self {
        let quota = Quota::with_period(every).expect("not zero").allow_burst(free);
        Self { bucket: DefaultKeyedRateLimiter::keyed(quota), until: Mutex::default() }
    }

    /// How long the key is still slowed.
    fn wait(&self, key: &K) -> Option<Duration> {
        let until = self.until.lock().unwrap_or_else(PoisonError::into_inner);
        until.get(key)?.checked_duration_since(Instant::now()).filter(|wait| !wait.is_zero())
    }

    fn failed(&self, key: K) {
        if let Err(not_until) = self.bucket.check_key(&key) {
            let now = Instant::now();
            let wait = not_until.wait_time_from(DefaultClock::default().now());
            let mut until = self.until.lock().unwrap_or_else(PoisonError::into_inner);
            if until.len() >= MOST {
                until.retain(|_, at| *at > now);
                self.bucket.retain_recent();
            }
            if until.len() >= MOST {
                until.clear();
            }
            until.insert(key, now + wait);
        }
    }
}

/// The memory of failed sign-ins.
pub(crate) struct Throttle {
    addresses: Failures<IpAddr>,
    accounts: Failures<String>,
    waiting: Semaphore,
}

/// An IPv6 customer has a whole /64: its addresses count as one.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6((u128::from(v6) & !u128::from(u64::MAX)).into()),
        v4 @ IpAddr::V4(_) => v4,
    }
}

impl Throttle {
    pub(crate) fn new() -> Self {
        Self {
            addresses: Failures::new(ADDRESS_EVERY, ADDRESS_FREE),
            accounts: Failures::new(ACCOUNT_EVERY, ACCOUNT_FREE),
            waiting: Semaphore::new(WAITING),
        }
    }

    /// Lets a try pass: at once, after the account's wait, or not yet.
    pub(super) async fn admit(&self, username: &str, address: IpAddr) -> Result<(), Error> {
        if let Some(retry_after) = self.addresses.wait(&network(address)) {
            return Err(Error::RateLimited { retry_after });
        }
        if let Some(wait) = self.accounts.wait(&username.to_owned()) {
            let wait = wait.min(ACCOUNT_LONGEST);
            let Ok(_place) = self.waiting.try_acquire() else {
                return Err(Error::RateLimited { retry_after: wait });
            };
            tokio::time::sleep(wait).await;
        }
        Ok(())
    }

    pub(super) fn failed(&self, username: &str, address: IpAddr) {
        self.addresses.failed(network(address));
        self.accounts.failed(username.to_owned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(last: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, last])
    }

    #[tokio::test(start_paused = true)]
    async fn an_attacked_account_answers_later_and_its_owner_still_gets_in() {
        let throttle = Throttle::new();
        for last in 0..50 {
            throttle.failed("ada", address(last)); // each from an address of its own
        }
        let before = tokio::time::Instant::now();
        throttle.admit("ada", address(200)).await.unwrap();
        assert!(before.elapsed() >= Duration::from_secs(1), "slowed");
        assert!(before.elapsed() <= ACCOUNT_LONGEST + Duration::from_secs(1), "not locked out");
        let before = tokio::time::Instant::now();
        throttle.admit("ben", address(200)).await.unwrap();
        assert!(before.elapsed().is_zero(), "others are untouched");
    }

    #[tokio::test]
    async fn an_address_that_guesses_is_refused_and_others_are_not() {
        let throttle = Throttle::new();
        for n in 0..40 {
            throttle.failed(&format!("user{n}"), address(1));
        }
        assert!(matches!(throttle.admit("ada", address(1)).await, Err(Error::RateLimited { .. })));
        assert_eq!(throttle.admit("ada", address(2)).await, Ok(()));
    }

    #[test]
    fn one_network_counts_once() {
        let one: IpAddr = "2001:db8:1:2::1".parse().unwrap();
        let other: IpAddr = "2001:db8:1:2:ffff::9".parse().unwrap();
        assert_eq!(network(one), network(other));
        assert_eq!(network("::ffff:192.0.2.1".parse().unwrap()), address(1));
    }
}
