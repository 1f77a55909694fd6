//! A participant answered the question whether a step in doubt happened.

use super::draft::Draft;
use super::{abort, returned};
use crate::canary::planted;
use crate::saga::definition::StepIndex;
use crate::saga::input::Probe;
use crate::saga::json::Json;

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
        Probe::CannotTell if planted("unknown-taken-as-failure") => {
            returned::rejected(draft, step, "UNKNOWN".to_owned(), cause);
        }
        Probe::CannotTell if planted("unknown-taken-as-success") => {
            returned::succeeded(draft, step, Json::null());
        }
        Probe::DidNotHappen | Probe::CannotTell => {
            returned::unknown(draft, step, cause, retry_after_ms);
        }
    }
}
