//! Reading the whole log: from the ring at the tail, otherwise from the store, by an index when the
//! filter names something that may be rare.
//!
//! An index only narrows what is looked at; [`Filter::admits`] decides. A page looks at a bounded number
//! of records and always moves `next`, so a filter that matches nothing still gets to the end.

use std::collections::BTreeSet;

use crate::clock::Clock;
use crate::error::StorageError;
use crate::event::CorrelationId;
use crate::event_store::{AllPage, AllQuery, Direction, Filter};
use crate::kv::{Entry, Kv, Space};
use crate::log::Shared;
use crate::log::keys::block::{self, BLOCK_EVENTS, Mark};
use crate::log::keys::correlation;
use crate::log::page::{Page, Span};
use crate::stream::GlobalPosition;

/// Types or categories looked up by their blocks. A filter with more of them is hardly selective.
const NAMES_MAX: usize = 16;

/// Marked blocks read at a time for each name.
const BLOCKS_PER_SCAN: usize = 64;

/// Runs of a correlation id read at a time.
const RUNS_PER_SCAN: usize = 256;

/// Records fetched at a time for a correlation id.
const POSITIONS_PER_FETCH: usize = 256;

/// The way to the wanted events.
#[derive(Debug)]
enum Plan<'a> {
    Correlation(&'a CorrelationId),
    Blocks(Mark, Vec<&'a str>),
    Everything,
}

impl<'a> Plan<'a> {
    fn of(filter: &'a Filter) -> Self {
        if let Some(id) = &filter.correlation_id {
            return Self::Correlation(id);
        }
        if (1..=NAMES_MAX).contains(&filter.event_types.len()) {
            let names = filter.event_types.iter().map(|name| name.as_str()).collect();
            return Self::Blocks(Mark::EventType, names);
        }
        if (1..=NAMES_MAX).contains(&filter.categories.len()) {
            let names = filter.categories.iter().map(|name| &**name).collect();
            return Self::Blocks(Mark::Category, names);
        }
        Self::Everything
    }
}

impl<K: Kv, C: Clock> Shared<K, C> {
    pub(super) async fn read_all(&self, query: AllQuery) -> Result<AllPage, StorageError> {
        if let Some(page) = self.published.page(&query) {
            return Ok(page);
        }
        // Taken before anything is read: what the store holds beyond is not published yet.
        let head = self.published.head();
        let span = Span::of(&query, head);
        let page = Page::new(&query, &self.settings, head);
        if span.is_empty() {
            return Ok(page.exhausted());
        }
        match Plan::of(&query.filter) {
            Plan::Correlation(id) => self.page_of_correlation(page, span, id, &query).await,
            Plan::Blocks(mark, names) => {
                self.page_of_blocks(page, span, mark, &names, &query).await
            }
            Plan::Everything => self.page_of_everything(page, span).await,
        }
    }

    async fn page_of_everything(
        &self,
        mut page: Page<'_>,
        span: Span,
    ) -> Result<AllPage, StorageError> {
        self.offer_span(&mut page, span).await?;
        Ok(page.cut())
    }

    async fn page_of_blocks(
        &self,
        mut page: Page<'_>,
        span: Span,
        mark: Mark,
        names: &[&str],
        query: &AllQuery,
    ) -> Result<AllPage, StorageError> {
        let (blocks, all) = self.marked_blocks(span, mark, names, query.direction).await?;
        for number in blocks {
            let first = number * BLOCK_EVENTS;
            let block = Span { first, last: first + (BLOCK_EVENTS - 1) }.within(span);
            self.offer_span(&mut page, block).await?;
            if page.is_full() {
                return Ok(page.cut());
            }
        }
        Ok(if all { page.exhausted() } else { page.cut() })
    }

    /// The next blocks of `span` in which one of `names` occurs, in the direction of the read, and
    /// whether these are all.
    async fn marked_blocks(
        &self,
        span: Span,
        mark: Mark,
        names: &[&str],
        direction: Direction,
    ) -> Result<(Vec<u64>, bool), StorageError> {
        let from = block::block_of(GlobalPosition(span.first));
        let to = block::block_of(GlobalPosition(span.last));
        let backward = direction == Direction::Backward;
        let mut marked = BTreeSet::new();
        let mut all = true;
        for name in names {
            let range = block::range(mark, name, from, to, backward, BLOCKS_PER_SCAN);
            let entries = self.kv.scan(Space::Index, range).await?;
            all &= entries.len() < BLOCKS_PER_SCAN;
            for (key, _) in &entries {
                marked.insert(block::decode(mark, key)?.1);
            }
        }
        // Each name's list is complete up to its own end, none ends before its 64th block; so the first
        // 64 of the union are complete too.
        let next: Vec<u64> = match direction {
            Direction::Forward => marked.into_iter().collect(),
            Direction::Backward => marked.into_iter().rev().collect(),
        };
        let kept = if all { next.len() } else { next.len().min(BLOCKS_PER_SCAN) };
        Ok((next[..kept].to_vec(), all))
    }

    async fn page_of_correlation(
        &self,
        mut page: Page<'_>,
        span: Span,
        id: &CorrelationId,
        query: &AllQuery,
    ) -> Result<AllPage, StorageError> {
        let (positions, all) = self.correlated(span, id, query.direction).await?;
        for some in positions.chunks(POSITIONS_PER_FETCH) {
            for (position, record) in some.iter().zip(self.records_at(some).await?) {
                if page.is_full() {
                    return Ok(page.cut());
                }
                page.offer(*position, &record)?;
            }
        }
        Ok(if all { page.exhausted() } else { page.cut() })
    }

    /// The next positions of `span` with this correlation id, in the direction of the read, and whether
    /// these are all.
    async fn correlated(
        &self,
        span: Span,
        id: &CorrelationId,
        direction: Direction,
    ) -> Result<(Vec<GlobalPosition>, bool), StorageError> {
        let max = self.settings.page_examined_max;
        let backward = direction == Direction::Backward;
        let mut from = span.first;
        if !backward {
            // A run that begins before the span may reach into it.
            let range = correlation::range(id, 0, span.first, true, 1);
            let before = self.kv.scan(Space::Index, range).await?;
            if let Some(run) = runs(&before).next().transpose()?
                && run.last_position().0 >= span.first
            {
                from = run.first_position.0;
            }
        }
        let from = if backward { 0 } else { from };
        let range = correlation::range(id, from, span.last, backward, RUNS_PER_SCAN);
        let entries = self.kv.scan(Space::Index, range).await?;
        let mut positions = Vec::new();
        for run in runs(&entries) {
            let run = run?;
            let run =
                Span { first: run.first_position.0, last: run.last_position().0 }.within(span);
            if positions.len() >= max {
                return Ok((positions, false));
            }
            match direction {
                Direction::Forward => positions.extend((run.first..=run.last).map(GlobalPosition)),
                Direction::Backward => {
                    positions.extend((run.first..=run.last).rev().map(GlobalPosition));
                }
            }
        }
        Ok((positions, entries.len() < RUNS_PER_SCAN))
    }
}

fn runs(entries: &[Entry]) -> impl Iterator<Item = Result<correlation::Run, StorageError>> {
    entries.iter().map(|(key, value)| Ok(correlation::decode(key, value)?.1))
}
