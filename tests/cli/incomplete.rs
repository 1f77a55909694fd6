//! Data folders that an import, a restore or a backup has filled in part: nobody takes a part for the whole.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::{Node, printed, refused, run, sagaline};

const UNFINISHED: [&str; 3] = ["data", "was not finished", "remove the folder"];

fn mark(folder: &Path) -> PathBuf {
    folder.join("INCOMPLETE")
}

/// Asserts that no command opens the data folder in `folder`.
#[track_caller]
fn opened_by_nobody(folder: &Path) {
    let (data, copy) = (folder.join("data"), folder.join("copy"));
    let commands = [
        &["serve", "--port", "0", "--bind-address", "127.0.0.1"][..],
        &["log", "verify"],
        &["log", "stats"],
        &["user", "list"],
        &["user", "create", "--email", "ada@example.org"],
        &["projection", "list"],
        &["export"],
        &["import", "-"],
        &["backup", copy.to_str().unwrap()],
    ];
    for command in commands {
        refused(&run(folder, command, ""), 3, &UNFINISHED);
    }
    let elsewhere = tempfile::tempdir().unwrap();
    let restore = ["restore", data.to_str().unwrap()];
    refused(&run(elsewhere.path(), &restore, ""), 3, &UNFINISHED);
    assert!(!copy.exists() && !elsewhere.path().join("data").exists());
    assert!(mark(&data).is_file());
}

/// The log of a node that was started once, as a file.
fn exported(folder: &Path) -> String {
    Node::start(folder).stop();
    let file = folder.join("log.jsonl");
    printed(folder, &["export", file.to_str().unwrap()]);
    file.to_str().unwrap().to_owned()
}

#[test]
fn what_a_killed_import_leaves_is_opened_by_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let file = exported(folder.path());
    let text = fs::read_to_string(&file).unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    let data = elsewhere.path().join("data");
    let mut importing = sagaline(elsewhere.path(), &["import", "-"]).spawn().unwrap();
    let half = text.len() / 2;
    importing.stdin.as_mut().unwrap().write_all(&text.as_bytes()[..half]).unwrap();
    while !mark(&data).exists() {
        assert!(importing.try_wait().unwrap().is_none(), "it ended before it was killed");
        std::thread::yield_now();
    }
    importing.kill().unwrap();
    importing.wait().unwrap();
    opened_by_nobody(elsewhere.path());

    fs::remove_dir_all(&data).unwrap();
    printed(elsewhere.path(), &["import", &file]);
    assert!(!mark(&data).exists());
    assert_eq!(printed(elsewhere.path(), &["export"]), text);
}

#[test]
fn a_failed_import_marks_the_folder_only_when_it_left_a_part() {
    let folder = tempfile::tempdir().unwrap();
    let file = exported(folder.path());
    let text = fs::read_to_string(&file).unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    let data = elsewhere.path().join("data");
    let import = |text: &str| {
        let file = folder.path().join("other.jsonl");
        fs::write(&file, text).unwrap();
        run(elsewhere.path(), &["import", file.to_str().unwrap()], "")
    };
    // It is no log at all: the folder is as good as new.
    refused(&import("{}\n"), 1, &["line 1"]);
    refused(&run(elsewhere.path(), &["import", "nowhere.jsonl"], ""), 1, &["nowhere.jsonl"]);
    assert!(!mark(&data).exists());
    let without_end = text.trim_end().rsplit_once('\n').unwrap().0;
    refused(&import(without_end), 1, &["cut off"]);
    opened_by_nobody(elsewhere.path());
    // A store that is in use or has something in it is no part.
    fs::remove_dir_all(&data).unwrap();
    assert!(import(&text).status.success());
    refused(&import(&text), 1, &["not empty"]);
    assert!(!mark(&data).exists());
    let node = Node::start(folder.path());
    refused(&run(folder.path(), &["import", &file], ""), 3, &["in use"]);
    assert!(!mark(&folder.path().join("data")).exists());
    node.stop();
}

/// Copying the master key out of this folder fails, behind the log.
fn break_key(folder: &Path) {
    let key = folder.join("master.key");
    fs::remove_file(&key).unwrap();
    fs::create_dir(&key).unwrap();
}

#[test]
fn what_an_unfinished_restore_or_backup_leaves_is_opened_by_nobody() {
    let folder = tempfile::tempdir().unwrap();
    Node::start(folder.path()).stop();
    let copy = folder.path().join("backup");
    let copied = copy.to_str().unwrap();
    printed(folder.path(), &["backup", copied]);
    assert!(!mark(&copy).exists());
    break_key(&copy);
    let elsewhere = tempfile::tempdir().unwrap();
    let data = elsewhere.path().join("data");
    refused(&run(elsewhere.path(), &["restore", copied], ""), 1, &["master.key"]);
    refused(&run(elsewhere.path(), &["restore", copied], ""), 3, &UNFINISHED);
    opened_by_nobody(elsewhere.path());

    // The backup itself is whole; once its key is back, it is restored into a folder of its own.
    let key = folder.path().join("data/master.key");
    fs::remove_dir(copy.join("master.key")).unwrap();
    fs::copy(&key, copy.join("master.key")).unwrap();
    fs::remove_dir_all(&data).unwrap();
    let restored = printed(elsewhere.path(), &["restore", copied]);
    assert!(restored.contains("copied ") && restored.contains("is sound"), "{restored}");
    assert!(!mark(&data).exists());
    Node::start(elsewhere.path()).stop();

    // A backup that was not finished is no backup.
    break_key(&folder.path().join("data"));
    let part = folder.path().join("part");
    let part = part.to_str().unwrap();
    refused(&run(folder.path(), &["backup", part], ""), 1, &["master.key"]);
    let third = tempfile::tempdir().unwrap();
    refused(&run(third.path(), &["restore", part], ""), 3, &["part", "was not finished"]);
    refused(&run(folder.path(), &["backup", part], ""), 3, &["part", "was not finished"]);
}
