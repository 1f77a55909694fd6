//! A plain RocksDB with a few column families and synced batches.

use std::path::Path;

use rocksdb::{ColumnFamilyRef, DB, Options, WriteBatch, WriteOptions};

use crate::failure::{Context, Failure};

/// One key with its value, for one of the column families.
#[derive(Debug, Clone)]
pub(crate) struct Put {
    /// Index into the names the store was opened with.
    pub(crate) column: usize,
    /// The key.
    pub(crate) key: Vec<u8>,
    /// The value; none deletes.
    pub(crate) value: Option<Vec<u8>>,
}

/// An open RocksDB.
pub(crate) struct RawStore {
    db: DB,
    columns: Vec<String>,
}

impl RawStore {
    /// Opens or creates it in `dir` with RocksDB's defaults and these column families.
    pub(crate) fn open(dir: &Path, columns: &[&str]) -> Result<Self, Failure> {
        let mut options = Options::default();
        options.create_if_missing(true);
        options.create_missing_column_families(true);
        let db = DB::open_cf(&options, dir, columns);
        let db = db.context(format!("opening RocksDB in {}", dir.display()))?;
        Ok(Self { db, columns: columns.iter().map(|name| (*name).to_owned()).collect() })
    }

    /// Writes all puts of all these appends as one batch and syncs it.
    pub(crate) fn write<'a>(
        &self,
        appends: impl IntoIterator<Item = &'a [Put]>,
    ) -> Result<(), Failure> {
        let columns = self.columns()?;
        let mut batch = WriteBatch::default();
        for put in appends.into_iter().flatten() {
            match &put.value {
                Some(value) => batch.put_cf(&columns[put.column], &put.key, value),
                None => batch.delete_cf(&columns[put.column], &put.key),
            }
        }
        let mut synced = WriteOptions::default();
        synced.set_sync(true);
        self.db.write_opt(batch, &synced).context("a synced write of RocksDB")
    }

    fn columns(&self) -> Result<Vec<ColumnFamilyRef<'_>>, Failure> {
        let named = |name: &String| {
            let column = self.db.cf_handle(name);
            column.ok_or_else(|| Failure::new(format!("column family {name} is gone")))
        };
        self.columns.iter().map(named).collect()
    }
}
