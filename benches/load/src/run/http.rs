//! The collector's own few requests: counts, tokens, readiness.

use std::net::SocketAddr;

use serde_json::Value;

use crate::failure::{Context, Failure};
use crate::wire::Wire;

/// GETs a path; status and body.
pub(crate) async fn get(
    address: SocketAddr,
    path: &str,
    token: Option<&str>,
) -> Result<(u16, Vec<u8>), Failure> {
    send(address, "GET", path, token, "").await
}

/// GETs JSON; a status other than 200 is a failure.
pub(crate) async fn get_json(address: SocketAddr, path: &str) -> Result<Value, Failure> {
    match get(address, path, None).await? {
        (200, body) => serde_json::from_slice(&body).context(format!("the answer to GET {path}")),
        (status, body) => Err(unexpected("GET", path, status, &body)),
    }
}

/// POSTs JSON; a status that is not 2xx is a failure.
pub(crate) async fn post_json(
    address: SocketAddr,
    path: &str,
    body: &Value,
) -> Result<Value, Failure> {
    match send(address, "POST", path, None, &body.to_string()).await? {
        (200..=299, body) => {
            serde_json::from_slice(&body).context(format!("the answer to POST {path}"))
        }
        (status, body) => Err(unexpected("POST", path, status, &body)),
    }
}

/// The access token in the answer to a login or a registration.
pub(crate) async fn access_token(
    address: SocketAddr,
    path: &str,
    body: &Value,
) -> Result<String, Failure> {
    let answer = post_json(address, path, body).await?;
    let token = answer["accessToken"].as_str();
    Ok(token.ok_or_else(|| Failure::new("the answer has no accessToken"))?.to_owned())
}

async fn send(
    address: SocketAddr,
    method: &str,
    path: &str,
    token: Option<&str>,
    body: &str,
) -> Result<(u16, Vec<u8>), Failure> {
    let bearer =
        token.map_or_else(String::new, |token| format!("authorization: Bearer {token}\r\n"));
    let request = format!(
        "{method} {path} HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json\r\n\
         {bearer}content-length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut wire = Wire::connect(address).await.context(format!("connecting to {address}"))?;
    let reply = wire.round_trip(request.as_bytes()).await.context(format!("{method} {path}"))?;
    Ok((reply.status, reply.body.to_vec()))
}

fn unexpected(method: &str, path: &str, status: u16, body: &[u8]) -> Failure {
    let body = String::from_utf8_lossy(&body[..body.len().min(300)]);
    Failure::new(format!("{method} {path} answered {status} {body}"))
}
