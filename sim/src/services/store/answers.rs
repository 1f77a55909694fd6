//! What the store says, and what its faults make of it.

use std::collections::BTreeSet;
use std::time::Duration;

use parking_lot::Mutex;
use sagaline_storage::views::{ViewBatch, ViewError, ViewStore};
use sagaline_storage::{
    AppendError, AppendId, AppendRequest, Clock, ErrorKind, EventStore, GlobalPosition, Shard,
    StorageError,
};

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
    /// Appends that were made and whose answers were kept back.
    unanswered: Mutex<BTreeSet<AppendId>>,
}

impl Answers {
    pub(super) fn new(
        world: World,
        power: Power,
        dice: Dice<MachineEntropy>,
        log: StoreLog,
        views: StoreViews,
    ) -> Self {
        let clock = world.clock(Machine::Store);
        Self { world, power, clock, dice, log, views, unanswered: Mutex::default() }
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

    async fn append(&self, request: AppendRequest) -> Answer {
        let id = request.append_id;
        if self.unanswered.lock().remove(&id) {
            self.world.bites.bit(FaultKind::StoreAmbiguousCommit);
        }
        let answer = self.log.append(request).await;
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
            Ok(_) => Answer::of(&answer),
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
        self.views.commit(batch).await?;
        Ok(self.views.flush().await?)
    }

    async fn clear(&self, view: &str, subscription: Option<&str>) -> Result<(), StorageError> {
        self.views.clear(view, subscription).await?;
        self.views.flush().await
    }

    async fn head_behind(&self, position: GlobalPosition) -> Answer {
        // Whether it came or the time passed is for the head to say.
        let _ = within(&self.clock, POLL, self.log.await_after(position)).await;
        Answer::of(&self.log.head().await)
    }
}

impl Service for Answers {
    type Request = StoreRequest;

    async fn answer(&self, request: StoreRequest, _: Caller) -> Answer {
        self.slow().await;
        let (log, views) = (&self.log, &self.views);
        match request {
            StoreRequest::Append(request) => self.append(request).await,
            StoreRequest::RaiseEpochs(shards) => self.raise(&shards).await,
            StoreRequest::ReadStream { stream, from, direction, limit } => {
                Answer::of(&log.read_stream(&stream, from, direction, limit).await)
            }
            StoreRequest::ReadAll(query) => Answer::of(&log.read_all(query).await),
            StoreRequest::Head => Answer::of(&log.head().await),
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
