//! The services and the nodes' adapters to them: they keep the ports' promises over the network, and each
//! fault of theirs bites.
#![cfg(madsim)]
#![allow(clippy::unwrap_used, reason = "tests")]

mod bank;
mod conformance;
mod faults;
mod world;
