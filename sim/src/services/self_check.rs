//! The store at rest against itself: its own verification, and everything that can be asked of it by an index
//! against the log from its first event to its last, by turns forward and backward. Used for the state at the end of a run.

use std::collections::BTreeMap;

use sagaline_storage::{
    AllQuery, CorrelationId, Direction, EventStore, EventType, Filter, GlobalPosition,
    StorageError, StreamId, StreamVersion,
};

use super::store::StoreLog;
use crate::evidence::LogEntry;

/// Events of one read: so few that a read ends within what one append wrote.
const PAGE: usize = 3;

/// What does not fit, in words; at most a few of each kind.
pub(super) async fn contradictions(
    log: &StoreLog,
    entries: &[LogEntry],
) -> Result<Vec<String>, StorageError> {
    let verified = log.verify(GlobalPosition::START, |_, _| {}).await?;
    let damage = verified.damage.iter().map(|it| format!("at {}: {}", it.position, it.what));
    let mut found: Vec<String> = damage.collect();
    streams(log, entries, &mut found).await?;
    let directions = [Direction::Forward, Direction::Backward].into_iter().cycle();
    for ((filter, positions), direction) in filters(entries)?.into_iter().zip(directions) {
        found.extend(filtered(log, filter, &positions, direction).await?);
    }
    Ok(found)
}

/// Every stream, read in both directions.
async fn streams(
    log: &StoreLog,
    entries: &[LogEntry],
    found: &mut Vec<String>,
) -> Result<(), StorageError> {
    let mut by_stream: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
    for entry in entries {
        by_stream.entry(&entry.stream).or_default().push(entry.position);
    }
    for (name, positions) in by_stream {
        let stream = StreamId::new(name)?;
        let mut read = Vec::new();
        loop {
            let from = StreamVersion(read.len() as u64 + 1);
            let page = log.read_stream(&stream, from, Direction::Forward, PAGE).await?;
            read.extend(page.iter().map(|event| event.position.0));
            if page.len() < PAGE {
                break;
            }
        }
        let last = StreamVersion(u64::MAX);
        let tail = log.read_stream(&stream, last, Direction::Backward, PAGE).await?;
        let tail: Vec<_> = tail.iter().rev().map(|event| event.position.0).collect();
        if read != positions
            || !positions.ends_with(&tail)
            || tail.len() < positions.len().min(PAGE)
        {
            found.push(format!("stream {name}: {read:?} and {tail:?}, the log has {positions:?}"));
        }
    }
    Ok(())
}

/// Every correlation id and type there is, and one category, each with the positions of its events. A category
/// has no index, every read of it goes through the whole log: which one it is differs from run to run.
fn filters(entries: &[LogEntry]) -> Result<Vec<(Filter, Vec<u64>)>, StorageError> {
    let of = |name: fn(&LogEntry) -> &str| {
        let mut by_name: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
        for entry in entries {
            by_name.entry(name(entry)).or_default().push(entry.position);
        }
        by_name
    };
    let mut filters = Vec::new();
    for (id, positions) in of(|entry| &entry.correlation_id) {
        let correlation_id = Some(CorrelationId::new(id)?);
        filters.push((Filter { correlation_id, ..Filter::ALL }, positions));
    }
    for (name, positions) in of(|entry| &entry.event_type) {
        let event_types = vec![EventType::new(name)?];
        filters.push((Filter { event_types, ..Filter::ALL }, positions));
    }
    let categories = of(|entry| entry.stream.split('-').next().unwrap_or_default());
    let drawn = entries.len().checked_rem(categories.len()).unwrap_or(0);
    if let Some((name, positions)) = categories.into_iter().nth(drawn) {
        filters.push((Filter { categories: vec![name.into()], ..Filter::ALL }, positions));
    }
    Ok(filters)
}

/// One filter, from one end to the other.
async fn filtered(
    log: &StoreLog,
    filter: Filter,
    positions: &[u64],
    direction: Direction,
) -> Result<Option<String>, StorageError> {
    let limit = positions.len() / 3 + PAGE;
    let mut read = Vec::new();
    let mut from = match direction {
        Direction::Forward => GlobalPosition::START,
        Direction::Backward => GlobalPosition(u64::MAX),
    };
    loop {
        let query = AllQuery { from, direction, filter: filter.clone(), limit };
        let page = log.read_all(query).await?;
        read.extend(page.events.iter().map(|event| event.position.0));
        // Where it neither ends nor goes on, what is missing tells.
        if page.end || page.next == from {
            break;
        }
        from = page.next;
    }
    if direction == Direction::Backward {
        read.reverse();
    }
    let wrong = || format!("{direction:?} {filter:?}: {read:?}, the log has {positions:?}");
    Ok((read != positions).then(wrong))
}
