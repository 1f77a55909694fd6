//! One appender that writes everything that waits as one synced batch: group commit by hand.
//!
//! A task that blocks in the write: no thread is handed over to when nobody else writes.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::{mpsc, oneshot};

use crate::failure::Failure;
use crate::raw::store::{Put, RawStore};

/// Most appends in one batch.
const APPENDS_MAX: usize = 1_024;

/// A way to the appender. It ends when the last way to it is dropped.
#[derive(Clone)]
pub(crate) struct Gather {
    queue: mpsc::Sender<Waiting>,
    counts: Arc<Counts>,
}

#[derive(Default)]
struct Counts {
    appends: AtomicU64,
    batches: AtomicU64,
}

struct Waiting {
    puts: Vec<Put>,
    done: oneshot::Sender<Result<(), String>>,
}

impl Gather {
    /// Starts the appender over `store`; every batch holds `per_batch` too.
    pub(crate) fn start(store: Arc<RawStore>, per_batch: Vec<Put>) -> Self {
        let (queue, waiting) = mpsc::channel(4 * APPENDS_MAX);
        let counts = Arc::new(Counts::default());
        tokio::spawn(append_what_waits(store, per_batch, waiting, counts.clone()));
        Self { queue, counts }
    }

    /// After `Ok` the puts are durable.
    pub(crate) async fn append(&self, puts: Vec<Put>) -> Result<(), Failure> {
        let (done, written) = oneshot::channel();
        let gone = || Failure::new("the appender is gone");
        self.queue.send(Waiting { puts, done }).await.map_err(|_| gone())?;
        written.await.map_err(|_| gone())?.map_err(Failure::new)
    }

    /// Appends and batches so far: a batch is one sync.
    pub(crate) fn counts(&self) -> (u64, u64) {
        let Counts { appends, batches } = &*self.counts;
        (appends.load(Ordering::Relaxed), batches.load(Ordering::Relaxed))
    }
}

async fn append_what_waits(
    store: Arc<RawStore>,
    per_batch: Vec<Put>,
    mut queue: mpsc::Receiver<Waiting>,
    counts: Arc<Counts>,
) {
    let mut batch = Vec::with_capacity(APPENDS_MAX);
    while queue.recv_many(&mut batch, APPENDS_MAX).await > 0 {
        let waiting = batch.iter().map(|waiting: &Waiting| waiting.puts.as_slice());
        let written = store.write(waiting.chain([per_batch.as_slice()]));
        let written = written.map_err(|cause| cause.to_string());
        counts.appends.fetch_add(batch.len() as u64, Ordering::Relaxed);
        counts.batches.fetch_add(1, Ordering::Relaxed);
        for waiting in batch.drain(..) {
            // Whoever no longer waits does not need the answer.
            waiting.done.send(written.clone()).ok();
        }
        // Those who were answered run now and can be part of the next batch, instead of after it.
        tokio::task::yield_now().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_together_is_synced_together() {
        let dir = tempfile::tempdir().expect("a folder");
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let (appends, batches) = runtime.block_on(async {
            let store = RawStore::open(dir.path(), &["events"]).expect("opens");
            let gather = Gather::start(Arc::new(store), Vec::new());
            let append = |key: u8| {
                gather.append(vec![Put { column: 0, key: vec![key], value: Some(vec![key]) }])
            };
            let (first, second, third) = tokio::join!(append(1), append(2), append(3));
            first.and(second).and(third).expect("written");
            gather.counts()
        });
        assert_eq!((appends, batches), (3, 1));
    }
}
