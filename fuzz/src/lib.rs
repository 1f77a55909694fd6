//! What is done with any bytes: one function for each place where bytes from outside are read. The fuzz
//! targets give them libFuzzer's, `tests/seeds.rs` the checked-in seeds, on a stable compiler.
//!
//! Each function says what must hold whatever it is given, and panics when it does not.

#![allow(clippy::unwrap_used, reason = "tests")]
#![allow(unreachable_pub, reason = "a crate to the fuzz targets, a module to the tests")]

pub mod cursor;
pub mod http;
pub mod import;
mod node;
pub mod payload;
pub mod settings;
pub mod store;
pub mod token;

/// A target: its name, which is that of its folder of seeds, and its function.
pub type Target = (&'static str, fn(&[u8]));

/// All of them.
pub const TARGETS: [Target; 7] = [
    ("cursor", cursor::run),
    ("http", http::run),
    ("import", import::run),
    ("payload", payload::run),
    ("settings", settings::run),
    ("store", store::run),
    ("token", token::run),
];
