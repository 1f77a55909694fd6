//! Stores that are damaged, and folders without one: whoever is asked about them says what is wrong and where,
//! and passes nothing off as whole.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use crate::{Node, printed, refused, run};

/// Of the write-ahead log: `db/log_format.h` of RocksDB.
const BLOCK_BYTES: usize = 32 * 1024;
const HEADER_BYTES: usize = 7;

/// Files of the log in a data folder.
fn files(data: &Path, extension: &str) -> Vec<PathBuf> {
    let files = fs::read_dir(data.join("log")).unwrap().map(|entry| entry.unwrap().path());
    files.filter(|path| path.extension().is_some_and(|its| its == extension)).collect()
}

/// The file of the write-ahead log that has most in it.
fn wal(data: &Path) -> PathBuf {
    let size = |path: &PathBuf| fs::metadata(path).unwrap().len();
    files(data, "log").into_iter().max_by_key(size).unwrap()
}

/// Where the last record of a write-ahead log begins.
fn last_record(wal: &[u8]) -> usize {
    let mut at = (wal.len() - 1) / BLOCK_BYTES * BLOCK_BYTES;
    loop {
        let length = usize::from(u16::from_le_bytes([wal[at + 4], wal[at + 5]]));
        let next = at + HEADER_BYTES + length;
        if next >= wal.len() {
            return at;
        }
        at = next;
    }
}

/// Changes one byte of the last record of a store's write-ahead log, so many bytes behind its beginning.
/// Returns the file, what is in it now, and where the record begins.
fn damage(data: &Path, byte: usize) -> (PathBuf, Vec<u8>, usize) {
    let path = wal(data);
    let mut wal = fs::read(&path).unwrap();
    let at = last_record(&wal);
    wal[at + byte] ^= 0x40;
    fs::write(&path, &wal).unwrap();
    (path, wal, at)
}

#[track_caller]
fn names(output: &Output, (path, wal, at): &(PathBuf, Vec<u8>, usize)) {
    let (name, place) = (path.file_name().unwrap().to_str().unwrap(), format!("byte {at}"));
    refused(output, 4, &["write-ahead log", name, &place]);
    assert_eq!(&fs::read(path).unwrap(), wal, "left as it is");
}

#[test]
fn a_damaged_write_ahead_log_is_neither_copied_nor_called_sound() {
    // A length that RocksDB takes for a torn end, and a payload whose checksum it gives no place.
    for byte in [5, HEADER_BYTES] {
        let folder = tempfile::tempdir().unwrap();
        Node::start(folder.path()).stop();
        let (whole, copy) = (folder.path().join("whole"), folder.path().join("copy"));
        printed(folder.path(), &["backup", whole.to_str().unwrap()]);

        let damaged = damage(&folder.path().join("data"), byte);
        names(&run(folder.path(), &["backup", copy.to_str().unwrap()], ""), &damaged);
        assert!(!copy.exists(), "nothing was copied");
        names(&run(folder.path(), &["log", "verify"], ""), &damaged);

        let damaged = damage(&whole, byte);
        let elsewhere = tempfile::tempdir().unwrap();
        names(&run(elsewhere.path(), &["restore", whole.to_str().unwrap()], ""), &damaged);
        assert!(!elsewhere.path().join("data").exists(), "nothing was restored");
    }
}

#[test]
fn damaged_tables_are_refused_with_4_and_a_position_and_left_as_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    // What a node wrote is in tables once another has opened its store.
    Node::start(folder.path()).stop();
    Node::start(folder.path()).stop();
    let tables = files(&data, "sst");
    assert!(tables.len() >= 2, "records and indexes: {tables:?}");
    for table in tables {
        let whole = fs::read(&table).unwrap();
        let mut bytes = whole.clone();
        // In its first block, which is the only one, and so the last.
        bytes[40] ^= 0xff;
        fs::write(&table, &bytes).unwrap();
        let verified = run(folder.path(), &["log", "verify"], "");
        refused(&verified, 4, &["first at position 1"]);
        let places = String::from_utf8(verified.stdout).unwrap();
        assert!(places.starts_with("position 1: "), "{places}");
        assert!(places.contains(table.file_name().unwrap().to_str().unwrap()), "{places}");
        assert_eq!(fs::read(&table).unwrap(), bytes);
        fs::write(&table, &whole).unwrap();
    }
    assert!(printed(folder.path(), &["log", "verify"]).contains("is sound"));
}

#[test]
fn a_folder_without_a_store_is_not_looked_at_and_gets_none() {
    let folder = tempfile::tempdir().unwrap();
    let (data, copy) = (folder.path().join("data"), folder.path().join("copy"));
    let copied = copy.to_str().unwrap();
    let commands = [
        &["log", "verify"][..],
        &["log", "stats"],
        &["export"],
        &["user", "list"],
        &["projection", "list"],
        &["backup", copied],
    ];
    let refused_by_all = |words: &[&str]| {
        for command in commands {
            refused(&run(folder.path(), command, ""), 3, words);
        }
        assert!(!copy.exists());
    };
    refused_by_all(&["data", "does not exist"]);
    assert!(!data.exists());
    fs::create_dir(&data).unwrap();
    refused_by_all(&["data", "no store is in it"]);
    assert_eq!(fs::read_dir(&data).unwrap().count(), 0, "nothing was made");

    Node::start(folder.path()).stop();
    // A store without its head is none to be filled: RocksDB would delete what is left.
    for database in ["log", "views"] {
        let current = data.join(database).join("CURRENT");
        let named = fs::read(&current).unwrap();
        fs::remove_file(&current).unwrap();
        for command in [&["log", "verify"][..], &["serve"], &["user", "list"]] {
            refused(&run(folder.path(), command, ""), 4, &[database, "CURRENT is missing"]);
        }
        fs::write(&current, named).unwrap();
    }
    printed(folder.path(), &["user", "list"]);
    fs::remove_dir_all(data.join("log")).unwrap();
    refused_by_all(&["data", "no store is in it"]);
    assert!(!data.join("log").exists());
}
