//! What is on a disk: what a reader sees, and how much of it would be left after a power loss. Plain
//! code, without time. Used by [`super::FaultyDisk`].
//!
//! There is one set of maps, the live ones. What is not synced yet is kept as the way back: for each
//! batch what had been there before it. A power loss goes some of the way back. Views and the log have
//! journals of their own, as the two databases of RocksDB have.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound;

use bytes::Bytes;
use sagaline_storage::StorageError;
use sagaline_storage::kv::{Entry, Range, Space, WriteBatch};

use crate::seed::Random;

type Map = BTreeMap<Bytes, Bytes>;

/// What a batch has overwritten, in the order of its changes.
type WayBack = Vec<(Space, Bytes, Option<Bytes>)>;

/// What is written and synced together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Journal {
    Log,
    Views,
}

impl Journal {
    pub(super) fn of(space: Space) -> Self {
        match space {
            Space::Events | Space::Index => Self::Log,
            Space::Views => Self::Views,
        }
    }
}

/// A batch on its way to the disk.
#[derive(Debug)]
struct InFlight {
    id: u64,
    batch: WriteBatch,
    /// Its caller was told that it failed; nobody knows whether it did.
    failed: bool,
}

#[derive(Debug, Default)]
struct Unsynced {
    /// Applied, and gone after a power loss: oldest first.
    applied: VecDeque<WayBack>,
    /// Being synced, and not yet to be seen.
    in_flight: Vec<InFlight>,
}

/// What a power loss took.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Lost {
    /// Batches that are gone.
    pub(super) batches: usize,
    /// Whether the first of them was cut in its middle.
    pub(super) torn: bool,
}

/// A disk's content.
#[derive(Debug, Default)]
pub(super) struct Image {
    events: Map,
    index: Map,
    views: Map,
    log_unsynced: Unsynced,
    views_unsynced: Unsynced,
    ids: u64,
}

impl Image {
    /// Applies the batch; it may be lost until the journal is synced.
    pub(super) fn write_buffered(&mut self, batch: WriteBatch) -> Result<(), StorageError> {
        let Some(journal) = journal_of(&batch)? else { return Ok(()) };
        let way_back = self.apply(batch);
        self.unsynced(journal).applied.push_back(way_back);
        Ok(())
    }

    /// The batch is on its way; nobody sees it yet. None: there is nothing in it.
    pub(super) fn begin_sync(&mut self, batch: WriteBatch) -> Result<Option<u64>, StorageError> {
        let Some(journal) = journal_of(&batch)? else { return Ok(None) };
        self.ids += 1;
        let id = self.ids;
        self.unsynced(journal).in_flight.push(InFlight { id, batch, failed: false });
        Ok(Some(id))
    }

    /// It has arrived: it can be seen, and with everything before it in its journal survives anything.
    pub(super) fn end_sync(&mut self, id: u64) {
        for journal in [Journal::Log, Journal::Views] {
            let unsynced = self.unsynced(journal);
            if let Some(at) = unsynced.in_flight.iter().position(|write| write.id == id) {
                let batch = unsynced.in_flight.remove(at).batch;
                unsynced.applied.clear();
                self.apply(batch);
            }
        }
    }

    /// Its caller is told that it failed. Whether it did shows when the disk is opened the next time.
    pub(super) fn fail_sync(&mut self, id: u64) {
        for journal in [Journal::Log, Journal::Views] {
            let in_flight = &mut self.unsynced(journal).in_flight;
            in_flight
                .iter_mut()
                .filter(|write| write.id == id)
                .for_each(|write| write.failed = true);
        }
    }

    /// Everything applied to the journal survives anything.
    pub(super) fn flush(&mut self, journal: Journal) {
        self.unsynced(journal).applied.clear();
    }

    /// The processes have ended, the machine has not: what was applied stays. What was on its way has
    /// arrived or has not.
    pub(super) fn processes_ended(&mut self, random: &mut Random) {
        for journal in [Journal::Log, Journal::Views] {
            for write in std::mem::take(&mut self.unsynced(journal).in_flight) {
                if random.percent(50) {
                    let way_back = self.apply(write.batch);
                    self.unsynced(journal).applied.push_back(way_back);
                }
            }
        }
    }

    /// The store is opened again by the same machine: writes that had failed have happened or have not.
    pub(super) fn reopened(&mut self, random: &mut Random) {
        for journal in [Journal::Log, Journal::Views] {
            let in_flight = std::mem::take(&mut self.unsynced(journal).in_flight);
            let (failed, others): (Vec<_>, Vec<_>) = in_flight.into_iter().partition(|w| w.failed);
            self.unsynced(journal).in_flight = others;
            for write in failed {
                if random.percent(50) {
                    let way_back = self.apply(write.batch);
                    self.unsynced(journal).applied.push_back(way_back);
                }
            }
        }
    }

    /// Of each journal a prefix of what was not synced is left. With `torn` exactly the last batch is
    /// gone, cut in its middle, where there was one.
    pub(super) fn power_lost(&mut self, random: &mut Random, torn: bool) -> Lost {
        let mut lost = Lost::default();
        for journal in [Journal::Log, Journal::Views] {
            let of_journal = self.lose(journal, random, torn);
            lost.batches += of_journal.batches;
            lost.torn |= of_journal.torn;
        }
        lost
    }

