//! Events as they are written: a client that comes back goes on where it was.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::http::Request;
use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;

use crate::app::{TestApp, order_for};

/// An open stream of events. Dropping it breaks the connection.
struct Live {
    body: Incoming,
    text: String,
    connection: tokio::task::JoinHandle<()>,
}

impl Drop for Live {
    fn drop(&mut self) {
        self.connection.abort();
    }
}

/// What a client makes of one block of lines.
#[derive(Debug, Default)]
struct Seen {
    id: Option<u64>,
    event: Option<String>,
    data: Option<String>,
}

impl Live {
    async fn open(address: SocketAddr, token: &str, query: &str, last: Option<u64>) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
        let connection = tokio::spawn(async move { drop(connection.await) });
        let mut request = Request::builder()
            .uri(format!("/trace/events/stream{query}"))
            .header("host", "localhost")
            .header("authorization", format!("Bearer {token}"));
        if let Some(last) = last {
            request = request.header("last-event-id", last);
        }
        let response = sender.send_request(request.body(Empty::<Bytes>::new()).unwrap()).await;
        let response = response.unwrap();
        assert_eq!(response.status(), 200);
        let content_type = response.headers()["content-type"].to_str().unwrap();
        assert!(content_type.starts_with("text/event-stream"), "{content_type}");
        Self { body: response.into_body(), text: String::new(), connection }
    }

    /// The next block; none: the stream has ended.
    async fn next(&mut self) -> Option<Seen> {
        loop {
            if let Some((block, rest)) = self.text.split_once("\n\n") {
                let block = block.to_owned();
                self.text = rest.to_owned();
                return Some(Seen::of(&block));
            }
            let frame = self.body.frame().await?.ok()?;
            if let Ok(data) = frame.into_data() {
                self.text.push_str(std::str::from_utf8(&data).unwrap());
            }
        }
    }
}

impl Seen {
    fn of(block: &str) -> Self {
        let mut seen = Self::default();
        for line in block.lines() {
            match line.split_once(": ").unwrap() {
                ("id", id) => seen.id = Some(id.parse().unwrap()),
                ("event", event) => seen.event = Some(event.to_owned()),
                ("data", data) => seen.data = Some(data.to_owned()),
                ("retry", _) => {}
                other => panic!("{other:?}"),
            }
        }
        seen
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn client_that_comes_back_a_hundred_times_misses_and_doubles_nothing() {
    let app = Arc::new(TestApp::start().await);
    let done = Arc::new(AtomicBool::new(false));
    let begin = app.head().await;
    let writing = {
        let (app, done) = (app.clone(), done.clone());
        tokio::spawn(async move {
            let customer = app.customer().await;
            let mut number = 0;
            while !done.load(Ordering::Relaxed) {
                number += 1;
                let order = order_for(&format!("sku-{number}"), "tok_ok");
                app.place_and_wait(&customer, &order).await.expect(201);
            }
        })
    };
    let (mut last, mut positions) = (begin, Vec::new());
    for round in 0..100_u64 {
        let mut live = Live::open(app.address, &app.admin, "", Some(last)).await;
        // Broken off at another place each time, in the middle of what is on its way.
        let mut wanted = round % 7;
        while wanted > 0 {
            let seen = live.next().await.unwrap();
            last = seen.id.unwrap_or(last);
            if let Some(data) = seen.data {
                let event: Value = serde_json::from_str(&data).unwrap();
                assert_eq!(event["position"], last);
                assert_eq!(event["eventType"], seen.event.unwrap());
                positions.push(last);
                wanted -= 1;
            }
        }
    }
    done.store(true, Ordering::Relaxed);
    writing.await.unwrap();
    let head = app.head().await;
    let mut live = Live::open(app.address, &app.admin, "", Some(last)).await;
    while last < head {
        let seen = live.next().await.unwrap();
        last = seen.id.unwrap_or(last);
        positions.extend(seen.data.map(|_| last));
    }
    assert!(positions.len() > 100, "{}", positions.len());
    assert!(positions.iter().copied().eq(begin + 1..=head), "{positions:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn stream_begins_with_what_comes_next_and_gives_a_place_to_come_back_to() {
    let app = TestApp::start().await;
    let head = app.head().await;
    let mut live = Live::open(app.address, &app.admin, "?eventType=OrderPlaced", None).await;
    let greeting = live.next().await.unwrap();
    assert_eq!((greeting.id, greeting.data), (Some(head), None));
    let customer = app.customer().await;
    app.place(&customer, &order_for("sku-1", "tok_ok")).await.expect(201);
    let seen = live.next().await.unwrap();
    assert_eq!(seen.event.as_deref(), Some("OrderPlaced"));
    assert!(!seen.data.unwrap().contains("sku-1"), "payloads are not shown");
    // From the beginning, by a client that cannot set headers.
    let mut all = Live::open(app.address, &app.admin, "?after=0", None).await;
    assert_eq!(all.next().await.unwrap().id, Some(0));
    assert_eq!(all.next().await.unwrap().id, Some(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn events_of_the_stream_say_how_long_they_came_after_the_one_before() {
    let app = TestApp::start().await;
    let customer = app.customer().await;
    let head = app.head().await;
    let mut live = Live::open(app.address, &app.admin, "", Some(head)).await;
    app.place_and_wait(&customer, &order_for("sku-1", "tok_ok")).await.expect(201);
    let page = app.events(&app.admin, &format!("?after={head}")).await.expect(200);
    let told = page["events"].as_array().unwrap();
    let mut shown = Vec::<Value>::new();
    while shown.len() < told.len() {
        let seen = live.next().await.unwrap();
        shown.extend(seen.data.map(|data| serde_json::from_str(&data).unwrap()));
    }
    let since = |events: &[Value]| -> Vec<u64> {
        events.iter().map(|event| event["sincePreviousUs"].as_u64().unwrap()).collect()
    };
    assert_eq!(since(&shown), since(told));
    assert!(since(&shown).iter().sum::<u64>() > 0, "{shown:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn stream_ends_when_the_node_stops() {
    let app = TestApp::start().await;
    let mut live = Live::open(app.address, &app.admin, "", None).await;
    live.next().await.unwrap();
    app.stop();
    let ended = tokio::time::timeout(Duration::from_secs(20), async {
        while live.next().await.is_some() {}
    });
    ended.await.expect("the stream holds up the stop");
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_are_an_administrators_and_bounded() {
    let app = TestApp::start().await;
    let path = "/trace/events/stream";
    app.get("", path).await.expect_problem(401, "TOKEN_MISSING");
    app.get(&app.customer().await, path).await.expect_problem(403, "FORBIDDEN");
    for query in ["?after=x", "?more=1", "?eventType=a%20b"] {
        let wrong = app.get(&app.admin, &format!("{path}{query}")).await;
        wrong.expect_problem(400, "VALIDATION_FAILED");
    }
    let wrong = app.ask("GET", path).bearer(&app.admin).header("last-event-id", "x");
    wrong.send().await.expect_problem(400, "VALIDATION_FAILED");
    let mut open = Vec::new();
    for _ in 0..64 {
        open.push(Live::open(app.address, &app.admin, "", None).await);
    }
    app.get(&app.admin, path).await.expect_problem(503, "OVERLOADED");
    app.get(&app.admin, "/orders").await.expect(200);
}
