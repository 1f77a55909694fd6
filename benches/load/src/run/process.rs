//! A process that the collector started: ended by its id when it is dropped.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use sagaline_storage::clock::{Clock, SystemClock};

use crate::failure::{Context, Failure};
use crate::load::figures::LoadFigures;
use crate::run::http;
use crate::serve::LISTENING;

/// How long a server may take until it can be called.
const START_MAX: Duration = Duration::from_secs(60);

/// A server that was started and can be called.
pub(crate) struct Process {
    name: String,
    child: Child,
    /// Where it listens.
    pub(crate) address: SocketAddr,
}

impl Process {
    /// Starts a part of this program that announces its address.
    pub(crate) async fn start_part(part: &str, args: &[String]) -> Result<Self, Failure> {
        let mut command = own_part(part)?;
        command.args(args).arg("--with-parent").stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().context(format!("starting {part}"))?;
        let output = child.stdout.take().ok_or_else(|| Failure::new("no standard output"))?;
        let unknown = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut process = Self { name: part.to_owned(), child, address: unknown };
        let announced = tokio::task::spawn_blocking(move || announced_address(output));
        let announced = tokio::time::timeout(START_MAX, announced).await;
        let announced = announced.context(format!("waiting for {part}"))?;
        process.address = announced.context("reading its address")??;
        Ok(process)
    }

    /// Starts the product's own binary on an empty store and waits until it is ready.
    pub(crate) async fn start_sagaline(
        binary: &Path,
        data_dir: &Path,
        environment: &[(&str, &str)],
    ) -> Result<Self, Failure> {
        let address = free_address()?;
        let log = data_dir.with_extension("log");
        let log = File::create(&log).context(format!("creating {}", log.display()))?;
        let errors = log.try_clone().context("sharing the log file")?;
        let child = Command::new(binary)
            .env("PORT", address.port().to_string())
            .env("DATA_DIR", data_dir)
            .env("LOG_LEVEL", "warn")
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(errors)
            .spawn()
            .context(format!("starting {}", binary.display()))?;
        let mut process = Self { name: "sagaline".to_owned(), child, address };
        process.wait_until_ready().await?;
        Ok(process)
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Kill -9, and waits until it is gone.
    pub(crate) fn kill(mut self) -> Result<(), Failure> {
        self.end()
    }

    async fn wait_until_ready(&mut self) -> Result<(), Failure> {
        let clock = SystemClock::default();
        loop {
            if let Ok((200, _)) = http::get(self.address, "/health/ready", None).await {
                return Ok(());
            }
            if let Some(status) = self.child.try_wait().context("looking after sagaline")? {
                return Err(Failure::new(format!("sagaline ended with {status}; see its log")));
            }
            if clock.monotonic() > START_MAX {
                return Err(Failure::new("sagaline is not ready after 60 s"));
            }
            clock.sleep(Duration::from_millis(10)).await;
        }
    }

    fn end(&mut self) -> Result<(), Failure> {
        self.child.kill().context(format!("ending {}", self.name))?;
        self.child.wait().map(drop).context(format!("waiting for the end of {}", self.name))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Err(failure) = self.end() {
            eprintln!("{failure}");
        }
    }
}

/// Runs the load to its end and reads its figures.
pub(crate) async fn run_load(args: Vec<String>) -> Result<LoadFigures, Failure> {
    let figures: LoadFigures = run_part("load", args).await?;
    for complaint in &figures.complaints {
        eprintln!("load: {complaint}");
    }
    Ok(figures)
}

/// Runs a part of this program that prints one JSON line, to its end.
pub(crate) async fn run_part<T: serde::de::DeserializeOwned>(
    part: &'static str,
    args: Vec<String>,
) -> Result<T, Failure> {
    let mut command = own_part(part)?;
    command.args(args).stdin(Stdio::null()).stderr(Stdio::inherit());
    let output = tokio::task::spawn_blocking(move || command.output()).await;
    let output = output.context("waiting")?.context(format!("running {part}"))?;
    if !output.status.success() {
        return Err(Failure::new(format!("{part} ended with {}", output.status)));
    }
    serde_json::from_slice(&output.stdout).context(format!("reading what {part} printed"))
}

/// A command that runs a part of this program.
pub(crate) fn own_part(part: &str) -> Result<Command, Failure> {
    let mut command = Command::new(own_path()?);
    command.arg(part);
    Ok(command)
}

/// Where this program is.
pub(crate) fn own_path() -> Result<PathBuf, Failure> {
    std::env::current_exe().context("finding this program")
}

fn announced_address(output: std::process::ChildStdout) -> Result<SocketAddr, Failure> {
    for line in BufReader::new(output).lines() {
        let line = line.context("reading a server's output")?;
        if let Some(address) = line.strip_prefix(LISTENING) {
            return address.parse().context(format!("address {address:?}"));
        }
    }
    Err(Failure::new("the server ended before it told its address"))
}

fn free_address() -> Result<SocketAddr, Failure> {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).context("finding a free port")?;
    listener.local_addr().context("finding a free port")
}
