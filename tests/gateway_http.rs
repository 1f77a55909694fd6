//! The HTTP gateway against a real HTTP server: what leaves, and what each answer means.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use sagaline::app::gateway::{Gateway, HttpGateway, Operation, PaymentCall, Receipt};
use sagaline::domain::{Currency, Money, OrderId};
use sagaline::engine::http_client::{HttpClient, TcpConnect};
use sagaline::engine::{Failure, Outcome, Probe};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use uuid::Uuid;

/// A request as the server saw it.
struct Seen {
    method: Method,
    path: String,
    headers: http::HeaderMap,
    body: Bytes,
}

/// Answers every request with what it is told to, and remembers the requests.
#[derive(Clone, Default)]
struct Server {
    seen: Arc<Mutex<Vec<Seen>>>,
    answer: Arc<Mutex<Option<Response<Full<Bytes>>>>>,
}

impl Server {
    async fn start(&self) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = self.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let server = server.clone();
                let service = service_fn(move |request| server.clone().serve(request));
                tokio::spawn(async move {
                    let served = hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service);
                    // A client that breaks off is part of these tests.
                    let _ = served.await;
                });
            }
        });
        address
    }

    async fn serve(self, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, String> {
        let (parts, body) = request.into_parts();
        let body = body.collect().await.map_err(|error| error.to_string())?.to_bytes();
        let path = parts.uri.path().to_owned();
        self.seen.lock().unwrap().push(Seen {
            method: parts.method,
            path,
            headers: parts.headers,
            body,
        });
        // Without an answer the connection breaks off.
        self.answer.lock().unwrap().take().ok_or_else(|| "no answer".to_owned())
    }

    fn will_answer(&self, status: u16, body: &Value) {
        let body = Full::new(Bytes::from(body.to_string()));
        let answer = Response::builder().status(StatusCode::from_u16(status).unwrap());
        *self.answer.lock().unwrap() = Some(answer.body(body).unwrap());
    }
}

fn gateway(address: SocketAddr) -> HttpGateway {
    let client = HttpClient::new(Arc::new(TcpConnect));
    HttpGateway::new(client, &format!("http://{address}/v1/")).unwrap()
}

fn call() -> PaymentCall<'static> {
    PaymentCall {
        key: "order-1/authorize_payment/action",
        epoch: 7,
        order_id: OrderId::new(Uuid::nil()),
        amount: Money::parse("12.30").unwrap(),
        currency: Currency::Usd,
        token: Some("tok_1"),
        correlation_id: "correlation-1",
        traceparent: Some("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
    }
}

async fn answered(status: u16, body: Value) -> Outcome<Receipt> {
    let server = Server::default();
    let gateway = gateway(server.start().await);
    server.will_answer(status, &body);
    gateway.request(Operation::Authorize, &call()).await
}

async fn probed(status: u16, body: Value) -> Probe<Receipt> {
    let server = Server::default();
    let gateway = gateway(server.start().await);
    server.will_answer(status, &body);
    gateway.probe(&call()).await
}

fn receipt(reference: &str) -> Receipt {
    Receipt { reference: reference.to_owned() }
}

#[tokio::test]
async fn a_call_carries_its_key_epoch_and_trace_and_an_exact_amount() -> Result<(), Infallible> {
    let server = Server::default();
    let gateway = gateway(server.start().await);
    for operation in [Operation::Authorize, Operation::Capture, Operation::Void, Operation::Refund]
    {
        server.will_answer(201, &json!({"reference": "r1", "more": true}));
        assert_eq!(gateway.request(operation, &call()).await, Ok(receipt("r1")));
        let seen = server.seen.lock().unwrap().pop().unwrap();
        assert_eq!((seen.method, seen.path), (Method::POST, format!("/v1/{operation}")));
        for (name, value) in [
            ("idempotency-key", call().key),
            ("sagaline-epoch", "7"),
            ("x-correlation-id", "correlation-1"),
            ("traceparent", call().traceparent.unwrap()),
            ("content-type", "application/json"),
        ] {
            assert_eq!(seen.headers[name], value);
        }
        let wants = format!(
            r#"{{"orderId":"{}","amount":12.30,"currency":"USD","token":"tok_1"}}"#,
            Uuid::nil()
        );
        assert_eq!(seen.body, wants);
    }
    Ok(())
}

#[tokio::test]
async fn the_participants_own_no_is_a_rejection_in_its_words() {
    for status in [400, 402, 409, 422] {
        let no = json!({"error": "CARD_DECLINED", "detail": "no funds"});
        assert_eq!(answered(status, no).await, Err(Failure::rejected("CARD_DECLINED", "no funds")));
    }
    let wordless = answered(422, json!(null)).await;
    assert_eq!(wordless, Err(Failure::rejected("HTTP_422", "status 422")));
}

#[tokio::test]
async fn what_may_have_happened_is_unknown() {
    for status in [401, 403, 404, 408, 425, 429, 500, 502, 503, 504] {
        let answer = answered(status, json!({"error": "X", "detail": "y"})).await;
        assert!(matches!(answer, Err(Failure::Unknown { .. })), "{status}: {answer:?}");
    }
    let unreadable = answered(200, json!({"what": "?"})).await;
    assert!(matches!(unreadable, Err(Failure::Unknown { .. })), "{unreadable:?}");
}

#[tokio::test]
async fn the_pause_a_gateway_asks_for_is_kept() {
    let server = Server::default();
    let gateway = gateway(server.start().await);
    let busy = Response::builder().status(503).header("Retry-After", "3");
    *server.answer.lock().unwrap() = Some(busy.body(Full::default()).unwrap());
    let answer = gateway.request(Operation::Capture, &call()).await;
    let Err(Failure::Unknown { retry_after_ms, .. }) = answer else { panic!("{answer:?}") };
    assert_eq!(retry_after_ms, Some(3_000));
}

#[tokio::test]
async fn a_broken_connection_and_a_gateway_that_is_not_there_are_unknown() {
    let server = Server::default();
    let address = server.start().await;
    let answer = gateway(address).request(Operation::Capture, &call()).await;
    assert!(matches!(answer, Err(Failure::Unknown { .. })), "{answer:?}");
    assert_eq!(server.seen.lock().unwrap().len(), 1);

    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let answer = gateway(nobody).request(Operation::Capture, &call()).await;
    assert!(matches!(answer, Err(Failure::Unknown { .. })), "{answer:?}");
    assert_eq!(gateway(nobody).probe(&call()).await, Probe::CannotTell);
}

#[tokio::test]
async fn a_probe_asks_by_key_and_knows_three_answers() {
    let server = Server::default();
    let gateway = gateway(server.start().await);
    server.will_answer(200, &json!({"reference": "r1"}));
    assert_eq!(gateway.probe(&call()).await, Probe::Happened(receipt("r1")));
    let seen = server.seen.lock().unwrap().pop().unwrap();
    assert_eq!(seen.method, Method::GET);
    assert_eq!(seen.path, "/v1/payments/order-1%2Fauthorize_payment%2Faction");

    for status in [404, 410] {
        assert_eq!(probed(status, json!({})).await, Probe::DidNotHappen, "{status}");
    }
    for status in [400, 401, 403, 429, 500, 503] {
        assert_eq!(probed(status, json!({})).await, Probe::CannotTell, "{status}");
    }
    assert_eq!(probed(200, json!("what?")).await, Probe::CannotTell);
}
