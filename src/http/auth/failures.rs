//! How often logging in failed lately, by account and by address: who fails too often is told to wait
//! before a password is looked at. Asked by login. In memory, bounded, of this node only.

use std::num::NonZeroUsize;
use std::time::Duration;

use lru::LruCache;
use parking_lot::Mutex;

use crate::http::error::Error;

/// Accounts and addresses remembered: the least recently seen is forgotten. 10,000 take about 1 MiB.
const REMEMBERED_MAX: NonZeroUsize = NonZeroUsize::new(10_000).expect("it is not zero");
const WINDOW: Duration = Duration::from_secs(60);

/// Failures of the last minute.
#[derive(Debug)]
pub(crate) struct Failures {
    per_minute: u32,
    seen: Mutex<LruCache<String, Window>>,
}

#[derive(Debug, Clone, Copy)]
struct Window {
    began: Duration,
    failures: u32,
}

impl Failures {
    pub(crate) fn new(per_minute: u32) -> Self {
        Self { per_minute, seen: Mutex::new(LruCache::new(REMEMBERED_MAX)) }
    }

    /// Refuses when any of `who` has failed too often within the window; `now` is monotonic.
    pub(crate) fn check(&self, who: &[&str], now: Duration) -> Result<(), Error> {
        let mut seen = self.seen.lock();
        for name in who {
            let Some(window) = seen.get(*name).copied() else { continue };
            let left = (window.began + WINDOW).saturating_sub(now);
            if left > Duration::ZERO && window.failures >= self.per_minute {
                return Err(Error::TooManyRequests { retry_after_s: left.as_secs() + 1 });
            }
        }
        Ok(())
    }

    /// Counts a failure of each of `who`.
    pub(crate) fn count(&self, who: &[&str], now: Duration) {
        let mut seen = self.seen.lock();
        for name in who {
            let fresh = Window { began: now, failures: 0 };
            let window = seen.get_or_insert_mut((*name).to_owned(), || fresh);
            if now.saturating_sub(window.began) >= WINDOW {
                *window = fresh;
            }
            window.failures += 1;
        }
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
        let failures = Failures::new(2);
        for _ in 0..2 {
            assert_eq!(failures.check(&["a", "1.2.3.4"], second(1)), Ok(()));
            failures.count(&["a", "1.2.3.4"], second(1));
        }
        let refused = failures.check(&["b", "1.2.3.4"], second(2));
        assert_eq!(refused, Err(Error::TooManyRequests { retry_after_s: 60 }));
        assert_eq!(failures.check(&["b", "5.6.7.8"], second(2)), Ok(()));
        assert_eq!(failures.check(&["a"], second(61)), Ok(()));
        failures.count(&["a"], second(61));
        assert_eq!(failures.check(&["a"], second(62)), Ok(()));
    }
}
