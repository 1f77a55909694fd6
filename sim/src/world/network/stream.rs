//! One end of a connection, as the product holds it: what is written leaves at once, a flush does
//! nothing, dropping it closes it. The kernel's TCP stream without its descriptor.

use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::Network;

/// One end of a connection.
#[derive(Debug)]
pub struct SimStream {
    network: Network,
    id: u64,
    side: usize,
    peer: SocketAddr,
}

impl SimStream {
    pub(super) fn new(network: Network, id: u64, side: usize, peer: SocketAddr) -> Self {
        Self { network, id, side, peer }
    }

    /// Who is at the other end.
    pub fn peer(&self) -> SocketAddr {
        self.peer
    }

    /// Another hold on its sending side.
    pub(crate) fn sending(&self) -> Sending {
        Sending { network: self.network.clone(), id: self.id, side: self.side }
    }
}

/// Sends on a connection that somebody else holds.
#[derive(Debug, Clone)]
pub(crate) struct Sending {
    network: Network,
    id: u64,
    side: usize,
}

impl Sending {
    /// Sends as much as leaves at once, and returns the rest; all of it when the connection is broken,
    /// which whoever holds it finds out by writing.
    pub(crate) fn send(&self, bytes: Vec<u8>) -> Vec<u8> {
        self.network.fabric().send_now(self.id, self.side, bytes)
    }
}

impl AsyncWrite for Sending {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let parts = [IoSlice::new(bytes)];
        self.network.fabric().poll_write(self.id, self.side, context, &parts)
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.network.fabric().shutdown(self.id, self.side))
    }
}

impl AsyncRead for SimStream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.network.fabric().poll_read(self.id, self.side, context, buffer)
    }
}

impl AsyncWrite for SimStream {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(context, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.network.fabric().poll_write(self.id, self.side, context, parts)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.network.fabric().shutdown(self.id, self.side))
    }
}

impl Drop for SimStream {
    fn drop(&mut self) {
        self.network.fabric().close(self.id, self.side);
    }
}
