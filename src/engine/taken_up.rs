//! Sagas taken up from the log: after a start or a take-over, for a person's request, and when another
//! node wrote to one. Called by recovery, by requests and by the tail of a shared log; what is loaded
//! here becomes an [`actor`]. Never decides anything.

use std::sync::Arc;
use std::time::Duration;

use sagaline_storage::{Backend, Clock, Epoch, ErrorKind, StreamVersion};
use tokio::sync::Semaphore;
use uuid::Uuid;

use crate::canary::planted;
use crate::saga::pending_effects;

use super::actor;
use super::core::Core;
use super::directory::{Mailbox, Message, RequestError, Undone};
use super::run::{self, RunError, SagaRun};

const LOAD_PAUSE_MIN: Duration = Duration::from_millis(100);
const LOAD_PAUSE_MAX: Duration = Duration::from_secs(2);

/// Begins the task of a saga that is read from the log first; `loads` bounds how many are read at the same
/// time.
pub(crate) fn spawn_from_log<B: Backend>(
    core: Arc<Core<B>>,
    id: Uuid,
    mailbox: Mailbox,
    loads: Option<Arc<Semaphore>>,
) {
    let task = core.tasks.begin();
    tokio::spawn(Box::pin(async move {
        from_log(core, id, mailbox, loads).await;
        drop(task);
    }));
}

/// The saga's stream has come to `version` by another hand: its task looks at the log. When it has none,
/// and the saga is this node's, one begins.
pub(crate) fn wake<B: Backend>(core: &Arc<Core<B>>, id: Uuid, version: StreamVersion) {
    if core.at_rest || !core.ownership.owns(core.shard(id)) {
        return;
    }
    if let Some(mailbox) = core.directory.send_or_enter(id, Message::Overtaken { version }) {
        spawn_from_log(core.clone(), id, mailbox, None);
    }
}

/// The same, but no task begins.
pub(crate) fn wake_if_under_way<B: Backend>(core: &Core<B>, id: Uuid, version: StreamVersion) {
    // Not under way: there is nobody to be told.
    drop(core.directory.send(id, Message::Overtaken { version }));
}

/// The whole life of a saga taken up from the log. Returns when it has ended or owes nothing.
async fn from_log<B: Backend>(
    core: Arc<Core<B>>,
    id: Uuid,
    mut mailbox: Mailbox,
    loads: Option<Arc<Semaphore>>,
) {
    let Some(epoch) = core.epoch(core.shard(id)) else {
        refuse_all(&core, id, mailbox, &unowned());
        // Taken meanwhile, recovery may have passed it by as under way.
        return wake(&core, id, StreamVersion::NONE);
    };
    let place = match &loads {
        Some(loads) => loads.acquire().await.ok(),
        None => None,
    };
    let loaded = load(&core, id, &mut mailbox).await;
    drop(place);
    match loaded {
        Ok(run) if is_overtaken(&core, &run, epoch) => refuse_all(&core, id, mailbox, &unowned()),
        Ok(run) => {
            let owed = pending_effects(&run.registered.definition, &run.state);
            actor::begin(core, run, epoch, mailbox, owed).work().await;
        }
        Err(error) => {
            report(&core, id, &error);
            let error = match error {
                RunError::NotFound => RequestError::NotFound,
                RunError::Storage(error) => RequestError::Unavailable(error.to_string()),
                error => RequestError::Unworkable(error.to_string()),
            };
            refuse_all(&core, id, mailbox, &error);
        }
    }
}

/// Reads the saga, and while the store cannot be reached goes on trying for as long as the saga is this
/// node's: nobody else would take it up.
pub(super) async fn load<B: Backend>(
    core: &Core<B>,
    id: Uuid,
    mailbox: &mut Mailbox,
) -> Result<SagaRun, RunError> {
    let mut pause = LOAD_PAUSE_MIN;
    loop {
        match run::load(core, id).await {
            Err(RunError::Storage(error))
                if error.kind == ErrorKind::Unavailable
                    && !mailbox.is_closed()
                    && !planted("recovery-forgets") =>
            {
                tracing::warn!(saga_id = %id, %error, "saga not loaded, again");
                let error = RequestError::Unavailable(error.to_string());
                refuse_waiting(core, id, mailbox, &error);
                core.backend.clock().sleep(pause).await;
                pause = (pause * 2).min(LOAD_PAUSE_MAX);
            }
            loaded => return loaded,
        }
    }
}

/// Whether the saga's log has a newer epoch than its task: the shard has a newer owner, which does what is
/// owed. Found here it costs no call that the participants would have to refuse.
pub(super) fn is_overtaken<B: Backend>(core: &Core<B>, run: &SagaRun, epoch: u64) -> bool {
    let overtaken = run.state.epoch > epoch;
    if overtaken {
        core.lose(core.shard(run.id), Epoch(run.state.epoch));
    }
    overtaken
}

fn unowned() -> RequestError {
    RequestError::Unavailable("this node does not own the saga's shard".to_owned())
}

pub(super) fn report<B: Backend>(core: &Core<B>, id: Uuid, error: &RunError) {
    match error {
        RunError::NotFound => {}
        RunError::UnknownDefinition { .. } => {
            core.orphans.lock().insert(id);
            tracing::warn!(saga_id = %id, %error, "left to a node that knows its definition");
        }
        RunError::Storage(_) => tracing::error!(saga_id = %id, %error, "saga not loaded"),
        RunError::Codec(_) | RunError::Evolve(_) => {
            core.metrics.sagas_quarantined.add(1);
            tracing::error!(saga_id = %id, %error, "saga quarantined");
        }
    }
}

pub(super) fn refuse_all<B: Backend>(
    core: &Core<B>,
    id: Uuid,
    mut mailbox: Mailbox,
    error: &RequestError,
) {
    core.directory.abandon(id, mailbox.entry());
    refuse_waiting(core, id, &mut mailbox, error);
}

fn refuse_waiting<B: Backend>(
    core: &Core<B>,
    id: Uuid,
    mailbox: &mut Mailbox,
    error: &RequestError,
) {
    let owned = core.ownership.owns(core.shard(id));
    while let Some(message) = mailbox.try_recv() {
        if let Message::Request { reply, .. } = message {
            let undone = if owned { Undone::Because(error.clone()) } else { Undone::Elsewhere };
            // Whoever asked may have gone away; there is nobody else to tell.
            drop(reply.send(Err(undone)));
        }
    }
}
