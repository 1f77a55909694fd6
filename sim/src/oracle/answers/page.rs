//! A page of orders that somebody asks for shows orders of the log: each as it was placed, as it was at
//! some moment before the answer, and, in whatever list it stands, with the address that it was placed
//! with. A view may lag, so that nothing is said of what a page leaves out.

use serde_json::Value;

use crate::evidence::{Call, LogEntry};
use crate::oracle::Finding;
use crate::oracle::case::Case;
use crate::oracle::naive::http::{Asks, answered, id};
use crate::oracle::naive::json::{list, minor, text};
use crate::oracle::naive::order::Order;

use super::asked::Asked;

pub(super) fn examine(case: &Case<'_>, asked: &Asked<'_>, finding: &mut Finding) {
    for call in case.evidence.calls.iter().filter(|call| Asks::of(call) == Asks::Orders) {
        let Some(answer) = answered(call, 200) else { continue };
        for order in list(&answer.body, "orders") {
            finding.look();
            if let Some(what) = problem(case, call, order) {
                finding.break_promise(what, shown(&call.request, order));
            }
            examine_address(asked, &call.request, order, finding);
        }
    }
    let looks = case.evidence.looks.iter().chain(&case.evidence.walks);
    for look in looks.filter(|look| is_list(&look.request)) {
        let Some(answer) = look.answer.as_ref().filter(|answer| answer.status == 200) else {
            continue;
        };
        for order in list(&answer.body, "orders") {
            examine_address(asked, &look.request, order, finding);
        }
    }
}

fn is_list(request: &str) -> bool {
    request.split('?').next() == Some("GET /orders")
}

fn shown(request: &str, order: &Value) -> String {
    format!("{request}: {order}")
}

/// Only of an order that was acknowledged it is known where it is to go.
fn examine_address(asked: &Asked<'_>, request: &str, order: &Value, finding: &mut Finding) {
    if let Some(same) = asked.goes_where_asked(order) {
        finding
            .expect(same, "a list shows an order with another address", || shown(request, order));
    }
}

/// What is wrong with an order of a page, if anything is.
fn problem(case: &Case<'_>, call: &Call, shown: &Value) -> Option<&'static str> {
    let Some(order) = id(shown).and_then(|id| case.orders.get(id)) else {
        return Some("a list shows what the log does not have");
    };
    let same = text(shown, "userId") == Some(order.user)
        && minor(shown, "totalAmount") == Some(order.total_minor)
        && order.is_shown_in(shown)
        && text(shown, "paymentId").is_none_or(|payment| order.payment == Some(payment));
    if !same {
        return Some("a list shows another order than the log has");
    }
    let Some(since) = text(shown, "status").and_then(|status| since(case, order, status)) else {
        return Some("a list shows something as it never was");
    };
    // What nobody had asked to be written by then nobody could know.
    let written = case.append_of(since).is_none_or(|append| append.sent_at_us <= call.ended_at_us);
    (!written).then_some("a list shows what had not happened yet")
}

/// The event by which an order came to this status; none: it never was that.
fn since<'a>(case: &Case<'a>, order: &Order<'a>, status: &str) -> Option<&'a LogEntry> {
    let (category, event) = match status {
        "pending" => return Some(order.placed),
        "processing" => ("payment", "PaymentAuthorized"),
        "paid" => ("order", "OrderConfirmed"),
        "shipped" => ("order", "OrderShipped"),
        "delivered" => ("order", "OrderDelivered"),
        "cancelled" => ("order", "OrderCancelled"),
        "failed" => ("order", "OrderFailed"),
        _ => return None,
    };
    let entries = case.streams.get(format!("{category}-{}", order.id).as_str())?;
    let mut entries = entries.iter().copied();
    entries.find(|entry| entry.event_type == event && entry.position > order.placed.position)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::Answers;
    use crate::evidence::Role;
    use crate::oracle::testing::{History, caught, clean, order_shown};

    /// The first customer lists their orders, and is shown one.
    fn listed(change: impl Fn(&mut Value)) -> History {
        let mut history = History::good();
        let mut order = order_shown(1, &history.orders[0], "product-1", "paid");
        change(&mut order);
        let page = Some((200, json!({ "orders": [order] })));
        // It took so long that the view may lag.
        history.call(1, "GET /orders?limit=50", None, Value::Null, page).ended_at_us += 1_000_000;
        history
    }

    #[test]
    fn an_order_as_it_is_or_was_is_right() {
        for status in ["pending", "processing", "paid"] {
            clean(&Answers, &listed(|order| order["status"] = json!(status)));
        }
    }

    #[test]
    fn an_order_as_it_never_was_is_caught() {
        let other = "a list shows another order than the log has";
        let never = "a list shows something as it never was";
        for (field, wrong, what) in [
            ("id", json!("nowhere"), "a list shows what the log does not have"),
            ("totalAmount", json!(6.0), other),
            ("currency", json!("EUR"), other),
            ("items", json!([]), other),
            ("paymentId", json!("p"), other),
            ("status", json!("shipped"), never),
            ("status", json!("cancelled"), never),
            (
                "shippingAddress",
                json!({"city": "Oslo"}),
                "a list shows an order with another address",
            ),
        ] {
            caught(&Answers, &listed(|order| order[field] = wrong.clone()), what);
        }
    }

    #[test]
    fn what_had_not_happened_yet_is_caught() {
        let mut history = listed(|_| ());
        let last = history.evidence.calls.last_mut().expect("a call");
        (last.sent_at_us, last.ended_at_us) = (1, 2);
        caught(&Answers, &history, "a list shows what had not happened yet");
    }

    #[test]
    fn another_address_is_caught_in_every_list() {
        let mut history = History::good();
        let mut order = order_shown(1, &history.orders[0], "product-1", "paid");
        order["shippingAddress"] = json!({ "city": "Oslo" });
        let page = (200, json!({ "orders": [order] }));
        history.look_at(Role::Admin, 0, None, "GET /orders?limit=9", page);
        caught(&Answers, &history, "a list shows an order with another address");
    }
}
