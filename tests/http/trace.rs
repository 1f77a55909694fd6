//! Traces: every event of a flow, with its cause.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::app::{TestApp, id_of, order_for};

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
