//! Reading one stream: from the ring when it holds what is asked for, otherwise by the stream's runs.

use crate::clock::Clock;
use crate::error::StorageError;
use crate::event::RecordedEvent;
use crate::event_store::Direction;
use crate::kv::{Entry, Kv, Space};
use crate::log::Shared;
use crate::log::keys;
use crate::log::keys::stream::Run;
use crate::stream::{GlobalPosition, StreamId, StreamVersion};

/// Index entries read at a time; each stands for at least one event.
const RUNS_PER_SCAN: usize = 256;

impl<K: Kv, C: Clock> Shared<K, C> {
    pub(super) async fn read_stream(
        &self,
        stream: &StreamId,
        from: StreamVersion,
        direction: Direction,
        limit: usize,
    ) -> Result<Vec<RecordedEvent>, StorageError> {
        if let Some(events) = self.published.stream(stream, from.0, direction, limit) {
            return Ok(events);
        }
        // Taken before the index is read: what the index holds beyond is not published yet.
        let head = self.published.head();
        let positions = match direction {
            Direction::Forward => {
                self.positions_forward(stream, from.0.max(1), limit, head).await?
            }
            Direction::Backward => self.positions_backward(stream, from.0, limit, head).await?,
        };
        let events = self.events_at(&positions).await?;
        match events.iter().find(|event| event.stream != *stream) {
            Some(event) => Err(StorageError::corrupt(format!(
                "index: stream {stream} claims position {}, which holds an event of {}",
                event.position, event.stream
            ))),
            None => Ok(events),
        }
    }

    async fn positions_forward(
        &self,
        stream: &StreamId,
        from: u64,
        limit: usize,
        head: GlobalPosition,
    ) -> Result<Vec<GlobalPosition>, StorageError> {
        // The run that holds `from` begins there or before.
        let Some(mut next) = self.run_start(stream, from).await? else { return Ok(Vec::new()) };
        let mut positions = Vec::new();
        loop {
            let asked = RUNS_PER_SCAN.min(limit - positions.len());
            let range = keys::stream::range(stream, next, u64::MAX, false, asked);
            let entries = self.kv.scan(Space::Index, range).await?;
            for run in runs(&entries) {
                let run = run?;
                for version in from.max(run.first_version.0)..=run.last_version().0 {
                    let position = run.position_of(version);
                    if position > head || positions.len() == limit {
                        return Ok(positions);
                    }
                    positions.push(position);
                }
                next = run.last_version().0 + 1;
            }
            if entries.len() < asked || positions.len() == limit {
                return Ok(positions);
            }
        }
    }

    async fn positions_backward(
        &self,
        stream: &StreamId,
        from: u64,
        limit: usize,
        head: GlobalPosition,
    ) -> Result<Vec<GlobalPosition>, StorageError> {
        let mut positions = Vec::new();
        let mut next = from;
        loop {
            // One more than wanted: the newest runs may not be published yet.
            let asked = RUNS_PER_SCAN.min(limit - positions.len() + 1);
            let range = keys::stream::range(stream, 0, next, true, asked);
            let entries = self.kv.scan(Space::Index, range).await?;
            for run in runs(&entries) {
                let run = run?;
                for version in (run.first_version.0..=from.min(run.last_version().0)).rev() {
                    let position = run.position_of(version);
                    if positions.len() == limit {
                        return Ok(positions);
                    }
                    if position <= head {
                        positions.push(position);
                    }
                }
                next = run.first_version.0 - 1;
            }
            if entries.len() < asked || positions.len() == limit {
                return Ok(positions);
            }
        }
    }

    /// The first version of the run that holds `version`, or of the last one before it.
    async fn run_start(
        &self,
        stream: &StreamId,
        version: u64,
    ) -> Result<Option<u64>, StorageError> {
        if version == 1 {
            // A stream that is about to begin is read first as well, to find that it is not there: a filter
            // tells that, where a scan would look into every table.
            let first = keys::stream::key(stream, StreamVersion(1));
            return Ok(self.kv.get(Space::Index, &first).await?.map(|_| 1));
        }
        let range = keys::stream::range(stream, 0, version, true, 1);
        let entries = self.kv.scan(Space::Index, range).await?;
        let run = runs(&entries).next().transpose()?;
        Ok(run.map(|run| run.first_version.0))
    }
}

fn runs(entries: &[Entry]) -> impl Iterator<Item = Result<Run, StorageError>> {
    entries.iter().map(|(key, value)| Ok(keys::stream::decode(key, value)?.1))
}
