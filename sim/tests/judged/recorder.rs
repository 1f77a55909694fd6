//! The ports of a node, with everything that passes through them written down as evidence.

use std::sync::Arc;

use parking_lot::Mutex;
use sagaline_sim::evidence::{
    AppendResult, BusEntry, BusWhat, Call, Expected, ShardChange, StoreCall, StoreWhat, Write,
};
use sagaline_sim::machine::Machine;
use sagaline_storage::bus::{Message, MessageBus};
use sagaline_storage::clock::SystemClock;
use sagaline_storage::{
    AllPage, AllQuery, AppendError, AppendRequest, Appended, Claim, ClaimChange, ClaimHolder,
    Clock, Direction, Epoch, EventStore, ExpectedVersion, GlobalPosition, RecordedEvent, Shard,
    StorageError, StreamId, StreamVersion,
};

/// What was seen.
#[derive(Default)]
pub(crate) struct Seen {
    pub(crate) calls: Vec<Call>,
    pub(crate) store_calls: Vec<StoreCall>,
    pub(crate) bus: Vec<BusEntry>,
    pub(crate) shards: Vec<ShardChange>,
}

/// Clones write the same record.
#[derive(Clone, Default)]
pub(crate) struct Recorder {
    pub(crate) seen: Arc<Mutex<Seen>>,
    clock: SystemClock,
}

impl Recorder {
    pub(crate) fn now_us(&self) -> u64 {
        u64::try_from(self.clock.monotonic().as_micros()).unwrap_or(u64::MAX)
    }

    fn store_call(&self, sent_at_us: u64, what: StoreWhat) {
        let ended_at_us = self.now_us();
        let call = StoreCall { by: Machine::Node1, sent_at_us, ended_at_us, what };
        self.seen.lock().store_calls.push(call);
    }
}

/// A log whose calls are written down.
#[derive(Clone)]
pub(crate) struct RecordedLog<E>(pub(crate) E, pub(crate) Recorder);

impl<E: EventStore> EventStore for RecordedLog<E> {
    async fn append(&self, request: AppendRequest) -> Result<Appended, AppendError> {
        let sent_at_us = self.1.now_us();
        let answer = self.0.append(request.clone()).await;
        self.1.store_call(sent_at_us, append(&request, &answer));
        answer
    }

    async fn read_stream(
        &self,
        stream: &StreamId,
        from: StreamVersion,
        direction: Direction,
        limit: usize,
    ) -> Result<Vec<RecordedEvent>, StorageError> {
        let sent_at_us = self.1.now_us();
        let answer = self.0.read_stream(stream, from, direction, limit).await;
        let seen = |event: &RecordedEvent| (event.version.0, event.id.0.to_string());
        let events = answer.as_ref().ok().map(|events| events.iter().map(seen).collect());
        let (stream, backward) = (stream.to_string(), direction == Direction::Backward);
        let what = StoreWhat::ReadStream { stream, from: from.0, backward, limit, events };
        self.1.store_call(sent_at_us, what);
        answer
    }

    async fn read_all(&self, query: AllQuery) -> Result<AllPage, StorageError> {
        let whole = AllQuery::after(query.from, query.limit) == query;
        let (sent_at_us, after) = (self.1.now_us(), query.from.0);
        let answer = self.0.read_all(query).await;
        if whole {
            let seen = |event: &RecordedEvent| (event.position.0, event.id.0.to_string());
            let events = answer.as_ref().ok().map(|page| page.events.iter().map(seen).collect());
            self.1.store_call(sent_at_us, StoreWhat::ReadAll { after, events });
        }
        answer
    }

    async fn head(&self) -> Result<GlobalPosition, StorageError> {
        self.0.head().await
    }

    async fn await_after(&self, position: GlobalPosition) {
        self.0.await_after(position).await;
    }

    async fn claim_holder(&self, claim: &Claim) -> Result<Option<ClaimHolder>, StorageError> {
        self.0.claim_holder(claim).await
    }

