//! Appends whose outcome is certain: an unknown one is asked for again under the same id, and what is refused then
//! is not made any more by what is still on its way.

use std::time::Duration;

use sagaline_storage::{
    AppendError, AppendRequest, Appended, Backend, ClaimChange, Clock, ErrorKind, EventStore,
    ExpectedVersion, StorageError, StreamId, StreamWrite,
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
///
/// Of an append that was asked for more than once an earlier request may still be on its way. What refuses the
/// last one may be gone when that one arrives (somebody gives up the claim that stood in the way), so that it
/// would be made behind the back of whoever was told that it was not. Its id is used up first.
pub(crate) async fn append_certainly<B: Backend>(
    backend: &B,
    metrics: &Metrics,
    request: AppendRequest,
) -> Result<Appended, Refused> {
    if planted("harmless-appends-wait") {
        backend.clock().sleep(PAUSE_MIN * 2).await;
    }
    loop {
        let (answer, is_on_its_way) = ask(backend, metrics, &request).await;
        let Err(refused) = answer else { return answer };
        if !is_on_its_way || !refused.is_race() || planted("refused-and-made-later") {
            return Err(refused);
        }
        match ask(backend, metrics, &using_up_the_id_of(&request)).await.0 {
            Ok(_) => return Err(refused),
            // The earlier one has arrived in the meantime: asking again tells what came of it.
            Err(Refused::Append(AppendError::AppendIdReused { .. })) => {}
            Err(other) => return Err(other),
        }
    }
}

/// Appends nothing under the id of a request, and expects nothing of the stream that it is about.
fn using_up_the_id_of(request: &AppendRequest) -> AppendRequest {
    let written = request.writes.first().map(|write| &write.stream);
    let stream = written.or_else(|| request.claims.first().map(ClaimChange::owner));
    let check = |stream: &StreamId| StreamWrite {
        stream: stream.clone(),
        expected: ExpectedVersion::Any,
        events: Vec::new(),
    };
    AppendRequest {
        append_id: request.append_id,
        node_id: request.node_id.clone(),
        fence: None,
        writes: stream.map(check).into_iter().collect(),
        claims: Vec::new(),
    }
}

/// Asks until there is an answer, and says with it whether an earlier request may still be on its way.
async fn ask<B: Backend>(
    backend: &B,
    metrics: &Metrics,
    request: &AppendRequest,
) -> (Result<Appended, Refused>, bool) {
    let (mut pause, mut is_on_its_way) = (PAUSE_MIN, false);
    loop {
        let error = match backend.events().append(request.clone()).await {
            Ok(appended) => return (Ok(appended), is_on_its_way),
            Err(AppendError::OutcomeUnknown(error)) => {
                metrics.append_outcome_unknown.add(1);
                is_on_its_way = true;
                error
            }
            Err(AppendError::Unavailable(error)) => error,
            Err(error) => {
                if matches!(error, AppendError::Fenced { .. }) {
                    metrics.fenced_appends.add(1);
                }
                return (Err(Refused::Append(error)), is_on_its_way);
            }
        };
        match error.kind {
            ErrorKind::Unavailable => {
                tracing::warn!(%error, pause_ms = pause.as_millis(), "append not confirmed, again");
                backend.clock().sleep(pause).await;
                pause = (pause * 2).min(PAUSE_MAX);
            }
            ErrorKind::Closed | ErrorKind::Corrupt | ErrorKind::Invalid => {
                return (Err(Refused::StoreLost(error)), is_on_its_way);
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

#[cfg(test)]
mod tests {
    use sagaline_storage::clock::{SystemClock, SystemEntropy};
    use sagaline_storage::memory::MemoryKv;
    use sagaline_storage::{AppendId, Claim, Log, LogSettings, NodeId};
    use uuid::Uuid;

    use super::*;

    /// The key of a subject is an append of a claim and nothing else.
    #[tokio::test]
    async fn the_id_of_an_append_of_claims_alone_can_be_used_up() {
        let (kv, clock, settings) =
            (MemoryKv::new(), SystemClock::default(), LogSettings::default());
        let log = Log::open(kv, clock, &SystemEntropy, settings).await.unwrap();
        let owner = StreamId::new("key-1").unwrap();
        let request = AppendRequest {
            append_id: AppendId(Uuid::from_u128(1)),
            node_id: NodeId::new("n1").unwrap(),
            fence: None,
            writes: Vec::new(),
            claims: vec![ClaimChange::Take { claim: Claim::new("kind", "key"), owner }],
        };
        log.append(using_up_the_id_of(&request)).await.unwrap();
        let late = log.append(request).await.unwrap_err();
        assert!(matches!(late, AppendError::AppendIdReused { .. }), "{late}");
    }
}
