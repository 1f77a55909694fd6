//! A change of an order is refused only where something stands against it: a state that the order was in
//! at some moment between the request and its answer, or what its sagas came to.
//!
//! Which states these are nobody knows to the moment, so each is given all the time that it may have had:
//! from when its append was sent until somebody knew of the next one. A request that arrives twice is
//! covered by that, since what its first copy did is a state between the two as well. What was appended
//! at once is one state: nobody sees an order between two events of one append.

use crate::evidence::{Call, LogEntry};
use crate::oracle::Finding;
use crate::oracle::case::Case;
use crate::oracle::naive::http::{Asks, answered, code};
use crate::oracle::naive::json::{number, text};
use crate::oracle::naive::order::Order;

use super::shown;

pub(super) fn examine(case: &Case<'_>, call: &Call, finding: &mut Finding) {
    let (Asks::Cancel(id) | Asks::Confirm(id) | Asks::Handle { order: id, .. }) = Asks::of(call)
    else {
        return;
    };
    let refused = answered(call, 409).filter(|answer| code(answer) == Some("STATE_FORBIDS"));
    let Some(order) = case.orders.get(id).filter(|_| refused.is_some()) else { return };
    let mut possible = states(case, order);
    possible.retain(|state| state.is_possible_during(call));
    if possible.is_empty() {
        return;
    }
    // Its refund was tried and came to nothing: whoever wants the money back is told so.
    let is_kept = case.refunds_of(id).any(|refund| refund.aborted_at.is_some());
    let due = possible.iter().any(|state| state.forbids(call, order, is_kept));
    finding.expect(due, "a change was refused that nothing stood against", || {
        let statuses: Vec<_> = possible.iter().map(|state| state.status).collect();
        format!("{}: {}", statuses.join(", "), shown(call))
    });
}

/// How an order was for a while.
#[derive(Debug)]
struct State<'a> {
    status: &'static str,
    paid_by: Option<&'a str>,
    /// Its saga is to go back once it is known whether the money has moved.
    is_in_doubt: bool,
    /// Its saga only goes forward, or has ended.
    is_decided: bool,
    /// It began no earlier.
    from_us: u64,
    /// It was over by then.
    until_us: u64,
}

impl State<'_> {
    fn is_possible_during(&self, call: &Call) -> bool {
        self.from_us <= call.ended_at_us && call.sent_at_us <= self.until_us
    }

    /// Whether a change is to be refused in this state.
    fn forbids(&self, call: &Call, order: &Order<'_>, is_kept: bool) -> bool {
        let is_pending = self.status == "pending";
        match Asks::of(call) {
            Asks::Cancel(_) if !order.by_card => !is_pending,
            Asks::Cancel(_) => match self.status {
                "pending" => self.is_in_doubt || self.is_decided,
                "paid" => is_kept,
                _ => true,
            },
            // Said again with the payment that it was confirmed with, it is acknowledged again.
            Asks::Confirm(_) if !order.by_card => {
                let is_the_same = self.paid_by == text(&call.body, "paymentId");
                !(is_pending || self.status == "paid" && is_the_same)
            }
            Asks::Handle { verb: "ship", .. } => self.status != "paid",
            Asks::Handle { verb: "deliver", .. } => self.status != "shipped",
            Asks::Handle { verb: "refund", .. } if order.by_card => {
                self.paid_by.is_none() || is_kept
            }
            // What is paid elsewhere is given back elsewhere, and a card's order is confirmed by its saga.
            _ => true,
        }
    }
}

