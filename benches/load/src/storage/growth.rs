//! Cost per append while the log grows from a thousand to a million events: flat, or not.
//!
//! In rounds, each with one part at every length, short and long one after the other: a machine that is
//! slower for a while is slower for both, and a single flush or compaction does not decide. The logs stay
//! open, so that each has in memory what it has while it serves.

use std::path::Path;

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
const ROUNDS: usize = 9;
/// A log of this length is kept from round to round, what a part adds is little beside it; a shorter one is
/// made anew.
const KEPT: u64 = 100_000;
/// Events of one wide append.
const WIDE: usize = 100;
/// The last cost over the first of the same round, median of the rounds. A store that grows pays for
/// compaction now and then: raw RocksDB itself goes from 1.0 to 1.3 on such a machine. Anything that
/// searches the log would be far beyond this.
const GROWTH_MAX: f64 = 1.5;

/// Measures and prints.
pub(crate) async fn run(args: StorageArgs) -> Result<(), Failure> {
    let mut lengths = Vec::new();
    for events in LENGTHS.into_iter().filter(|length| *length <= args.profile.growth_events()) {
        let filled = Filled::new(&args.data_dir, events, 0).await?;
        lengths.push(Length { events, filled, costs_us: Vec::new() });
    }
    for _ in 0..ROUNDS {
        for length in &mut lengths {
            length.measure(&args.data_dir).await?;
        }
    }
    for Length { events, costs_us, .. } in &lengths {
        println!("{}", Row::Growth(GrowthRow { events: *events, append_us: median(costs_us) }));
    }
    let ends = lengths.first().zip(lengths.last());
    let (first, last) = ends.ok_or_else(|| Failure::new("no length was measured"))?;
    let grown: Vec<_> =
        last.costs_us.iter().zip(&first.costs_us).map(|(last, first)| last / first).collect();
    println!("{}", Bar::new("append_growth", median(&grown), "x", Bound::AtMost(GROWTH_MAX)));
    Ok(())
}

/// A length, and what an append to a log of it has cost in each round.
struct Length {
    events: u64,
    filled: Filled,
    costs_us: Vec<f64>,
}

impl Length {
    async fn measure(&mut self, data_dir: &Path) -> Result<(), Failure> {
        if self.events < KEPT && !self.costs_us.is_empty() {
            self.filled.log.close().await;
            self.filled = Filled::new(data_dir, self.events, self.costs_us.len()).await?;
        }
        let log = self.filled.log.clone();
        let append = move |request| {
            let log = log.clone();
            async move { log.append(request).await.map(drop).context("appending") }
        };
        let appends = self.filled.workload.next(WRITERS, PART)?;
        let timed = contest::by_tasks(appends, append).await?;
        self.costs_us.push(1e6 / timed.per_second);
        Ok(())
    }
}

/// An open log, and what can be appended to it next.
struct Filled {
    log: EmbeddedLog,
    workload: Workload,
}

impl Filled {
    async fn new(data_dir: &Path, events: u64, round: usize) -> Result<Self, Failure> {
        let dir = empty_dir(data_dir, &format!("growth-{events}-{round}"))?;
        let (log, mut workload) = (open::ours(&dir).await?, Workload::new()?);
        fill(&log, &mut workload, events).await?;
        Ok(Self { log, workload })
    }
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
