//! Questions and answers between the nodes and the services: frames over the simulated network, many
//! under way on one connection. Used by the service machines and by the nodes' adapters to them.
//!
//! What a caller cannot know it is told so: a request that never left is [`Lost::Unsent`], one whose answer
//! did not come is [`Lost::Unknown`]. Nothing here tries again.

mod client;
mod frame;
mod server;

pub(super) use client::RpcClient;
pub(super) use server::{Answer, Caller, Connections, Service, serve};

use std::fmt;

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Lost {
    /// The request did not leave: it was not acted upon.
    Unsent(String),
    /// The request left, and whether it was acted upon nobody knows.
    Unknown(String),
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unsent(why) => write!(f, "not sent: {why}"),
            Self::Unknown(why) => write!(f, "no answer: {why}"),
        }
    }
}
