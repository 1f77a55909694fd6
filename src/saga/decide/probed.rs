//! A participant answered the question whether a step in doubt happened.

use super::draft::Draft;
use super::{abort, returned};
use crate::saga::definition::StepIndex;
use crate::saga::input::Probe;

/// It happened: as if the call had said so. It did not, or nobody can tell: the same call again, or,
/// when the saga is to go back, the pivot's revocation: even of what did not happen, since a call that
/// timed out may still arrive.
pub(super) fn probed(
    draft: &mut Draft<'_>,
    step: StepIndex,
    attempt: u32,
    answer: Probe,
    cause: String,
    retry_after_ms: Option<u64>,
) {
    let in_doubt = draft.state().step(step).and_then(|step| step.action.attempt());
    if in_doubt != Some(attempt) || !returned::is_awaited(draft, step) {
        return;
    }
    match answer {
        Probe::Happened(result) => returned::succeeded(draft, step, result),
        Probe::DidNotHappen | Probe::CannotTell if returned::is_asked_about(draft, step) => {
            abort::revoke(draft, step, cause);
        }
        Probe::DidNotHappen | Probe::CannotTell => {
            returned::unknown(draft, step, cause, retry_after_ms);
        }
    }
}
