//! Puts into the program what it was built from: compiler, lock file and all sources by their hash, so
//! that a repro file can tell whether it means this program.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Everything a simulated run depends on.
const SOURCES: [&str; 3] = ["src", "storage/src", "sim/src"];

fn main() {
    let here = env::var("CARGO_MANIFEST_DIR").expect("cargo says where the package is");
    let root = Path::new(&here).parent().expect("the package is in the workspace").to_owned();
    say("SOURCES", &short(&sources(&root)));
    let lock = fs::read(root.join("Cargo.lock")).unwrap_or_default();
    say("LOCK", &short(&lock));
    println!("cargo:rerun-if-changed={}", root.join("Cargo.lock").display());
    say("RUSTC", &rustc());
}

fn say(name: &str, value: &str) {
    println!("cargo:rustc-env=SAGALINE_SIM_{name}={value}");
}

fn short(bytes: &[u8]) -> String {
    blake3::hash(bytes).to_hex()[..16].to_owned()
}

fn rustc() -> String {
    let rustc = env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned());
    let output = Command::new(rustc).arg("--version").output();
    let said = output.ok().and_then(|output| String::from_utf8(output.stdout).ok());
    said.map_or_else(|| "unknown".to_owned(), |text| text.trim().to_owned())
}

/// Names and contents of all source files, in the order of their names.
fn sources(root: &Path) -> Vec<u8> {
    let mut files = Vec::new();
    for folder in SOURCES {
        println!("cargo:rerun-if-changed={}", root.join(folder).display());
        collect(&root.join(folder), &mut files);
    }
    files.sort();
    let mut all = Vec::new();
    for file in files {
        let name = file.strip_prefix(root).expect("found below it");
        all.extend(name.to_string_lossy().as_bytes());
        all.extend(fs::read(&file).expect("it was there a moment ago"));
    }
    all
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries {
        let path = entry.expect("a readable folder").path();
        if path.is_dir() {
            collect(&path, files);
        } else {
            files.push(path);
        }
    }
}
