//! The log, asked over the network. Every append and read is witnessed, by the world's own clock.

use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::Mutex;
use sagaline::engine::SAGA_CATEGORY;
use sagaline_storage::{
    AllPage, AllQuery, AppendError, AppendRequest, Appended, Claim, ClaimHolder, Clock, Direction,
    Epoch, EventStore, Filter, GlobalPosition, RecordedEvent, Shard, StorageError, StreamId,
    StreamVersion,
};
use serde::de::DeserializeOwned;
use tokio::sync::watch;

use super::unavailable;
use crate::evidence::{ShardChange, StoreWhat};
use crate::fault::{CrashPoint, Fault};
use crate::machine::Machine;
use crate::services::rpc::{Lost, RpcClient};
use crate::services::store::protocol::StoreRequest;
use crate::services::turn::give_turn;
use crate::services::witness::{OpenCall, Witness};
use crate::services::witnessed;
use crate::world::World;

/// Between two questions for the head when the store does not answer.
const HEAD_PAUSE: Duration = Duration::from_millis(100);

/// Turns in which a request certainly leaves.
const TURNS: usize = 16;

/// [`EventStore`] on the store machine. An append whose answer is lost ends as
/// [`AppendError::OutcomeUnknown`]; one that never left as [`AppendError::Unavailable`].
#[derive(Clone)]
pub struct RemoteEvents {
    shared: Arc<Shared>,
}

struct Shared {
    store: RpcClient<StoreRequest>,
    machine: Machine,
    world: World,
    witness: Witness,
    /// The newest head this machine has heard of.
    head: watch::Sender<GlobalPosition>,
    /// Whether somebody asks for the head all the time: once for all who wait.
    follows_head: Mutex<bool>,
}

impl RemoteEvents {
    pub(crate) fn new(
        world: &World,
        witness: &Witness,
        machine: Machine,
        store: RpcClient<StoreRequest>,
    ) -> Self {
        let (world, witness) = (world.clone(), witness.clone());
        let head = watch::Sender::new(GlobalPosition::START);
        let follows_head = Mutex::new(false);
        let shared = Shared { store, machine, world, witness, head, follows_head };
        Self { shared: Arc::new(shared) }
    }

    async fn ask<T: DeserializeOwned>(&self, request: StoreRequest) -> Result<T, StorageError> {
        self.shared.store.ask::<Result<T, StorageError>>(&request).await.map_err(unavailable)?
    }

    /// Sends an append; the machine may be made to crash while it is on its way.
    async fn send(&self, request: AppendRequest) -> Result<Appended, AppendError> {
        let request = StoreRequest::Append(request);
        let mut asking = std::pin::pin!(self.shared.store.ask(&request));
        let mut sent = std::pin::pin!(self.crash_behind_the_request());
        let answer: Result<Result<Appended, AppendError>, Lost> = tokio::select! {
            biased;
            answer = &mut asking => answer,
            () = &mut sent => asking.await,
        };
        match answer {
            Ok(answer) => answer,
            Err(lost @ Lost::Unsent(_)) => Err(AppendError::Unavailable(unavailable(lost))),
            Err(lost @ Lost::Unknown(_)) => Err(AppendError::OutcomeUnknown(unavailable(lost))),
        }
    }

    /// Gives the connection some turns first, so that the request has left by then.
    async fn crash_behind_the_request(&self) {
        let (world, machine) = (&self.shared.world, self.shared.machine);
        let waits = |fault: &Fault| {
            let wanted = Fault::CrashAt { machine, point: CrashPoint::AppendSent };
            (*fault == wanted).then_some(())
        };
        if world.active(waits).is_none() {
            return;
        }
        for _ in 0..TURNS {
            give_turn().await;
        }
        world.pass(machine, CrashPoint::AppendSent).await;
    }

    fn read_begins(&self, what: StoreWhat) -> OpenCall {
        self.shared.witness.store_asked(self.shared.machine, self.shared.world.now_us(), what)
    }

    fn read_ended(&self, call: OpenCall, came: Option<Vec<(u64, String)>>) {
        self.shared.witness.read_ended(call, self.shared.world.now_us(), came);
    }

    fn follow_head(&self) {
        let mut follows = self.shared.follows_head.lock();
        if !*follows {
            *follows = true;
            tokio::spawn(follow_head(Arc::downgrade(&self.shared)));
        }
    }
}

