//! One idempotency key, one saga, one answer (I10): a customer's requests under one key and with one body
//! all get the same order, exactly one of them as the first; another body gets 422; and in the log a key
//! stands for one order, as an order does for one refund.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::evidence::Call;
use crate::plan::{Operation, Planned};

use super::case::Case;
use super::naive::http::{Asks, answered, id};
use super::naive::json::text;
use super::{Finding, Oracle};

/// See the module.
#[derive(Debug)]
pub struct Idempotency;

impl Oracle for Idempotency {
    fn name(&self) -> &'static str {
        "idempotency"
    }

    fn is_due(&self, case: &Case<'_>) -> bool {
        case.starts_sagas()
    }

    fn examine(&self, case: &Case<'_>) -> Finding {
        let mut finding = Finding::default();
        let mut by_key: BTreeMap<(u32, &str), Vec<&Call>> = BTreeMap::new();
        for call in &case.evidence.calls {
            if let (Asks::PlaceOrder | Asks::StartSaga, Some(key)) =
                (Asks::of(call), call.key.as_deref())
            {
                by_key.entry((call.customer, key)).or_default().push(call);
            }
        }
        for ((customer, key), calls) in &by_key {
            examine_key(case, (*customer, key), calls, &mut finding);
        }
        examine_log(case, &mut finding);
        finding
    }
}

fn examine_key(
    case: &Case<'_>,
    (customer, key): (u32, &str),
    calls: &[&Call],
    finding: &mut Finding,
) {
    let detail = || {
        let shown = |call: &&Call| match &call.answer {
            Some(answer) => {
                let id = id(&answer.body).unwrap_or("-");
                format!("{} {id} replayed {}", answer.status, answer.replayed)
            }
            None => "no answer".to_owned(),
        };
        let answers: Vec<_> = calls.iter().map(shown).collect();
        format!("customer {customer}, key {key}: {}", answers.join("; "))
    };
    let made = || calls.iter().filter_map(|call| Some((*call, answered(call, 201)?)));
    let Some((first_call, first)) = made().next() else {
        examine_refused(calls, detail, finding);
        return;
    };
    let same_order = made().all(|(_, answer)| id(&answer.body) == id(&first.body));
    finding.expect(same_order, "one key was answered with two orders", detail);
    let same_body = made().all(|(call, _)| call.body == first_call.body);
    finding.expect(same_body, "one key was accepted for two requests", detail);
    // Who waits is told how far the order is by now.
    let at_once = made().filter(|(call, _)| asks_for_its_start(case, call));
    let told: Vec<_> = at_once.map(|(_, answer)| without_address(&answer.body)).collect();
    let same_answer = told.windows(2).all(|pair| pair[0] == pair[1]);
    finding.expect(same_answer, "one key was answered with one order in two ways", detail);
    let firsts = made().filter(|(_, answer)| !answer.replayed).count();
    finding.expect(firsts <= 1, "one key had two first answers", detail);
    // The first answer may have been lost on its way, and then only a repetition is seen.
    let lost = calls
        .iter()
        .any(|call| call.answer.is_none() || is_no_answer(call) || case.may_arrive_twice(call));
    finding.expect(firsts == 1 || lost, "a first answer was called a repetition", detail);
    let refused = |call: &&&Call| answered(call, 422).is_some();
    let own = calls.iter().filter(refused).any(|call| call.body == first_call.body);
    finding.expect(!own, "a repetition was refused as another request", detail);
}

/// Whether it places an order and does not wait for its end.
fn asks_for_its_start(case: &Case<'_>, call: &Call) -> bool {
    let planned = case.evidence.plan.operations.iter().find(|it| it.id == call.operation);
    let places = |it: &Planned| matches!(it.operation, Operation::PlaceOrder { wait_s: None, .. });
    Asks::of(call) == Asks::PlaceOrder && planned.is_some_and(places)
}

/// Whose address it is may have been forgotten since.
fn without_address(order: &Value) -> Value {
    let mut order = order.clone();
    if let Some(fields) = order.as_object_mut() {
        fields.remove("shippingAddress");
    }
    order
}

/// What a proxy or an overloaded node says: what was asked for may have happened all the same.
fn is_no_answer(call: &Call) -> bool {
    call.answer.as_ref().is_some_and(|answer| answer.status >= 500)
}

/// Nothing was accepted: then 422 needs a request with another body that may have been.
fn examine_refused(calls: &[&Call], detail: impl FnOnce() -> String, finding: &mut Finding) {
    let reused = calls.iter().filter(|call| is_reuse(call));
    let unknown = |body: &Value| {
        let open = |call: &&&Call| call.answer.is_none() || is_no_answer(call);
        calls.iter().filter(open).any(|call| call.body != *body)
    };
    let mut without_cause = reused.filter(|call| !unknown(&call.body));
    if let Some(call) = without_cause.next() {
        let what = "a key was called used though nobody had used it";
        finding.break_promise(what, format!("{}: {}", call.request, detail()));
    }
}

