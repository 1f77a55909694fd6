//! HTTP answers are possible: an order that was acknowledged is found, a status only moves forward, what
//! is shown is in the log and in the bank, a cancel, and what a merchant did, is done when it was
//! acknowledged, in the name of who asked for it, and says who did it, what was shipped is not taken back, a
//! change is refused only where something stands against it, who waits is told how far an order is by now,
//! nobody sees another customer's order, nothing is answered with a defect, pages show orders of the log,
//! lists that are gone through show each thing once and as it was, and a list holds what was acknowledged
//! before it was asked for.

mod asked;
mod beside;
mod by;
mod handled;
mod listed;
mod operated;
mod page;
mod refused;
mod repeated;
mod signed;
mod taken_back;
mod waited_for;

use std::collections::BTreeMap;

use serde_json::Value;

use crate::evidence::{BankEffect, Call};
use crate::plan::Operation;

use super::case::Case;
use super::naive::http::{Asks, answered, id};
use super::naive::json::{list, minor, text};
use super::naive::order::Order;
use super::{Finding, Oracle};

/// A node that was told to end, and that something else ended, was gone by then.
const STOPPING_US: u64 = 30_000_000;
/// Fewer orders whose end was waited for say nothing of the others.
const WAITED_MIN: u64 = 20;
/// So many of a hundred are told of it.
const TOLD_PERCENT_MIN: u64 = 50;

/// See the module.
#[derive(Debug)]
pub struct Answers;

impl Oracle for Answers {
    fn name(&self) -> &'static str {
        "answers"
    }

    fn is_due(&self, case: &Case<'_>) -> bool {
        case.places_orders() || case.plans(|operation| matches!(operation, Operation::ListOrders))
    }

    fn examine(&self, case: &Case<'_>) -> Finding {
        let mut finding = Finding::default();
        let customers = Customers::of(case, &mut finding);
        let captured = captured(case);
        let asked = asked::Asked::of(case);
        for call in &case.evidence.calls {
            examine_status(call, &mut finding);
            customers.examine(call, &mut finding);
            examine_found(&customers, call, &mut finding);
            examine_shown(case, &captured, call, &mut finding);
            asked.examine(call, &mut finding);
            examine_cancel(case, call, &mut finding);
            handled::examine(case, call, &mut finding);
            refused::examine(case, call, &mut finding);
        }
        by::examine(case, &mut finding);
        page::examine(case, &asked, &mut finding);
        operated::examine(case, &mut finding);
        signed::examine(case, &mut finding);
        taken_back::examine(case, &mut finding);
        listed::examine(case, &mut finding);
        waited_for::examine(case, &customers, &mut finding);
        examine_progress(case, &mut finding);
        examine_waited(case, &mut finding);
        repeated::examine(case, &mut finding);
        beside::examine(case, &mut finding);
        finding
    }
}

/// Who is who, and which orders were acknowledged to them when.
struct Customers<'a> {
    users: BTreeMap<u32, &'a str>,
    acknowledged: BTreeMap<(u32, &'a str), u64>,
}

impl<'a> Customers<'a> {
    fn of(case: &Case<'a>, finding: &mut Finding) -> Self {
        let mut customers = Self { users: BTreeMap::new(), acknowledged: BTreeMap::new() };
        for call in &case.evidence.calls {
            let Some(answer) = answered(call, 201).filter(|_| Asks::of(call) == Asks::PlaceOrder)
            else {
                continue;
            };
            let (Some(id), Some(user)) = (id(&answer.body), text(&answer.body, "userId")) else {
                finding.break_promise("an order was accepted without an id or a user", shown(call));
                continue;
            };
            let known = *customers.users.entry(call.customer).or_insert(user);
            if known != user {
                finding.break_promise("a customer's orders belong to two users", shown(call));
            }
            let first = customers.acknowledged.entry((call.customer, id)).or_insert(u64::MAX);
            *first = call.ended_at_us.min(*first);
        }
        customers
    }

    /// An answer shows only what is the customer's own.
    fn examine(&self, call: &Call, finding: &mut Finding) {
        let Some(own) = self.users.get(&call.customer) else { return };
        let Some(answer) = answered(call, 200) else { return };
        let foreign = |order: &Value| text(order, "userId").is_some_and(|user| user != *own);
        let shows_another = match Asks::of(call) {
            Asks::Order(_) | Asks::Cancel(_) => foreign(&answer.body),
            Asks::Orders => list(&answer.body, "orders").iter().any(foreign),
            Asks::Saga(_) => answer.body.get("data").is_some_and(foreign),
            Asks::PlaceOrder
            | Asks::Confirm(_)
            | Asks::Handle { .. }
            | Asks::StartSaga
            | Asks::Other => return,
        };
        finding.expect(!shows_another, "an answer shows another customer's order", || shown(call));
    }
}

fn shown(call: &Call) -> String {
    let answer = call.answer.as_ref();
    let answer = answer.map_or_else(String::new, |it| format!("{} {}", it.status, it.body));
    format!("customer {} at {} us: {} -> {answer}", call.customer, call.sent_at_us, call.request)
}

