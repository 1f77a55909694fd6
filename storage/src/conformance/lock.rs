//! The promises of a [`LockService`].
//!
//! Called by the tests of its adapters, with a factory that can also let time pass.

use std::future::Future;
use std::time::Duration;

use crate::error::ErrorKind;
use crate::lock::{Lease, LockService};

/// Makes the lock services to be tested.
pub trait LocksFactory: Sync {
    /// What is tested.
    type Locks: LockService;

    /// A service in which nothing is held.
    fn create(&self) -> impl Future<Output = Self::Locks> + Send;

    /// How long the leases of the tests last: longer than the adapter may take for a few calls.
    fn ttl(&self) -> Duration;

    /// Returns when this much time has passed for the services.
    fn pass(&self, time: Duration) -> impl Future<Output = ()> + Send;
}

/// All of them.
pub async fn run_all<F: LocksFactory>(factory: &F) {
    held_resource_is_refused_to_all(factory).await;
    resources_are_apart(factory).await;
    one_of_many_gets_the_resource(factory).await;
    released_resource_is_free_at_once(factory).await;
    lease_ends_after_its_time(factory).await;
    renewed_lease_starts_its_time_anew(factory).await;
    tokens_grow_with_every_acquisition(factory).await;
    old_lease_changes_nothing(factory).await;
    holder_can_be_seen(factory).await;
    senseless_request_is_refused(factory).await;
}

async fn acquire<F: LocksFactory>(
    factory: &F,
    locks: &F::Locks,
    resource: &str,
    holder: &str,
) -> Option<Lease> {
    locks.acquire(resource, holder, factory.ttl()).await.expect("the service answers")
}

async fn acquired<F: LocksFactory>(
    factory: &F,
    locks: &F::Locks,
    resource: &str,
    holder: &str,
) -> Lease {
    acquire(factory, locks, resource, holder).await.expect("the resource is free")
}

/// To another holder, and to the same one: a lock is not re-entrant.
pub async fn held_resource_is_refused_to_all<F: LocksFactory>(factory: &F) {
    let locks = factory.create().await;
    let lease = acquired(factory, &locks, "shard-1", "a").await;
    assert_eq!((&*lease.resource, &*lease.holder, lease.ttl), ("shard-1", "a", factory.ttl()));
    for holder in ["b", "a"] {
        assert_eq!(acquire(factory, &locks.clone(), "shard-1", holder).await, None);
    }
}

/// What is held under one name says nothing of another.
pub async fn resources_are_apart<F: LocksFactory>(factory: &F) {
    let locks = factory.create().await;
    let one = acquired(factory, &locks, "shard-1", "a").await;
    let other = acquired(factory, &locks, "shard-10", "a").await;
    assert_eq!(locks.release(&one).await, Ok(true));
    assert_eq!(acquire(factory, &locks, "shard-10", "b").await, None);
    assert_eq!(locks.release(&other).await, Ok(true));
}

/// Of those who ask at the same time.
pub async fn one_of_many_gets_the_resource<F: LocksFactory>(factory: &F) {
    let locks = factory.create().await;
    let ttl = factory.ttl();
    let asking: Vec<_> = (0..16)
        .map(|holder| {
            let locks = locks.clone();
            tokio::spawn(async move { locks.acquire("r", &format!("h{holder}"), ttl).await })
        })
        .collect();
    let mut leases = Vec::new();
    for asked in asking {
        leases.extend(asked.await.expect("no panic").expect("the service answers"));
    }
    assert_eq!(leases.len(), 1);
    let seen = locks.inspect("r").await.expect("the service answers").expect("it is held");
    assert_eq!((seen.holder, seen.token), (leases[0].holder.clone(), leases[0].token));
}

/// And a second release of it changes nothing.
pub async fn released_resource_is_free_at_once<F: LocksFactory>(factory: &F) {
    let locks = factory.create().await;
    let lease = acquired(factory, &locks, "r", "a").await;
    assert_eq!(locks.release(&lease).await, Ok(true));
    assert_eq!(locks.inspect("r").await, Ok(None));
    acquired(factory, &locks, "r", "b").await;
    assert_eq!(locks.release(&lease).await, Ok(false));
    assert_eq!(acquire(factory, &locks, "r", "c").await, None);
}

/// Then it is nobody's, and cannot be renewed or released.
pub async fn lease_ends_after_its_time<F: LocksFactory>(factory: &F) {
    let locks = factory.create().await;
    let lease = acquired(factory, &locks, "r", "a").await;
    factory.pass(factory.ttl()).await;
    assert_eq!(locks.inspect("r").await, Ok(None));
    assert_eq!(locks.renew(&lease).await, Ok(false));
    assert_eq!(locks.release(&lease).await, Ok(false));
    acquired(factory, &locks, "r", "b").await;
}

/// So it outlives the time it was given first.
pub async fn renewed_lease_starts_its_time_anew<F: LocksFactory>(factory: &F) {
    let locks = factory.create().await;
    let lease = acquired(factory, &locks, "r", "a").await;
    for _ in 0..3 {
        factory.pass(factory.ttl() / 2).await;
        assert_eq!(locks.renew(&lease).await, Ok(true));
        assert_eq!(acquire(factory, &locks, "r", "b").await, None);
    }
    factory.pass(factory.ttl()).await;
    assert_eq!(locks.renew(&lease).await, Ok(false));
}

/// After a release and after an expiry.
pub async fn tokens_grow_with_every_acquisition<F: LocksFactory>(factory: &F) {
    let locks = factory.create().await;
    let mut last = 0;
    for round in 0..4 {
        let lease = acquired(factory, &locks, "r", "a").await;
        assert!(lease.token > last, "{} after {last}", lease.token);
        last = lease.token;
        match round % 2 {
            0 => assert_eq!(locks.release(&lease).await, Ok(true)),
            _ => factory.pass(factory.ttl()).await,
        }
    }
}

/// Who lost the resource cannot take it from the next holder, even under the same name.
pub async fn old_lease_changes_nothing<F: LocksFactory>(factory: &F) {
    let locks = factory.create().await;
    let old = acquired(factory, &locks, "r", "a").await;
    factory.pass(factory.ttl()).await;
    let new = acquired(factory, &locks, "r", "a").await;
    assert_eq!(locks.renew(&old).await, Ok(false));
    assert_eq!(locks.release(&old).await, Ok(false));
    let seen = locks.inspect("r").await.expect("the service answers").expect("it is held");
    assert_eq!(seen.token, new.token);
    assert_eq!(locks.release(&new).await, Ok(true));
}

/// With what is left of the lease.
pub async fn holder_can_be_seen<F: LocksFactory>(factory: &F) {
    let locks = factory.create().await;
    assert_eq!(locks.inspect("r").await, Ok(None));
    let lease = acquired(factory, &locks, "r", "a").await;
    factory.pass(factory.ttl() / 2).await;
    let seen = locks.inspect("r").await.expect("the service answers").expect("it is held");
    assert_eq!((&*seen.holder, seen.token), ("a", lease.token));
    assert!(seen.remaining > Duration::ZERO && seen.remaining <= factory.ttl() / 2);
}

/// Without a name or a time.
pub async fn senseless_request_is_refused<F: LocksFactory>(factory: &F) {
    let locks = factory.create().await;
    for (resource, holder, ttl) in
        [("", "a", factory.ttl()), ("r", "", factory.ttl()), ("r", "a", Duration::ZERO)]
    {
        let error = locks.acquire(resource, holder, ttl).await.expect_err("it is refused");
        assert_eq!(error.kind, ErrorKind::Invalid);
    }
}
