//! The world around the product behaves as the real one does, and every fault of it bites.
#![cfg(madsim)]

mod connections;
mod stage;
