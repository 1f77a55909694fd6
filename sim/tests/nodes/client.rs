//! A client of the product's HTTP API on the clients' machine. Knows HTTP and JSON, nothing of the
//! product's types: what it sees is what any client sees.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::{Method, Request, header};
use http_body_util::Full;
use sagaline::engine::http_client::HttpClient;
use sagaline_sim::machine::Machine;
use sagaline_sim::world::{NetConnect, World};
use serde_json::Value;

/// A client of one address.
#[derive(Clone)]
pub(crate) struct Client {
    http: HttpClient,
    to: SocketAddr,
    token: Option<String>,
}

/// What was answered.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Value,
}

impl Answer {
    /// A text of the body by its path (`/user/id`). Panics with the whole answer when it is not there.
    pub(crate) fn text(&self, pointer: &str) -> &str {
        let text = self.body.pointer(pointer).and_then(Value::as_str);
        text.unwrap_or_else(|| panic!("no text {pointer} in {self:?}"))
    }
}

impl Client {
    /// Of the balancer, or of one node.
    pub(crate) fn of(world: &World, to: Machine) -> Self {
        let (network, machine) = (world.network.clone(), Machine::Clients);
        let http = HttpClient::new(Arc::new(NetConnect { network, machine }));
        Self { http, to: to.address(), token: None }
    }

    /// The same client, known by an access token.
    pub(crate) fn with_token(self, token: impl Into<String>) -> Self {
        Self { token: Some(token.into()), ..self }
    }

    pub(crate) async fn post(
        &self,
        path: &str,
        headers: &[(&str, &str)],
        body: &Value,
    ) -> Result<Answer, String> {
        self.call(Method::POST, path, headers, body.to_string().into()).await
    }

    pub(crate) async fn get(&self, path: &str) -> Result<Answer, String> {
        self.call(Method::GET, path, &[], Bytes::new()).await
    }

    async fn call(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Bytes,
    ) -> Result<Answer, String> {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("http://{}{path}", self.to))
            .header(header::CONTENT_TYPE, "application/json");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(token) = &self.token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        let request = request.body(Full::new(body)).map_err(|error| error.to_string())?;
        let response = self.http.send(request).await?;
        let (status, body) = (response.status().as_u16(), response.into_body());
        let body = if body.is_empty() { Value::Null } else { read(&body)? };
        Ok(Answer { status, body })
    }
}

fn read(body: &[u8]) -> Result<Value, String> {
    serde_json::from_slice(body).map_err(|error| error.to_string())
}
