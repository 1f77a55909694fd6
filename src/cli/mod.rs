//! The command line: one file per subcommand. Called by `main`, which opens the store and hands it in;
//! nothing here names an adapter, listens to signals, or ends the process.

pub mod failure;

pub mod log;
pub mod serve;
pub mod settings;
pub mod user;

pub use failure::{Exit, Failure};

use std::io::Write;

use crate::settings::Flags;

/// Prints a text to stdout, with a line end when it has none.
pub fn say(text: &str) -> Result<(), Failure> {
    let end = if text.ends_with('\n') { "" } else { "\n" };
    let mut out = std::io::stdout().lock();
    let said = write!(out, "{text}{end}").and_then(|()| out.flush());
    said.map_err(|error| Failure::new(Exit::Failed, format!("cannot write to stdout: {error}")))
}

/// Sagaline: an event store and a saga engine, with a shop on top. Without a command it serves.
///
/// Exit codes: 0 done, 1 failed, 2 wrong argument or setting, 3 the store does not open (folder in use,
/// disk full), 4 the store is damaged, 5 the address cannot be listened on.
#[derive(Debug, clap::Parser)]
#[command(name = "sagaline", version)]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// The settings given as flags.
    #[command(flatten)]
    pub flags: Flags,
}

/// The subcommands.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Serve until SIGTERM or SIGINT, then finish what is in progress. This is what happens without a
    /// command.
    Serve,
    /// Show the settings in force and where each comes from.
    Settings(settings::Show),
    /// Look after the log of a stopped node.
    #[command(subcommand)]
    Log(LogCommand),
    /// Look after the accounts of a stopped node.
    #[command(subcommand)]
    User(UserCommand),
}

/// `sagaline log …`
#[derive(Debug, Clone, Copy, clap::Subcommand)]
pub enum LogCommand {
    /// Check that no record was changed, moved or lost; name the position of each that was.
    Verify,
}

/// `sagaline user …`
#[derive(Debug, clap::Subcommand)]
pub enum UserCommand {
    /// Make an account; its password is read from the first line of stdin.
    Create(user::Create),
}
