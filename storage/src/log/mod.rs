//! The log's algorithm, once, over the [`Kv`] port.
//!
//! [`Log`] implements [`EventStore`]: a single appender task orders everything that changes the log, and
//! shares one synced write among all who wait ([`appender`]); readers go by what it has published
//! ([`published`]) and by the indexes ([`keys`]). RocksDB, memory and the simulation's disk run these very
//! lines.
//!
//! Architecture invariant: nothing here knows which [`Kv`] it runs on, reads a clock of its own, or
//! spawns anything but the appender, once, in [`Log::open`].

mod appender;
mod arena;
mod cache;
mod claims;
mod copy;
mod counters;
mod draft;
pub(crate) mod envelope;
mod expiry;
mod hashing;
mod heads;
pub(crate) mod intern;
pub(crate) mod keys;
mod page;
mod prefetch;
mod prepare;
mod published;
mod read_all;
mod read_stream;
mod ring;
pub mod settings;
mod verify;

#[cfg(test)]
mod log_tests;

use std::sync::{Arc, OnceLock};

use tokio::sync::{Semaphore, mpsc, oneshot};

pub use copy::{Copied, copy};
pub use counters::{BATCH_SIZE_BOUNDS, LogCounters};
pub use keys::meta::StoreIdentity;
pub use settings::LogSettings;
pub use verify::{DAMAGE_MAX, Damage, Verified, verify};

use crate::clock::{Clock, Entropy};
use crate::error::StorageError;
use crate::event::RecordedEvent;
use crate::event_store::{
    AllPage, AllQuery, AppendError, AppendRequest, Appended, Claim, ClaimHolder, Direction, Epoch,
    EventStore, Shard,
};
use crate::kv::{Durability, Kv, MemoryUse, Space, WriteBatch};
use crate::stream::{GlobalPosition, StreamId, StreamVersion};

use appender::{Appender, Job, Message, Queued, Raise};
use counters::Counters;
use draft::Draft;
use hashing::Hashing;
use heads::Heads;
use published::Published;
use settings::{APPEND_BYTES_MAX, READ_LIMIT_MAX, SHARDS_PER_RAISE_MAX};

/// Bytes that one unit of the queue's room stands for, and the least an append takes of it.
const ROOM_UNIT_BYTES: usize = 1_024;

/// The event store over an ordered store. Clones are the same log.
#[derive(Debug)]
pub struct Log<K, C> {
    handle: Arc<Handle<K, C>>,
}

impl<K, C> Clone for Log<K, C> {
    fn clone(&self) -> Self {
        Self { handle: Arc::clone(&self.handle) }
    }
}

/// What all clones share. The queue closes with the last of them, and that ends the appender.
#[derive(Debug)]
struct Handle<K, C> {
    queue: mpsc::UnboundedSender<Message>,
    shared: Arc<Shared<K, C>>,
}

/// What readers and the appender share.
#[derive(Debug)]
struct Shared<K, C> {
    kv: K,
    clock: C,
    settings: LogSettings,
    identity: StoreIdentity,
    published: Published,
    counters: Counters,
    /// Room in the queue, in units of [`ROOM_UNIT_BYTES`].
    room: Arc<Semaphore>,
    /// Why nothing is written any more; set once.
    stopped: OnceLock<StorageError>,
}

/// The size of a log, as far as it is known without looking.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogStats {
    /// The last position, which is the number of events.
    pub events: u64,
    /// Newest events kept in memory.
    pub kept_events: usize,
    /// The memory they take, estimated.
    pub kept_bytes: usize,
}

impl<K: Kv, C: Clock> Log<K, C> {
    /// Opens the log in `kv`, or creates it there, and starts its appender on the current runtime. Only
    /// one log may be open over one store: the Kv's adapter sees to it.
    ///
    /// Refused are a store of a newer format and one whose end cannot be read, or not be synced.
    pub async fn open(
        kv: K,
        clock: C,
        entropy: &impl Entropy,
        settings: LogSettings,
    ) -> Result<Self, StorageError> {
        let identity = identity(&kv, &clock, entropy).await?;
        // A write whose sync had failed, or in whose middle the process ended, may be there without being
        // synced: what is shown to anybody from here on must not be gone after a power loss.
        kv.flush(Space::Events).await?;
        Self::over(kv, clock, entropy, settings, identity).await
    }

    /// The log in a store that is only read, like a
    /// [read-only view](crate::rocksdb::RocksKv::open_read_only) of one that another process writes to:
    /// nothing is synced, and the store refuses every append.
    pub async fn open_read_only(
        kv: K,
        clock: C,
        entropy: &impl Entropy,
        settings: LogSettings,
    ) -> Result<Self, StorageError> {
        let identity = identity(&kv, &clock, entropy).await?;
        Self::over(kv, clock, entropy, settings, identity).await
    }

