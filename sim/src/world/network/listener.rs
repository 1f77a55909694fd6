//! Who waits for connections on a machine's port: what the product's serve loop accepts from.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;

use sagaline::http::serve::Listen;

use super::connection::SERVER;
use super::fabric::Door;
use super::{Network, SimStream};

/// A machine's port, taken. Free again when it is dropped.
#[derive(Debug)]
pub struct SimListener {
    network: Network,
    door: Door,
    id: u64,
}

impl SimListener {
    pub(super) fn new(network: Network, door: Door, id: u64) -> Self {
        Self { network, door, id }
    }

    /// The next connection, and where it comes from.
    pub async fn accept(&self) -> io::Result<(SimStream, SocketAddr)> {
        let accepted =
            poll_fn(|context| self.network.fabric().poll_accept(self.door, self.id, context));
        let (id, peer) = accepted.await?;
        Ok((SimStream::new(self.network.clone(), id, SERVER, peer), peer))
    }
}

impl Listen for SimListener {
    type Stream = SimStream;

    async fn accept(&self) -> io::Result<(SimStream, SocketAddr)> {
        Self::accept(self).await
    }
}

impl Drop for SimListener {
    fn drop(&mut self) {
        self.network.fabric().unlisten(self.door, self.id);
    }
}