/// Never a defect. A proxy may say that a node did not answer.
fn examine_status(call: &Call, finding: &mut Finding) {
    let Some(answer) = &call.answer else { return };
    let possible = answer.status < 500 || matches!(answer.status, 502..=504);
    finding.expect(possible, "an answer says that the server failed", || shown(call));
}

/// Read your writes: an order that was acknowledged before is found.
fn examine_found(customers: &Customers<'_>, call: &Call, finding: &mut Finding) {
    let order = match Asks::of(call) {
        Asks::Order(order) | Asks::Cancel(order) => order,
        _ => return,
    };
    let acknowledged = customers.acknowledged.get(&(call.customer, order));
    if acknowledged.is_some_and(|at_us| *at_us < call.sent_at_us) {
        let lost = answered(call, 404).is_some();
        finding.expect(!lost, "an acknowledged order was not found", || shown(call));
    }
}

/// The orders that a call shows as they are now.
fn fresh(call: &Call) -> Option<&Value> {
    let answer = call.answer.as_ref().filter(|answer| matches!(answer.status, 200 | 202))?;
    match Asks::of(call) {
        Asks::Order(_) | Asks::Cancel(_) | Asks::Confirm(_) | Asks::Handle { .. } => {
            Some(&answer.body)
        }
        _ => None,
    }
}

/// Orders whose money moved at the bank.
fn captured<'a>(case: &Case<'a>) -> BTreeMap<&'a str, ()> {
    let moved = case
        .evidence
        .bank
        .iter()
        .filter(|entry| entry.operation == "capture" && entry.effect == BankEffect::Done);
    moved.map(|entry| (entry.order.as_str(), ())).collect()
}

/// What is shown is in the log, and a paid order's money has moved.
fn examine_shown(
    case: &Case<'_>,
    captured: &BTreeMap<&str, ()>,
    call: &Call,
    finding: &mut Finding,
) {
    let Some(body) = fresh(call) else { return };
    finding.look();
    let order = id(body).and_then(|id| case.orders.get(id));
    let Some(order) = order else {
        finding.break_promise("an answer shows an order that is not in the log", shown(call));
        return;
    };
    let same = text(body, "userId") == Some(order.user)
        && minor(body, "totalAmount") == Some(order.total_minor)
        && order.is_shown_in(body);
    if !same {
        finding.break_promise("an answer shows another order than the log has", shown(call));
    }
    if text(body, "status") == Some("paid") && order.by_card {
        let overruled = case.sagas.get(order.id).is_some_and(|saga| saga.is_overruled);
        if !overruled && !captured.contains_key(order.id) {
            finding
                .break_promise("an order is shown as paid whose money did not move", shown(call));
        }
        if order.payment.is_none() {
            finding
                .break_promise("an order is shown as paid that was never confirmed", shown(call));
        }
    }
}

/// 200 to a cancel or a refund: it is cancelled. 202: it will be, or a person has to look at it.
fn examine_cancel(case: &Case<'_>, call: &Call, finding: &mut Finding) {
    let (Asks::Cancel(order) | Asks::Handle { order, verb: "refund" }) = Asks::of(call) else {
        return;
    };
    let (now, later) = (answered(call, 200).is_some(), answered(call, 202).is_some());
    let Some(order) = case.orders.get(order).filter(|_| now || later) else { return };
    let cancelled = order.status == "cancelled";
    if now {
        finding.expect(cancelled, "a cancel was acknowledged and not done", || shown(call));
    } else if case.is_quiet() {
        let waits = cancelled || has_unfinished_saga(case, order);
        finding.expect(waits, "a cancel that was taken on came to nothing", || shown(call));
    }
}

/// Whether a saga of the order waits for a person, or cannot end in this world.
fn has_unfinished_saga(case: &Case<'_>, order: &Order<'_>) -> bool {
    let own = case.sagas.get(order.id).into_iter();
    let mut of_order = own.chain(case.refunds_of(order.id));
    of_order.any(|saga| saga.end.is_none() || saga.is_overruled)
}

/// How far a status is on an order's way; nothing follows the ends.
fn rank(status: &str) -> u8 {
    match status {
        "pending" => 0,
        "processing" => 1,
        "paid" => 2,
        "shipped" => 3,
        "delivered" => 4,
        "cancelled" | "failed" => 5,
        _ => u8::MAX,
    }
}

/// What a later request is shown is never behind what an earlier one was shown.
fn examine_progress(case: &Case<'_>, finding: &mut Finding) {
    let mut by_order: BTreeMap<&str, Vec<(&Call, &str)>> = BTreeMap::new();
    for call in &case.evidence.calls {
        let Some(body) = fresh(call) else { continue };
        if let (Some(id), Some(status)) = (id(body), text(body, "status")) {
            by_order.entry(id).or_default().push((call, status));
        }
    }
    for (order, mut shown_by) in by_order {
        let mut ended = shown_by.clone();
        ended.sort_by_key(|(call, _)| call.ended_at_us);
        shown_by.sort_by_key(|(call, _)| call.sent_at_us);
        let mut ended = ended.into_iter().peekable();
        let mut furthest = (0, "");
        for (call, status) in shown_by {
            while let Some((_, before)) = ended.next_if(|(it, _)| it.ended_at_us < call.sent_at_us)
            {
                furthest = furthest.max((rank(before), before));
            }
            let forward = rank(status) >= furthest.0 && rank(status) != u8::MAX;
            let ended_otherwise = furthest.0 == 5 && status != furthest.1;
            finding.expect(forward && !ended_otherwise, "an order's status went back", || {
                format!("order {order}: {status} after {}", furthest.1)
            });
        }
    }
}

