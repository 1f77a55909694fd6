//! Whole nodes of the product in front of the services: orders through the balancer to their end.
#![cfg(madsim)]
#![allow(clippy::unwrap_used, reason = "tests")]

mod client;
mod orders;
mod scene;
