//! `sagaline-sim`: the simulation from the command line (`cargo sim`).

use std::process::ExitCode;

fn main() -> ExitCode {
    sagaline_sim::cli::main()
}
