//! The orders that have not come to an end, as an administrator is shown them: as many as the log has, the
//! oldest of them, and which of them should have ended long ago.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::evidence::{Look, Role};
use crate::oracle::Finding;
use crate::oracle::case::Case;
use crate::oracle::naive::json::{list, number, text};
use crate::oracle::naive::order::Order;
use crate::oracle::projections;

use super::{told, yes};

/// So many are shown when nobody says how many.
const SHOWN_MAX: usize = 100;
/// An order that a saga pays is stuck from this age on.
const STUCK_MS: u64 = 60_000;

pub(super) fn examine(case: &Case<'_>, look: &Look, finding: &mut Finding) {
    let is_asked = look.request == "GET /saga/maintenance/pending-orders";
    if !is_asked || look.who.role != Role::Admin {
        return;
    }
    let Some(answer) = yes(look) else {
        finding.break_promise("a list was not shown at rest", told(look));
        return;
    };
    let logged = without_an_end(case);
    let shown = list(&answer.body, "orders");
    let all = logged.len();
    let stuck = shown.iter().filter(|entry| entry["isStuck"] == true).count();
    let right = number(&answer.body, "total") == Some(all as u64)
        && number(&answer.body, "stuck") == Some(stuck as u64);
    finding.expect(right, "a list is counted wrongly", || {
        let of = |name| number(&answer.body, name);
        format!("{all} in the log, {:?}, {stuck} of {:?} stuck", of("total"), of("stuck"))
    });
    let fits = shown.len() == all.min(SHOWN_MAX);
    finding.expect(fits, "a page has not as many entries as it was to have", || {
        format!("{} of {all}: {}", shown.len(), look.request)
    });
    examine_entries(case, logged, shown, finding);
    let ages: Vec<_> = shown.iter().map(|entry| text(entry, "createdAt")).collect();
    finding.expect(ages.is_sorted(), "a list is not shown oldest first", || look.request.clone());
}

/// The orders that wait, for their saga or for whoever confirms that they were paid.
fn without_an_end<'c>(case: &'c Case<'_>) -> BTreeMap<&'c str, (&'static str, &'c Order<'c>)> {
    let status = |order: &Order<'_>| projections::status_of(order, case.payments.get(order.id));
    let all = case.orders.values().map(|order| (order.id, (status(order), order)));
    all.filter(|(_, (status, _))| matches!(*status, "pending" | "processing")).collect()
}

/// Each belongs there, once, and is shown as it is; what is left out is no older.
fn examine_entries(
    case: &Case<'_>,
    mut left: BTreeMap<&str, (&'static str, &Order<'_>)>,
    shown: &[Value],
    finding: &mut Finding,
) {
    let mut newest_us = 0;
    for entry in shown {
        let id = text(entry, "orderId").unwrap_or("");
        let Some((status, order)) = left.remove(id) else {
            let what = "a list shows what does not belong there, or something twice";
            let known = case.orders.get(id).map(|order| order.status);
            finding.break_promise(what, format!("{entry} is {known:?}"));
            continue;
        };
        newest_us = order.placed.recorded_at_us.max(newest_us);
        let paid_by = if order.by_card { "card" } else { "external" };
        let is_old = number(entry, "ageMs").map(|age_ms| age_ms >= STUCK_MS);
        let is_stuck = is_old.map(|is_old| is_old && order.by_card);
        let same = text(entry, "status") == Some(status)
            && text(entry, "userId") == Some(order.user)
            && text(entry, "payment") == Some(paid_by)
            && is_stuck.is_some()
            && entry.get("isStuck").and_then(Value::as_bool) == is_stuck;
        finding.expect(same, "a list shows something as it is not", || {
            format!("{entry} is {status}, paid by {paid_by}, of {}", order.user)
        });
    }
    let older = left.values().find(|(_, order)| order.placed.recorded_at_us < newest_us);
    finding.expect(older.is_none(), "a list leaves out what is older than what it shows", || {
        older.map_or_else(String::new, |(status, order)| format!("{} is {status}", order.id))
    });
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::Shown;
    use crate::evidence::Role;
    use crate::oracle::testing::{History, caught, clean};

    const REQUEST: &str = "GET /saga/maintenance/pending-orders";

    /// Two orders wait for their sagas, one of them for too long.
    fn waiting() -> History {
        let mut history = History::good();
        let older = history.start_order(4, "key-4", "product-4");
        let newer = history.start_order(5, "key-5", "product-5");
        let order = |id: &str, number: u32, age_ms: u64| {
            json!({"orderId": id, "userId": format!("user-{number}"), "status": "pending",
                "payment": "card", "ageMs": age_ms, "isStuck": age_ms >= 60_000,
                "createdAt": format!("2026-01-0{number}T00:00:00.000000Z")})
        };
        let orders = [order(&older, 4, 60_000), order(&newer, 5, 59_999)];
        let page = json!({"total": 2, "stuck": 1, "orders": orders});
        history.look_at(Role::Admin, 0, None, REQUEST, (200, page));
        history.look_at(Role::Merchant, 0, None, REQUEST, (403, json!({})));
        history
    }

    fn body(history: &mut History) -> &mut Value {
        &mut history.evidence.looks[0].answer.as_mut().expect("an answer").body
    }

    #[test]
    fn orders_without_an_end_that_are_those_of_the_log_are_right() {
        assert!(clean(&Shown, &waiting()).examined >= 6);
    }

    #[test]
    fn an_order_that_is_shown_as_it_is_not_is_caught() {
        for (field, wrong) in [
            ("status", json!("processing")),
            ("userId", json!("user-1")),
            ("payment", json!("external")),
            ("isStuck", json!(false)),
            ("ageMs", json!(1)),
            ("ageMs", Value::Null),
        ] {
            let mut history = waiting();
            body(&mut history)["orders"][0][field] = wrong;
            caught(&Shown, &history, "a list shows something as it is not");
        }
    }

    #[test]
    fn an_order_that_is_left_out_or_has_ended_is_caught() {
        let mut history = waiting();
        let ended = history.orders[0].clone();
        body(&mut history)["orders"][0]["orderId"] = json!(ended);
        let what = "a list shows what does not belong there, or something twice";
        caught(&Shown, &history, what);
        caught(&Shown, &history, "a list leaves out what is older than what it shows");
        let mut history = waiting();
        body(&mut history)["orders"] = json!([]);
        caught(&Shown, &history, "a page has not as many entries as it was to have");
    }

    #[test]
    fn wrong_counts_and_another_order_are_caught() {
        for field in ["total", "stuck"] {
            let mut history = waiting();
            body(&mut history)[field] = json!(0);
            caught(&Shown, &history, "a list is counted wrongly");
        }
        let mut history = waiting();
        if let Some(orders) = body(&mut history)["orders"].as_array_mut() {
            orders.reverse();
        }
        caught(&Shown, &history, "a list is not shown oldest first");
        let mut history = waiting();
        history.evidence.looks[0].answer.as_mut().expect("an answer").status = 404;
        caught(&Shown, &history, "a list was not shown at rest");
    }
}
