//! Takes the files of the guide's crate from the guide: what a reader copies is what is compiled here, once
//! as it is and once with the mistake that the guide plants.

#![allow(clippy::unwrap_used, reason = "a guide without its blocks is no guide")]

use std::path::PathBuf;
use std::{env, fs};

const GUIDE: &str = "../src/first-saga.md";

fn main() {
    println!("cargo::rerun-if-changed={GUIDE}");
    println!("cargo::rerun-if-changed=build.rs");
    let guide = fs::read_to_string(GUIDE).unwrap();
    let out = PathBuf::from(env::var_os("OUT_DIR").unwrap());
    let saga = block(&guide, "parcel/src/lib.rs");
    fs::write(out.join("lib.rs"), saga).unwrap();
    fs::write(out.join("survives.rs"), block(&guide, "parcel/tests/survives.rs")).unwrap();
    let (right, mistake) = planted(&guide);
    assert!(saga.contains(right), "the mistake is planted where the code has: {right}");
    fs::write(out.join("planted.rs"), saga.replace(right, mistake)).unwrap();
}

/// The block behind the line that names its file, without the file's own line of documentation: what is
/// included cannot have one.
fn block<'a>(guide: &'a str, file: &str) -> &'a str {
    let (_, behind) = guide.split_once(&format!("`{file}`:\n")).unwrap();
    let (_, behind) = behind.split_once("```rust\n").unwrap();
    let (documentation, code) = behind.split_once("```\n").unwrap().0.split_once('\n').unwrap();
    assert!(documentation.starts_with("//!"), "{file} says what it is");
    code
}

/// What the guide's `sed` replaces, and by what.
fn planted(guide: &str) -> (&str, &str) {
    let (_, command) = guide.split_once("sed -i.right 's|").unwrap();
    let mut parts = command.split('|');
    (parts.next().unwrap(), parts.next().unwrap())
}
