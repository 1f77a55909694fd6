//! The appends of the storage measures: one event of 300 B with about 100 B of metadata, to one of
//! 10,000 streams, half of them with the exact version expected.

use bytes::Bytes;
use sagaline_storage::clock::{Clock, Entropy, SystemClock, SystemEntropy};
use sagaline_storage::{
    AppendId, AppendRequest, CorrelationId, EventId, EventType, ExpectedVersion, NewEvent, NodeId,
    StorageError, StreamId, StreamVersion, StreamWrite,
};

use crate::failure::{Context, Failure};

/// Streams that are written to.
const STREAMS: usize = 10_000;
/// Bytes of one event's payload.
const PAYLOAD_BYTES: usize = 300;

/// Makes appends that succeed when each writer sends its own in order: no two writers share a stream.
pub(crate) struct Workload {
    streams: Vec<(StreamId, u64)>,
    event_type: EventType,
    node: NodeId,
    payload: Bytes,
    clock: SystemClock,
}

impl Workload {
    /// For a log whose streams are all empty.
    pub(crate) fn new() -> Result<Self, Failure> {
        let stream = |number: usize| Ok((StreamId::new(format!("bench-{number:06}"))?, 0));
        let streams = (0..STREAMS).map(stream).collect::<Result<_, StorageError>>();
        let padding = "x".repeat(PAYLOAD_BYTES - r#"{"padding":""}"#.len());
        Ok(Self {
            streams: streams.context("naming the streams")?,
            event_type: EventType::new("BenchHappened").context("naming the event")?,
            node: NodeId::new("bench-node").context("naming the node")?,
            payload: Bytes::from(format!(r#"{{"padding":"{padding}"}}"#)),
            clock: SystemClock::default(),
        })
    }

    /// The next appends of each of `writers`, about `count` together.
    pub(crate) fn next(
        &mut self,
        writers: usize,
        count: usize,
    ) -> Result<Vec<Vec<AppendRequest>>, Failure> {
        let each = count.div_ceil(writers);
        let own_streams = STREAMS / writers;
        let mut lists: Vec<_> = (0..writers).map(|_| Vec::with_capacity(each)).collect();
        // In turns, as they will be sent: ids are drawn in the order of time.
        for _ in 0..each {
            for (writer, list) in lists.iter_mut().enumerate() {
                list.push(self.append(writer * own_streams + draw(own_streams), 1)?);
            }
        }
        Ok(lists)
    }

    /// One append of `events` events to a stream drawn from all.
    pub(crate) fn wide(&mut self, events: usize) -> Result<AppendRequest, Failure> {
        self.append(draw(STREAMS), events)
    }

    fn append(&mut self, stream: usize, events: usize) -> Result<AppendRequest, Failure> {
        let events: Vec<_> = (0..events).map(|_| self.event()).collect::<Result<_, _>>()?;
        let (name, version) = &mut self.streams[stream];
        let expected = match *version % 2 {
            0 => ExpectedVersion::Any,
            _ => ExpectedVersion::Exact(StreamVersion(*version)),
        };
        *version += events.len() as u64;
        Ok(AppendRequest {
            append_id: AppendId(SystemEntropy.uuid_v7(self.clock.now())),
            node_id: self.node.clone(),
            fence: None,
            writes: vec![StreamWrite { stream: name.clone(), expected, events }],
            claims: Vec::new(),
        })
    }

    fn event(&self) -> Result<NewEvent, Failure> {
        let id = SystemEntropy.uuid_v7(self.clock.now());
        let correlation_id = CorrelationId::new(id.to_string()).context("a correlation id")?;
        Ok(NewEvent {
            id: EventId(id),
            event_type: self.event_type.clone(),
            schema_version: 1,
            correlation_id,
            causation_id: Some(EventId(id)),
            payload: self.payload.clone(),
        })
    }
}

fn draw(below: usize) -> usize {
    (SystemEntropy.next_u64() % below as u64) as usize
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    #[test]
    fn every_writers_appends_fit_whatever_the_others_do() {
        let mut workload = Workload::new().expect("a workload");
        let mut owners: HashMap<StreamId, (usize, u64)> = HashMap::new();
        for (writer, appends) in workload.next(16, 40_000).expect("appends").iter().enumerate() {
            for write in appends.iter().flat_map(|append| &append.writes) {
                let (owner, version) = owners.entry(write.stream.clone()).or_insert((writer, 0));
                assert_eq!(*owner, writer);
                assert!(write.expected.admits(StreamVersion(*version)), "{}", write.expected);
                *version += 1;
                assert_eq!(write.events[0].payload.len(), PAYLOAD_BYTES);
            }
        }
    }
}
