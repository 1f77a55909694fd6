//! Nodes in the worlds of one process, for users who do not put a backend together themselves.
//!
//! Architecture invariant: beside `main.rs` the only place that names a concrete adapter.

#[cfg(feature = "rocksdb")]
mod folder;
pub mod incomplete;

#[cfg(feature = "rocksdb")]
use std::path::Path;

use sagaline_storage::clock::SystemEntropy;
#[cfg(feature = "rocksdb")]
use sagaline_storage::embedded::open_embedded;
use sagaline_storage::embedded::{LocalSettings, open_in_memory};
use sagaline_storage::kv::Kv;
#[cfg(feature = "rocksdb")]
use sagaline_storage::rocksdb::RocksSettings;
use sagaline_storage::{Clock, Log, StorageError};

use crate::engine::{MasterKey, Node, NodeBuilder};
#[cfg(feature = "rocksdb")]
use crate::http::auth::master_key;

#[cfg(feature = "rocksdb")]
pub use sagaline_storage::Embedded;
pub use sagaline_storage::InMemory;
pub use sagaline_storage::clock::SystemClock;
pub use sagaline_storage::memory::{ManualClock, MemoryKv};

#[cfg(feature = "rocksdb")]
pub use folder::{
    open_existing_folder, open_folder, open_log_at, open_log_read_only, open_new, open_read_only,
};

#[cfg(feature = "rocksdb")]
impl Node<Embedded> {
    /// A node on the store in `path`, which is created when it is not there. One process on one machine:
    /// the folder is locked, not shared and not replicated, until the node has [drained](Node::drain) and is
    /// dropped. Several nodes of one process have a folder each. Its master key is kept there too, in a file
    /// that only its owner reads.
    pub async fn embedded(path: impl AsRef<Path>) -> Result<NodeBuilder<Embedded>, StorageError> {
        incomplete::refuse(path.as_ref())?;
        let (rocks, local) = (RocksSettings::default(), LocalSettings::default());
        let backend = open_embedded(&path, &rocks, &local).await?;
        let master_key = master_key(path.as_ref(), &backend.entropy);
        let master_key =
            master_key.map_err(|error| StorageError::unavailable(error.to_string()))?;
        let log = backend.events.clone();
        let close = move || closed(log.clone());
        Ok(NodeBuilder::new(backend).master_key(master_key).closing(close))
    }
}

impl<C: Clock> Node<InMemory<C>> {
    /// A node that keeps everything in `kv`, with a clock of your choice: one that a test moves, for
    /// instance. Built again over a clone of `kv` it is the node after a restart. Its master key is one that
    /// everybody knows: nothing in memory is anybody's to find.
    pub async fn in_memory(
        kv: &MemoryKv,
        clock: C,
    ) -> Result<NodeBuilder<InMemory<C>>, StorageError> {
        let local = LocalSettings::default();
        let backend = open_in_memory(kv.clone(), clock, SystemEntropy, &local).await?;
        let log = backend.events.clone();
        let close = move || closed(log.clone());
        Ok(NodeBuilder::new(backend).master_key(MasterKey::new([0; 32])).closing(close))
    }
}

async fn closed<K: Kv, C: Clock>(log: Log<K, C>) {
    log.close().await;
}
