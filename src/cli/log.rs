//! `sagaline log …`: looking at the log in a data folder, as it is at one moment, or at that of a running node
//! over its HTTP API. Nothing here changes it.
//!
//! `verify` is in this file: whether the log is as it was written. It reads the whole store.

mod cat;
mod remote;
mod select;
mod stats;

use std::fmt;

use sagaline_storage::GlobalPosition;
use sagaline_storage::kv::Kv;
use sagaline_storage::log::{Damage, verify};
use serde::Serialize;

pub use cat::{Cat, Tail, cat, tail};
pub use remote::{cat as remote_cat, tail as remote_tail};
pub use select::Select;
pub use stats::{Counted, Stats, stats};

use super::failure::{Exit, Failure};

/// Damage that is listed one by one.
const LISTED_MAX: usize = 20;

/// What a check has found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Checked {
    records: u64,
    index_entries: u64,
    head: u64,
    damage: Vec<Damaged>,
    /// More was found than is listed.
    more_damage: bool,
}

/// A place that is not as it was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Damaged {
    position: u64,
    what: String,
}

/// Checks the log in `kv`. `progress` is told how far it is and where the end is.
pub async fn check<K: Kv>(
    kv: &K,
    mut progress: impl FnMut(u64, u64) + Send,
) -> Result<Checked, Failure> {
    let verified = verify(kv, GlobalPosition::START, |at, head| progress(at.0, head.0)).await?;
    let damaged = |damage: Damage| Damaged { position: damage.position.0, what: damage.what };
    Ok(Checked {
        records: verified.records,
        index_entries: verified.index_entries,
        head: verified.head.0,
        damage: verified.damage.into_iter().map(damaged).collect(),
        more_damage: verified.more_damage,
    })
}

impl Checked {
    /// A failure, whose line names the first place, when the log is damaged.
    pub fn sound(&self) -> Result<(), Failure> {
        let Some(first) = self.damage.first() else { return Ok(()) };
        let more = if self.more_damage { "more than " } else { "" };
        let (count, first) = (self.damage.len(), first.position);
        let line = format!("the log is damaged in {more}{count} places, first at position {first}");
        Err(Failure::new(Exit::StoreDamaged, line))
    }
}

impl fmt::Display for Checked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { records, index_entries, head, damage, .. } = self;
        if damage.is_empty() {
            let found = format!("{records} records, {index_entries} index entries, head {head}");
            return write!(f, "the log is sound: {found}");
        }
        for Damaged { position, what } in damage.iter().take(LISTED_MAX) {
            writeln!(f, "position {position}: {what}")?;
        }
        Ok(())
    }
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
    use crate::cli::Output;

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
        let checked = check(&kv, |done, all| seen = (done, all)).await.unwrap();
        checked.sound().unwrap();
        let sound = Output { json: false }.text(&checked).unwrap();
        assert!(sound.starts_with("the log is sound: 3 records"), "{sound}");
        let sound = Output { json: true }.text(&checked).unwrap();
        assert!(sound.starts_with(r#"{"records":3,"indexEntries":"#), "{sound}");
        assert!(sound.ends_with(r#""head":3,"damage":[],"moreDamage":false}"#), "{sound}");
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
