//! A keep-alive pool of hyper connections to one server: what a hand-written service would call with.
//!
//! Used by the twin and the floor.

use std::net::SocketAddr;

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use tokio::net::TcpStream;

use crate::failure::{Context, Failure};

/// Connections to one server. A connection serves one call at a time and is kept for the next.
pub(crate) struct Pool {
    address: SocketAddr,
    host: String,
    idle: Mutex<Vec<SendRequest<Full<Bytes>>>>,
}

impl Pool {
    /// A pool without connections yet.
    pub(crate) fn new(address: SocketAddr) -> Self {
        Self { address, host: address.to_string(), idle: Mutex::new(Vec::new()) }
    }

    /// POSTs JSON with an idempotency key; the whole answer.
    pub(crate) async fn post(
        &self,
        path: &str,
        key: &str,
        body: Bytes,
    ) -> Result<(StatusCode, Bytes), Failure> {
        let request = Request::post(path)
            .header("host", &self.host)
            .header("content-type", "application/json")
            .header("idempotency-key", key)
            .body(Full::new(body))
            .context("making a request")?;
        let mut connection = self.connection().await?;
        let reply = connection.send_request(request).await.context("calling the participant")?;
        let status = reply.status();
        let body = reply.into_body().collect().await.context("reading the answer")?.to_bytes();
        self.idle.lock().push(connection);
        Ok((status, body))
    }

    async fn connection(&self) -> Result<SendRequest<Full<Bytes>>, Failure> {
        loop {
            let Some(mut kept) = self.idle.lock().pop() else {
                return self.connect().await;
            };
            if kept.ready().await.is_ok() {
                return Ok(kept);
            }
        }
    }

    async fn connect(&self) -> Result<SendRequest<Full<Bytes>>, Failure> {
        let stream = TcpStream::connect(self.address).await.context("connecting")?;
        stream.set_nodelay(true).context("TCP_NODELAY")?;
        let (sender, connection) =
            handshake(TokioIo::new(stream)).await.context("the HTTP handshake")?;
        tokio::spawn(async move {
            if let Err(cause) = connection.await {
                eprintln!("a connection to the participant broke: {cause}");
            }
        });
        Ok(sender)
    }
}
