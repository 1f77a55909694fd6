//! The fake gateway's ledger: append-only, and independent of the event log, so that it can testify
//! about it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;

use crate::domain::OrderId;

use super::entry::LedgerEntry;
use super::ledger_file::LedgerFile;

/// A ledger. Clones are the same one.
#[derive(Debug, Clone)]
pub struct Ledger(Medium);

#[derive(Debug, Clone)]
enum Medium {
    Memory(Arc<Mutex<Vec<LedgerEntry>>>),
    File(Arc<LedgerFile>),
}

/// Why a ledger does not serve. Names the file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LedgerError {
    /// The operating system said no. Nothing more is written to this ledger until it is opened again.
    #[error("gateway ledger {}: {action}: {cause}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// The operating system's words.
        cause: String,
    },
    /// A line before the last is not what was written. An operator must look.
    #[error("gateway ledger {}: line {line}: {problem}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: u64,
        /// What is wrong with it.
        problem: String,
    },
}

impl Ledger {
    /// A ledger that lives as long as its clones: for tests and the simulation.
    pub fn in_memory() -> Self {
        Self(Medium::Memory(Arc::default()))
    }

    /// Opens or creates the ledger in a file of JSON lines. A last line that was torn by a crash was
    /// never answered and is cut off; any other damage is refused.
    pub fn open(path: &Path) -> Result<Self, LedgerError> {
        Ok(Self(Medium::File(Arc::new(LedgerFile::open(path)?))))
    }

    /// Up to `limit` durable entries behind `after`, oldest first.
    pub fn read(&self, after: u64, limit: usize) -> Result<Vec<LedgerEntry>, LedgerError> {
        match &self.0 {
            Medium::Memory(entries) => {
                let skipped = usize::try_from(after).unwrap_or(usize::MAX);
                Ok(entries.lock().iter().skip(skipped).take(limit).cloned().collect())
            }
            Medium::File(file) => file.read(after, limit),
        }
    }

    /// Shows every durable entry to `see`, oldest first.
    pub(super) fn replay(&self, mut see: impl FnMut(&LedgerEntry)) -> Result<(), LedgerError> {
        match &self.0 {
            Medium::Memory(entries) => {
                entries.lock().iter().for_each(see);
                Ok(())
            }
            Medium::File(file) => file.scan(0, |entry| {
                see(&entry);
                true
            }),
        }
    }

    /// Every durable entry of one payment. Reads the whole ledger.
    pub(super) fn entries_of(&self, order: OrderId) -> Result<Vec<LedgerEntry>, LedgerError> {
        let mut found = Vec::new();
        self.replay(|entry| {
            if entry.order_id == order {
                found.push(entry.clone());
            }
        })?;
        Ok(found)
    }

    /// The number that the next entry must have.
    pub(super) fn next_seq(&self) -> u64 {
        match &self.0 {
            Medium::Memory(entries) => entries.lock().len() as u64 + 1,
            Medium::File(file) => file.next_seq(),
        }
    }

    /// Puts an entry at the end. It is durable once [`Self::durable`] says so; a caller that goes away
    /// does not take it back. The caller sees to it that entries come in the order of their numbers.
    pub(super) fn push(&self, entry: &LedgerEntry) -> Result<(), LedgerError> {
        match &self.0 {
            Medium::Memory(entries) => {
                entries.lock().push(entry.clone());
                Ok(())
            }
            Medium::File(file) => LedgerFile::push(file, entry),
        }
    }

    /// Waits until the entry numbered `seq` survives a crash. Entries that wait together share a sync.
    pub(super) async fn durable(&self, seq: u64) -> Result<(), LedgerError> {
        match &self.0 {
            Medium::Memory(_) => Ok(()),
            Medium::File(file) => file.durable(seq).await,
        }
    }
}
