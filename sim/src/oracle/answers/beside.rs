//! What whoever placed an order is told beside the order: where it is, that its end was waited for, and the
//! id under which the log has what came of the request. A repetition has an id of its own, under which
//! nothing came of it.

use std::collections::BTreeMap;

use crate::oracle::Finding;
use crate::oracle::case::Case;
use crate::oracle::naive::http::{Asks, answered, id};
use crate::plan::{Operation, Planned};

use super::shown;

pub(super) fn examine(case: &Case<'_>, finding: &mut Finding) {
    let wait = |planned: &Planned| match planned.operation {
        Operation::PlaceOrder { wait_s, .. } => Some((planned.id, wait_s)),
        _ => None,
    };
    let waits: BTreeMap<u32, Option<u32>> =
        case.evidence.plan.operations.iter().filter_map(wait).collect();
    for call in case.evidence.calls.iter().filter(|call| Asks::of(call) == Asks::PlaceOrder) {
        // Without any of them nobody wrote down what was said.
        let answer = answered(call, 201).filter(|answer| !answer.said.is_empty());
        let order = answer.and_then(|answer| case.orders.get(id(&answer.body)?));
        let (Some(answer), Some(order)) = (answer, order) else { continue };
        let said = |name: &str| answer.said.get(name).map(String::as_str);
        let place = format!("/orders/{}", order.id);
        let detail = || format!("{:?}: {}", answer.said, shown(call));
        let is_there = said("location") == Some(place.as_str());
        finding.expect(is_there, "an order is not where its answer says", detail);
        if !answer.replayed {
            let logged = order.placed.correlation_id.as_str();
            let is_the_same = said("x-correlation-id") == Some(logged);
            let what = "an order is in the log under another id than its answer says";
            finding.expect(is_the_same, what, detail);
        }
        let Some(wait_s) = waits.get(&call.operation) else { continue };
        // Nobody waits for what is paid elsewhere.
        let granted = wait_s.filter(|_| order.by_card).map(|wait_s| format!("wait={wait_s}"));
        let is_granted = said("preference-applied") == granted.as_deref();
        finding.expect(is_granted, "an answer says wrongly whether it was waited for", detail);
    }
}

#[cfg(test)]
mod tests {
    use super::super::Answers;
    use super::*;
    use crate::evidence::{Answer, Call};
    use crate::oracle::testing::{History, caught, clean};

    const ELSEWHERE: &str = "an order is not where its answer says";
    const OTHER_ID: &str = "an order is in the log under another id than its answer says";
    const WAITED: &str = "an answer says wrongly whether it was waited for";

    /// The first answer says all that is right beside its order.
    fn told() -> History {
        let mut history = History::good();
        let order = history.orders[0].clone();
        say(&mut history, "location", &format!("/orders/{order}"));
        say(&mut history, "x-correlation-id", &format!("c-{order}"));
        history
    }

    fn answer(history: &mut History) -> &mut Answer {
        history.evidence.calls[0].answer.as_mut().expect("an answer")
    }

    fn say(history: &mut History, name: &str, value: &str) {
        answer(history).said.insert(name.to_owned(), value.to_owned());
    }

    fn wait(history: &mut History) {
        for planned in &mut history.evidence.plan.operations {
            if let Operation::PlaceOrder { wait_s, .. } = &mut planned.operation {
                *wait_s = Some(10);
            }
        }
    }

    #[test]
    fn what_is_said_beside_an_order_is_right() {
        clean(&Answers, &told());
        let mut history = told();
        say(&mut history, "x-correlation-id", "that of a repetition");
        answer(&mut history).replayed = true;
        clean(&Answers, &history);
    }

    #[test]
    fn an_order_that_is_elsewhere_or_has_another_id_is_caught() {
        let mut history = told();
        say(&mut history, "location", "/orders/another");
        caught(&Answers, &history, ELSEWHERE);
        let mut history = told();
        say(&mut history, "x-correlation-id", "another");
        caught(&Answers, &history, OTHER_ID);
        answer(&mut history).said.remove("x-correlation-id");
        caught(&Answers, &history, OTHER_ID);
    }

    #[test]
    fn a_wait_that_is_granted_is_said_to_be_and_no_other() {
        let mut history = told();
        say(&mut history, "preference-applied", "wait=10");
        caught(&Answers, &history, WAITED);
        let waited = || {
            let mut history = told();
            wait(&mut history);
            // The repetition is told how far the order is by now.
            let is_first = |call: &Call| call.answer.as_ref().is_none_or(|it| !it.replayed);
            history.evidence.calls.retain(is_first);
            history
        };
        caught(&Answers, &waited(), WAITED);
        let mut history = waited();
        say(&mut history, "preference-applied", "wait=10");
        clean(&Answers, &history);
    }
}
