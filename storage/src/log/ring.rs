//! The newest events in memory: what live subscribers and loads at the tail read.

use std::collections::{HashMap, VecDeque};

use crate::event::RecordedEvent;
use crate::event_store::{AllPage, AllQuery, Direction, Filter};
use crate::log::settings::LogSettings;
use crate::stream::{GlobalPosition, StreamId};

/// What an event takes beside its payload: the record's names, the shared strings, the entries here.
const EVENT_OVERHEAD_BYTES: usize = 512;

/// Events looked at by one read: the ring is locked meanwhile, and the appender waits.
const EXAMINED_MAX: usize = 1_024;

/// The newest events, side by side up to the head.
#[derive(Debug)]
pub(super) struct Ring {
    /// The position of the last event there is, also when none is kept.
    head: GlobalPosition,
    events: VecDeque<RecordedEvent>,
    bytes: usize,
    /// The positions of each stream's events in the ring, in order.
    streams: HashMap<StreamId, VecDeque<u64>>,
    events_max: usize,
    bytes_max: usize,
}

impl Ring {
    pub(super) fn new(head: GlobalPosition, settings: &LogSettings) -> Self {
        Self {
            head,
            events: VecDeque::new(),
            bytes: 0,
            streams: HashMap::new(),
            events_max: settings.ring_events_max,
            bytes_max: settings.ring_bytes_max,
        }
    }

    pub(super) fn head(&self) -> GlobalPosition {
        self.head
    }

    /// How many events and bytes are kept.
    pub(super) fn size(&self) -> (usize, usize) {
        (self.events.len(), self.bytes)
    }

    /// Adds the events behind the head. Gives back what had to leave, to be dropped outside the lock.
    pub(super) fn push(&mut self, events: Vec<RecordedEvent>) -> Vec<RecordedEvent> {
        for event in events {
            self.head = event.position;
            self.bytes += bytes_of(&event);
            match self.streams.get_mut(&event.stream) {
                Some(positions) => positions.push_back(event.position.0),
                None => {
                    self.streams.insert(event.stream.clone(), VecDeque::from([event.position.0]));
                }
            }
            self.events.push_back(event);
        }
        self.shrink()
    }

    /// A page of the whole log, when the ring holds its beginning and is the quick way to it.
    pub(super) fn page(&self, query: &AllQuery) -> Option<AllPage> {
        match query.direction {
            Direction::Forward => self.page_forward(query),
            Direction::Backward => self.page_backward(query),
        }
    }

    /// Events of a stream, when the ring holds all that were asked for.
    pub(super) fn stream(
        &self,
        stream: &StreamId,
        from: u64,
        direction: Direction,
        limit: usize,
    ) -> Option<Vec<RecordedEvent>> {
        let positions = self.streams.get(stream)?;
        let oldest = self.at(*positions.front()?)?.version.0;
        let newest = oldest + positions.len() as u64 - 1;
        let (first, last) = match direction {
            Direction::Forward => {
                let first = from.max(1);
                (first, newest.min(first.saturating_add(limit as u64 - 1)))
            }
            Direction::Backward => {
                let last = from.min(newest);
                ((last + 1).saturating_sub(limit as u64).max(1), last)
            }
        };
        if first > last {
            // Nothing of it exists, unless it is older than the ring.
            return (first > newest).then(Vec::new);
        }
        if first < oldest || last - first >= EXAMINED_MAX as u64 {
            return None;
        }
        let own = |version: u64| self.at(positions[(version - oldest) as usize]).cloned();
        match direction {
            Direction::Forward => (first..=last).map(own).collect(),
            Direction::Backward => (first..=last).rev().map(own).collect(),
        }
    }

    /// The oldest position kept; behind the head when nothing is.
    fn oldest(&self) -> u64 {
        self.head.0 + 1 - self.events.len() as u64
    }

    fn at(&self, position: u64) -> Option<&RecordedEvent> {
        self.events.get(usize::try_from(position.checked_sub(self.oldest())?).ok()?)
    }

    fn page_forward(&self, query: &AllQuery) -> Option<AllPage> {
        let head = self.head.0;
        if query.from.0 >= head {
            return Some(AllPage { events: Vec::new(), next: query.from, end: true });
        }
        let first = query.from.0 + 1;
        if first < self.oldest() || self.index_is_quicker(&query.filter, head - query.from.0) {
            return None;
        }
        let start = usize::try_from(first - self.oldest()).ok()?;
        let (events, last) = collect(self.events.range(start..), query);
        let next = last.unwrap_or(query.from);
        Some(AllPage { events, next, end: next.0 >= head })
    }

    fn page_backward(&self, query: &AllQuery) -> Option<AllPage> {
        let last = query.from.0.saturating_sub(1).min(self.head.0);
        if last == 0 {
            return Some(AllPage { events: Vec::new(), next: GlobalPosition::START, end: true });
        }
        let oldest = self.oldest();
        if last < oldest || self.index_is_quicker(&query.filter, u64::MAX) {
            return None;
        }
        let stop = usize::try_from(last - oldest + 1).ok()?;
        let (events, last) = collect(self.events.range(..stop).rev(), query);
        let next = last.unwrap_or(query.from);
        let end = next.0 <= 1;
        Some(AllPage { events, next: if end { GlobalPosition::START } else { next }, end })
    }

    /// Something rare among many events is found by its index; at the tail, looking at each is less.
    fn index_is_quicker(&self, filter: &Filter, distance: u64) -> bool {
        *filter != Filter::ALL && distance > EXAMINED_MAX as u64
    }

    fn shrink(&mut self) -> Vec<RecordedEvent> {
        let mut leaving = Vec::new();
        while self.events.len() > self.events_max || self.bytes > self.bytes_max {
            let Some(event) = self.events.pop_front() else { break };
            self.bytes -= bytes_of(&event);
            if let Some(positions) = self.streams.get_mut(&event.stream) {
                positions.pop_front();
                if positions.is_empty() {
                    self.streams.remove(&event.stream);
                }
            }
            leaving.push(event);
        }
        leaving
    }
}

/// The wanted ones among the next events, and the last position looked at.
fn collect<'a>(
    events: impl Iterator<Item = &'a RecordedEvent>,
    query: &AllQuery,
) -> (Vec<RecordedEvent>, Option<GlobalPosition>) {
    let mut wanted = Vec::new();
    let mut last = None;
    for event in events.take(EXAMINED_MAX) {
        if wanted.len() == query.limit {
            break;
        }
        last = Some(event.position);
        if query.filter.admits(event) {
            wanted.push(event.clone());
        }
    }
    (wanted, last)
}

fn bytes_of(event: &RecordedEvent) -> usize {
    event.payload.len() + EVENT_OVERHEAD_BYTES
}
