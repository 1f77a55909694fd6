//! What every part of a node's engine shares.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use parking_lot::Mutex;
use sagaline_storage::views::{ViewBatch, ViewChange, ViewStore};
use sagaline_storage::{
    AppendError, Backend, Claim, Clock, Direction, Entropy, Epoch, EventId, EventStore, NodeId,
    RecordedEvent, Shard, StorageError, StreamId, StreamVersion,
};
use tokio::sync::watch;
use uuid::Uuid;

use crate::codec::CodecError;
use crate::domain::Personal;
use crate::saga::{self, Moment};

use super::definition::Registered;
use super::directory::Directory;
use super::http_client::HttpClient;
use super::keys;
use super::metrics::Metrics;
use super::ownership::Ownership;
use super::ownership::watched::Watched;
use super::participants::Participants;
use super::privacy::Privacy;
use super::settings::EngineSettings;
use super::stage::{LoadError, ReadStreams};
use super::step::BoxFuture;
use super::tasks::Tasks;

/// The parts of a running engine.
pub(crate) struct Core<B: Backend> {
    pub(crate) backend: B,
    pub(crate) settings: EngineSettings,
    pub(crate) node_id: NodeId,
    pub(crate) definitions: Definitions,
    pub(crate) directory: Directory,
    pub(crate) participants: Participants<B::Clock>,
    pub(crate) http: HttpClient,
    pub(crate) streams: Arc<dyn ReadStreams>,
    pub(crate) privacy: Arc<Privacy<B>>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) ownership: Ownership,
    /// Sagas of other nodes that somebody at this one waits for.
    pub(crate) watched: Watched,
    /// Those whose handles nobody keeps.
    pub(crate) tasks: Tasks,
    /// True: everything in the background ends.
    pub(crate) stop: watch::Sender<bool>,
    pub(crate) draining: AtomicBool,
    /// Why the store failed for good, once it has.
    pub(crate) store_lost: watch::Sender<Option<StorageError>>,
    /// Sagas whose definition this node does not know: left to one that does.
    pub(crate) orphans: Mutex<BTreeSet<Uuid>>,
    /// Sagas are asked and decided, and not worked on.
    pub(crate) at_rest: bool,
}

/// The definitions a node knows: by name the one for new sagas, by hash all.
#[derive(Default)]
pub(crate) struct Definitions {
    by_name: HashMap<Arc<str>, Arc<Registered>>,
    by_hash: HashMap<Arc<str>, Arc<Registered>>,
}

impl Definitions {
    /// The last one added under a name is the one for new sagas.
    pub(crate) fn add(&mut self, registered: Arc<Registered>) {
        let definition = &registered.definition;
        self.by_hash.insert(definition.hash().clone(), registered.clone());
        self.by_name.insert(definition.name().clone(), registered.clone());
    }

    pub(crate) fn named(&self, name: &str) -> Option<&Arc<Registered>> {
        self.by_name.get(name)
    }

    pub(crate) fn hashed(&self, hash: &str) -> Option<&Arc<Registered>> {
        self.by_hash.get(hash)
    }

    /// All of them by name, also those that only let running sagas end.
    pub(crate) fn sorted(&self) -> Vec<&saga::Definition> {
        let mut all: Vec<_> =
            self.by_hash.values().map(|registered| &registered.definition).collect();
        all.sort_by_key(|definition| (definition.name(), definition.hash()));
        all
    }

    pub(crate) fn names(&self) -> Vec<Arc<str>> {
        let mut names: Vec<_> = self.by_name.keys().cloned().collect();
        names.sort();
        names
    }
}

impl<B: Backend> Core<B> {
    pub(crate) fn shard(&self, saga: Uuid) -> Shard {
        keys::shard_of(saga, self.settings.shards)
    }

    /// The epoch under which this node owns a shard, if it does.
    pub(crate) fn epoch(&self, shard: Shard) -> Option<u64> {
        self.ownership.epoch(shard)
    }

    /// Owns shards from now on.
    pub(crate) fn take(&self, taken: impl IntoIterator<Item = (Shard, Epoch)>) {
        let taken = taken.into_iter().inspect(|_| self.metrics.shards_taken.add(1));
        self.ownership.take(taken);
        self.metrics.shards_owned.set(self.ownership.count());
    }

    /// Works on the sagas of these shards no more. Their tasks stop at the next opportunity.
    pub(crate) fn give_up(&self, shards: &[Shard]) {
        // First the epochs: who enters a saga behind that sees that it is not this node's.
        self.ownership.give_up(shards);
        self.dismiss(|shard| shards.contains(&shard));
    }

