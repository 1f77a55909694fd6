//! What is on its way to its customer is not taken back by a cancel: whoever asks for that when the
//! node could know that it was shipped is refused. From then on only a merchant's refund gives the
//! money back.

use crate::oracle::Finding;
use crate::oracle::case::Case;

pub(super) fn examine(case: &Case<'_>, finding: &mut Finding) {
    let calls = case.evidence.calls.iter();
    let calls = calls.map(|call| (call.request.as_str(), call.sent_at_us, call.answer.as_ref()));
    let looks = case.evidence.looks.iter();
    let looks = looks.map(|look| (look.request.as_str(), look.sent_at_us, look.answer.as_ref()));
    for (request, sent_at_us, answer) in calls.chain(looks) {
        let Some(order) = request.strip_prefix("DELETE /orders/") else { continue };
        let Some(status) = answer.map(|answer| answer.status) else { continue };
        let shipped_at_us = shipped_at_us(case, order).filter(|at_us| *at_us < sent_at_us);
        if let Some(shipped_at_us) = shipped_at_us {
            let taken = (200..300).contains(&status);
            finding.expect(!taken, "an order that was shipped was taken back by a cancel", || {
                format!("{request} at {sent_at_us} us -> {status}; shipped at {shipped_at_us} us")
            });
        }
    }
}

/// When somebody first knew that an order is on its way, or has arrived, by the world's clock: whoever
/// reads its stream after that finds it so. None: nobody was told for certain.
fn shipped_at_us(case: &Case<'_>, order: &str) -> Option<u64> {
    let entries = case.streams.get(format!("order-{order}").as_str())?.iter();
    let shipped = entries
        .filter(|entry| matches!(entry.event_type.as_str(), "OrderShipped" | "OrderDelivered"));
    shipped.filter_map(|entry| case.append_of(entry)?.acknowledged_at_us).min()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::Answers;
    use crate::evidence::{AppendResult, Call, Role};
    use crate::oracle::testing::{History, caught, clean};

    const WHAT: &str = "an order that was shipped was taken back by a cancel";

    /// A paid order, and its request to be cancelled.
    fn paid() -> (History, String, String) {
        let history = History::good();
        let order = history.orders[0].clone();
        let request = format!("DELETE /orders/{order}");
        (history, order, request)
    }

    /// The order is cancelled in the end: nothing else is wrong with a cancel that was taken.
    fn cancelled(history: &mut History, order: &str) {
        history.say(&format!("order-{order}"), "OrderCancelled", json!({"reason": "back"}));
    }

    /// A cancel is answered with the cancelled order.
    fn taken<'a>(history: &'a mut History, order: &str, status: u16) -> &'a mut Call {
        history.look(1, order, "cancelled");
        let call = history.evidence.calls.last_mut().expect("a call");
        call.request = format!("DELETE /orders/{order}");
        call.answer.as_mut().expect("an answer").status = status;
        call
    }

    #[test]
    fn a_cancel_behind_the_shipping_that_is_refused_is_right() {
        let (mut history, order, request) = paid();
        history.say(&format!("order-{order}"), "OrderShipped", json!({}));
        history.call(1, &request, None, Value::Null, Some((409, json!({}))));
        history.look_at(Role::Customer, 1, None, &request, (409, json!({})));
        history.call(1, &request, None, Value::Null, None);
        clean(&Answers, &history);
    }

    #[test]
    fn a_shipped_order_that_a_cancel_takes_back_is_caught() {
        for (events, status) in [(1, 200), (1, 202), (2, 200), (2, 202)] {
            let (mut history, order, _) = paid();
            for event in ["OrderShipped", "OrderDelivered"].into_iter().take(events) {
                history.say(&format!("order-{order}"), event, json!({}));
            }
            cancelled(&mut history, &order);
            clean(&Answers, &history);
            taken(&mut history, &order, status);
            caught(&Answers, &history, WHAT);
        }
    }

    #[test]
    fn a_shipped_order_that_a_cancel_takes_back_at_rest_is_caught() {
        let (mut history, order, request) = paid();
        history.say(&format!("order-{order}"), "OrderShipped", json!({}));
        history.look_at(Role::Customer, 1, None, &request, (202, json!({})));
        caught(&Answers, &history, WHAT);
    }

    #[test]
    fn a_cancel_that_the_shipping_may_have_come_behind_is_right() {
        let (mut history, order, _) = paid();
        let sent_at_us = history.sent_now();
        history.say(&format!("order-{order}"), "OrderShipped", json!({}));
        cancelled(&mut history, &order);
        taken(&mut history, &order, 200).sent_at_us = sent_at_us;
        clean(&Answers, &history);
    }

    #[test]
    fn a_shipping_that_nobody_was_told_of_proves_nothing() {
        let (mut history, order, _) = paid();
        history.say(&format!("order-{order}"), "OrderShipped", json!({}));
        history.last_result(AppendResult::Unknown);
        cancelled(&mut history, &order);
        taken(&mut history, &order, 200);
        clean(&Answers, &history);
    }
}
