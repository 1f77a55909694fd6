//! How the program ends when it cannot go on: one line on stderr, and an exit code that says what kind
//! of trouble it is. Made by the subcommands, shown by `main`.

use std::fmt;
use std::process::ExitCode;

use sagaline_storage::{ErrorKind, StorageError};
use serde::{Serialize, Serializer};

use crate::app::gateway::LedgerError;
use crate::engine::{LoadError, NodeError};
use crate::http::auth::SecretError;
use crate::http::ready::ReadyError;
use crate::settings::SettingsError;
use crate::telemetry::TelemetryError;

/// What kind of trouble it is: the exit code. Part of the program's interface; never renumber.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Something else.
    Failed = 1,
    /// A wrong argument or setting. (What `clap` refuses ends with this code as well.)
    Usage = 2,
    /// The store does not open or stopped: folder in use, disk full, no permission. Nothing is lost.
    StoreUnavailable = 3,
    /// The store is damaged. An operator must look; nothing was changed.
    StoreDamaged = 4,
    /// The address cannot be listened on: the port is in use, for instance.
    AddressUnavailable = 5,
    /// Whoever read the output went away: `sagaline log cat | head`. As a shell counts SIGPIPE; nothing is
    /// said about it.
    ReaderGone = 141,
}

/// Why the program ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    exit: Exit,
    line: String,
}

impl Failure {
    /// A failure with its one line.
    pub fn new(exit: Exit, line: impl fmt::Display) -> Self {
        // One line, whatever a library put into its message.
        let line = line.to_string().split_whitespace().collect::<Vec<_>>().join(" ");
        Self { exit, line }
    }

    /// The same failure, with the place of it before its line.
    #[must_use]
    pub fn at(self, place: &str) -> Self {
        Self { line: format!("{place}: {}", self.line), ..self }
    }

    /// The same failure, behind what was done before it.
    #[must_use]
    pub fn behind(self, done: &str) -> Self {
        Self { line: format!("{done}; {}", self.line), ..self }
    }

    /// Whether there is nothing to say about it.
    pub fn is_silent(&self) -> bool {
        self.exit == Exit::ReaderGone
    }

    /// What the process ends with.
    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(self.exit as u8)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.line)
    }
}

/// Its line.
impl Serialize for Failure {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.line)
    }
}

impl From<SettingsError> for Failure {
    fn from(error: SettingsError) -> Self {
        Self::new(Exit::Usage, error)
    }
}

impl From<TelemetryError> for Failure {
    fn from(error: TelemetryError) -> Self {
        Self::new(Exit::Usage, error)
    }
}

impl From<SecretError> for Failure {
    fn from(error: SecretError) -> Self {
        Self::new(Exit::Failed, error)
    }
}

impl From<LedgerError> for Failure {
    fn from(error: LedgerError) -> Self {
        let exit = match error {
            LedgerError::Io { .. } => Exit::StoreUnavailable,
            LedgerError::Damaged { .. } => Exit::StoreDamaged,
        };
        Self::new(exit, error)
    }
}

impl From<StorageError> for Failure {
    fn from(error: StorageError) -> Self {
        let exit = match error.kind {
            ErrorKind::Unavailable | ErrorKind::Closed => Exit::StoreUnavailable,
            ErrorKind::Corrupt => Exit::StoreDamaged,
            ErrorKind::Invalid => Exit::Failed,
        };
        Self::new(exit, error)
    }
}

impl From<NodeError> for Failure {
    fn from(error: NodeError) -> Self {
        match error {
            NodeError::Storage(error) | NodeError::Personal(LoadError::Storage(error)) => {
                error.into()
            }
            NodeError::Setting(_) | NodeError::Personal(LoadError::Codec(_)) => {
                Self::new(Exit::Usage, error)
            }
            NodeError::Refused(_) => Self::new(Exit::StoreUnavailable, error),
        }
    }
}

impl From<ReadyError> for Failure {
    fn from(error: ReadyError) -> Self {
        match error {
            ReadyError::Node(error) => error.into(),
            ReadyError::Passwords(_) => Self::new(Exit::Usage, error),
            ReadyError::Definition(_) => Self::new(Exit::Failed, error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failure_is_one_line() {
        let failure = Failure::from(StorageError::corrupt("block 7:\n  bad checksum"));
        assert_eq!(failure.to_string(), "block 7: bad checksum");
        assert_eq!(failure.exit, Exit::StoreDamaged);
    }
}
