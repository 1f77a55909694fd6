//! `sagaline-sim`: the simulation from the command line (`cargo sim`).

use std::process::ExitCode;

/// A run makes some two million small pieces of memory: with the allocator of the C library they are a fifth
/// of what it costs.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    sagaline_sim::cli::main()
}
