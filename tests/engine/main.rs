//! The engine on its in-memory backend, and where it is about them in folders, driven through the surface
//! that users have.

#![allow(clippy::unwrap_used, reason = "tests")]

mod barrier;
mod beginnings;
mod consumers;
mod duties;
mod elsewhere;
mod folders;
mod health;
mod names;
mod nodes;
mod ownership;
mod privacy;
mod rebuild;
mod recovery;
mod restored;
mod sagas;
mod snapshots;
mod staged;
mod subscriptions;
mod trip;
