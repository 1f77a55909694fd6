//! Events that were recorded at one moment by one node, to be appended together again.

use sagaline_storage::log::settings::{EVENTS_PER_APPEND_MAX, STREAMS_PER_APPEND_MAX};
use sagaline_storage::{
    AppendId, AppendRequest, ExpectedVersion, NodeId, StreamVersion, StreamWrite, Timestamp,
};

use super::super::event_line::{EventLine, LineError};

/// Payloads of one append, in bytes: well below what the log takes.
const BYTES_MAX: usize = 1 << 20;

/// Events side by side with one stamp.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) at: Timestamp,
    pub(super) last_position: u64,
    node_id: NodeId,
    append_id: AppendId,
    writes: Vec<StreamWrite>,
    events: usize,
    bytes: usize,
}

impl Group {
    /// A group of one event.
    pub(super) fn of(line: EventLine) -> Result<Self, LineError> {
        let mut group = Self {
            at: line.recorded_at(),
            last_position: line.position,
            node_id: line.node_id.clone(),
            // No other append of the log has its first event.
            append_id: AppendId(line.id),
            writes: Vec::new(),
            events: 0,
            bytes: 0,
        };
        group.push(line)?;
        Ok(group)
    }

    /// Whether an event can be a part of it without changing its stamp or its place: streams follow one
    /// another in an append, so one that was left is not come back to.
    pub(super) fn takes(&self, line: &EventLine) -> bool {
        let is_last = self.writes.last().is_some_and(|write| write.stream == line.stream);
        let is_new = !self.writes.iter().any(|write| write.stream == line.stream);
        self.at == line.recorded_at()
            && self.node_id == line.node_id
            && (is_last || (is_new && self.writes.len() < STREAMS_PER_APPEND_MAX))
            && self.events < EVENTS_PER_APPEND_MAX
            && self.bytes + line.payload().len() <= BYTES_MAX
    }

    /// Adds an event that it takes.
    pub(super) fn push(&mut self, line: EventLine) -> Result<(), LineError> {
        self.events += 1;
        self.bytes += line.payload().len();
        self.last_position = line.position;
        let (stream, before) = (line.stream.clone(), line.version().0.saturating_sub(1));
        let event = line.into_new_event()?;
        match self.writes.last_mut().filter(|write| write.stream == stream) {
            Some(write) => write.events.push(event),
            None => {
                let expected = match before {
                    0 => ExpectedVersion::NoStream,
                    before => ExpectedVersion::Exact(StreamVersion(before)),
                };
                self.writes.push(StreamWrite { stream, expected, events: vec![event] });
            }
        }
        Ok(())
    }

    /// The append that makes it.
    pub(super) fn into_request(self) -> AppendRequest {
        let Self { append_id, node_id, writes, .. } = self;
        AppendRequest { append_id, node_id, fence: None, writes, claims: Vec::new() }
    }
}
