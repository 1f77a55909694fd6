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
