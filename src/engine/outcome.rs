//! How a step's call ended: three-valued, as a `Result` so that `?` works.

use crate::saga::Json;

/// `Ok`: it happened. [`Failure::Rejected`]: it did not. [`Failure::Unknown`]: it may have.
pub type Outcome<T> = Result<T, Failure>;

/// A call without success.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// A business answer: it did not happen, and asking again would not change that.
    #[error("rejected with {code}: {reason}")]
    Rejected {
        /// Stable, for programs: `CARD_DECLINED`.
        code: String,
        /// For people.
        reason: String,
    },
    /// A timeout, a broken connection, a 5xx, a lost reply: it may have happened. The engine asks the
    /// step's probe or calls again with the same key until it knows.
    #[error("unknown: {cause}")]
    Unknown {
        /// What went wrong.
        cause: String,
        /// Do not call again before this, in milliseconds.
        retry_after_ms: Option<u64>,
    },
}

impl Failure {
    /// It did not happen.
    pub fn rejected(code: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Rejected { code: code.into(), reason: reason.into() }
    }

    /// It may have happened.
    pub fn unknown(cause: impl Into<String>) -> Self {
        Self::Unknown { cause: cause.into(), retry_after_ms: None }
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::unknown(error.to_string())
    }
}

impl From<sagaline_storage::StorageError> for Failure {
    fn from(error: sagaline_storage::StorageError) -> Self {
        Self::unknown(error.to_string())
    }
}

/// A participant's answer to "did the call with this key happen?".
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Probe<T> {
    /// Yes, with this result.
    Happened(T),
    /// No.
    DidNotHappen,
    /// There is no way to ask, or no answer.
    CannotTell,
}

/// What an HTTP status says about whether a call happened. The one table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StatusMeaning {
    /// It happened.
    Succeeded,
    /// The participant's own no.
    Rejected,
    /// It may have happened: the participant failed, or somebody on the way answered in its place.
    Unknown,
}

/// The meaning of an HTTP status.
///
/// | status | meaning |
/// |---|---|
/// | 2xx | succeeded |
/// | 400, 402, 406, 409, 410, 411, 412, 413, 415, 422 | rejected: only the participant's own logic gives these |
/// | 401, 403, 404, 405, 407, 421, 426, 451 and other 4xx | unknown: a proxy or a wrong route gives them too, also for a repeat of a call that happened |
/// | 408, 425, 429, 5xx | unknown, with `Retry-After` respected |
/// | 1xx, 3xx | unknown |
pub fn status_meaning(status: u16) -> StatusMeaning {
    match status {
        200..=299 => StatusMeaning::Succeeded,
        400 | 402 | 406 | 409..=413 | 415 | 422 => StatusMeaning::Rejected,
        _ => StatusMeaning::Unknown,
    }
}

/// An outcome with its value as JSON, as the saga machine takes it.
pub(crate) fn erased(outcome: Outcome<Json>) -> crate::saga::Outcome {
    match outcome {
        Ok(result) => crate::saga::Outcome::Succeeded(result),
        Err(Failure::Rejected { code, reason }) => crate::saga::Outcome::Rejected { code, reason },
        Err(Failure::Unknown { cause, retry_after_ms }) => {
            crate::saga::Outcome::Unknown { cause, retry_after_ms }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_participants_own_no_is_a_rejection() {
        for status in [400, 402, 409, 422] {
            assert_eq!(status_meaning(status), StatusMeaning::Rejected, "{status}");
        }
        for status in [100, 302, 401, 403, 404, 405, 408, 425, 429, 500, 502, 503, 504, 999] {
            assert_eq!(status_meaning(status), StatusMeaning::Unknown, "{status}");
        }
        for status in [200, 201, 204] {
            assert_eq!(status_meaning(status), StatusMeaning::Succeeded, "{status}");
        }
    }
}
