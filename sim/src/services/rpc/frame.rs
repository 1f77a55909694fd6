//! Frames: a length, the number of the request, and a body in bincode. Knows nothing of what is said.

use std::io;

use bytes::{Buf, Bytes, BytesMut};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc;

/// No request and no answer is longer: the longest page of the log, with room.
const FRAME_BYTES_MAX: usize = 64 << 20;
const LENGTH_BYTES: usize = 4;
const ID_BYTES: usize = 8;
/// Room for reads is made at a time, and shared by the frames that are read into it.
const READ_BYTES: usize = 16 << 10;
/// A read has room for so much at least.
const READ_BYTES_MIN: usize = 2 << 10;

/// A body in bytes.
pub(super) fn encode(body: &impl Serialize) -> io::Result<Vec<u8>> {
    let encoded = bincode::serde::encode_to_vec(body, bincode::config::standard());
    encoded.map_err(io::Error::other)
}

/// The inverse of [`encode`].
pub(super) fn decode<T: DeserializeOwned>(body: &[u8]) -> io::Result<T> {
    let decoded = bincode::serde::decode_from_slice(body, bincode::config::standard());
    decoded.map(|(value, _)| value).map_err(io::Error::other)
}

/// A whole frame.
pub(super) fn frame(id: u64, body: &[u8]) -> Vec<u8> {
    debug_assert!(body.len() + ID_BYTES <= FRAME_BYTES_MAX);
    let mut frame = Vec::with_capacity(LENGTH_BYTES + ID_BYTES + body.len());
    // Bounded by the assertion above, far below the type's limit.
    frame.extend_from_slice(&((ID_BYTES + body.len()) as u32).to_le_bytes());
    frame.extend_from_slice(&id.to_le_bytes());
    frame.extend_from_slice(body);
    frame
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

    /// The next frame: whose answer or request it is, and its body. A wait that is dropped loses nothing.
    pub(super) async fn next(&mut self) -> io::Result<(u64, Bytes)> {
        loop {
            if let Some(frame) = self.take()? {
                return Ok(frame);
            }
            if self.buffer.capacity() - self.buffer.len() < READ_BYTES_MIN {
                self.buffer.reserve(READ_BYTES);
            }
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return Err(io::Error::new(
                    io::ErrorKind::UnexpectedEof,
                    "the other side ended it",
                ));
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
pub(super) enum Outgoing {
    Frame(Vec<u8>),
    Cut,
}

/// Writes what comes, as much at a time as has come. Ends when nobody can send any more, or is told to cut.
pub(super) async fn write(
    mut stream: impl AsyncWrite + Unpin,
    mut outgoing: mpsc::UnboundedReceiver<Outgoing>,
) -> io::Result<()> {
    while let Some(first) = outgoing.recv().await {
        let mut together = Vec::new();
        let mut next = Some(first);
        while let Some(part) = next {
            match part {
                Outgoing::Frame(frame) if together.is_empty() => together = frame,
                Outgoing::Frame(frame) => together.extend_from_slice(&frame),
                Outgoing::Cut => return Err(io::ErrorKind::ConnectionAborted.into()),
            }
            next = outgoing.try_recv().ok();
        }
        stream.write_all(&together).await?;
    }
    stream.shutdown().await
}
