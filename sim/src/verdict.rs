//! What a run comes to, and how a process says so.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The outcome of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", tag = "verdict")]
pub enum Verdict {
    /// Everything that was promised held.
    Pass,
    /// The faults destroyed what no design could have kept; what was judged held.
    Unrecoverable {
        /// What they destroyed.
        because: String,
    },
    /// A promise was broken.
    Safety(Signature),
    /// Something that should have ended did not.
    Liveness(Signature),
    /// The product panicked or ended by itself.
    Crash(Signature),
    /// Two runs of one plan differ.
    NonDeterministic(Signature),
    /// An oracle examined nothing, so the run proves nothing.
    Vacuous(Signature),
}

/// What two failures have in common when they are the same failure.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Signature {
    /// Who saw it.
    pub oracle: String,
    /// What, without ids, numbers or times.
    pub what: String,
}

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.oracle, self.what)
    }
}

impl Verdict {
    /// The exit code of a process that ran it.
    pub const fn exit_code(&self) -> u8 {
        match self {
            Self::Pass | Self::Unrecoverable { .. } => 0,
            Self::Vacuous(_) => 125,
            Self::NonDeterministic(_) => 126,
            Self::Crash(_) => 127,
            Self::Liveness(_) => 128,
            Self::Safety(_) => 129,
        }
    }

    /// What failed, if something did.
    pub fn signature(&self) -> Option<&Signature> {
        match self {
            Self::Pass | Self::Unrecoverable { .. } => None,
            Self::Safety(signature)
            | Self::Liveness(signature)
            | Self::Crash(signature)
            | Self::NonDeterministic(signature)
            | Self::Vacuous(signature) => Some(signature),
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pass => f.write_str("pass"),
            Self::Unrecoverable { because } => write!(f, "pass (unrecoverable: {because})"),
            Self::Safety(signature) => write!(f, "SAFETY {signature}"),
            Self::Liveness(signature) => write!(f, "LIVENESS {signature}"),
            Self::Crash(signature) => write!(f, "CRASH {signature}"),
            Self::NonDeterministic(signature) => write!(f, "NON-DETERMINISTIC {signature}"),
            Self::Vacuous(signature) => write!(f, "VACUOUS {signature}"),
        }
    }
}