fn is_reuse(call: &Call) -> bool {
    answered(call, 422)
        .is_some_and(|answer| text(&answer.body, "error") == Some("IDEMPOTENCY_KEY_REUSED"))
}

fn examine_log(case: &Case<'_>, finding: &mut Finding) {
    let mut orders: BTreeMap<(&str, &str), &str> = BTreeMap::new();
    for order in case.orders.values() {
        let Some(key) = order.idempotency_key else { continue };
        let other = orders.insert((order.user, key), order.id);
        finding.expect(other.is_none(), "one key made two orders", || {
            format!("key {key} of {}: {other:?} and {}", order.user, order.id)
        });
    }
    let mut refunds: BTreeMap<&str, &str> = BTreeMap::new();
    for saga in case.sagas.values().filter(|saga| saga.saga_type == "order-refund") {
        let order = saga.input.get("terms").and_then(|terms| text(terms, "orderId"));
        let other = order.and_then(|order| refunds.insert(order, saga.id));
        finding.expect(other.is_none(), "one order has two refunds", || {
            format!("order {order:?}: {other:?} and {}", saga.id)
        });
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::fault::{Episode, Fault, Link};
    use crate::machine::Machine;
    use crate::oracle::testing::{History, caught, clean};

    #[test]
    fn a_repetition_that_gets_the_first_answer_is_right() {
        let finding = clean(&Idempotency, &History::good());
        assert!(finding.examined >= 15, "{}", finding.examined);
    }

    #[test]
    fn a_dedupe_record_that_was_lost_makes_a_second_order_and_is_caught() {
        let mut history = History::good();
        history.start_order(1, "key-1", "product-1");
        caught(&Idempotency, &history, "one key was answered with two orders");
        caught(&Idempotency, &history, "one key had two first answers");
        caught(&Idempotency, &history, "one key made two orders");
    }

    #[test]
    fn a_repetition_that_tells_something_else_is_caught() {
        let mut history = History::good();
        let order = history.orders[0].clone();
        history.place(1, "key-1", "product-1", &order, true);
        let places = |call: &&mut Call| call.customer == 1 && answered(call, 201).is_some();
        let last = history.evidence.calls.iter_mut().rfind(places).expect("it was placed");
        let answer = last.answer.as_mut().expect("it was answered");
        answer.body["status"] = json!("paid");
        caught(&Idempotency, &history, "one key was answered with one order in two ways");
    }

    #[test]
    fn a_first_answer_that_was_lost_may_be_repeated() {
        let mut history = History::good();
        let order = history.orders[0].clone();
        let first = history.evidence.calls.iter_mut().find(|call| call.customer == 1);
        first.expect("the first request").answer = None;
        history.place(1, "key-1", "product-1", &order, true);
        clean(&Idempotency, &history);
        history.evidence.calls.retain(|call| call.answer.is_some());
        caught(&Idempotency, &history, "a first answer was called a repetition");
    }

    #[test]
    fn a_request_that_the_balancer_sends_twice_may_have_its_first_answer_elsewhere() {
        let mut history = History::good();
        let first = history.evidence.calls.iter_mut().find(|call| call.customer == 1);
        let first = first.expect("the first request");
        first.to = Machine::Balancer;
        first.answer.as_mut().expect("it was answered").replayed = true;
        caught(&Idempotency, &history, "a first answer was called a repetition");
        let link = Link { from: Machine::Balancer, to: Machine::Node3 };
        let fault = Fault::Duplicate { link, percent: 30 };
        history.evidence.plan.episodes.push(Episode { id: 1, at_ms: 0, for_ms: 60_000, fault });
        clean(&Idempotency, &history);
    }

    #[test]
    fn another_body_under_a_key_is_refused_and_the_same_is_not() {
        let mut history = History::good();
        let problem = || Some((422, json!({"error": "IDEMPOTENCY_KEY_REUSED"})));
        history.call(1, "POST /orders", Some("key-1"), json!({"other": 1}), problem());
        clean(&Idempotency, &history);
        let body = history.evidence.calls[0].body.clone();
        history.call(1, "POST /orders", Some("key-1"), body.clone(), problem());
        caught(&Idempotency, &history, "a repetition was refused as another request");
        let mut history = History::good();
        history.call(1, "POST /orders", Some("fresh"), body, problem());
        caught(&Idempotency, &history, "a key was called used though nobody had used it");
    }

    #[test]
    fn a_key_that_accepts_two_bodies_is_caught() {
        let mut history = History::good();
        let order = history.orders[0].clone();
        history.place(1, "key-1", "product-7", &order, true);
        caught(&Idempotency, &history, "one key was accepted for two requests");
    }
}
