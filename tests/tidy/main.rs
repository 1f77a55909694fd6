//! The rules of the house as a test: arrows between modules, lengths, leftovers, documentation, dead
//! files. Reads every `.rs` file of the workspace as text; builds and runs nothing.
//!
//! Each rule is a pure function from sources to findings and proves on samples, in its own file, that
//! it can fail.

#![allow(clippy::unwrap_used, reason = "tests")]

mod arrows;
mod lengths;
mod modules;
mod paths;
mod source;
mod words;

use std::fmt;
use std::fs;
use std::path::Path;
use std::sync::LazyLock;

use source::Source;

/// One broken rule in one place.
#[derive(Debug, PartialEq, Eq)]
struct Finding {
    path: String,
    line: usize,
    what: String,
}

impl Finding {
    fn new(source: &Source, line: usize, what: impl Into<String>) -> Self {
        Self { path: source.path.clone(), line, what: what.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path, self.line, self.what)
    }
}

/// Where Rust files of ours are.
const FOLDERS: [&str; 7] = ["src", "storage", "sim", "tests", "benches", "examples", "fuzz"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

static WORKSPACE: LazyLock<Vec<Source>> = LazyLock::new(|| {
    let mut sources = Vec::new();
    for folder in FOLDERS {
        collect(&root().join(folder), &mut sources);
    }
    sources.sort_by(|a, b| a.path.cmp(&b.path));
    for known in ["src/lib.rs", "storage/src/lib.rs", "sim/src/lib.rs", "tests/tidy/main.rs"] {
        assert!(sources.iter().any(|source| source.path == known), "{known} was not found");
    }
    sources
});

fn collect(folder: &Path, sources: &mut Vec<Source>) {
    // Some folders come with later work.
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if path.is_dir() && name != "target" && !name.starts_with('.') {
            collect(&path, sources);
        } else if name.ends_with(".rs") {
            let relative = path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned();
            sources.push(Source::new(relative, fs::read_to_string(&path).unwrap()));
        }
    }
}

fn must_be_empty(findings: &[Finding]) {
    let lines: Vec<_> = findings.iter().map(Finding::to_string).collect();
    assert!(findings.is_empty(), "{} broken rules:\n{}", lines.len(), lines.join("\n"));
}

fn everywhere(rule: fn(&Source) -> Vec<Finding>) {
    must_be_empty(&WORKSPACE.iter().flat_map(rule).collect::<Vec<_>>());
}

#[test]
fn modules_depend_only_along_the_arrows() {
    everywhere(arrows::broken);
}

#[test]
fn only_the_shell_spawns_and_selects() {
    everywhere(arrows::hidden_concurrency);
}

#[test]
fn files_and_functions_stay_short() {
    everywhere(lengths::too_long);
    for source in WORKSPACE.iter() {
        lengths::long_file(source).inspect(|line| eprintln!("{line}"));
    }
}

#[test]
fn nothing_is_left_over() {
    everywhere(words::leftovers);
}

#[test]
fn names_say_what_a_thing_is() {
    everywhere(words::empty_names);
}

#[test]
fn every_select_is_biased() {
    everywhere(words::unbiased_selects);
}

#[test]
fn every_module_says_what_it_is() {
    everywhere(modules::undocumented);
}

#[test]
fn every_file_is_reached_by_a_mod_line() {
    let manifests: Vec<_> =
        ["Cargo.toml", "storage/Cargo.toml", "sim/Cargo.toml", "benches/load/Cargo.toml"]
            .into_iter()
            .filter_map(|path| Some((path.to_owned(), fs::read_to_string(root().join(path)).ok()?)))
            .collect();
    must_be_empty(&modules::unreached(&WORKSPACE, &manifests));
}

#[test]
fn the_code_map_names_every_top_level_module() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    must_be_empty(&modules::unmapped(&WORKSPACE, &readme));
}
