//! Hand-made views of a world at rest: what is right, and each thing that can be wrong with it.

use serde_json::{Value, json};

use super::*;
use crate::evidence::Role;
use crate::oracle::testing::{History, caught, clean, order_shown, saga_shown};

const LISTED_WRONGLY: &str = "a list shows what does not belong there, or something twice";

fn entry(history: &History, number: u32) -> Value {
    let status = if number < 3 { "paid" } else { "cancelled" };
    let id = &history.orders[number as usize - 1];
    let mut order = order_shown(number, id, &format!("product-{number}"), status);
    order["createdAt"] = json!(format!("2026-01-0{number}T00:00:00.000000Z"));
    order
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
    let mut history = listed();
    body(&mut history, 2)["orders"][0]["items"][0]["price"] = json!(10.0);
    caught(&Shown, &history, "a list shows something as it is not");
}

#[test]
fn an_order_shown_with_other_lines_is_caught() {
    let mut history = History::good();
    let order = history.orders[0].clone();
    let mut shown = history.order_at_rest(1);
    shown["items"][0]["quantity"] = json!(2);
    history.look_at(Role::Customer, 1, None, &format!("GET /orders/{order}"), (200, shown));
    caught(&Shown, &history, "something is shown as it is not");
}

#[test]
fn who_waits_for_what_has_ended_is_answered_at_once() {
    let mut history = History::good();
    let order = history.orders[0].clone();
    let shown = history.order_at_rest(1);
    history.look_at(Role::Customer, 1, None, &format!("GET /orders/{order}"), (200, shown));
    history.evidence.looks[0].wait_s = Some(30);
    clean(&Shown, &history);
    history.evidence.looks[0].ended_at_us += 30_000_000;
    caught(&Shown, &history, "who waited for what had ended was kept waiting");
}

#[test]
fn a_node_that_does_not_answer_is_caught() {
    let mut history = History::good();
    history.look_at(Role::Admin, 0, None, "GET /sagas/nobodys", (404, json!({})));
    clean(&Shown, &history);
    history.evidence.looks[0].answer = None;
    caught(&Shown, &history, "a node at rest did not answer");
}

/// Two sagas that have not ended, and who is told of them: everybody's, the first of them, a
/// customer's own, and a merchant's, who has none.
fn on_their_way() -> History {
    let mut history = History::good();
    let older = history.start_order(4, "key-4", "product-4");
    let newer = history.start_order(5, "key-5", "product-5");
    let saga = |id: &str, day: u32| {
        let mut saga = saga_shown(id, 1);
        saga["createdAt"] = json!(format!("2026-01-0{day}T00:00:00.000000Z"));
        saga
    };
    let (older, newer) = (saga(&older, 4), saga(&newer, 5));
    let told = |total: u64, sagas: &[&Value]| (200, json!({"total": total, "sagas": sagas}));
    let all = "GET /saga/active?limit=100";
    history.look_at(Role::Admin, 0, None, all, told(2, &[&older, &newer]));
    history.look_at(Role::Admin, 0, None, "GET /saga/active?limit=1", told(2, &[&older]));
    history.look_at(Role::Customer, 4, None, all, told(1, &[&older]));
    history.look_at(Role::Merchant, 0, None, all, told(0, &[]));
    history.look_at(Role::Nobody, 0, None, all, (401, json!({})));
    history
}

#[test]
fn sagas_on_their_way_that_are_those_of_the_log_are_right() {
    assert!(clean(&Shown, &on_their_way()).examined > 12);
}

#[test]
fn sagas_of_everybody_that_are_counted_as_ones_own_are_caught() {
    for (look, wrong) in [(0, 1), (1, 1), (2, 2), (3, 2)] {
        let mut history = on_their_way();
        body(&mut history, look)["total"] = json!(wrong);
        caught(&Shown, &history, "a list is counted wrongly");
    }
}

#[test]
fn a_saga_on_its_way_that_is_left_out_foreign_or_has_ended_is_caught() {
    let mut history = on_their_way();
    body(&mut history, 1)["sagas"] = json!([]);
    caught(&Shown, &history, "a page has not as many entries as it was to have");
    let mut history = on_their_way();
    let foreign = body(&mut history, 0)["sagas"][1].clone();
    body(&mut history, 2)["sagas"] = json!([foreign]);
    caught(&Shown, &history, LISTED_WRONGLY);
    let mut history = on_their_way();
    let ended = history.orders[0].clone();
    body(&mut history, 0)["sagas"][0]["id"] = json!(ended);
    caught(&Shown, &history, LISTED_WRONGLY);
}

#[test]
fn a_saga_on_its_way_in_another_order_or_state_is_caught() {
    let mut history = on_their_way();
    if let Some(sagas) = body(&mut history, 0)["sagas"].as_array_mut() {
        sagas.reverse();
    }
    caught(&Shown, &history, "a list is not shown oldest first");
    let mut history = on_their_way();
    body(&mut history, 2)["sagas"][0]["status"] = json!("parked");
    caught(&Shown, &history, "a list shows something as it is not");
    let mut history = on_their_way();
    history.evidence.looks[3].answer.as_mut().expect("an answer").status = 404;
    caught(&Shown, &history, "a list was not shown at rest");
}
