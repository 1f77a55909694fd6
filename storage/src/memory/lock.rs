//! Locks of this process, timed by the monotonic clock.
//!
//! Called by the engine to keep work apart; see [`LockService`] for what a lease is not. Never uses
//! wall time: a step of it must not end a lease or prolong one.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use crate::canary::planted;
use crate::clock::Clock;
use crate::error::StorageError;
use crate::lock::{Lease, LeaseState, LockService};

/// [`LockService`] in memory. Clones share the locks; they end with the process.
#[derive(Debug, Clone)]
pub struct LocalLocks<C> {
    clock: C,
    table: Arc<Mutex<Table>>,
}

impl<C: Clock> LocalLocks<C> {
    /// Nothing is held.
    pub fn new(clock: C) -> Self {
        Self { clock, table: Arc::default() }
    }

    /// The table as of now: what has run out is gone from it.
    fn with_table<T>(&self, act: impl FnOnce(&mut Table, Duration) -> T) -> T {
        let mut table = self.table.lock();
        // Read under the lock: two callers see times in the order in which they act.
        let now = self.clock.monotonic();
        table.expire(now);
        act(&mut table, now)
    }
}

impl<C: Clock> LockService for LocalLocks<C> {
    async fn acquire(
        &self,
        resource: &str,
        holder: &str,
        ttl: Duration,
    ) -> Result<Option<Lease>, StorageError> {
        if resource.is_empty() || holder.is_empty() || ttl.is_zero() {
            return Err(StorageError::invalid(format!(
                "lock {resource:?} for {holder:?} and {ttl:?}: wants names and a time above zero"
            )));
        }
        Ok(self.with_table(|table, now| table.acquire(resource, holder, now, ttl)))
    }

    async fn renew(&self, lease: &Lease) -> Result<bool, StorageError> {
        Ok(self.with_table(|table, now| table.renew(lease, now)))
    }

    async fn release(&self, lease: &Lease) -> Result<bool, StorageError> {
        Ok(self.with_table(|table, _| table.release(lease)))
    }

    async fn inspect(&self, resource: &str) -> Result<Option<LeaseState>, StorageError> {
        Ok(self.with_table(|table, now| table.inspect(resource, now)))
    }
}

/// What is held. `by_expiry` holds the same leases as `held`, soonest first, so that forgotten ones
/// are found without looking at the others.
#[derive(Debug, Default)]
struct Table {
    held: HashMap<String, Held>,
    by_expiry: BTreeSet<(Duration, String)>,
    /// One counter for all resources: a resource that nobody holds needs no memory of its last token.
    last_token: u64,
}

#[derive(Debug)]
struct Held {
    holder: String,
    token: u64,
    expires: Duration,
}

impl Table {
    fn expire(&mut self, now: Duration) {
        while self.by_expiry.first().is_some_and(|(expires, _)| *expires <= now) {
            if let Some((_, resource)) = self.by_expiry.pop_first() {
                self.held.remove(&resource);
            }
        }
    }

    fn acquire(
        &mut self,
        resource: &str,
        holder: &str,
        now: Duration,
        ttl: Duration,
    ) -> Option<Lease> {
        if self.held.contains_key(resource) {
            return None;
        }
        self.last_token += 1;
        let (resource, holder) = (resource.to_owned(), holder.to_owned());
        let lease = Lease { resource, holder, token: self.last_token, ttl };
        let expires = now.saturating_add(ttl);
        let held = Held { holder: lease.holder.clone(), token: lease.token, expires };
        self.by_expiry.insert((expires, lease.resource.clone()));
        self.held.insert(lease.resource.clone(), held);
        Some(lease)
    }

    fn renew(&mut self, lease: &Lease, now: Duration) -> bool {
        let Some(held) = self.held.get_mut(&lease.resource) else { return false };
        if held.token != lease.token {
            return false;
        }
        self.by_expiry.remove(&(held.expires, lease.resource.clone()));
        let from = if planted("renewed-lease-adds-up") { held.expires } else { now };
        held.expires = from.saturating_add(lease.ttl);
        self.by_expiry.insert((held.expires, lease.resource.clone()));
        true
    }

    fn release(&mut self, lease: &Lease) -> bool {
        let ours =
            |held: &&Held| held.token == lease.token || planted("lock-released-without-token");
        let Some(held) = self.held.get(&lease.resource).filter(ours) else { return false };
        if !planted("released-lock-keeps-its-end") {
            self.by_expiry.remove(&(held.expires, lease.resource.clone()));
        }
        self.held.remove(&lease.resource);
        true
    }

    fn inspect(&self, resource: &str, now: Duration) -> Option<LeaseState> {
        let Held { holder, token, expires } = self.held.get(resource)?;
        let remaining = expires.saturating_sub(now);
        Some(LeaseState { holder: holder.clone(), token: *token, remaining })
    }
}
