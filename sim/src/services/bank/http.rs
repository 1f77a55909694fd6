//! The bank's address: what comes over HTTP becomes a request to the teller, and its end an answer.
//!
//! | request | is |
//! |---|---|
//! | `POST /authorize`, `/capture`, `/void`, `/refund` | a payment's operation |
//! | `GET /payments/{key}` | whether the operation under the key happened: 200 or 404 |
//! | `POST /{name}` | an action of the participant of that name |
//! | `POST /{name}/undo` | its undo, under the action's own key |
//!
//! A request to the host name of a remote service goes to that service as it is.

use std::io;

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::Value;

use super::line::{Asked, Operation, Reply};
use super::remotes::Visit;
use super::teller::{Ended, Teller, Wanted};
use crate::machine::Machine;
use crate::remotes;
use crate::world::{SimListener, SimStream};

/// Serves for ever.
pub(super) async fn serve(listener: SimListener, teller: Teller) {
    loop {
        let Ok((stream, peer)) = listener.accept().await else { return };
        let Some(by) = Machine::at(peer.ip()) else { continue };
        // A bank that is not there ends every connection before it has begun.
        if !teller.is_down() {
            tokio::spawn(Box::pin(connection(stream, by, teller.clone())));
        }
    }
}

async fn connection(stream: SimStream, by: Machine, teller: Teller) {
    let answer = service_fn(move |request| {
        let teller = teller.clone();
        async move { answer(&teller, by, request).await }
    });
    // How a connection ends is its peer's to find out.
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), answer).await;
}

async fn answer(
    teller: &Teller,
    by: Machine,
    request: Request<Incoming>,
) -> io::Result<Response<Full<Bytes>>> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
    if let Some(visit) = visit(teller, by, &head, &body) {
        return response(teller.take(Wanted::Remote(visit)).await);
    }
    let path = head.uri.path().trim_start_matches('/');
    let ended = match (&head.method, path.strip_prefix("payments/")) {
        (&Method::GET, Some(key)) => {
            let operation = (Operation::Act, "probe");
            let asked = asked(by, operation, Some(unescaped(key)), &head.headers, &body);
            match asked {
                Some(asked) => teller.probe(&asked).await,
                None => Ended::Said(malformed()),
            }
        }
        (&Method::POST, _) => {
            let key = text(&head.headers, "idempotency-key");
            match asked(by, operation(path), key, &head.headers, &body) {
                Some(asked) => teller.take(Wanted::Desk(asked)).await,
                None => Ended::Said(malformed()),
            }
        }
        _ => Ended::Said(Reply::no(404, "NOT_FOUND", "the bank knows no such address")),
    };
    response(ended)
}

/// The request, when it is for a remote service.
fn visit(teller: &Teller, by: Machine, head: &Parts, body: &Bytes) -> Option<Visit> {
    let host = text(&head.headers, "host")?;
    let remote = host.split(':').next().unwrap_or_default().to_owned();
    teller.has_remote(&remote).then(|| {
        let request = remotes::Request {
            method: head.method.to_string(),
            path: unescaped(head.uri.path()),
            key: text(&head.headers, "idempotency-key"),
            epoch: text(&head.headers, "sagaline-epoch").and_then(|epoch| epoch.parse().ok()),
            correlation: text(&head.headers, "x-correlation-id"),
            body: serde_json::from_slice(body).unwrap_or(Value::Null),
        };
        Visit { by, remote, request }
    })
}

fn operation(path: &str) -> (Operation, &str) {
    match path {
        "authorize" => (Operation::Authorize, path),
        "capture" => (Operation::Capture, path),
        "void" => (Operation::Void, path),
        "refund" => (Operation::Refund, path),
        _ if path.ends_with("/undo") => (Operation::Undo, path),
        _ => (Operation::Act, path),
    }
}

fn asked(
    by: Machine,
    (operation, path): (Operation, &str),
    key: Option<String>,
    headers: &HeaderMap,
    body: &Bytes,
) -> Option<Asked> {
    let json: Value = serde_json::from_slice(body).unwrap_or(Value::Null);
    let word = |name: &str| json.get(name).and_then(Value::as_str).map(str::to_owned);
    let amount = json.get("amount").and_then(Value::as_f64).unwrap_or(0.0);
    Some(Asked {
        by,
        operation,
        path: path.to_owned(),
        key: key?,
        epoch: text(headers, "sagaline-epoch").and_then(|epoch| epoch.parse().ok())?,
        order: word("orderId").unwrap_or_default(),
        // Amounts are exact in two digits and far below what a double can hold.
        amount_minor: (amount * 100.0).round() as u64,
        token: word("token").unwrap_or_else(|| "tok_ok".to_owned()),
        body: String::from_utf8_lossy(body).into_owned(),
    })
}

fn text(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name)?.to_str().ok().map(str::to_owned)
}

fn malformed() -> Reply {
    Reply::no(400, "MALFORMED", "wants Idempotency-Key and Sagaline-Epoch")
}

fn response(ended: Ended) -> io::Result<Response<Full<Bytes>>> {
    let (status, body, retry_after_s) = match ended {
        Ended::Said(reply) => (reply.status, reply.body, None),
        Ended::Throttled { retry_after_s } => {
            let reply = Reply::no(429, "SLOW_DOWN", "too much is asked");
            (reply.status, reply.body, Some(retry_after_s))
        }
        // An error ends the connection without an answer.
        Ended::Cut => return Err(io::ErrorKind::ConnectionAborted.into()),
    };
    let status = StatusCode::from_u16(status).map_err(io::Error::other)?;
    let mut response =
        Response::builder().status(status).header(header::CONTENT_TYPE, "application/json");
    if let Some(seconds) = retry_after_s {
        response = response.header(header::RETRY_AFTER, seconds);
    }
    response.body(Full::new(body.into())).map_err(io::Error::other)
}

/// A segment of a path with its percent-encoding undone.
fn unescaped(segment: &str) -> String {
    let mut bytes = Vec::with_capacity(segment.len());
    let mut rest = segment.as_bytes();
    while let Some((first, behind)) = rest.split_first() {
        let code = (*first == b'%').then(|| behind.get(..2)).flatten();
        let code = code.and_then(|code| std::str::from_utf8(code).ok());
        match code.and_then(|code| u8::from_str_radix(code, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &behind[2..];
            }
            None => {
                bytes.push(*first);
                rest = behind;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_in_a_path_is_read_as_it_was_written() {
        assert_eq!(unescaped("a-1%2Fstep%2Faction"), "a-1/step/action");
        assert_eq!(unescaped("%C3%A9%3"), "é%3");
    }
}
