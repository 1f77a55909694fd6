//! The command line: one file per subcommand. Called by `main`, which opens the store and hands it in;
//! nothing here names an adapter, listens to signals, or ends the process.

pub mod failure;

pub mod account;
pub mod backup;
pub mod completions;
pub mod definition;
mod event_line;
pub mod log;
pub mod output;
pub mod password;
pub mod progress;
pub mod projection;
pub mod remote;
pub mod serve;
pub mod settings;
pub mod stopped;
pub mod transfer;
pub mod user;

pub use failure::{Exit, Failure};
pub use output::Output;
pub use user::UserCommand;

use std::io::Write;

use clap::CommandFactory;

use crate::settings::Flags;

/// Prints a text to stdout, with a line end when it has none. Of an empty one nothing is printed: a list
/// without entries has no lines.
pub fn say(text: &str) -> Result<(), Failure> {
    if text.is_empty() {
        return Ok(());
    }
    let end = if text.ends_with('\n') { "" } else { "\n" };
    let mut out = std::io::stdout().lock();
    said(write!(out, "{text}{end}").and_then(|()| out.flush()))
}

/// What came of writing something out.
fn said(written: std::io::Result<()>) -> Result<(), Failure> {
    written.map_err(|error| match error.kind() {
        std::io::ErrorKind::BrokenPipe => Failure::new(Exit::ReaderGone, error),
        _ => Failure::new(Exit::Failed, format!("cannot write: {error}")),
    })
}

/// The command line: the help of every command ends with the exit codes.
pub fn command() -> clap::Command {
    with_exit_codes(Arguments::command())
}

fn with_exit_codes(command: clap::Command) -> clap::Command {
    command.after_help(EXIT_CODES).mut_subcommands(with_exit_codes)
}

/// What every command ends with: [`Exit`] in words.
const EXIT_CODES: &str = "Exit codes: 0 done, 1 refused or failed, 2 wrong argument or setting, 3 the \
    store does not open (a running node has it, the disk is full, an import or a restore was not \
    finished), 4 the store is damaged, 5 the address cannot be listened on, 141 the output's reader \
    is gone.";

/// Sagaline: an event store and a saga engine, with a shop on top. Without a command it serves.
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
    /// Look at the log in the data folder, also while a node serves from it. `cat` and `tail` ask a running
    /// node over its HTTP API when --url, --email or SAGALINE_TOKEN is given.
    #[command(subcommand)]
    Log(LogCommand),
    /// Look after the accounts: of a running node over its HTTP API when --url, --as or SAGALINE_TOKEN is
    /// given, else of a stopped one in its data folder.
    User(UserArguments),
    /// Look after the sagas: of a running node over its HTTP API when --url, --email or SAGALINE_TOKEN is
    /// given, else of a stopped one in its data folder; what is asked of a saga there is carried out when a
    /// node starts.
    Saga(SagaArguments),
    /// Look after the read models: of a running node over its HTTP API when --url, --email or
    /// SAGALINE_TOKEN is given, else of a stopped one in its data folder.
    Projection(ProjectionArguments),
    /// Look after the consumer groups: of a running node over its HTTP API when --url, --email or
    /// SAGALINE_TOKEN is given, else of a stopped one in its data folder; what is asked of a group there is
    /// carried out when a node starts.
    Consumer(ConsumerArguments),
    /// Show the sagas that this program runs.
    #[command(subcommand)]
    Definition(definition::DefinitionCommand),
    /// Copy the data folder into another one; the node may serve meanwhile.
    Backup(backup::Backup),
    /// Make a data folder of what `backup` wrote, and check it.
    Restore(backup::Restore),
    /// Write the whole log as lines of JSON; the node may serve meanwhile.
    ///
    /// Consumer groups are not in it: how far they have come, their letters and their documents stand in no
    /// log. `backup` copies them.
    Export(transfer::Export),
    /// Read what `export` wrote into an empty data folder.
    ///
    /// Its consumer groups begin anew, where each says that it begins: with the first event, which delivers
    /// everything once more, or at the head. What was parked is parked no more.
    Import(transfer::Import),
    /// Print what a shell needs to complete commands and flags.
    Completions(completions::Completions),
}

/// `sagaline projection …`
#[derive(Debug, clap::Args)]
pub struct ProjectionArguments {
    /// Which node, and as whom.
    #[command(flatten)]
    pub reach: remote::Reach,
    /// What to do.
    #[command(subcommand)]
    pub command: projection::ProjectionCommand,
}

/// `sagaline saga …`
#[derive(Debug, clap::Args)]
pub struct SagaArguments {
    /// Which node, and as whom.
    #[command(flatten)]
    pub reach: remote::Reach,
    /// What to do.
    #[command(subcommand)]
    pub command: remote::SagaCommand,
}

/// `sagaline consumer …`
#[derive(Debug, clap::Args)]
pub struct ConsumerArguments {
    /// Which node, and as whom.
    #[command(flatten)]
    pub reach: remote::Reach,
    /// What to do.
    #[command(subcommand)]
    pub command: remote::ConsumerCommand,
}

/// `sagaline log …`
#[derive(Debug, Clone, clap::Subcommand)]
pub enum LogCommand {
    /// Print the events, oldest first. What a running node shows over HTTP has no payloads.
    Cat(log::Cat),
    /// Print the newest events, oldest first.
    Tail(log::Tail),
    /// Count events, streams and bytes, by type and by node.
    Stats(log::Stats),
    /// Check that no record was changed, moved or lost; name the position of each that was.
    Verify(Output),
}

/// `sagaline user …`
#[derive(Debug, clap::Args)]
pub struct UserArguments {
    /// The node's address; without it, the one that the settings name on this machine.
    #[arg(long, global = true)]
    pub url: Option<String>,
    /// Log in with this e-mail address; the password is asked for at a terminal, else read from the first
    /// line of stdin. Without it the access token in the environment variable SAGALINE_TOKEN counts.
    #[arg(long = "as", global = true)]
    pub operator: Option<String>,
    /// What to do.
    #[command(subcommand)]
    pub command: UserCommand,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The commands whose help does not end with the exit codes.
    fn silent(command: &clap::Command) -> Vec<String> {
        let help = command.get_after_help().map(ToString::to_string);
        let itself = (help.as_deref() != Some(EXIT_CODES)).then(|| command.get_name().to_owned());
        itself.into_iter().chain(command.get_subcommands().flat_map(silent)).collect()
    }

    #[test]
    fn the_help_of_every_command_names_every_exit_code() {
        assert_eq!(silent(&command()), Vec::<String>::new());
        let saga = command().find_subcommand("saga").cloned().unwrap();
        assert!(saga.find_subcommand("retry").is_some());
        let codes = [
            Exit::Failed,
            Exit::Usage,
            Exit::StoreUnavailable,
            Exit::StoreDamaged,
            Exit::AddressUnavailable,
            Exit::ReaderGone,
        ];
        for code in codes.map(|exit| exit as u8) {
            assert!(EXIT_CODES.contains(&format!(" {code} ")), "{code}");
        }
    }
}
