//! The smallest HTTP client that keeps its connection: blocking, HTTP/1.1, JSON. Knows nothing of the
//! product's types, so that it cannot share a mistake with them.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

/// Longer than any honest answer; only a hang is longer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(90);

/// A client of one node.
pub(crate) struct Client {
    node: SocketAddr,
    token: Option<String>,
    connection: Option<BufReader<TcpStream>>,
}

/// What a node answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// As JSON; a text when it is none.
    pub(crate) body: Value,
}

impl Answer {
    /// A text of the body. Panics with the whole answer when it is not there.
    pub(crate) fn text(&self, field: &str) -> String {
        let text = self.body.get(field).and_then(Value::as_str);
        text.unwrap_or_else(|| panic!("no {field} in {self:?}")).to_owned()
    }
}

impl Client {
    pub(crate) fn of(node: SocketAddr) -> Self {
        Self { node, token: None, connection: None }
    }

    pub(crate) fn with_token(self, token: &str) -> Self {
        Self { token: Some(token.to_owned()), ..self }
    }

    pub(crate) fn get(&mut self, path: &str) -> io::Result<Answer> {
        self.call("GET", path, "", None)
    }

    /// `headers` are whole lines, each with its end.
    pub(crate) fn call(
        &mut self,
        method: &str,
        path: &str,
        headers: &str,
        body: Option<&Value>,
    ) -> io::Result<Answer> {
        let request = self.request(method, path, headers, body);
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => connect(self.node)?,
        };
        connection.get_mut().write_all(&request)?;
        let answer = answer(&mut connection)?;
        // Kept only behind a whole answer: after an error it could hold half of one.
        self.connection = Some(connection);
        Ok(answer)
    }

    fn request(&self, method: &str, path: &str, headers: &str, body: Option<&Value>) -> Vec<u8> {
        let body = body.map(Value::to_string).unwrap_or_default();
        let token = self.token.as_ref().map(|token| format!("authorization: Bearer {token}\r\n"));
        let token = token.unwrap_or_default();
        let (host, length) = (self.node, body.len());
        let kind = if length > 0 { "content-type: application/json\r\n" } else { "" };
        format!(
            "{method} {path} HTTP/1.1\r\nhost: {host}\r\n{token}{headers}{kind}content-length: {length}\r\n\r\n{body}"
        )
        .into_bytes()
    }
}

fn connect(node: SocketAddr) -> io::Result<BufReader<TcpStream>> {
    let stream = TcpStream::connect(node)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(ANSWER_TIMEOUT))?;
    Ok(BufReader::new(stream))
}

fn answer(connection: &mut BufReader<TcpStream>) -> io::Result<Answer> {
    let status_line = line(connection)?;
    let status = status_line.split(' ').nth(1).and_then(|status| status.parse().ok());
    let status = status.ok_or_else(|| broken(&status_line))?;
    let mut length = 0;
    loop {
        let header = line(connection)?.to_ascii_lowercase();
        if header.is_empty() {
            break;
        }
        if let Some(value) = header.strip_prefix("content-length:") {
            length = value.trim().parse().map_err(|_| broken(&header))?;
        }
        if header.starts_with("transfer-encoding:") {
            return Err(broken(&header));
        }
    }
    let mut body = vec![0; length];
    connection.read_exact(&mut body)?;
    let text = || Value::String(String::from_utf8_lossy(&body).into_owned());
    let body = serde_json::from_slice(&body).unwrap_or_else(|_| text());
    Ok(Answer { status, body })
}

fn line(connection: &mut BufReader<TcpStream>) -> io::Result<String> {
    let mut line = String::new();
    if connection.read_line(&mut line)? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(line.trim_end().to_owned())
}

fn broken(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("not understood: {what}"))
}
