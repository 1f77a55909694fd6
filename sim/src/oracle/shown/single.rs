//! Single things at rest as a naive fold has them, wherever they are shown: alone, or in a trace. An order
//! goes where its customer said; that is under the customer's key in the log, and `answers` looks at it.

use serde_json::Value;

use crate::oracle::case::Case;
use crate::oracle::naive::json::{minor, number, text};
use crate::oracle::naive::order::Order;
use crate::oracle::naive::payment::Said;
use crate::oracle::naive::time;
use crate::oracle::projections;

use super::status_of;

pub(super) fn is_order(case: &Case<'_>, id: &str, shown: &Value) -> bool {
    let payment = case.payments.get(id);
    case.orders.get(id).is_some_and(|order| {
        text(shown, "id") == Some(order.id)
            && text(shown, "userId") == Some(order.user)
            && text(shown, "status") == Some(projections::status_of(order, payment))
            && text(shown, "paymentId") == order.payment
            && text(shown, "reason") == order.reason
            && minor(shown, "totalAmount") == Some(order.total_minor)
            && text(shown, "correlationId") == Some(order.placed.correlation_id.as_str())
            && time::is_shown(shown, "createdAt", Some(order.placed.recorded_at_us))
            && time::is_shown(shown, "updatedAt", Some(updated_us(case, order)))
            && order.is_shown_in(shown)
    })
}

/// When something happened to an order last. That its money was set aside is something only while it waits
/// for that.
fn updated_us(case: &Case<'_>, order: &Order<'_>) -> u64 {
    let own = case.streams.get(format!("order-{}", order.id).as_str());
    let last = own.and_then(|entries| entries.last().copied());
    if let Some(last) = last.filter(|last| last.position != order.placed.position) {
        return last.recorded_at_us;
    }
    let payment = case.payments.get(order.id);
    let authorized = payment.and_then(|payment| payment.authorized_at);
    let authorized = authorized.filter(|at| *at > order.placed.position);
    let authorized = authorized.and_then(|at| case.at(at));
    authorized.map_or(order.placed.recorded_at_us, |entry| entry.recorded_at_us)
}

pub(super) fn is_payment(case: &Case<'_>, id: &str, shown: &Value) -> bool {
    let Some(payment) = case.payments.get(id) else { return false };
    let stream = case.streams.get(format!("payment-{id}").as_str());
    let Some(said) = stream.and_then(|entries| Said::fold(entries)) else { return false };
    let no = |field| said.declined.and_then(|no| text(&no.payload, field));
    text(shown, "id") == Some(id)
        && text(shown, "status") == Some(payment.status)
        && minor(shown, "amount") == Some(payment.amount_minor)
        && minor(shown, "capturedAmount") == Some(payment.captured_minor)
        && minor(shown, "refundedAmount") == Some(payment.refunded_minor)
        && text(shown, "orderId") == text(&said.first.payload, "orderId")
        && text(shown, "currency") == text(&said.first.payload, "currency")
        && text(shown, "reference") == said.reference
        && text(shown, "declineCode") == no("code")
        && text(shown, "declineReason") == no("reason")
        && text(shown, "correlationId") == Some(said.first.correlation_id.as_str())
        && time::is_shown(shown, "createdAt", Some(said.first.recorded_at_us))
        && time::is_shown(shown, "updatedAt", Some(said.last.recorded_at_us))
}

pub(super) fn is_saga(case: &Case<'_>, id: &str, shown: &Value) -> bool {
    case.sagas.get(id).is_some_and(|saga| {
        let first = saga.entries.first();
        let started_at_us = first.and_then(|first| number(&first.payload, "startedAtUs"));
        text(shown, "id") == Some(saga.id)
            && text(shown, "sagaType") == Some(saga.saga_type)
            && text(shown, "status") == Some(status_of(saga))
            && text(shown, "correlationId") == first.map(|first| first.correlation_id.as_str())
            && time::is_shown(shown, "createdAt", started_at_us)
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::Shown;
    use crate::evidence::Role;
    use crate::oracle::naive::time;
    use crate::oracle::testing::{History, caught, clean};

    const WHAT: &str = "something is shown as it is not";

    /// What an administrator is shown of the order of this number, of its payment or its saga.
    fn shown(kind: &str, number: usize, change: impl Fn(&mut Value)) -> History {
        let mut history = History::good();
        let mut body = match kind {
            "orders" => history.order_at_rest(number),
            "payments" => history.payment_at_rest(number),
            _ => history.saga_at_rest(number),
        };
        change(&mut body);
        let request = format!("GET /{kind}/{}", history.orders[number - 1]);
        history.look_at(Role::Admin, 0, None, &request, (200, body));
        history
    }

    #[test]
    fn things_as_the_log_has_them_are_right() {
        for number in 1..=3 {
            for kind in ["orders", "payments", "sagas"] {
                assert!(clean(&Shown, &shown(kind, number, |_| {})).examined > 1);
            }
        }
    }

    #[test]
    fn a_field_that_is_not_as_the_log_has_it_is_caught() {
        const LATER: &str = "1970-01-01T00:00:59.000000Z";
        for (kind, field, wrong) in [
            ("orders", "reason", json!("another")),
            ("orders", "reason", Value::Null),
            ("orders", "correlationId", json!("c-another")),
            ("orders", "createdAt", json!(LATER)),
            ("orders", "updatedAt", json!(LATER)),
            ("orders", "updatedAt", Value::Null),
            ("payments", "id", json!("another")),
            ("payments", "orderId", json!("another")),
            ("payments", "currency", json!("EUR")),
            ("payments", "reference", json!("void-1")),
            ("payments", "declineCode", json!("r")),
            ("payments", "declineReason", Value::Null),
            ("payments", "correlationId", json!("c-another")),
            ("payments", "createdAt", json!(LATER)),
            ("payments", "updatedAt", json!(LATER)),
            ("sagas", "correlationId", json!("c-another")),
            ("sagas", "createdAt", json!(LATER)),
        ] {
            caught(&Shown, &shown(kind, 3, |body| body[field] = wrong.clone()), WHAT);
        }
        caught(&Shown, &shown("orders", 1, |body| body["reason"] = json!("why")), WHAT);
        caught(&Shown, &shown("payments", 1, |body| body["declineCode"] = json!("NO")), WHAT);
    }

    #[test]
    fn an_order_that_waits_has_last_changed_when_its_money_was_set_aside() {
        let mut history = History::good();
        let order = history.start_order(4, "key-4", "product-4");
        history.orders.push(order.clone());
        let mut body = history.order_at_rest(4);
        let placed_at = body["createdAt"].clone();
        let request = format!("GET /orders/{order}");
        history.look_at(Role::Admin, 0, None, &request, (200, body.clone()));
        clean(&Shown, &history);
        history.evidence.looks.clear();
        let authorized = json!({"orderId": order, "amountMinor": 500, "currency": "USD",
            "reference": "r"});
        history.say(&format!("payment-{order}"), "PaymentAuthorized", authorized);
        let last = history.evidence.log.last().map_or(0, |entry| entry.recorded_at_us);
        body["status"] = json!("processing");
        body["updatedAt"] = json!(time::written(last));
        history.look_at(Role::Admin, 0, None, &request, (200, body.clone()));
        clean(&Shown, &history);
        body["updatedAt"] = placed_at;
        history.look_at(Role::Admin, 0, None, &request, (200, body));
        caught(&Shown, &history, WHAT);
    }
}
