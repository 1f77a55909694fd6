//! Who ships and delivers an order stands in its log: the merchant who asked for it. There is one, who is
//! known where they looked at something in their own name; nobody else may ask for it.

use std::collections::BTreeSet;

use crate::evidence::Role;
use crate::oracle::Finding;
use crate::oracle::case::Case;
use crate::oracle::naive::json::text;

pub(super) fn examine(case: &Case<'_>, finding: &mut Finding) {
    let looks = case.evidence.looks.iter().chain(&case.evidence.walks);
    let merchants = looks.filter(|look| look.who.role == Role::Merchant);
    let merchants: BTreeSet<&str> = merchants.map(|look| look.who.user.as_str()).collect();
    if merchants.is_empty() {
        return;
    }
    for order in case.orders.values() {
        let own = case.streams.get(format!("order-{}", order.id).as_str());
        let handled = own.into_iter().flatten();
        let handled =
            handled.filter(|it| matches!(&*it.event_type, "OrderShipped" | "OrderDelivered"));
        for entry in handled {
            let by = text(&entry.payload, "by");
            let known = by.is_some_and(|by| merchants.contains(by));
            finding.expect(known, "an order was handled by somebody who is no merchant", || {
                format!("order {}: {} by {by:?}", order.id, entry.event_type)
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::Answers;
    use crate::evidence::Role;
    use crate::oracle::testing::{History, caught, clean};

    fn handled(by: &Value) -> History {
        let mut history = History::good();
        let order = format!("order-{}", history.orders[0]);
        for event in ["OrderShipped", "OrderDelivered"] {
            history.say(&order, event, json!({ "by": by }));
        }
        history
    }

    #[test]
    fn an_order_that_its_customer_or_nobody_ships_is_caught() {
        let seen = |history: &mut History| {
            let nothing = (200, json!({ "payments": [] }));
            history.look_at(Role::Merchant, 0, None, "GET /payments?limit=1", nothing);
        };
        let mut right = handled(&json!("Merchant"));
        seen(&mut right);
        clean(&Answers, &right);
        for wrong in [json!("user-1"), Value::Null] {
            let mut history = handled(&wrong);
            clean(&Answers, &history);
            seen(&mut history);
            caught(&Answers, &history, "an order was handled by somebody who is no merchant");
        }
    }
}
