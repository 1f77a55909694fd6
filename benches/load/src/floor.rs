//! The floor under a saga: what its syncs and its round trips cost with nothing in between.
//!
//! One append with `fdatasync`, one bare HTTP round trip, in turns, as a saga has them. Prints one JSON
//! line. Quality's bound for one client is `(calls + 1) x sync + (calls + 1) x round trip`.

use std::net::SocketAddr;
use std::path::PathBuf;

use bytes::Bytes;
use clap::Args;
use sagaline_storage::clock::{Clock, SystemClock};
use serde::{Deserialize, Serialize};

use crate::disk::SyncProbe;
use crate::failure::{Context, Failure};
use crate::pool::Pool;
use crate::samples::Samples;

/// Turns that are not counted: connections open, caches warm.
const WARM_UP: usize = 100;

/// What to measure with.
#[derive(Debug, Args)]
pub(crate) struct FloorArgs {
    /// The participant: a process of its own.
    #[arg(long)]
    participant: SocketAddr,
    /// A folder on the disk that the node under test writes to.
    #[arg(long)]
    sync_dir: PathBuf,
    /// Bytes per append.
    #[arg(long, default_value_t = 1_500)]
    bytes: usize,
    /// Measured turns.
    #[arg(long, default_value_t = 4_000)]
    turns: usize,
}

/// The two parts of the floor.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Floor {
    /// One append with its fdatasync, p50.
    pub(crate) sync_p50_us: f64,
    /// One HTTP round trip over loopback, p50.
    pub(crate) http_p50_us: f64,
}

impl Floor {
    /// The floor of a saga of `calls` calls, in microseconds.
    pub(crate) fn of_saga_us(&self, calls: u32) -> f64 {
        f64::from(calls + 1) * (self.sync_p50_us + self.http_p50_us)
    }
}

/// Measures and prints.
pub(crate) async fn run(args: FloorArgs) -> Result<(), Failure> {
    let clock = SystemClock::default();
    let pool = Pool::new(args.participant);
    let mut probe = SyncProbe::create(&args.sync_dir, args.bytes)?;
    let body = Bytes::from_static(br#"{"orderId":"floor","customerId":"floor","amount":1250}"#);
    let (mut syncs, mut trips) = (Samples::default(), Samples::default());
    for turn in 0..WARM_UP + args.turns {
        let sync = probe.sync_once()?;
        let before = clock.monotonic();
        let (status, _) = pool.post("/authorize", &format!("floor-{turn}"), body.clone()).await?;
        let trip = clock.monotonic().saturating_sub(before);
        if !status.is_success() {
            return Err(Failure::new(format!("the participant answered {status}")));
        }
        if turn >= WARM_UP {
            syncs.record(sync);
            trips.record(trip);
        }
    }
    let floor =
        Floor { sync_p50_us: syncs.quantiles().p50_us, http_p50_us: trips.quantiles().p50_us };
    println!("{}", serde_json::to_string(&floor).context("printing the floor")?);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_saga_of_three_calls_stands_on_four_syncs_and_four_round_trips() {
        let floor = Floor { sync_p50_us: 150.0, http_p50_us: 50.0 };
        assert_eq!(floor.of_saga_us(3), 800.0);
    }
}
