//! What a merchant was told is done to an order is in the log: that it was paid elsewhere, that it is on its
//! way, that it has arrived. A refund that was taken on is a saga of its own.

use crate::evidence::Call;
use crate::oracle::Finding;
use crate::oracle::case::Case;
use crate::oracle::naive::http::{Asks, answered};

use super::shown;

pub(super) fn examine(case: &Case<'_>, call: &Call, finding: &mut Finding) {
    let (order, event) = match Asks::of(call) {
        Asks::Confirm(order) => (order, "OrderConfirmed"),
        Asks::Handle { order, verb: "ship" } => (order, "OrderShipped"),
        Asks::Handle { order, verb: "deliver" } => (order, "OrderDelivered"),
        Asks::Handle { order, verb: "refund" } => return refunded(case, order, call, finding),
        _ => return,
    };
    if answered(call, 200).is_some() {
        let entries = case.streams.get(format!("order-{order}").as_str()).into_iter().flatten();
        let logged = entries.into_iter().any(|entry| entry.event_type == event);
        finding.expect(
            logged,
            "what a merchant did was acknowledged and is not in the log",
            || shown(call),
        );
    }
}

/// 200 or 202 to a refund: there is a saga that gives the money back, or has.
fn refunded(case: &Case<'_>, order: &str, call: &Call, finding: &mut Finding) {
    if answered(call, 200).or_else(|| answered(call, 202)).is_some() {
        let begun = case.refunds_of(order).next().is_some();
        finding.expect(begun, "a refund was acknowledged and never begun", || shown(call));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::Answers;
    use crate::oracle::testing::{History, caught, clean, order_shown};

    const WHAT: &str = "what a merchant did was acknowledged and is not in the log";

    #[test]
    fn what_a_merchant_was_told_is_done_and_is_not_in_the_log_is_caught() {
        for (verb, event) in [("ship", "OrderShipped"), ("deliver", "OrderDelivered")] {
            let mut history = History::good();
            let order = history.orders[0].clone();
            let request = format!("PUT /orders/{order}/{verb}");
            history.look(1, &order, "paid");
            history.evidence.calls.last_mut().expect("a call").request = request;
            caught(&Answers, &history, WHAT);
            history.say(&format!("order-{order}"), event, json!({}));
            clean(&Answers, &history);
        }
    }

    #[test]
    fn an_order_that_was_confirmed_in_words_alone_is_caught() {
        let mut history = History::good();
        let order = history.start_order(4, "key-4", "product-4");
        let told = order_shown(4, &order, "product-4", "pending");
        let request = format!("PUT /orders/{order}/confirm");
        history.call(0, &request, None, Value::Null, Some((409, json!({}))));
        clean(&Answers, &history);
        history.call(0, &request, None, Value::Null, Some((200, told)));
        caught(&Answers, &history, WHAT);
        history.say(&format!("order-{order}"), "OrderConfirmed", json!({"paymentId": "p"}));
        clean(&Answers, &history);
    }

    #[test]
    fn a_refund_that_nobody_has_begun_is_caught() {
        for status in [200, 202] {
            let mut history = History::good();
            let order = history.orders[0].clone();
            history.look(1, &order, "paid");
            let call = history.evidence.calls.last_mut().expect("a call");
            call.request = format!("POST /orders/{order}/refund");
            call.answer.as_mut().expect("an answer").status = status;
            caught(&Answers, &history, "a refund was acknowledged and never begun");
        }
    }

    #[test]
    fn a_refund_that_is_under_way_is_right() {
        let mut history = History::good();
        let order = history.orders[0].clone();
        let started = json!({"sagaType": "order-refund", "definition": "d", "steps": 2, "pivot": 0,
            "input": {"terms": {"orderId": order}}, "startedAtUs": 0, "epoch": 1});
        history.say("saga-refund1", "SagaStarted", started);
        history.look(1, &order, "paid");
        let call = history.evidence.calls.last_mut().expect("a call");
        call.request = format!("POST /orders/{order}/refund");
        call.answer.as_mut().expect("an answer").status = 202;
        clean(&Answers, &history);
    }
}
