//! Why a program of the bench stopped: one line for whoever reads the terminal.
//!
//! Used by every module here. A measure that cannot be trusted is a failure, never a smaller figure.

use std::fmt;

/// One line that names what was tried and why it did not work.
#[derive(Debug)]
pub(crate) struct Failure(String);

impl Failure {
    /// A failure with its line.
    pub(crate) fn new(line: impl Into<String>) -> Self {
        Self(line.into())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Failure {}

/// Says what was tried when something went wrong.
pub(crate) trait Context<T> {
    /// The value, or a failure `tried: cause`.
    fn context(self, tried: impl fmt::Display) -> Result<T, Failure>;
}

impl<T, E: fmt::Display> Context<T> for Result<T, E> {
    fn context(self, tried: impl fmt::Display) -> Result<T, Failure> {
        self.map_err(|cause| Failure(format!("{tried}: {cause}")))
    }
}