impl Shared {
    fn heard(&self, head: GlobalPosition) {
        self.head.send_if_modified(|known| {
            let is_newer = *known < head;
            *known = head.max(*known);
            is_newer
        });
    }
}

/// Asks for the head until nobody has the store any more.
async fn follow_head(of: Weak<Shared>) {
    while let Some(shared) = of.upgrade() {
        let known = *shared.head.borrow();
        let asked = shared.store.ask(&StoreRequest::AwaitAfter(known)).await;
        match asked.map(|head: Result<GlobalPosition, StorageError>| head) {
            Ok(Ok(head)) => shared.heard(head),
            Ok(Err(_)) | Err(_) => {
                shared.world.clock(shared.machine).sleep(HEAD_PAUSE).await;
            }
        }
    }
}

/// The correlation id of the saga that an append is about; nothing when it is about none.
fn life(request: &AppendRequest) -> &str {
    let of_saga = request.writes.iter().find(|write| write.stream.category() == SAGA_CATEGORY);
    let event = of_saga.and_then(|write| write.events.first());
    event.map_or("", |event| event.correlation_id.as_str())
}

impl EventStore for RemoteEvents {
    async fn append(&self, request: AppendRequest) -> Result<Appended, AppendError> {
        let Shared { witness, world, machine, .. } = &*self.shared;
        let life = life(&request).to_owned();
        world.live_on(*machine, &life).await;
        let call = witness.store_asked(*machine, world.now_us(), witnessed::append(&request));
        let answer = self.send(request).await;
        witness.append_ended(call, world.now_us(), witnessed::append_result(&answer));
        if let Ok(appended) = &answer {
            self.shared.heard(appended.position);
        }
        world.live_on(*machine, &life).await;
        answer
    }

    async fn read_stream(
        &self,
        stream: &StreamId,
        from: StreamVersion,
        direction: Direction,
        limit: usize,
    ) -> Result<Vec<RecordedEvent>, StorageError> {
        let what = StoreWhat::ReadStream {
            stream: stream.as_str().to_owned(),
            from: from.0,
            backward: direction == Direction::Backward,
            limit,
            events: None,
        };
        let call = self.read_begins(what);
        let request = StoreRequest::ReadStream { stream: stream.clone(), from, direction, limit };
        let answer = self.ask(request).await;
        self.read_ended(call, answer.as_deref().ok().map(witnessed::versions));
        answer
    }

    async fn read_all(&self, query: AllQuery) -> Result<AllPage, StorageError> {
        let is_whole = query.direction == Direction::Forward && query.filter == Filter::ALL;
        let what = StoreWhat::ReadAll { after: query.from.0, events: None };
        let call = is_whole.then(|| self.read_begins(what));
        let answer: Result<AllPage, _> = self.ask(StoreRequest::ReadAll(query)).await;
        if let Some(call) = call {
            let events = answer.as_ref().ok().map(|page| witnessed::positions(&page.events));
            self.read_ended(call, events);
        }
        answer
    }

    async fn head(&self) -> Result<GlobalPosition, StorageError> {
        self.ask(StoreRequest::Head).await
    }

    async fn await_after(&self, position: GlobalPosition) {
        self.follow_head();
        let mut head = self.shared.head.subscribe();
        // The sender is in `self`: waiting cannot fail.
        let _ = head.wait_for(|head| *head > position).await;
    }

    async fn claim_holder(&self, claim: &Claim) -> Result<Option<ClaimHolder>, StorageError> {
        self.ask(StoreRequest::ClaimHolder(claim.clone())).await
    }

    async fn claims(
        &self,
        kind: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<ClaimHolder>, StorageError> {
        let (kind, after) = (kind.into(), after.map(Arc::from));
        self.ask(StoreRequest::Claims { kind, after, limit }).await
    }

    async fn epoch(&self, shard: Shard) -> Result<Epoch, StorageError> {
        self.ask(StoreRequest::Epoch(shard)).await
    }

    async fn raise_epochs(&self, shards: &[Shard]) -> Result<Vec<Epoch>, StorageError> {
        let epochs: Vec<Epoch> = self.ask(StoreRequest::RaiseEpochs(shards.to_vec())).await?;
        let (at_us, node) = (self.shared.world.now_us(), self.shared.machine);
        for (shard, epoch) in shards.iter().zip(&epochs) {
            let (shard, epoch) = (shard.0, epoch.0);
            self.shared.witness.shard(ShardChange { at_us, node, shard, epoch, taken: true });
        }
        Ok(epochs)
    }
}
