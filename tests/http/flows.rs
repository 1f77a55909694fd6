//! What is in progress, the latest events, and who took which order.

use serde_json::{Value, json};

use crate::app::{TestApp, id_of, order_for};

#[tokio::test(flavor = "multi_thread")]
async fn flows_in_progress_are_shown_to_whose_they_are() {
    let app = TestApp::start().await;
    let (customer, other) = (app.customer().await, app.customer().await);
    app.place_and_wait(&customer, &order_for("sku-0", "tok_ok")).await.expect(201);
    let ask = app.ask("POST", "/orders").bearer(&customer).header("x-correlation-id", "basket-7");
    let order = ask.json(&order_for("sku-1", "tok_slow")).send().await.expect(201);
    let id = id_of(&order);
    for token in [&customer, &app.admin] {
        let active = app.active_sagas(token).await.expect(200);
        assert_eq!((&active["total"], &active["sagas"][0]["id"]), (&json!(1), &json!(id)));
        let paying = app.orders_processing(token).await.expect(200);
        assert_eq!((&paying["total"], &paying["sagas"][0]["id"]), (&json!(1), &json!(id)));
        let status = app.saga_status(token, "basket-7").await.expect(200);
        assert_eq!(status["sagas"][0]["status"], "started");
    }
    assert_eq!(app.active_sagas(&other).await.expect(200)["total"], 0);
    assert_eq!(app.orders_processing(&other).await.expect(200)["total"], 0);
    app.saga_status(&other, "basket-7").await.expect_problem(404, "NOT_FOUND");
    let flows = app.active_flows(&app.admin).await.expect(200);
    let flow = &flows["flows"][0];
    assert_eq!((&flow["sagaId"], &flow["isStuck"]), (&json!(id), &json!(false)), "{flows}");
    assert_eq!(flow["currentStep"], "authorize_payment");
    app.active_flows(&customer).await.expect_problem(403, "FORBIDDEN");
    for path in
        ["/saga/active?limit=0", "/trace/active-flows?x=1", "/sagas/orders/processing?page=0"]
    {
        app.get(&app.admin, path).await.expect_problem(400, "VALIDATION_FAILED");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn latest_events_are_shown_with_their_types_and_pages_leave_nothing_out() {
    let app = TestApp::start().await;
    let customer = app.customer().await;
    app.place_and_wait(&customer, &order_for("sku-1", "tok_ok")).await.expect(201);
    let latest = app.events(&app.admin, "?limit=3").await.expect(200);
    let positions = |page: &Value| -> Vec<u64> {
        let events = page["events"].as_array().unwrap().iter();
        events.map(|event| event["position"].as_u64().unwrap()).collect()
    };
    let head = latest["head"].as_u64().unwrap();
    assert_eq!(positions(&latest), [head - 2, head - 1, head]);
    assert_eq!(latest["nextAfter"], head);
    let mut seen = Vec::new();
    let mut after = 0;
    while after < head {
        let page = app.events(&app.admin, &format!("?limit=4&after={after}")).await.expect(200);
        seen.extend(positions(&page));
        after = page["nextAfter"].as_u64().unwrap();
    }
    assert!(seen.iter().copied().eq(1..=seen.len() as u64), "{seen:?}");
    let placed = app.events(&app.admin, "?eventType=OrderPlaced").await.expect(200);
    assert_eq!(placed["byType"], json!({"OrderPlaced": 1}));
    assert!(!placed.to_string().contains("sku-1"), "payloads are not shown");
    let beyond = app.events(&app.admin, &format!("?after={}", u64::MAX)).await.expect(200);
    assert_eq!(beyond["events"], json!([]));
    for query in ["?limit=0", "?limit=1001", "?after=x", "?eventType=a%20b", "?more=1"] {
        app.events(&app.admin, query).await.expect_problem(400, "VALIDATION_FAILED");
    }
    app.events(&customer, "").await.expect_problem(403, "FORBIDDEN");
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_are_counted_by_node_and_timed_by_microsecond() {
    let app = TestApp::start().await;
    let none = app.distribution(&app.admin).await.expect(200);
    assert_eq!(none, json!({"orders": 0, "nodes": [], "arrivals": []}));
    let customer = app.customer().await;
    let mut placed = Vec::new();
    for product in ["a", "b", "c"] {
        placed.push(id_of(&app.place(&customer, &order_for(product, "tok_ok")).await.expect(201)));
    }
    let shown = app.distribution(&app.admin).await.expect(200);
    assert_eq!(shown["nodes"], json!([{"nodeId": "node-1", "orders": 3, "share": 1.0}]));
    let arrivals = shown["arrivals"].as_array().unwrap();
    let ids: Vec<_> = arrivals.iter().map(|arrival| arrival["orderId"].as_str().unwrap()).collect();
    assert_eq!(ids, placed);
    let times = arrivals.windows(2).map(|pair| {
        let at = |arrival: &Value| arrival["arrivedAtUs"].as_u64().unwrap();
        (at(&pair[1]).saturating_sub(at(&pair[0])), pair[1]["sincePreviousUs"].as_u64().unwrap())
    });
    assert!(times.into_iter().all(|(between, told)| between == told), "{shown}");
    let last = app.get(&app.admin, "/trace/distribution?limit=1").await.expect(200);
    assert_eq!(last["arrivals"][0]["orderId"], *placed[2]);
    app.distribution(&customer).await.expect_problem(403, "FORBIDDEN");
}
