//! A log that a test can make slow for one node, or take away from it: what it reads and what it is answered
//! comes late or not at all.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;
use sagaline_storage::clock::SystemClock;
use sagaline_storage::memory::MemoryKv;
use sagaline_storage::{
    AllPage, AllQuery, AppendError, AppendRequest, Appended, Claim, ClaimHolder, Direction, Epoch,
    EventStore, GlobalPosition, Log, RecordedEvent, Shard, StorageError, StreamId, StreamVersion,
};
use tokio::sync::watch;

/// One node's way to the log.
#[derive(Clone)]
pub(crate) struct NodeLog {
    log: Log<MemoryKv, SystemClock>,
    reads: Gate,
    appends: Gate,
    failures: Arc<AtomicUsize>,
    on_its_way: Arc<Mutex<Held>>,
}

/// What becomes of the next append.
#[derive(Default)]
enum Held {
    #[default]
    Nothing,
    TheNext,
    This(AppendRequest),
}

/// What is under way waits here while it is closed.
#[derive(Clone)]
pub(crate) struct Gate(Arc<watch::Sender<Passing>>);

#[derive(Clone, Copy, Default)]
struct Passing {
    closed: bool,
    waiting: usize,
}

impl Gate {
    fn open_one() -> Self {
        Self(Arc::new(watch::Sender::new(Passing::default())))
    }

    pub(crate) fn close(&self) {
        self.0.send_modify(|passing| passing.closed = true);
    }

    pub(crate) fn open(&self) {
        self.0.send_modify(|passing| passing.closed = false);
    }

    /// How many wait.
    pub(crate) fn waiting(&self) -> usize {
        self.0.borrow().waiting
    }

    async fn pass(&self) {
        self.0.send_modify(|passing| passing.waiting += 1);
        // The sender is in scope.
        let _open = self.0.subscribe().wait_for(|passing| !passing.closed).await.is_ok();
        self.0.send_modify(|passing| passing.waiting -= 1);
    }
}

impl NodeLog {
    pub(crate) fn new(log: Log<MemoryKv, SystemClock>) -> Self {
        let (reads, appends) = (Gate::open_one(), Gate::open_one());
        Self { log, reads, appends, failures: Arc::default(), on_its_way: Arc::default() }
    }

    /// So many of the next reads of a stream fail.
    pub(crate) fn fail_reads(&self, times: usize) {
        self.failures.store(times, Ordering::SeqCst);
    }

    /// How many of them are still to come.
    pub(crate) fn failures_left(&self) -> usize {
        self.failures.load(Ordering::SeqCst)
    }

    /// The next append gets lost, as far as its caller can see: it is on its way until it arrives.
    pub(crate) fn hold_the_next_append(&self) {
        *self.on_its_way.lock() = Held::TheNext;
    }

    /// It arrives, and nobody waits for what comes of it. None: there was no such append.
    pub(crate) async fn arrive(&self) -> Option<Result<Appended, AppendError>> {
        let held = std::mem::take(&mut *self.on_its_way.lock());
        let Held::This(request) = held else { return None };
        Some(self.log.append(request).await)
    }

    /// Before a stream is read.
    pub(crate) fn reads(&self) -> &Gate {
        &self.reads
    }

    /// Behind an append that is made, before its answer.
    pub(crate) fn appends(&self) -> &Gate {
        &self.appends
    }
}

impl EventStore for NodeLog {
    async fn append(&self, request: AppendRequest) -> Result<Appended, AppendError> {
        if let held @ Held::TheNext = &mut *self.on_its_way.lock() {
            *held = Held::This(request);
            let lost = StorageError::unavailable("the connection broke");
            return Err(AppendError::OutcomeUnknown(lost));
        }
        let appended = self.log.append(request).await;
        self.appends.pass().await;
        appended
    }

    async fn read_stream(
        &self,
        stream: &StreamId,
        from: StreamVersion,
        direction: Direction,
        limit: usize,
    ) -> Result<Vec<RecordedEvent>, StorageError> {
        self.reads.pass().await;
        let one_less = |left: usize| left.checked_sub(1);
        if self.failures.fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_less).is_ok() {
            return Err(StorageError::unavailable("the store is away"));
        }
        self.log.read_stream(stream, from, direction, limit).await
    }

    async fn read_all(&self, query: AllQuery) -> Result<AllPage, StorageError> {
        self.log.read_all(query).await
    }

    async fn head(&self) -> Result<GlobalPosition, StorageError> {
        self.log.head().await
    }

    async fn await_after(&self, position: GlobalPosition) {
        self.log.await_after(position).await;
    }

    async fn claim_holder(&self, claim: &Claim) -> Result<Option<ClaimHolder>, StorageError> {
        self.log.claim_holder(claim).await
    }

    async fn claims(
        &self,
        kind: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<ClaimHolder>, StorageError> {
        self.log.claims(kind, after, limit).await
    }

    async fn epoch(&self, shard: Shard) -> Result<Epoch, StorageError> {
        self.log.epoch(shard).await
    }

    async fn raise_epochs(&self, shards: &[Shard]) -> Result<Vec<Epoch>, StorageError> {
        self.log.raise_epochs(shards).await
    }
}
