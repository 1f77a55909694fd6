//! What the appender knows of the log's present: the state every append is checked against.
//!
//! The store is the truth; this is its part that is needed again and again, kept right by the only
//! writer. Only the appender's task touches it.

use crate::canary::planted;
use crate::error::StorageError;
use crate::event::{AppendId, EventType, RecordedEvent};
use crate::event_store::{Claim, Epoch, Shard};
use crate::kv::{Kv, Space, WriteBatch};
use crate::log::cache::Cache;
use crate::log::envelope;
use crate::log::hashing::{Hashing, Set};
use crate::log::intern::Interner;
use crate::log::keys;
use crate::log::keys::append_id::Made;
use crate::log::keys::block::{self, Mark};
use crate::log::keys::claim::Held;
use crate::log::settings::LogSettings;
use crate::stream::{GlobalPosition, StreamId, StreamVersion};

/// Epochs kept: more than one node's shards.
const EPOCHS_CACHED: usize = 8_192;

#[derive(Debug)]
pub(super) struct Heads {
    /// The last event's.
    pub(super) position: GlobalPosition,
    /// The last event's.
    pub(super) chain: [u8; 32],
    pub(super) streams: Cache<StreamId, StreamVersion>,
    /// `None`: nobody has an entry.
    pub(super) claims: Cache<Claim, Option<Held>>,
    pub(super) epochs: Cache<Shard, Epoch>,
    pub(super) append_ids: AppendIds,
    pub(super) marks: Marks,
}

impl Heads {
    /// Reads the end of the log.
    pub(super) async fn load<K: Kv>(
        kv: &K,
        settings: &LogSettings,
        hashing: Hashing,
    ) -> Result<Self, StorageError> {
        let last = kv.scan(Space::Events, keys::event::range(0, u64::MAX, true, 1)).await?;
        let (position, chain) = match last.first() {
            Some((key, record)) => {
                let position = keys::event::decode(key)?;
                let event = envelope::decode(position, record, &mut Interner::default())?;
                (position, event.chain)
            }
            None => (GlobalPosition::START, envelope::CHAIN_START),
        };
        Ok(Self {
            position,
            chain,
            streams: Cache::new(settings.streams_cached, hashing),
            claims: Cache::new(settings.claims_cached, hashing),
            epochs: Cache::new(EPOCHS_CACHED, hashing),
            append_ids: AppendIds::load(kv, settings, hashing).await?,
            marks: Marks::new(hashing),
        })
    }

    /// Call between batches, when the store has everything.
    pub(super) fn age(&mut self) {
        self.streams.age();
        self.claims.age();
        self.epochs.age();
        self.append_ids.age();
    }
}

/// Appends that were made. An id that is not here after the prefetch was never used.
///
/// Callers draw UUIDv7, so a new append nearly always has a greater id than all older ones, and then
/// nothing need be read to know that it is new.
#[derive(Debug)]
pub(super) struct AppendIds {
    made: Cache<AppendId, Made>,
    /// The greatest id that was made and may not be in `made` any more.
    forgotten: Option<AppendId>,
}

impl AppendIds {
    async fn load<K: Kv>(
        kv: &K,
        settings: &LogSettings,
        hashing: Hashing,
    ) -> Result<Self, StorageError> {
        let greatest = kv.scan(Space::Index, keys::append_id::greatest_first(1)).await?;
        let greatest = greatest.first().map(|(key, _)| keys::append_id::decode_key(key));
        let made = Cache::new(settings.append_ids_cached, hashing);
        Ok(Self { made, forgotten: greatest.transpose()? })
    }

    pub(super) fn get(&self, id: AppendId) -> Option<&Made> {
        self.made.get(&id)
    }

    /// Whether only the store can tell if the id was used.
    pub(super) fn is_unknown(&self, id: AppendId) -> bool {
        self.forgotten.is_some_and(|forgotten| id <= forgotten) && self.made.get(&id).is_none()
    }

    pub(super) fn insert(&mut self, id: AppendId, made: Made) {
        self.made.insert(id, made);
    }

    fn age(&mut self) {
        let forgotten = &mut self.forgotten;
        self.made.age_with(|id| {
            let greatest = (*forgotten).filter(|_| !planted("last-forgotten-for-the-greatest"));
            *forgotten = greatest.max(Some(*id));
        });
    }
}

/// With what the newest block is marked already. Forgotten at a restart: a mark written twice is the
/// same mark.
#[derive(Debug)]
pub(super) struct Marks {
    block: u64,
    event_types: Set<EventType>,
    categories: Set<Box<str>>,
}

impl Marks {
    fn new(hashing: Hashing) -> Self {
        Self { block: 0, event_types: hashing.set(), categories: hashing.set() }
    }

    /// Marks the event's block with its type and category.
    pub(super) fn put(&mut self, batch: &mut WriteBatch, event: &RecordedEvent) {
        let block = block::block_of(event.position);
        if block != self.block {
            self.block = block;
            self.event_types.clear();
            self.categories.clear();
        }
        if !self.event_types.contains(&event.event_type) {
            self.event_types.insert(event.event_type.clone());
            let key = block::key(Mark::EventType, event.event_type.as_str(), block);
            batch.put(Space::Index, key, bytes::Bytes::new());
        }
        let category = event.stream.category();
        if !self.categories.contains(category) {
            self.categories.insert(category.into());
            let key = block::key(Mark::Category, category, block);
            batch.put(Space::Index, key, bytes::Bytes::new());
        }
    }
}
