//! Who sweeps up old orders gives up those that were to be paid elsewhere, that nobody has paid, and that are as old
//! as was said: all of them, and no other.

use serde_json::Value;

use crate::evidence::Look;
use crate::machine::Machine;
use crate::oracle::Finding;
use crate::oracle::case::Case;
use crate::oracle::naive::json::{list, number, text};
use crate::oracle::naive::order::Order;

use super::told;

pub(super) fn examine(case: &Case<'_>, look: &Look, answer: &Value, finding: &mut Finding) {
    let (Some(age_s), Some(reason)) =
        (number(&look.body, "olderThanS"), text(&look.body, "reason"))
    else {
        return;
    };
    let age_us = age_s * 1_000_000;
    let only_says = look.body["dryRun"] == true;
    let right = answer["dryRun"] == only_says && answer["more"] == false;
    finding.expect(right, "something is shown as it is not", || told(look));
    let given_up: Vec<&str> = list(answer, "givenUp").iter().filter_map(Value::as_str).collect();
    for id in &given_up {
        let order = case.orders.get(*id);
        let right = order.is_some_and(|order| {
            let waited = if only_says { order.status == "pending" } else { failed(order, reason) };
            waited && !order.by_card && most_us(case, order, look) >= age_us
        });
        finding.expect(right, "an order was given up that is not old enough", || {
            format!("{id} is {:?}: {}", order.map(|order| order.status), told(look))
        });
    }
    let waits = |order: &&Order<'_>| {
        order.status == "pending" && !order.by_card && least_us(case, order, look) >= age_us
    };
    for order in case.orders.values().filter(waits) {
        let is_named = given_up.contains(&order.id);
        finding.expect(is_named, "an order that is old enough was not given up", || {
            format!("{}: {}", order.id, told(look))
        });
    }
}

/// Whether it was given up for this reason.
fn failed(order: &Order<'_>, reason: &str) -> bool {
    order.status == "failed" && order.reason == Some(reason)
}

/// How old an order can have been at the most for whoever swept, by whatever clock.
fn most_us(case: &Case<'_>, order: &Order<'_>, look: &Look) -> u64 {
    let placed_us = case.append_of(order.placed).map_or(0, |append| append.sent_at_us);
    look.ended_at_us.saturating_sub(placed_us) + case.clock_skew_us(&Machine::ALL)
}

/// And at the least; nothing, when nobody knows when it was placed.
fn least_us(case: &Case<'_>, order: &Order<'_>, look: &Look) -> u64 {
    let placed = case.append_of(order.placed);
    let by_us = placed.and_then(|append| append.acknowledged_at_us).unwrap_or(u64::MAX);
    look.sent_at_us.saturating_sub(by_us).saturating_sub(case.clock_skew_us(&Machine::ALL))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::Shown;
    use crate::evidence::Role;
    use crate::oracle::testing::{History, caught, clean};

    const CLEAN_UP: &str = "POST /saga/maintenance/cleanup-pending";
    const TOO_YOUNG: &str = "an order was given up that is not old enough";
    const TOO_OLD: &str = "an order that is old enough was not given up";

    /// One order waits to be paid elsewhere. It is swept up if it is older than so many seconds: so says the
    /// node, and so says the log.
    fn swept(external: bool, older_than_s: u64, (is_said, is_done): (bool, bool)) -> History {
        let mut history = History::good();
        let order = history.start_order(4, "key-4", "product-4");
        let mut latest = history.evidence.log.iter_mut().rev();
        let placed = latest.find(|entry| entry.event_type == "OrderPlaced");
        if external && let Some(placed) = placed {
            placed.payload["paymentKind"] = json!("external");
        }
        history.now_us += 90_000_000;
        if is_done {
            history.say(&format!("order-{order}"), "OrderFailed", json!({"reason": "a sweep"}));
        }
        let given_up = if is_said { vec![order] } else { Vec::new() };
        let body = json!({"dryRun": false, "givenUp": given_up, "more": false});
        history.look_at(Role::Admin, 0, None, CLEAN_UP, (200, body));
        let look = history.evidence.looks.last_mut().expect("a look");
        look.body = json!({"reason": "a sweep", "olderThanS": older_than_s});
        history
    }

    #[test]
    fn what_is_old_and_unpaid_is_given_up_and_nothing_else() {
        clean(&Shown, &swept(true, 60, (true, true)));
        clean(&Shown, &swept(true, 900, (false, false)));
        clean(&Shown, &swept(false, 60, (false, false)));
    }

    #[test]
    fn what_is_young_or_the_sagas_or_given_up_in_word_alone_is_caught() {
        caught(&Shown, &swept(true, 900, (true, true)), TOO_YOUNG);
        caught(&Shown, &swept(false, 60, (true, true)), TOO_YOUNG);
        caught(&Shown, &swept(true, 60, (true, false)), TOO_YOUNG);
    }

    #[test]
    fn what_is_old_and_left_is_caught() {
        caught(&Shown, &swept(true, 60, (false, false)), TOO_OLD);
    }
}
