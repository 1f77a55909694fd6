//! Sagas by id, correlation and status; starting any saga the node knows.

use serde_json::json;

use crate::app::{TestApp, id_of, order_for};

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
