//! The reference application: orders that are paid. Written against the surface that every user of the
//! library has, and nothing below it.

pub mod gateway;
