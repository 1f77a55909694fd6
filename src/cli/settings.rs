//! `sagaline settings`: what is in force and where each value came from, secrets masked. Called by the
//! command line; reads nothing itself.

use std::fmt::Write as _;

use serde::Serialize;

use super::failure::Failure;
use super::output::{Output, json_line};
use crate::settings::{Effective, Loaded, Row, rows};

/// How the settings are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::Args)]
pub struct Show {
    /// Also say what each means and what is allowed.
    #[arg(long)]
    pub explain: bool,
    /// Print a commented `.env` file with all defaults instead.
    #[arg(long, conflicts_with_all = ["explain", "json"])]
    pub example: bool,
    /// How they are printed.
    #[command(flatten)]
    pub output: Output,
}

/// A setting as a program reads it.
#[derive(Serialize)]
struct Shown<'a> {
    name: &'a str,
    /// Null: none.
    value: Option<&'a str>,
    origin: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    meaning: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    allowed: Option<&'a str>,
}

/// The whole output of `sagaline settings`, with its last line end.
pub fn text(loaded: &Loaded, show: Show) -> Result<String, Failure> {
    match (show.example, show.output.json) {
        (true, _) => Ok(example()),
        (false, true) => lines(&loaded.effective, show.explain),
        (false, false) => Ok(table(&loaded.effective, show.explain)),
    }
}

fn lines(effective: &[Effective], explain: bool) -> Result<String, Failure> {
    let rows = rows();
    let line = |(row, setting): (&Row, &Effective)| {
        json_line(&Shown {
            name: setting.name,
            value: Some(&*setting.shown).filter(|shown| !shown.is_empty()),
            origin: setting.origin.to_string(),
            meaning: explain.then_some(&*row.meaning),
            allowed: explain.then_some(&*row.allowed),
        })
    };
    let lines: Result<Vec<String>, Failure> = rows.iter().zip(effective).map(line).collect();
    lines.map(|lines| lines.join("\n"))
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
        text(&loaded, show).unwrap()
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
    fn a_program_reads_a_setting_from_each_line() {
        let show = Show { output: Output { json: true }, ..Show::default() };
        let out = shown(show, &Environment::default());
        assert_eq!(out.lines().count(), rows().len());
        let port = r#"{"name":"PORT","value":"8080","origin":"flag"}"#;
        assert!(out.lines().any(|line| line == port), "{out}");
    }

    #[test]
    fn secrets_never_reach_the_output() {
        let environment = Environment::of([
            ("JWT_SECRET", "hunter2-hunter2"),
            ("DATABASE_PASSWORD", "hunter2"),
            ("DATABASE_URL", "postgres://me:hunter2@db:5432/sagaline"),
        ]);
        let explain = Show { explain: true, ..Show::default() };
        let out = shown(explain, &environment);
        assert!(!out.contains("hunter2"), "{out}");
        assert!(out.contains("postgres://********@db:5432/sagaline"), "{out}");
        let out = shown(Show { output: Output { json: true }, ..explain }, &environment);
        assert!(!out.contains("hunter2"), "{out}");
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
