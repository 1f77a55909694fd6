//! What an operator says became of the step that a saga is parked at. The node's own routes and those of
//! the reference application read it by the same rule.

use super::error::Error;
use crate::domain::Invalid;
use crate::saga::{Json, Verb};

/// The verb for an outcome, and the step's result when it succeeded.
pub(super) fn resolved(outcome: &str, result: Option<Json>) -> Result<Verb, Error> {
    match (outcome, result) {
        ("succeeded", result) => {
            Ok(Verb::ResolveSucceeded { result: result.unwrap_or_else(Json::null) })
        }
        ("rejected", None) => Ok(Verb::ResolveRejected),
        ("rejected", Some(_)) => {
            Err(Error::field("result", "is given: what did not happen has no result"))
        }
        (outcome, _) => {
            let wants = Invalid::text(outcome, "succeeded or rejected");
            Err(Error::field("outcome", wants.to_string()))
        }
    }
}