    async fn claims(
        &self,
        kind: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<ClaimHolder>, StorageError> {
        self.0.claims(kind, after, limit).await
    }

    async fn epoch(&self, shard: Shard) -> Result<Epoch, StorageError> {
        self.0.epoch(shard).await
    }

    async fn raise_epochs(&self, shards: &[Shard]) -> Result<Vec<Epoch>, StorageError> {
        let epochs = self.0.raise_epochs(shards).await?;
        let (at_us, node) = (self.1.now_us(), Machine::Node1);
        let taken = shards.iter().zip(&epochs).map(|(shard, epoch)| ShardChange {
            at_us,
            node,
            shard: shard.0,
            epoch: epoch.0,
            taken: true,
        });
        self.1.seen.lock().shards.extend(taken);
        Ok(epochs)
    }
}

fn append(request: &AppendRequest, answer: &Result<Appended, AppendError>) -> StoreWhat {
    let (mut takes, mut releases) = (Vec::new(), Vec::new());
    for change in &request.claims {
        let (list, owner) = match change {
            ClaimChange::Take { owner, .. } => (&mut takes, owner),
            ClaimChange::Release { owner, .. } | ClaimChange::ReleaseAt { owner, .. } => {
                (&mut releases, owner)
            }
        };
        let claim = change.claim();
        list.push((claim.kind.to_string(), claim.key.to_string(), owner.to_string()));
    }
    let writes = request.writes.iter().map(|write| Write {
        stream: write.stream.to_string(),
        expected: match write.expected {
            ExpectedVersion::Any => Expected::Any,
            ExpectedVersion::NoStream => Expected::NoStream,
            ExpectedVersion::StreamExists => Expected::StreamExists,
            ExpectedVersion::Exact(version) => Expected::Exact(version.0),
        },
        events: write.events.iter().map(|event| event.id.0.to_string()).collect(),
    });
    StoreWhat::Append {
        append_id: request.append_id.0.to_string(),
        fence: request.fence.map(|fence| (fence.shard.0, fence.epoch.0)),
        writes: writes.collect(),
        takes,
        releases,
        result: result(answer),
    }
}

fn result(answer: &Result<Appended, AppendError>) -> AppendResult {
    let (why, actual) = match answer {
        Ok(appended) => {
            return AppendResult::Appended {
                position: appended.position.0,
                versions: appended.versions.iter().map(|version| version.0).collect(),
            };
        }
        Err(AppendError::WrongExpectedVersion { stream, actual, .. }) => {
            ("wrong-expected-version", Some((stream.to_string(), actual.0)))
        }
        Err(AppendError::ClaimTaken { .. }) => ("claim-taken", None),
        Err(AppendError::ClaimNotHeld { .. }) => ("claim-not-held", None),
        Err(AppendError::Fenced { .. }) => ("fenced", None),
        Err(AppendError::AppendIdReused { .. }) => ("append-id-reused", None),
        Err(AppendError::Invalid(_)) => ("invalid", None),
        Err(AppendError::Unavailable(_)) => ("unavailable", None),
        Err(AppendError::OutcomeUnknown(_)) => return AppendResult::Unknown,
    };
    AppendResult::Refused { why: why.to_owned(), actual }
}

/// A bus whose publications are written down.
#[derive(Clone)]
pub(crate) struct RecordedBus<M>(pub(crate) M, pub(crate) Recorder);

impl<M: MessageBus> MessageBus for RecordedBus<M> {
    type Consumer = M::Consumer;

    async fn publish(&self, topic: &str, messages: Vec<Message>) -> Result<(), StorageError> {
        let entries: Vec<_> = messages
            .iter()
            .map(|message| BusEntry {
                at_us: self.1.now_us(),
                topic: topic.to_owned(),
                message: message.id.clone(),
                key: message.key.clone(),
                what: BusWhat::published(Machine::Node1, message),
            })
            .collect();
        self.0.publish(topic, messages).await?;
        self.1.seen.lock().bus.extend(entries);
        Ok(())
    }

    async fn partitions(&self, topic: &str) -> Result<u32, StorageError> {
        self.0.partitions(topic).await
    }

    async fn subscribe(&self, topic: &str, group: &str) -> Result<M::Consumer, StorageError> {
        self.0.subscribe(topic, group).await
    }
}
