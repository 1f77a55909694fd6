//! Hand-made lists that hold what was acknowledged before, and such as do not.

use serde_json::{Value, json};

use super::super::Answers;
use crate::evidence::{AppendResult, Call, Power, PowerChange, Role, Stop};
use crate::fault::{Episode, Fault};
use crate::machine::Machine;
use crate::oracle::testing::{History, caught, clean, order_shown};

const LEFT_OUT: &str = "a list leaves out what was acknowledged before";
const UNCOUNTED: &str = "a list counts less than there was before";
const STALE: &str = "a list shows something as it was before";

/// One of the orders of the good history.
fn order(history: &History, number: u32, status: &str) -> Value {
    let id = &history.orders[number as usize - 1];
    let mut order = order_shown(number, id, &format!("product-{number}"), status);
    if status == "paid" {
        order["paymentId"] = json!(id);
    }
    order
}

/// The first customer lists their orders.
fn own(history: &mut History, orders: Vec<Value>, total: u64) -> &mut Call {
    let page = json!({"orders": orders, "total": total});
    history.call(1, "GET /orders?limit=50", None, Value::Null, Some((200, page)))
}

/// A list without the order that the first customer has, and how long it took.
fn without(history: &mut History, took_us: u64) {
    let call = own(history, Vec::new(), 0);
    call.ended_at_us = call.sent_at_us + took_us;
}

fn walk(history: &mut History, role: Role, request: &str, page: Value) {
    history.walk(role, 1, 7, request, (200, page));
}

#[test]
fn a_list_that_holds_what_was_acknowledged_is_right() {
    let before = clean(&Answers, &History::good()).examined;
    let mut history = History::good();
    let paid = order(&history, 1, "paid");
    own(&mut history, vec![paid], 1);
    assert!(clean(&Answers, &history).examined >= before + 3);
}

#[test]
fn an_order_that_is_left_out_not_counted_or_shown_as_it_was_is_caught() {
    let mut history = History::good();
    without(&mut history, 1_000);
    caught(&Answers, &history, LEFT_OUT);
    caught(&Answers, &history, UNCOUNTED);
    for status in ["pending", "processing"] {
        let mut history = History::good();
        let stale = order(&history, 1, status);
        own(&mut history, vec![stale], 1);
        caught(&Answers, &history, STALE);
    }
}

#[test]
fn whoever_waited_as_long_as_a_node_waits_may_be_shown_a_view_that_lags() {
    let mut history = History::good();
    without(&mut history, 500_000);
    clean(&Answers, &history);
    let drift = |took_us: u64| {
        let mut history = History::good();
        let fault = Fault::ClockDrift { machine: Machine::Node2, ppm: 100_000 };
        history.evidence.plan.episodes.push(Episode { id: 1, at_ms: 0, for_ms: 1_000, fault });
        without(&mut history, took_us);
        history
    };
    clean(&Answers, &drift(460_000));
    caught(&Answers, &drift(450_000), LEFT_OUT);
}

#[test]
fn whoever_asked_while_a_node_ended_may_be_shown_a_view_that_lags() {
    let mut history = History::good();
    let told_at_us = history.sent_now();
    without(&mut history, 1_000);
    let node = Machine::Node3;
    let stop = Stop { node, told_at_us, ended_at_us: None, unfinished: None };
    history.evidence.stops.push(stop);
    clean(&Answers, &history);
    history.evidence.stops[0].ended_at_us = Some(told_at_us);
    caught(&Answers, &history, LEFT_OUT);
}

#[test]
fn what_was_there_before_the_store_was_switched_on_proves_nothing() {
    let mut history = History::good();
    let at_us = history.sent_now();
    let boot = PowerChange { at_us, machine: Machine::Store, what: Power::Booted };
    history.evidence.power.push(boot);
    without(&mut history, 1_000);
    clean(&Answers, &history);
    history.start_order(1, "key-9", "product-9");
    without(&mut history, 1_000);
    caught(&Answers, &history, LEFT_OUT);
}

#[test]
fn what_nobody_was_told_of_when_the_list_was_asked_for_may_be_missing() {
    let mut history = History::good();
    let paid = order(&history, 1, "paid");
    let sent_at_us = history.sent_now();
    history.start_order(1, "key-9", "product-9");
    own(&mut history, vec![paid.clone()], 1).sent_at_us = sent_at_us;
    clean(&Answers, &history);
    history.last_result(AppendResult::Unknown);
    own(&mut history, vec![paid], 1);
    clean(&Answers, &history);
}

#[test]
fn a_full_page_holds_what_is_newer_than_its_last() {
    let listed = |number: u32, status: &str| {
        let mut history = History::good();
        let orders = [order(&history, number, status)];
        let page = json!({"orders": orders, "total": 3, "nextCursor": "aa"});
        walk(&mut history, Role::Admin, "GET /orders?limit=1", page);
        history
    };
    clean(&Answers, &listed(3, "cancelled"));
    caught(&Answers, &listed(2, "paid"), LEFT_OUT);
}

#[test]
fn sagas_and_payments_are_shown_as_they_are_as_well() {
    let saga = |status: &str, words: [&str; 4]| {
        let mut history = History::good();
        let steps = words.map(|word| json!({"action": word, "compensation": "notStarted"}));
        let saga = json!({"id": history.orders[0], "sagaType": "order-processing",
            "status": status, "steps": steps});
        let page = json!({"sagas": [saga], "total": 1});
        walk(&mut history, Role::Customer, "GET /sagas?limit=5", page);
        history
    };
    clean(&Answers, &saga("completed", ["succeeded"; 4]));
    let halfway = ["succeeded", "succeeded", "started", "notStarted"];
    caught(&Answers, &saga("started", halfway), STALE);
    let mut history = saga("completed", ["succeeded"; 4]);
    history.start_order(1, "key-9", "product-9");
    let page = history.evidence.walks[0].answer.clone().expect("an answer").body;
    walk(&mut history, Role::Customer, "GET /sagas?limit=5&page=1", page.clone());
    caught(&Answers, &history, UNCOUNTED);
    walk(&mut history, Role::Customer, "GET /sagas?limit=5", page);
    caught(&Answers, &history, LEFT_OUT);
    let payment = |status: &str, captured: f64| {
        let mut history = History::good();
        let id = &history.orders[0];
        let payment = json!({"id": id, "orderId": id, "status": status, "amount": 5.0,
            "capturedAmount": captured, "refundedAmount": 0.0});
        let page = json!({"payments": [payment], "total": 2});
        walk(&mut history, Role::Merchant, "GET /payments?limit=5", page);
        history
    };
    clean(&Answers, &payment("completed", 5.0));
    caught(&Answers, &payment("processing", 0.0), STALE);
}
