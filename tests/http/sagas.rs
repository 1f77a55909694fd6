//! Sagas by id, correlation and status; starting any saga the node knows.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::app::{Setup, TestApp, id_of, order_for};
use crate::outage::Carrier;

#[tokio::test(flavor = "multi_thread")]
async fn saga_tells_its_steps_and_its_request() {
    let app = TestApp::start().await;
    let customer = app.customer().await;
    let ask = app.ask("POST", "/orders").bearer(&customer).header("x-correlation-id", "basket-7");
    let ask = ask.header("prefer", "wait=30").json(&order_for("sku-1", "tok_ok"));
    let id = id_of(&ask.send().await.expect(201));
    let saga = app.saga(&customer, &id).await.expect(200);
    assert_eq!((&saga["id"], &saga["sagaType"]), (&json!(id), &json!("order-processing")));
    assert_eq!(saga["correlationId"], "basket-7");
    let steps = ["place_order", "authorize_payment", "capture_payment", "confirm_order"];
    assert_eq!(saga["completedSteps"], json!(steps));
    assert_eq!(saga["compensationSteps"], json!([]));

    let found = app.get(&customer, "/sagas/correlation/basket-7").await.expect(200);
    assert_eq!((&found["total"], &found["sagas"][0]["id"]), (&json!(1), &json!(id)));
    let other = app.customer().await;
    app.get(&other, "/sagas/correlation/basket-7").await.expect_problem(404, "NOT_FOUND");
    app.get(&customer, "/sagas/correlation/unknown").await.expect_problem(404, "NOT_FOUND");
    assert_eq!(app.get(&other, "/sagas").await.expect(200)["total"], 0);
    let mine = app.get(&customer, "/sagas?type=order-processing&status=completed").await;
    assert_eq!(mine.expect(200)["total"], 1);
    let all = app.get(&app.admin, "/sagas").await.expect(200);
    assert_eq!(all["total"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn trace_of_the_caller_goes_on_in_the_calls_to_participants() {
    let carrier = Arc::new(Carrier::default());
    let setup = Setup { carrier: Some(carrier.clone()), ..Setup::default() };
    let app = TestApp::start_with(setup).await;
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let parent = format!("00-{trace}-00f067aa0ba902b7-01");
    let ask = app.ask("POST", "/sagas").bearer(&app.admin).header("traceparent", &parent);
    let ask = ask.header("prefer", "wait=30");
    let started = ask.json(&json!({"sagaType": "parcel", "data": "parcel"})).send().await;
    assert_eq!(started.expect(201)["correlationId"], trace);
    assert_eq!(started.header("x-correlation-id"), Some(trace));
    let called = carrier.traces.lock().unwrap().clone();
    assert_eq!(called.len(), 1);
    assert!(called[0].starts_with(&format!("00-{trace}-")) && called[0] != parent, "{called:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn own_sagas_of_a_shared_correlation_id_are_found_counted_and_paged_among_foreign_ones() {
    let app = TestApp::start().await;
    let (customer, other) = (app.customer().await, app.customer().await);
    let place = |token: &str, product: String| {
        let ask = app.ask("POST", "/orders").bearer(token).header("x-correlation-id", "same");
        ask.json(&order_for(&product, "tok_ok")).send()
    };
    let mut own = Vec::new();
    for number in 0..3 {
        own.insert(0, id_of(&place(&customer, format!("own-{number}")).await.expect(201)));
    }
    // More than the biggest page holds.
    for number in 0..101 {
        place(&other, format!("sku-{number}")).await.expect(201);
    }
    let ids = |page: &Value| -> Vec<String> {
        page["sagas"].as_array().unwrap().iter().map(id_of).collect()
    };
    let stranger = app.customer().await;
    for path in ["/sagas/correlation/same", "/saga/status/same"] {
        let all = app.get(&customer, path).await.expect(200);
        assert_eq!(ids(&all), own);
        assert_eq!((&all["total"], &all["totalPages"]), (&json!(3), &json!(1)));
        assert_eq!(all.get("nextCursor"), None, "{all}");
        let first = app.get(&customer, &format!("{path}?limit=2")).await.expect(200);
        assert_eq!(ids(&first), own[..2]);
        assert_eq!((&first["total"], &first["totalPages"]), (&json!(3), &json!(2)));
        let cursor = first["nextCursor"].as_str().unwrap();
        let rest = app.get(&customer, &format!("{path}?limit=2&cursor={cursor}")).await;
        assert_eq!(ids(&rest.expect(200)), own[2..]);
        // Behind the last page there is nothing; the sagas are there all the same.
        let behind = app.get(&customer, &format!("{path}?page=2")).await.expect(200);
        assert_eq!((ids(&behind), &behind["total"]), (Vec::new(), &json!(3)));
        let everybody = app.get(&app.admin, &format!("{path}?limit=100")).await.expect(200);
        assert_eq!((ids(&everybody).len(), &everybody["total"]), (100, &json!(104)));
        app.get(&stranger, path).await.expect_problem(404, "NOT_FOUND");
        let foreign = app.get(&other, &format!("{path}?cursor={cursor}")).await;
        foreign.expect_problem(400, "VALIDATION_FAILED");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn administrator_starts_any_known_saga() {
    let app = TestApp::start().await;
    let customer = app.customer().await;
    let paid = app.place_and_wait(&customer, &order_for("sku-1", "tok_ok")).await.expect(201);
    let order = id_of(&paid);
    let data = app.saga(&app.admin, &order).await.expect(200)["data"].clone();
    let mut data = data;
    data["details"]["items"][0]["productId"] = "sku-2".into();
    data.as_object_mut().unwrap().remove("idempotencyKey");
    let body = json!({"sagaType": "order-processing", "data": data, "correlationId": "started-7"});
    let start = |body: &serde_json::Value| {
        let ask = app.ask("POST", "/sagas").bearer(&app.admin).header("idempotency-key", "s-1");
        ask.header("prefer", "wait=30").json(body).send()
    };
    let first = start(&body).await;
    let saga = first.expect(201);
    assert_eq!(saga["status"], "completed", "{saga}");
    assert_eq!(saga["correlationId"], "started-7");
    assert_eq!(first.header("location"), Some(&*format!("/sagas/{}", id_of(&saga))));
    let again = start(&body).await;
    assert_eq!(again.header("idempotent-replayed"), Some("true"));
    assert_eq!(again.expect(201)["id"], saga["id"]);
    let mut other = body.clone();
    other["data"]["details"]["items"][0]["productId"] = "sku-3".into();
    start(&other).await.expect_problem(422, "IDEMPOTENCY_KEY_REUSED");
    other["sagaType"] = "unknown".into();
    let problem = start(&other).await.expect_problem(400, "VALIDATION_FAILED");
    assert_eq!(problem["errors"][0]["field"], "sagaType");
    other["sagaType"] = "order-processing".into();
    other["data"] = json!({"nothing": "fits"});
    let problem = start(&other).await.expect_problem(400, "VALIDATION_FAILED");
    assert_eq!(problem["errors"][0]["field"], "data");
}
