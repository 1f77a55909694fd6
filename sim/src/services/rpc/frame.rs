//! Frames: a length, the number of the request, and a body in bincode. Knows nothing of what is said.

use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};

use bincode::enc::write::Writer;
use bincode::error::EncodeError;
use bytes::{Buf, Bytes, BytesMut};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc;

use crate::world::SimStream;
use crate::world::network::Sending;

/// No request and no answer is longer: the longest page of the log, with room.
const FRAME_BYTES_MAX: usize = 64 << 20;
const LENGTH_BYTES: usize = 4;
const ID_BYTES: usize = 8;
/// Room for reads is made at a time, and shared by the frames that are read into it.
const READ_BYTES: usize = 16 << 10;
/// A read has room for so much at least.
const READ_BYTES_MIN: usize = 2 << 10;

/// Before the body stand these.
const HEADER_BYTES: usize = LENGTH_BYTES + ID_BYTES;
/// Most frames are not longer.
const ROOM_BYTES: usize = 512;

/// Numbers stand as they are: packing them costs more than their way over a network in memory.
fn config() -> impl bincode::config::Config {
    bincode::config::standard().with_fixed_int_encoding()
}

/// A frame whose number is not known yet.
#[derive(Debug)]
pub(crate) struct Unnumbered(Vec<u8>);

/// Behind what stands before a body.
struct Behind<'a>(&'a mut Vec<u8>);

impl Writer for Behind<'_> {
    #[inline]
    fn write(&mut self, bytes: &[u8]) -> Result<(), EncodeError> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }
}

/// A frame with this body.
pub(super) fn encode(body: &impl Serialize) -> io::Result<Unnumbered> {
    let mut frame = Vec::with_capacity(ROOM_BYTES);
    frame.resize(HEADER_BYTES, 0);
    let encoded = bincode::serde::encode_into_writer(body, Behind(&mut frame), config());
    encoded.map_err(io::Error::other)?;
    debug_assert!(frame.len() - LENGTH_BYTES <= FRAME_BYTES_MAX);
    Ok(Unnumbered(frame))
}

/// What [`encode`] made a body of.
pub(super) fn decode<T: DeserializeOwned>(body: &[u8]) -> io::Result<T> {
    let decoded = bincode::serde::borrow_decode_from_slice(body, config());
    decoded.map(|(value, _)| value).map_err(io::Error::other)
}

impl Unnumbered {
    /// The whole frame.
    pub(super) fn numbered(self, id: u64) -> Vec<u8> {
        let Self(mut frame) = self;
        // Bounded by the assertion in `encode`, far below the type's limit.
        let length = (frame.len() - LENGTH_BYTES) as u32;
        frame[..LENGTH_BYTES].copy_from_slice(&length.to_le_bytes());
        frame[LENGTH_BYTES..HEADER_BYTES].copy_from_slice(&id.to_le_bytes());
        frame
    }
}

/// The frames of one direction of a connection.
pub(super) struct Frames<R> {
    stream: R,
    buffer: BytesMut,
}

impl<R: AsyncRead + Unpin> Frames<R> {
    pub(super) fn new(stream: R) -> Self {
        Self { stream, buffer: BytesMut::new() }
    }

    /// The next frame: whose answer or request it is, and its body.
    pub(super) fn poll_next(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<(u64, Bytes)>> {
        loop {
            if let Some(frame) = self.take()? {
                return Poll::Ready(Ok(frame));
            }
            if self.buffer.capacity() - self.buffer.len() < READ_BYTES_MIN {
                self.buffer.reserve(READ_BYTES);
            }
            let reading = pin!(self.stream.read_buf(&mut self.buffer));
            if ready!(reading.poll(context))? == 0 {
                let ended = "the other side ended it";
                return Poll::Ready(Err(io::Error::new(io::ErrorKind::UnexpectedEof, ended)));
            }
        }
    }

    fn take(&mut self) -> io::Result<Option<(u64, Bytes)>> {
        let Some(length) = self.buffer.first_chunk::<LENGTH_BYTES>() else { return Ok(None) };
        let length = u32::from_le_bytes(*length) as usize;
        if !(ID_BYTES..=FRAME_BYTES_MAX).contains(&length) {
            return Err(io::Error::other(format!("a frame of {length} bytes")));
        }
        if self.buffer.len() < LENGTH_BYTES + length {
            return Ok(None);
        }
        self.buffer.advance(LENGTH_BYTES);
        let mut frame = self.buffer.split_to(length).freeze();
        let id = frame.get_u64_le();
        Ok(Some((id, frame)))
    }
}

/// What is to be written: frames, until the connection is to be cut in the middle of things.
enum Outgoing {
    Frame(Vec<u8>),
    Cut,
}

/// Where frames leave by. Clones write to the same connection; when the last is dropped, it is ended.
#[derive(Clone)]
pub(super) struct Outbox {
    sending: Sending,
    line: mpsc::UnboundedSender<Outgoing>,
    in_line: Arc<AtomicUsize>,
}

/// What could not leave at once, for [`write`].
pub(super) struct Line {
    outgoing: mpsc::UnboundedReceiver<Outgoing>,
    in_line: Arc<AtomicUsize>,
}

impl Outbox {
    /// The way out of a connection. Somebody must [`write`] what stands in the line.
    pub(super) fn of(stream: &SimStream) -> (Self, Line) {
        let (line, outgoing) = mpsc::unbounded_channel();
        let in_line = Arc::new(AtomicUsize::new(0));
        let outbox = Self { sending: stream.sending(), line, in_line: in_line.clone() };
        (outbox, Line { outgoing, in_line })
    }

    /// The frame leaves now, or stands in line when there is no room for all of it. False: nobody writes
    /// any more.
    pub(super) fn send(&self, frame: Vec<u8>) -> bool {
        let rest = if self.has_line() { frame } else { self.sending.send(frame) };
        rest.is_empty() || self.stand(Outgoing::Frame(rest))
    }

    /// Whether something stands in line.
    pub(super) fn has_line(&self) -> bool {
        self.in_line.load(Ordering::Relaxed) > 0
    }

    /// The connection ends as soon as it comes to that.
    pub(super) fn cut(&self) -> bool {
        self.stand(Outgoing::Cut)
    }

    fn stand(&self, outgoing: Outgoing) -> bool {
        self.in_line.fetch_add(1, Ordering::Relaxed);
        self.line.send(outgoing).is_ok()
    }
}

/// Writes what stands in line, as much at a time as has come. Ends when nobody can send any more, or is
/// told to cut.
pub(super) async fn write(mut stream: impl AsyncWrite + Unpin, mut line: Line) -> io::Result<()> {
    while let Some(first) = line.outgoing.recv().await {
        let (mut together, mut taken) = (Vec::new(), 0);
        let mut next = Some(first);
        while let Some(part) = next {
            match part {
                Outgoing::Frame(frame) if together.is_empty() => together = frame,
                Outgoing::Frame(frame) => together.extend_from_slice(&frame),
                Outgoing::Cut => return Err(io::ErrorKind::ConnectionAborted.into()),
            }
            taken += 1;
            next = line.outgoing.try_recv().ok();
        }
        stream.write_all(&together).await?;
        line.in_line.fetch_sub(taken, Ordering::Relaxed);
    }
    stream.shutdown().await
}
