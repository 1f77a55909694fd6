//! The simulated world: whole nodes of the product in one thread, on simulated time and network, from
//! one seed. The product's code is the production code; only the world around it is made here.
//!
//! What is data (seeds, plans, faults, evidence, oracles) is built in every build; the world itself only
//! with `--cfg madsim` (`cargo sim`). A plain `cargo test` of this package builds and runs the simulated
//! tests itself. The product does not depend on this package; users do, in their tests: [`check()`] proves
//! sagas of their own.
//!
//! What is real: the router, the serve loop, the engine, the log's algorithm. What is simulated: time,
//! network, randomness, disks, machines, the services around the nodes, and what goes wrong with them.

pub mod seed;

pub mod machine;

pub mod fate;
pub mod fault;
pub mod shape;

pub mod bites;

pub mod plan;
pub mod statement;
pub mod trip;
pub mod visit;

pub mod strategy;
pub mod swarm;

pub mod workload;

pub mod evidence;
pub mod remotes;

pub mod oracle;

pub mod verdict;

pub mod canary;
pub mod check;
pub mod cli;
pub mod repro;
pub mod run;
pub mod shrink;
pub mod tally;
#[cfg(test)]
mod testing;
pub mod trace;
pub mod view;

#[cfg(madsim)]
pub mod client;
#[cfg(madsim)]
pub mod fresh;
#[cfg(madsim)]
pub mod node;
#[cfg(madsim)]
pub mod once;
#[cfg(madsim)]
pub mod pause;
#[cfg(madsim)]
pub mod services;
#[cfg(madsim)]
pub mod stream;
#[cfg(madsim)]
mod tap;
#[cfg(madsim)]
pub mod transcript;
#[cfg(madsim)]
pub mod world;

pub use check::{Check, Faults, check};