    fn lose(&mut self, journal: Journal, random: &mut Random, torn: bool) -> Lost {
        let Unsynced { mut applied, in_flight } = std::mem::take(self.unsynced(journal));
        let all = applied.len() + in_flight.len();
        if all == 0 {
            return Lost::default();
        }
        let left = if torn { all - 1 } else { below(random, all + 1) };
        let lost = Lost { batches: all - left, torn };
        for write in in_flight.into_iter().take(left.saturating_sub(applied.len())) {
            self.apply(write.batch);
        }
        while applied.len() > left {
            let way_back = applied.pop_back().unwrap_or_default();
            self.go_back(way_back);
        }
        lost
    }

    /// The key of the last record of the log that no power loss can take any more.
    pub(super) fn last_record_kept(&self) -> Option<Bytes> {
        // Records come in the order of their keys: what was not synced is all behind the first of it.
        let mut at_risk = self.log_unsynced.applied.iter().flatten();
        match at_risk.find(|(space, ..)| *space == Space::Events) {
            Some((_, first, _)) => {
                self.events.range::<Bytes, _>(..first).next_back().map(|(key, _)| key.clone())
            }
            None => self.events.keys().next_back().cloned(),
        }
    }

    /// Batches of the log that whoever reads the disk sees and that a power loss could take.
    pub(super) fn log_at_risk(&self) -> usize {
        self.log_unsynced.applied.len()
    }

    /// Whether a write of the log that has failed, and may turn out to have happened, has these bytes in one
    /// of its keys.
    pub(super) fn may_hold(&self, part: &[u8]) -> bool {
        let failed = self.log_unsynced.in_flight.iter().filter(|write| write.failed);
        let mut changes = failed.flat_map(|write| &write.batch.changes);
        changes.any(|(_, key, _)| key.windows(part.len()).any(|piece| piece == part))
    }

    /// The key of some record of the log. None: there is no record.
    pub(super) fn any_record(&self, random: &mut Random) -> Option<Bytes> {
        self.events.keys().nth(below(random, self.events.len())).cloned()
    }

    /// The value under a key.
    pub(super) fn get(&self, space: Space, key: &[u8]) -> Option<Bytes> {
        self.space(space).get(key).cloned()
    }

    /// The entries of a range.
    pub(super) fn scan(&self, space: Space, range: &Range) -> Vec<Entry> {
        if !range.to.is_empty() && range.to <= range.from {
            return Vec::new();
        }
        let to = match range.to.as_ref() {
            [] => Bound::Unbounded,
            to => Bound::Excluded(to),
        };
        let entries =
            self.space(space).range::<[u8], _>((Bound::Included(range.from.as_ref()), to));
        let own = |(key, value): (&Bytes, &Bytes)| (key.clone(), value.clone());
        if range.backward {
            entries.rev().take(range.limit).map(own).collect()
        } else {
            entries.take(range.limit).map(own).collect()
        }
    }

    /// Batches that a power loss would put at risk.
    pub(super) fn unsynced_batches(&self) -> usize {
        let of = |unsynced: &Unsynced| unsynced.applied.len() + unsynced.in_flight.len();
        of(&self.log_unsynced) + of(&self.views_unsynced)
    }

    fn apply(&mut self, batch: WriteBatch) -> WayBack {
        let mut way_back = Vec::with_capacity(batch.changes.len());
        for (space, key, value) in batch.changes {
            let before = self.put(space, key.clone(), value);
            way_back.push((space, key, before));
        }
        way_back
    }

    fn go_back(&mut self, way_back: WayBack) {
        for (space, key, before) in way_back.into_iter().rev() {
            self.put(space, key, before);
        }
    }

    fn put(&mut self, space: Space, key: Bytes, value: Option<Bytes>) -> Option<Bytes> {
        let map = match space {
            Space::Events => &mut self.events,
            Space::Index => &mut self.index,
            Space::Views => &mut self.views,
        };
        match value {
            Some(value) => map.insert(key, value),
            None => map.remove(&key),
        }
    }

    fn space(&self, space: Space) -> &Map {
        match space {
            Space::Events => &self.events,
            Space::Index => &self.index,
            Space::Views => &self.views,
        }
    }

    fn unsynced(&mut self, journal: Journal) -> &mut Unsynced {
        match journal {
            Journal::Log => &mut self.log_unsynced,
            Journal::Views => &mut self.views_unsynced,
        }
    }
}

/// The journal of a batch; none when the batch is empty.
fn journal_of(batch: &WriteBatch) -> Result<Option<Journal>, StorageError> {
    let mut journals = batch.changes.iter().map(|(space, ..)| Journal::of(*space));
    let Some(first) = journals.next() else { return Ok(None) };
    if journals.any(|journal| journal != first) {
        return Err(StorageError::invalid(
            "a batch holds views and other spaces; they are not written together",
        ));
    }
    Ok(Some(first))
}

fn below(random: &mut Random, bound: usize) -> usize {
    usize::try_from(random.below(bound as u64)).unwrap_or(0)
}
