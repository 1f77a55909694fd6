//! What a copy of a log takes along of its consumer groups. Called by backup and restore.

use sagaline_storage::StorageError;
use sagaline_storage::kv::Kv;
use sagaline_storage::view_store::{Kept, subscriptions};

use super::record::{TURNS, documents_view, turns, view};

/// Of every group that has ever run in a store: its place, its letters with their reasons, what operators asked
/// for and was carried out, and its consumer's documents. None of it stands in the log.
pub async fn kept_views<K: Kv>(kv: &K) -> Result<Vec<Kept>, StorageError> {
    let names = subscriptions(kv, TURNS).await?;
    let groups = names.iter().filter_map(|name| name.strip_prefix(TURNS));
    let kept =
        |name| Kept { subscription: turns(name), views: vec![view(name), documents_view(name)] };
    Ok(groups.map(kept).collect())
}
