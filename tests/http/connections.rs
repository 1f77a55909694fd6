//! Connections on which a request was answered before its body was read: the answer arrives whole, and the
//! next request is answered too, or the answer has said that the connection closes.

use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::app::{Setup, TestApp, order_for};

/// A connection whose bytes the test sends itself.
struct Connection(TcpStream);

/// One answer.
#[derive(Debug)]
struct Answer {
    status: u16,
    /// In lower case.
    head: String,
    body: Vec<u8>,
}

impl Connection {
    async fn open(app: &TestApp) -> Self {
        Self(TcpStream::connect(app.address).await.unwrap())
    }

    async fn send(&mut self, text: &str) {
        self.0.write_all(text.as_bytes()).await.unwrap();
    }

    /// The head of a request without a token, whose body has so many bytes.
    async fn begin(&mut self, request: &str, length: usize, more: &str) {
        let head = format!(
            "{request} HTTP/1.1\r\nhost: h\r\ncontent-type: application/json\r\n\
             content-length: {length}\r\n{more}\r\n"
        );
        self.send(&head).await;
    }

    async fn head(&mut self) -> String {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(self.0.read_u8().await.unwrap());
        }
        String::from_utf8(head).unwrap().to_lowercase()
    }

    async fn answer(&mut self) -> Answer {
        let head = self.head().await;
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
        self.0.read_exact(&mut body).await.unwrap();
        Answer { status, head, body }
    }

    /// The connection is good for another request.
    async fn is_good(&mut self) {
        self.send("GET /health HTTP/1.1\r\nhost: h\r\n\r\n").await;
        assert_eq!(self.answer().await.status, 200);
    }

    /// The node sends nothing more and closes.
    async fn is_closed(&mut self) {
        let mut more = Vec::new();
        let read = tokio::time::timeout(Duration::from_secs(20), self.0.read_to_end(&mut more));
        // A reset is an end too.
        drop(read.await.expect("the connection stays open"));
        assert!(more.is_empty(), "{}", String::from_utf8_lossy(&more));
    }
}

impl Answer {
    fn closes(&self) -> bool {
        self.head.contains("\r\nconnection: close\r\n")
    }

    #[track_caller]
    fn refuses(&self, status: u16, code: &str) {
        let problem: Value = serde_json::from_slice(&self.body).unwrap();
        assert_eq!((self.status, problem["error"].as_str()), (status, Some(code)), "{problem}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn body_that_comes_behind_its_refusal_does_not_cost_the_next_request() {
    let app = TestApp::start().await;
    let mut connection = Connection::open(&app).await;
    for _ in 0..3 {
        connection.begin("POST /orders", 9, "").await;
        let refused = connection.answer().await;
        refused.refuses(401, "TOKEN_MISSING");
        assert!(!refused.closes(), "{refused:?}");
        connection.send("{\"late\":1").await;
        connection.is_good().await;
    }
    // In pieces, and without a length.
    let head = "POST /orders HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\n";
    connection.send(&format!("{head}5\r\n{{\"a\":\r\n")).await;
    connection.answer().await.refuses(401, "TOKEN_MISSING");
    connection.send("2\r\n1}\r\n0\r\n\r\n").await;
    connection.is_good().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn long_answer_is_whole_though_a_body_comes_that_nobody_wants() {
    let app = TestApp::start().await;
    let mut connection = Connection::open(&app).await;
    for _ in 0..3 {
        connection.begin("GET /api-json", 7, "").await;
        connection.send("1234567").await;
        let answer = connection.answer().await;
        let document: Value = serde_json::from_slice(&answer.body).unwrap();
        assert_eq!((answer.status, &document["openapi"]), (200, &Value::from("3.1.0")));
    }
    connection.is_good().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn body_that_is_too_much_to_read_on_closes_the_connection() {
    let mut setup = Setup::default();
    setup.settings.http.body_limit_bytes = 1_024;
    let app = TestApp::start_with(setup).await;
    let mut connection = Connection::open(&app).await;
    connection.begin("POST /orders", 9 * 1_024, "").await;
    let refused = connection.answer().await;
    refused.refuses(401, "TOKEN_MISSING");
    assert!(refused.closes(), "{refused:?}");

    // Over the limit and not far over it: the connection stays.
    let mut connection = Connection::open(&app).await;
    connection.begin("POST /auth/login", 2 * 1_024, "").await;
    let refused = connection.answer().await;
    refused.refuses(413, "BODY_TOO_LARGE");
    assert!(!refused.closes(), "{refused:?}");
    connection.send(&" ".repeat(2 * 1_024)).await;
    connection.is_good().await;

    // Nobody knows how long this one is: it is cut off where it was enough.
    let head = "POST /orders HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\n";
    connection.send(head).await;
    connection.answer().await.refuses(401, "TOKEN_MISSING");
    let endless = async {
        let chunk = format!("400\r\n{}\r\n", " ".repeat(1_024));
        while connection.0.write_all(chunk.as_bytes()).await.is_ok() {}
    };
    tokio::time::timeout(Duration::from_secs(20), endless).await.expect("it is read without end");
}

#[tokio::test(flavor = "multi_thread")]
async fn body_that_does_not_come_is_not_waited_for_by_its_answer() {
    let mut setup = Setup::default();
    setup.settings.http.body_timeout = Duration::from_millis(200);
    let app = TestApp::start_with(setup).await;
    let mut connection = Connection::open(&app).await;
    connection.begin("POST /orders", 9, "").await;
    connection.answer().await.refuses(401, "TOKEN_MISSING");
    connection.is_closed().await;

    let mut connection = Connection::open(&app).await;
    connection.begin("POST /auth/login", 9, "").await;
    let refused = connection.answer().await;
    refused.refuses(408, "BODY_TIMEOUT");
    assert!(refused.closes(), "{refused:?}");
    connection.is_closed().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asks_whether_to_send_the_body_is_told_to_or_let_go() {
    let app = TestApp::start().await;
    let customer = app.customer().await;
    let order = order_for("sku-1", "tok_ok").to_string();
    let expect = "expect: 100-continue\r\n";
    let mut connection = Connection::open(&app).await;
    let told = format!("{expect}authorization: Bearer {customer}\r\n");
    connection.begin("POST /orders", order.len(), &told).await;
    assert!(connection.head().await.starts_with("http/1.1 100 "));
    connection.send(&order).await;
    assert_eq!(connection.answer().await.status, 201);

    connection.begin("POST /orders", order.len(), expect).await;
    let refused = connection.answer().await;
    refused.refuses(401, "TOKEN_MISSING");
    assert!(refused.closes(), "{refused:?}");
    connection.is_closed().await;
}
