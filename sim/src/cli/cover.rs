//! `cover`: what a batch of seeds reaches: which faults bite, which oracles see something in every run,
//! which operations end in which ways.

use super::{Done, SwarmArgs, exit, swarm, tables};

pub(super) fn run(args: &SwarmArgs) -> Done {
    let batch = swarm::batch(args)?;
    print!("{}", tables::of_batch(&batch));
    print!("{}", tables::of_oracles(&batch));
    let blind = batch.oracles.values().any(|(examined, _)| *examined == 0);
    Ok(exit(batch.complaints().is_empty() && !blind))
}
