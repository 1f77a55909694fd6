//! From the records to the indexes: every record in order, its chain, and what leads to it.

use std::collections::HashSet;

use bytes::Bytes;

use crate::error::StorageError;
use crate::event::RecordedEvent;
use crate::kv::{Kv, Space};
use crate::log::envelope;
use crate::log::intern::Interner;
use crate::log::keys;
use crate::log::keys::block::{self, Mark};
use crate::log::keys::{correlation, stream};
use crate::stream::GlobalPosition;

use super::Verified;

/// Records read at a time.
const RECORDS_PER_SCAN: u64 = 256;

/// The state between two records.
struct Check<'a, K> {
    kv: &'a K,
    verified: &'a mut Verified,
    names: Interner,
    /// The chain before the next record; none when its predecessor is not there.
    chain: Option<[u8; 32]>,
    /// The runs that the last record was found by; a run's events are neighbours.
    stream: Option<stream::Run>,
    correlation: Option<correlation::Run>,
    /// Marks seen in the block of the last record.
    block: u64,
    marks: HashSet<Bytes>,
}

pub(super) async fn check<K: Kv>(
    kv: &K,
    after: GlobalPosition,
    verified: &mut Verified,
    progress: &mut (impl FnMut(GlobalPosition, GlobalPosition) + Send),
) -> Result<(), StorageError> {
    let head = verified.head;
    let mut check = Check {
        kv,
        verified,
        names: Interner::default(),
        chain: None,
        stream: None,
        correlation: None,
        block: 0,
        marks: HashSet::new(),
    };
    check.start_behind(after).await?;
    let mut next = after.0 + 1;
    while next <= head.0 {
        let last = head.0.min(next + RECORDS_PER_SCAN - 1);
        check.page(next, last).await?;
        progress(GlobalPosition(last), head);
        next = last + 1;
    }
    Ok(())
}

impl<K: Kv> Check<'_, K> {
    /// Takes the chain from the record before the first one that is checked.
    async fn start_behind(&mut self, after: GlobalPosition) -> Result<(), StorageError> {
        if after == GlobalPosition::START {
            self.chain = Some(envelope::CHAIN_START);
            return Ok(());
        }
        let record = self.kv.get(Space::Events, &keys::event::key(after)).await?;
        let event = record.map(|record| envelope::decode(after, &record, &mut self.names));
        self.chain = event.transpose()?.map(|event| event.chain);
        Ok(())
    }

    /// Checks the positions `first..=last`.
    async fn page(&mut self, first: u64, last: u64) -> Result<(), StorageError> {
        let range = keys::event::range(first, last, false, RECORDS_PER_SCAN as usize);
        let entries = match self.kv.scan(Space::Events, range).await {
            Ok(entries) => entries,
            // Something in it is damaged: look at each record alone, to name it and to see the others.
            Err(_) => return self.one_by_one(first, last).await,
        };
        let mut next = first;
        for (key, record) in &entries {
            let position = keys::event::decode(key)?;
            self.missing(next, position.0 - 1);
            self.record(position, record).await?;
            next = position.0 + 1;
        }
        self.missing(next, last);
        Ok(())
    }

    async fn one_by_one(&mut self, first: u64, last: u64) -> Result<(), StorageError> {
        for position in (first..=last).map(GlobalPosition) {
            match self.kv.get(Space::Events, &keys::event::key(position)).await {
                Ok(Some(record)) => self.record(position, &record).await?,
                Ok(None) => self.missing(position.0, position.0),
                Err(error) => {
                    self.chain = None;
                    self.verified.unreadable(position, error)?;
                }
            }
        }
        Ok(())
    }

    fn missing(&mut self, first: u64, last: u64) {
        if first > last {
            return;
        }
        self.chain = None;
        let what = format!("{} records are missing, up to position {last}", last - first + 1);
        self.verified.found(GlobalPosition(first), what);
    }

    async fn record(
        &mut self,
        position: GlobalPosition,
        record: &Bytes,
    ) -> Result<(), StorageError> {
        self.verified.records += 1;
        let event = match envelope::decode(position, record, &mut self.names) {
            Ok(event) => event,
            Err(error) => {
                self.chain = None;
                return self.verified.unreadable(position, error);
            }
        };
        if let Some(before) = self.chain
            && envelope::expected_chain(position, record, &before)? != event.chain
        {
            let what =
                "the record breaks the chain: it, or the one before it, is not what was written";
            self.verified.found(position, what);
        }
        // One break is reported where it is, not at every record behind it.
        self.chain = Some(event.chain);
        self.indexed(&event).await
    }

    /// Looks for the event in the indexes.
    async fn indexed(&mut self, event: &RecordedEvent) -> Result<(), StorageError> {
        if let Err(error) = self.in_stream(event).await {
            self.verified.unreadable(event.position, error)?;
        }
        if let Err(error) = self.in_correlation(event).await {
            self.verified.unreadable(event.position, error)?;
        }
        let block = block::block_of(event.position);
        if block != self.block {
            self.block = block;
            self.marks.clear();
        }
        self.marked(event, block::key(Mark::EventType, event.event_type.as_str(), block)).await?;
        self.marked(event, block::key(Mark::Category, event.stream.category(), block)).await
    }

    async fn in_stream(&mut self, event: &RecordedEvent) -> Result<(), StorageError> {
        let leads_here = |run: &stream::Run| {
            (run.first_version..=run.last_version()).contains(&event.version)
                && run.position_of(event.version.0) == event.position
        };
        // Runs of different streams cover different positions, so the last run is of this stream when
        // it leads here, unless an entry is wrong; the walk over the index sees that.
        if self.stream.as_ref().is_some_and(leads_here) {
            return Ok(());
        }
        let range = stream::range(&event.stream, 0, event.version.0, true, 1);
        let entries = self.kv.scan(Space::Index, range).await?;
        let found = entries.first().map(|(key, value)| stream::decode(key, value)).transpose()?;
        self.stream = found.map(|(_, run)| run).filter(leads_here);
        if self.stream.is_none() {
            let what = format!(
                "the index of stream {} does not lead version {} here",
                event.stream, event.version
            );
            self.verified.found(event.position, what);
        }
        Ok(())
    }

    async fn in_correlation(&mut self, event: &RecordedEvent) -> Result<(), StorageError> {
        let leads_here = |run: &correlation::Run| {
            (run.first_position..=run.last_position()).contains(&event.position)
        };
        if self.correlation.as_ref().is_some_and(leads_here) {
            return Ok(());
        }
        let range = correlation::range(&event.correlation_id, 0, event.position.0, true, 1);
        let entries = self.kv.scan(Space::Index, range).await?;
        let found =
            entries.first().map(|(key, value)| correlation::decode(key, value)).transpose()?;
        self.correlation = found.map(|(_, run)| run).filter(leads_here);
        if self.correlation.is_none() {
            let id = &event.correlation_id;
            let what = format!("the index of correlation id {id} does not lead here");
            self.verified.found(event.position, what);
        }
        Ok(())
    }

    async fn marked(&mut self, event: &RecordedEvent, mark: Bytes) -> Result<(), StorageError> {
        if self.marks.contains(&mark) {
            return Ok(());
        }
        match self.kv.get(Space::Index, &mark).await {
            Ok(Some(_)) => {}
            Ok(None) => {
                let what = format!(
                    "its block is not marked with type {} or category {}",
                    event.event_type,
                    event.stream.category()
                );
                self.verified.found(event.position, what);
            }
            Err(error) => self.verified.unreadable(event.position, error)?,
        }
        self.marks.insert(mark);
        Ok(())
    }
}
