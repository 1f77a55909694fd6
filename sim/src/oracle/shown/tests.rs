//! Hand-made views of a world at rest: what is right, and each thing that can be wrong with it.

use serde_json::{Value, json};

use super::*;
use crate::evidence::Role;
use crate::oracle::testing::{History, caught, clean};

const LISTED_WRONGLY: &str = "a list shows what does not belong there, or something twice";

fn entry(history: &History, number: usize) -> Value {
    let status = if number < 3 { "paid" } else { "cancelled" };
    json!({"id": history.orders[number - 1], "userId": format!("user-{number}"), "status": status,
        "createdAt": format!("2026-01-0{number}T00:00:00.000000Z")})
}

fn page(entries: Vec<Value>, (total, limit): (u64, u64)) -> (u16, Value) {
    let pages = total.div_ceil(limit);
    (
        200,
        json!({"orders": entries, "total": total, "limit": limit, "page": 1, "totalPages": pages}),
    )
}

/// All orders as an administrator is shown them, two on a page.
fn listed() -> History {
    let mut history = History::good();
    let newest = page(vec![entry(&history, 3), entry(&history, 2)], (3, 2));
    let oldest = page(vec![entry(&history, 1)], (3, 2));
    history.look_at(Role::Admin, 0, Some(1), "GET /orders?limit=2", newest);
    history.look_at(Role::Admin, 0, Some(1), "GET /orders?limit=2&cursor=aa", oldest);
    let own = page(vec![entry(&history, 1)], (1, 2));
    history.look_at(Role::Customer, 1, Some(2), "GET /orders?limit=2", own);
    let paid = page(vec![entry(&history, 2), entry(&history, 1)], (2, 5));
    history.look_at(Role::Admin, 0, Some(3), "GET /orders?status=paid&limit=5", paid);
    history
}

fn body(history: &mut History, look: usize) -> &mut Value {
    &mut history.evidence.looks[look].answer.as_mut().expect("an answer").body
}

#[test]
fn lists_that_hold_the_log_are_right() {
    assert!(clean(&Shown, &listed()).examined > 8);
}

#[test]
fn a_page_that_passes_one_over_or_comes_again_is_caught() {
    let mut history = listed();
    body(&mut history, 1)["orders"] = json!([]);
    caught(&Shown, &history, "a list leaves out what belongs there");
    let mut history = listed();
    let again = body(&mut history, 0)["orders"].clone();
    body(&mut history, 1)["orders"] = again;
    caught(&Shown, &history, LISTED_WRONGLY);
    let mut history = listed();
    let first = body(&mut history, 0)["orders"][0].clone();
    body(&mut history, 0)["orders"] = json!([first]);
    caught(&Shown, &history, "a page has not as many entries as it was to have");
}

#[test]
fn a_foreign_order_or_one_of_another_status_is_caught() {
    let mut history = listed();
    let foreign = entry(&history, 2);
    body(&mut history, 2)["orders"] = json!([foreign]);
    caught(&Shown, &history, LISTED_WRONGLY);
    let mut history = listed();
    let cancelled = entry(&history, 3);
    body(&mut history, 3)["orders"] = json!([cancelled]);
    caught(&Shown, &history, LISTED_WRONGLY);
}

#[test]
fn another_order_or_a_wrong_count_is_caught() {
    let mut history = listed();
    if let Some(entries) = body(&mut history, 3)["orders"].as_array_mut() {
        entries.reverse();
    }
    caught(&Shown, &history, "a list is not shown newest first");
    for (field, wrong) in [("total", 4), ("totalPages", 1)] {
        let mut history = listed();
        body(&mut history, 0)[field] = json!(wrong);
        caught(&Shown, &history, "a list is counted wrongly");
    }
    let mut history = listed();
    body(&mut history, 2)["orders"][0]["status"] = json!("pending");
    caught(&Shown, &history, "a list shows something as it is not");
}

#[test]
fn who_waits_for_what_has_ended_is_answered_at_once() {
    let mut history = History::good();
    let order = history.orders[0].clone();
    let shown = json!({"id": order, "userId": "user-1", "status": "paid", "paymentId": order,
        "totalAmount": 5.0});
    history.look_at(Role::Customer, 1, None, &format!("GET /orders/{order}"), (200, shown));
    history.evidence.looks[0].wait_s = Some(30);
    clean(&Shown, &history);
    history.evidence.looks[0].ended_at_us += 30_000_000;
    caught(&Shown, &history, "who waited for what had ended was kept waiting");
}

#[test]
fn a_trace_that_leaves_an_event_out_is_caught() {
    let mut history = History::good();
    let order = history.orders[0].clone();
    let of_order = |stream: &str| stream.ends_with(&order);
    let log = history.evidence.log.iter().filter(|entry| of_order(&entry.stream));
    let event = |entry: &crate::evidence::LogEntry| json!({"position": entry.position, "eventId": entry.id});
    let timeline: Vec<_> = log.map(event).collect();
    let trace = json!({"timeline": timeline, "summary": {"truncated": false}});
    history.look_at(Role::Admin, 0, None, &format!("GET /trace/order/{order}"), (200, trace));
    clean(&Shown, &history);
    if let Some(events) = body(&mut history, 0)["timeline"].as_array_mut() {
        events.pop();
    }
    caught(&Shown, &history, "a trace does not show what happened");
}

#[test]
fn what_is_given_up_too_soon_and_a_node_that_does_not_answer_are_caught() {
    let path = "POST /saga/maintenance/cleanup-pending";
    let mut history = History::good();
    history.look_at(Role::Admin, 0, None, path, (200, json!({"givenUp": []})));
    clean(&Shown, &history);
    body(&mut history, 0)["givenUp"] = json!(["an order"]);
    caught(&Shown, &history, "an order was given up that is not old enough");
    history.evidence.looks[0].answer = None;
    caught(&Shown, &history, "a node at rest did not answer");
}
