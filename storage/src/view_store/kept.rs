//! Views that a copy of a log takes along, because what is in them stands in no log.
//!
//! Called by [`crate::log::copy`], and by whoever knows which views these are.

use std::sync::Arc;

use bytes::Bytes;

use crate::error::StorageError;
use crate::kv::{Kv, Range, Space};

use super::keys::{self, Family, checkpoint};
use super::limits::CHUNK_ROWS;

/// Views that move with one checkpoint, and cannot be built anew from the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// The subscription whose checkpoint it is.
    pub subscription: Arc<str>,
    /// The views.
    pub views: Vec<Arc<str>>,
}

impl Kept {
    /// Where their rows and the checkpoint lie: first key, and what stands behind the last.
    pub(crate) fn ranges(&self) -> Result<Vec<(Bytes, Bytes)>, StorageError> {
        keys::check("subscription", &self.subscription)?;
        let mut ranges = Vec::new();
        for view in &self.views {
            keys::check("view", view)?;
            for family in [Family::Document, Family::Secondary, Family::Count] {
                ranges.push(keys::range(family, view));
            }
        }
        let checkpoint = checkpoint::key(&self.subscription);
        let behind = keys::behind(&checkpoint);
        ranges.push((checkpoint, behind));
        Ok(ranges)
    }
}

/// The names of subscriptions that have a checkpoint and begin with `prefix`, in order.
pub async fn subscriptions<K: Kv>(kv: &K, prefix: &str) -> Result<Vec<String>, StorageError> {
    let from = checkpoint::key(prefix);
    let mut range = Range {
        from: from.clone(),
        to: Bytes::from(vec![Family::Checkpoint as u8 + 1]),
        backward: false,
        limit: CHUNK_ROWS,
    };
    let mut names = Vec::new();
    loop {
        let rows = kv.scan(Space::Views, range.clone()).await?;
        for (key, _) in &rows {
            if !key.starts_with(&from) {
                return Ok(names);
            }
            names.push(checkpoint::subscription(key)?.to_owned());
        }
        match rows.last() {
            Some((last, _)) if rows.len() == CHUNK_ROWS => range.from = keys::behind(last),
            Some(_) | None => return Ok(names),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::MemoryKv;
    use crate::stream::GlobalPosition;
    use crate::view_store::{ViewSettings, Views};
    use crate::views::{Checkpoint, ViewBatch, ViewStore};

    #[tokio::test]
    async fn subscriptions_are_found_by_how_they_begin() {
        let kv = MemoryKv::new();
        let views = Views::new(kv.clone(), ViewSettings::default());
        let many: Vec<_> = (0..CHUNK_ROWS + 3).map(|number| format!("b:{number:05}")).collect();
        for name in ["a:one", "b", "c:one"].into_iter().chain(many.iter().map(String::as_str)) {
            let after = GlobalPosition(1);
            let checkpoint = Checkpoint { subscription: name.into(), before: None, after };
            let batch = ViewBatch { changes: Vec::new(), checkpoints: vec![checkpoint] };
            views.commit(batch).await.unwrap();
        }
        assert_eq!(subscriptions(&kv, "b:").await.unwrap(), many);
        assert_eq!(subscriptions(&kv, "c").await.unwrap(), ["c:one"]);
        assert!(subscriptions(&kv, "d").await.unwrap().is_empty());
        assert_eq!(subscriptions(&kv, "").await.unwrap().len(), many.len() + 3);
    }
}
