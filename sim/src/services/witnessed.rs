//! What is asked of the store and answered, in the evidence's words. The oracles share no type with the
//! product; here the one is told as the other.

use sagaline_storage::{
    AppendError, AppendRequest, Appended, ClaimChange, ExpectedVersion, RecordedEvent,
};
use uuid::Uuid;

use crate::evidence::{AppendResult, Expected, StoreWhat, Write};

/// An append that is on its way.
pub(super) fn append(request: &AppendRequest) -> StoreWhat {
    let (mut takes, mut releases) = (Vec::new(), Vec::new());
    for change in &request.claims {
        let (list, owner) = match change {
            ClaimChange::Take { owner, .. } => (&mut takes, owner),
            ClaimChange::Release { owner, .. } | ClaimChange::ReleaseAt { owner, .. } => {
                (&mut releases, owner)
            }
        };
        let claim = change.claim();
        list.push((claim.kind.to_string(), claim.key.to_string(), owner.as_str().to_owned()));
    }
    let writes = request.writes.iter().map(|write| Write {
        stream: write.stream.as_str().to_owned(),
        expected: expected(write.expected),
        events: write.events.iter().map(|event| id_text(event.id.0)).collect(),
    });
    StoreWhat::Append {
        append_id: id_text(request.append_id.0),
        fence: request.fence.map(|fence| (fence.shard.0, fence.epoch.0)),
        writes: writes.collect(),
        takes,
        releases,
        result: AppendResult::Unknown,
    }
}

fn expected(expected: ExpectedVersion) -> Expected {
    match expected {
        ExpectedVersion::Any => Expected::Any,
        ExpectedVersion::NoStream => Expected::NoStream,
        ExpectedVersion::StreamExists => Expected::StreamExists,
        ExpectedVersion::Exact(version) => Expected::Exact(version.0),
    }
}

/// What came of an append.
pub(super) fn append_result(answer: &Result<Appended, AppendError>) -> AppendResult {
    let refused = |why: &str, actual| AppendResult::Refused { why: why.to_owned(), actual };
    match answer {
        Ok(appended) => AppendResult::Appended {
            position: appended.position.0,
            versions: appended.versions.iter().map(|version| version.0).collect(),
        },
        Err(AppendError::WrongExpectedVersion { stream, actual, .. }) => {
            refused("wrong-expected-version", Some((stream.as_str().to_owned(), actual.0)))
        }
        Err(AppendError::ClaimTaken { .. }) => refused("claim-taken", None),
        Err(AppendError::ClaimNotHeld { .. }) => refused("claim-not-held", None),
        Err(AppendError::Fenced { .. }) => refused("fenced", None),
        Err(AppendError::AppendIdReused { .. }) => refused("append-id-reused", None),
        Err(AppendError::Invalid(_)) => refused("invalid", None),
        Err(AppendError::Unavailable(_)) => refused("unavailable", None),
        Err(AppendError::OutcomeUnknown(_)) => AppendResult::Unknown,
    }
}

/// Versions and ids of a stream's events.
pub(super) fn versions(events: &[RecordedEvent]) -> Vec<(u64, String)> {
    events.iter().map(|event| (event.version.0, id_text(event.id.0))).collect()
}

/// Positions and ids of the log's events.
pub(super) fn positions(events: &[RecordedEvent]) -> Vec<(u64, String)> {
    events.iter().map(|event| (event.position.0, id_text(event.id.0))).collect()
}

/// An id as text. A run writes tens of thousands of them, so none goes through the formatter.
pub(crate) fn id_text(id: Uuid) -> String {
    (*id.hyphenated().encode_lower(&mut Uuid::encode_buffer())).to_owned()
}
