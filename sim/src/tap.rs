//! Connections of a node to the bank, with the places on them at which the node can be made to crash: the
//! call is sent and unanswered; the answer is there and nothing is recorded of it.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use sagaline::engine::http_client::{Connect, Connecting, Stream};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::fault::CrashPoint;
use crate::machine::Machine;
use crate::world::{NetConnect, World};

/// How a node's HTTP client connects.
#[derive(Debug, Clone)]
pub(crate) struct TappedConnect {
    world: World,
    machine: Machine,
}

impl TappedConnect {
    pub(crate) fn new(world: &World, machine: Machine) -> Self {
        Self { world: world.clone(), machine }
    }
}

impl Connect for TappedConnect {
    fn connect(&self, host: String, port: u16) -> Connecting {
        let Self { world, machine } = self.clone();
        let connect = NetConnect { network: world.network.clone(), machine };
        Box::pin(async move {
            let stream = connect.connect(host, port).await?;
            Ok(Box::new(Tapped { stream, world, machine }) as Box<dyn Stream>)
        })
    }
}

struct Tapped {
    stream: Box<dyn Stream>,
    world: World,
    machine: Machine,
}

impl Tapped {
    /// Whether the machine crashes here: then nothing may be done any more.
    fn crashes(&self, point: CrashPoint) -> bool {
        self.world.at_crash_point(self.machine, point)
    }
}

impl AsyncRead for Tapped {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut *self.stream).poll_read(context, buffer);
        if buffer.filled().len() > before && self.crashes(CrashPoint::CallAnswered) {
            return Poll::Pending;
        }
        read
    }
}

impl AsyncWrite for Tapped {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut *self.stream).poll_write(context, bytes);
        if matches!(written, Poll::Ready(Ok(_))) && self.crashes(CrashPoint::CallSent) {
            return Poll::Pending;
        }
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.stream).poll_shutdown(context)
    }
}
