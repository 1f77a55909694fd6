//! Passwords: argon2id, hashed off the async threads by few at a time, with a bounded queue. Called by
//! registration and login; it never keeps or logs a password.

use std::sync::Arc;

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{self, PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};
use sagaline_storage::Entropy;
use tokio::sync::Semaphore;

use super::blocking::off_the_async_threads;
use crate::http::error::Error;

/// How dear a hash is, and how many are made at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PasswordSettings {
    /// Memory of one hash in KiB. OWASP: 19 MiB with two passes.
    pub memory_kib: u32,
    /// Passes over it.
    pub passes: u32,
    /// Hashes made at once: each takes a processor and its memory.
    pub concurrent: usize,
    /// Hashes that may wait; one more gets 503. At 25 ms each this is the longest wait.
    pub waiting_max: usize,
}

impl Default for PasswordSettings {
    fn default() -> Self {
        Self { memory_kib: 19 * 1024, passes: 2, concurrent: 2, waiting_max: 64 }
    }
}

/// Length of a hash.
const HASH_BYTES: usize = 32;

/// Hashes and checks passwords.
#[derive(Debug)]
pub struct Passwords {
    argon2: Argon2<'static>,
    nobody: Arc<str>,
    running: Arc<Semaphore>,
    places: Semaphore,
}

/// Settings that argon2 does not take.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("password hashing with {settings:?}: {cause}")]
pub struct PasswordSettingsError {
    settings: PasswordSettings,
    cause: String,
}

impl Passwords {
    /// Checks the settings; takes no memory yet.
    pub fn new(settings: PasswordSettings) -> Result<Self, PasswordSettingsError> {
        let refused =
            |cause: argon2::Error| PasswordSettingsError { settings, cause: cause.to_string() };
        let params = Params::new(settings.memory_kib, settings.passes, 1, Some(HASH_BYTES))
            .map_err(refused)?;
        Ok(Self {
            argon2: Argon2::new(Algorithm::Argon2id, Version::V0x13, params),
            nobody: nobody(settings),
            running: Arc::new(Semaphore::new(settings.concurrent)),
            places: Semaphore::new(settings.concurrent + settings.waiting_max),
        })
    }

    /// The hash of a password under a new salt, as a PHC string.
    pub async fn hash(&self, password: String, entropy: &impl Entropy) -> Result<String, Error> {
        let mut salt = [0; 16];
        entropy.fill(&mut salt);
        let argon2 = self.argon2.clone();
        let hashed = self.in_turn(move || {
            let hash: Result<PasswordHash, _> =
                argon2.hash_password_with_salt(password.as_bytes(), &salt);
            hash.map(|hash| hash.to_string())
        });
        hashed.await?.map_err(Error::internal)
    }

    /// Whether the password is the one of `hash`. Without a hash (there is no such user) it takes as long
    /// and says no.
    pub async fn verify(&self, password: String, hash: Option<&str>) -> Result<bool, Error> {
        let stored: Arc<str> = hash.map_or_else(|| self.nobody.clone(), Arc::from);
        let argon2 = self.argon2.clone();
        let verified = self.in_turn(move || {
            let parsed = PasswordHash::new(&stored)?;
            argon2.verify_password(password.as_bytes(), &parsed)
        });
        match verified.await? {
            Ok(()) => Ok(hash.is_some()),
            Err(password_hash::Error::PasswordInvalid) => Ok(false),
            Err(broken) => {
                Err(Error::internal(format!("a stored password hash is broken: {broken}")))
            }
        }
    }

    async fn in_turn<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Error> {
        let full = |_| Error::Overloaded { what: "too many passwords wait to be hashed" };
        let _place = self.places.try_acquire().map_err(full)?;
        let running = self.running.clone().acquire_owned().await.expect("it is never closed");
        // The permit moves along: a caller that goes away does not let another hash start beside this.
        let done = off_the_async_threads(move || {
            let _running = running;
            work()
        });
        done.await.ok_or_else(|| Error::internal("hashing a password panicked"))
    }
}

/// A hash that no password has been found for, with the costs of a real one.
fn nobody(settings: PasswordSettings) -> Arc<str> {
    let (salt, output) = ("A".repeat(22), "A".repeat(43));
    let PasswordSettings { memory_kib, passes, .. } = settings;
    format!("$argon2id$v=19$m={memory_kib},t={passes},p=1${salt}${output}").into()
}

#[cfg(test)]
mod tests {
    use sagaline_storage::clock::SystemEntropy;

    use super::*;

    fn cheap(concurrent: usize, waiting_max: usize) -> Passwords {
        Passwords::new(PasswordSettings { memory_kib: 8, passes: 1, concurrent, waiting_max })
            .unwrap()
    }

    #[test]
    fn default_costs_are_those_of_owasp() {
        let passwords = Passwords::new(PasswordSettings::default()).unwrap();
        assert!(passwords.nobody.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
    }

    #[tokio::test]
    async fn right_password_verifies_and_a_wrong_one_does_not() {
        let passwords = cheap(2, 4);
        let hash = passwords.hash("correct horse".into(), &SystemEntropy).await.unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=8,t=1,p=1$"), "{hash}");
        assert_eq!(passwords.verify("correct horse".into(), Some(&hash)).await, Ok(true));
        assert_eq!(passwords.verify("wrong horse".into(), Some(&hash)).await, Ok(false));
        assert_ne!(passwords.hash("correct horse".into(), &SystemEntropy).await.unwrap(), hash);
    }

    #[tokio::test]
    async fn unknown_user_is_refused_after_the_same_work() {
        let passwords = cheap(2, 4);
        assert_eq!(passwords.verify("anything".into(), None).await, Ok(false));
        let parsed = PasswordHash::new(&passwords.nobody).unwrap();
        let params = Params::try_from(&parsed).unwrap();
        assert_eq!(&params, passwords.argon2.params());
    }

    #[tokio::test]
    async fn full_queue_turns_away() {
        let passwords = cheap(1, 1);
        let _running = passwords.running.acquire().await.unwrap();
        let _places = passwords.places.acquire_many(2).await.unwrap();
        let refused = passwords.verify("anything".into(), None).await;
        assert!(matches!(refused, Err(Error::Overloaded { .. })));
    }

    #[tokio::test]
    async fn broken_hash_is_a_defect_and_not_a_wrong_password() {
        let broken = cheap(1, 1).verify("anything".into(), Some("plain text")).await;
        assert!(matches!(broken, Err(Error::Internal(_))));
    }
}
