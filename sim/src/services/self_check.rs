//! The store at rest against itself: its own verification, and everything that can be asked of it by an index
//! against the log from its first event to its last. Used for the state at the end of a run.

use std::collections::{BTreeMap, BTreeSet};

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
    for filter in filters(entries)? {
        filtered(log, entries, filter, &mut found).await?;
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

/// Every correlation id, category and type there is.
fn filters(entries: &[LogEntry]) -> Result<Vec<Filter>, StorageError> {
    let of = |name: fn(&LogEntry) -> &str| -> BTreeSet<&str> { entries.iter().map(name).collect() };
    let mut filters = Vec::new();
    for id in of(|entry| &entry.correlation_id) {
        let correlation_id = Some(CorrelationId::new(id)?);
        filters.push(Filter { correlation_id, ..Filter::ALL });
    }
    for category in of(|entry| entry.stream.split('-').next().unwrap_or_default()) {
        filters.push(Filter { categories: vec![category.into()], ..Filter::ALL });
    }
    for event_type in of(|entry| &entry.event_type) {
        filters.push(Filter { event_types: vec![EventType::new(event_type)?], ..Filter::ALL });
    }
    Ok(filters)
}

/// One filter, to the end and back.
async fn filtered(
    log: &StoreLog,
    entries: &[LogEntry],
    filter: Filter,
    found: &mut Vec<String>,
) -> Result<(), StorageError> {
    let category = |entry: &LogEntry| entry.stream.split('-').next().unwrap_or("").to_owned();
    let wanted = |entry: &&LogEntry| {
        let of_type = |it: &EventType| it.as_str() == entry.event_type;
        let of_category = |it: &std::sync::Arc<str>| **it == *category(entry);
        let correlated = |it: &CorrelationId| it.as_str() == entry.correlation_id;
        (filter.event_types.is_empty() || filter.event_types.iter().any(of_type))
            && (filter.categories.is_empty() || filter.categories.iter().any(of_category))
            && filter.correlation_id.as_ref().is_none_or(correlated)
    };
    let positions: Vec<u64> = entries.iter().filter(wanted).map(|entry| entry.position).collect();
    for direction in [Direction::Forward, Direction::Backward] {
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
            from = page.next;
            if page.end {
                break;
            }
        }
        if direction == Direction::Backward {
            read.reverse();
        }
        if read != positions {
            found.push(format!("{direction:?} {filter:?}: {read:?}, the log has {positions:?}"));
        }
    }
    Ok(())
}
