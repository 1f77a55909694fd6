//! The single writer: a commit reads the rows it changes and writes one batch, with nobody between.
//!
//! Called by [`Views`](super::Views). Never waits for a disk but when a flush is due.

use bytes::Bytes;
use tokio::sync::{Mutex, MutexGuard, RwLock};

use crate::canary::planted;
use crate::error::StorageError;
use crate::kv::{Durability, Kv, Range, Space, WriteBatch};
use crate::stream::GlobalPosition;
use crate::views::{Checkpoint, ViewBatch, ViewError};

use super::changes::Changes;
use super::keys::{self, Family, checkpoint, document};
use super::limits::{CHECKPOINTS_MAX, CHUNK_ROWS, check_at_most};
use super::settings::{Unflushed, ViewSettings};

pub(super) struct Writer<K> {
    kv: K,
    settings: ViewSettings,
    /// Held from the reading of old rows to the writing of new ones: two commits that both add to a
    /// partition's count would otherwise lose one.
    turn: Mutex<Unflushed>,
    /// Held for writing while a batch becomes visible, so that a page, which reads the index and then
    /// the documents, is of one moment.
    visible: RwLock<()>,
}

impl<K: Kv> Writer<K> {
    pub(super) fn new(kv: K, settings: ViewSettings) -> Self {
        Self { kv, settings, turn: Mutex::default(), visible: RwLock::default() }
    }

    pub(super) fn kv(&self) -> &K {
        &self.kv
    }