    async fn over(
        kv: K,
        clock: C,
        entropy: &impl Entropy,
        settings: LogSettings,
        identity: StoreIdentity,
    ) -> Result<Self, StorageError> {
        let hashing = Hashing::draw(entropy);
        let heads = Heads::load(&kv, &settings, hashing).await?;
        let room = settings.queue_bytes_max.max(APPEND_BYTES_MAX) / ROOM_UNIT_BYTES + 1;
        let shared = Arc::new(Shared {
            kv,
            clock,
            settings,
            identity,
            published: Published::new(heads.position, &settings, hashing),
            counters: Counters::default(),
            room: Arc::new(Semaphore::new(room)),
            stopped: OnceLock::new(),
        });
        let (queue, waiting) = mpsc::unbounded_channel();
        tokio::spawn(Appender::new(Arc::clone(&shared), waiting, heads).run());
        Ok(Self { handle: Arc::new(Handle { queue, shared }) })
    }

    /// Ends the appender: what was queued before is written and answered, what comes later is refused as
    /// `Closed`. Reads go on. After it returns the appender holds the store no more; it is free to be
    /// opened again when all clones are dropped.
    pub async fn close(&self) {
        let (reply, closed) = oneshot::channel();
        if self.handle.queue.send(Message::Close(reply)).is_ok() {
            // An error says the same: the appender is gone.
            let _closed = closed.await.is_ok();
        }
    }

    /// What happened since the log was opened.
    pub fn counters(&self) -> LogCounters {
        self.shared().counters.read()
    }

    /// How big the log is.
    pub fn stats(&self) -> LogStats {
        let published = &self.shared().published;
        let (kept_events, kept_bytes) = published.kept();
        LogStats { events: published.head().0, kept_events, kept_bytes }
    }

    /// Checks the records behind `after`, and what the indexes say of them, beside the running log. See
    /// [`verify`].
    pub async fn verify(
        &self,
        after: GlobalPosition,
        progress: impl FnMut(GlobalPosition, GlobalPosition) + Send,
    ) -> Result<Verified, StorageError> {
        verify(&self.shared().kv, after, progress).await
    }

    /// Up to `limit` held claims of every kind behind `after`, by kind and key: what an export is made of.
    pub async fn every_claim(
        &self,
        after: Option<&Claim>,
        limit: usize,
    ) -> Result<Vec<ClaimHolder>, StorageError> {
        check_limit(limit)?;
        self.shared().every_claim(after, limit).await
    }

    /// The epoch of every shard that ever had an owner, by shard.
    pub async fn every_epoch(&self) -> Result<Vec<(Shard, Epoch)>, StorageError> {
        let mut range = keys::epoch::range(READ_LIMIT_MAX);
        let mut epochs = Vec::new();
        loop {
            let entries = self.shared().kv.scan(Space::Index, range.clone()).await?;
            for (key, value) in &entries {
                let epoch = keys::epoch::decode(key, value)?;
                epochs.extend(keys::epoch::decode_key(key).map(|shard| (shard, epoch)));
            }
            match entries.last() {
                Some((last, _)) if entries.len() == range.limit => {
                    range = keys::resume(&range, last);
                }
                Some(_) | None => return Ok(epochs),
            }
        }
    }

    /// Which store this is.
    pub fn identity(&self) -> StoreIdentity {
        self.shared().identity
    }

    /// Why the log writes no more, if so.
    pub fn stopped(&self) -> Option<StorageError> {
        self.shared().stopped.get().cloned()
    }

    fn shared(&self) -> &Shared<K, C> {
        &self.handle.shared
    }

    /// Why the appender is not there.
    fn gone(&self) -> StorageError {
        self.stopped().unwrap_or_else(|| StorageError::closed("the log's appender has ended"))
    }

    async fn queue_append(&self, draft: Draft) -> Result<Appended, AppendError> {
        let gone = |_| AppendError::Unavailable(self.gone());
        let units = draft.bytes.max(1).div_ceil(ROOM_UNIT_BYTES);
        let units = u32::try_from(units).unwrap_or(u32::MAX);
        let room = Arc::clone(&self.shared().room);
        let room = room.acquire_many_owned(units).await.map_err(gone)?;
        let (reply, answer) = oneshot::channel();
        let job = Job::Append(Queued { draft, reply, room });
        let sent = self.handle.queue.send(Message::Job(job));
        sent.map_err(|_| AppendError::Unavailable(self.gone()))?;
        // Without an answer the task has died in the middle: perhaps behind the write.
        answer.await.unwrap_or_else(|_| Err(AppendError::OutcomeUnknown(self.gone())))
    }
}

