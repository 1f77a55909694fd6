//! The barrier in one append with an aggregate of this node's store.

use std::fmt;
use std::sync::Arc;

use sagaline_storage::{AppendError, Backend, StreamId, StreamVersion};
use serde::Serialize;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use crate::canary::planted;
use crate::domain::Aggregate;

use super::super::aggregates::{Aggregates, CommandMetadata};
use super::super::append::Refused;
use super::super::keys;
use super::super::stage::{self, Loaded, Stage, StageError};
use super::record::{Answer, Barrier, BarrierCommand, BarrierRefusal};

/// Which step of which saga is calling: what stands before the direction in its idempotency key. As text it
/// is the *call* of [the protocol](super::protocol), which its statements take as `$1`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct CallKey {
    saga: Uuid,
    step: Arc<str>,
}

impl CallKey {
    /// From the `Idempotency-Key` of a call, `saga id/step/direction`. `None`: it is no such key.
    pub fn parse(idempotency_key: &str) -> Option<Self> {
        let (call, direction) = idempotency_key.rsplit_once('/')?;
        let (saga, step) = call.split_once('/')?;
        let saga = Uuid::parse_str(saga).ok()?;
        let known = matches!(direction, "action" | "compensation");
        (known && !step.is_empty()).then(|| Self { saga, step: step.into() })
    }

    /// Where its record is kept in this node's store.
    fn stream(&self) -> Result<StreamId, BarrierError> {
        stream::<Barrier>(&format!("{}.{}", self.saga, self.step))
    }
}

impl fmt::Display for CallKey {
    /// `saga id/step`: the same for an action and its undo.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.saga, self.step)
    }
}

/// How a guarded call ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answered<V> {
    /// It was done now or before; the answer is the first one.
    Done(V),
    /// It was refused now or before.
    Rejected(String),
}

/// Why a guarded call changed nothing and has no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BarrierError {
    /// The barrier does not let it through.
    #[error(transparent)]
    Refused(#[from] BarrierRefusal),
    /// It may have happened: the caller repeats it.
    #[error("{0}")]
    Unknown(String),
}

/// Commands of participants in this process, each behind its barrier.
pub struct Guarded<B: Backend> {
    aggregates: Aggregates<B>,
}

impl<B: Backend> Guarded<B> {
    /// Over the aggregates of a node.
    pub fn new(aggregates: Aggregates<B>) -> Self {
        Self { aggregates }
    }

    /// Does an action once. `answer` tells from the aggregate afterwards what the caller is told.
    pub async fn act<A: Aggregate, V>(
        &self,
        call: &CallKey,
        epoch: u64,
        id: &str,
        command: A::Command,
        answer: impl Fn(&A) -> V,
        metadata: &CommandMetadata,
    ) -> Result<Answered<V>, BarrierError>
    where
        A::Command: Clone,
        V: Serialize + DeserializeOwned,
    {
        let streams = &*self.aggregates.core.streams;
        let (barrier, target) = (call.stream()?, stream::<A>(id)?);
        for _ in 0..=self.aggregates.core.settings.conflict_retries {
            let Loaded { state: record, version } =
                stage::load::<Barrier>(streams, &barrier).await.map_err(unknown)?;
            let seen = (&barrier, version);
            if let Some(known) = record.admit_action(epoch).transpose() {
                let repeat = BarrierCommand::Repeat { epoch };
                if epoch > record.epoch
                    && !planted("repeat-leaves-no-epoch")
                    && !self.record(Stage::default(), seen, repeat, metadata).await?
                {
                    continue;
                }
                if planted("repeat-answered-anew") && matches!(known, Ok(Answer::Done { .. })) {
                    let now = stage::load::<A>(streams, &target).await.map_err(unknown)?;
                    return Ok(Answered::Done(answer(&now.state)));
                }
                return again(known?);
            }
            let (staged, decided) =
                Stage::default().execute::<A>(streams, &target, command.clone()).await;
            let (staged, answered, first) = match decided {
                Ok(loaded) => {
                    let value = answer(&loaded.state);
                    let json = serde_json::to_value(&value).map_err(unknown)?;
                    (staged, Answered::Done(value), Answer::Done { value: json })
                }
                Err(StageError::Refused(refusal)) => {
                    let reason = refusal.to_string();
                    let first = Answer::Rejected { reason: reason.clone() };
                    (Stage::default(), Answered::Rejected(reason), first)
                }
                Err(error) => return Err(unknown(error)),
            };
            let record = BarrierCommand::Answer { epoch, answer: first };
            if self.record(staged, seen, record, metadata).await? {
                return Ok(answered);
            }
        }
        Err(BarrierError::Unknown("other writers were first too often".to_owned()))
    }

    /// Undoes an action if it happened, and makes sure that it never will. True: there was something to
    /// undo.
    pub async fn undo<A: Aggregate>(
        &self,
        call: &CallKey,
        epoch: u64,
        id: &str,
        command: A::Command,
        metadata: &CommandMetadata,
    ) -> Result<bool, BarrierError>
    where
        A::Command: Clone,
    {
        let streams = &*self.aggregates.core.streams;
        let (barrier, target) = (call.stream()?, stream::<A>(id)?);
        for _ in 0..=self.aggregates.core.settings.conflict_retries {
            let Loaded { state: record, version } =
                stage::load::<Barrier>(streams, &barrier).await.map_err(unknown)?;
            let seen = (&barrier, version);
            let happened = record.admit_undo(epoch)?;
            let mut staged = Stage::default();
            if happened {
                let (stage, decided) = staged.execute::<A>(streams, &target, command.clone()).await;
                decided.map_err(unknown)?;
                staged = stage;
            }
            let record = BarrierCommand::Undo { epoch };
            if self.record(staged, seen, record, metadata).await? {
                return Ok(happened);
            }
        }
        Err(BarrierError::Unknown("other writers were first too often".to_owned()))
    }

    /// Appends effect and record together. False: somebody else was first, also when that was after the
    /// barrier was asked and before the effect was decided on.
    async fn record(
        &self,
        staged: Stage,
        (barrier, seen): (&StreamId, StreamVersion),
        command: BarrierCommand,
        metadata: &CommandMetadata,
    ) -> Result<bool, BarrierError> {
        let streams = &*self.aggregates.core.streams;
        let (staged, recorded) = staged.execute::<Barrier>(streams, barrier, command).await;
        match recorded {
            Ok(loaded) if loaded.version != seen && !planted("twin-behind-the-barrier") => {
                return Ok(false);
            }
            Ok(_) => {}
            Err(StageError::Refused(refusal)) => return Err(refusal.into()),
            Err(error) => return Err(unknown(error)),
        }
        match self.aggregates.append(staged, metadata).await {
            Ok(()) => Ok(true),
            Err(Refused::Append(AppendError::WrongExpectedVersion { .. })) => Ok(false),
            Err(error) => Err(unknown(self.aggregates.failure::<BarrierRefusal>(error))),
        }
    }
}

fn again<V: DeserializeOwned>(first: Answer) -> Result<Answered<V>, BarrierError> {
    match first {
        Answer::Done { value } => {
            serde_json::from_value(value).map(Answered::Done).map_err(unknown)
        }
        Answer::Rejected { reason } => Ok(Answered::Rejected(reason)),
    }
}

fn stream<A: Aggregate>(id: &str) -> Result<StreamId, BarrierError> {
    keys::aggregate_stream::<A>(id).map_err(unknown)
}

fn unknown(error: impl fmt::Display) -> BarrierError {
    BarrierError::Unknown(error.to_string())
}
