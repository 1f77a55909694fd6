//! `/consumers` and `sagaline consumer`: how far a node's consumer groups are, and an operator's way with what
//! they have parked.

use std::collections::BTreeSet;
use std::process::{Command, Output};
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

/// The binary's command, asked of the node by its administrator.
fn command(app: &TestApp, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sagaline"));
    command.args(["consumer", "--url", &format!("http://{}", app.address)]).args(arguments);
    command.env("SAGALINE_TOKEN", &app.admin).output().unwrap()
}

fn printed(app: &TestApp, arguments: &[&str]) -> String {
    let output = command(app, arguments);
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_shows_replays_and_skips() {
    let app = TestApp::start().await;
    let (customer, merchant) = (app.customer().await, app.merchant().await);
    let order = app.place_and_wait(&customer, &order_for("sku-1", "tok_ok")).await.expect(201);
    let id = id_of(&order);
    app.ship(&merchant, &id).await.expect(200);
    app.deliver(&merchant, &id).await.expect(200);
    with_parked(&app, 1).await;
    let listed = printed(&app, &["list"]);
    assert!(listed.starts_with("doubter ") && listed.contains("parked 1"), "{listed}");
    let listed: Value = serde_json::from_str(&printed(&app, &["list", "--json"])).unwrap();
    assert_eq!(listed["parkedKeys"], 1);
    let key = format!("order-{id}");
    let parked = printed(&app, &["parked", "doubter"]);
    assert!(parked.contains(&key) && parked.contains("UNBELIEVABLE: really?"), "{parked}");

    let replayed = printed(&app, &["replay", "doubter", "--key", &key, "--reason", "think again"]);
    assert!(replayed.starts_with("replay is requested; before: doubter"), "{replayed}");
    while !printed(&app, &["parked", "doubter", "--json"]).contains("OrderDelivered") {
        tokio::task::yield_now().await;
    }
    printed(&app, &["skip", "doubter", "--key", &key, "--reason", "told by telephone"]);
    with_parked(&app, 0).await;
    assert_eq!(printed(&app, &["parked", "doubter"]).trim(), "");

    for (arguments, code, words) in [
        (&["parked", "nobody"][..], 1, "404"),
        (&["replay", "doubter", "--all", "--reason", "why not"], 1, "STATE_FORBIDS"),
        (&["replay", "doubter", "--reason", "why not"], 2, "--key"),
        (&["skip", "doubter", "--reason", "why not"], 2, "--key"),
    ] {
        let refused = command(&app, arguments);
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert_eq!(refused.status.code(), Some(code), "{arguments:?}: {said}");
        assert!(said.contains(words), "{arguments:?}: {said}");
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
