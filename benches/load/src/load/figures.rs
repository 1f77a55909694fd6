//! What one run of the load tells.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::load::LoadArgs;
use crate::load::client::Tally;
use crate::samples::{Quantiles, Samples};

/// What one run of the load tells; the collector reads it back.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct LoadFigures {
    /// Clients in the closed loop.
    pub(crate) clients: usize,
    /// Measured seconds.
    pub(crate) measured_s: f64,
    /// Requests that reached their end in that time.
    pub(crate) ended: u64,
    /// Those a second.
    pub(crate) per_second: f64,
    /// From sending a request to its end.
    pub(crate) latency: Quantiles,
    /// Unexpected answers and broken connections.
    pub(crate) errors: u64,
    /// The first few of them.
    pub(crate) complaints: Vec<String>,
    /// CPU seconds of the told processes in that time, in their order.
    pub(crate) cpu_s: Vec<f64>,
    /// Their resident memory at its end.
    pub(crate) resident_bytes: Vec<u64>,
    /// The disk's own fdatasync: before the load, or during it if that was asked for.
    pub(crate) fdatasync: Quantiles,
}

impl LoadFigures {
    /// Puts together what was seen.
    pub(crate) fn of(
        args: &LoadArgs,
        tally: Tally,
        syncs: Samples,
        cpu: Vec<Duration>,
        resident_bytes: Vec<u64>,
    ) -> Self {
        let ended = tally.latencies.len() as u64;
        Self {
            clients: args.clients,
            measured_s: args.measured_s,
            ended,
            per_second: ended as f64 / args.measured_s,
            latency: tally.latencies.quantiles(),
            errors: tally.errors,
            complaints: tally.complaints,
            cpu_s: cpu.iter().map(Duration::as_secs_f64).collect(),
            resident_bytes,
            fdatasync: syncs.quantiles(),
        }
    }

    /// CPU milliseconds of the process told at `index`, per request that ended.
    pub(crate) fn cpu_ms_each(&self, index: usize) -> Option<f64> {
        let used_s = self.cpu_s.get(index)?;
        (self.ended > 0).then(|| used_s * 1_000.0 / self.ended as f64)
    }
}
