//! A store in memory that is as unkind as the port allows: others run before every operation, and a
//! crash leaves what was flushed and some of what came after.

use std::sync::Arc;
use std::task::Poll;

use bytes::Bytes;
use parking_lot::Mutex;
use sagaline_storage::StorageError;
use sagaline_storage::kv::{Durability, Entry, Kv, Range, Space, WriteBatch};
use sagaline_storage::memory::MemoryKv;

#[derive(Clone, Default)]
pub(crate) struct HostileKv {
    live: MemoryKv,
    history: Arc<Mutex<History>>,
}

#[derive(Default)]
struct History {
    written: Vec<WriteBatch>,
    flushed: usize,
}

impl HostileKv {
    /// What a crash leaves when it takes one in `taken` of the unflushed batches, from the end.
    pub(crate) async fn crashed(&self, taken: usize) -> Self {
        let survivors = {
            let history = self.history.lock();
            let unflushed = history.written.len() - history.flushed;
            history.written[..history.written.len() - unflushed / taken].to_vec()
        };
        let after = Self::default();
        for batch in survivors {
            after.write(batch, Durability::Buffered).await.expect("memory takes it");
        }
        after.flush(Space::Views).await.expect("memory takes it");
        after
    }

    pub(crate) fn unflushed(&self) -> usize {
        let history = self.history.lock();
        history.written.len() - history.flushed
    }
}

async fn let_others_run() {
    for _ in 0..3 {
        let mut given = false;
        std::future::poll_fn(|context| {
            if std::mem::replace(&mut given, true) {
                return Poll::Ready(());
            }
            context.waker().wake_by_ref();
            Poll::Pending
        })
        .await;
    }
}

impl Kv for HostileKv {
    async fn write(&self, batch: WriteBatch, durability: Durability) -> Result<(), StorageError> {
        let_others_run().await;
        self.history.lock().written.push(batch.clone());
        self.live.write(batch, durability).await
    }

    async fn get(&self, space: Space, key: &[u8]) -> Result<Option<Bytes>, StorageError> {
        let_others_run().await;
        self.live.get(space, key).await
    }

    async fn get_many(
        &self,
        space: Space,
        keys: Vec<Bytes>,
    ) -> Result<Vec<Option<Bytes>>, StorageError> {
        let_others_run().await;
        self.live.get_many(space, keys).await
    }

    async fn scan(&self, space: Space, range: Range) -> Result<Vec<Entry>, StorageError> {
        let_others_run().await;
        self.live.scan(space, range).await
    }

    async fn flush(&self, space: Space) -> Result<(), StorageError> {
        let_others_run().await;
        self.live.flush(space).await?;
        let mut history = self.history.lock();
        history.flushed = history.written.len();
        Ok(())
    }
}
