//! Clients that work under a lock, as a service of one's own would: they take it, work, and give it up, some
//! of them long after their time was over. Every request is witnessed by the adapter they go through.

use std::time::Duration;

use sagaline_storage::lock::LockService;

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

/// Asks until the lock is free, works, and gives it up.
pub(super) async fn hold(
    locks: &RemoteLocks,
    world: &World,
    planned: &Planned,
    hold: Hold,
    mut patience: Patience,
) {
    let (resource, holder) = (format!("work-{}", hold.lock), format!("client-{}", planned.id));
    let ttl = Duration::from_millis(hold.ttl_ms);
    let lease = loop {
        let asking = locks.acquire(&resource, &holder, ttl);
        // Otherwise somebody else holds it, or the service cannot say, or says nothing in time.
        if let Some(Ok(Some(lease))) = patience.wait(ANSWER_US, asking).await {
            break lease;
        }
        if !patience.pause(0).await {
            return;
        }
    };
    let half_us = hold.work_ms * 1_000 / 2;
    world.timeline().after(half_us).await;
    if hold.renews {
        // Whether it was in time or not is in the witness's record.
        let _renewed = patience.wait(ANSWER_US, locks.renew(&lease)).await.is_some();
    }
    world.timeline().after(half_us).await;
    let _released = patience.wait(ANSWER_US, locks.release(&lease)).await.is_some();
}
