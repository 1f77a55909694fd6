//! An operator who wants no more, and one who asks how a command ends.

use std::net::TcpListener;
use std::process::Command;

use crate::{printed, refused, sagaline};

#[test]
fn a_command_on_sagas_is_stopped_at_a_node_that_does_not_answer() {
    let folder = tempfile::tempdir().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let retry = ["retry", "--all", "--status", "parked", "--reason", "r"];
    for (signal, verb) in [("-INT", &["list"][..]), ("-TERM", &retry[..])] {
        let mut command = sagaline(folder.path(), &["saga", "--url", &url]);
        let child = command.args(verb).env("SAGALINE_TOKEN", "token").spawn().unwrap();
        // It listens to signals before it connects.
        let connection = listener.accept().unwrap();
        let id = child.id().to_string();
        assert!(Command::new("kill").args([signal, &id]).status().unwrap().success());
        refused(&child.wait_with_output().unwrap(), 1, &["it was stopped"]);
        drop(connection);
    }
}

#[test]
fn the_help_of_a_command_ends_with_the_exit_codes() {
    let folder = tempfile::tempdir().unwrap();
    for command in [&["--help"][..], &["log", "verify", "--help"], &["saga", "retry", "-h"]] {
        let help = printed(folder.path(), command);
        let last = help.trim_end().rsplit("\n\n").next().unwrap();
        assert!(last.starts_with("Exit codes: 0 done, "), "{help}");
    }
}
