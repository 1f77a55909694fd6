//! Requests that are made when somebody looks round, and those that a trace tells of.

use std::collections::BTreeSet;

use http::Method;
use serde_json::{Value, json};

use crate::workload::request::Sent;

/// The correlation ids of the requests that a trace of an order tells of.
pub(super) fn requests_of(trace: &Value) -> BTreeSet<String> {
    let timelines = [&trace["timeline"], &trace["refund"]["timeline"]];
    let events = timelines.into_iter().filter_map(Value::as_array).flatten();
    events.filter_map(|event| event["correlationId"].as_str().map(str::to_owned)).collect()
}

/// Requests that merchants and administrators may make.
pub(super) fn of_merchants(order: &str) -> Vec<Sent> {
    let payment = json!({ "paymentId": "7b0c1c1e-0000-4000-8000-000000000001" });
    let reason = json!({ "reason": "an inspection" });
    vec![
        Sent::new(Method::PUT, format!("/orders/{order}/confirm"), payment),
        Sent::new(Method::PUT, format!("/orders/{order}/ship"), Value::Null),
        Sent::new(Method::PUT, format!("/orders/{order}/deliver"), Value::Null),
        Sent::post(format!("/orders/{order}/refund"), reason),
        Sent::get("/payments?limit=1".to_owned()),
    ]
}

/// Requests that only administrators may make, and that would change something.
pub(super) fn of_admins(saga: &str, user: &str) -> Vec<Sent> {
    let reason = || json!({ "reason": "an inspection" });
    let verbs = ["retry", "compensate", "skip", "pause", "resume"];
    verbs
        .map(|verb| Sent::post(format!("/saga/{verb}/{saga}"), reason()))
        .into_iter()
        .chain([
            Sent::post(
                format!("/saga/resolve/{saga}"),
                json!({ "reason": "an inspection", "outcome": "rejected" }),
            ),
            Sent::post(
                "/saga/maintenance/cleanup-pending".to_owned(),
                json!({ "reason": "an inspection", "olderThanS": 864_000, "dryRun": true }),
            ),
            Sent::post("/consumers/statement/replay".to_owned(), reason()),
            Sent::post("/projections/orders/rebuild".to_owned(), json!({})),
            Sent::post("/sagas".to_owned(), json!({ "sagaType": "trip", "data": { "nights": 1 } })),
            Sent::post(format!("/users/{user}/disable"), reason()),
        ])
        .collect()
}

/// What only administrators may look at.
pub(super) fn looks_of_admins(user: &str) -> Vec<Sent> {
    let looks = [
        "/saga/maintenance/pending-orders",
        "/saga/maintenance/saga-health",
        "/trace/events?limit=1",
        "/trace/active-flows",
        "/trace/distribution",
        "/projections",
        "/consumers",
        "/consumers/statement/parked",
        "/users",
        "/gateway/ledger?limit=1",
        "/redis-test/lock-status/inspection",
        "/health/detailed",
        "/db-pool",
    ];
    let user = Sent::get(format!("/users/{user}"));
    looks.map(|path| Sent::get(path.to_owned())).into_iter().chain([user]).collect()
}
