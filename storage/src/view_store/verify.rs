//! Checks that indexes and counts say what the documents' own rows say, no less and no more. Whether the
//! documents are right is for whoever folds the log to say.
//!
//! Called by tests, and by the simulation at the end of each run. Changes nothing; nobody writes meanwhile.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use crate::error::StorageError;
use crate::kv::{Entry, Kv, Range, Space};

use super::keys::{self, Family, count, document, place, secondary};

const PAGE: usize = 1_000;

/// What does not fit, in words. Holds the index entries of all views in memory.
pub(super) async fn verify<K: Kv>(kv: &K) -> Result<Vec<String>, StorageError> {
    let (mut entries, mut counts) = (BTreeSet::new(), BTreeMap::<Bytes, u64>::new());
    for (key, value) in all(kv, Family::Document).await? {
        let view = keys::view(&key)?;
        let (primary, row) = (document::primary(view, &key)?, document::row(&value)?);
        for place in place::decode(&row.places) {
            let place = place?;
            entries.insert(secondary::key(view, place, &primary));
            *counts.entry(count::key(view, place.group)).or_default() += 1;
        }
    }
    let mut found = Vec::new();
    for (key, _) in all(kv, Family::Secondary).await? {
        if !entries.remove(&key) {
            found.push(format!("index entry {key:?} is not in its document's row"));
        }
    }
    found.extend(entries.iter().map(|key| format!("there is no index entry {key:?}")));
    for (key, value) in all(kv, Family::Count).await? {
        let (stored, counted) = (count::count(Some(&value))?, counts.remove(&key).unwrap_or(0));
        if stored != counted {
            found.push(format!("count {key:?} is {stored}, its documents are {counted}"));
        }
    }
    found.extend(counts.iter().map(|(key, n)| format!("there is no count {key:?} of {n}")));
    Ok(found)
}

async fn all<K: Kv>(kv: &K, family: Family) -> Result<Vec<Entry>, StorageError> {
    let end = Bytes::copy_from_slice(&[family as u8 + 1]);
    let mut from = Bytes::copy_from_slice(&[family as u8]);
    let mut entries = Vec::new();
    loop {
        let range = Range { from, to: end.clone(), backward: false, limit: PAGE };
        let page = kv.scan(Space::Views, range).await?;
        let is_last = page.len() < PAGE;
        entries.extend(page);
        match entries.last() {
            Some((key, _)) if !is_last => from = keys::behind(key),
            Some(_) | None => return Ok(entries),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{ViewSettings, Views};
    use crate::kv::{Durability, WriteBatch};
    use crate::memory::MemoryKv;
    use crate::views::{SecondaryKey, ViewBatch, ViewChange, ViewStore};

    use super::*;

    async fn store() -> (MemoryKv, Views<MemoryKv>) {
        let kv = MemoryKv::new();
        let views = Views::new(kv.clone(), ViewSettings::default());
        for (key, status) in [("o-1", "paid"), ("o-2", "paid"), ("o-1", "shipped")] {
            let secondary = SecondaryKey {
                index: "by_status".into(),
                partition: status.as_bytes().to_vec().into(),
                sort: key.as_bytes().to_vec().into(),
            };
            let put = ViewChange::Put {
                key: Bytes::from(key),
                document: Bytes::from("{}"),
                secondary: vec![secondary],
            };
            let batch =
                ViewBatch { changes: vec![("orders".into(), put)], checkpoints: Vec::new() };
            views.commit(batch).await.unwrap();
        }
        (kv, views)
    }

    async fn change(kv: &MemoryKv, key: &[u8], value: Option<&[u8]>) {
        let mut batch = WriteBatch::default();
        let key = Bytes::copy_from_slice(key);
        match value {
            Some(value) => batch.put(Space::Views, key, Bytes::copy_from_slice(value)),
            None => batch.delete(Space::Views, key),
        }
        kv.write(batch, Durability::Synced).await.unwrap();
    }

    #[tokio::test]
    async fn a_store_as_it_is_written_fits() {
        let (_, views) = store().await;
        assert_eq!(views.verify().await.unwrap(), Vec::<String>::new());
    }

    #[tokio::test]
    async fn an_entry_or_a_count_that_is_lost_left_or_wrong_is_found() {
        let of_paid: &[u8] = b"\x02orders\0by_status\0paid\0\x01o-2\0\x01o-2";
        let left: &[u8] = b"\x02orders\0by_status\0paid\0\x01o-1\0\x01o-1";
        let count: &[u8] = b"\x03orders\0by_status\0paid\0\x01";
        let of_none: &[u8] = b"\x03orders\0by_status\0new\0\x01";
        let cases = [
            (of_paid, None, "there is no index entry"),
            (left, Some(&b""[..]), "is not in its document's row"),
            (count, Some(&[0, 0, 0, 0, 0, 0, 0, 2]), "is 2, its documents are 1"),
            (count, None, "there is no count"),
            (of_none, Some(&[0, 0, 0, 0, 0, 0, 0, 1]), "is 1, its documents are 0"),
        ];
        for (key, value, wanted) in cases {
            let (kv, views) = store().await;
            change(&kv, key, value).await;
            let found = views.verify().await.unwrap();
            assert!(matches!(&found[..], [one] if one.contains(wanted)), "{wanted}: {found:?}");
        }
    }
}
