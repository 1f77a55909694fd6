//! A check in a plain build: the same test again, built for the simulated world.

use std::process::Command;

use super::this_test::ThisTest;

/// Runs the test that is running in the simulated build. Panics when it fails there.
pub(super) fn run() {
    let this = ThisTest::find();
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.current_dir(&this.folder).args(["--config", "build.rustflags=['--cfg','madsim']"]);
    command.arg("test");
    if !cfg!(debug_assertions) {
        command.arg("--release");
    }
    command.args(this.arguments()).arg("--nocapture");
    // Set for this process by the cargo that runs it; the other build must not see them.
    command.env_remove("RUSTFLAGS").env_remove("CARGO_ENCODED_RUSTFLAGS");
    let output = command.output();
    let output = output.unwrap_or_else(|error| panic!("cargo cannot be run: {error}"));
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let complained = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{}", failure(&said, &complained));
    let ran = said.lines().any(|line| line.starts_with("test result: ok. 1 passed"));
    assert!(ran, "the simulated build has no test {}:\n{said}\n{complained}", this.name);
    print!("{}", summary(&said));
}

/// What the other build said of its failure, from the line on that runs it again; else everything.
fn failure(said: &str, complained: &str) -> String {
    let both = [complained, said];
    let found = both.iter().find_map(|text| text.find("REPRO:").map(|at| &text[at..]));
    let Some(found) = found else { return format!("{complained}\n{said}") };
    found.split("note: run with `RUST_BACKTRACE").next().unwrap_or(found).to_owned()
}

/// What it said of its success.
fn summary(said: &str) -> String {
    let lines = said.lines().skip_while(|line| !line.starts_with("check "));
    let lines = lines.take_while(|line| !line.starts_with("test "));
    lines.map(|line| format!("{line}\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_that_runs_it_again_comes_first() {
        let said = "Compiling a v1\nthread 'x' panicked at a.rs:1:\nREPRO: SAGALINE_SEED=3 cargo test\nmore\n\
                    note: run with `RUST_BACKTRACE=1`";
        assert_eq!(failure("running 1 test", said), "REPRO: SAGALINE_SEED=3 cargo test\nmore\n");
        assert_eq!(failure("out", "it does not compile"), "it does not compile\nout");
    }

    #[test]
    fn a_success_is_summed_up() {
        let said = "\nrunning 1 test\ncheck x: 3 worlds\n  more\ntest x ... ok\n";
        assert_eq!(summary(said), "check x: 3 worlds\n  more\n");
    }
}
