//! Clients that work under a lock, as a service of one's own would: they take it, work, and give it up, some
//! of them long after their time was over, some never. Every request is witnessed by the adapter they go
//! through.

use std::time::Duration;

use sagaline_storage::lock::{Lease, LockService};

use crate::plan::Planned;
use crate::services::remote::RemoteLocks;
use crate::world::World;

use super::patience::Patience;

/// How long an answer is waited for.
const ANSWER_US: u64 = 3_000_000;

/// What is done under a lock.
pub(super) struct Hold {
    pub(super) lock: u32,
    pub(super) ttl_ms: u64,
    pub(super) work_ms: u64,
    pub(super) renews: bool,
}

/// What is done by somebody who stays longer than a lock lasts.
pub(super) struct Overstay {
    pub(super) lock: u32,
    pub(super) ttl_ms: u64,
    pub(super) renewals: u32,
    pub(super) leaves: bool,
}

/// Asks until the lock is free, works, and gives it up.
pub(super) async fn hold(
    locks: &RemoteLocks,
    world: &World,
    planned: &Planned,
    hold: Hold,
    mut patience: Patience,
) {
    let taking = take(locks, planned, (hold.lock, hold.ttl_ms), &mut patience);
    let Some(lease) = taking.await else { return };
    let half_us = hold.work_ms * 1_000 / 2;
    world.timeline().after(half_us).await;
    if hold.renews {
        // Whether it was in time or not is in the witness's record.
        let _renewed = patience.wait(ANSWER_US, locks.renew(&lease)).await.is_some();
    }
    world.timeline().after(half_us).await;
    let _released = patience.wait(ANSWER_US, locks.release(&lease)).await.is_some();
}

/// Asks until the lock is free, keeps it for some times more, and is still there when it must have ended.
pub(super) async fn overstay(
    locks: &RemoteLocks,
    planned: &Planned,
    overstay: Overstay,
    mut patience: Patience,
) {
    let Overstay { lock, ttl_ms, renewals, leaves } = overstay;
    let Some(lease) = take(locks, planned, (lock, ttl_ms), &mut patience).await else { return };
    for _ in 0..renewals {
        if !patience.rest(ttl_ms / 3).await {
            return;
        }
        let _renewed = patience.wait(ANSWER_US, locks.renew(&lease)).await.is_some();
    }
    if leaves || !patience.rest(ttl_ms * 3 / 2).await {
        return;
    }
    let _released = patience.wait(ANSWER_US, locks.release(&lease)).await.is_some();
}

/// The lock, for so long; none: it was never free, or nobody said so.
async fn take(
    locks: &RemoteLocks,
    planned: &Planned,
    (lock, ttl_ms): (u32, u64),
    patience: &mut Patience,
) -> Option<Lease> {
    let (resource, holder) = (format!("work-{lock}"), format!("client-{}", planned.id));
    let ttl = Duration::from_millis(ttl_ms);
    loop {
        let asking = locks.acquire(&resource, &holder, ttl);
        // Otherwise somebody else holds it, or the service cannot say, or says nothing in time.
        if let Some(Ok(Some(lease))) = patience.wait(ANSWER_US, asking).await {
            return Some(lease);
        }
        if !patience.pause(0).await {
            return None;
        }
    }
}
