//! Every port's promises as public test functions.
//!
//! An adapter's test file makes a factory and calls `run_all`; each promise may also be called alone. The
//! functions panic with the broken promise, as tests do. Only tests call them.

