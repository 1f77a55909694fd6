//! Stuck work, the sagas' health, and the broom.

use std::time::Duration;

use serde_json::json;

use crate::app::{TestApp, id_of, order_for};

fn external(product: &str) -> serde_json::Value {
    let mut order = order_for(product, "tok_ok");
    order["paymentMethod"] = json!({"type": "external"});
    order
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_without_an_end_are_listed_oldest_first() {
    let app = TestApp::start().await;
    let customer = app.customer().await;
    let first = id_of(&app.place(&customer, &external("sku-1")).await.expect(201));
    let second = id_of(&app.place(&customer, &external("sku-2")).await.expect(201));
    app.place_and_wait(&customer, &order_for("sku-3", "tok_ok")).await.expect(201);
    let pending = app.pending_orders(&app.admin, "").await.expect(200);
    assert_eq!((&pending["total"], &pending["stuck"]), (&json!(2), &json!(0)), "{pending}");
    let orders = pending["orders"].as_array().unwrap();
    let ids: Vec<_> = orders.iter().map(|order| order["orderId"].as_str().unwrap()).collect();
    assert_eq!(ids, [first, second]);
    // A merchant's confirmation may take its time.
    assert_eq!((&orders[0]["payment"], &orders[0]["isStuck"]), (&json!("external"), &json!(false)));
    let old = app.pending_orders(&app.admin, "?olderThan=3600").await.expect(200);
    assert_eq!((&old["orders"], &old["total"]), (&json!([]), &json!(2)));
    for query in ["?olderThan=-1", "?limit=0", "?more=1"] {
        app.pending_orders(&app.admin, query).await.expect_problem(400, "VALIDATION_FAILED");
    }
    app.pending_orders(&customer, "").await.expect_problem(403, "FORBIDDEN");
}

#[tokio::test(flavor = "multi_thread")]
async fn broom_leaves_what_is_young_and_says_what_it_would_do() {
    let app = TestApp::start().await;
    let customer = app.customer().await;
    let id = id_of(&app.place(&customer, &external("sku-1")).await.expect(201));
    let body = |age: u64| json!({"reason": "nobody paid", "olderThanS": age, "dryRun": true});
    let swept = app.clean_up(&app.admin, &body(60)).await.expect(200);
    let nothing = json!({"dryRun": true, "givenUp": [], "leftToTheirSagas": 0, "more": false});
    assert_eq!(swept, nothing);
    assert_eq!(app.order(&customer, &id).await.expect(200)["status"], "pending");
    let young = app.clean_up(&app.admin, &body(59)).await;
    assert_eq!(young.expect_problem(400, "VALIDATION_FAILED")["errors"][0]["field"], "olderThanS");
    let blank = json!({"reason": " ", "olderThanS": 60});
    app.clean_up(&app.admin, &blank).await.expect_problem(400, "VALIDATION_FAILED");
    app.clean_up(&customer, &body(60)).await.expect_problem(403, "FORBIDDEN");
}

#[tokio::test(flavor = "multi_thread")]
async fn broom_gives_up_what_nobody_paid_and_leaves_the_rest() {
    let (app, clock) = TestApp::with_clock().await;
    let customer = app.customer().await;
    let mut unpaid = Vec::new();
    for product in ["sku-1", "sku-2", "sku-3"] {
        unpaid.push(id_of(&app.place(&customer, &external(product)).await.expect(201)));
    }
    let paid = unpaid.pop().unwrap();
    app.confirm(&app.admin, &paid, "bank-17").await.expect(200);
    clock.advance(Duration::from_secs(3_000));
    let young = id_of(&app.place(&customer, &external("sku-4")).await.expect(201));
    let pending = app.pending_orders(&app.admin, "?olderThan=1800").await.expect(200);
    assert_eq!(pending["orders"].as_array().unwrap().len(), 2, "{pending}");
    let mut body = json!({"reason": "nobody paid", "olderThanS": 1800, "dryRun": true});
    let swept = app.clean_up(&app.admin, &body).await.expect(200);
    assert_eq!(swept["givenUp"], json!(unpaid));
    assert_eq!(app.order(&customer, &unpaid[0]).await.expect(200)["status"], "pending");
    body["dryRun"] = json!(false);
    let swept = app.clean_up(&app.admin, &body).await.expect(200);
    assert_eq!((&swept["givenUp"], &swept["more"]), (&json!(unpaid), &json!(false)));
    for id in &unpaid {
        let order = app.order(&customer, id).await.expect(200);
        assert_eq!((&order["status"], &order["reason"]), (&json!("failed"), &json!("nobody paid")));
    }
    assert_eq!(app.order(&customer, &paid).await.expect(200)["status"], "paid");
    assert_eq!(app.order(&customer, &young).await.expect(200)["status"], "pending");
    assert_eq!(app.clean_up(&app.admin, &body).await.expect(200)["givenUp"], json!([]));
    // The products are free again.
    app.place(&customer, &external("sku-1")).await.expect(201);
}

#[tokio::test(flavor = "multi_thread")]
async fn flow_that_does_not_move_for_a_minute_is_stuck() {
    let (app, clock) = TestApp::with_clock().await;
    let customer = app.customer().await;
    let order = app.place(&customer, &order_for("sku-1", "tok_slow")).await.expect(201);
    app.operate(&app.admin, "pause", &id_of(&order)).await.expect(200);
    let settled = app.ask("GET", &format!("/sagas/{}", id_of(&order))).bearer(&app.admin);
    settled.header("prefer", "wait=5").send().await.expect(200);
    assert_eq!(app.active_flows(&app.admin).await.expect(200)["stuck"], 0);
    clock.advance(Duration::from_secs(61));
    let flows = app.active_flows(&app.admin).await.expect(200);
    assert_eq!(
        (&flows["stuck"], &flows["flows"][0]["isStuck"]),
        (&json!(1), &json!(true)),
        "{flows}"
    );
    let pending = app.pending_orders(&app.admin, "").await.expect(200);
    assert_eq!(pending["orders"][0]["isStuck"], true, "{pending}");
}

#[tokio::test(flavor = "multi_thread")]
async fn health_of_the_sagas_counts_what_happened() {
    let app = TestApp::start().await;
    let customer = app.customer().await;
    let before = app.saga_health(&app.admin).await.expect(200);
    assert_eq!((&before["status"], &before["live"]), (&json!("healthy"), &json!(0)));
    assert!(before["sinceStart"].get("completedShare").is_none());
    app.place_and_wait(&customer, &order_for("sku-1", "tok_ok")).await.expect(201);
    app.place_and_wait(&customer, &order_for("sku-2", "tok_decline")).await.expect(201);
    let health = app.saga_health(&app.admin).await.expect(200);
    assert_eq!(health["byStatus"]["completed"], 1);
    assert_eq!(health["byStatus"]["compensated"], 1);
    assert_eq!(health["sinceStart"]["started"], 2);
    assert_eq!(health["sinceStart"]["completedShare"], 0.5);
    let gateway = &health["participants"].as_array().unwrap()[0];
    assert_eq!(gateway["breaker"], "closed", "{health}");
    app.saga_health(&customer).await.expect_problem(403, "FORBIDDEN");
}
