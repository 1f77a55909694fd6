//! The HTTP API over real connections: what is promised of each route, and what bad input gets.

#![allow(clippy::unwrap_used, reason = "tests")]

mod app;
mod client;
mod clock;
mod endpoints;

mod auth;
mod bad_input;
mod blind;
mod connections;
mod consumers;
mod document;
mod edge;
mod events;
mod flows;
mod generated;
mod maintenance;
mod merchants;
mod operator;
mod orders;
mod outage;
mod privacy;
mod projections;
mod sagas;
mod sessions;
mod stream;
mod trace;
mod trials;
mod users;
