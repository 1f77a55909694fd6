//! Canaries: deliberate bugs of the product, each of which the simulation must find, by an oracle that is
//! meant for it and within a number of seeds. A harness that cannot see them would not see real ones.
//!
//! The bugs themselves stand in the product behind [`sagaline_storage::canary`]; here is what is known of
//! each ([`registry`]), how it is looked for ([`search()`]) and what a whole round comes to ([`summary`]).
//! The command line runs the worlds; nothing here does.

pub mod registry;
pub mod search;
pub mod summary;

pub use registry::{Canary, all, named};
pub use search::{Found, Range, search};
