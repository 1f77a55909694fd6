//! Bad input on every route: the right 4xx with a complete problem document, never a 5xx, nothing stored.

use bytes::Bytes;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};

use crate::app::{SECRET, TestApp, id_of, order_for};

const ID: &str = "00000000-0000-7000-8000-000000000000";

/// Every route with a JSON body: method, path, a right body, and whether an administrator is needed.
fn routes_with_bodies() -> Vec<(&'static str, String, Value)> {
    let reason = json!({"reason": "r"});
    let mut routes = vec![
        (
            "POST",
            "/auth/register".into(),
            json!({
                "email": "x@example.org", "password": "correct horse", "firstName": "X", "lastName": "Y",
            }),
        ),
        ("POST", "/auth/login".into(), json!({"email": "x@example.org", "password": "y"})),
        ("POST", "/orders".into(), order_for("sku-1", "tok_ok")),
        ("POST", "/auth/refresh".into(), json!({"refreshToken": "r"})),
        ("POST", "/auth/logout".into(), json!({"refreshToken": "r"})),
        (
            "POST",
            "/users".into(),
            json!({
                "email": "y@example.org", "password": "correct horse", "firstName": "X", "lastName": "Y",
                "role": "merchant",
            }),
        ),
        ("PUT", format!("/users/{ID}/role"), json!({"role": "merchant"})),
        ("POST", format!("/users/{ID}/disable"), reason.clone()),
        ("POST", format!("/orders/{ID}/refund"), reason.clone()),
        ("POST", "/redis-test/saga-creation-test".into(), json!({"correlationId": "c"})),
        (
            "POST",
            "/saga/maintenance/cleanup-pending".into(),
            json!({"reason": "r", "olderThanS": 3600}),
        ),
        ("PUT", format!("/orders/{ID}/confirm"), json!({"paymentId": "p"})),
        ("POST", "/sagas".into(), json!({"sagaType": "order-processing", "data": {}})),
        ("POST", format!("/saga/resolve/{ID}"), json!({"reason": "r", "outcome": "rejected"})),
    ];
    for verb in ["retry", "skip", "compensate", "pause", "resume"] {
        routes.push(("POST", format!("/saga/{verb}/{ID}"), reason.clone()));
    }
    routes
}

/// Every route that needs a token.
fn routes_with_tokens() -> Vec<(&'static str, String)> {
    let mut routes: Vec<(&'static str, String)> = [
        "/auth/profile",
        "/orders",
        "/sagas",
        "/sagas/status/parked",
        "/sagas/correlation/c",
        "/trace/correlation/c",
        "/gateway/ledger",
        "/users",
        "/payments",
        "/saga/active",
        "/saga/status/c",
        "/sagas/orders/processing",
        "/saga/maintenance/pending-orders",
        "/saga/maintenance/saga-health",
        "/trace/events",
        "/trace/events/stream",
        "/trace/active-flows",
        "/trace/distribution",
        "/health/detailed",
        "/db-pool",
        "/kafka-test",
        "/redis-test/lock-status/k",
    ]
    .map(|path| ("GET", path.to_owned()))
    .into();
    routes.extend(
        ["orders", "sagas", "trace/order", "users", "payments"]
            .map(|path| ("GET", format!("/{path}/{ID}"))),
    );
    routes.push(("DELETE", format!("/orders/{ID}")));
    let bodies = routes_with_bodies().into_iter();
    routes.extend(
        bodies.map(|(method, path, _)| (method, path)).filter(|r| !r.1.starts_with("/auth")),
    );
    routes
}

