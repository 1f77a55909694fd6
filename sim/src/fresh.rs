//! The same scenario in fresh processes: what a library keeps for the whole process (counters, caches,
//! random tables) is part of what must not differ. Called by the tests that compare two runs.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::transcript::Transcript;

/// Environment variable with the seed of a run.
pub const SEED: &str = "SAGALINE_SIM_SEED";
/// Environment variable with the file a run writes its transcript to.
pub const TRANSCRIPT: &str = "SAGALINE_SIM_TRANSCRIPT";

/// The seed this process is to run: what was asked for, or the first one.
pub fn seed() -> u64 {
    let Ok(text) = std::env::var(SEED) else { return 1 };
    text.parse().unwrap_or_else(|_| panic!("{SEED} must be a whole number and is {text:?}"))
}

/// Hands a finished run's transcript to the process that asked for it, if one did.
pub fn hand_over(transcript: &Transcript) {
    if let Ok(file) = std::env::var(TRANSCRIPT) {
        std::fs::write(&file, transcript.text()).unwrap_or_else(|error| panic!("{file}: {error}"));
    }
}

/// Runs one test of this test binary in a process of its own and returns the transcript it handed
/// over. Panics when the test fails there, or hands over nothing.
pub fn transcript_of(test: &str, seed: u64) -> Transcript {
    let file = transcript_file(test, seed);
    let binary = std::env::current_exe().expect("a test binary knows its own path");
    let output = Command::new(binary)
        .args(["--exact", test, "--nocapture"])
        .env(SEED, seed.to_string())
        .env(TRANSCRIPT, &file)
        .output()
        .expect("this binary ran a moment ago");
    let said = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "{test} with seed {seed}: {}", String::from_utf8_lossy(&said));
    let text = std::fs::read_to_string(&file).unwrap_or_else(|error| {
        panic!("{test} handed over no transcript in {}: {error}", file.display())
    });
    remove(&file);
    Transcript::of_text(&text)
}

fn transcript_file(test: &str, seed: u64) -> PathBuf {
    let name = format!("sagaline-sim-{}-{test}-{seed}.txt", std::process::id());
    let file = std::env::temp_dir().join(name);
    if file.exists() {
        remove(&file);
    }
    file
}

fn remove(file: &Path) {
    std::fs::remove_file(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
}
