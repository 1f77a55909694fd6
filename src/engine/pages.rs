//! The newest pages of the log, read once for all who follow it: projections and outbox walk over the
//! same events at nearly the same time. Asked by [`super::subscription`] for what is near the head; what
//! is far behind is read by each for itself, by the log's indexes. It never waits for events to come.

use std::collections::VecDeque;
use std::sync::Arc;

use sagaline_storage::{
    AllPage, AllQuery, EventStore, Filter, GlobalPosition, RecordedEvent, StorageError,
};
use tokio::sync::Mutex;

/// Pages kept: the followers are not further apart than the slowest takes for one. Near the head their
/// payloads are those that the log keeps in memory anyhow.
const KEPT_MAX: usize = 4;

/// A page that is put together from several parts ends with the one in which it comes to this many bytes of
/// payloads.
const PAGE_BYTES_MAX: usize = 4 << 20;

/// Pages that were read lately.
pub(crate) struct Pages {
    /// This close to the head all followers read the same pages and pass over what they do not want.
    tail_events: u64,
    /// Held while a page is read, so that those who want the same one wait for it. Newest last.
    kept: Mutex<VecDeque<Page>>,
}

/// Every event behind one position up to another. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Page {
    from: GlobalPosition,
    next: GlobalPosition,
    events: Arc<[RecordedEvent]>,
    /// The log ended with it when it was read.
    is_end: bool,
}

impl Pages {
    /// None yet; shared by those who are this close to the log's head.
    pub(crate) fn new(tail_events: u64) -> Self {
        Self { tail_events, kept: Mutex::default() }
    }

    /// The next page behind `from` for somebody who wants what `filter` admits: near the head it holds
    /// more than that.
    pub(crate) async fn next<E: EventStore>(
        &self,
        log: &E,
        from: GlobalPosition,
        head: GlobalPosition,
        limit: usize,
        filter: &Filter,
    ) -> Result<Page, StorageError> {
        if head.0.saturating_sub(from.0) <= self.tail_events {
            return self.behind(log, from, limit).await;
        }
        let query = AllQuery { filter: filter.clone(), ..AllQuery::after(from, limit) };
        let read = log.read_all(query).await?;
        Ok(Page::of(from, read))
    }

    /// The events behind `from`, up to `limit` or as many as the log gives at once; none: there are none.
    pub(crate) async fn behind<E: EventStore>(
        &self,
        log: &E,
        from: GlobalPosition,
        limit: usize,
    ) -> Result<Page, StorageError> {
        let mut kept = self.kept.lock().await;
        if let Some(page) = kept.iter().rev().find(|page| page.holds_behind(from)) {
            return Ok(page.clone());
        }
        let page = Page::of(from, gather(log, from, limit).await?);
        if page.next > from {
            if kept.len() == KEPT_MAX {
                kept.pop_front();
            }
            kept.push_back(page.clone());
        }
        Ok(page)
    }
}

/// The events behind `from`, up to `limit`. At its tail the log gives a part of them at a time, so as not to
/// be held for long; who follows it takes them together, and writes once what changes in several parts.
async fn gather<E: EventStore>(
    log: &E,
    from: GlobalPosition,
    limit: usize,
) -> Result<AllPage, StorageError> {
    let mut page = log.read_all(AllQuery::after(from, limit)).await?;
    let bytes = |events: &[RecordedEvent]| -> usize {
        events.iter().map(|event| event.payload.len()).sum()
    };
    let mut gathered = bytes(&page.events);
    while !page.end && page.events.len() < limit && gathered < PAGE_BYTES_MAX {
        let left = limit - page.events.len();
        let more = log.read_all(AllQuery::after(page.next, left)).await?;
        gathered += bytes(&more.events);
        page.events.extend(more.events);
        (page.next, page.end) = (more.next, more.end);
    }
    Ok(page)
}

impl Page {
    /// What was read behind `from`.
    pub(crate) fn of(from: GlobalPosition, read: AllPage) -> Self {
        Self { from, next: read.next, events: read.events.into(), is_end: read.end }
    }

    /// Whether the log ended with it when it was read.
    pub(crate) fn is_end(&self) -> bool {
        self.is_end
    }

    /// Where the next page begins.
    pub(crate) fn next(&self) -> GlobalPosition {
        self.next
    }

    /// The events behind `from` that `filter` wants.
    pub(crate) fn wanted(self, from: GlobalPosition, filter: Arc<Filter>) -> Wanted {
        let first = self.events.partition_point(|event| event.position <= from);
        let end = self.is_end.then_some(self.next);
        Wanted { events: self.events, first, filter, end }
    }

    /// The events behind `from`, also those that nobody asked for.
    pub(crate) fn behind(&self, from: GlobalPosition) -> &[RecordedEvent] {
        let first = self.events.partition_point(|event| event.position <= from);
        &self.events[first..]
    }

    fn holds_behind(&self, from: GlobalPosition) -> bool {
        self.from <= from && from < self.next
    }
}