/// The states of an order, one for each append to its stream or to that of its saga.
fn states<'a>(case: &Case<'a>, order: &Order<'a>) -> Vec<State<'a>> {
    let of = |category: &str| case.streams.get(format!("{category}-{}", order.id).as_str());
    let both = of("order").into_iter().chain(of("saga"));
    let mut entries: Vec<&'a LogEntry> = both.flatten().copied().collect();
    entries.sort_by_key(|entry| entry.position);
    let pivot = case.sagas.get(order.id).and_then(|saga| saga.pivot);
    let mut states: Vec<State<'a>> = Vec::new();
    let mut own: Vec<&'a LogEntry> = Vec::new();
    let (mut is_in_doubt, mut is_decided) = (false, false);
    for together in entries.chunk_by(|one, next| are_one_append(case, one, next)) {
        own.extend(together.iter().copied().filter(|entry| entry.stream.starts_with("order-")));
        for entry in together {
            match entry.event_type.as_str() {
                "AbortRequested" => is_in_doubt = true,
                "SagaCompleted" | "SagaCompensated" => is_decided = true,
                "StepSucceeded" => is_decided |= is_of_step(entry, pivot),
                _ => {}
            }
        }
        let append = case.append_of(together[0]);
        let known_us = append.and_then(|it| it.acknowledged_at_us).unwrap_or(u64::MAX);
        if let Some(before) = states.last_mut() {
            before.until_us = known_us;
        }
        let Some(so_far) = Order::fold(order.id, &own) else { continue };
        states.push(State {
            status: so_far.status,
            paid_by: so_far.payment,
            is_in_doubt,
            is_decided,
            from_us: append.map_or(0, |it| it.sent_at_us),
            until_us: u64::MAX,
        });
    }
    states
}

fn are_one_append(case: &Case<'_>, one: &LogEntry, next: &LogEntry) -> bool {
    let append = |entry: &LogEntry| case.append_of(entry).map(|append| append.id);
    append(one).is_some_and(|id| append(next) == Some(id))
}