    /// Another node has the shard under `current`. False: it is not owned, or was taken again since.
    pub(crate) fn lose(&self, shard: Shard, current: Epoch) -> bool {
        let lost = self.ownership.lose(shard, current);
        if lost {
            tracing::warn!(shard = shard.0, epoch = current.0, "another node took the shard");
            self.dismiss(|gone| gone == shard);
        }
        lost
    }

    /// What a refused append says about who owns the shard.
    pub(crate) fn heed(&self, error: &AppendError) {
        if let AppendError::Fenced { shard, current, .. } = error {
            self.lose(*shard, *current);
        }
    }

    fn dismiss(&self, goes: impl Fn(Shard) -> bool) {
        self.directory.close_those(|saga| goes(self.shard(saga)));
        self.orphans.lock().retain(|saga| !goes(self.shard(*saga)));
        self.metrics.shards_owned.set(self.ownership.count());
    }

    /// Returns when everything in the background ends.
    pub(crate) async fn stopped(&self) {
        let mut stop = self.stop.subscribe();
        // The sender lives as long as this does.
        let _stopped = stop.wait_for(|stop| *stop).await.is_ok();
    }

    pub(crate) fn moment(&self, epoch: u64) -> Moment {
        let jitter = self.backend.entropy().next_u64();
        Moment { now_us: self.backend.clock().now().0, epoch, jitter }
    }

    pub(crate) fn uuid(&self) -> Uuid {
        self.backend.entropy().uuid_v7(self.backend.clock().now())
    }

    pub(crate) fn event_id(&self) -> EventId {
        EventId(self.uuid())
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Acquire)
    }

    /// The store has failed for good: nothing is decided any more until the node is started again.
    pub(crate) fn lose_store(&self, error: &StorageError) {
        let first = self.store_lost.send_if_modified(|lost| {
            let first = lost.is_none();
            lost.get_or_insert_with(|| error.clone());
            first
        });
        if first {
            tracing::error!(%error, "the store does not serve any more; start the node again");
        }
    }

    pub(crate) fn has_lost_store(&self) -> bool {
        self.store_lost.borrow().is_some()
    }

    /// A new saga's id, in a shard of this node; none while it owns no shard.
    pub(crate) fn draw_saga_id(&self) -> Option<Uuid> {
        const DRAWS_MAX: u32 = 10_000;
        // Drawing would go on to its end, at every order that is refused.
        if self.ownership.count() == 0 {
            return None;
        }
        (0..DRAWS_MAX).map(|_| self.uuid()).find(|id| self.epoch(self.shard(*id)).is_some())
    }
}

/// A backend's streams and snapshots behind a pointer.
pub(crate) struct StoreStreams<B> {
    pub(crate) backend: B,
    pub(crate) privacy: Arc<Privacy<B>>,
    /// See [`EngineSettings`](super::settings::EngineSettings).
    pub(crate) snapshot_events: usize,
}

impl<B: Backend> ReadStreams for StoreStreams<B> {
    fn snapshot_events(&self) -> usize {
        self.snapshot_events
    }

    fn read<'a>(
        &'a self,
        stream: &'a StreamId,
        from: StreamVersion,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<RecordedEvent>, StorageError>> {
        Box::pin(self.backend.events().read_stream(stream, from, Direction::Forward, limit))
    }

    fn open(&self, json: Bytes) -> BoxFuture<'_, Result<Bytes, LoadError>> {
        Box::pin(self.privacy.open(json))
    }

    fn seal<'a>(
        &'a self,
        json: Bytes,
        personal: &'a Personal,
        stream_key: Option<&'a str>,
    ) -> BoxFuture<'a, Result<Bytes, LoadError>> {
        Box::pin(self.privacy.seal(json, personal, stream_key))
    }

    fn personal_claim(&self, kind: &str, key: &str) -> Result<Claim, CodecError> {
        self.privacy.claim(kind, key)
    }

    fn snapshot<'a>(
        &'a self,
        view: &'a str,
        stream: &'a StreamId,
    ) -> BoxFuture<'a, Result<Option<Bytes>, StorageError>> {
        Box::pin(self.backend.views().get(view, stream.as_str().as_bytes()))
    }

    fn keep_snapshot<'a>(
        &'a self,
        view: &'a str,
        stream: &'a StreamId,
        snapshot: Bytes,
    ) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            let key = Bytes::copy_from_slice(stream.as_str().as_bytes());
            let put = ViewChange::Put { key, document: snapshot, secondary: Vec::new() };
            let batch = ViewBatch { changes: vec![(view.into(), put)], checkpoints: Vec::new() };
            if let Err(error) = self.backend.views().commit(batch).await {
                tracing::warn!(%stream, %error, "snapshot not kept");
            }
        })
    }
}