/// Events that one follower wants, oldest first.
pub(crate) struct Wanted {
    events: Arc<[RecordedEvent]>,
    first: usize,
    filter: Arc<Filter>,
    end: Option<GlobalPosition>,
}

impl Wanted {
    /// Where the log ended when they were read, if they reach so far.
    pub(crate) fn end(&self) -> Option<GlobalPosition> {
        self.end
    }

    /// The place of the last, when there is more than one.
    pub(crate) fn last_of_several(&self) -> Option<GlobalPosition> {
        let mut behind_the_first = self.iter().skip(1);
        behind_the_first.next()?;
        self.iter().last().map(|event| event.position)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &RecordedEvent> {
        self.events[self.first..].iter().filter(|event| self.filter.admits(event))
    }
}

#[cfg(test)]
mod tests {
    use sagaline_storage::clock::SystemEntropy;
    use sagaline_storage::memory::{ManualClock, MemoryKv};
    use sagaline_storage::{
        AppendId, AppendRequest, CorrelationId, EventId, EventType, ExpectedVersion, Log,
        LogSettings, NewEvent, NodeId, StreamId, StreamWrite,
    };
    use uuid::Uuid;

    use super::*;

    type Memory = Log<MemoryKv, ManualClock>;

    async fn log() -> Memory {
        let (kv, clock) = (MemoryKv::new(), ManualClock::default());
        Log::open(kv, clock, &SystemEntropy, LogSettings::default()).await.unwrap()
    }

    async fn append(log: &Memory, stream: &str, id: u128) {
        append_many(log, stream, id, 1).await;
    }

    async fn append_many(log: &Memory, stream: &str, id: u128, count: u128) {
        let event = |number| NewEvent {
            id: EventId(Uuid::from_u128(id + number)),
            event_type: EventType::new("Happened").unwrap(),
            schema_version: 1,
            correlation_id: CorrelationId::new("c").unwrap(),
            causation_id: None,
            payload: b"{}".as_slice().into(),
        };
        let write = StreamWrite {
            stream: StreamId::new(stream).unwrap(),
            expected: ExpectedVersion::Any,
            events: (0..count).map(event).collect(),
        };
        let request = AppendRequest {
            append_id: AppendId(Uuid::from_u128(1_000 + id)),
            node_id: NodeId::new("n1").unwrap(),
            fence: None,
            writes: vec![write],
            claims: Vec::new(),
        };
        log.append(request).await.unwrap();
    }

    async fn positions(pages: &Pages, log: &Memory, from: u64, category: &str) -> (Vec<u64>, u64) {
        let from = GlobalPosition(from);
        let page = pages.behind(log, from, 100).await.unwrap();
        let next = page.next().0;
        let filter = Filter { categories: vec![category.into()], ..Filter::ALL };
        let wanted = page.wanted(from, Arc::new(filter));
        (wanted.iter().map(|event| event.position.0).collect(), next)
    }

    #[tokio::test]
    async fn followers_at_different_places_share_a_page_and_miss_nothing() {
        let (pages, log) = (Pages::new(100), log().await);
        for id in 1..=6 {
            append(&log, if id % 2 == 0 { "even-1" } else { "odd-1" }, id).await;
        }
        assert_eq!(positions(&pages, &log, 0, "odd").await, (vec![1, 3, 5], 6));
        append(&log, "even-1", 7).await;
        // The kept page ends at 6, as read then; who is inside of it gets the rest of it.
        assert_eq!(positions(&pages, &log, 3, "even").await, (vec![4, 6], 6));
        assert_eq!(positions(&pages, &log, 6, "even").await, (vec![7], 7));
        assert_eq!(positions(&pages, &log, 7, "even").await, (vec![], 7));
    }

    #[tokio::test]
    async fn a_page_is_as_long_as_was_asked_for_though_the_log_gives_a_part_at_a_time() {
        let (pages, log) = (Pages::new(100), log().await);
        for first in [1, 901, 1_801] {
            append_many(&log, "odd-1", first, 900).await;
        }
        let page = pages.behind(&log, GlobalPosition::START, 2_500).await.unwrap();
        assert_eq!(
            (page.events.len(), page.next(), page.is_end()),
            (2_500, GlobalPosition(2_500), false)
        );
        let rest = pages.behind(&log, page.next(), 2_500).await.unwrap();
        assert_eq!(
            (rest.events.len(), rest.next(), rest.is_end()),
            (200, GlobalPosition(2_700), true)
        );
    }

    #[tokio::test]
    async fn an_old_page_is_read_again() {
        let (pages, log) = (Pages::new(100), log().await);
        for id in 1..=10 {
            append(&log, "odd-1", id).await;
            let (seen, _) = positions(&pages, &log, u64::try_from(id).unwrap() - 1, "odd").await;
            assert_eq!(seen.len(), 1);
        }
        assert_eq!(positions(&pages, &log, 0, "odd").await.0.len(), 10);
        assert_eq!(pages.kept.lock().await.len(), KEPT_MAX);
    }
}
