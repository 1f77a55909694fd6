//! `sagaline settings`: what is in force and where each value came from, secrets masked. Called by the
//! command line; reads nothing itself.

use std::fmt::Write as _;

use crate::settings::{Effective, Loaded, Row, rows};

/// How the settings are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::Args)]
pub struct Show {
    /// Also say what each means and what is allowed.
    #[arg(long)]
    pub explain: bool,
    /// Print a commented `.env` file with all defaults instead.
    #[arg(long, conflicts_with = "explain")]
    pub example: bool,
}

/// The whole output of `sagaline settings`, with its last line end.
pub fn text(loaded: &Loaded, show: Show) -> String {
    if show.example { example() } else { table(&loaded.effective, show.explain) }
}

fn table(effective: &[Effective], explain: bool) -> String {
    let mut out = String::new();
    let mut group = "";
    for (row, setting) in rows().iter().zip(effective) {
        if row.group != group {
            group = row.group;
            write_line(&mut out, format_args!("\n# {group}"));
        }
        if explain {
            write_line(&mut out, format_args!("# {} Allowed: {}.", row.meaning, row.allowed));
        }
        let shown = if setting.shown.is_empty() { "-" } else { &setting.shown };
        write_line(&mut out, format_args!("{:<28} {shown:<24} {}", setting.name, setting.origin));
    }
    out.trim_start().to_owned()
}

/// The text of `.env.example`: every setting with its default, commented out.
pub fn example() -> String {
    let mut out = String::from(EXAMPLE_HEAD);
    let mut group = "";
    for row in rows() {
        if row.group != group {
            group = row.group;
            write_line(&mut out, format_args!("\n# --- {group}"));
        }
        example_of(&mut out, &row);
    }
    out
}

const EXAMPLE_HEAD: &str = "\
# Sagaline's settings as environment variables, each with its default. Uncomment what you change.
# Written by `sagaline settings --example`; a test keeps it true.
#
# The same names are flags (--body-limit) and keys of a TOML file (body_limit; --config FILE or
# SAGALINE_CONFIG). Flag > environment > file > default. An empty variable counts as not set.
";

fn example_of(out: &mut String, row: &Row) {
    write_line(out, format_args!("\n# {}", row.meaning));
    write_line(out, format_args!("# Allowed: {}.", row.allowed));
    write_line(out, format_args!("#{}={}", row.name, row.default));
    if row.secret {
        write_line(out, format_args!("#{}_FILE=", row.name));
    }
}

fn write_line(out: &mut String, line: std::fmt::Arguments<'_>) {
    writeln!(out, "{line}").expect("writing to a String cannot fail");
}

#[cfg(test)]
mod tests {
    use crate::settings::{Environment, Flags, Settings};

    use super::*;

    fn shown(show: Show, environment: &Environment) -> String {
        let loaded = Settings::load(&Flags::of([("port", "8080")]), environment).unwrap();
        text(&loaded, show)
    }

    #[test]
    fn every_setting_is_shown_with_its_origin() {
        let out = shown(Show::default(), &Environment::of([("NODE_ID", "n7")]));
        let words = |name: &str| -> Vec<String> {
            let line = out.lines().find(|line| line.split(' ').next() == Some(name)).unwrap();
            line.split_whitespace().map(str::to_owned).collect()
        };
        assert_eq!(words("PORT"), ["PORT", "8080", "flag"]);
        assert_eq!(words("NODE_ID"), ["NODE_ID", "n7", "environment"]);
        assert_eq!(words("DATA_DIR"), ["DATA_DIR", "./data", "default"]);
        assert_eq!(
            out.lines().filter(|line| line.starts_with(char::is_alphabetic)).count(),
            rows().len()
        );
    }

    #[test]
    fn secrets_never_reach_the_output() {
        let environment = Environment::of([
            ("JWT_SECRET", "hunter2-hunter2"),
            ("DATABASE_PASSWORD", "hunter2"),
            ("DATABASE_URL", "postgres://me:hunter2@db:5432/sagaline"),
        ]);
        let out = shown(Show { explain: true, example: false }, &environment);
        assert!(!out.contains("hunter2"), "{out}");
        assert!(out.contains("postgres://********@db:5432/sagaline"), "{out}");
        let environment = Environment::of([("DATABASE_URL", "postgres://h/db?password=hunter2")]);
        let out = shown(Show::default(), &environment);
        assert!(!out.contains("hunter2"), "{out}");
        assert!(out.contains("postgres://h/db?password=********"), "{out}");
    }

    #[test]
    fn the_example_file_in_the_repository_is_what_the_program_writes() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/.env.example");
        let stored = std::fs::read_to_string(path).unwrap();
        assert!(
            stored == example(),
            ".env.example is out of date; write it anew: cargo run -q -- settings --example > .env.example"
        );
    }
}
