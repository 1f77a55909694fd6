//! What the store says, and what its faults make of it.

use std::collections::BTreeSet;
use std::time::Duration;

use parking_lot::Mutex;
use sagaline_storage::views::{ViewBatch, ViewError, ViewStore};
use sagaline_storage::{
    AllQuery, AppendError, AppendId, AppendRequest, Clock, Direction, ErrorKind, EventStore,
    GlobalPosition, RecordedEvent, Shard, StorageError, StreamId, StreamVersion,
};

use super::kept::Kept;
use super::protocol::StoreRequest;
use super::{StoreLog, StoreViews};
use crate::fault::{CrashPoint, Fault, FaultKind};
use crate::machine::Machine;
use crate::services::dice::Dice;
use crate::services::power::Power;
use crate::services::rpc::{Answer, Caller, Service};
use crate::services::within::within;
use crate::world::{MachineClock, MachineEntropy, World};

/// A question that waits for something new is answered by then: below the asker's own bound.
const POLL: Duration = Duration::from_secs(2);

/// The open store, and what is to go wrong with it.
pub(super) struct Answers {
    world: World,
    power: Power,
    clock: MachineClock,
    dice: Dice<MachineEntropy>,
    log: StoreLog,
    views: StoreViews,
    kept: Kept,
    /// Appends that were made and whose answers were kept back.
    unanswered: Mutex<BTreeSet<AppendId>>,
}

impl Answers {
    pub(super) fn new(
        world: World,
        power: Power,
        dice: Dice<MachineEntropy>,
        (log, views): (StoreLog, StoreViews),
        kept: Kept,
    ) -> Self {
        let clock = world.clock(Machine::Store);
        Self { world, power, clock, dice, log, views, kept, unanswered: Mutex::default() }
    }

    async fn slow(&self) {
        let added = self.world.active(|fault| match fault {
            Fault::StoreSlow { added_ms } => Some(*added_ms),
            _ => None,
        });
        if let Some(added_ms) = added {
            self.world.bites.bit(FaultKind::StoreSlow);
            self.clock.sleep(Duration::from_millis(added_ms)).await;
        }
    }

    /// What a request is told that is not looked at, when such an episode is on.
    fn refuse(&self, request: &StoreRequest) -> Option<Answer> {
        let refused = self.world.active(|fault| match fault {
            Fault::StoreRefuses { percent } => Some(*percent),
            _ => None,
        });
        if !self.dice.percent(refused) {
            return None;
        }
        self.world.bites.bit(FaultKind::StoreRefuses);
        let error = StorageError::unavailable("the store has no connection free");
        Some(match request {
            StoreRequest::Append(_) => Answer::of(&Err::<(), _>(AppendError::Unavailable(error))),
            StoreRequest::Commit(_) => Answer::of(&Err::<(), _>(ViewError::Storage(error))),
            _ => Answer::of(&Err::<(), _>(error)),
        })
    }

    async fn append(&self, request: AppendRequest) -> Answer {
        let id = request.append_id;
        if self.unanswered.lock().remove(&id) {
            self.world.bites.bit(FaultKind::StoreAmbiguousCommit);
        }
        let is_first = self.kept.asked(id);
        let answer = self.log.append(request).await;
        let head = GlobalPosition(self.log.stats().events);
        self.kept.answered((id, is_first), &answer, head);
        match &answer {
            Ok(_) => {
                self.world.pass(Machine::Store, CrashPoint::AppendDurable).await;
                if self.dice.percent(self.ambiguous()) {
                    self.unanswered.lock().insert(id);
                    return Answer::Cut;
                }
            }
            Err(AppendError::OutcomeUnknown(error) | AppendError::Unavailable(error)) => {
                return self.failed(error, &answer);
            }
            Err(_) => {}
        }
        Answer::of(&answer)
    }

    fn ambiguous(&self) -> Option<u64> {
        self.world.active(|fault| match fault {
            Fault::StoreAmbiguousCommit { percent } => Some(*percent),
            _ => None,
        })
    }

    async fn raise(&self, shards: &[Shard]) -> Answer {
        let answer = self.log.raise_epochs(shards).await;
        match &answer {
            Ok(_) => {
                self.kept.done("a raise of epochs");
                Answer::of(&answer)
            }
            Err(error) => self.failed(error, &answer),
        }
    }

