//! What a batch makes of the stored rows: pure, from the changes and the rows as they are.
//!
//! Called by the writer, in three steps: [`Changes::of`] needs nothing stored and so runs before the
//! writer's turn; [`Changes::against`] needs the documents' old rows; [`Plan::batch`] the counts of
//! those partitions that grow or shrink.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;

use crate::canary::planted;
use crate::error::StorageError;
use crate::kv::{Space, WriteBatch};
use crate::views::ViewChange;

use super::keys::place::Place;
use super::keys::{self, count, document, place, secondary};
use super::limits::{DOCUMENT_BYTES_MAX, KEY_BYTES_MAX, check_at_most, check_between};

/// The changes of a batch, one for each document, by the row's key.
pub(super) struct Changes(Vec<Change>);

/// What becomes of one document.
struct Change {
    view: Arc<str>,
    primary: Bytes,
    key: Bytes,
    /// The row afterwards; none: there is none.
    new: Option<NewRow>,
}

struct NewRow {
    value: Bytes,
    places: Vec<u8>,
}

impl Changes {
    /// Checks and encodes them. Of several changes to one document the last one counts, and only it
    /// is encoded: a batch of a thousand events often changes the same document again and again.
    pub(super) fn of(changes: Vec<(Arc<str>, ViewChange)>) -> Result<Self, StorageError> {
        let mut last = BTreeMap::new();
        for (view, change) in changes {
            let primary = check(&view, &change)?;
            last.insert(document::key(&view, primary), (view, change));
        }
        let encoded = last.into_iter().map(|(key, (view, change))| Change::of(key, view, change));
        Ok(Self(encoded.collect::<Result<_, _>>()?))
    }

    /// Deletes the documents under `primaries`, which are in their order.
    pub(super) fn deleting(view: &str, primaries: Vec<Bytes>) -> Self {
        let view: Arc<str> = view.into();
        let gone = |primary: Bytes| {
            let key = document::key(&view, &primary);
            Change { view: Arc::clone(&view), primary, key, new: None }
        };
        Self(primaries.into_iter().map(gone).collect())
    }

    /// The keys of the rows that [`Self::against`] wants to see.
    pub(super) fn rows(&self) -> impl Iterator<Item = Bytes> {
        self.0.iter().map(|change| change.key.clone())
    }

    /// What must be written, given the old rows in the order of [`Self::rows`].
    pub(super) fn against(self, old: &[Option<Bytes>]) -> Result<Plan, StorageError> {
        let mut plan = Plan::default();
        // A document that comes into being has a handful of entries.
        plan.batch.changes.reserve(4 * self.0.len());
        for (change, old) in self.0.into_iter().zip(old) {
            plan.add(change, old.as_ref())?;
        }
        plan.deltas.retain(|_, delta| *delta != 0);
        Ok(plan)
    }
}

impl Change {
    fn of(key: Bytes, view: Arc<str>, change: ViewChange) -> Result<Self, StorageError> {
        let (primary, new) = match change {
            ViewChange::Delete { key } => (key, None),
            ViewChange::Put { key, document, secondary } => {
                let places = place::encode(secondary)?;
                let value = document::value(&places, &document);
                (key, Some(NewRow { value, places }))
            }
        };
        Ok(Self { view, primary, key, new })
    }
}

fn check<'a>(view: &str, change: &'a ViewChange) -> Result<&'a Bytes, StorageError> {
    keys::check("view", view)?;
    let key = match change {
        ViewChange::Delete { key } => key,
        ViewChange::Put { key, document, .. } => {
            check_at_most("bytes of a document", document.len(), DOCUMENT_BYTES_MAX)?;
            key
        }
    };
    check_between("bytes of a primary key", key.len(), 1, KEY_BYTES_MAX)?;
    Ok(key)
}

/// Rows to write, and by how much the partitions' counts change.
#[derive(Default)]
pub(super) struct Plan {
    batch: WriteBatch,
    /// By the count's key; never 0.
    deltas: BTreeMap<Bytes, i64>,
}

impl Plan {
    /// The keys of the counts that [`Self::batch`] wants to see.
    pub(super) fn counts(&self) -> Vec<Bytes> {
        self.deltas.keys().cloned().collect()
    }

    /// Everything to write, given the stored counts in the order of [`Self::counts`].
    pub(super) fn batch(self, stored: &[Option<Bytes>]) -> Result<WriteBatch, StorageError> {
        let Self { mut batch, deltas } = self;
        for ((key, delta), stored) in deltas.into_iter().zip(stored) {
            let number =
                count::count(stored.as_ref())?.checked_add_signed(delta).ok_or_else(|| {
                    StorageError::corrupt(format!("view: count {key:?} is below its documents"))
                })?;
            batch.changes.push((Space::Views, key, count::value(number)));
        }
        Ok(batch)
    }

    fn add(&mut self, change: Change, old: Option<&Bytes>) -> Result<(), StorageError> {
        let old = old.map(document::row).transpose()?;
        let old_places: &[u8] = old.as_ref().map_or(&[], |row| &row.places);
        let new_places: &[u8] = change.new.as_ref().map_or(&[], |row| &row.places);
        // The rule, not the exception: a document changes, and is found by the same keys as before.
        if old_places != new_places {
            self.entries(&change, old_places, new_places)?;
        }
        match change.new {
            Some(row) => self.batch.put(Space::Views, change.key, row.value),
            None if old.is_some() => self.batch.delete(Space::Views, change.key),
            None => {}
        }
        Ok(())
    }

    /// Removes the entries that only the old row has and adds those that only the new one has.
    fn entries(&mut self, change: &Change, old: &[u8], new: &[u8]) -> Result<(), StorageError> {
        let old: Vec<Place<'_>> = place::decode(old).collect::<Result<_, _>>()?;
        let new: Vec<Place<'_>> = place::decode(new).collect::<Result<_, _>>()?;
        for &gone in old.iter().filter(|place| !new.contains(place)) {
            if !planted("index-entry-left") {
                let key = secondary::key(&change.view, gone, &change.primary);
                self.batch.delete(Space::Views, key);
            }
            self.delta(&change.view, gone.group, -1);
        }
        for &come in new.iter().filter(|place| !old.contains(place)) {
            let key = secondary::key(&change.view, come, &change.primary);
            self.batch.put(Space::Views, key, Bytes::new());
            self.delta(&change.view, come.group, 1);
        }
        Ok(())
    }

    fn delta(&mut self, view: &str, group: &[u8], by: i64) {
        *self.deltas.entry(count::key(view, group)).or_default() += by;
    }
}
