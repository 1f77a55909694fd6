//! A client of the product's HTTP API on a simulated node. Knows HTTP and JSON, nothing of the product's
//! types: what it sees is what any client sees.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, header};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::Value;

use crate::stream::SimStream;

/// Longest time a call may take, in simulated time.
const CALL_TIMEOUT: Duration = Duration::from_secs(120);

/// A client with its own connection for each call.
#[derive(Debug, Clone)]
pub struct Client {
    node: SocketAddr,
    token: Option<String>,
}

/// What a node answered.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The body; null when there was none.
    pub body: Value,
}

impl Answer {
    /// A text of the body by its path (`/user/id`). Panics with the whole answer when it is not there.
    pub fn text(&self, pointer: &str) -> &str {
        let text = self.body.pointer(pointer).and_then(Value::as_str);
        text.unwrap_or_else(|| panic!("no text {pointer} in {self:?}"))
    }
}

impl Client {
    /// A client of the node at this address.
    pub fn of(node: SocketAddr) -> Self {
        Self { node, token: None }
    }

    /// The same client, known by an access token.
    #[must_use]
    pub fn with_token(self, token: impl Into<String>) -> Self {
        Self { token: Some(token.into()), ..self }
    }

    /// Sends a body and waits for the answer; `headers` are added as they are.
    pub async fn post(
        &self,
        path: &str,
        headers: &[(&str, &str)],
        body: &Value,
    ) -> io::Result<Answer> {
        self.call(Method::POST, path, headers, Bytes::from(body.to_string())).await
    }

    /// Asks for something.
    pub async fn get(&self, path: &str) -> io::Result<Answer> {
        self.call(Method::GET, path, &[], Bytes::new()).await
    }

    async fn call(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Bytes,
    ) -> io::Result<Answer> {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, self.node.to_string())
            .header(header::CONTENT_TYPE, "application/json");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(token) = &self.token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        let request = request.body(Full::new(body)).map_err(io::Error::other)?;
        tokio::time::timeout(CALL_TIMEOUT, exchange(self.node, request)).await?
    }
}

async fn exchange(node: SocketAddr, request: Request<Full<Bytes>>) -> io::Result<Answer> {
    let stream = SimStream::connect(node).await?;
    let (mut sender, connection) =
        http1::handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
    let connection = tokio::spawn(connection);
    let response = sender.send_request(request).await.map_err(io::Error::other)?;
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.map_err(io::Error::other)?.to_bytes();
    // The answer is here; the connection ends with its only request.
    connection.abort();
    let body = if body.is_empty() { Value::Null } else { serde_json::from_slice(&body)? };
    Ok(Answer { status, body })
}
