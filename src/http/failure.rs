//! What goes wrong in the engine and the store, as what a request is told. Used by the handlers with
//! `map_err`; where a refusal has a meaning of its own, the handler says so itself.

use sagaline_storage::{ErrorKind, StorageError};

use super::error::Error;
use crate::engine::{ExecuteError, LoadError, RequestError, StartError};

pub(super) fn storage(error: StorageError) -> Error {
    match error.kind {
        ErrorKind::Unavailable | ErrorKind::Closed => Error::Unavailable(error.message),
        ErrorKind::Corrupt | ErrorKind::Invalid => Error::Internal(error.message),
    }
}

pub(super) fn load(error: LoadError) -> Error {
    match error {
        LoadError::Storage(error) => storage(error),
        LoadError::Codec(error) => Error::internal(error),
    }
}

/// A command whose refusals are about the state of what it was for.
pub(super) fn command<R: std::fmt::Display>(error: ExecuteError<R>) -> Error {
    match error {
        ExecuteError::Refused(refusal) => Error::StateForbids(refusal.to_string()),
        ExecuteError::ClaimTaken { .. } | ExecuteError::Conflict { .. } => {
            Error::Unavailable(error.to_string())
        }
        ExecuteError::Invalid(_) | ExecuteError::Codec(_) => Error::internal(error),
        ExecuteError::Unavailable(cause) => Error::Unavailable(cause),
    }
}

/// A request to a saga.
pub(super) fn request(error: RequestError) -> Error {
    match error {
        RequestError::NotFound => Error::NotFound("the saga"),
        RequestError::Refused(refusal) => Error::StateForbids(refusal.to_string()),
        RequestError::Unworkable(cause) => Error::StateForbids(cause),
        RequestError::Unavailable(cause) => Error::Unavailable(cause),
    }
}

/// A start whose claims have no meaning that the handler knows.
pub(super) fn start(error: StartError) -> Error {
    match error {
        StartError::UnknownType { .. } => Error::field("sagaType", error.to_string()),
        // A request names a type, and the node takes its own definition of it.
        StartError::UnknownDefinition { .. } => Error::internal(error),
        StartError::BadInput { .. } => Error::field("data", error.to_string()),
        StartError::BadRequest(problem) => Error::field("request", problem),
        StartError::KeyReused { .. } => Error::IdempotencyKeyReused(error.to_string()),
        StartError::ClaimTaken { .. } | StartError::Rejected { .. } => {
            Error::StateForbids(error.to_string())
        }
        StartError::Overloaded { .. } => Error::Overloaded { what: "too many sagas under way" },
        StartError::Unavailable(cause) => Error::Unavailable(cause),
    }
}
