//! `GET /trace/events`: the log paged both ways, and its filters.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::app::{TestApp, order_for};

fn positions(page: &Value) -> Vec<u64> {
    let events = page["events"].as_array().unwrap().iter();
    events.map(|event| event["position"].as_u64().unwrap()).collect()
}

fn all_of<'a>(page: &'a Value, field: &str) -> BTreeSet<&'a str> {
    let events = page["events"].as_array().unwrap().iter();
    events.map(|event| event[field].as_str().unwrap()).collect()
}

/// A node with two paid orders of two requests.
async fn with_orders() -> TestApp {
    let app = TestApp::start().await;
    let customer = app.customer().await;
    for (product, request) in [("sku-1", "first"), ("sku-2", "second")] {
        let ask = app.ask("POST", "/orders").bearer(&customer).header("x-correlation-id", request);
        let ask = ask.header("prefer", "wait=30").json(&order_for(product, "tok_ok"));
        ask.send().await.expect(201);
    }
    app
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_is_paged_backwards_to_its_beginning() {
    let app = with_orders().await;
    let mut page = app.events(&app.admin, "?limit=4").await.expect(200);
    let head = page["head"].as_u64().unwrap();
    let mut seen = positions(&page);
    while page["end"] == json!(false) {
        let query = format!("?limit=4&before={}", page["nextBefore"]);
        page = app.events(&app.admin, &query).await.expect(200);
        assert!(positions(&page).is_sorted(), "each page in the order of the log");
        seen.splice(0..0, positions(&page));
    }
    assert!(seen.iter().copied().eq(1..=head), "{seen:?}");
    let forward = app.events(&app.admin, &format!("?after={}", head - 2)).await.expect(200);
    assert_eq!(positions(&forward), [head - 1, head]);
    assert_eq!((&forward["end"], &forward["nextBefore"]), (&json!(true), &json!(head - 1)));
}

#[tokio::test(flavor = "multi_thread")]
async fn events_are_filtered_by_type_category_request_and_time() {
    let app = with_orders().await;
    let types = app.events(&app.admin, "?eventType=OrderPlaced,OrderConfirmed").await.expect(200);
    assert_eq!(types["byType"], json!({"OrderPlaced": 2, "OrderConfirmed": 2}));
    let payments = app.events(&app.admin, "?category=payment&after=0").await.expect(200);
    assert!(all_of(&payments, "stream").iter().all(|stream| stream.starts_with("payment-")));
    assert!(positions(&payments).len() >= 4, "{payments}");
    let first = app.events(&app.admin, "?correlationId=first").await.expect(200);
    assert_eq!(all_of(&first, "correlationId"), BTreeSet::from(["first"]));
    let both = "?correlationId=second&category=order,saga&eventType=OrderPlaced";
    assert_eq!(positions(&app.events(&app.admin, both).await.expect(200)).len(), 1);

    let all = app.events(&app.admin, "?after=0&limit=1000").await.expect(200);
    let second = all["events"].as_array().unwrap().iter();
    let second = second.clone().find(|event| event["correlationId"] == "second").unwrap();
    let at = second["recordedAt"].as_str().unwrap();
    let since = app.events(&app.admin, &format!("?limit=1000&since={at}")).await.expect(200);
    let until = app.events(&app.admin, &format!("?limit=1000&until={at}")).await.expect(200);
    let mut together = positions(&until);
    assert!(together.contains(&(second["position"].as_u64().unwrap() - 1)), "{until}");
    together.extend(positions(&since));
    assert_eq!(together, positions(&all), "each event is in one of the two");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_filter_that_matches_nothing_still_moves_the_place() {
    let app = with_orders().await;
    let none = app.events(&app.admin, "?after=0&category=absent").await.expect(200);
    assert_eq!((positions(&none), &none["end"]), (Vec::new(), &json!(true)));
    assert_eq!(none["nextAfter"], none["head"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn filters_that_cannot_be_are_refused_by_name() {
    let app = TestApp::start().await;
    let many = vec!["a"; 17].join(",");
    for (query, field) in [
        ("since=yesterday", "since"),
        ("until=2026-13-01T00:00:00Z", "until"),
        ("category=order-1", "category"),
        ("category=", "category"),
        ("eventType=A,,B", "eventType"),
        (&*format!("eventType={many}"), "eventType"),
        ("correlationId=a%20b", "correlationId"),
        ("after=1&before=9", "before"),
    ] {
        let refused = app.events(&app.admin, &format!("?{query}")).await;
        let problem = refused.expect_problem(400, "VALIDATION_FAILED");
        assert_eq!(problem["errors"][0]["field"], field, "{problem}");
    }
}
