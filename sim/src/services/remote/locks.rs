//! The lock service, asked over the network.

use std::time::Duration;

use sagaline_storage::StorageError;
use sagaline_storage::lock::{Lease, LeaseState, LockService};
use serde::de::DeserializeOwned;

use super::unavailable;
use crate::services::locks::protocol::LockRequest;
use crate::services::rpc::RpcClient;

/// [`LockService`] on the lock machine. A lock whose answer is lost is taken for its time all the same.
#[derive(Clone)]
pub struct RemoteLocks {
    locks: RpcClient<LockRequest>,
}

impl RemoteLocks {
    pub(crate) fn new(locks: RpcClient<LockRequest>) -> Self {
        Self { locks }
    }

    async fn ask<T: DeserializeOwned>(&self, request: LockRequest) -> Result<T, StorageError> {
        self.locks.ask::<Result<T, StorageError>>(&request).await.map_err(unavailable)?
    }
}

impl LockService for RemoteLocks {
    async fn acquire(
        &self,
        resource: &str,
        holder: &str,
        ttl: Duration,
    ) -> Result<Option<Lease>, StorageError> {
        let (resource, holder) = (resource.to_owned(), holder.to_owned());
        self.ask(LockRequest::Acquire { resource, holder, ttl }).await
    }

    async fn renew(&self, lease: &Lease) -> Result<bool, StorageError> {
        self.ask(LockRequest::Renew(lease.clone())).await
    }

    async fn release(&self, lease: &Lease) -> Result<bool, StorageError> {
        self.ask(LockRequest::Release(lease.clone())).await
    }

    async fn inspect(&self, resource: &str) -> Result<Option<LeaseState>, StorageError> {
        self.ask(LockRequest::Inspect(resource.to_owned())).await
    }
}
