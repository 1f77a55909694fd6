//! The node as a process: started on a data folder of its own, killed, started again, stopped.

use std::fs::{self, File, OpenOptions};
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use sagaline::settings::rows;
use tempfile::TempDir;

use super::client::Client;

/// The administrator made at the first start.
pub(crate) const ADMIN_EMAIL: &str = "admin@example.com";
pub(crate) const ADMIN_PASSWORD: &str = "correct horse battery staple";

/// Only a hang is longer.
const START_TIMEOUT: Duration = Duration::from_secs(120);

/// The binary under test. Its process is killed and its folder removed at the end; after a panic the
/// folder stays, and is named.
pub(crate) struct Node {
    folder: Option<TempDir>,
    port: u16,
    process: Option<Child>,
}

impl Node {
    pub(crate) fn in_new_folder() -> Self {
        // On the disk that is built on: a temporary file system in memory knows no synced write.
        let base = env!("CARGO_TARGET_TMPDIR");
        let folder = tempfile::Builder::new().prefix("kill-").tempdir_in(base).unwrap();
        let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        Self { folder: Some(folder), port: free, process: None }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.port))
    }

    /// Starts the process and waits until it says that it can serve.
    pub(crate) fn start(&mut self) {
        self.start_without_waiting();
        let begin = Instant::now();
        loop {
            let ready = Client::of(self.address()).get("/health/ready");
            if ready.is_ok_and(|answer| answer.status == 200) {
                return;
            }
            if let Some(status) = self.process.as_mut().unwrap().try_wait().unwrap() {
                panic!("the node ended by itself with {status}:\n{}", self.log_tail());
            }
            assert!(begin.elapsed() < START_TIMEOUT, "never ready:\n{}", self.log_tail());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    pub(crate) fn start_without_waiting(&mut self) {
        assert!(self.process.is_none(), "one process at a time");
        let log = OpenOptions::new().create(true).append(true).open(self.log_file()).unwrap();
        let child = self
            .command()
            .arg("serve")
            .stdin(Stdio::null())
            .stdout(File::try_clone(&log).unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        self.process = Some(child);
    }

    /// SIGKILL, at once.
    pub(crate) fn kill(&mut self) {
        let mut process = self.process.take().expect("a process runs");
        if let Some(status) = process.try_wait().unwrap() {
            panic!("the node ended by itself with {status}:\n{}", self.log_tail());
        }
        process.kill().unwrap();
        process.wait().unwrap();
    }

    /// SIGTERM; the process must end by itself, and well.
    pub(crate) fn stop(&mut self) {
        let mut process = self.process.take().expect("a process runs");
        let sent =
            Command::new("kill").args(["-TERM", &process.id().to_string()]).status().unwrap();
        assert!(sent.success(), "SIGTERM could not be sent");
        let status = process.wait().unwrap();
        assert!(status.success(), "stopped with {status}:\n{}", self.log_tail());
    }

    /// `sagaline log verify` on the folder: the chain of hashes is whole.
    pub(crate) fn verify_log(&self) {
        let output = self.command().args(["log", "verify"]).output().unwrap();
        let said = [output.stdout, output.stderr].concat();
        assert!(output.status.success(), "log verify: {}", String::from_utf8_lossy(&said));
    }

    fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sagaline"));
        for row in rows() {
            command.env_remove(row.name).env_remove(format!("{}_FILE", row.name));
        }
        command
            .env_remove("SAGALINE_CONFIG")
            .env("PORT", self.port.to_string())
            .env("BIND_ADDRESS", "127.0.0.1")
            .env("DATA_DIR", self.folder().join("data"))
            .env("ADMIN_EMAIL", ADMIN_EMAIL)
            .env("ADMIN_PASSWORD", ADMIN_PASSWORD)
            // The flaky gateway's sagas are what is left over by the kills; a breaker that waits its usual
            // time between their first calls would make the run long and prove nothing more.
            .env("BREAKER_OPEN_FOR", "50ms")
            .env("LOG_LEVEL", "warn");
        command
    }

    fn folder(&self) -> PathBuf {
        self.folder.as_ref().expect("the folder lives as long as the node").path().to_owned()
    }

    fn log_file(&self) -> PathBuf {
        self.folder().join("node.log")
    }

    fn log_tail(&self) -> String {
        let text = fs::read(self.log_file()).unwrap_or_default();
        let tail = &text[text.len().saturating_sub(8_000)..];
        String::from_utf8_lossy(tail).into_owned()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if let Some(mut process) = self.process.take() {
            // Already ended is as good.
            let _ = process.kill();
            let _ = process.wait();
        }
        if std::thread::panicking()
            && let Some(folder) = self.folder.take()
        {
            eprintln!("the data folder and the log are kept in {}", folder.keep().display());
        }
    }
}
