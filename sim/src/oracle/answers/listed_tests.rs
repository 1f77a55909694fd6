//! Hand-made walks through lists: what is right, and each thing that can be wrong with them.

use serde_json::{Value, json};

use super::super::Answers;
use crate::evidence::Role;
use crate::oracle::testing::{History, caught, clean, order_shown};

const NEVER: &str = "a list shows something as it never was";

/// An order as it stood at some moment.
fn order(history: &History, number: u32, status: &str) -> Value {
    let id = &history.orders[number as usize - 1];
    let mut order = order_shown(number, id, &format!("product-{number}"), status);
    order["createdAt"] = json!(format!("2026-01-0{number}T00:00:00.000000Z"));
    if status == "paid" {
        order["paymentId"] = json!(id);
    }
    order
}

fn walk(history: &mut History, query: &str, entries: Vec<Value>, next: Option<&str>) {
    let page = json!({"orders": entries, "nextCursor": next});
    history.walk(Role::Admin, 0, 7, &format!("GET /orders?{query}"), (200, page));
    asked_long_ago(history);
}

/// The last page was asked for before anything had happened: it may be as old as it likes.
fn asked_long_ago(history: &mut History) {
    history.evidence.walks.last_mut().expect("a page").sent_at_us = 0;
}

/// Everybody's orders, two on a page; between the pages, and since then, they have changed.
fn walked() -> History {
    let mut history = History::good();
    let newest = vec![order(&history, 3, "processing"), order(&history, 2, "pending")];
    walk(&mut history, "limit=2", newest, Some("aa"));
    let oldest = vec![order(&history, 1, "paid")];
    walk(&mut history, "limit=2&cursor=aa", oldest, None);
    history
}

fn entry(history: &mut History, page: usize) -> &mut Value {
    &mut history.evidence.walks[page].answer.as_mut().expect("an answer").body["orders"][0]
}

#[test]
fn what_was_so_at_some_moment_is_right() {
    let before = clean(&Answers, &History::good()).examined;
    assert!(clean(&Answers, &walked()).examined > before + 8);
    let mut history = walked();
    for status in [401, 429, 502, 503] {
        history.walk(Role::Admin, 0, 7, "GET /orders?limit=2", (status, json!({})));
    }
    clean(&Answers, &history);
}

#[test]
fn what_never_was_so_or_is_not_in_the_log_is_caught() {
    for (field, wrong) in [
        ("status", json!("shipped")),
        ("status", json!("pending")),
        ("userId", json!("user-9")),
        ("totalAmount", json!(6.0)),
        ("paymentId", json!("another")),
        ("items", json!([])),
        ("currency", json!("EUR")),
        ("paymentMethod", json!({"type": "external"})),
    ] {
        let mut history = walked();
        entry(&mut history, 1)[field] = wrong;
        caught(&Answers, &history, NEVER);
    }
    let mut history = walked();
    entry(&mut history, 1)["items"][0]["price"] = json!(10.0);
    caught(&Answers, &history, NEVER);
    let mut history = walked();
    entry(&mut history, 1)["id"] = json!("order-of-nobody");
    caught(&Answers, &history, "a list shows what the log does not have");
}

#[test]
fn what_had_not_happened_yet_is_caught() {
    let mut history = walked();
    history.evidence.walks[1].ended_at_us = 2_000;
    caught(&Answers, &history, "a list shows what had not happened yet");
}

#[test]
fn what_comes_again_or_in_another_order_is_caught() {
    let mut history = walked();
    let again = order(&history, 2, "processing");
    *entry(&mut history, 1) = again;
    caught(&Answers, &history, "who goes through a list is shown something twice");
    let mut history = walked();
    entry(&mut history, 1)["createdAt"] = json!("2026-01-05T00:00:00.000000Z");
    caught(&Answers, &history, "who goes through a list is not shown the newest first");
}

#[test]
fn a_page_that_is_not_full_and_announces_another_is_caught() {
    let mut history = walked();
    history.evidence.walks[1].answer.as_mut().expect("an answer").body["nextCursor"] = json!("bb");
    caught(&Answers, &history, "a page has not as many entries as it was to have");
}

#[test]
fn another_status_than_was_asked_for_is_caught() {
    let mut history = History::good();
    let paid = vec![order(&history, 1, "paid")];
    walk(&mut history, "status=paid&limit=2", paid.clone(), None);
    clean(&Answers, &history);
    walk(&mut history, "status=pending&limit=2", paid, None);
    caught(&Answers, &history, "a list of one status shows something of another");
}

#[test]
fn an_announced_page_that_is_refused_and_a_defect_are_caught() {
    for (query, status, what) in [
        ("limit=2&cursor=aa", 400, "a page that was announced was refused"),
        ("limit=2", 403, "a list was refused"),
        ("limit=2", 500, "an answer says that the server failed"),
    ] {
        let mut history = walked();
        history.walk(Role::Admin, 0, 7, &format!("GET /orders?{query}"), (status, json!({})));
        caught(&Answers, &history, what);
    }
}

#[test]
fn payments_and_sagas_are_held_against_the_log_as_well() {
    let listed = |request: &str, kind: &str, entry: &dyn Fn(&str) -> Value| {
        let mut history = History::good();
        let entry = entry(&history.orders[0]);
        let page = json!({ kind: [entry] });
        history.walk(Role::Admin, 0, 7, request, (200, page));
        asked_long_ago(&mut history);
        history
    };
    let payment = |captured: f64, status: &'static str| {
        move |id: &str| {
            json!({"id": id, "orderId": id, "status": status, "amount": 5.0,
                "capturedAmount": captured, "refundedAmount": 0.0})
        }
    };
    let payments = "GET /payments?limit=2";
    clean(&Answers, &listed(payments, "payments", &payment(0.0, "processing")));
    clean(&Answers, &listed(payments, "payments", &payment(5.0, "completed")));
    caught(&Answers, &listed(payments, "payments", &payment(5.0, "processing")), NEVER);
    let saga = |status: &'static str| {
        move |id: &str| {
            json!({"id": id, "sagaType": "order-processing",
                "status": status})
        }
    };
    for status in ["started", "completed"] {
        clean(&Answers, &listed("GET /sagas?limit=2", "sagas", &saga(status)));
        let path = format!("GET /sagas/status/{status}?limit=2");
        clean(&Answers, &listed(&path, "sagas", &saga(status)));
    }
    for status in ["compensated", "parked", "failed"] {
        caught(&Answers, &listed("GET /sagas?limit=2", "sagas", &saga(status)), NEVER);
    }
}
