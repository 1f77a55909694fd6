//! Reading everything through the log's pages, beside a raw iterator over the same bytes of the same
//! store.

use sagaline_storage::clock::{Clock, SystemClock};
use sagaline_storage::{AllQuery, EventStore, GlobalPosition};

use crate::bar::{Bar, Bound};
use crate::failure::{Context, Failure};
use crate::report::row::{ReadRow, Row};
use crate::run::profile::empty_dir;
use crate::samples::median;
use crate::storage::StorageArgs;
use crate::storage::growth::fill;
use crate::storage::open::{self, EmbeddedLog, RawEvents};
use crate::storage::workload::Workload;

/// Events in the log in the longest profile: far more than fit in any cache of the store.
const EVENTS: usize = 400_000;
/// Events of one page: what a projection that catches up asks for.
const PAGE: usize = 1_000;
const ROUNDS: usize = 5;

/// Measures and prints.
pub(crate) async fn run(args: StorageArgs) -> Result<(), Failure> {
    let dir = empty_dir(&args.data_dir, "read")?;
    let ours = open::ours(&dir).await?;
    fill(&ours, &mut Workload::new()?, args.profile.appends(EVENTS) as u64).await?;
    let raw = RawEvents::beside(&dir)?;
    let mut rounds = Vec::new();
    for _ in 0..ROUNDS {
        let clock = SystemClock::default();
        let events = read_all(&ours).await?;
        let ours_per_second = events as f64 / clock.monotonic().as_secs_f64();
        let clock = SystemClock::default();
        let bytes = raw.iterate()?;
        let raw_per_second = events as f64 / clock.monotonic().as_secs_f64();
        if bytes < events * 300 {
            return Err(Failure::new(format!("the iterator saw {bytes} bytes of {events} events")));
        }
        rounds.push((events, ours_per_second, raw_per_second));
    }
    let of = |figure: fn(&(u64, f64, f64)) -> f64| {
        median(&rounds.iter().map(figure).collect::<Vec<_>>())
    };
    let ratio = of(|(_, ours, raw)| ours / raw);
    let row = Row::Read(ReadRow {
        events: rounds[0].0,
        ours_per_second: of(|(_, ours, _)| *ours),
        raw_per_second: of(|(_, _, raw)| *raw),
        ratio,
    });
    println!("{row}");
    println!("{}", Bar::new("read_all", ratio, "x", Bound::AtLeast(0.5)));
    ours.close().await;
    Ok(())
}

/// From the first event to the last, page by page; how many there were. Positions must be dense.
async fn read_all(ours: &EmbeddedLog) -> Result<u64, Failure> {
    let (mut after, mut events) = (GlobalPosition::START, 0);
    loop {
        let page = ours.read_all(AllQuery::after(after, PAGE)).await.context("reading a page")?;
        events += page.events.len() as u64;
        let last = page.events.last().map(|event| event.position);
        if last.is_some_and(|last| last != GlobalPosition(events)) {
            return Err(Failure::new(format!("event {events} of the log is not at its position")));
        }
        if page.end {
            return Ok(events);
        }
        after = page.next;
    }
}