/// Bodies that are wrong wherever they are sent, with the status and code they get.
fn wrong_everywhere() -> Vec<(&'static str, Bytes, u16, &'static str)> {
    let json = "application/json";
    let deep = format!("{{\"a\":{}1{}}}", "[".repeat(50_000), "]".repeat(50_000));
    let mut wrong: Vec<(&str, Bytes, u16, &str)> = vec![
        (json, Bytes::new(), 400, "INVALID_JSON"),
        (json, Bytes::from_static(b"{"), 400, "INVALID_JSON"),
        // What is wrong first is told: a missing field comes before what follows it.
        (json, Bytes::from_static(b"{} {}"), 400, ""),
        (json, Bytes::from_static(b"{\"a\":\"\xff\xfe\"}"), 400, ""),
        (json, Bytes::from_static(b"\x00\x01\x02"), 400, "INVALID_JSON"),
        (json, Bytes::from(deep), 400, "INVALID_JSON"),
        (json, Bytes::from(vec![b'['; 1024 * 1024 + 1]), 413, "BODY_TOO_LARGE"),
        ("text/plain", Bytes::from_static(b"{}"), 415, "UNSUPPORTED_MEDIA_TYPE"),
        (
            "application/x-www-form-urlencoded",
            Bytes::from_static(b"a=1"),
            415,
            "UNSUPPORTED_MEDIA_TYPE",
        ),
    ];
    for value in ["{}", "[]", "null", "true", "1e400", "\"text\"", "[[]]", "{\"\\ud800\":1}"] {
        wrong.push((json, Bytes::from_static(value.as_bytes()), 400, ""));
    }
    wrong
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_bodies_are_refused_on_every_route() {
    let app = TestApp::start().await;
    let head = app.head().await;
    for (method, path, _) in routes_with_bodies() {
        for (content_type, body, status, code) in wrong_everywhere() {
            let ask = app.ask(method, &path).bearer(&app.admin).raw(content_type, body.clone());
            let answer = ask.send().await;
            let shown = String::from_utf8_lossy(&body[..body.len().min(40)]).into_owned();
            assert_eq!(answer.status, status, "{method} {path} {shown}: {answer:?}");
            let code = if code.is_empty() { answer.json()["error"].clone() } else { code.into() };
            answer.expect_problem(status, code.as_str().unwrap());
        }
    }
    assert_eq!(app.head().await, head, "something was stored");
}

#[tokio::test(flavor = "multi_thread")]
async fn missing_unknown_and_mistyped_fields_are_named_on_every_route() {
    let app = TestApp::start().await;
    let head = app.head().await;
    for (method, path, right) in routes_with_bodies() {
        for (field, body) in spoiled(&right) {
            let answer = app.ask(method, &path).bearer(&app.admin).json(&body).send().await;
            let problem = answer.expect_problem(400, "VALIDATION_FAILED");
            let named = problem["errors"][0]["field"].as_str().unwrap();
            assert!(named.starts_with(&field), "{method} {path} {body}: {problem}");
        }
    }
    assert_eq!(app.head().await, head, "something was stored");
}

/// A right body without each of its fields, with an unknown one, and with each of a wrong type.
fn spoiled(right: &Value) -> Vec<(String, Value)> {
    let fields: Vec<String> = right.as_object().unwrap().keys().cloned().collect();
    let mut spoiled = Vec::new();
    for field in &fields {
        let optional = ["paymentMethod"].contains(&field.as_str());
        if !optional {
            let mut without = right.clone();
            without.as_object_mut().unwrap().remove(field);
            spoiled.push((field.clone(), without));
        }
        for wrong in [json!(17), json!([[1]]), json!(true)] {
            // Whatever JSON it is, a saga's data is data; that it does not fit is told as well.
            let mut with = right.clone();
            with[field] = wrong;
            spoiled.push((field.clone(), with));
        }
    }
    let mut more = right.clone();
    more["unexpected"] = json!(1);
    spoiled.push(("unexpected".to_owned(), more));
    spoiled
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_values_of_an_order_are_named_by_their_place() {
    let app = TestApp::start().await;
    let customer = app.customer().await;
    let head = app.head().await;
    let long = "x".repeat(300);
    for (pointer, value, field) in [
        ("/items", json!([]), "items"),
        ("/items", json!([["sku", "Lamp", 1, 1]]), "items[0]"),
        ("/items/0/quantity", json!(0), "items[0].quantity"),
        ("/items/0/quantity", json!(-1), "items[0].quantity"),
        ("/items/0/quantity", json!(1.5), "items[0].quantity"),
        ("/items/0/quantity", json!(u64::MAX), "items[0].quantity"),
        ("/items/0/quantity", json!("2"), "items[0].quantity"),
        ("/items/0/price", json!(-0.01), "items[0].price"),
        ("/items/0/price", json!(0.001), "items[0].price"),
        ("/items/0/price", json!(1e30), "items[0].price"),
        ("/items/0/price", json!({}), "items[0].price"),
        ("/items/0/productId", json!(""), "items[0].productId"),
        ("/items/0/productId", json!("a\u{0}b"), "items[0].productId"),
        ("/items/0/productId", json!(long), "items[0].productId"),
        ("/items/0/productName", json!("\u{202e}\u{7}"), "items[0].productName"),
        ("/shippingAddress", json!(["s", "c", "z", "US"]), "shippingAddress"),
        ("/shippingAddress/city", json!(" "), "shippingAddress.city"),
        ("/shippingAddress/zipCode", json!(12345), "shippingAddress.zipCode"),
        ("/paymentMethod/type", json!("cash"), "paymentMethod.type"),
        ("/paymentMethod/token", json!("tok en"), "paymentMethod.token"),
    ] {
        let mut order = order_for("sku-1", "tok_ok");
        *order.pointer_mut(pointer).unwrap() = value;
        let problem = app.place(&customer, &order).await.expect_problem(400, "VALIDATION_FAILED");
        assert_eq!(problem["errors"][0]["field"], field, "{problem}");
    }
    assert_eq!(app.head().await, head, "something was stored");
    // Unicode that is allowed stays as it is.
    let mut order = order_for("лампа-🕯️", "tok_ok");
    order["items"][0]["productName"] = "Лампа 🕯️ \u{2028}".trim().into();
    let placed = app.place(&customer, &order).await.expect(201);
    assert_eq!(placed["items"][0]["productId"], "лампа-🕯️");
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_that_are_not_ours_are_refused_on_every_route() {
    let app = TestApp::start().await;
    let head = app.head().await;
    let claims =
        |exp: u64| json!({"sub": ID, "role": "admin", "iss": "sagaline", "iat": 1, "exp": exp});
    let sign = |algorithm, key: &str, exp| {
        let key = EncodingKey::from_secret(key.as_bytes());
        jsonwebtoken::encode(&Header::new(algorithm), &claims(exp), &key).unwrap()
    };
    let future = 4_000_000_000;
    let right = sign(Algorithm::HS256, SECRET, future);
    let payload = right.split('.').nth(1).unwrap();
    let none = format!("eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.{payload}.");
    let tokens = [
        ("", "TOKEN_MISSING"),
        ("garbage", "TOKEN_INVALID"),
        (&*none, "TOKEN_INVALID"),
        (&*sign(Algorithm::HS256, "another secret of 32 bytes or so", future), "TOKEN_INVALID"),
        (&*sign(Algorithm::HS512, SECRET, future), "TOKEN_INVALID"),
        (&*sign(Algorithm::HS256, SECRET, 1_000_000_000), "TOKEN_EXPIRED"),
    ];
    for (method, path) in routes_with_tokens() {
        for (token, code) in tokens {
            let answer = app.ask(method, &path).bearer(token).send().await;
            answer.expect_problem(401, code);
            assert!(answer.header("www-authenticate").unwrap().starts_with("Bearer"));
        }
        let basic = app.ask(method, &path).header("authorization", "Basic YTpi").send().await;
        basic.expect_problem(401, "TOKEN_MISSING");
    }
    assert_eq!(app.head().await, head, "something was stored");
}

#[tokio::test(flavor = "multi_thread")]
async fn impossible_ids_and_queries_are_refused() {
    let app = TestApp::start().await;
    let head = app.head().await;
    let paths = ["/orders/{}", "/sagas/{}", "/trace/order/{}", "/users/{}", "/payments/{}"];
    for path in paths {
        for id in ["x", "1", "00000000", "%00", "..%2f..%2fetc", "%F0%9F%95%AF", &"a".repeat(2_000)]
        {
            let problem = app.get(&app.admin, &path.replace("{}", id)).await;
            let problem = problem.expect_problem(400, "VALIDATION_FAILED");
            assert_eq!(problem["errors"][0]["field"], "id");
        }
        app.get(&app.admin, &path.replace("{}", "%ff"))
            .await
            .expect_problem(400, "VALIDATION_FAILED");
    }
    for path in ["/sagas/correlation/a%20b", "/trace/correlation/%2e%2e%2f", "/sagas/status/lost"] {
        app.get(&app.admin, path).await.expect_problem(400, "VALIDATION_FAILED");
    }
    for path in ["/consumers/%ff/parked", "/sagas/status/%ff", "/api/%ff"] {
        let problem = app.get(&app.admin, path).await.expect_problem(400, "VALIDATION_FAILED");
        assert_eq!(problem["errors"][0]["field"], "path", "{problem}");
    }
    for (query, field) in [
        ("page=0", "page"),
        ("page=-1", "page"),
        ("page=99999999999999999999", "page"),
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("limit=ten", "limit"),
        ("cursor=zz", "cursor"),
        ("cursor=00&page=2", "cursor"),
        ("status=lost", "status"),
        ("unknown=1", "unknown"),
        ("page=1&page=2", "page"),
    ] {
        for path in ["/orders", "/sagas"] {
            let problem = app.get(&app.admin, &format!("{path}?{query}")).await;
            let problem = problem.expect_problem(400, "VALIDATION_FAILED");
            assert_eq!(problem["errors"][0]["field"], field, "{path}?{query}: {problem}");
        }
    }
    for query in ["after=-1", "limit=0", "limit=1001", "more=1"] {
        let ledger = app.get(&app.admin, &format!("/gateway/ledger?{query}")).await;
        ledger.expect_problem(400, "VALIDATION_FAILED");
    }
    assert_eq!(app.head().await, head, "something was stored");
}

#[tokio::test(flavor = "multi_thread")]
async fn reasons_and_keys_are_bounded() {
    let app = TestApp::start().await;
    let customer = app.customer().await;
    let order = app.place_and_wait(&customer, &order_for("sku-1", "tok_ok")).await.expect(201);
    let id = id_of(&order);
    let head = app.head().await;
    for reason in ["", " ", "line\nbreak", &"x".repeat(501)] {
        let body = json!({"reason": reason});
        let verb = app.post(&app.admin, &format!("/saga/retry/{id}"), &body).await;
        assert_eq!(verb.expect_problem(400, "VALIDATION_FAILED")["errors"][0]["field"], "reason");
        let cancel = app.ask("DELETE", &format!("/orders/{id}")).bearer(&customer).json(&body);
        cancel.send().await.expect_problem(400, "VALIDATION_FAILED");
    }
    for key in ["", " ", "a b", &"k".repeat(129)] {
        let ask = app.ask("POST", "/orders").bearer(&customer).header("idempotency-key", key);
        let ask = ask.json(&order_for("sku-2", "tok_ok"));
        ask.send().await.expect_problem(400, "VALIDATION_FAILED");
    }
    let twice = app.ask("POST", "/orders").bearer(&customer).header("idempotency-key", "a");
    let twice = twice.header("idempotency-key", "b").json(&order_for("sku-2", "tok_ok"));
    twice.send().await.expect_problem(400, "VALIDATION_FAILED");
    assert_eq!(app.head().await, head, "something was stored");
}