fn is_of_step(entry: &LogEntry, step: Option<usize>) -> bool {
    let said = number(&entry.payload, "step").and_then(|said| usize::try_from(said).ok());
    said.is_some() && said == step
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::Answers;
    use super::*;
    use crate::evidence::AppendResult;
    use crate::oracle::testing::{History, caught, clean};

    const WHAT: &str = "a change was refused that nothing stood against";

    /// A change of an order that is refused.
    fn refused<'a>(history: &'a mut History, request: &str, body: Value) -> &'a mut Call {
        let problem = json!({"error": "STATE_FORBIDS"});
        history.call(1, request, None, body, Some((409, problem)))
    }

    /// Each of these changes is refused to an order in turn.
    fn all(history: &mut History, order: &str, changes: &[&str]) {
        for change in changes {
            let request = match *change {
                "cancel" => format!("DELETE /orders/{order}"),
                "refund" => format!("POST /orders/{order}/refund"),
                verb => format!("PUT /orders/{order}/{verb}"),
            };
            refused(history, &request, json!({"paymentId": "p"}));
        }
    }

    fn say(history: &mut History, order: &str, event: &'static str) {
        history.say(&format!("order-{order}"), event, json!({"reason": "back"}));
    }

    /// An order that was just placed, and one that was paid.
    fn placed_and_paid() -> (History, String, String) {
        let mut history = History::good();
        let placed = history.start_order(1, "key-9", "product-9");
        let paid = history.orders[0].clone();
        (history, placed, paid)
    }

    /// The same, to be paid elsewhere.
    fn external() -> (History, String) {
        let (mut history, placed, _) = placed_and_paid();
        let stream = format!("order-{placed}");
        let entry = history.evidence.log.iter_mut().find(|entry| entry.stream == stream);
        entry.expect("it was placed").payload["paymentKind"] = json!("external");
        (history, placed)
    }

    #[test]
    fn what_a_state_forbids_is_refused() {
        let (mut history, placed, paid) = placed_and_paid();
        all(&mut history, &placed, &["ship", "deliver", "refund", "confirm"]);
        all(&mut history, &paid, &["deliver", "confirm"]);
        let undone = history.orders[2].clone();
        all(&mut history, &undone, &["cancel", "ship", "deliver", "refund", "confirm"]);
        say(&mut history, &paid, "OrderShipped");
        all(&mut history, &paid, &["cancel", "ship"]);
        say(&mut history, &paid, "OrderDelivered");
        all(&mut history, &paid, &["cancel", "ship", "deliver"]);
        clean(&Answers, &history);
    }

    #[test]
    fn what_nothing_stands_against_is_not_refused() {
        let caught_at = |events: &[&'static str], of_paid: bool, change: &str| {
            let (mut history, placed, paid) = placed_and_paid();
            let order = if of_paid { paid } else { placed };
            for event in events {
                say(&mut history, &order, event);
            }
            all(&mut history, &order, &[change]);
            caught(&Answers, &history, WHAT);
        };
        caught_at(&[], false, "cancel");
        for change in ["cancel", "ship", "refund"] {
            caught_at(&[], true, change);
        }
        for change in ["deliver", "refund"] {
            caught_at(&["OrderShipped"], true, change);
        }
        caught_at(&["OrderShipped", "OrderDelivered"], true, "refund");
        caught_at(&["OrderCancelled"], true, "refund");
    }

    #[test]
    fn what_is_paid_elsewhere_is_confirmed_and_cancelled_while_it_is_pending() {
        for change in ["cancel", "confirm"] {
            let (mut history, order) = external();
            all(&mut history, &order, &["refund"]);
            clean(&Answers, &history);
            all(&mut history, &order, &[change]);
            caught(&Answers, &history, WHAT);
        }
        let confirmed = |payment: &str| {
            let (mut history, order) = external();
            let payload = json!({"paymentId": payment});
            history.say(&format!("order-{order}"), "OrderConfirmed", payload);
            all(&mut history, &order, &["cancel", "confirm"]);
            history
        };
        clean(&Answers, &confirmed("another"));
        caught(&Answers, &confirmed("p"), WHAT);
    }

    #[test]
    fn a_cancel_that_an_order_is_paid_beside_is_not_refused() {
        let mut history = History::good();
        let sent_at_us = history.sent_now();
        let order = history.completed_order(1, "key-9", "product-9");
        let request = format!("DELETE /orders/{order}");
        refused(&mut history, &request, Value::Null).sent_at_us = sent_at_us;
        caught(&Answers, &history, WHAT);
    }

    #[test]
    fn a_cancel_is_refused_while_its_saga_cannot_tell_or_goes_forward() {
        for (event, said) in
            [("AbortRequested", json!({"atUs": 5})), ("StepSucceeded", json!({"step": 2}))]
        {
            let (mut history, placed, _) = placed_and_paid();
            history.say(&format!("saga-{placed}"), event, said);
            all(&mut history, &placed, &["cancel"]);
            clean(&Answers, &history);
        }
        let (mut history, placed, _) = placed_and_paid();
        history.say(&format!("saga-{placed}"), "StepSucceeded", json!({"step": 1}));
        all(&mut history, &placed, &["cancel"]);
        caught(&Answers, &history, WHAT);
    }

    #[test]
    fn money_that_could_not_be_given_back_once_stays() {
        let (mut history, _, paid) = placed_and_paid();
        let started = json!({"sagaType": "order-refund", "definition": "d", "steps": 2, "pivot": 0,
            "input": {"terms": {"orderId": paid}}, "startedAtUs": 0, "epoch": 1});
        history.say("saga-refund1", "SagaStarted", started);
        all(&mut history, &paid, &["cancel", "refund"]);
        caught(&Answers, &history, WHAT);
        history.say("saga-refund1", "SagaAborted", json!({"atUs": 5}));
        clean(&Answers, &history);
    }

    #[test]
    fn what_came_about_beside_a_request_may_stand_against_it() {
        let (mut history, _, paid) = placed_and_paid();
        let sent_at_us = history.sent_now();
        say(&mut history, &paid, "OrderShipped");
        let request = format!("PUT /orders/{paid}/ship");
        refused(&mut history, &request, Value::Null).sent_at_us = sent_at_us;
        clean(&Answers, &history);
        // It was shipped behind the answer.
        let (mut history, _, paid) = placed_and_paid();
        all(&mut history, &paid, &["ship"]);
        say(&mut history, &paid, "OrderShipped");
        caught(&Answers, &history, WHAT);
        // It was shipped at a time that nobody knows.
        let (mut history, _, paid) = placed_and_paid();
        say(&mut history, &paid, "OrderShipped");
        history.last_result(AppendResult::Unknown);
        all(&mut history, &paid, &["deliver", "ship"]);
        clean(&Answers, &history);
    }
}
