//! The shell blocks of the guides, run as a reader would run them: one page is one shell, in a folder of its
//! own, with the binary on its path. Where a page shows output, it is held against what came out. So are those
//! of the README that need nothing but a node; and what it and the crate's page show of other files is there.

#![allow(clippy::unwrap_used, reason = "tests")]

mod page;
mod shown;

use std::ffi::OsString;
use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};

use page::Page;

/// What a page may take in seconds; a node that does not come up is waited for no longer.
const PATIENCE_S: &str = "600";

/// Starts the README's node, as `scripts/run` does.
const START: &str = "```sh
export DATA_DIR=./data ADMIN_EMAIL=admin@example.com ADMIN_PASSWORD=correct-horse
sagaline serve & NODE=$!
until curl -sf -o /dev/null http://localhost:3000/health/ready; do sleep 0.2; done
```
";

/// Becomes the administrator.
const LOG_IN: &str = "```sh
export SAGALINE_TOKEN=$(curl -s $U/auth/login -H \"$J\" -d '{\"email\":\"admin@example.com\",\"password\":\"correct-horse\"}' | sed 's/.*\"accessToken\":\"\\([^\"]*\\)\".*/\\1/')
```
";

/// Stops the node.
const STOP: &str = "```sh
unset SAGALINE_TOKEN
kill -TERM $NODE
wait $NODE
```
";

#[test]
fn the_first_page_leads_to_a_saga_that_is_proved() {
    let _alone = alone();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/newcomer");
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
    let mut newcomer = Command::new(script);
    newcomer.env("PATH", path_with(Path::new(env!("CARGO")).parent().unwrap()));
    newcomer.env("CARGO_TARGET_DIR", target);
    // Set for this process by the cargo that runs it; the builds within must not see them.
    newcomer.env_remove("RUSTFLAGS").env_remove("CARGO_ENCODED_RUSTFLAGS");
    ended_well("first-saga.md", &newcomer.stdin(Stdio::null()).output().unwrap());
}

#[test]
fn operating_a_node() {
    follow("operating.md", &Page::read(&text("docs/src/operating.md")));
}

#[test]
fn a_tour_of_the_api() {
    follow("api.md", &Page::read(&text("docs/src/api.md")));
}

#[test]
fn the_commands_of_the_readme() {
    let readme = text("README.md");
    let tour = shown::section(&readme, "## A short tour");
    let commands = shown::section(&readme, "## The command line");
    let (running, stopped) = commands.split_once("Of a stopped node").unwrap();
    let page = [START, tour, LOG_IN, running, STOP, stopped].join("\n");
    follow("README.md", &Page::read(&page));
}

#[test]
fn what_the_readme_and_the_crates_page_show_stands_in_the_files_that_they_name() {
    let readme = text("README.md");
    let crate_page = shown::documentation(&text("src/lib.rs"));
    let proving = shown::section(&crate_page, "# Proving");
    let mut regions = shown::regions(&readme, "rust");
    regions.extend(shown::regions(proving, "text"));
    assert!(regions.len() >= 5, "{} regions", regions.len());
    for region in regions {
        let wrong = region.missing(&text(&region.file));
        assert!(wrong.is_empty(), "{} has not:\n{}", region.file, wrong.join("\n// …\n"));
    }
}

fn text(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Nodes that are waited for and builds of everything take turns.
fn alone() -> MutexGuard<'static, ()> {
    static MACHINE: Mutex<()> = Mutex::new(());
    MACHINE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn follow(name: &str, page: &Page) {
    let _alone = alone();
    let folder = tempfile::tempdir().unwrap();
    let port = free_port();
    let script = page.script().replace("localhost:3000", &format!("localhost:{port}"));
    let binary = Path::new(env!("CARGO_BIN_EXE_sagaline"));
    let output = Command::new("timeout")
        .args([PATIENCE_S, "bash", "-c", &script])
        .current_dir(folder.path())
        .env_clear()
        .env("PATH", path_with(binary.parent().unwrap()))
        .env("PORT", port.to_string())
        .env("LOG_LEVEL", "error")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    ended_well(name, &output);
    let wrong = page.wrong(&String::from_utf8_lossy(&output.stdout));
    assert!(wrong.is_empty(), "{name}\n{}", wrong.join("\n"));
}

fn ended_well(name: &str, output: &Output) {
    let said = String::from_utf8_lossy(&output.stdout);
    let complained = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{name} ends with {}\n{said}\n{complained}", output.status);
}

/// The path, with this folder before all others.
fn path_with(folder: &Path) -> OsString {
    let path = std::env::var_os("PATH").unwrap();
    let folders = [folder.to_owned()].into_iter().chain(std::env::split_paths(&path));
    std::env::join_paths(folders).unwrap()
}

/// Free a moment ago, and hardly taken meanwhile.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
