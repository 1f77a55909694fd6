//! Sagas that another node works on, or nobody as long as this one is at rest. Any node may decide a person's
//! request: it folds the log, decides, and appends under the shard's current epoch, with the saga's version as
//! what it expects. What then is to be done in the world is left to the owner, who learns of it from the log.

use std::sync::Arc;
use std::time::Duration;

use sagaline_storage::{AppendError, Backend, Clock, ErrorKind, EventStore, StreamVersion};
use uuid::Uuid;

use crate::saga::{Effect, SagaState, Stimulus, pending_effects};

use super::super::actor;
use super::super::append::is_race;
use super::super::core::Core;
use super::super::directory::RequestError;
use super::super::run::{self, RunError, SagaRun};
use super::super::stage::Stage;
use super::super::taken_up;
use super::super::turn::{Turn, TurnError};

/// So long after a look that failed whoever waits for a saga looks again.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// Decides a request and makes it durable, in a task of its own: whoever asked may go away. No effect is
/// run here.
pub(crate) async fn request<B: Backend>(
    core: &Arc<Core<B>>,
    id: Uuid,
    stimulus: Stimulus,
) -> Result<(), RequestError> {
    let core = core.clone();
    let deciding = tokio::spawn(async move {
        let version = decide(&core, id, stimulus).await?;
        // The shard may have come to this node in the meantime, and of its own events the log tells it
        // nothing.
        taken_up::wake(&core, id, version);
        Ok(())
    });
    deciding.await.map_err(|error| RequestError::Unavailable(error.to_string()))?
}

/// Returns the version of the saga's stream afterwards.
async fn decide<B: Backend>(
    core: &Core<B>,
    id: Uuid,
    stimulus: Stimulus,
) -> Result<StreamVersion, RequestError> {
    let mut tries_left = core.settings.conflict_retries;
    loop {
        let run = run::load(core, id).await.map_err(refused_load)?;
        match turn(core, &run, stimulus.clone()).await {
            Ok(version) => return Ok(version),
            Err(TurnError::Append(error)) if tries_left > 0 && may_pass(&error) => {
                tries_left -= 1;
                core.metrics.append_conflicts.add(1);
            }
            Err(TurnError::Refused(refusal)) => return Err(RequestError::Refused(refusal)),
            Err(TurnError::StoreLost(error)) => {
                core.lose_store(&error);
                return Err(RequestError::Unavailable(error.to_string()));
            }
            Err(
                error @ (TurnError::Append(_)
                | TurnError::Broken(_)
                | TurnError::StartRejected { .. }
                | TurnError::StartUnknown { .. }),
            ) => return Err(RequestError::Unavailable(error.to_string())),
        }
    }
}

async fn turn<B: Backend>(
    core: &Core<B>,
    run: &SagaRun,
    stimulus: Stimulus,
) -> Result<StreamVersion, TurnError> {
    // Read behind the saga's events, so it is not older than the epochs they carry.
    let epoch = core.backend.events().epoch(core.shard(run.id)).await;
    let epoch = epoch.map_err(|error| TurnError::Append(AppendError::Unavailable(error)))?;
    let mut turn = Turn::of(core, run, epoch.0);
    turn.input(stimulus, Stage::default())?;
    turn.settle_local(false).await?;
    let (after, _owed) = turn.append().await?;
    let after = after.as_ref().unwrap_or(run);
    if after.version != run.version {
        actor::count_end(core, &after.state);
    }
    Ok(after.version)
}

/// Whether the decision may come to something when it is made again on what is in the log now.
fn may_pass(error: &AppendError) -> bool {
    is_race(error) || matches!(error, AppendError::Fenced { .. })
}

fn refused_load(error: RunError) -> RequestError {
    match error {
        RunError::NotFound => RequestError::NotFound,
        RunError::Storage(error) => RequestError::Unavailable(error.to_string()),
        error @ (RunError::UnknownDefinition { .. } | RunError::Codec(_) | RunError::Evolve(_)) => {
            RequestError::Unworkable(error.to_string())
        }
    }
}

/// Returns when the saga, whoever works on it, has ended, or is parked or paused with no call under way: a
/// store that is away for a while turns nobody away who waits. An error: there is no such saga, its log is
/// damaged, or this node stops.
pub(crate) async fn wait<B: Backend>(core: &Core<B>, id: Uuid) -> Result<SagaState, RequestError> {
    // Before the first look: what is written behind that look is told.
    let mut watch = core.watched.watch(id);
    loop {
        let is_read = match run::history(core, id).await {
            Ok(history) if is_at_rest(core, &history.state) => return Ok(history.state),
            Ok(_) => true,
            Err(RunError::Storage(error)) if error.kind == ErrorKind::Unavailable => false,
            Err(error) => return Err(refused_load(error)),
        };
        tokio::select! {
            biased;
            () = core.stopped() => {
                return Err(RequestError::Unavailable("this node is stopping".to_owned()));
            }
            () = watch.news() => {}
            () = core.backend.clock().sleep(LOOK_AGAIN), if !is_read => {}
        }
    }
}

/// As the saga's own task sees it: see [`actor`].
fn is_at_rest<B: Backend>(core: &Core<B>, state: &SagaState) -> bool {
    if state.has_ended() {
        return true;
    }
    let waits = state.parked.is_some() || state.paused;
    let calls = |effect: &Effect| match effect {
        Effect::Invoke { .. } | Effect::Probe { .. } => true,
        Effect::SetTimer { .. } => false,
    };
    let known = core.definitions.hashed(&state.definition);
    let owed = known.map(|known| pending_effects(&known.definition, state)).unwrap_or_default();
    waits && !owed.iter().any(calls)
}
