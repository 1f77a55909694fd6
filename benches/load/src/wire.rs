//! The load's HTTP/1.1 client: one connection, one request at a time, as little work as can be.
//!
//! The load shares two cores with what it measures, so it writes prepared bytes and reads a status and
//! a body of known length; it never parses more. Used by `load` and the collector; the twin and the
//! floor use hyper, because they stand for what a service does.

use std::io;
use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Longest head of an answer that is waited for.
const HEAD_BYTES_MAX: usize = 16 * 1024;

/// A connection to a server.
pub(crate) struct Wire {
    stream: TcpStream,
    received: Vec<u8>,
}

/// An answer; its body lives until the next request.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Reply<'a> {
    /// The status code.
    pub(crate) status: u16,
    /// The whole body.
    pub(crate) body: &'a [u8],
}

struct Head {
    status: u16,
    body_from: usize,
    body_bytes: usize,
}

impl Wire {
    /// Connects, with Nagle's algorithm off.
    pub(crate) async fn connect(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, received: Vec::with_capacity(8 * 1024) })
    }

    /// Sends a whole request and waits for the whole answer. After an error the connection is of no
    /// further use.
    pub(crate) async fn round_trip(&mut self, request: &[u8]) -> io::Result<Reply<'_>> {
        self.stream.write_all(request).await?;
        self.received.clear();
        let head = loop {
            self.receive().await?;
            if let Some(head) = parse_head(&self.received)? {
                break head;
            }
        };
        let end = head.body_from + head.body_bytes;
        while self.received.len() < end {
            self.receive().await?;
        }
        Ok(Reply { status: head.status, body: &self.received[head.body_from..end] })
    }

    async fn receive(&mut self) -> io::Result<()> {
        self.received.reserve(4 * 1024);
        match self.stream.read_buf(&mut self.received).await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }
}

fn parse_head(received: &[u8]) -> io::Result<Option<Head>> {
    let Some(end) = received.windows(4).position(|four| four == b"\r\n\r\n") else {
        let fits = received.len() <= HEAD_BYTES_MAX;
        return if fits { Ok(None) } else { Err(invalid("the answer's head is too long")) };
    };
    let head =
        std::str::from_utf8(&received[..end]).map_err(|_| invalid("the head is not text"))?;
    let mut lines = head.split("\r\n");
    let status = lines.next().and_then(|line| line.split(' ').nth(1)?.parse().ok());
    let status = status.ok_or_else(|| invalid("the answer has no status"))?;
    let mut body_bytes = 0;
    for (name, value) in lines.filter_map(|line| line.split_once(':')) {
        if name.eq_ignore_ascii_case("content-length") {
            body_bytes = value.trim().parse().map_err(|_| invalid("a bad content-length"))?;
        } else if name.eq_ignore_ascii_case("transfer-encoding") {
            return Err(invalid(
                "the answer is chunked; the load reads bodies of known length only",
            ));
        }
    }
    Ok(Some(Head { status, body_from: end + 4, body_bytes }))
}

fn invalid(why: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_tells_status_and_where_the_body_is() {
        let text = b"HTTP/1.1 201 Created\r\nContent-Length: 2\r\nx: y\r\n\r\n{}";
        let head = parse_head(text).expect("good").expect("whole");
        assert_eq!((head.status, head.body_bytes), (201, 2));
        assert_eq!(&text[head.body_from..], b"{}");
    }

    #[test]
    fn half_a_head_asks_for_more() {
        assert!(parse_head(b"HTTP/1.1 201 Created\r\ncontent-le").expect("good").is_none());
    }

    #[test]
    fn what_the_load_cannot_read_is_refused() {
        assert!(parse_head(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").is_err());
        assert!(parse_head(b"nonsense\r\n\r\n").is_err());
        assert!(parse_head(&[b'a'; HEAD_BYTES_MAX + 1]).is_err());
    }
}
