//! Cost per append while the log grows from a thousand to a million events: flat, or not.
//!
//! In rounds, each with one part at every length, short and long one after the other: a machine that is
//! slower for a while is slower for both, and a single flush or compaction does not decide. Only the log
//! that is measured is open, so that each pays for its own compactions.

use std::path::PathBuf;

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
/// The last cost over the first of the same round, median of the rounds. A store that grows pays for compaction now and then: raw RocksDB itself
/// goes from 1.0 to 1.3 on such a machine. Anything that searches the log would be far beyond this.
const GROWTH_MAX: f64 = 1.5;

/// Measures and prints.
pub(crate) async fn run(args: StorageArgs) -> Result<(), Failure> {
    let lengths = LENGTHS.into_iter().filter(|length| *length <= args.profile.growth_events());
    let lengths = lengths.map(|events| Length::new(&args, events));
    let mut lengths = lengths.collect::<Result<Vec<_>, _>>()?;
    for _ in 0..ROUNDS {
        for length in &mut lengths {
            length.measure().await?;
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

/// A log of one length, and what an append to it has cost in each round.
struct Length {
    events: u64,
    dir: PathBuf,
    workload: Workload,
    costs_us: Vec<f64>,
}

impl Length {
    fn new(args: &StorageArgs, events: u64) -> Result<Self, Failure> {
        let dir = empty_dir(&args.data_dir, &format!("growth-{events}"))?;
        Ok(Self { events, dir, workload: Workload::new()?, costs_us: Vec::new() })
    }

    async fn measure(&mut self) -> Result<(), Failure> {
        let ours = open::ours(&self.dir).await?;
        fill(&ours, &mut self.workload, self.events).await?;
        let log = ours.clone();
        let append = move |request| {
            let log = log.clone();
            async move { log.append(request).await.map(drop).context("appending") }
        };
        let timed = contest::by_tasks(self.workload.next(WRITERS, PART)?, append).await?;
        self.costs_us.push(1e6 / timed.per_second);
        ours.close().await;
        drop(ours);
        if self.events < KEPT {
            std::fs::remove_dir_all(&self.dir).context(format!("emptying {}", self.dir.display()))?;
            self.workload = Workload::new()?;
        }
        Ok(())
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
