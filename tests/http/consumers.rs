//! `/consumers`: how far a node's consumer groups are, and an operator's way with what they have parked.

use std::collections::BTreeSet;
use std::sync::Mutex;

use sagaline::engine::{Ack, Consumer, Delivery, Failure, Outcome};
use serde_json::{Value, json};

use crate::app::{TestApp, id_of, order_for};

/// Refuses every event once.
#[derive(Default)]
pub(crate) struct Doubter(Mutex<BTreeSet<String>>);

impl Consumer for Doubter {
    const NAME: &'static str = "doubter";
    const CATEGORIES: &'static [&'static str] = &["order"];
    const EVENT_TYPES: &'static [&'static str] = &["OrderShipped", "OrderDelivered"];

    async fn consume(&self, delivery: &Delivery) -> Outcome<Ack> {
        match self.0.lock().unwrap().insert(delivery.id().to_owned()) {
            true => Err(Failure::rejected("UNBELIEVABLE", "really?")),
            false => Ok(Ack::new()),
        }
    }
}

/// The group once so many of its keys are parked.
async fn with_parked(app: &TestApp, keys: u64) -> Value {
    loop {
        let shown = app.get(&app.admin, "/consumers").await.expect(200);
        let group = &shown["consumers"][0];
        assert_eq!(group["name"], "doubter");
        if group["parkedKeys"] == keys && group["waitingKeys"] == 0 {
            return group.clone();
        }
        tokio::task::yield_now().await;
    }
}

async fn ask(app: &TestApp, verb: &str, body: Value) -> crate::client::Answer {
    app.post(&app.admin, &format!("/consumers/doubter/{verb}"), &body).await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_group_has_parked_is_shown_replayed_and_skipped() {
    let app = TestApp::start().await;
    let (customer, merchant) = (app.customer().await, app.merchant().await);
    let mut ids = Vec::new();
    for product in ["sku-1", "sku-2"] {
        let order = app.place_and_wait(&customer, &order_for(product, "tok_ok")).await.expect(201);
        ids.push(id_of(&order));
        app.ship(&merchant, &ids[ids.len() - 1]).await.expect(200);
        app.deliver(&merchant, &ids[ids.len() - 1]).await.expect(200);
    }
    let group = with_parked(&app, 2).await;
    assert!(group["position"].as_u64() <= group["head"].as_u64(), "{group}");

    let mut letters = Vec::new();
    let mut path = "/consumers/doubter/parked?limit=1".to_owned();
    while letters.len() < 2 {
        let page = app.get(&app.admin, &path).await.expect(200);
        letters.extend(page["parked"].as_array().unwrap().iter().cloned());
        let cursor = page["nextCursor"].as_str().unwrap_or_default();
        path = format!("/consumers/doubter/parked?limit=1&cursor={cursor}");
    }
    for (letter, id) in letters.iter().zip(&ids) {
        let key = format!("order-{id}");
        assert_eq!((&letter["key"], &letter["stream"]), (&json!(key), &json!(key)), "{letter}");
        assert_eq!(letter["eventType"], "OrderShipped");
        assert_eq!(letter["reason"], "UNBELIEVABLE: really?");
        assert_eq!(letter["attempts"], 1);
    }

    // What is replayed goes on to what was held behind it, which is refused once as well.
    let key = format!("order-{}", ids[0]);
    let taken = ask(&app, "replay", json!({"reason": "think again", "key": key})).await;
    assert_eq!(taken.expect(202)["name"], "doubter");
    loop {
        let page = app.get(&app.admin, "/consumers/doubter/parked").await.expect(200);
        if page["parked"].as_array().unwrap().iter().any(|it| it["eventType"] == "OrderDelivered") {
            break;
        }
    }
    ask(&app, "skip", json!({"reason": "told by telephone", "key": key})).await.expect(202);
    with_parked(&app, 1).await;
    ask(&app, "replay", json!({"reason": "all of it"})).await.expect(202);
    let other = format!("order-{}", ids[1]);
    loop {
        let page = app.get(&app.admin, "/consumers/doubter/parked").await.expect(200);
        let first = &page["parked"][0];
        if first["eventType"] == "OrderDelivered" {
            assert_eq!(first["key"], other);
            break;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_cannot_be_are_refused() {
    let app = TestApp::start().await;
    let customer = app.customer().await;
    app.get(&customer, "/consumers").await.expect_problem(403, "FORBIDDEN");
    app.get(&app.admin, "/consumers/nobody/parked").await.expect_problem(404, "NOT_FOUND");
    for query in ["limit=0", "limit=101", "cursor=xyz", "cursor=", "cursor=00", "more=1"] {
        let path = format!("/consumers/doubter/parked?{query}");
        app.get(&app.admin, &path).await.expect_problem(400, "VALIDATION_FAILED");
    }
    let nothing = ask(&app, "replay", json!({"reason": "why not"})).await;
    nothing.expect_problem(409, "STATE_FORBIDS");
    let nothing = ask(&app, "skip", json!({"reason": "why not", "key": "order-1"})).await;
    nothing.expect_problem(409, "STATE_FORBIDS");
    let endless = json!({"reason": "why not", "key": "k".repeat(10_000)});
    ask(&app, "replay", endless).await.expect_problem(409, "STATE_FORBIDS");
    let silent = ask(&app, "replay", json!({"reason": " "})).await;
    silent.expect_problem(400, "VALIDATION_FAILED");
}
