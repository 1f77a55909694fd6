//! A check in a plain build: the same test again, built for the simulated world.

use std::process::Command;

use super::this_test::ThisTest;
use super::{App, names};

/// Environment variable of a run that is to be in the simulated build: how many ways there were tried.
const TRIED: &str = "SAGALINE_CHECK_TRIED";

/// Ways to give cargo the flag. The first is that of everything else that is simulated: the builds are shared.
/// Cargo does not take it where flags of a target are configured; it joins those with the second.
const WAYS: [&str; 2] =
    ["build.rustflags=['--cfg','madsim']", "target.'cfg(all())'.rustflags=['--cfg','madsim']"];

/// Runs the test that is running in the simulated build. Panics when it fails there.
pub(super) fn run(app: &App) {
    if let Some(why) = names::refused(app) {
        panic!("{why}");
    }
    let tried = std::env::var(TRIED).ok().and_then(|tried| tried.parse().ok()).unwrap_or(0);
    let way = way(tried).unwrap_or_else(|why| panic!("{why}"));
    let this = ThisTest::find();
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.current_dir(&this.folder).args(["--config", way]);
    command.arg("test");
    if !cfg!(debug_assertions) {
        command.arg("--release");
    }
    command.args(this.arguments()).arg("--nocapture");
    // Set for this process by the cargo that runs it; the other build must not see them.
    command.env_remove("RUSTFLAGS").env_remove("CARGO_ENCODED_RUSTFLAGS");
    command.env(TRIED, (tried + 1).to_string());
    let output = command.output();
    let output = output.unwrap_or_else(|error| panic!("cargo cannot be run: {error}"));
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let complained = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{}", failure(&said, &complained));
    let ran = said.lines().any(|line| line.starts_with("test result: ok. 1 passed"));
    assert!(ran, "the simulated build has no test {}:\n{said}\n{complained}", this.name);
    print!("{}", summary(&said));
}

/// The next way, when so many have led to a build that is not simulated.
fn way(tried: usize) -> Result<&'static str, String> {
    WAYS.get(tried).copied().ok_or_else(|| {
        "the build that was to be simulated was made without `--cfg madsim`: cargo was given the flag and took \
         other rustflags, which are configured, in its place; put those under `[build] rustflags`, which it \
         joins with the check's"
            .to_owned()
    })
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
    fn every_way_is_tried_once() {
        assert_eq!(way(0), Ok(WAYS[0]));
        assert_eq!(way(1), Ok(WAYS[1]));
        assert!(way(2).is_err_and(|why| why.contains("without `--cfg madsim`")));
    }

    #[test]
    fn a_success_is_summed_up() {
        let said = "\nrunning 1 test\ncheck x: 3 worlds\n  more\ntest x ... ok\n";
        assert_eq!(summary(said), "check x: 3 worlds\n  more\n");
    }
}
