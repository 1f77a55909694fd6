//! Cost per append while the log grows from a thousand to a million events: flat, or not.
//!
//! The cost at a length is the median over parts of the next appends, so that a single flush or
//! compaction does not decide. In between the log is filled by wide appends.

use sagaline_storage::EventStore;

use crate::bar::{Bar, Bound};
use crate::failure::{Context, Failure};
use crate::report::row::{GrowthRow, Row};
use crate::run::profile::empty_dir;
use crate::samples::median;
use crate::storage::StorageArgs;
use crate::storage::contest;
use crate::storage::open::{self, EmbeddedLog};
use crate::storage::workload::Workload;

/// Lengths at which the cost is taken, as far as the profile goes.
const LENGTHS: [u64; 4] = [1_000, 10_000, 100_000, 1_000_000];
const WRITERS: usize = 64;
/// Appends of one part; the cost of a part is a mean over them.
const PART: usize = 2_000;
const PARTS: usize = 9;
/// Events of one wide append.
const WIDE: usize = 100;
/// The last cost over the first. A store that grows pays for compaction now and then: raw RocksDB itself
/// goes from 1.0 to 1.3 on such a machine. Anything that searches the log would be far beyond this.
const GROWTH_MAX: f64 = 1.5;

/// Measures and prints.
pub(crate) async fn run(args: StorageArgs) -> Result<(), Failure> {
    let ours = open::ours(&empty_dir(&args.data_dir, "growth")?).await?;
    let mut workload = Workload::new()?;
    let mut costs = Vec::new();
    for events in LENGTHS.into_iter().filter(|length| *length <= args.profile.growth_events()) {
        fill(&ours, &mut workload, events).await?;
        let append_us = cost_us(&ours, &mut workload).await?;
        println!("{}", Row::Growth(GrowthRow { events, append_us }));
        costs.push(append_us);
    }
    let (first, last) = (costs.first().copied(), costs.last().copied());
    let grown = last.zip(first).map(|(last, first)| last / first);
    let grown = grown.ok_or_else(|| Failure::new("no length was measured"))?;
    println!("{}", Bar::new("append_growth", grown, "x", Bound::AtMost(GROWTH_MAX)));
    ours.close().await;
    Ok(())
}

/// Appends until the log holds about `events` events.
pub(super) async fn fill(
    ours: &EmbeddedLog,
    workload: &mut Workload,
    events: u64,
) -> Result<(), Failure> {
    let head = ours.head().await.context("the log's head")?.0;
    for _ in 0..events.saturating_sub(head).div_ceil(WIDE as u64) {
        ours.append(workload.wide(WIDE)?).await.context("filling the log")?;
    }
    Ok(())
}

async fn cost_us(ours: &EmbeddedLog, workload: &mut Workload) -> Result<f64, Failure> {
    let mut costs = Vec::new();
    for _ in 0..PARTS {
        let log = ours.clone();
        let append = move |request| {
            let log = log.clone();
            async move { log.append(request).await.map(drop).context("appending") }
        };
        let timed = contest::by_tasks(workload.next(WRITERS, PART)?, append).await?;
        costs.push(1e6 / timed.per_second);
    }
    Ok(median(&costs))
}
