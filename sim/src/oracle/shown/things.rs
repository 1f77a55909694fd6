//! Single things and traces.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::evidence::{LogEntry, Look};
use crate::oracle::Finding;
use crate::oracle::case::Case;
use crate::oracle::naive::json::{list, minor, number, text};
use crate::oracle::projections;

use super::{status_of, told, yes};

/// A node at rest answers within this time what needs no waiting.
const AT_ONCE_US: u64 = 2_000_000;

pub(super) fn examine(case: &Case<'_>, look: &Look, finding: &mut Finding) {
    let Some(answer) = yes(look) else { return };
    let (method, target) = look.request.split_once(' ').unwrap_or(("", ""));
    let parts: Vec<&str> = target.trim_matches('/').split('/').collect();
    match (method, parts.as_slice()) {
        ("GET", ["orders", id]) => examine_order(case, id, look, &answer.body, finding),
        ("GET", ["sagas", id]) => examine_saga(case, id, look, &answer.body, finding),
        ("GET", ["payments", id]) => examine_payment(case, id, look, &answer.body, finding),
        ("GET", ["trace", "order", id]) => {
            let of_flow = |entry: &&LogEntry| {
                let (category, key) = entry.stream.split_once('-').unwrap_or(("", ""));
                key == *id && matches!(category, "order" | "payment" | "saga")
            };
            let flow = case.evidence.log.iter().filter(of_flow);
            examine_trace(flow, look, &answer.body, finding);
        }
        ("GET", ["trace", "correlation", id]) => {
            let of_request = |entry: &&LogEntry| entry.correlation_id == *id;
            let request = case.evidence.log.iter().filter(of_request);
            examine_trace(request, look, &answer.body, finding);
        }
        ("POST", ["saga", "maintenance", "cleanup-pending"]) => {
            let none = list(&answer.body, "givenUp").is_empty();
            let what = "an order was given up that is not old enough";
            finding.expect(none, what, || told(look));
        }
        _ => {}
    }
}

fn examine_order(case: &Case<'_>, id: &str, look: &Look, body: &Value, finding: &mut Finding) {
    let payment = case.payments.get(id);
    let same = case.orders.get(id).is_some_and(|order| {
        text(body, "id") == Some(order.id)
            && text(body, "userId") == Some(order.user)
            && text(body, "status") == Some(projections::status_of(order, payment))
            && text(body, "paymentId") == order.payment
            && minor(body, "totalAmount") == Some(order.total_minor)
            && order.is_shown_in(body)
    });
    finding.expect(same, "something is shown as it is not", || told(look));
    examine_wait(case, id, look, finding);
}

fn examine_saga(case: &Case<'_>, id: &str, look: &Look, body: &Value, finding: &mut Finding) {
    let same = case.sagas.get(id).is_some_and(|saga| {
        text(body, "id") == Some(saga.id)
            && text(body, "sagaType") == Some(saga.saga_type)
            && text(body, "status") == Some(status_of(saga))
    });
    finding.expect(same, "something is shown as it is not", || told(look));
    examine_wait(case, id, look, finding);
}

fn examine_payment(case: &Case<'_>, id: &str, look: &Look, body: &Value, finding: &mut Finding) {
    let same = case.payments.get(id).is_some_and(|payment| {
        text(body, "status") == Some(payment.status)
            && minor(body, "amount") == Some(payment.amount_minor)
            && minor(body, "capturedAmount") == Some(payment.captured_minor)
            && minor(body, "refundedAmount") == Some(payment.refunded_minor)
    });
    finding.expect(same, "something is shown as it is not", || told(look));
}

/// Who waits for what has ended long ago does not wait.
fn examine_wait(case: &Case<'_>, id: &str, look: &Look, finding: &mut Finding) {
    let ended = case.sagas.get(id).is_some_and(|saga| saga.end.is_some());
    if look.wait_s.is_some() && ended {
        let waited_us = look.ended_at_us - look.sent_at_us;
        let at_once = waited_us <= AT_ONCE_US;
        finding.expect(at_once, "who waited for what had ended was kept waiting", || {
            format!("{waited_us} us: {}", told(look))
        });
    }
}

/// Every event, once, in the order of the log, unless the trace says that there are more than it shows.
fn examine_trace<'a>(
    logged: impl Iterator<Item = &'a LogEntry>,
    look: &Look,
    body: &Value,
    finding: &mut Finding,
) {
    let shown: Vec<_> = list(body, "timeline")
        .iter()
        .map(|event| (number(event, "position"), text(event, "eventId")))
        .collect();
    let logged: Vec<_> =
        logged.map(|entry| (Some(entry.position), Some(entry.id.as_str()))).collect();
    let truncated = body["summary"]["truncated"] == true;
    let same = match truncated {
        false => shown == logged,
        true => {
            let logged: BTreeSet<_> = logged.iter().collect();
            shown.is_sorted() && shown.iter().all(|event| logged.contains(event))
        }
    };
    finding.expect(same, "a trace does not show what happened", || {
        format!("{} of {} events: {}", shown.len(), logged.len(), look.request)
    });
}
