//! What surrounds every route: correlation, limits, problem documents, draining.

use std::time::Duration;

use bytes::Bytes;
use sagaline::http::auth::PasswordSettings;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::app::{Setup, TestApp, order_for};

async fn raw(app: &TestApp, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(app.address).await.unwrap();
    stream.write_all(request).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_carries_correlation_and_node() {
    let app = TestApp::start().await;
    let ask = app.ask("GET", "/health").header("x-correlation-id", "mine-1").send().await;
    assert_eq!(ask.header("x-correlation-id"), Some("mine-1"));
    assert_eq!(ask.header("x-node-id"), Some("node-1"));
    let drawn = app.ask("GET", "/nowhere").header("x-correlation-id", "not valid").send().await;
    let problem = drawn.expect_problem(404, "NOT_FOUND");
    assert_ne!(problem["correlationId"], "not valid");
    assert_eq!(problem["instance"], "/nowhere");
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_method_names_the_right_ones() {
    let app = TestApp::start().await;
    let answer = app.ask("PATCH", "/orders").send().await;
    answer.expect_problem(405, "METHOD_NOT_ALLOWED");
    let allow = answer.header("allow").unwrap();
    assert!(allow.contains("GET") && allow.contains("POST"), "{allow}");
}

#[tokio::test(flavor = "multi_thread")]
async fn node_tells_that_it_lives_and_can_serve() {
    let app = TestApp::start().await;
    assert_eq!(app.get("", "/health").await.expect(200)["status"], "up");
    assert_eq!(app.get("", "/health/ready").await.expect(200)["status"], "ready");
    let metrics = app.get("", "/metrics").await;
    let text = String::from_utf8(metrics.body.to_vec()).unwrap();
    for measure in [
        "sagaline_unknown_outcomes_total 0",
        "sagaline_fenced_appends_total 0",
        "sagaline_sagas_parked_total 0",
        "sagaline_duplicate_orders_refused_total 0",
        "sagaline_timer_lag_microseconds",
        "sagaline_outbox_lag_events",
        "sagaline_sagas_oldest_age_seconds{state=\"parked\"} 0",
        "sagaline_log_batches_by_size{requests=\"1\"}",
        "sagaline_http_requests_total{method=\"GET\",route=\"/health\",status=\"200\"} 1",
    ] {
        assert!(text.contains(measure), "{measure} in\n{text}");
    }
    assert!(text.ends_with("# EOF\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn head_over_the_limits_is_refused_as_every_request_is() {
    let app = TestApp::start().await;
    let many = |count: usize| {
        let ask = app.ask("GET", "/health");
        (0..count).fold(ask, |ask, number| ask.header(&format!("x-{number}"), "1"))
    };
    let cookie = |length: usize| app.ask("GET", "/health").header("cookie", &"c".repeat(length));
    let path = |length: usize| app.ask("GET", &format!("/health?{}", "q".repeat(length)));
    // Beside the host's.
    many(63).send().await.expect(200);
    cookie(16_000).send().await.expect(200);
    path(16_000).send().await.expect(200);
    for refused in [many(64), many(200), cookie(20_000), cookie(60_000), path(60_000)] {
        let refused = refused.header("x-correlation-id", "mine-1").send().await;
        let problem = refused.expect_problem(431, "REQUEST_HEAD_TOO_LARGE");
        assert_eq!(problem["correlationId"], "mine-1");
        assert_eq!(refused.header("x-node-id"), Some("node-1"));
    }
    // What is no HTTP, and what is far beyond the limits.
    let garbage = raw(&app, b"tea, please\r\n\r\n").await;
    assert!(garbage.starts_with("HTTP/1.1 400"), "{garbage}");
    let headers: String = (0..300).map(|number| format!("x-{number}: 1\r\n")).collect();
    let far = raw(&app, format!("GET /health HTTP/1.1\r\n{headers}\r\n").as_bytes()).await;
    assert!(far.starts_with("HTTP/1.1 431"), "{far}");
}

#[tokio::test(flavor = "multi_thread")]
async fn body_over_the_limit_is_refused_with_an_answer() {
    let app = TestApp::start().await;
    let customer = app.customer().await;
    let head = app.head().await;
    let limit = 1024 * 1024;
    for length in [limit + 1, 3 * limit] {
        let body = Bytes::from(vec![b' '; length]);
        let ask = app.ask("POST", "/orders").bearer(&customer).raw("application/json", body);
        ask.send().await.expect_problem(413, "BODY_TOO_LARGE");
    }
    let mut padded = order_for("sku-1", "tok_ok").to_string();
    padded.push_str(&" ".repeat(limit - padded.len()));
    let ask = app.ask("POST", "/orders").bearer(&customer).raw("application/json", padded);
    assert_eq!(app.head().await, head);
    ask.send().await.expect(201);
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_body_and_slow_head_are_cut_off() {
    let mut setup = Setup::default();
    setup.settings.http.body_timeout = Duration::from_millis(200);
    setup.settings.http.header_timeout = Duration::from_millis(200);
    let app = TestApp::start_with(setup).await;
    let slow_body = "POST /auth/login HTTP/1.1\r\nhost: h\r\ncontent-type: application/json\r\n\
                     content-length: 100\r\nconnection: close\r\n\r\n{";
    let answer = raw(&app, slow_body.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    assert!(answer.contains("BODY_TIMEOUT") && answer.contains("x-correlation-id"), "{answer}");
    let answer = raw(&app, b"GET /health HTTP/1.1\r\nhost").await;
    assert!(!answer.contains("200"), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn full_node_turns_away_and_can_still_be_seen() {
    let mut setup = Setup::default();
    setup.settings.http.requests_max = 1;
    let app = TestApp::start_with(setup).await;
    let customer = app.customer().await;
    let order = order_for("sku-1", "tok_slow");
    let waiting = app.place_and_wait(&customer, &order);
    let looking = async {
        while in_progress(&app).await < 1 {}
        (app.get(&customer, "/orders").await, app.get("", "/health/ready").await)
    };
    let (waited, (turned_away, ready)) = futures_util::future::join(waiting, looking).await;
    waited.expect(201);
    turned_away.expect_problem(503, "OVERLOADED");
    assert_eq!(turned_away.header("retry-after"), Some("1"));
    ready.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_answer_is_given_up() {
    let mut setup = Setup::default();
    setup.settings.http.request_timeout = Duration::from_millis(1);
    setup.passwords = PasswordSettings { passes: 20, ..PasswordSettings::default() };
    // Looking at a password is too slow now; making the administrator is not a request.
    let app = TestApp::bare(setup).await;
    let body = json!({"email": "a@example.org", "password": "correct horse"});
    let answer = app.post("", "/auth/login", &body).await;
    answer.expect_problem(503, "TIMEOUT");
}

#[tokio::test(flavor = "multi_thread")]
async fn stopping_node_finishes_what_is_in_progress() {
    let app = TestApp::start().await;
    let customer = app.customer().await;
    let id =
        crate::app::id_of(&app.place(&customer, &order_for("s", "tok_slow")).await.expect(201));
    let asked = app.ask("GET", &format!("/orders/{id}")).bearer(&customer);
    let asked = tokio::spawn(asked.header("prefer", "wait=30").send());
    let address = app.address;
    while in_progress(&app).await < 1 {}
    app.stop();
    let answer = asked.await.unwrap();
    assert!(
        ["pending", "processing", "paid"].contains(&answer.expect(200)["status"].as_str().unwrap())
    );
    while TcpStream::connect(address).await.is_ok() {}
}

async fn in_progress(app: &TestApp) -> u64 {
    let metrics = app.get("", "/metrics").await;
    let text = String::from_utf8(metrics.body.to_vec()).unwrap();
    let line =
        text.lines().find_map(|line| line.strip_prefix("sagaline_http_requests_in_progress "));
    line.unwrap().parse().unwrap()
}
