//! Failed sign-ins are slowed, per account and per address. Nobody is locked out: an account under attack only
//! answers later, and a signed-in device never passes here.

use crate::error::Error;
use governor::clock::{Clock, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota};
use std::collections::{HashMap, HashSet};
use std::hash::Hash;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Failures an address has free; then one every [`ADDRESS_EVERY`], refused until then.
const ADDRESS_FREE: NonZeroU32 = NonZeroU32::new(20).expect("not zero");
const ADDRESS_EVERY: Duration = Duration::from_secs(5);
/// Failures an account has free; then each try waits, up to [`ACCOUNT_LONGEST`].
const ACCOUNT_FREE: NonZeroU32 = NonZeroU32::new(5).expect("not zero");
const ACCOUNT_EVERY: Duration = Duration::from_secs(2);
const ACCOUNT_LONGEST: Duration = Duration::from_secs(4);
/// Tries of one address that are looked at side by side. The others wait their turn, so that what failed before is
/// known when the next is let in: guesses sent all at once gain nothing.
const ADDRESS_AT_ONCE: usize = 2;
/// Tries that may be waiting or looked at; beyond it they are refused as too many.
const WAITING: usize = 2_000;
/// Tries of one address among them, so that no address fills all the places.
const WAITING_EACH: usize = 500;
/// Longest a try waits for its turns; then it is refused. Well within the time a request has.
const LONGEST: Duration = Duration::from_secs(15);
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
        if self.bucket.len() >= MOST {
            self.bucket.retain_recent(); // an untouched key is as good as a full bucket
        }
        if let Err(not_until) = self.bucket.check_key(&key) {
            let now = Instant::now();
            let wait = not_until.wait_time_from(DefaultClock::default().now());
            let mut until = self.until.lock().unwrap_or_else(PoisonError::into_inner);
            if until.len() >= MOST {
                until.retain(|_, at| *at > now);
            }
            if until.len() >= MOST {
                until.clear();
            }
            until.insert(key, now + wait);
        }
    }
}

/// Turns of one kind of key: a few at a time each, the others in order. An entry lives as long as somebody waits or
/// works under it, so there are never more than tries.
struct Turns<K: Hash + Eq + Clone> {
    at_once: usize,
    open: Mutex<HashMap<K, Arc<Semaphore>>>,
}

/// A turn; the next one's when dropped.
struct Turn<'a, K: Hash + Eq + Clone> {
    turns: &'a Turns<K>,
    key: K,
    permit: Option<OwnedSemaphorePermit>,
}

impl<K: Hash + Eq + Clone> Turns<K> {
    fn new(at_once: usize) -> Self {
        Self { at_once, open: Mutex::default() }
    }

    fn open(&self) -> MutexGuard<'_, HashMap<K, Arc<Semaphore>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A turn, if one is free at once.
    fn try_take(&self, key: K) -> Option<Turn<'_, K>> {
        let queue = self.queue(&key);
        let mut turn = Turn { turns: self, key, permit: None };
        turn.permit = Some(queue.try_acquire_owned().ok()?);
        Some(turn)
    }

    fn queue(&self, key: &K) -> Arc<Semaphore> {
        self.open().entry(key.clone()).or_insert_with(|| Arc::new(Semaphore::new(self.at_once))).clone()
    }

    async fn take(&self, key: K) -> Turn<'_, K> {
        let queue = self.queue(&key);
        // Made before the wait, so that giving up while waiting cleans up too.
        let mut turn = Turn { turns: self, key, permit: None };
        turn.permit = queue.acquire_owned().await.ok(); // never closed
        turn
    }
}

impl<K: Hash + Eq + Clone> Drop for Turn<'_, K> {
    fn drop(&mut self) {
        self.permit.take();
        let mut open = self.turns.open();
        if open.get(&self.key).is_some_and(|queue| Arc::strong_count(queue) == 1) {
            open.remove(&self.key);
        }
    }
}

