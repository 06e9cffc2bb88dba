//! Passwords, hashed with Argon2id in a bounded pool.

use crate::error::Error;
use argon2::password_hash::phc::PasswordHash;
use argon2::{Algorithm, Argon2, Params, PasswordHasher, PasswordVerifier, Version};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Semaphore, oneshot};

/// 19 MiB, 2 passes, 1 lane: the first of the two settings of OWASP's Password Storage Cheat Sheet.
const MEMORY_KIB: u32 = 19_456;
const PASSES: u32 = 2;
const LANES: u32 = 1;

/// Sign-ins that may wait for the pool. Beyond it they are refused as retryable, so that a storm of them costs
/// neither memory nor everybody else's time.
const WAITING: usize = 1_000;

/// How much less of a core a thread that hashes gets beside the others: about a tenth, by Linux's weights.
#[cfg(target_os = "linux")]
const NICE: i32 = 10;

/// Hashes passwords, at most one a core at a time: each takes 19 MiB and some 30 ms of a core.
pub(crate) struct Passwords {
    cores: usize,
    running: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
}

fn argon2() -> Result<Argon2<'static>, Error> {
    let params =
        Params::new(MEMORY_KIB, PASSES, LANES, None).map_err(|error| internal("parameters", error))?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

fn internal(doing: &'static str, error: impl std::fmt::Display) -> Error {
    tracing::error!(%error, doing, "password hashing failed");
    Error::Internal
}

fn hash(password: &str) -> Result<String, Error> {
    let hash = argon2()?.hash_password(password.as_bytes()).map_err(|error| internal("hash", error))?;
    Ok(hash.to_string())
}

/// What an unknown name is verified against, so that it takes as long as a known one: a hash with the parameters
/// above, of random bytes that were not kept. Written down rather than made at each start, which would cost 19 MiB
/// of an idle server's memory.
const DUMMY: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$HcZcYrknjRdrz19vMqm0ww$dSpk2QrN5jgFEvZ3H4u92QkSvaFHdeXiUOKSnmFvDw0";

impl Passwords {
    pub(crate) fn new() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self { cores, running: Arc::new(Semaphore::new(cores)), waiting: Arc::new(Semaphore::new(WAITING)) }
    }

    /// How many wait for a core.
    pub(crate) fn waiting(&self) -> usize {
        let inside = WAITING.saturating_sub(self.waiting.available_permits());
        inside.saturating_sub(self.cores.saturating_sub(self.running.available_permits()))
    }

    /// The PHC string to keep for a password.
    pub(crate) async fn hash(&self, password: String) -> Result<String, Error> {
        self.run(move || hash(&password)).await
    }

    /// Whether a password fits what is kept; `None` stands for an unknown name and takes as long.
    pub(crate) async fn verify(&self, password: String, kept: Option<String>) -> Result<bool, Error> {
        self.run(move || {
            let known = kept.is_some();
            let kept = PasswordHash::new(kept.as_deref().unwrap_or(DUMMY))
                .map_err(|error| internal("read", error))?;
            Ok(argon2()?.verify_password(password.as_bytes(), &kept).is_ok() && known)
        })
        .await
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let busy = Error::Unavailable { retry_after: Duration::from_secs(2) };
        let Ok(_place) = self.waiting.clone().try_acquire_owned() else { return Err(busy) };
        let Ok(turn) = self.running.clone().acquire_owned().await else { return Err(busy) };
        let (answer, answered) = oneshot::channel();
        let thread = std::thread::Builder::new().name("confab-password".to_owned()).spawn(move || {
            give_way();
            // Who asked may have gone.
            let _gone = answer.send(work());
            drop(turn); // held by the work itself: a caller that goes away does not free the core early
        });
        thread.map_err(|error| internal("start", error))?;
        answered.await.unwrap_or_else(|error| Err(internal("run", error)))
    }
}

/// Lets everybody else's messages go first: this thread takes what they leave of a core. On Linux a thread has a
/// priority of its own; elsewhere it would be the whole process'.
fn give_way() {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::nice(NICE) {
        tracing::debug!(%error, "the priority stays as it is");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_password_fits_its_own_hash_only() {
        let passwords = Passwords::new();
        let kept = passwords.hash("correct horse".to_owned()).await.unwrap();
        assert!(kept.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{kept}");
        assert!(passwords.verify("correct horse".to_owned(), Some(kept.clone())).await.unwrap());
        assert!(!passwords.verify("wrong horse".to_owned(), Some(kept)).await.unwrap());
        assert!(!passwords.verify("correct horse".to_owned(), None).await.unwrap());
    }

    #[test]
    fn an_unknown_name_costs_what_a_known_one_does() {
        let made = hash("somebody").unwrap();
        let parameters = |phc: &str| phc.split('$').take(4).map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(parameters(DUMMY), parameters(&made));
        assert_eq!(DUMMY.len(), made.len());
    }
}
