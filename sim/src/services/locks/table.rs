//! What the lock service holds, and how it can be wrong about it: pure, with the time given.

use std::collections::BTreeMap;
use std::time::Duration;

use sagaline_storage::lock::{Lease, LeaseState};

/// Everything that is held. A lie is a second lease on what somebody else holds: both are told that they
/// have it.
#[derive(Debug, Default)]
pub(super) struct Table {
    held: BTreeMap<String, Vec<Held>>,
    last_token: u64,
}

#[derive(Debug)]
struct Held {
    holder: String,
    token: u64,
    until: Duration,
}

/// What came of asking for a resource.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Acquired {
    /// It was free.
    Free(Lease),
    /// It was held by somebody else, and is given out all the same.
    Lied(Lease),
    /// It is held.
    Taken,
}

impl Table {
    /// Gives out `resource`; when it is held, only if the service `lies`.
    pub(super) fn acquire(
        &mut self,
        resource: &str,
        holder: &str,
        (now, ttl): (Duration, Duration),
        lies: impl FnOnce() -> bool,
    ) -> Acquired {
        self.expire(now);
        let is_free = !self.held.contains_key(resource);
        if !is_free && !lies() {
            return Acquired::Taken;
        }
        self.last_token += 1;
        let (token, until) = (self.last_token, now.saturating_add(ttl));
        let held = self.held.entry(resource.to_owned()).or_default();
        held.push(Held { holder: holder.to_owned(), token, until });
        let lease = Lease { resource: resource.to_owned(), holder: holder.to_owned(), token, ttl };
        if is_free { Acquired::Free(lease) } else { Acquired::Lied(lease) }
    }

    /// Starts a lease's time anew; false: it is no longer held by this token.
    pub(super) fn renew(&mut self, lease: &Lease, now: Duration) -> bool {
        self.expire(now);
        let held = self.held.get_mut(&lease.resource).into_iter().flatten();
        let mut ours = held.filter(|held| held.token == lease.token);
        ours.next().map(|held| held.until = now.saturating_add(lease.ttl)).is_some()
    }

    /// Gives a lease up; false: it was no longer held by this token.
    pub(super) fn release(&mut self, lease: &Lease, now: Duration) -> bool {
        self.expire(now);
        let Some(held) = self.held.get_mut(&lease.resource) else { return false };
        let before = held.len();
        held.retain(|held| held.token != lease.token);
        let released = held.len() < before;
        self.held.retain(|_, held| !held.is_empty());
        released
    }

    /// Who was the first to hold it.
    pub(super) fn inspect(&mut self, resource: &str, now: Duration) -> Option<LeaseState> {
        self.expire(now);
        let Held { holder, token, until } = self.held.get(resource)?.first()?;
        let remaining = until.saturating_sub(now);
        Some(LeaseState { holder: holder.clone(), token: *token, remaining })
    }

    /// Forgets what `chosen` chooses; how many leases that were.
    pub(super) fn evict(&mut self, now: Duration, mut chosen: impl FnMut() -> bool) -> usize {
        self.expire(now);
        let before = self.held.len();
        self.held.retain(|_, _| !chosen());
        before - self.held.len()
    }

    fn expire(&mut self, now: Duration) {
        self.held.retain(|_, held| {
            held.retain(|held| held.until > now);
            !held.is_empty()
        });
    }
}