/// The memory of failed sign-ins.
pub(crate) struct Throttle {
    addresses: Failures<IpAddr>,
    accounts: Failures<String>,
    /// Tries at one account from one network: one at a time, so that guesses cannot overtake their failures. An
    /// owner elsewhere does not stand in the guesser's queue.
    pairs: Turns<(IpAddr, String)>,
    networks: Turns<IpAddr>,
    places: Arc<Semaphore>,
    places_each: Turns<IpAddr>,
    /// Who signed in from where, since the start: they are not refused because somebody beside them guesses. A whole
    /// office, or everybody behind one proxy, has one address.
    known: Mutex<HashSet<(IpAddr, String)>>,
}

/// A try that was let in. It holds its turns until it is dropped, which is after its failure was told.
pub(super) struct Try<'a> {
    throttle: &'a Throttle,
    username: String,
    network: IpAddr,
    _turns: (Turn<'a, (IpAddr, String)>, Turn<'a, IpAddr>, Turn<'a, IpAddr>),
    _place: OwnedSemaphorePermit,
}

impl Try<'_> {
    /// It was right: this account is at home at this address.
    pub(super) fn succeeded(self) {
        let mut known = self.throttle.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MOST {
            known.clear(); // everybody is a stranger once more: a nuisance under attack, nothing else
        }
        known.insert((self.network, self.username.clone()));
    }

    /// It was a guess.
    pub(super) fn failed(self) {
        self.throttle.addresses.failed(self.network);
        self.throttle.accounts.failed(self.username.clone());
    }
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
            pairs: Turns::new(1),
            networks: Turns::new(ADDRESS_AT_ONCE),
            places: Arc::new(Semaphore::new(WAITING)),
            places_each: Turns::new(WAITING_EACH),
            known: Mutex::default(),
        }
    }

    /// `address`: the unspecified one where it is not known whose it is (everybody behind one proxy).
    ///
    /// Lets a try in: in its turn, after the account's wait, or not yet.
    pub(super) async fn admit(&self, username: &str, address: IpAddr) -> Result<Try<'_>, Error> {
        let network = network(address);
        let full = Error::RateLimited { retry_after: ACCOUNT_LONGEST };
        let Some(place) = self.places_each.try_take(network) else { return Err(full) };
        let Ok(_place) = self.places.clone().try_acquire_owned() else { return Err(full) };
        self.refuse(&network, username)?;
        let turns = tokio::time::timeout(LONGEST, self.turns(username, network)).await;
        let Ok((pair, turn)) = turns else { return Err(full) };
        // Those before it may have failed meanwhile.
        self.refuse(&network, username)?;
        let _turns = (pair, turn, place);
        Ok(Try { throttle: self, username: username.to_owned(), network, _turns, _place })
    }

    /// Lets a new account in: in its address's turn, so that whoever makes many does not fill the pool that hashes
    /// everybody's passwords. It is dropped once the password is hashed.
    pub(super) async fn admit_newcomer(&self, address: IpAddr) -> Result<impl Sized + '_, Error> {
        let network = network(address);
        let full = Error::RateLimited { retry_after: ACCOUNT_LONGEST };
        let Some(place) = self.places_each.try_take(network) else { return Err(full) };
        let Ok(all) = self.places.clone().try_acquire_owned() else { return Err(full) };
        let turn = tokio::time::timeout(LONGEST, self.networks.take(network)).await;
        turn.map(|turn| (turn, place, all)).map_err(|_| full)
    }

    async fn turns(&self, username: &str, network: IpAddr) -> (Turn<'_, (IpAddr, String)>, Turn<'_, IpAddr>) {
        let pair = self.pairs.take((network, username.to_owned())).await;
        if let Some(wait) = self.accounts.wait(&username.to_owned()) {
            tokio::time::sleep(wait.min(ACCOUNT_LONGEST)).await;
        }
        (pair, self.networks.take(network).await)
    }

    fn refuse(&self, network: &IpAddr, username: &str) -> Result<(), Error> {
        if network.is_unspecified() {
            return Ok(()); // everybody's: it says nothing about who guesses
        }
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.contains(&(*network, username.to_owned())) {
            return Ok(());
        }
        match self.addresses.wait(network) {
            Some(retry_after) => Err(Error::RateLimited { retry_after }),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(last: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, last])
    }

    async fn fail(throttle: &Throttle, username: &str, address: IpAddr) {
        throttle.admit(username, address).await.unwrap_or_else(|error| panic!("{error}")).failed();
    }

    #[tokio::test(start_paused = true)]
    async fn an_attacked_account_answers_later_and_its_owner_still_gets_in() {
        let throttle = Throttle::new();
        for last in 0..50 {
            fail(&throttle, "ada", address(last)).await; // each from an address of its own
        }
        let before = tokio::time::Instant::now();
        drop(throttle.admit("ada", address(200)).await.unwrap_or_else(|error| panic!("{error}")));
        assert!(before.elapsed() >= Duration::from_secs(1), "slowed");
        assert!(before.elapsed() <= ACCOUNT_LONGEST + Duration::from_secs(1), "not locked out");
        let before = tokio::time::Instant::now();
        drop(throttle.admit("ben", address(200)).await.unwrap_or_else(|error| panic!("{error}")));
        assert!(before.elapsed().is_zero(), "others are untouched");
    }

    #[tokio::test]
    async fn an_address_that_guesses_is_refused_and_others_are_not() {
        let throttle = Throttle::new();
        // All at once, each at another account.
        let guesses = (0..300).map(|n| {
            let throttle = &throttle;
            async move {
                let guess = throttle.admit(&format!("user{n}"), address(1)).await?;
                tokio::task::yield_now().await; // the hashing
                guess.failed();
                Ok::<_, Error>(())
            }
        });
        let answered = futures::future::join_all(guesses).await;
        let looked_at = answered.iter().filter(|answer| answer.is_ok()).count();
        assert!((20..=23).contains(&looked_at), "{looked_at} guesses were looked at");
        assert!(throttle.admit("ada", address(1)).await.is_err());
        assert!(throttle.admit("ada", address(2)).await.is_ok());
        // Who was here before is let in beside the guesser.
        throttle.admit("ben", address(3)).await.unwrap_or_else(|error| panic!("{error}")).succeeded();
        for n in 0..40 {
            if let Ok(guess) = throttle.admit(&format!("user{n}"), address(3)).await {
                guess.failed();
            }
        }
        assert!(throttle.admit("cleo", address(3)).await.is_err());
        assert!(throttle.admit("ben", address(3)).await.is_ok());
        drop(answered);
        assert!(
            throttle.places_each.open().is_empty()
                && throttle.pairs.open().is_empty()
                && throttle.networks.open().is_empty(),
            "nothing is left over"
        );
    }

    #[tokio::test]
    async fn newcomers_of_one_address_take_turns_with_its_sign_ins() {
        let throttle = Throttle::new();
        let first = throttle.admit_newcomer(address(1)).await.unwrap_or_else(|error| panic!("{error}"));
        let second = throttle.admit_newcomer(address(1)).await.unwrap_or_else(|error| panic!("{error}"));
        let mut third = std::pin::pin!(throttle.admit("ada", address(1)));
        assert!(futures::poll!(&mut third).is_pending(), "two at a time");
        assert!(throttle.admit_newcomer(address(2)).await.is_ok(), "others do not wait for them");
        drop(first);
        assert!(third.await.is_ok());
        drop(second);
        assert!(throttle.places_each.open().is_empty() && throttle.networks.open().is_empty());
    }

    #[test]
    fn one_network_counts_once() {
        let one: IpAddr = "2001:db8:1:2::1".parse().unwrap();
        let other: IpAddr = "2001:db8:1:2:ffff::9".parse().unwrap();
        assert_eq!(network(one), network(other));
        assert_eq!(network("::ffff:192.0.2.1".parse().unwrap()), address(1));
    }
}
