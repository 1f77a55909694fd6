//! Every canary once: each deliberate bug is found by an oracle of its own, and what is harmless is not.
//! How many seeds that takes from any beginning is measured by `cargo sim canary`.
#![cfg(madsim)]

use std::process::Command;

#[test]
fn every_canary_is_caught_by_its_own_oracle_and_the_harmless_ones_stay_silent() {
    let out = std::env::temp_dir().join(format!("sagaline-canaries-{}", std::process::id()));
    let output = Command::new(env!("CARGO_BIN_EXE_sagaline-sim"))
        .args(["canary", "--quick", "--out"])
        .arg(&out)
        .output()
        .expect("the program was built for this test");
    let said = String::from_utf8_lossy(&[&*output.stdout, &*output.stderr].concat()).into_owned();
    assert!(output.status.success(), "ended with {}:\n{said}", output.status);
    std::fs::remove_dir_all(&out).expect("the repro files were written");
}

#[test]
fn a_repro_file_plants_its_canary_again() {
    let out = std::env::temp_dir().join(format!("sagaline-canary-{}", std::process::id()));
    let sim = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sagaline-sim"));
        command.args(arguments).current_dir(&out).output().expect("the program was built")
    };
    std::fs::create_dir_all(&out).expect("a folder for what it writes");
    assert!(sim(&["canary", "claim-not-released", "--quick"]).status.success());
    let again = sim(&["repro", "out/canary-claim-not-released.json"]);
    let said = String::from_utf8_lossy(&again.stdout).into_owned();
    assert_eq!(again.status.code(), Some(129), "{said}");
    assert!(said.contains("the same as on file"), "{said}");
    std::fs::remove_dir_all(out).expect("the folder was ours");
}
