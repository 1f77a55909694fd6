//! Runs the simulated tests from a plain `cargo test`: builds this package with `--cfg madsim` into the
//! same target folder (cargo keeps both builds side by side) and runs every test of it.
#![cfg(not(madsim))]

use std::process::Command;

#[test]
fn the_simulated_world_holds() {
    // Hundreds of worlds are run: optimised a little, they take a fraction of the time.
    let optimised = ["sagaline", "sagaline-storage", "sagaline-sim"]
        .map(|package| format!("--config=profile.dev.package.{package}.opt-level=1"));
    let output = Command::new(env!("CARGO"))
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
        .args(optimised)
        .args(["--config", "build.rustflags=['--cfg','madsim']", "test", "--locked", "-p"])
        .arg(env!("CARGO_PKG_NAME"))
        // Set for this process by the cargo that runs it; the other build must not see them.
        .env_remove("RUSTFLAGS")
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .output()
        .expect("cargo runs this test, so it can be run");
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success(), "{said}");
    let passed: usize = said.lines().filter_map(passed_in).sum();
    assert!(passed >= 4, "only {passed} simulated tests ran:\n{said}");
}

/// `test result: ok. 12 passed; …`
fn passed_in(line: &str) -> Option<usize> {
    line.strip_prefix("test result: ok. ")?.split(' ').next()?.parse().ok()
}
