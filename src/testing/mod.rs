//! The test kit: what a saga, an aggregate or a projection of one's own is tested with, without a store, a
//! participant or a second of waiting.
//!
//! | what | how |
//! |---|---|
//! | an aggregate | [`aggregate::given`]`(events).when(command).then(events)`, or `.refused(refusal)` |
//! | a projection | [`projection::given`]`(projection, log).view(key)` |
//! | a saga's definition | [`definition::given`]`(&definition, &input).when(input).then(events, effects)` |
//! | a whole node, its time in the test's hand | [`World`] |
//!
//! Every other way of testing goes beyond one process: `sagaline-sim` runs whole nodes under faults.
//! Nothing here is used by the product; what fails panics, as assertions do.

pub mod aggregate;

mod log;
pub mod projection;

pub mod definition;
mod heard;
mod script;

mod world;

pub use log::Log;
pub use world::{Memory, World};

/// Lines of a list for a failure's text.
fn listed<T>(items: impl IntoIterator<Item = T>, line: impl Fn(T) -> String) -> String {
    let lines: Vec<String> = items
        .into_iter()
        .map(|item| format!("    {}", line(item).replace('\n', "\n    ")))
        .collect();
    if lines.is_empty() { "    nothing".to_owned() } else { lines.join("\n") }
}
