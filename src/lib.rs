//! Sagaline: an event store and a saga engine that can be proved.

pub mod settings;

pub mod limits;

mod canary;

pub mod domain;

pub mod saga;

pub mod codec;

pub mod engine;

pub mod worlds;

pub mod prelude;

pub mod http;

pub mod telemetry;

pub mod cli;

pub mod app;

pub mod projections;
