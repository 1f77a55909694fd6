//! The process is killed in the middle of its saga, and started again.
#![allow(clippy::unwrap_used, reason = "tests")]
#![allow(clippy::disallowed_methods, reason = "a process is waited for in the time of the machine")]

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

/// Only a hang is longer.
const PATIENCE: Duration = Duration::from_secs(120);

struct Process {
    child: Child,
    lines: Receiver<String>,
}

impl Process {
    fn start(folder: &Path) -> Self {
        let command = || Command::new(env!("CARGO_BIN_EXE_first"));
        let mut child = command().current_dir(folder).stdout(Stdio::piped()).spawn().unwrap();
        let (sender, lines) = channel();
        let output = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || {
            output.lines().map_while(Result::ok).try_for_each(|line| sender.send(line))
        });
        Self { child, lines }
    }

    /// The next line that it says; none at its end.
    fn line(&mut self) -> Option<String> {
        use std::sync::mpsc::RecvTimeoutError::{Disconnected, Timeout};
        match self.lines.recv_timeout(PATIENCE) {
            Ok(line) => Some(line),
            Err(Disconnected) => None,
            Err(Timeout) => panic!("it says nothing any more"),
        }
    }

    fn until(&mut self, begin: &str) {
        while let Some(line) = self.line() {
            if line.starts_with(begin) {
                return;
            }
        }
        panic!("it ended without `{begin}`");
    }

    /// SIGKILL, at once.
    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    fn rest(mut self) -> Vec<String> {
        let rest: Vec<String> = std::iter::from_fn(|| self.line()).collect();
        assert!(self.child.wait().unwrap().success(), "{rest:?}");
        rest
    }
}

#[test]
fn a_saga_survives_kill_9() {
    // On the disk that is built on: a temporary file system in memory knows no synced write.
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let mut first = Process::start(folder.path());
    first.until("order-1 is accepted");
    first.kill();

    let mut second = Process::start(folder.path());
    second.until("takes the money");
    second.kill();

    let third = Process::start(folder.path()).rest();
    let said = |begin: &str| third.iter().any(|line| line.starts_with(begin));
    assert!(!said("grinds"), "what was done is not done again: {third:?}");
    assert!(said("order-1 is known already") && said("brews"), "{third:?}");
    assert_eq!(third.last().unwrap(), "order-1 is Some(Completed)", "{third:?}");

    let fourth = Process::start(folder.path()).rest();
    assert_eq!(fourth, ["order-1 is known already", "order-1 is Some(Completed)"]);
}
