//! `sagaline log …`: looking at the log of a stopped node. Nothing here changes it.
//!
//! `verify` is in this file: whether the log is as it was written. It reads the whole store.

mod cat;
mod select;
mod stats;

use sagaline_storage::GlobalPosition;
use sagaline_storage::kv::Kv;
use sagaline_storage::log::verify;

pub use cat::{Cat, Tail, cat, tail};
pub use select::Select;
pub use stats::{Counted, Stats, stats};

use super::failure::{Exit, Failure};

/// Damage that is listed one by one.
const LISTED_MAX: usize = 20;

/// Checks the log in `kv`. Returns the line to print; damage is a failure whose line names the first
/// place, and `report` is told each.
pub async fn check<K: Kv>(kv: &K, mut report: impl FnMut(&str) + Send) -> Result<String, Failure> {
    let verified = verify(kv, GlobalPosition::START, |_, _| {}).await?;
    if verified.is_sound() {
        let (records, entries) = (verified.records, verified.index_entries);
        return Ok(format!(
            "the log is sound: {records} records, {entries} index entries, head {}",
            verified.head
        ));
    }
    for damage in verified.damage.iter().take(LISTED_MAX) {
        report(&format!("position {}: {}", damage.position, damage.what));
    }
    let more = if verified.more_damage { "more than " } else { "" };
    let count = verified.damage.len();
    let first = verified.damage.first().map_or(GlobalPosition::START, |damage| damage.position);
    Err(Failure::new(
        Exit::StoreDamaged,
        format!("the log is damaged in {more}{count} places, first at position {first}"),
    ))
}
