//! Whoever sends a request for an order again, and wants to wait for its end, is told how far it has
//! come by now, and not how it began: what somebody knew of the order when the request was sent is in
//! the answer. An order that nobody knew to have ended by then may still be under way when the time to
//! wait is over.

use std::collections::BTreeSet;

use crate::oracle::Finding;
use crate::oracle::case::Case;
use crate::oracle::naive::http::{Asks, answered, id};
use crate::oracle::naive::json::text;
use crate::oracle::naive::order::Order;
use crate::plan::{Operation, Planned};

use super::{rank, shown};

pub(super) fn examine(case: &Case<'_>, finding: &mut Finding) {
    let waits = |planned: &&Planned| {
        matches!(planned.operation, Operation::PlaceOrder { wait_s: Some(_), .. })
    };
    let waiting = case.evidence.plan.operations.iter().filter(waits);
    let waiting: BTreeSet<u32> = waiting.map(|planned| planned.id).collect();
    for call in case.evidence.calls.iter().filter(|call| Asks::of(call) == Asks::PlaceOrder) {
        let Some(answer) = answered(call, 201).filter(|_| waiting.contains(&call.operation)) else {
            continue;
        };
        let known = id(&answer.body).and_then(|id| known_status(case, id, call.sent_at_us));
        let Some(known) = known.filter(|known| *known != "pending") else { continue };
        let told = text(&answer.body, "status");
        let is_of_now = told.is_some_and(|told| rank(told) >= rank(known));
        let what = "who waited was told how an order began that had gone on";
        finding.expect(is_of_now, what, || format!("{known} by then: {}", shown(call)));
    }
}

/// The last status that somebody knew an order to have before this moment of the world's time; none:
/// nobody knew of it. What an append wrote is known once its caller was told that it is made.
fn known_status(case: &Case<'_>, order: &str, before_us: u64) -> Option<&'static str> {
    let entries = case.streams.get(format!("order-{order}").as_str())?;
    let last = entries.iter().rposition(|entry| {
        let append = case.append_of(entry);
        append.and_then(|it| it.acknowledged_at_us).is_some_and(|at_us| at_us < before_us)
    })?;
    Order::fold(order, &entries[..=last]).map(|order| order.status)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::Answers;
    use super::*;
    use crate::evidence::{AppendResult, Call};
    use crate::oracle::testing::{History, caught, clean};

    const WHAT: &str = "who waited was told how an order began that had gone on";

    /// A paid order, and a repetition of its request that was answered with this status.
    fn repeated(status: &str) -> (History, String) {
        let mut history = History::good();
        let order = history.orders[0].clone();
        history.evidence.calls.retain(|call| !is_repetition(call));
        let call = history.place(1, "key-1", "product-1", &order, true);
        tell(call, status);
        for planned in &mut history.evidence.plan.operations {
            if let Operation::PlaceOrder { wait_s, .. } = &mut planned.operation {
                *wait_s = Some(10);
            }
        }
        (history, order)
    }

    fn is_repetition(call: &Call) -> bool {
        call.answer.as_ref().is_some_and(|answer| answer.replayed)
    }

    fn tell(call: &mut Call, status: &str) {
        call.answer.as_mut().expect("an answer").body["status"] = json!(status);
    }

    /// The request that was sent last.
    fn last(history: &mut History) -> &mut Call {
        history.evidence.calls.last_mut().expect("a call")
    }

    #[test]
    fn a_repetition_that_is_told_how_it_is_now_is_right() {
        clean(&Answers, &repeated("paid").0);
        // It was shipped while somebody waited.
        clean(&Answers, &repeated("shipped").0);
    }

    #[test]
    fn a_repetition_that_is_told_how_it_began_is_caught() {
        for status in ["pending", "processing"] {
            caught(&Answers, &repeated(status).0, WHAT);
        }
        let (mut history, order) = repeated("paid");
        history.say(&format!("order-{order}"), "OrderShipped", json!({}));
        history.place(1, "key-1", "product-1", &order, true);
        tell(last(&mut history), "paid");
        caught(&Answers, &history, WHAT);
    }

    #[test]
    fn whoever_does_not_wait_is_told_how_it_began() {
        let (mut history, _) = repeated("pending");
        history.evidence.plan.operations = History::good().evidence.plan.operations;
        clean(&Answers, &history);
    }

    #[test]
    fn an_end_that_nobody_knew_of_need_not_be_told() {
        let (mut history, _) = repeated("pending");
        last(&mut history).sent_at_us = 0;
        clean(&Answers, &history);
        let (mut history, order) = repeated("paid");
        history.say(&format!("order-{order}"), "OrderShipped", json!({}));
        history.last_result(AppendResult::Unknown);
        history.place(1, "key-1", "product-1", &order, true);
        tell(last(&mut history), "paid");
        clean(&Answers, &history);
    }
}
