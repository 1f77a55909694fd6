//! One client of the closed loop.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use sagaline_storage::clock::{Clock, SystemClock};

use crate::failure::Failure;
use crate::load::request::{Requests, Verdict};
use crate::samples::Samples;
use crate::wire::Wire;

/// Pause after a broken connection: a server that is down is not stormed.
const RECONNECT_PAUSE: Duration = Duration::from_millis(20);
/// Complaints kept to show what went wrong.
const COMPLAINTS_MAX: usize = 3;

/// The measured time, on the load's monotonic clock.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Window {
    /// First instant.
    pub(crate) from: Duration,
    /// Behind the last instant; no request starts from here on.
    pub(crate) to: Duration,
}

/// What a client has seen in the window.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// From sending a request to its answer.
    pub(crate) latencies: Samples,
    /// Answers that were not as expected, and broken connections; of the warm-up too.
    pub(crate) errors: u64,
    /// The first few of them.
    pub(crate) complaints: Vec<String>,
}

/// One client.
pub(crate) struct Client {
    number: usize,
    requests: Arc<Requests>,
    window: Window,
    pause: Duration,
    clock: SystemClock,
    tally: Tally,
}

impl Window {
    /// A window that starts after the warm-up.
    pub(crate) fn from_now(
        clock: &SystemClock,
        warmup_s: f64,
        measured_s: f64,
    ) -> Result<Self, Failure> {
        let seconds =
            |s: f64| Duration::try_from_secs_f64(s).map_err(|e| Failure::new(format!("{s}: {e}")));
        let from = clock.monotonic() + seconds(warmup_s)?;
        Ok(Self { from, to: from + seconds(measured_s)? })
    }
}

impl Tally {
    /// Takes over what another client has seen.
    pub(crate) fn absorb(&mut self, other: Self) {
        self.latencies.absorb(other.latencies);
        self.errors += other.errors;
        self.complaints.extend(other.complaints);
        self.complaints.truncate(COMPLAINTS_MAX);
    }

    fn complain(&mut self, about: String) {
        self.errors += 1;
        if self.complaints.len() < COMPLAINTS_MAX {
            self.complaints.push(about);
        }
    }
}

impl Client {
    /// A client that has not connected yet.
    pub(crate) fn new(
        number: usize,
        requests: Arc<Requests>,
        window: Window,
        pause: Duration,
        clock: SystemClock,
    ) -> Self {
        Self { number, requests, window, pause, clock, tally: Tally::default() }
    }

    /// Sends requests until the window is over.
    pub(crate) async fn run(mut self) -> Tally {
        let mut sequence = 0;
        while self.clock.monotonic() < self.window.to {
            if let Err(cause) = self.use_connection(self.requests.address(), &mut sequence).await {
                self.tally.complain(cause.to_string());
                self.clock.sleep(RECONNECT_PAUSE).await;
            }
        }
        self.tally
    }

    async fn use_connection(&mut self, to: SocketAddr, sequence: &mut u64) -> std::io::Result<()> {
        let mut wire = Wire::connect(to).await?;
        let mut request = Vec::with_capacity(1_024);
        loop {
            let started = self.clock.monotonic();
            if started >= self.window.to {
                return Ok(());
            }
            *sequence += 1;
            self.requests.write(&mut request, self.number, *sequence);
            let reply = wire.round_trip(&request).await?;
            let ended = self.clock.monotonic();
            match self.requests.judge(&reply) {
                Verdict::Expected if ended >= self.window.from && ended < self.window.to => {
                    self.tally.latencies.record(ended.saturating_sub(started));
                }
                Verdict::Expected => {}
                Verdict::Unexpected(what) => self.tally.complain(what),
            }
            if !self.pause.is_zero() {
                self.clock.sleep(self.pause).await;
            }
        }
    }
}
