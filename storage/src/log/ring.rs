//! The newest events in memory: what live subscribers and loads at the tail read.

use std::collections::VecDeque;

use crate::canary::planted;
use crate::event::RecordedEvent;
use crate::event_store::{AllPage, AllQuery, Direction, Filter};
use crate::log::hashing::{Hashing, Map};
use crate::log::settings::LogSettings;
use crate::stream::{GlobalPosition, StreamId};

/// What an event takes beside its payload: the record's names, the shared strings, the entries here.
const EVENT_OVERHEAD_BYTES: usize = 512;

/// Events looked at by one read: the ring is locked meanwhile, and the appender waits.
const EXAMINED_MAX: usize = 1_024;

/// Something rare further than this from the head is found by its index. Nearer, looking at each event
/// is less: those who follow the log a little behind it read nothing from the store.
const LOOKED_THROUGH_MAX: u64 = 8 * EXAMINED_MAX as u64;

/// The newest events, side by side up to the head.
#[derive(Debug)]
pub(super) struct Ring {
    /// The position of the last event there is, also when none is kept.
    head: GlobalPosition,
    events: VecDeque<Kept>,
    bytes: usize,
    /// Streams with events in the ring.
    streams: Map<StreamId, Tail>,
    events_max: usize,
    bytes_max: usize,
}

/// An event, and where the one before it in its stream is (0: it is the stream's first since the start).
#[derive(Debug)]
struct Kept {
    event: RecordedEvent,
    previous: u64,
}

/// The newest events of one stream: `events` of them are in the ring, the last is at `last`.
#[derive(Debug)]
struct Tail {
    last: u64,
    events: u64,
}

impl Ring {
    pub(super) fn new(head: GlobalPosition, settings: &LogSettings, hashing: Hashing) -> Self {
        Self {
            head,
            events: VecDeque::new(),
            bytes: 0,
            streams: hashing.map(),
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
            let last = event.position.0;
            let previous = match self.streams.get_mut(&event.stream) {
                Some(tail) => {
                    tail.events += 1;
                    std::mem::replace(&mut tail.last, last)
                }
                None => {
                    self.streams.insert(event.stream.clone(), Tail { last, events: 1 });
                    0
                }
            };
            self.events.push_back(Kept { event, previous });
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
        let tail = self.streams.get(stream)?;
        let newest = self.at(tail.last)?.event.version.0;
        let oldest = newest + 1 - tail.events;
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
        if first < oldest || newest - first >= EXAMINED_MAX as u64 {
            return None;
        }
        let mut events = self.walk_back(tail.last, newest - last, last - first + 1)?;
        match direction {
            Direction::Forward => events.reverse(),
            Direction::Backward => {}
        }
        Some(events)
    }

    /// `count` events of a stream, newest first: from the one at `position` back, after passing over
    /// `skip` of them.
    fn walk_back(&self, position: u64, skip: u64, count: u64) -> Option<Vec<RecordedEvent>> {
        let mut kept = self.at(position)?;
        for _ in 0..skip {
            kept = self.at(kept.previous)?;
        }
        let mut events = vec![kept.event.clone()];
        for _ in 1..count {
            kept = self.at(kept.previous)?;
            events.push(kept.event.clone());
        }
        Some(events)
    }

    /// The oldest position kept; behind the head when nothing is.
    fn oldest(&self) -> u64 {
        self.head.0 + 1 - self.events.len() as u64
    }

    fn at(&self, position: u64) -> Option<&Kept> {
        self.events.get(usize::try_from(position.checked_sub(self.oldest())?).ok()?)
    }

    fn page_forward(&self, query: &AllQuery) -> Option<AllPage> {
        let head = self.head.0;
        if query.from.0 >= head {
            return Some(AllPage { events: Vec::new(), next: query.from, end: true });
        }
        let mut first = query.from.0 + 1;
        if planted("live-subscription-starts-at-head-plus-one") && first + 1 == self.oldest() {
            first += 1;
        }
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
        let first = if planted("backward-ends-with-the-ring") { oldest } else { 1 };
        let end = next.0 <= first;
        Some(AllPage { events, next: if end { GlobalPosition::START } else { next }, end })
    }

    fn index_is_quicker(&self, filter: &Filter, distance: u64) -> bool {
        *filter != Filter::ALL && distance > LOOKED_THROUGH_MAX
    }

    fn shrink(&mut self) -> Vec<RecordedEvent> {
        let mut leaving = Vec::new();
        while self.events.len() > self.events_max || self.bytes > self.bytes_max {
            let Some(Kept { event, .. }) = self.events.pop_front() else { break };
            self.bytes -= bytes_of(&event);
            if let Some(tail) = self.streams.get_mut(&event.stream) {
                tail.events -= 1;
                if tail.events == 0 {
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
    events: impl Iterator<Item = &'a Kept>,
    query: &AllQuery,
) -> (Vec<RecordedEvent>, Option<GlobalPosition>) {
    let mut wanted = Vec::new();
    let mut last = None;
    for Kept { event, .. } in events.take(EXAMINED_MAX) {
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
