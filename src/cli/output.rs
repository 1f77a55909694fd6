//! How what came of a command is printed: in words, or as JSON where a program reads it.

use std::fmt::Display;

use serde::Serialize;

use super::failure::{Exit, Failure};

/// For people or for a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::Args)]
pub struct Output {
    /// Print JSON, each object on a line of its own.
    #[arg(long)]
    pub json: bool,
}

impl Output {
    /// The text to print of an outcome.
    pub fn text(self, outcome: &(impl Serialize + Display)) -> Result<String, Failure> {
        if self.json { json_line(outcome) } else { Ok(outcome.to_string()) }
    }
}

/// A value as JSON on one line.
pub(super) fn json_line(value: &impl Serialize) -> Result<String, Failure> {
    serde_json::to_string(value).map_err(|error| Failure::new(Exit::Failed, error))
}
