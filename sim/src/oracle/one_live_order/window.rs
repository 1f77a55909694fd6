//! For how long an order keeps its products at least: for the time that is set, counted from when the
//! order was decided.
//!
//! That moment is nowhere in the log, but it lies between two others: an order is decided no earlier
//! than somebody asked for it, and its event is recorded behind that, and before it is acknowledged.
//! So from the event's own time to the lock's end it is never more than what is set, and less by no
//! more than the time from the request to the acknowledgement, but for what the clocks of the node
//! and the store disagree in.

use std::collections::BTreeMap;

use crate::evidence::Call;
use crate::machine::Machine;
use crate::oracle::Finding;
use crate::oracle::case::Case;
use crate::oracle::naive::http::{Asks, answered, id};
use crate::oracle::naive::order::Order;

/// The store may look at its clock once for several appends.
const SLACK_US: i128 = 20_000;

/// Every order that somebody was answered with.
pub(super) fn examine(case: &Case<'_>, finding: &mut Finding) {
    let asked = Asked::of(case);
    for order in case.orders.values() {
        if let Some(asked_us) = asked.at_us(order) {
            examine_order(case, order, asked_us, finding);
        }
    }
}

/// `asked_us`: it was not decided before this moment of the world's time.
fn examine_order(case: &Case<'_>, order: &Order<'_>, asked_us: u64, finding: &mut Finding) {
    let Some(append) = case.append_of(order.placed) else { return };
    let Some(acknowledged_us) = append.acknowledged_at_us else { return };
    let set_us = i128::from(case.evidence.plan.knobs.product_lock_ms) * 1_000;
    let skew_us = i128::from(case.clock_skew_us(&[append.by, Machine::Store])) + SLACK_US;
    let took_us = i128::from(acknowledged_us.saturating_sub(asked_us));
    let locked_us = i128::from(order.locked_until_us) - i128::from(order.placed.recorded_at_us);
    let detail = || {
        let id = order.id;
        format!("order {id}: for {locked_us} us, set are {set_us} us; placed within {took_us} us")
    };
    let is_short = locked_us < set_us - took_us - skew_us;
    finding.expect(!is_short, "an order locks its products for less than is set", detail);
    let is_long = locked_us > set_us + skew_us;
    finding.expect(!is_long, "an order locks its products for longer than is set", detail);
}

/// The requests that placed orders.
#[derive(Default)]
struct Asked<'a> {
    /// For each order the first request that was answered with it.
    answered: BTreeMap<&'a str, &'a Call>,
    /// When a customer first sent a request under a key.
    first_us: BTreeMap<(u32, &'a str), u64>,
}

impl<'a> Asked<'a> {
    fn of(case: &Case<'a>) -> Self {
        let mut asked = Self::default();
        let calls = case.evidence.calls.iter();
        for call in calls.filter(|call| Asks::of(call) == Asks::PlaceOrder) {
            if let Some(key) = call.key.as_deref() {
                let first_us = asked.first_us.entry((call.customer, key)).or_insert(u64::MAX);
                *first_us = call.sent_at_us.min(*first_us);
            }
            if let Some(order) = answered(call, 201).and_then(|answer| id(&answer.body)) {
                let first = asked.answered.entry(order).or_insert(call);
                if call.sent_at_us < first.sent_at_us {
                    *first = call;
                }
            }
        }
        asked
    }

    /// When an order was first asked for, by whichever request placed it; none: nobody can tell.
    fn at_us(&self, order: &Order<'_>) -> Option<u64> {
        let call = self.answered.get(order.id)?;
        match call.key.as_deref() {
            key if key != order.idempotency_key => None,
            Some(key) => self.first_us.get(&(call.customer, key)).copied(),
            None => Some(call.sent_at_us),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::fault::{Episode, Fault};
    use crate::machine::Machine;
    use crate::oracle::one_live_order::OneLiveOrder;
    use crate::oracle::testing::{History, caught, clean};

    const SHORT: &str = "an order locks its products for less than is set";
    const LONG: &str = "an order locks its products for longer than is set";

    /// The first order's lock ends this much behind the moment at which it was recorded.
    fn locked_for(history: &mut History, us: u64) {
        let placed = history.evidence.log.iter_mut().find(|it| it.event_type == "OrderPlaced");
        let placed = placed.expect("an order was placed");
        placed.payload["lockedUntilUs"] = json!(placed.recorded_at_us + us);
    }

    fn step_clock(history: &mut History, machine: Machine) {
        let fault = Fault::ClockStep { machine, step_ms: 2_000 };
        history.evidence.plan.episodes.push(Episode { id: 1, at_ms: 0, for_ms: 1, fault });
    }

    #[test]
    fn a_lock_for_half_the_time_is_caught() {
        let mut history = History::good();
        locked_for(&mut history, 2_500_000);
        caught(&OneLiveOrder, &history, SHORT);
        locked_for(&mut history, 4_990_000);
        clean(&OneLiveOrder, &history);
    }

    #[test]
    fn a_lock_for_too_long_is_caught() {
        let mut history = History::good();
        locked_for(&mut history, 5_100_000);
        caught(&OneLiveOrder, &history, LONG);
    }

    #[test]
    fn what_is_recorded_late_is_locked_for_less_behind_that() {
        let mut history = History::good();
        locked_for(&mut history, 2_500_000);
        for call in &mut history.evidence.store_calls {
            call.ended_at_us += 3_000_000;
        }
        clean(&OneLiveOrder, &history);
    }

    #[test]
    fn a_request_whose_answer_was_lost_may_have_placed_the_order() {
        let mut history = History::empty();
        history.now_us = 10_000_000;
        history.start_order(1, "key-1", "product-1");
        locked_for(&mut history, 2_500_000);
        caught(&OneLiveOrder, &history, SHORT);
        let mut lost = history.evidence.calls[0].clone();
        (lost.sent_at_us, lost.answer) = (7_000_000, None);
        history.evidence.calls.push(lost);
        clean(&OneLiveOrder, &history);
    }

    #[test]
    fn clocks_that_may_disagree_are_allowed_for() {
        let mut history = History::good();
        locked_for(&mut history, 2_500_000);
        step_clock(&mut history, Machine::Node2);
        caught(&OneLiveOrder, &history, SHORT);
        step_clock(&mut history, Machine::Store);
        clean(&OneLiveOrder, &history);
    }

    #[test]
    fn an_order_that_nobody_was_answered_with_is_left_out() {
        let mut history = History::good();
        locked_for(&mut history, 2_500_000);
        history.evidence.calls.clear();
        clean(&OneLiveOrder, &history);
    }
}
