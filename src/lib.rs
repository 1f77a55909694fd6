//! Sagaline: an event store and a saga engine that can be proved.

pub mod domain;

pub mod saga;

pub mod codec;

pub mod engine;
