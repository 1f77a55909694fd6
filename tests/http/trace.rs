//! Traces: every event of a flow, with its cause.

use std::collections::BTreeSet;

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::app::{TestApp, id_of, order_for};

/// One member of each of a timeline's events.
fn each<'a>(timeline: &'a Value, member: &str) -> BTreeSet<&'a str> {
    let events = timeline.as_array().unwrap().iter();
    events.map(|event| event[member].as_str().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn trace_shows_every_event_with_its_cause() {
    let app = TestApp::start().await;
    let customer = app.customer().await;
    let ask = app.ask("POST", "/orders").bearer(&customer).header("x-correlation-id", "basket-7");
    let ask = ask.header("prefer", "wait=30").json(&order_for("sku-1", "tok_ok"));
    let id = id_of(&ask.send().await.expect(201));
    let trace = app.trace(&customer, &id).await.expect(200);
    assert_eq!(trace["order"]["status"], "paid");
    assert_eq!(trace["payment"]["status"], "completed");
    assert_eq!(trace["saga"]["status"], "completed");
    let timeline = trace["timeline"].as_array().unwrap();
    let types: BTreeSet<_> =
        timeline.iter().filter_map(|event| event["eventType"].as_str()).collect();
    for event in [
        "SagaStarted",
        "OrderPlaced",
        "StepStarted",
        "StepSucceeded",
        "PaymentAuthorized",
        "PaymentCaptured",
        "OrderConfirmed",
        "SagaCompleted",
    ] {
        assert!(types.contains(event), "{event} in {types:?}");
    }
    assert!(timeline.iter().all(|event| event["correlationId"] == "basket-7"));
    let known: BTreeSet<_> = timeline.iter().map(|event| event["eventId"].to_string()).collect();
    let caused = |event: &&Value| known.contains(&event["causationId"].to_string());
    // Only what the request itself set in motion has no cause within the flow.
    let first_append = timeline.iter().take_while(|event| !caused(event)).count();
    assert!(timeline[first_append..].iter().all(|event| caused(&event)), "{timeline:#?}");
    assert!(first_append >= 1 && first_append < timeline.len());
    let positions: Vec<_> = timeline.iter().map(|event| event["position"].as_u64()).collect();
    assert!(positions.is_sorted());
    assert_eq!(trace["summary"]["events"], timeline.len());
    assert!(!trace["summary"]["nodes"].as_array().unwrap().is_empty());

    let by_request = app.get(&customer, "/trace/correlation/basket-7").await.expect(200);
    assert_eq!(by_request["timeline"], trace["timeline"]);
    assert_eq!(by_request["orders"][0], trace["order"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn shared_correlation_id_shows_each_user_their_own_flow_only() {
    let app = TestApp::start().await;
    let mut flows = Vec::new();
    for product in ["sku-1", "sku-2"] {
        let customer = app.customer().await;
        let ask = app.ask("POST", "/orders").bearer(&customer).header("x-correlation-id", "same");
        let ask = ask.header("prefer", "wait=30").json(&order_for(product, "tok_ok"));
        let id = id_of(&ask.send().await.expect(201));
        flows.push((customer, id));
    }
    for (customer, id) in &flows {
        let trace = app.get(customer, "/trace/correlation/same").await.expect(200);
        assert_eq!(trace["orders"].as_array().unwrap().len(), 1);
        assert_eq!(trace["orders"][0]["id"], **id);
        let streams = trace["timeline"].as_array().unwrap().iter();
        assert!(streams.map(|event| event["stream"].as_str().unwrap()).all(|s| s.ends_with(id)));
    }
    let all = app.get(&app.admin, "/trace/correlation/same").await.expect(200);
    assert_eq!(all["orders"].as_array().unwrap().len(), 2);
    let stranger = app.customer().await;
    app.get(&stranger, "/trace/correlation/same").await.expect_problem(404, "NOT_FOUND");
}

#[tokio::test(flavor = "multi_thread")]
async fn later_request_shows_the_order_and_payment_that_it_changed() {
    let app = TestApp::start().await;
    let (customer, stranger) = (app.customer().await, app.customer().await);
    let placed = app.place_and_wait(&customer, &order_for("sku-1", "tok_ok")).await.expect(201);
    let id = id_of(&placed);
    let before = app.trace(&customer, &id).await.expect(200);
    assert_eq!(before.get("refund"), Some(&Value::Null), "{before}");
    let ask = app.ask("POST", &format!("/orders/{id}/refund")).bearer(&app.admin);
    let ask = ask.header("x-correlation-id", "regret-7").header("prefer", "wait=30");
    let refunded = ask.json(&json!({"reason": "came back"})).send().await.expect(200);
    assert_eq!(refunded["status"], "cancelled");
    for token in [&customer, &app.admin] {
        let found = app.get(token, "/trace/correlation/regret-7").await.expect(200);
        for (list, status) in [("orders", "cancelled"), ("payments", "refunded")] {
            let shown = found[list].as_array().unwrap();
            assert_eq!((shown.len(), &shown[0]["id"]), (1, &json!(id)), "{found}");
            assert_eq!(shown[0]["status"], status, "{found}");
        }
        let sagas = found["sagas"].as_array().unwrap();
        assert_eq!((sagas.len(), &sagas[0]["sagaType"]), (1, &json!("order-refund")), "{found}");
        let types = each(&found["timeline"], "eventType");
        for event in ["SagaStarted", "PaymentRefunded", "OrderCancelled", "SagaCompleted"] {
            assert!(types.contains(event), "{event} in {types:?}");
        }
        // The order's trace has the refund, with every event of that request.
        let trace = app.trace(token, &id).await.expect(200);
        assert_eq!(trace["refund"]["saga"], sagas[0]);
        let mut known = each(&trace["timeline"], "eventId");
        known.extend(each(&trace["refund"]["timeline"], "eventId"));
        assert!(known.is_superset(&each(&found["timeline"], "eventId")), "{trace}");
    }
    let hidden = app.get(&stranger, "/trace/correlation/regret-7").await;
    hidden.expect_problem(404, "NOT_FOUND");
}

#[tokio::test(flavor = "multi_thread")]
async fn owner_sees_the_request_that_withdrew_an_order_without_a_saga() {
    let app = TestApp::start().await;
    let (customer, stranger) = (app.customer().await, app.customer().await);
    let mut order = order_for("sku-1", "tok_ok");
    order["paymentMethod"] = json!({"type": "external"});
    let id = id_of(&app.place(&customer, &order).await.expect(201));
    let ask = app.ask("DELETE", &format!("/orders/{id}")).bearer(&customer);
    let withdrawn = ask.header("x-correlation-id", "regret-7").send().await;
    assert_eq!(withdrawn.expect(200)["status"], "cancelled");
    for token in [&customer, &app.admin] {
        let found = app.get(token, "/trace/correlation/regret-7").await.expect(200);
        let order = (&found["orders"][0]["id"], &found["orders"][0]["status"]);
        assert_eq!(order, (&json!(id), &json!("cancelled")));
        assert_eq!((&found["payments"], &found["sagas"]), (&json!([]), &json!([])));
        assert_eq!(each(&found["timeline"], "eventType"), BTreeSet::from(["OrderCancelled"]));
    }
    let hidden = app.get(&stranger, "/trace/correlation/regret-7").await;
    hidden.expect_problem(404, "NOT_FOUND");
}

#[tokio::test(flavor = "multi_thread")]
async fn own_flow_is_found_behind_more_foreign_events_than_a_trace_shows() {
    let app = TestApp::start().await;
    let (customer, other) = (app.customer().await, app.customer().await);
    let place = |token: &str, product: String| {
        let ask = app.ask("POST", "/orders").bearer(token).header("x-correlation-id", "same");
        ask.header("prefer", "wait=30").json(&order_for(&product, "tok_ok")).send()
    };
    let mut placed = 0;
    // A little more: not every event of the log is one of an order.
    while app.head().await < 2_100 {
        let asks = (placed..placed + 8).map(|number| place(&other, format!("sku-{number}")));
        for answer in join_all(asks).await {
            answer.expect(201);
        }
        placed += 8;
    }
    let id = id_of(&place(&customer, "own".to_owned()).await.expect(201));
    let found = app.get(&customer, "/trace/correlation/same").await.expect(200);
    assert_eq!(
        (found["orders"].as_array().unwrap().len(), &found["orders"][0]["id"]),
        (1, &json!(id))
    );
    assert_eq!(found["timeline"], app.trace(&customer, &id).await.expect(200)["timeline"]);
    assert_eq!(found["summary"]["truncated"], false);
    let all = app.get(&app.admin, "/trace/correlation/same").await.expect(200);
    let summary = (&all["summary"]["events"], &all["summary"]["truncated"]);
    assert_eq!(summary, (&json!(2_000), &json!(true)));
}

#[tokio::test(flavor = "multi_thread")]
async fn trace_never_shows_what_is_in_the_events() {
    let app = TestApp::start().await;
    let ask = app.ask("POST", "/auth/register").header("x-correlation-id", "reg-1");
    let body = serde_json::json!({
        "email": "eve@example.org", "password": "correct horse", "firstName": "E", "lastName": "V",
    });
    ask.json(&body).send().await.expect(201);
    let trace = app.get(&app.admin, "/trace/correlation/reg-1").await.expect(200);
    assert_eq!(trace["timeline"][0]["eventType"], "UserRegistered");
    assert!(!trace.to_string().contains("argon2"));
}
