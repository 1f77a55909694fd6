//! The HTTP API over real connections: what is promised of each route, and what bad input gets.

#![allow(clippy::unwrap_used, reason = "tests")]

mod app;
mod client;

mod auth;
mod bad_input;
mod edge;
mod operator;
mod orders;
mod sagas;
mod trace;