    /// A log that writes no more is of no use: the process ends, and with it what it would have said.
    fn failed(&self, error: &StorageError, answer: &impl serde::Serialize) -> Answer {
        if error.kind != ErrorKind::Closed && self.log.stopped().is_none() {
            return Answer::of(answer);
        }
        self.power.cycle(Machine::Store);
        Answer::Cut
    }

    /// The nodes outlive the store: a commit that it could lose again would be missing until the next
    /// event, since whoever made it believes it made.
    async fn commit(&self, batch: ViewBatch) -> Result<(), ViewError> {
        let swap = self.kept.swap(&batch, &self.views).await;
        self.views.commit(batch).await?;
        self.kept.swapped(swap, &self.views).await;
        Ok(self.views.flush().await?)
    }

    async fn clear(&self, view: &str, subscription: Option<&str>) -> Result<(), StorageError> {
        self.views.clear(view, subscription).await?;
        self.views.flush().await
    }

    async fn head_behind(&self, position: GlobalPosition) -> Answer {
        // Whether it came or the time passed is for the head to say.
        if within(&self.clock, POLL, self.log.await_after(position)).await.is_none() {
            self.kept.not_woken(position, GlobalPosition(self.log.stats().events));
        }
        self.head().await
    }

    async fn head(&self) -> Answer {
        let head = self.log.head().await;
        if let Ok(head) = &head {
            self.kept.told("a head", *head);
        }
        Answer::of(&head)
    }

    async fn read_stream(
        &self,
        stream: &StreamId,
        (from, direction): (StreamVersion, Direction),
        limit: usize,
    ) -> Answer {
        let events = self.log.read_stream(stream, from, direction, limit).await;
        self.read("a read of a stream", events.as_deref().unwrap_or_default());
        Answer::of(&events)
    }

    async fn read_all(&self, query: AllQuery) -> Answer {
        let page = self.log.read_all(query).await;
        if let Ok(page) = &page {
            self.read("a read of the log", &page.events);
        }
        Answer::of(&page)
    }

    fn read(&self, what: &str, events: &[RecordedEvent]) {
        if let Some(last) = events.iter().map(|event| event.position).max() {
            self.kept.told(what, last);
        }
    }
}

impl Service for Answers {
    type Request = StoreRequest;

    async fn answer(&self, request: StoreRequest, _: Caller) -> Answer {
        self.slow().await;
        if let Some(refused) = self.refuse(&request) {
            return refused;
        }
        let (log, views) = (&self.log, &self.views);
        match request {
            StoreRequest::Append(request) => self.append(request).await,
            StoreRequest::RaiseEpochs(shards) => self.raise(&shards).await,
            StoreRequest::ReadStream { stream, from, direction, limit } => {
                self.read_stream(&stream, (from, direction), limit).await
            }
            StoreRequest::ReadAll(query) => self.read_all(query).await,
            StoreRequest::Head => self.head().await,
            StoreRequest::AwaitAfter(position) => self.head_behind(position).await,
            StoreRequest::ClaimHolder(claim) => Answer::of(&log.claim_holder(&claim).await),
            StoreRequest::Claims { kind, after, limit } => {
                Answer::of(&log.claims(&kind, after.as_deref(), limit).await)
            }
            StoreRequest::Epoch(shard) => Answer::of(&log.epoch(shard).await),
            StoreRequest::Commit(batch) => Answer::of(&self.commit(batch).await),
            StoreRequest::Get { view, key } => Answer::of(&views.get(&view, &key).await),
            StoreRequest::Query(query) => Answer::of(&views.query(query).await),
            StoreRequest::Scan { view, after, limit } => {
                Answer::of(&views.scan(&view, after, limit).await)
            }
            StoreRequest::Count { view, index, partition } => {
                Answer::of(&views.count(&view, &index, &partition).await)
            }
            StoreRequest::Checkpoint(subscription) => {
                Answer::of(&views.checkpoint(&subscription).await)
            }
            StoreRequest::Clear { view, subscription } => {
                Answer::of(&self.clear(&view, subscription.as_deref()).await)
            }
            StoreRequest::Flush => Answer::of(&views.flush().await),
        }
    }
}
