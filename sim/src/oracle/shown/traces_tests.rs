//! Traces made by hand: right ones, and each thing that can be wrong with them.

use serde_json::{Value, json};

use super::super::Shown;
use crate::evidence::{LogEntry, Role};
use crate::oracle::naive::time;
use crate::oracle::testing::{History, caught, clean, events_shown, summary};

const EVENTS: &str = "a trace does not show what happened";
const SUMMARY: &str = "a trace is summed up wrongly";
const THING: &str = "a trace shows something as it is not";

/// By which requests the first order was shipped, and the second one's money given back.
const SHIPPING: &str = "c-shipping";
const REFUND: &str = "c-refund";

/// Two orders to which something happened by later requests, and one that was undone.
fn handled() -> History {
    let mut history = History::good();
    let (first, second) = (history.orders[0].clone(), history.orders[1].clone());
    history.say(&format!("order-{first}"), "OrderShipped", json!({}));
    by_request(&mut history, SHIPPING);
    let started = json!({"sagaType": "order-refund", "steps": 2, "pivot": 0, "epoch": 1,
        "input": {"userId": "user-2", "terms": {"orderId": second}}, "startedAtUs": 0});
    history.say("saga-refund1", "SagaStarted", started);
    by_request(&mut history, REFUND);
    let given = json!({"amountMinor": 500, "reference": "r2"});
    history.say(&format!("payment-{second}"), "PaymentRefunded", given);
    by_request(&mut history, REFUND);
    history.say(&format!("order-{second}"), "OrderCancelled", json!({"reason": "back"}));
    by_request(&mut history, REFUND);
    history
}

/// The last event is of this request.
fn by_request(history: &mut History, request: &str) {
    history.evidence.log.last_mut().expect("an event").correlation_id = request.to_owned();
}

fn order(history: &History, number: usize) -> Value {
    let mut order = history.order_at_rest(number);
    match number {
        1 => order["status"] = json!("shipped"),
        2 => {
            order["status"] = json!("cancelled");
            order["reason"] = json!("back");
        }
        _ => {}
    }
    order
}

fn payment(history: &History, number: usize) -> Value {
    let mut payment = history.payment_at_rest(number);
    if number == 2 {
        payment["status"] = json!("refunded");
        payment["refundedAmount"] = json!(5.0);
        payment["reference"] = json!("r2");
    }
    payment
}

fn refund() -> Value {
    json!({"id": "refund1", "sagaType": "order-refund", "status": "started",
        "correlationId": REFUND, "createdAt": time::written(0)})
}

/// The trace of the order of this number.
fn of_order(history: &History, number: usize) -> Value {
    let id = history.orders[number - 1].as_str();
    let of_flow = |entry: &&LogEntry| {
        ["order", "payment", "saga"].iter().any(|of| entry.stream == format!("{of}-{id}"))
    };
    let events: Vec<_> = history.evidence.log.iter().filter(of_flow).collect();
    let mut trace = json!({"correlationId": format!("c-{id}"), "order": order(history, number),
        "payment": payment(history, number), "saga": history.saga_at_rest(number),
        "refund": null, "timeline": events_shown(events.iter().copied()), "summary": summary(&events)});
    if number == 2 {
        let of_refund = events_shown(history.of_stream("saga-refund1").into_iter());
        trace["refund"] = json!({"saga": refund(), "timeline": of_refund});
    }
    trace
}

/// What a request did to the order of this number.
fn of_request(history: &History, request: &str, number: usize, sagas: Value) -> Value {
    let of_request = |entry: &&LogEntry| entry.correlation_id == request;
    let events: Vec<_> = history.evidence.log.iter().filter(of_request).collect();
    json!({"correlationId": request, "orders": [order(history, number)],
        "payments": [payment(history, number)], "sagas": sagas,
        "timeline": events_shown(events.iter().copied()), "summary": summary(&events)})
}

/// The history with one trace more, as it is shown to an administrator.
fn shown(mut history: History, request: &str, trace: Value) -> History {
    history.look_at(Role::Admin, 0, None, &format!("GET /trace/{request}"), (200, trace));
    history
}

fn order_traced(number: usize, change: impl Fn(&mut Value)) -> History {
    let history = handled();
    let mut trace = of_order(&history, number);
    change(&mut trace);
    let request = format!("order/{}", history.orders[number - 1]);
    shown(history, &request, trace)
}

fn request_traced(request: &str, change: impl Fn(&mut Value)) -> History {
    let history = handled();
    let mut trace = match request {
        SHIPPING => of_request(&history, request, 1, json!([])),
        _ => of_request(&history, request, 2, json!([refund()])),
    };
    change(&mut trace);
    shown(history, &format!("correlation/{request}"), trace)
}

