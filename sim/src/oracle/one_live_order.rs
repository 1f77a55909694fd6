//! One live order for a product (I12), or for a customer and a product when the plan says so: at every
//! position of the log, and for the time of the lock after an order was placed, which is as long as is
//! set ([`window`]). And who is told 409 is told the truth: the order that is named had the product.

mod window;

use std::collections::BTreeMap;

use crate::evidence::{Call, LogEntry};
use crate::machine::Machine;

use super::case::Case;
use super::claims::products;
use super::naive::http::{Asks, answered, code};
use super::naive::json::{list, text};
use super::naive::order::Order;
use super::{Finding, Oracle};

/// See the module.
#[derive(Debug)]
pub struct OneLiveOrder;

impl Oracle for OneLiveOrder {
    fn name(&self) -> &'static str {
        "one-live-order"
    }

    fn is_due(&self, case: &Case<'_>) -> bool {
        case.places_orders()
    }

    fn examine(&self, case: &Case<'_>) -> Finding {
        let mut finding = Finding::default();
        let latest_us = latest_times(case);
        let mut by_product: BTreeMap<String, Vec<&Order<'_>>> = BTreeMap::new();
        for order in case.orders.values() {
            for product in products(case, order) {
                by_product.entry(product).or_default().push(order);
            }
        }
        for (product, orders) in &mut by_product {
            orders.sort_by_key(|order| order.placed.position);
            finding.examined += orders.len() as u64;
            for pair in orders.windows(2) {
                examine_pair(product, pair[0], pair[1], &latest_us, &mut finding);
            }
        }
        for call in &case.evidence.calls {
            examine_conflict(case, call, &mut finding);
        }
        window::examine(case, &mut finding);
        finding
    }
}

/// The latest time that the store's clock has shown, for each position of the log.
fn latest_times(case: &Case<'_>) -> Vec<u64> {
    let times = case.evidence.log.iter().scan(0, |latest: &mut u64, entry| {
        *latest = entry.recorded_at_us.max(*latest);
        Some(*latest)
    });
    times.collect()
}

/// The later order came when the earlier one had ended and its lock had run out by the store's clock.
fn examine_pair(
    product: &str,
    earlier: &Order<'_>,
    later: &Order<'_>,
    latest_us: &[u64],
    finding: &mut Finding,
) {
    let at = later.placed.position;
    let detail =
        || format!("product {product}: order {} and at {at} order {}", earlier.id, later.id);
    let ended = earlier.settled.is_some_and(|settled| settled.position < at);
    if !ended {
        finding.break_promise("two live orders for one product", detail());
        return;
    }
    let place = usize::try_from(at).unwrap_or(usize::MAX).saturating_sub(1);
    let now_us = latest_us.get(place).copied().unwrap_or(u64::MAX);
    if now_us < earlier.locked_until_us {
        let until_us = earlier.locked_until_us;
        let detail = format!("{}: at {now_us} us, locked until {until_us} us", detail());
        finding.break_promise("an order came while its product was locked", detail);
    }
}

fn examine_conflict(case: &Case<'_>, call: &Call, finding: &mut Finding) {
    let Some(answer) = answered(call, 409).filter(|_| Asks::of(call) == Asks::PlaceOrder) else {
        return;
    };
    if code(answer) != Some("DUPLICATE_ORDER") {
        return;
    }
    finding.look();
    let existing = text(&answer.body, "existingOrderId").unwrap_or("");
    let product = text(&answer.body, "productId").unwrap_or("");
    let detail = || format!("customer {}: {}", call.customer, answer.body);
    let wanted =
        list(&call.body, "items").iter().any(|item| text(item, "productId") == Some(product));
    let Some(order) = case.orders.get(existing).filter(|order| order.products.contains(&product))
    else {
        finding.break_promise("a conflict with an order that never had the product", detail());
        return;
    };
    if !wanted {
        finding.break_promise("a conflict over a product that was not ordered", detail());
    }
    let placed = case.append_of(order.placed);
    if placed.is_some_and(|placed| placed.sent_at_us > call.ended_at_us) {
        finding.break_promise("a conflict with an order that was not there yet", detail());
    }
    if is_free(case, order, call.sent_at_us) {
        finding.break_promise("a conflict over a product that was free", detail());
    }
}

/// Whether an order's product was surely free at a moment: the order had ended, everybody could know it,
/// and its lock had run out on every clock.
fn is_free(case: &Case<'_>, order: &Order<'_>, at_us: u64) -> bool {
    let known = |event: &LogEntry| case.append_of(event)?.acknowledged_at_us;
    let (Some(placed_us), Some(settled_us)) = (known(order.placed), order.settled.and_then(known))
    else {
        return false;
    };
    let lock_us = case.evidence.plan.knobs.product_lock_ms * 1_000;
    let slack_us = case.clock_skew_us(&Machine::ALL) + 1_000_000;
    settled_us.max(placed_us + lock_us) + slack_us < at_us
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oracle::testing::{History, caught, clean};

    #[test]
    fn orders_one_after_the_other_are_right() {
        let mut history = History::good();
        clean(&OneLiveOrder, &history);
        history.now_us += 5_000_001;
        history.completed_order(1, "key-5", "product-1");
        clean(&OneLiveOrder, &history);
    }

    #[test]
    fn a_second_live_order_is_caught() {
        let mut history = History::good();
        history.start_order(1, "key-5", "product-5");
        history.now_us += 5_000_001;
        history.start_order(2, "key-6", "product-5");
        caught(&OneLiveOrder, &history, "two live orders for one product");
        history.evidence.plan.knobs.lock_per_customer = true;
        clean(&OneLiveOrder, &history);
    }

    #[test]
    fn a_product_that_is_freed_with_the_order_before_its_time_is_caught() {
        let mut history = History::good();
        history.start_order(1, "key-5", "product-1");
        caught(&OneLiveOrder, &history, "an order came while its product was locked");
    }

    #[test]
    fn a_conflict_names_an_order_that_had_the_product() {
        let mut history = History::good();
        history.conflict(4, "product-1", "nobody");
        caught(&OneLiveOrder, &history, "a conflict with an order that never had the product");
        let mut history = History::good();
        let other = history.orders[1].clone();
        history.conflict(4, "product-1", &other);
        caught(&OneLiveOrder, &history, "a conflict with an order that never had the product");
    }

    #[test]
    fn a_conflict_over_a_free_product_is_caught() {
        let mut history = History::good();
        history.now_us += 7_000_000;
        let first = history.orders[0].clone();
        history.conflict(4, "product-1", &first);
        caught(&OneLiveOrder, &history, "a conflict over a product that was free");
    }
}
