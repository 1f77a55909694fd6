//! The views, asked over the network.

use std::sync::Arc;

use bytes::Bytes;
use sagaline_storage::views::{ViewBatch, ViewError, ViewPage, ViewQuery, ViewStore};
use sagaline_storage::{GlobalPosition, StorageError};
use serde::de::DeserializeOwned;

use super::unavailable;
use crate::services::rpc::RpcClient;
use crate::services::store::protocol::StoreRequest;

/// [`ViewStore`] on the store machine. A commit whose answer is lost is told as a failure although it may
/// have happened: who commits the same again is told that the checkpoint has moved.
#[derive(Clone)]
pub struct RemoteViews {
    store: RpcClient<StoreRequest>,
}

impl RemoteViews {
    pub(crate) fn new(store: RpcClient<StoreRequest>) -> Self {
        Self { store }
    }

    async fn ask<T: DeserializeOwned>(&self, request: StoreRequest) -> Result<T, StorageError> {
        self.store.ask::<Result<T, StorageError>>(&request).await.map_err(unavailable)?
    }
}

impl ViewStore for RemoteViews {
    async fn commit(&self, batch: ViewBatch) -> Result<(), ViewError> {
        let answer = self.store.ask(&StoreRequest::Commit(batch)).await;
        answer.map_err(|lost| ViewError::Storage(unavailable(lost)))?
    }

    async fn get(&self, view: &str, key: &[u8]) -> Result<Option<Bytes>, StorageError> {
        let (view, key) = (Arc::from(view), Bytes::copy_from_slice(key));
        self.ask(StoreRequest::Get { view, key }).await
    }

    async fn query(&self, query: ViewQuery) -> Result<ViewPage, StorageError> {
        self.ask(StoreRequest::Query(query)).await
    }

    async fn scan(
        &self,
        view: &str,
        after: Option<Bytes>,
        limit: usize,
    ) -> Result<ViewPage, StorageError> {
        self.ask(StoreRequest::Scan { view: view.into(), after, limit }).await
    }

    async fn count(&self, view: &str, index: &str, partition: &[u8]) -> Result<u64, StorageError> {
        let partition = Bytes::copy_from_slice(partition);
        self.ask(StoreRequest::Count { view: view.into(), index: index.into(), partition }).await
    }

    async fn checkpoint(&self, subscription: &str) -> Result<Option<GlobalPosition>, StorageError> {
        self.ask(StoreRequest::Checkpoint(subscription.into())).await
    }

    async fn clear(&self, view: &str, subscription: Option<&str>) -> Result<(), StorageError> {
        let (view, subscription) = (view.into(), subscription.map(Arc::from));
        self.ask(StoreRequest::Clear { view, subscription }).await
    }

    async fn flush(&self) -> Result<(), StorageError> {
        self.ask(StoreRequest::Flush).await
    }
}