#[test]
fn traces_that_are_the_log_are_right() {
    for number in 1..=3 {
        assert!(clean(&Shown, &order_traced(number, |_| {})).examined > 7);
    }
    for request in [SHIPPING, REFUND] {
        assert!(clean(&Shown, &request_traced(request, |_| {})).examined > 5);
    }
}

#[test]
fn a_request_that_placed_an_order_shows_it_as_it_is_now() {
    let mut history = handled();
    let id = history.orders[0].clone();
    let placing = format!("c-{id}");
    // The events of a payment are of the request that placed its order.
    let trace = of_request(&history, &placing, 1, json!([history.saga_at_rest(1)]));
    history = shown(history, &format!("correlation/{placing}"), trace.clone());
    clean(&Shown, &history);
    let mut trace = trace;
    trace["orders"][0]["status"] = json!("paid");
    history = shown(history, &format!("correlation/{placing}"), trace);
    caught(&Shown, &history, THING);
}

#[test]
fn an_event_that_is_left_out_is_caught() {
    let pop = |trace: &mut Value| drop(trace["timeline"].as_array_mut().map(Vec::pop));
    caught(&Shown, &order_traced(1, pop), EVENTS);
    caught(&Shown, &request_traced(REFUND, pop), EVENTS);
    let pop = |trace: &mut Value| drop(trace["refund"]["timeline"].as_array_mut().map(Vec::pop));
    caught(&Shown, &order_traced(2, pop), THING);
}

#[test]
fn a_trace_that_says_that_there_is_more_is_right_as_far_as_it_goes() {
    let cut = |trace: &mut Value| {
        let history = handled();
        let of_request = |entry: &&LogEntry| entry.correlation_id == REFUND;
        let events: Vec<_> = history.evidence.log.iter().filter(of_request).take(1).collect();
        let mut short = summary(&events);
        short["truncated"] = json!(true);
        trace["timeline"] = events_shown(events.iter().copied());
        trace["summary"] = short;
        // Only the refund's own event is shown.
        trace["orders"] = json!([]);
        trace["payments"] = json!([]);
    };
    clean(&Shown, &request_traced(REFUND, cut));
    let foreign = |trace: &mut Value| {
        cut(trace);
        trace["timeline"][0]["eventId"] = json!("another");
    };
    caught(&Shown, &request_traced(REFUND, foreign), EVENTS);
}

#[test]
fn a_trace_that_is_summed_up_wrongly_is_caught() {
    const LATER: &str = "1970-01-01T00:00:59.000000Z";
    for (field, wrong) in [
        ("events", json!(1_000)),
        ("nodes", json!(["node-1", "node-2"])),
        ("nodes", json!([])),
        ("startedAt", json!(LATER)),
        ("endedAt", Value::Null),
        ("durationUs", json!(59_000_000)),
    ] {
        let change = |trace: &mut Value| trace["summary"][field] = wrong.clone();
        caught(&Shown, &order_traced(3, change), SUMMARY);
        caught(&Shown, &request_traced(REFUND, change), SUMMARY);
    }
}

#[test]
fn a_thing_that_an_orders_trace_shows_otherwise_or_not_at_all_is_caught() {
    for (at, wrong) in [
        ("/correlationId", json!("c-another")),
        ("/order/status", json!("paid")),
        ("/order/updatedAt", json!(time::written(0))),
        ("/payment/reference", json!("r")),
        ("/payment", Value::Null),
        ("/saga/status", json!("started")),
        ("/saga", Value::Null),
        ("/refund/saga/id", json!("refund2")),
        ("/refund", Value::Null),
    ] {
        let history = order_traced(2, |trace| {
            *trace.pointer_mut(at).expect("a field") = wrong.clone();
        });
        caught(&Shown, &history, THING);
    }
    let other = |trace: &mut Value| trace["refund"] = json!({"saga": refund(), "timeline": []});
    caught(&Shown, &order_traced(1, other), THING);
}

#[test]
fn a_thing_as_its_last_request_alone_has_left_it_is_caught() {
    for (request, field) in [(SHIPPING, "orders"), (SHIPPING, "payments"), (REFUND, "sagas")] {
        let none = |trace: &mut Value| trace[field] = json!([]);
        caught(&Shown, &request_traced(request, none), THING);
    }
    for (at, wrong) in [
        ("/orders/0/status", json!("paid")),
        ("/payments/0/capturedAmount", json!(0.0)),
        ("/sagas/0/correlationId", json!(SHIPPING)),
    ] {
        let history = request_traced(REFUND, |trace| {
            *trace.pointer_mut(at).expect("a field") = wrong.clone();
        });
        caught(&Shown, &history, THING);
    }
    let twice = |trace: &mut Value| {
        let order = trace["orders"][0].clone();
        trace["orders"] = json!([order, order]);
    };
    caught(&Shown, &request_traced(SHIPPING, twice), THING);
}