impl<K: Kv, C: Clock> EventStore for Log<K, C> {
    async fn append(&self, request: AppendRequest) -> Result<Appended, AppendError> {
        if let Some(error) = self.shared().stopped.get() {
            return Err(AppendError::Unavailable(error.clone()));
        }
        self.queue_append(Draft::new(request)?).await
    }

    async fn read_stream(
        &self,
        stream: &StreamId,
        from: StreamVersion,
        direction: Direction,
        limit: usize,
    ) -> Result<Vec<RecordedEvent>, StorageError> {
        check_limit(limit)?;
        self.shared().read_stream(stream, from, direction, limit).await
    }

    async fn read_all(&self, query: AllQuery) -> Result<AllPage, StorageError> {
        check_limit(query.limit)?;
        self.shared().read_all(query).await
    }

    async fn head(&self) -> Result<GlobalPosition, StorageError> {
        Ok(self.shared().published.head())
    }

    async fn await_after(&self, position: GlobalPosition) {
        self.shared().published.wait_behind(position).await;
    }

    async fn claim_holder(&self, claim: &Claim) -> Result<Option<ClaimHolder>, StorageError> {
        self.shared().claim_holder(claim).await
    }

    async fn claims(
        &self,
        kind: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<ClaimHolder>, StorageError> {
        check_limit(limit)?;
        self.shared().claims(kind, after, limit).await
    }

    async fn purge_claim(&self, claim: &Claim) -> Result<(), StorageError> {
        self.shared().kv.purge(Space::Index, &keys::claim::key(claim)).await
    }

    fn memory(&self) -> Result<Option<MemoryUse>, StorageError> {
        self.shared().kv.memory()
    }

    async fn epoch(&self, shard: Shard) -> Result<Epoch, StorageError> {
        let key = keys::epoch::key(shard);
        let value = self.shared().kv.get(Space::Index, &key).await?;
        value.map_or(Ok(Epoch(0)), |value| keys::epoch::decode(&key, &value))
    }

    async fn raise_epochs(&self, shards: &[Shard]) -> Result<Vec<Epoch>, StorageError> {
        check_shards(shards)?;
        if shards.is_empty() {
            return Ok(Vec::new());
        }
        let (reply, answer) = oneshot::channel();
        let job = Job::Raise(Raise { shards: shards.to_vec(), reply });
        self.handle.queue.send(Message::Job(job)).map_err(|_| self.gone())?;
        answer.await.unwrap_or_else(|_| Err(self.gone()))
    }
}

/// Reads the store's identity, or creates it in an empty store.
async fn identity<K: Kv>(
    kv: &K,
    clock: &impl Clock,
    entropy: &impl Entropy,
) -> Result<StoreIdentity, StorageError> {
    if let Some(value) = kv.get(Space::Index, &keys::meta::key()).await? {
        return keys::meta::decode(&value);
    }
    for space in [Space::Events, Space::Index] {
        let any = crate::kv::Range {
            from: bytes::Bytes::new(),
            to: bytes::Bytes::new(),
            backward: false,
            limit: 1,
        };
        if !kv.scan(space, any).await?.is_empty() {
            return Err(StorageError::corrupt(
                "log: the store holds records, but not its own identity",
            ));
        }
    }
    let mut id = [0; 16];
    entropy.fill(&mut id);
    let identity = StoreIdentity {
        format: keys::meta::FORMAT,
        store_id: uuid::Builder::from_random_bytes(id).into_uuid(),
        created_at: clock.now(),
    };
    let mut batch = WriteBatch::default();
    batch.put(Space::Index, keys::meta::key(), keys::meta::value(&identity));
    kv.write(batch, Durability::Synced).await?;
    Ok(identity)
}

fn check_limit(limit: usize) -> Result<(), StorageError> {
    if (1..=READ_LIMIT_MAX).contains(&limit) {
        return Ok(());
    }
    Err(StorageError::invalid(format!(
        "a read wants a limit of 1 to {READ_LIMIT_MAX}, not {limit}"
    )))
}

fn check_shards(shards: &[Shard]) -> Result<(), StorageError> {
    if shards.len() > SHARDS_PER_RAISE_MAX {
        return Err(StorageError::invalid(format!(
            "{} shards at once, at most {SHARDS_PER_RAISE_MAX} are allowed",
            shards.len()
        )));
    }
    let mut sorted = shards.to_vec();
    sorted.sort_unstable();
    match sorted.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => {
            Err(StorageError::invalid(format!("shard {} stands in the list twice", pair[0].0)))
        }
        None => Ok(()),
    }
}
