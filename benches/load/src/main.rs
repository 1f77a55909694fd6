//! `sagaline-load`: everything that is measured with a bar, and what it is measured beside.
//!
//! One program with many parts, each run as a process of its own: the servers ([`participant`],
//! [`twin`], [`acceptor`], [`node`]), the closed-loop client ([`load`]), the [`floor`]. Storage is measured
//! in one process ([`storage`]: ours beside [`raw`]). The collector ([`run`]) starts them in turns and
//! judges. It is what `make bench` runs.

mod failure;

mod samples;

mod bar;

mod disk;

mod usage;

mod wire;

mod pool;

mod serve;

mod participant;

mod raw;

mod twin;

mod acceptor;

mod floor;

mod load;

mod storage;

mod counting;

mod node;

mod report;

mod run;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use sagaline::settings::Settings;

use crate::failure::{Context, Failure};

/// Sagaline's measures.
#[derive(Debug, Parser)]
#[command(name = "sagaline-load")]
struct Arguments {
    #[command(subcommand)]
    part: Part,
}

#[derive(Debug, Subcommand)]
enum Part {
    /// The server that the standard saga's steps call.
    Participant(participant::ParticipantArgs),
    /// The hand-made twin: the same calls and writes without an engine.
    Twin(twin::TwinArgs),
    /// The bare acceptor: one HTTP round trip, one shared sync.
    Acceptor(acceptor::AcceptorArgs),
    /// The node under test: the standard saga on the product's engine.
    Node(node::NodeArgs),
    /// The closed-loop client.
    Load(load::LoadArgs),
    /// One sync and one bare HTTP round trip, in turns.
    Floor(floor::FloorArgs),
    /// Our log beside raw RocksDB: the same keys and bytes, synced.
    Append(storage::append::AppendArgs),
    /// Reading everything beside a raw iterator.
    Read(storage::StorageArgs),
    /// Cost per append while the log grows.
    Growth(storage::StorageArgs),
    /// Every measure in turn: bars, tables, picture.
    Run(run::RunArgs),
}

/// The product's allocator, for every part alike.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    match measure(Arguments::parse().part) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("sagaline-load: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn measure(part: Part) -> Result<(), Failure> {
    match part {
        Part::Participant(args) => on_threads(args.threads)?.block_on(participant::run(args)),
        Part::Twin(args) => on_all_cores()?.block_on(twin::run(args)),
        Part::Acceptor(args) => on_all_cores()?.block_on(acceptor::run(args)),
        Part::Node(args) => {
            on_threads(Settings::defaults().node.threads())?.block_on(node::run(args))
        }
        Part::Load(args) => on_threads(1)?.block_on(load::run(args)),
        Part::Floor(args) => on_threads(1)?.block_on(floor::run(args)),
        Part::Append(args) => on_all_cores()?.block_on(storage::append::run(args)),
        Part::Read(args) => on_all_cores()?.block_on(storage::read::run(args)),
        Part::Growth(args) => on_all_cores()?.block_on(storage::growth::run(args)),
        Part::Run(args) => on_threads(1)?.block_on(run::run(args)),
    }
}

/// One worker thread a core.
fn on_all_cores() -> Result<tokio::runtime::Runtime, Failure> {
    let cores = std::thread::available_parallelism().context("counting the cores")?;
    on_threads(cores.get())
}

fn on_threads(threads: usize) -> Result<tokio::runtime::Runtime, Failure> {
    let mut builder = match threads {
        1 => tokio::runtime::Builder::new_current_thread(),
        _ => tokio::runtime::Builder::new_multi_thread(),
    };
    builder.worker_threads(threads.max(1)).enable_all().build().context("starting the runtime")
}
