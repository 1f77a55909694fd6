//! Writers that append their own lists, all at once, and the time it takes them.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use sagaline_storage::clock::{Clock, SystemClock};

use crate::failure::{Context, Failure};
use crate::raw::store::{Put, RawStore};
use crate::samples::{Quantiles, Samples};
use crate::usage;

/// What one way of appending did in one round.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Timed {
    /// Appends a second, all writers together.
    pub(crate) per_second: f64,
    /// From handing an append over to its answer.
    pub(crate) latency: Quantiles,
    /// CPU time an append, of the whole process.
    pub(crate) cpu_us_each: f64,
}

/// One task per writer; each hands over its next append when the one before is answered.
pub(crate) async fn by_tasks<T, A, F>(lists: Vec<Vec<T>>, append: A) -> Result<Timed, Failure>
where
    T: Send + 'static,
    A: Fn(T) -> F + Clone + Send + 'static,
    F: Future<Output = Result<(), Failure>> + Send,
{
    let start = Start::now()?;
    let clock = start.clock;
    let writers = lists.into_iter().map(|list| {
        let append = append.clone();
        tokio::spawn(async move {
            let mut samples = Samples::with_capacity(list.len());
            for item in list {
                let before = clock.monotonic();
                append(item).await?;
                samples.record(clock.monotonic().saturating_sub(before));
            }
            Ok::<_, Failure>(samples)
        })
    });
    start.all(writers.collect()).await
}

/// One thread per writer; each writes and syncs batches of its own. RocksDB gathers them by itself.
pub(crate) async fn by_own_batches(
    lists: Vec<Vec<Vec<Put>>>,
    per_batch: Vec<Put>,
    store: Arc<RawStore>,
) -> Result<Timed, Failure> {
    let start = Start::now()?;
    let clock = start.clock;
    let per_batch = Arc::new(per_batch);
    let writers = lists.into_iter().map(|list| {
        let (store, per_batch) = (store.clone(), per_batch.clone());
        tokio::task::spawn_blocking(move || {
            let mut samples = Samples::with_capacity(list.len());
            for puts in list {
                let before = clock.monotonic();
                store.write([puts.as_slice(), per_batch.as_slice()])?;
                samples.record(clock.monotonic().saturating_sub(before));
            }
            Ok::<_, Failure>(samples)
        })
    });
    start.all(writers.collect()).await
}

type Writer = tokio::task::JoinHandle<Result<Samples, Failure>>;

/// When a way began.
struct Start {
    clock: SystemClock,
    cpu: Duration,
}

impl Start {
    fn now() -> Result<Self, Failure> {
        Ok(Self { cpu: usage::cpu_time(std::process::id())?, clock: SystemClock::default() })
    }

    /// Waits for all writers and says what they did.
    async fn all(self, writers: Vec<Writer>) -> Result<Timed, Failure> {
        let mut samples = Samples::default();
        for writer in writers {
            samples.absorb(writer.await.context("a writer stopped")??);
        }
        let appends = samples.len() as f64;
        let per_second = appends / self.clock.monotonic().as_secs_f64();
        let cpu = usage::cpu_time(std::process::id())?.saturating_sub(self.cpu);
        let cpu_us_each = cpu.as_secs_f64() * 1e6 / appends;
        Ok(Timed { per_second, latency: samples.quantiles(), cpu_us_each })
    }
}
