//! Our log beside raw RocksDB: the same appends, the same keys and bytes, every one synced.
//!
//! Raw in both ways: one gathering appender, and each writer its own batch; the better one is the bar.

use std::sync::Arc;

use clap::Args;
use sagaline_storage::EventStore;

use crate::bar::{Bar, Bound};
use crate::failure::{Context, Failure};
use crate::raw::gather::Gather;
use crate::raw::store::{Put, RawStore};
use crate::report::row::{AppendFigures, AppendRow, Row};
use crate::run::profile::{Profile, empty_dir};
use crate::samples::median;
use crate::storage::StorageArgs;
use crate::storage::contest::{self, Timed};
use crate::storage::open::{self, EmbeddedLog, RecordingLog};
use crate::storage::workload::Workload;

/// Concurrent writers, with the appends of one round of each way in the longest profile.
const WRITERS: [(usize, usize); 4] = [(1, 8_000), (16, 40_000), (64, 80_000), (256, 100_000)];

/// Writers at which the ratio has a bar; at the others it is only told.
const JUDGED: [usize; 2] = [1, 64];

/// Where and how long to measure, and with whom.
#[derive(Debug, Args)]
pub(crate) struct AppendArgs {
    #[command(flatten)]
    storage: StorageArgs,
    /// Only these numbers of writers, of 1, 16, 64 and 256.
    #[arg(long, value_delimiter = ',')]
    writers: Vec<usize>,
}

/// The three ways of one round.
struct Round {
    ours: Timed,
    gather: Timed,
    own: Timed,
}

/// Everything that stays open over the rounds: each way has a store of its own, growing alike.
struct Contest {
    workload: Workload,
    recording: RecordingLog,
    ours: EmbeddedLog,
    gather: Arc<RawStore>,
    own: Arc<RawStore>,
}

/// Measures and prints.
pub(crate) async fn run(args: AppendArgs) -> Result<(), Failure> {
    let AppendArgs { storage: args, writers: only } = args;
    let mut contest = Contest::open(&args).await?;
    for (writers, appends) in WRITERS {
        if !only.is_empty() && !only.contains(&writers) {
            continue;
        }
        let mut rounds = Vec::new();
        for number in 0..rounds_of(args.profile) {
            let round = contest.round(number, writers, args.profile.appends(appends)).await?;
            println!("{writers} writers, round {number}: {:.3}", round.ratio());
            rounds.push(round);
        }
        tell(writers, &rounds);
    }
    contest.ours.close().await;
    Ok(())
}

/// Rounds are short here, and syncs vary: more of them than for the loads.
fn rounds_of(profile: Profile) -> usize {
    match profile {
        Profile::Quick => 1,
        Profile::Standard | Profile::Full => 5,
    }
}

fn tell(writers: usize, rounds: &[Round]) {
    let of =
        |figure: &dyn Fn(&Round) -> f64| median(&rounds.iter().map(figure).collect::<Vec<_>>());
    let figures = |way: fn(&Round) -> &Timed| AppendFigures {
        per_second: of(&|round| way(round).per_second),
        p50_us: of(&|round| way(round).latency.p50_us),
        cpu_us_each: of(&|round| way(round).cpu_us_each),
    };
    let ratio = of(&Round::ratio);
    let row = Row::Append(AppendRow {
        writers,
        ours: figures(|round| &round.ours),
        gather: figures(|round| &round.gather),
        own: figures(|round| &round.own),
        ratio,
    });
    println!("{row}");
    if JUDGED.contains(&writers) {
        let name = format!("append_embedded_{writers}");
        println!("{}", Bar::new(name, ratio, "x", Bound::AtLeast(0.8)));
    }
}

impl Round {
    fn ratio(&self) -> f64 {
        self.ours.per_second / self.gather.per_second.max(self.own.per_second)
    }
}

impl Contest {
    async fn open(args: &StorageArgs) -> Result<Self, Failure> {
        let dir = |name| empty_dir(&args.data_dir, name);
        Ok(Self {
            workload: Workload::new()?,
            recording: RecordingLog::open().await?,
            ours: open::ours(&dir("append-ours")?).await?,
            gather: Arc::new(open::raw(&dir("append-gather")?)?),
            own: Arc::new(open::raw(&dir("append-own")?)?),
        })
    }

    /// One round of each way, in an order that changes from round to round.
    async fn round(
        &mut self,
        number: usize,
        writers: usize,
        appends: usize,
    ) -> Result<Round, Failure> {
        let requests = self.workload.next(writers, appends)?;
        let (puts, per_batch) = self.recording.record(&requests).await?;
        let (mut ours, mut gather, mut own) = (None, None, None);
        for way in 0..3 {
            match (number + way) % 3 {
                0 => ours = Some(self.ours(requests.clone()).await?),
                1 => gather = Some(self.gather(puts.clone(), per_batch.clone()).await?),
                _ => {
                    let (puts, per_batch) = (puts.clone(), per_batch.clone());
                    own = Some(contest::by_own_batches(puts, per_batch, self.own.clone()).await?);
                }
            }
        }
        let round =
            ours.zip(gather).zip(own).map(|((ours, gather), own)| Round { ours, gather, own });
        round.ok_or_else(|| Failure::new("a way was left out of the round"))
    }

    async fn ours(
        &self,
        requests: Vec<Vec<sagaline_storage::AppendRequest>>,
    ) -> Result<Timed, Failure> {
        let log = self.ours.clone();
        contest::by_tasks(requests, move |request| {
            let log = log.clone();
            async move { log.append(request).await.map(drop).context("appending") }
        })
        .await
    }

    async fn gather(
        &self,
        puts: Vec<Vec<Vec<Put>>>,
        per_batch: Vec<Put>,
    ) -> Result<Timed, Failure> {
        let gather = Gather::start(self.gather.clone(), per_batch);
        contest::by_tasks(puts, move |puts| {
            let gather = gather.clone();
            async move { gather.append(puts).await }
        })
        .await
    }
}
