//! The mistakes of a first day with the library. What `build()` or the node says to each stands in
//! `tests/refusals.txt`, held to the word; what must not even compile stands below, each a program whose
//! compilation a test sees fail; what it is told is held by `tests/compile_errors.rs`.
//!
//! # A compensable step without its undo
//!
//! ```compile_fail
#![doc = include_str!("../tests/compile/forgotten_compensation.rs")]
//! ```
//!
//! # Something that is no step
//!
//! ```compile_fail
#![doc = include_str!("../tests/compile/not_a_step.rs")]
//! ```
//!
//! # An action that returns something else than its output
//!
//! ```compile_fail
#![doc = include_str!("../tests/compile/wrong_output.rs")]
//! ```
//!
//! # A probe that answers with something else than the output
//!
//! ```compile_fail
#![doc = include_str!("../tests/compile/wrong_probe.rs")]
//! ```
//!
//! # An output that cannot be stored
//!
//! ```compile_fail
#![doc = include_str!("../tests/compile/missing_serde.rs")]
//! ```
//!
//! # A step of one saga in the definition of another
//!
//! ```compile_fail
#![doc = include_str!("../tests/compile/step_of_another_saga.rs")]
//! ```
//!
//! # A command for something that is no aggregate
//!
//! ```compile_fail
#![doc = include_str!("../tests/compile/not_an_aggregate.rs")]
//! ```
//!
//! # A read model that is none
//!
//! ```compile_fail
#![doc = include_str!("../tests/compile/not_a_projection.rs")]
//! ```
//!
//! # A consumer that is none
//!
//! ```compile_fail
#![doc = include_str!("../tests/compile/not_a_consumer.rs")]
//! ```
