//! Whole runs of the simulation, each in a process of its own: fixed seeds of every kind of scenario, the
//! corpus, and that one seed is one run.
#![cfg(madsim)]

use std::path::Path;
use std::process::{Command, Output};

/// Runs the simulation's program and returns what it said, when it ended well.
fn sim(arguments: &[&str]) -> String {
    let out = std::env::temp_dir().join(format!("sagaline-seeds-{}", std::process::id()));
    std::fs::create_dir_all(&out).expect("a folder for what it writes");
    let output = Command::new(env!("CARGO_BIN_EXE_sagaline-sim"))
        .args(arguments)
        .current_dir(&out)
        .output()
        .expect("the program was built for this test");
    let said = said(&output);
    assert!(output.status.success(), "{arguments:?} ended with {}:\n{said}", output.status);
    said
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&[&*output.stdout, &*output.stderr].concat()).into_owned()
}

#[test]
fn a_quiet_world_keeps_every_promise() {
    let said = sim(&["run", "--scenario", "quiet", "--seed", "1"]);
    assert!(said.contains("quiet 1: pass"), "{said}");
}

#[test]
fn fixed_seeds_keep_every_promise() {
    let said = sim(&["swarm", "--seeds", "0..6", "--jobs", "2"]);
    assert!(said.contains("6 runs"), "{said}");
}

#[test]
fn partitions_that_outlive_a_lease_keep_every_promise() {
    for scenario in ["isolate-one", "majority", "swizzle"] {
        sim(&["swarm", "--seeds", "0..2", "--scenario", scenario, "--jobs", "2"]);
    }
}

#[test]
fn one_seed_is_one_run_in_every_process() {
    let said = sim(&["det", "--seeds", "7..9", "--jobs", "2"]);
    assert!(said.contains("2 seeds were the same run twice"), "{said}");
    assert!(said.contains("2 of them with code, heap and stack elsewhere"), "{said}");
}

#[test]
fn the_corpus_comes_to_what_it_must() {
    sim(&["corpus", "--jobs", "2"]);
}

#[test]
fn a_run_can_be_looked_at_in_one_file() {
    let folder = std::env::temp_dir().join(format!("sagaline-view-{}", std::process::id()));
    let page = folder.join("page.html");
    let plan = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus/one-order.json");
    sim(&["view", &plan.to_string_lossy(), "--to", &page.to_string_lossy()]);
    let text = std::fs::read_to_string(&page).expect("the page was written");
    assert!(text.contains("POST /orders") && text.contains("OrderPlaced"), "{} bytes", text.len());
    std::fs::remove_dir_all(folder).expect("the folder was ours");
}

#[test]
fn the_line_that_runs_it_again_comes_first() {
    let said =
        sim(&["run", "--plan", concat!(env!("CARGO_MANIFEST_DIR"), "/corpus/one-order.json")]);
    let again = said.lines().find(|line| line.starts_with("REPRO: cargo sim run --plan"));
    assert!(again.is_some_and(|line| line.contains("sources")), "{said}");
}
