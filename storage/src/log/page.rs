//! Reading records, and putting a page together from them within its bounds.

use bytes::Bytes;

use crate::clock::Clock;
use crate::error::StorageError;
use crate::event::RecordedEvent;
use crate::event_store::{AllPage, AllQuery, Direction, Filter};
use crate::kv::{Kv, Space};
use crate::log::Shared;
use crate::log::envelope;
use crate::log::intern::Interner;
use crate::log::keys;
use crate::log::settings::LogSettings;
use crate::stream::GlobalPosition;

/// Records of the first scan of a page, before anything is known of their size: 32 of the biggest fit
/// into memory without a thought.
const FIRST_SCAN: usize = 32;

/// Records of one scan: what is gained by more is nothing.
const SCAN_MAX: usize = 1_024;

/// Neighbouring positions, both ends included; empty when `first` is behind `last`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Span {
    pub(super) first: u64,
    pub(super) last: u64,
}

impl Span {
    /// What a query may look at in a log that ends at `head`.
    pub(super) fn of(query: &AllQuery, head: GlobalPosition) -> Self {
        match query.direction {
            Direction::Forward => Self { first: query.from.0.saturating_add(1), last: head.0 },
            Direction::Backward => {
                Self { first: 1, last: head.0.min(query.from.0.saturating_sub(1)) }
            }
        }
    }

    pub(super) fn is_empty(self) -> bool {
        self.first > self.last
    }

    pub(super) fn within(self, other: Self) -> Self {
        Self { first: self.first.max(other.first), last: self.last.min(other.last) }
    }

    /// The part that is left behind `position`, in the direction of a read.
    fn behind(self, position: u64, direction: Direction) -> Self {
        match direction {
            Direction::Forward => Self { first: position + 1, ..self },
            Direction::Backward => Self { last: position - 1, ..self },
        }
    }
}

/// A page in the making.
#[derive(Debug)]
pub(super) struct Page<'a> {
    query: &'a AllQuery,
    settings: &'a LogSettings,
    head: GlobalPosition,
    names: Interner,
    events: Vec<RecordedEvent>,
    examined: usize,
    bytes: usize,
    /// The last position looked at.
    last: Option<GlobalPosition>,
}

impl<'a> Page<'a> {
    pub(super) fn new(
        query: &'a AllQuery,
        settings: &'a LogSettings,
        head: GlobalPosition,
    ) -> Self {
        let sure = if query.filter == Filter::ALL { query.limit.min(SCAN_MAX) } else { 0 };
        Self {
            query,
            settings,
            head,
            names: Interner::default(),
            events: Vec::with_capacity(sure),
            examined: 0,
            bytes: 0,
            last: None,
        }
    }

    /// Whether it should come back as it is.
    pub(super) fn is_full(&self) -> bool {
        self.events.len() >= self.query.limit
            || self.examined >= self.settings.page_examined_max
            || self.bytes >= self.settings.page_bytes_max
    }

    /// Looks at a record; it is part of the page when it is wanted.
    pub(super) fn offer(
        &mut self,
        position: GlobalPosition,
        record: &Bytes,
    ) -> Result<(), StorageError> {
        let filter = &self.query.filter;
        let event = envelope::decode_admitted(position, record, filter, &mut self.names)?;
        self.examined += 1;
        self.bytes += record.len();
        self.last = Some(position);
        self.events.extend(event);
        Ok(())
    }

    /// How many records the next scan should bring.
    pub(super) fn scan_limit(&self) -> usize {
        let room = self.settings.page_examined_max.saturating_sub(self.examined).max(1);
        let wanted = if self.query.filter == Filter::ALL {
            self.query.limit - self.events.len()
        } else {
            room
        };
        let by_size = match self.bytes.checked_div(self.examined) {
            Some(average) => {
                self.settings.page_bytes_max.saturating_sub(self.bytes) / average.max(1) + 1
            }
            None => FIRST_SCAN,
        };
        wanted.min(by_size).min(room).min(SCAN_MAX)
    }

    /// It is full, or ends here for another reason, with more behind it unless that was the end.
    pub(super) fn cut(self) -> AllPage {
        let next = self.last.unwrap_or(self.query.from);
        let end = match self.query.direction {
            Direction::Forward => next >= self.head,
            Direction::Backward => next.0 <= 1,
        };
        if end { self.exhausted() } else { AllPage { events: self.events, next, end } }
    }

    /// Nothing wanted is left in this direction, as of the head.
    pub(super) fn exhausted(self) -> AllPage {
        let next = match self.query.direction {
            Direction::Forward => self.head.max(self.query.from),
            Direction::Backward => GlobalPosition::START,
        };
        AllPage { events: self.events, next, end: true }
    }
}

impl<K: Kv, C: Clock> Shared<K, C> {
    /// Offers every record of `span` to the page, in the direction of its query, until it is full.
    pub(super) async fn offer_span(
        &self,
        page: &mut Page<'_>,
        mut span: Span,
    ) -> Result<(), StorageError> {
        let direction = page.query.direction;
        let backward = direction == Direction::Backward;
        while !span.is_empty() && !page.is_full() {
            let range = keys::event::range(span.first, span.last, backward, page.scan_limit());
            let entries = self.kv.scan(Space::Events, range).await?;
            if entries.is_empty() {
                return Err(missing(if backward { span.last } else { span.first }));
            }
            for (key, record) in &entries {
                let position = keys::event::decode(key)?;
                let expected = if backward { span.last } else { span.first };
                if position.0 != expected {
                    return Err(missing(expected));
                }
                if page.is_full() {
                    return Ok(());
                }
                page.offer(position, record)?;
                span = span.behind(position.0, direction);
            }
        }
        Ok(())
    }

    /// The records at `positions`, in their order.
    pub(super) async fn records_at(
        &self,
        positions: &[GlobalPosition],
    ) -> Result<Vec<Bytes>, StorageError> {
        let keys = positions.iter().map(|position| keys::event::key(*position)).collect();
        let records = self.kv.get_many(Space::Events, keys).await?;
        let present = positions.iter().zip(records);
        present.map(|(position, record)| record.ok_or_else(|| missing(position.0))).collect()
    }

    /// The events at `positions`, in their order.
    pub(super) async fn events_at(
        &self,
        positions: &[GlobalPosition],
    ) -> Result<Vec<RecordedEvent>, StorageError> {
        let mut names = Interner::default();
        let mut events = Vec::with_capacity(positions.len());
        for some in positions.chunks(SCAN_MAX) {
            for (position, record) in some.iter().zip(self.records_at(some).await?) {
                events.push(envelope::decode(*position, &record, &mut names)?);
            }
        }
        Ok(events)
    }
}

/// A position at or below the head without a record.
fn missing(position: u64) -> StorageError {
    StorageError::corrupt(format!("log: the record at position {position} is missing"))
}
