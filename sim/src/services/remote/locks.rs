//! The lock service, asked over the network. Every request is witnessed, by the world's own clock.

use std::time::Duration;

use sagaline_storage::StorageError;
use sagaline_storage::lock::{Lease, LeaseState, LockService};
use serde::de::DeserializeOwned;

use super::unavailable;
use crate::evidence::{LockCall, LockWhat};
use crate::services::locks::protocol::LockRequest;
use crate::services::rpc::RpcClient;
use crate::services::witness::{OpenCall, Witness};
use crate::world::World;

/// [`LockService`] on the lock machine. A lock whose answer is lost is taken for its time all the same.
#[derive(Clone)]
pub struct RemoteLocks {
    locks: RpcClient<LockRequest>,
    world: World,
    witness: Witness,
}

impl RemoteLocks {
    pub(crate) fn new(world: &World, witness: &Witness, locks: RpcClient<LockRequest>) -> Self {
        Self { locks, world: world.clone(), witness: witness.clone() }
    }

    async fn ask<T: DeserializeOwned>(&self, request: LockRequest) -> Result<T, StorageError> {
        self.locks.ask::<Result<T, StorageError>>(&request).await.map_err(unavailable)?
    }

    fn begins(&self, resource: &str, holder: &str, ttl: Duration, what: LockWhat) -> OpenCall {
        let sent_at_us = self.world.now_us();
        self.witness.lock_asked(LockCall {
            resource: resource.to_owned(),
            holder: holder.to_owned(),
            sent_at_us,
            ended_at_us: sent_at_us,
            ttl_us: u64::try_from(ttl.as_micros()).unwrap_or(u64::MAX),
            what,
        })
    }

    fn ended(&self, call: OpenCall, what: LockWhat) {
        self.witness.lock_ended(call, self.world.now_us(), what);
    }
}

impl LockService for RemoteLocks {
    async fn acquire(
        &self,
        resource: &str,
        holder: &str,
        ttl: Duration,
    ) -> Result<Option<Lease>, StorageError> {
        let call = self.begins(resource, holder, ttl, LockWhat::Acquire { token: None });
        let (resource, holder) = (resource.to_owned(), holder.to_owned());
        let came: Result<Option<Lease>, _> =
            self.ask(LockRequest::Acquire { resource, holder, ttl }).await;
        let what = match &came {
            Ok(Some(lease)) => LockWhat::Acquire { token: Some(lease.token) },
            Ok(None) => LockWhat::Refused,
            Err(_) => LockWhat::Acquire { token: None },
        };
        self.ended(call, what);
        came
    }

    async fn renew(&self, lease: &Lease) -> Result<bool, StorageError> {
        let token = lease.token;
        let what = LockWhat::Renew { token, held: None };
        let call = self.begins(&lease.resource, &lease.holder, lease.ttl, what);
        let came: Result<bool, _> = self.ask(LockRequest::Renew(lease.clone())).await;
        self.ended(call, LockWhat::Renew { token, held: came.as_ref().ok().copied() });
        came
    }

    async fn release(&self, lease: &Lease) -> Result<bool, StorageError> {
        let token = lease.token;
        let what = LockWhat::Release { token, held: None };
        let call = self.begins(&lease.resource, &lease.holder, lease.ttl, what);
        let came: Result<bool, _> = self.ask(LockRequest::Release(lease.clone())).await;
        self.ended(call, LockWhat::Release { token, held: came.as_ref().ok().copied() });
        came
    }

    async fn inspect(&self, resource: &str) -> Result<Option<LeaseState>, StorageError> {
        self.ask(LockRequest::Inspect(resource.to_owned())).await
    }
}
