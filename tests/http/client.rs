//! A real HTTP client over loopback: one connection a request, so that no test sees another's.

use axum::http::header::{AUTHORIZATION, CONTENT_TYPE};
use axum::http::response::Parts;
use axum::http::{HeaderMap, Method, Request};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use std::net::SocketAddr;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

/// A request that is being put together.
pub(crate) struct Ask {
    address: SocketAddr,
    method: Method,
    path: String,
    headers: Vec<(String, String)>,
    body: Bytes,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) asked: String,
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Ask {
    pub(crate) fn new(address: SocketAddr, method: &str, path: &str) -> Self {
        let method = method.parse().unwrap();
        Self { address, method, path: path.to_owned(), headers: Vec::new(), body: Bytes::new() }
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn bearer(self, token: &str) -> Self {
        if token.is_empty() {
            return self;
        }
        self.header(AUTHORIZATION.as_str(), &format!("Bearer {token}"))
    }

    pub(crate) fn json(self, body: &Value) -> Self {
        self.raw("application/json", body.to_string().into_bytes())
    }

    pub(crate) fn raw(mut self, content_type: &str, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self.header(CONTENT_TYPE.as_str(), content_type)
    }

    pub(crate) async fn send(self) -> Answer {
        let Exchange { asked, head, body, .. } = self.exchange().await;
        let body = body.collect().await.expect(&asked).to_bytes();
        Answer { asked, status: head.status.as_u16(), headers: head.headers, body }
    }

    /// For an answer that may have no end: of one that is no refusal only what comes first of its body is read,
    /// then the connection is broken off.
    pub(crate) async fn send_for_the_beginning(self) -> Answer {
        let Exchange { asked, head, mut body, connection } = self.exchange().await;
        let body = if head.status.is_success() {
            let first = body.frame().await.unwrap_or_else(|| panic!("{asked}: nothing comes"));
            connection.abort();
            first.expect(&asked).into_data().unwrap_or_default()
        } else {
            body.collect().await.expect(&asked).to_bytes()
        };
        Answer { asked, status: head.status.as_u16(), headers: head.headers, body }
    }

    async fn exchange(self) -> Exchange {
        let asked = format!("{} {}", self.method, self.path);
        let stream = TcpStream::connect(self.address).await.unwrap();
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
        let connection = tokio::spawn(async move { drop(connection.await) });
        let mut request = Request::builder().method(self.method).uri(&self.path);
        request = request.header("host", "localhost");
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        let request = request.body(Full::new(self.body)).unwrap();
        let response = sender.send_request(request).await.expect(&asked);
        let (head, body) = response.into_parts();
        Exchange { asked, head, body, connection }
    }
}

/// A request that was sent, and an answer whose body is still to be read.
struct Exchange {
    asked: String,
    head: Parts,
    body: Incoming,
    connection: JoinHandle<()>,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| {
            panic!("{} -> {}: {error}: {:?}", self.asked, self.status, self.body)
        })
    }

    /// The body, when the status is the wanted one.
    #[track_caller]
    pub(crate) fn expect(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}: {:?}", self.asked, self.body);
        if self.body.is_empty() { Value::Null } else { self.json() }
    }

    /// Asserts a problem document of this status and code, and that it is complete.
    #[track_caller]
    pub(crate) fn expect_problem(&self, status: u16, code: &str) -> Value {
        let problem = self.expect(status);
        let content_type = self.header("content-type");
        assert_eq!(content_type, Some("application/problem+json"), "{}", self.asked);
        assert_eq!(problem["status"], status, "{}: {problem}", self.asked);
        assert_eq!(problem["error"], code, "{}: {problem}", self.asked);
        assert_eq!(problem["correlationId"].as_str(), self.header("x-correlation-id"));
        for member in ["type", "title", "detail", "instance"] {
            assert!(problem[member].is_string(), "{}: {member}: {problem}", self.asked);
        }
        problem
    }
}