/// Who waits for an order's end with `Prefer: wait` is mostly told of it. Not always: nobody may work on the
/// order at that moment, and a node that stops keeps nobody waiting. Who asked while one stopped is left out,
/// and so is who repeats a request: mostly the end has come by then, see [`repeated`].
fn examine_waited(case: &Case<'_>, finding: &mut Finding) {
    let waits =
        case.evidence.plan.operations.iter().filter_map(|planned| match planned.operation {
            Operation::PlaceOrder { wait_s: Some(wait_s), .. } => Some((planned.id, wait_s)),
            _ => None,
        });
    let waits: BTreeMap<u32, u32> = waits.collect();
    let (mut early, mut told) = (0_u64, 0_u64);
    for call in case.evidence.calls.iter().filter(|call| Asks::of(call) == Asks::PlaceOrder) {
        let Some(wait_s) = waits.get(&call.operation) else { continue };
        let Some(answer) = answered(call, 201).filter(|answer| !answer.replayed) else { continue };
        let order = id(&answer.body).and_then(|id| case.orders.get(id));
        let stopped = case.evidence.stops.iter().any(|stop| {
            let gone_at_us = stop.ended_at_us.unwrap_or(stop.told_at_us + STOPPING_US);
            stop.told_at_us <= call.ended_at_us && call.sent_at_us <= gone_at_us
        });
        if stopped || order.is_none_or(|order| !order.by_card) {
            continue;
        }
        let has_ended = text(&answer.body, "status").is_some_and(|status| rank(status) >= 2);
        let waited_us = call.ended_at_us - call.sent_at_us;
        told += u64::from(has_ended);
        early += u64::from(!has_ended && waited_us < u64::from(*wait_s) * 900_000);
    }
    if told + early >= WAITED_MIN {
        let share = told * 100 / (told + early);
        finding.expect(
            share >= TOLD_PERCENT_MIN,
            "who waited for an end was not told of it",
            || format!("{told} of {}", told + early),
        );
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::oracle::testing::{History, caught, clean};

    #[test]
    fn answers_that_the_log_explains_are_right() {
        assert!(clean(&Answers, &History::good()).examined >= 10);
    }

    #[test]
    fn a_server_error_is_caught_and_an_unavailable_node_is_not() {
        let mut history = History::good();
        history.call(1, "GET /orders", None, Value::Null, Some((503, json!({}))));
        clean(&Answers, &history);
        history.call(1, "GET /orders", None, Value::Null, Some((500, json!({}))));
        caught(&Answers, &history, "an answer says that the server failed");
    }

    #[test]
    fn a_read_from_a_stale_view_is_caught() {
        let mut history = History::good();
        let request = format!("GET /orders/{}", history.orders[0]);
        history.call(1, &request, None, Value::Null, Some((404, json!({}))));
        caught(&Answers, &history, "an acknowledged order was not found");
        let mut history = History::good();
        let order = history.orders[0].clone();
        history.look(1, &order, "processing");
        caught(&Answers, &history, "an order's status went back");
    }

    #[test]
    fn another_customers_order_is_caught() {
        let mut history = History::good();
        let order = history.orders[0].clone();
        history.look(1, &order, "paid");
        let last = history.evidence.calls.last_mut().expect("a call");
        last.customer = 2;
        caught(&Answers, &history, "an answer shows another customer's order");
    }

    #[test]
    fn a_cancel_that_was_acknowledged_and_not_done_is_caught() {
        let mut history = History::good();
        let order = history.orders[0].clone();
        history.look(1, &order, "cancelled");
        let last = history.evidence.calls.last_mut().expect("a call");
        last.request = format!("DELETE /orders/{order}");
        caught(&Answers, &history, "a cancel was acknowledged and not done");
        if let Some(answer) = &mut history.evidence.calls.last_mut().expect("a call").answer {
            answer.status = 202;
        }
        caught(&Answers, &history, "a cancel that was taken on came to nothing");
    }

    #[test]
    fn an_order_shown_as_paid_without_its_money_is_caught() {
        let mut history = History::good();
        history.evidence.bank.retain(|entry| entry.operation != "capture");
        caught(&Answers, &history, "an order is shown as paid whose money did not move");
    }

    #[test]
    fn another_order_than_was_asked_for_is_caught() {
        let mut history = History::good();
        history.evidence.calls[0].body["items"][0]["productId"] = json!("product-7");
        caught(&Answers, &history, "another order was accepted than was asked for");
    }
}
