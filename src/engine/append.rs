//! Appends whose outcome is certain: an unknown one is asked for again under the same id.

use std::time::Duration;

use sagaline_storage::{
    AppendError, AppendRequest, Appended, Backend, Clock, ErrorKind, EventStore, StorageError,
};

use crate::canary::planted;

use super::metrics::Metrics;

const PAUSE_MIN: Duration = Duration::from_millis(20);
const PAUSE_MAX: Duration = Duration::from_secs(2);

/// Why an append was not made. Unlike [`AppendError`] there is no unknown outcome in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The store said no, and why. Never `OutcomeUnknown` and never a passing `Unavailable`.
    #[error(transparent)]
    Append(AppendError),
    /// The store is closed or broken: what happened to this append will be known when it is reopened.
    #[error("the store does not serve any more: {0}")]
    StoreLost(StorageError),
}

impl Refused {
    /// Whether another writer was first, so that deciding again may help.
    pub(super) fn is_race(&self) -> bool {
        matches!(self, Self::Append(error) if is_race(error))
    }
}

/// Appends, and when the outcome is not known appends the same again until it is. A store that cannot
/// be reached is tried for as long as it takes: the caller's future may be dropped at any time.
pub(crate) async fn append_certainly<B: Backend>(
    backend: &B,
    metrics: &Metrics,
    request: AppendRequest,
) -> Result<Appended, Refused> {
    let mut pause = PAUSE_MIN;
    if planted("harmless-appends-wait") {
        backend.clock().sleep(PAUSE_MIN * 2).await;
    }
    loop {
        let error = match backend.events().append(request.clone()).await {
            Ok(appended) => return Ok(appended),
            Err(AppendError::OutcomeUnknown(error)) => {
                metrics.append_outcome_unknown.add(1);
                error
            }
            Err(AppendError::Unavailable(error)) => error,
            Err(error) => {
                if matches!(error, AppendError::Fenced { .. }) {
                    metrics.fenced_appends.add(1);
                }
                return Err(Refused::Append(error));
            }
        };
        match error.kind {
            ErrorKind::Unavailable => {
                tracing::warn!(%error, pause_ms = pause.as_millis(), "append not confirmed, again");
                backend.clock().sleep(pause).await;
                pause = (pause * 2).min(PAUSE_MAX);
            }
            ErrorKind::Closed | ErrorKind::Corrupt | ErrorKind::Invalid => {
                return Err(Refused::StoreLost(error));
            }
        }
    }
}

/// Whether another writer was first, so that deciding again may help.
pub(crate) fn is_race(error: &AppendError) -> bool {
    match error {
        AppendError::WrongExpectedVersion { .. }
        | AppendError::ClaimTaken { .. }
        | AppendError::ClaimNotHeld { .. } => true,
        AppendError::Fenced { .. }
        | AppendError::AppendIdReused { .. }
        | AppendError::Invalid(_)
        | AppendError::OutcomeUnknown(_)
        | AppendError::Unavailable(_) => false,
    }
}
