//! What can go wrong below a port, and what the caller should do about it.

use serde::{Deserialize, Serialize};

/// What the caller should do about a [`StorageError`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ErrorKind {
    /// Try again later; nothing was changed by the failed call.
    Unavailable,
    /// The stored bytes are not what was written. Stop; an operator must look.
    Corrupt,
    /// The request can never succeed as it is. Fix the caller.
    Invalid,
    /// The store was closed, or has stopped itself after a failed write. Reopen it.
    Closed,
}

/// A failure below a port. `message` names the operation, the place and the cause.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct StorageError {
    /// What the caller should do.
    pub kind: ErrorKind,
    /// One line for an operator.
    pub message: String,
}

impl StorageError {
    /// A failure that left nothing behind; the call may be repeated.
    pub fn unavailable(message: impl Into<String>) -> Self {
        Self { kind: ErrorKind::Unavailable, message: message.into() }
    }

    /// Stored bytes that fail their check.
    pub fn corrupt(message: impl Into<String>) -> Self {
        Self { kind: ErrorKind::Corrupt, message: message.into() }
    }

    /// A request that is wrong in itself.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self { kind: ErrorKind::Invalid, message: message.into() }
    }

    /// The store no longer serves.
    pub fn closed(message: impl Into<String>) -> Self {
        Self { kind: ErrorKind::Closed, message: message.into() }
    }
}
