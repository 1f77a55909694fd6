//! The log beside raw RocksDB, in one process, side by side.
//!
//! Each measure prints its rows and bars and ends. The collector runs them as programs of their own.

pub(crate) mod append;

pub(crate) mod read;

pub(crate) mod growth;

mod contest;

mod open;

mod recording;

mod workload;

use std::path::PathBuf;

use clap::Args;

use crate::run::profile::Profile;

/// Where and how long to measure.
#[derive(Debug, Args)]
pub(crate) struct StorageArgs {
    /// How long everything takes.
    #[arg(long, value_enum, default_value_t = Profile::Standard)]
    profile: Profile,
    /// Where stores keep their files: on a real disk.
    #[arg(long, default_value = "target/bench-data")]
    data_dir: PathBuf,
}
