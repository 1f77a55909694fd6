//! How often something failed lately, by name: an account, an address. Who fails too often is told to
//! wait before a password is looked at. Asked by login. In memory, bounded, of this node only.

use std::num::NonZeroUsize;
use std::time::Duration;

use lru::LruCache;
use parking_lot::Mutex;

use crate::canary::planted;
use crate::http::error::Error;
use crate::settings::Rate;

/// Names remembered, as their hashes: the least recently seen is forgotten. 10,000 take about 1 MiB, however
/// long the names are that strangers send.
const REMEMBERED_MAX: NonZeroUsize = NonZeroUsize::new(10_000).expect("it is not zero");

/// Failed attempts within the rate's window, and those of which it is not known yet.
#[derive(Debug)]
pub(crate) struct Attempts {
    rate: Rate,
    seen: Mutex<LruCache<blake3::Hash, Window>>,
}

#[derive(Debug, Clone, Copy)]
struct Window {
    began: Duration,
    failures: u32,
}

/// An attempt under way: it counts as a failure, so that many at once are no more than many in turn. Dropped
/// it is taken back.
#[derive(Debug)]
#[must_use = "dropped it is taken back"]
pub(crate) struct Attempt<'a> {
    attempts: &'a Attempts,
    name: blake3::Hash,
    /// Of the window in which it is counted.
    began: Duration,
}

impl Attempts {
    pub(crate) fn new(rate: Rate) -> Self {
        Self { rate, seen: Mutex::new(LruCache::new(REMEMBERED_MAX)) }
    }

    /// Counts an attempt, or refuses it when `name` has failed as often as the rate allows; `now` is monotonic.
    pub(crate) fn begin(&self, name: &str, now: Duration) -> Result<Attempt<'_>, Error> {
        let name = blake3::hash(name.as_bytes());
        let fresh = Window { began: now, failures: 0 };
        let mut seen = self.seen.lock();
        let window = seen.get_or_insert_mut(name, || fresh);
        let left = (window.began + self.rate.per).saturating_sub(now);
        if left.is_zero() {
            *window = fresh;
        }
        if window.failures >= self.rate.count && !planted("logins-without-limit") {
            return Err(Error::TooManyRequests { retry_after_s: left.as_secs() + 1 });
        }
        window.failures = window.failures.saturating_add(1);
        Ok(Attempt { attempts: self, name, began: window.began })
    }
}

impl Attempt<'_> {
    /// It stays counted.
    pub(crate) fn failed(self) {
        std::mem::forget(self);
    }
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        let mut seen = self.attempts.seen.lock();
        let window = seen.peek_mut(&self.name).filter(|window| window.began == self.began);
        if let Some(window) = window {
            window.failures = window.failures.saturating_sub(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn second(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    fn limited(count: u32) -> Attempts {
        Attempts::new(Rate { count, per: second(60) })
    }

    fn refused(attempts: &Attempts, name: &str, now: Duration) -> Option<u64> {
        match attempts.begin(name, now) {
            Err(Error::TooManyRequests { retry_after_s }) => Some(retry_after_s),
            Err(error) => panic!("refused as {error:?}"),
            Ok(_taken_back) => None,
        }
    }

    #[test]
    fn too_many_failures_wait_for_the_window_to_pass() {
        let attempts = limited(2);
        for _ in 0..2 {
            attempts.begin("1.2.3.4", second(1)).expect("it may be tried").failed();
        }
        assert_eq!(refused(&attempts, "1.2.3.4", second(2)), Some(60));
        assert_eq!(refused(&attempts, "5.6.7.8", second(2)), None);
        assert_eq!(refused(&attempts, "1.2.3.4", second(61)), None);
        attempts.begin("1.2.3.4", second(61)).expect("it may be tried").failed();
        assert_eq!(refused(&attempts, "1.2.3.4", second(62)), None);
    }

    #[test]
    fn many_at_once_are_no_more_than_many_in_turn_and_who_succeeds_is_not_counted() {
        let attempts = limited(2);
        let first = attempts.begin("ada", second(1)).expect("it may be tried");
        let second_one = attempts.begin("ada", second(1)).expect("it may be tried");
        assert_eq!(refused(&attempts, "ada", second(1)), Some(61));
        drop((first, second_one));
        for _ in 0..5 {
            assert_eq!(refused(&attempts, "ada", second(2)), None);
        }
    }

    #[test]
    fn what_ends_behind_its_window_changes_nothing_in_the_next() {
        let attempts = limited(1);
        let late = attempts.begin("ada", second(1)).expect("it may be tried");
        attempts.begin("ada", second(70)).expect("another window").failed();
        drop(late);
        assert_eq!(refused(&attempts, "ada", second(71)), Some(60));
    }
}
