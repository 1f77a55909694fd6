//! The settings as flags: one per row of the table, for `clap` to flatten into a command.

use std::path::PathBuf;

use clap::{Arg, ArgMatches, Args, Command, FromArgMatches};

use super::table::{Row, rows};

/// What the command line said. Flatten it into the top command (`#[command(flatten)]`): the flags are
/// global, so they may stand before or behind a subcommand.
#[derive(Debug, Clone, Default)]
pub struct Flags {
    /// Keys (`body_limit`, `jwt_secret_file`) with their values.
    pub(super) given: Vec<(String, String)>,
    /// The TOML file.
    pub(super) config: Option<PathBuf>,
}

impl Flags {
    /// Flags as if typed: `("port", "0")` for `--port 0`. For tests and for whoever embeds the binary.
    pub fn of<const N: usize>(pairs: [(&str, &str); N]) -> Self {
        let given = pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        Self { given: given.collect(), config: None }
    }

    /// The same, with a TOML file.
    #[must_use]
    pub fn with_config(self, file: impl Into<PathBuf>) -> Self {
        Self { config: Some(file.into()), ..self }
    }
}

impl Args for Flags {
    fn augment_args(command: Command) -> Command {
        let config = Arg::new(CONFIG)
            .long("config")
            .value_name("FILE")
            .global(true)
            .value_parser(clap::value_parser!(PathBuf))
            .help("TOML file with settings [env: SAGALINE_CONFIG]");
        command.arg(config).args(rows().iter().flat_map(flags_of))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for Flags {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let keys = rows().into_iter().flat_map(|row| keys_of(&row));
        let given = keys.filter_map(|key| {
            let value = matches.get_one::<String>(&key)?.clone();
            Some((key, value))
        });
        Ok(Self { given: given.collect(), config: matches.get_one::<PathBuf>(CONFIG).cloned() })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

const CONFIG: &str = "config";

/// The keys a row can be given by: its own, and for a secret that of the file which holds it.
pub(super) fn keys_of(row: &Row) -> Vec<String> {
    let file = row.secret.then(|| format!("{}_file", row.key()));
    std::iter::once(row.key()).chain(file).collect()
}

fn flags_of(row: &Row) -> Vec<Arg> {
    let arg = |key: String| {
        let flag = key.replace('_', "-");
        Arg::new(key).long(flag).global(true).help_heading(row.group).hide_short_help(true)
    };
    let default = if row.default.is_empty() { "none" } else { row.default };
    let help = format!("{} [env: {}] [default: {default}]", row.meaning, row.name);
    let value = arg(row.key()).value_name("VALUE").help(help);
    let file = row.secret.then(|| {
        let help = format!("File that holds it [env: {}_FILE]", row.name);
        arg(format!("{}_file", row.key())).value_name("FILE").help(help)
    });
    std::iter::once(value).chain(file).collect()
}