    /// No batch becomes visible while this is held.
    pub(super) async fn moment(&self) -> impl Drop + '_ {
        self.visible.read().await
    }

    pub(super) async fn commit(&self, batch: ViewBatch) -> Result<(), ViewError> {
        let changes = Changes::of(batch.changes)?;
        let checkpoints = batch.checkpoints;
        check_checkpoints(&checkpoints)?;
        let mut unflushed = self.turn.lock().await;
        let places: Vec<_> =
            checkpoints.iter().map(|at| checkpoint::key(&at.subscription)).collect();
        let rows: Vec<_> = changes.rows().chain(places.iter().cloned()).collect();
        let mut old = self.kv.get_many(Space::Views, rows).await?;
        let stand = old.split_off(old.len() - places.len());
        let mut moved = WriteBatch::default();
        for ((checkpoint, key), stands) in checkpoints.into_iter().zip(places).zip(stand) {
            let actual = stands.as_ref().map(checkpoint::position).transpose()?;
            let (before, after) = (checkpoint.before, checkpoint.after);
            refuse_moved(checkpoint, actual)?;
            if before != Some(after) {
                moved.put(Space::Views, key, checkpoint::value(after));
            }
        }
        self.apply(&mut unflushed, changes, &old, moved).await?;
        self.flush_when_due(unflushed).await;
        Ok(())
    }

    /// Makes every commit so far survive a crash.
    pub(super) async fn flush(&self) -> Result<(), StorageError> {
        let taken = std::mem::take(&mut *self.turn.lock().await);
        let flushed = self.kv.flush(Space::Views).await;
        if flushed.is_err() {
            let mut unflushed = self.turn.lock().await;
            unflushed.bytes += taken.bytes;
            unflushed.commits += taken.commits;
        }
        flushed
    }

    /// See [`ViewStore::clear`](crate::views::ViewStore::clear). The checkpoint goes first and every
    /// batch leaves a whole view behind, so a crash in between leaves a smaller view and a
    /// subscription that starts anew.
    pub(super) async fn clear(
        &self,
        view: &str,
        subscription: Option<&str>,
    ) -> Result<(), StorageError> {
        if let Some(subscription) = subscription {
            let mut batch = WriteBatch::default();
            batch.delete(Space::Views, checkpoint::key(subscription));
            let _turn = self.turn.lock().await;
            self.write(batch).await?;
        }
        self.clear_documents(view).await?;
        // Nothing is left there but what damage made: a cleared view must not show it.
        self.sweep(Family::Secondary, view).await?;
        self.sweep(Family::Count, view).await
    }

    async fn clear_documents(&self, view: &str) -> Result<(), StorageError> {
        let (from, to) = keys::range(Family::Document, view);
        let mut range = Range { from, to, backward: false, limit: CHUNK_ROWS };
        loop {
            let mut unflushed = self.turn.lock().await;
            let rows = self.kv.scan(Space::Views, range.clone()).await?;
            let Some((last, _)) = rows.last() else { return Ok(()) };
            range.from = keys::behind(last);
            let primary = |(key, _): &(_, _)| document::primary(view, key);
            let gone = rows.iter().map(primary).collect::<Result<Vec<_>, _>>()?;
            let old: Vec<_> = rows.into_iter().map(|(_, value)| Some(value)).collect();
            let changes = Changes::deleting(view, gone);
            self.apply(&mut unflushed, changes, &old, WriteBatch::default()).await?;
        }
    }

    async fn sweep(&self, family: Family, view: &str) -> Result<(), StorageError> {
        let (from, to) = keys::range(family, view);
        let mut range = Range { from, to, backward: false, limit: CHUNK_ROWS };
        loop {
            let _turn = self.turn.lock().await;
            let rows = self.kv.scan(Space::Views, range.clone()).await?;
            let Some((last, _)) = rows.last() else { return Ok(()) };
            range.from = keys::behind(last);
            let mut batch = WriteBatch::default();
            rows.into_iter().for_each(|(key, _)| batch.delete(Space::Views, key));
            self.write(batch).await?;
        }
    }

    /// Writes `changes` to the rows that are `old`, and `more`, as one batch.
    async fn apply(
        &self,
        unflushed: &mut Unflushed,
        changes: Changes,
        old: &[Option<Bytes>],
        mut more: WriteBatch,
    ) -> Result<(), StorageError> {
        let plan = changes.against(old)?;
        let counts = plan.counts();
        let stored = match counts.is_empty() {
            true => Vec::new(),
            false => self.kv.get_many(Space::Views, counts).await?,
        };
        let mut batch = plan.batch(&stored)?;
        batch.changes.append(&mut more.changes);
        if batch.changes.is_empty() {
            return Ok(());
        }
        unflushed.bytes += bytes_of(&batch);
        unflushed.commits += 1;
        self.write(batch).await
    }

    async fn write(&self, batch: WriteBatch) -> Result<(), StorageError> {
        let _visible = self.visible.write().await;
        self.kv.write(batch, Durability::Buffered).await
    }

    /// The commit before it has happened, so a failed flush is not its error: the rows stay buffered,
    /// a crash costs more catching up, and the next interval tries again.
    async fn flush_when_due(&self, mut unflushed: MutexGuard<'_, Unflushed>) {
        if !unflushed.due(self.settings) {
            return;
        }
        let Unflushed { bytes, commits } = std::mem::take(&mut *unflushed);
        drop(unflushed);
        if let Err(error) = self.kv.flush(Space::Views).await {
            tracing::warn!(%error, bytes, commits, "views could not be flushed; a restart will catch up");
        }
    }
}

fn check_checkpoints(checkpoints: &[Checkpoint]) -> Result<(), StorageError> {
    check_at_most("number of checkpoints", checkpoints.len(), CHECKPOINTS_MAX)?;
    for (index, Checkpoint { subscription, before, after }) in checkpoints.iter().enumerate() {
        keys::check("subscription", subscription)?;
        if before.is_some_and(|before| *after < before) {
            return Err(StorageError::invalid(format!(
                "view: checkpoint of {subscription} would go back from {before:?} to {after}"
            )));
        }
        if checkpoints[..index].iter().any(|other| other.subscription == *subscription) {
            return Err(StorageError::invalid(format!("view: two checkpoints of {subscription}")));
        }
    }
    Ok(())
}

fn refuse_moved(checkpoint: Checkpoint, actual: Option<GlobalPosition>) -> Result<(), ViewError> {
    let Checkpoint { subscription, before, .. } = checkpoint;
    if before == actual || planted("checkpoint-not-compared") {
        return Ok(());
    }
    Err(ViewError::CheckpointMoved { subscription, expected: before, actual })
}

fn bytes_of(batch: &WriteBatch) -> u64 {
    let change = |key: &Bytes, value: &Option<Bytes>| {
        (key.len() + value.as_ref().map_or(0, Bytes::len)) as u64
    };
    batch.changes.iter().map(|(_, key, value)| change(key, value)).sum()
}
