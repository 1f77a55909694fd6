//! The operator's verbs: a parked saga is brought back, a running one is paused, what the state forbids
//! is 409.

use serde_json::{Value, json};

use crate::app::{Setup, TestApp, id_of, order_for};

/// An order whose undo never succeeds, at the point where its saga waits for an operator. On a busy machine the
/// cancel may come when the money moves already: then the next order is tried.
async fn parked(app: &TestApp, customer: &str) -> String {
    let mut number = 0;
    loop {
        number += 1;
        let order = order_for(&format!("sku-{number}"), "tok_void_fails");
        let id = id_of(&app.place(customer, &order).await.expect(201));
        app.cancel(customer, &id).await;
        let saga = app.ask("GET", &format!("/sagas/{id}")).bearer(&app.admin);
        let saga = saga.header("prefer", "wait=60").send().await.expect(200);
        if saga["currentStep"] == "authorize_payment" {
            assert_eq!(saga["status"], "parked", "{saga}");
            return id;
        }
    }
}

/// The undo is to fail as often as its policy allows, without pauses for the gateway's sake.
async fn start() -> TestApp {
    let mut setup = Setup::default();
    setup.settings.engine.retry_budget = 1.0;
    setup.settings.engine.breaker_outcomes = 64;
    TestApp::start_with(setup).await
}

/// The saga once it has come to rest.
async fn rested(app: &TestApp, id: &str) -> Value {
    let saga = app.ask("GET", &format!("/sagas/{id}")).bearer(&app.admin);
    saga.header("prefer", "wait=30").send().await.expect(200)
}

#[tokio::test(flavor = "multi_thread")]
async fn saga_whose_undo_keeps_failing_is_brought_back_by_an_operator() {
    let app = start().await;
    let customer = app.customer().await;
    let id = parked(&app, &customer).await;
    let shown = app.get(&app.admin, "/sagas/status/parked").await.expect(200);
    assert_eq!(shown["sagas"][0]["id"], *id);
    assert_eq!(shown["sagas"][0]["currentStep"], "authorize_payment");
    app.cancel(&customer, &id).await;
    let skipped = app.operate(&app.admin, "skip", &id).await.expect(200);
    assert_ne!(skipped["status"], "parked");
    let saga = app.ask("GET", &format!("/sagas/{id}")).bearer(&app.admin);
    let saga = saga.header("prefer", "wait=30").send().await.expect(200);
    assert_eq!(saga["status"], "compensated", "{saga}");
    assert_eq!(app.order(&customer, &id).await.expect(200)["status"], "cancelled");
    let trace = app.trace(&app.admin, &id).await.expect(200);
    let happened = |event: &str| {
        trace["timeline"].as_array().unwrap().iter().any(|shown| shown["eventType"] == event)
    };
    assert!(happened("SagaParked") && happened("StepSkipped") && happened("SagaCompensated"));
}

#[tokio::test(flavor = "multi_thread")]
async fn undo_that_an_operator_knows_to_be_done_is_done() {
    let app = start().await;
    let customer = app.customer().await;
    let id = parked(&app, &customer).await;
    let path = format!("/saga/resolve/{id}");
    let rejected = json!({"reason": "the bank says no", "outcome": "rejected"});
    app.post(&app.admin, &path, &rejected).await.expect_problem(409, "STATE_FORBIDS");
    let done = json!({"reason": "the bank let it go by telephone", "outcome": "succeeded"});
    let resolved = app.post(&app.admin, &path, &done).await.expect(200);
    assert_eq!(resolved["id"], *id);
    assert_ne!(resolved["status"], "parked", "{resolved}");
    let saga = rested(&app, &id).await;
    assert_eq!(saga["status"], "compensated", "{saga}");
    assert_eq!(app.order(&customer, &id).await.expect(200)["status"], "cancelled");
    let trace = app.trace(&app.admin, &id).await.expect(200);
    let timeline = trace["timeline"].as_array().unwrap();
    assert!(timeline.iter().any(|event| event["eventType"] == "StepResolved"), "{trace}");
}

#[tokio::test(flavor = "multi_thread")]
async fn paused_saga_that_is_sent_back_goes_when_it_is_resumed() {
    let app = TestApp::start().await;
    let customer = app.customer().await;
    let slow = app.place(&customer, &order_for("sku-1", "tok_slow")).await.expect(201);
    let id = id_of(&slow);
    app.operate(&app.admin, "pause", &id).await.expect(200);
    let back = app.operate(&app.admin, "compensate", &id).await.expect(200);
    assert_eq!(
        (&back["status"], &back["paused"]),
        (&json!("compensating"), &json!(true)),
        "{back}"
    );
    app.operate(&app.admin, "compensate", &id).await.expect_problem(409, "STATE_FORBIDS");
    app.operate(&app.admin, "resume", &id).await.expect(200);
    let saga = rested(&app, &id).await;
    assert_eq!(saga["status"], "compensated", "{saga}");
    assert_eq!(saga["aborted"]["operator"]["reason"], "because the test says so", "{saga}");
    assert_eq!(app.order(&customer, &id).await.expect(200)["status"], "cancelled");
}

#[tokio::test(flavor = "multi_thread")]
async fn verbs_that_the_state_forbids_are_conflicts() {
    let app = TestApp::start().await;
    let customer = app.customer().await;
    let order = app.place_and_wait(&customer, &order_for("sku-1", "tok_ok")).await.expect(201);
    let id = id_of(&order);
    for verb in ["retry", "skip", "compensate", "pause", "resume"] {
        app.operate(&app.admin, verb, &id).await.expect_problem(409, "STATE_FORBIDS");
    }
    let resolve = json!({"reason": "r", "outcome": "succeeded", "result": {"reference": "x"}});
    let path = format!("/saga/resolve/{id}");
    app.post(&app.admin, &path, &resolve).await.expect_problem(409, "STATE_FORBIDS");
}

#[tokio::test(flavor = "multi_thread")]
async fn paused_saga_starts_nothing_until_it_is_resumed() {
    let app = TestApp::start().await;
    let customer = app.customer().await;
    let slow = app.place(&customer, &order_for("sku-1", "tok_slow")).await.expect(201);
    let id = id_of(&slow);
    let paused = app.operate(&app.admin, "pause", &id).await.expect(200);
    assert_eq!(paused["paused"], true);
    let saga = app.ask("GET", &format!("/sagas/{id}")).bearer(&app.admin);
    let saga = saga.header("prefer", "wait=30").send().await.expect(200);
    assert_eq!((&saga["status"], &saga["paused"]), (&json!("started"), &json!(true)), "{saga}");
    assert_eq!(app.order(&customer, &id).await.expect(200)["status"], "processing");
    app.operate(&app.admin, "pause", &id).await.expect_problem(409, "STATE_FORBIDS");
    app.operate(&app.admin, "resume", &id).await.expect(200);
    let order = app.ask("GET", &format!("/orders/{id}")).bearer(&customer);
    let order = order.header("prefer", "wait=30").send().await.expect(200);
    assert_eq!(order["status"], "paid");
}
