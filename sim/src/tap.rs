//! Connections of a node to the bank and to who lives in the node itself, with the places on them at which the node can be made to crash: the
//! call is sent and unanswered; the answer is there and nothing is recorded of it. Calls are witnessed as
//! they leave, and when their answers come.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use sagaline::engine::InProcess;
use sagaline::engine::http_client::{Connect, Connecting, Stream};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::evidence::{SentCall, Unreached};
use crate::fault::CrashPoint;
use crate::machine::Machine;
use crate::services::{OpenCall, Witness};
use crate::visit::HOST;
use crate::world::{NetConnect, World};

/// How a node's HTTP client connects.
#[derive(Debug, Clone)]
pub(crate) struct TappedConnect {
    /// Who lives in the node itself.
    own: InProcess,
    world: World,
    witness: Witness,
    machine: Machine,
}

impl TappedConnect {
    pub(crate) fn new(world: &World, witness: &Witness, machine: Machine, own: InProcess) -> Self {
        Self { own, world: world.clone(), witness: witness.clone(), machine }
    }
}

impl Connect for TappedConnect {
    fn connect(&self, host: String, port: u16) -> Connecting {
        let Self { own, world, witness, machine } = self.clone();
        let connecting = if host == HOST {
            own.connect(host.clone(), port)
        } else {
            NetConnect { network: world.network.clone(), machine }.connect(host.clone(), port)
        };
        Box::pin(async move {
            let stream = connecting.await.inspect_err(|_| {
                let (to, at_us) = (format!("{host}:{port}"), world.now_us());
                witness.unreached(Unreached { by: machine, to, at_us });
            })?;
            let exchange = Exchange::Between;
            Ok(Box::new(Tapped { stream, world, witness, machine, exchange }) as Box<dyn Stream>)
        })
    }
}

struct Tapped {
    stream: Box<dyn Stream>,
    world: World,
    witness: Witness,
    machine: Machine,
    exchange: Exchange,
}

/// Where a connection is: there is one request at a time on it.
enum Exchange {
    /// The next bytes written begin a request.
    Between,
    /// A request is written, and so much of its answer has come. None: it is no call.
    Asked { call: Option<OpenCall>, heard: Vec<u8> },
}

/// `HTTP/1.1 200`.
const STATUS_BYTES: usize = 12;

impl Tapped {
    /// Whether the machine crashes here: then nothing may be done any more.
    fn crashes(&self, point: CrashPoint) -> bool {
        self.world.at_crash_point(self.machine, point)
    }

    /// The client offered `bytes`, and some of them are written. It offers a whole head at once.
    fn wrote(&mut self, bytes: &[u8]) {
        if matches!(self.exchange, Exchange::Asked { .. }) {
            return;
        }
        let call = call(bytes, self.machine, self.world.now_us());
        let call = call.map(|call| self.witness.call_sent(call));
        self.exchange = Exchange::Asked { call, heard: Vec::new() };
    }

    /// More of the answer is there.
    fn heard(&mut self, bytes: &[u8]) {
        let Exchange::Asked { call, heard } = &mut self.exchange else { return };
        heard.extend(bytes.iter().take(STATUS_BYTES - heard.len()));
        if heard.len() < STATUS_BYTES {
            return;
        }
        if let (Some(call), Some(status)) = (call.take(), status(heard)) {
            self.witness.call_answered(call, self.world.now_us(), status);
        }
        self.exchange = Exchange::Between;
    }
}

/// The call that this head begins; none: it only asks, or is nobody's.
fn call(head: &[u8], by: Machine, sent_at_us: u64) -> Option<SentCall> {
    let head = String::from_utf8_lossy(head);
    let mut lines = head.split("\r\n");
    lines.next().filter(|first| first.starts_with("POST "))?;
    let header = |wanted: &str| {
        let mut headers = lines.clone().filter_map(|line| line.split_once(": "));
        headers.find(|(name, _)| name.eq_ignore_ascii_case(wanted)).map(|(_, value)| value)
    };
    let (to, key) = (header("host")?.to_owned(), header("idempotency-key")?.to_owned());
    let epoch = header("sagaline-epoch")?.parse().ok()?;
    Some(SentCall { by, to, key, epoch, sent_at_us, answer: None })
}

fn status(head: &[u8]) -> Option<u16> {
    std::str::from_utf8(head).ok()?.rsplit(' ').next()?.parse().ok()
}

impl AsyncRead for Tapped {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut *self.stream).poll_read(context, buffer);
        self.heard(&buffer.filled()[before..]);
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
        if matches!(written, Poll::Ready(Ok(some)) if some > 0) {
            self.wrote(bytes);
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_read_from_its_head_and_a_question_is_none() {
        let head = |verb: &str| {
            format!(
                "{verb} /book HTTP/1.1\r\nidempotency-key: s/room/action\r\nsagaline-epoch: 3\r\n\
                 host: rooms\r\n\r\n{{}}"
            )
        };
        let sent = call(head("POST").as_bytes(), Machine::Node2, 7);
        let (to, key) = ("rooms".to_owned(), "s/room/action".to_owned());
        let wanted =
            SentCall { by: Machine::Node2, to, key, epoch: 3, sent_at_us: 7, answer: None };
        assert_eq!(sent, Some(wanted));
        assert_eq!(call(head("GET").as_bytes(), Machine::Node2, 7), None);
        assert_eq!(status(b"HTTP/1.1 503"), Some(503));
    }
}
