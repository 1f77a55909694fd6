//! `sagaline-sim`: the simulation from the command line (`cargo sim`).

use std::process::ExitCode;

/// A run is made of millions of small pieces of memory.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    sagaline_sim::cli::main()
}
