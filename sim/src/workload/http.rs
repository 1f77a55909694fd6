//! A client's HTTP connections over the simulated network: kept and used again, as real clients do, so
//! that a connection may be dead when it is needed next.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use serde_json::Value;

use crate::evidence::Answer;
use crate::machine::Machine;
use crate::world::World;

/// Headers of an answer that tell of what was asked for.
const OF_THE_REQUEST: [&str; 3] = ["location", "preference-applied", "x-correlation-id"];
/// More idle connections to one machine are closed.
const IDLE_MAX: usize = 16;

type Sender = SendRequest<Full<Bytes>>;

/// Sends requests from the clients' machine. Clones share the connections.
#[derive(Clone)]
pub struct Http {
    world: World,
    idle: Arc<Mutex<BTreeMap<Machine, Vec<Sender>>>>,
}

impl Http {
    /// No connections yet.
    pub fn new(world: &World) -> Self {
        Self { world: world.clone(), idle: Arc::default() }
    }

    /// One request to a machine and its answer; an error means that nobody knows whether it arrived.
    pub async fn send(&self, to: Machine, request: Request<Full<Bytes>>) -> io::Result<Answer> {
        let mut connection = match self.idle_to(to) {
            Some(connection) => connection,
            None => self.connect(to).await?,
        };
        let answered = connection.send_request(request).await.map_err(io::Error::other)?;
        let answer = read(answered).await?;
        self.keep(to, connection);
        Ok(answer)
    }

    /// One request to a machine over a connection of its own, whose answer is taken in as it comes.
    pub async fn open(&self, to: Machine, request: Request<Full<Bytes>>) -> io::Result<Chunks> {
        let mut connection = self.connect(to).await?;
        let answered = connection.send_request(request).await.map_err(io::Error::other)?;
        match answered.status().as_u16() {
            200 => Ok(Chunks { body: answered.into_body(), _connection: connection }),
            status => Err(io::Error::other(format!("{to} answers with {status}"))),
        }
    }

    /// Closes all connections that nobody uses.
    pub fn close(&self) {
        self.idle.lock().clear();
    }

    fn idle_to(&self, to: Machine) -> Option<Sender> {
        let mut idle = self.idle.lock();
        let kept = idle.get_mut(&to)?;
        kept.retain(|connection| !connection.is_closed());
        kept.pop()
    }

    async fn connect(&self, to: Machine) -> io::Result<Sender> {
        let stream = self.world.network.connect(Machine::Clients, to.address()).await?;
        let (sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
        // Its end is told to whoever waits for an answer on it.
        tokio::spawn(Box::pin(async move { drop(connection.await) }));
        Ok(sender)
    }

    fn keep(&self, to: Machine, connection: Sender) {
        let mut idle = self.idle.lock();
        let kept = idle.entry(to).or_default();
        if kept.len() < IDLE_MAX && !connection.is_closed() {
            kept.push(connection);
        }
    }
}

/// An answer without end. Its connection is closed when it is dropped.
pub struct Chunks {
    body: hyper::body::Incoming,
    _connection: Sender,
}

impl Chunks {
    /// What came next; none: it has ended.
    pub async fn next(&mut self) -> Option<io::Result<Bytes>> {
        loop {
            match self.body.frame().await?.map(hyper::body::Frame::into_data) {
                Ok(Ok(data)) => return Some(Ok(data)),
                // Trailers say nothing here.
                Ok(Err(_)) => {}
                Err(error) => return Some(Err(io::Error::other(error))),
            }
        }
    }
}

async fn read(response: Response<hyper::body::Incoming>) -> io::Result<Answer> {
    let status = response.status().as_u16();
    let header = |name: &str| {
        response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
    };
    let (node, replayed) = (header("x-node-id"), header("idempotent-replayed").is_some());
    let said = OF_THE_REQUEST.into_iter().filter_map(|name| Some((name.to_owned(), header(name)?)));
    let said = said.collect();
    let body = response.into_body().collect().await.map_err(io::Error::other)?.to_bytes();
    let text = || Value::String(String::from_utf8_lossy(&body).into_owned());
    let body = match body.is_empty() {
        true => Value::Null,
        false => serde_json::from_slice(&body).unwrap_or_else(|_| text()),
    };
    Ok(Answer { status, replayed, node, said, body })
}
