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
/// place, and `report` is told each. `progress` is told how far it is and where the end is.
pub async fn check<K: Kv>(
    kv: &K,
    mut progress: impl FnMut(u64, u64) + Send,
    mut report: impl FnMut(&str) + Send,
) -> Result<String, Failure> {
    let verified = verify(kv, GlobalPosition::START, |at, head| progress(at.0, head.0)).await?;
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

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use sagaline_storage::clock::SystemEntropy;
    use sagaline_storage::memory::{ManualClock, MemoryKv};
    use sagaline_storage::{
        AppendId, AppendRequest, CorrelationId, EventId, EventStore, EventType, ExpectedVersion,
        Log, LogSettings, NewEvent, NodeId, StreamId, StreamWrite,
    };
    use uuid::Uuid;

    use super::*;

    /// A log of three events, and the store below it.
    async fn filled() -> (MemoryKv, Log<MemoryKv, ManualClock>) {
        let (kv, clock, settings) =
            (MemoryKv::new(), ManualClock::default(), LogSettings::default());
        let log = Log::open(kv.clone(), clock, &SystemEntropy, settings).await.unwrap();
        for number in 1..=3 {
            let event = NewEvent {
                id: EventId(Uuid::from_u128(number)),
                event_type: EventType::new("Happened").unwrap(),
                schema_version: 1,
                correlation_id: CorrelationId::new("c-1").unwrap(),
                causation_id: None,
                payload: Bytes::from_static(b"{}"),
            };
            let write = StreamWrite {
                stream: StreamId::new("a-1").unwrap(),
                expected: ExpectedVersion::Any,
                events: vec![event],
            };
            let request = AppendRequest {
                append_id: AppendId(Uuid::from_u128(number)),
                node_id: NodeId::new("n1").unwrap(),
                fence: None,
                writes: vec![write],
                claims: Vec::new(),
            };
            log.append(request).await.unwrap();
        }
        (kv, log)
    }

    #[tokio::test]
    async fn who_reads_the_whole_log_says_how_far_it_is() {
        let (kv, log) = filled().await;
        let mut seen = (0, 0);
        let sound = check(&kv, |done, all| seen = (done, all), |_| {}).await.unwrap();
        assert!(sound.starts_with("the log is sound: 3 records"), "{sound}");
        assert_eq!(seen, (3, 3));
        // Also when none of its events is wanted.
        for category in ["a", "b"] {
            let select = Select { category: vec![category.to_owned()], ..Select::default() };
            let mut seen = (0, 0);
            let wanted = Stats { select, json: true };
            stats(&log, &wanted, |done, all| seen = (done, all)).await.unwrap();
            assert_eq!(seen, (3, 3));
        }
    }
}
