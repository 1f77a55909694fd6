//! The shell blocks of the guides, run as a reader would run them: one page is one shell, in a folder of its
//! own, with the binary on its path. Where a page shows output, it is held against what came out.

#![allow(clippy::unwrap_used, reason = "tests")]

mod page;

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};

use page::Page;

#[test]
fn operating_a_node() {
    follow("operating.md");
}

#[test]
fn a_tour_of_the_api() {
    follow("api.md");
}

fn follow(name: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/src").join(name);
    let page = Page::read(&fs::read_to_string(path).unwrap());
    let folder = tempfile::tempdir().unwrap();
    let port = free_port();
    let script = page.script().replace("localhost:3000", &format!("localhost:{port}"));
    let binary = Path::new(env!("CARGO_BIN_EXE_sagaline"));
    let path = std::env::join_paths(
        [binary.parent().unwrap().to_owned()]
            .into_iter()
            .chain(std::env::split_paths(&std::env::var_os("PATH").unwrap())),
    );
    let output = Command::new("bash")
        .args(["-c", &script])
        .current_dir(folder.path())
        .env_clear()
        .env("PATH", path.unwrap())
        .env("PORT", port.to_string())
        .env("LOG_LEVEL", "error")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let complained = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{name} ends with {}\n{said}\n{complained}", output.status);
    let wrong = page.wrong(&said);
    assert!(wrong.is_empty(), "{name}\n{}\n{complained}", wrong.join("\n"));
}

/// Free a moment ago, and hardly taken meanwhile.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
