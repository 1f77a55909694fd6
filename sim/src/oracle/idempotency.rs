//! One idempotency key, one saga, one answer (I10): a customer's requests under one key and with one body
//! all get the same order, or the same saga of a user's, exactly one of them as the first; another body,
//! whatever it says otherwise, gets 422; nobody is refused because of the order that their own key stands
//! for; and in the log a key stands for one order, as an order does for one refund.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::evidence::Call;
use crate::plan::{Operation, Planned};

use super::case::Case;
use super::naive::http::{Asks, answered, code, id};
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
        let users = users(case);
        for ((customer, key), calls) in &by_key {
            examine_key(case, (*customer, key), calls, &mut finding);
            if let Some(user) = users.get(customer) {
                examine_conflicts(case, (user, key), calls, &mut finding);
            }
        }
        examine_log(case, &mut finding);
        finding
    }
}

/// Who the customers are, as far as an answer has said so.
fn users<'a>(case: &Case<'a>) -> BTreeMap<u32, &'a str> {
    let calls = case.evidence.calls.iter().filter(|call| Asks::of(call) == Asks::PlaceOrder);
    let told = calls.filter_map(|call| {
        let user = text(&answered(call, 201)?.body, "userId")?;
        Some((call.customer, user))
    });
    told.collect()
}

/// Whoever comes again under a key is told of the order that it stands for, or that it stands for another
/// request; never that this order holds a product. Which order that is says the log, so that it does not
/// matter whether its first answer ever came.
fn examine_conflicts(
    case: &Case<'_>,
    (user, key): (&str, &str),
    calls: &[&Call],
    finding: &mut Finding,
) {
    for call in calls {
        let refused = answered(call, 409).filter(|it| code(it) == Some("DUPLICATE_ORDER"));
        let named = refused.and_then(|it| text(&it.body, "existingOrderId"));
        let Some(order) = named.and_then(|named| case.orders.get(named)) else { continue };
        let is_own = order.user == user && order.idempotency_key == Some(key);
        finding.expect(!is_own, "a repetition was refused because of its own order", || {
            format!("customer {}, key {key}: order {}", call.customer, order.id)
        });
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
        examine_refused(case, calls, detail, finding);
        return;
    };
    examine_others(first_call, calls, finding);
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

/// Once an order is accepted another body under its key is refused as that, whatever else is wrong with it:
/// the key is looked at before the products that the order holds. What is no order at all, and whoever is not
/// let in or is to come again, never comes so far. A saga of a user's is started in the same way.
fn examine_others(first: &Call, calls: &[&Call], finding: &mut Finding) {
    let accepted = calls.iter().filter(|call| answered(call, 201).is_some());
    let accepted = accepted.filter(|call| call.body == first.body);
    let Some(known_at_us) = accepted.map(|call| call.ended_at_us).min() else { return };
    let later = |call: &&&Call| call.body != first.body && call.sent_at_us > known_at_us;
    for call in calls.iter().filter(later) {
        let Some(answer) = &call.answer else { continue };
        if matches!(answer.status, 200..=299 | 409 | 422) {
            finding.expect(is_reuse(call), "a used key was not called used", || {
                let (key, body) = (call.key.as_deref().unwrap_or("-"), &call.body);
                format!("customer {}, key {key}: {} to {body}", call.customer, answer.status)
            });
        }
    }
}

/// Nothing was accepted: then 422 needs a request with another body that may have been. It may as well when a
/// copy of it was refused: another copy may have come when that was over for which the first was refused.
fn examine_refused(
    case: &Case<'_>,
    calls: &[&Call],
    detail: impl FnOnce() -> String,
    finding: &mut Finding,
) {
    let reused = calls.iter().filter(|call| is_reuse(call));
    let unknown = |body: &Value| {
        let open = |call: &&&Call| {
            call.answer.is_none() || is_no_answer(call) || case.may_arrive_twice(call)
        };
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
    fn another_body_under_a_key_that_is_not_called_used_is_caught() {
        const WHAT: &str = "a used key was not called used";
        let first = History::good().evidence.calls[0].clone();
        let mut other = first.body.clone();
        other["items"][0]["quantity"] = json!(2);
        let asked = |status: u16, error: &str| {
            let mut history = History::good();
            let problem = Some((status, json!({"error": error})));
            history.call(1, "POST /orders", Some("key-1"), other.clone(), problem);
            history
        };
        clean(&Idempotency, &asked(422, "IDEMPOTENCY_KEY_REUSED"));
        caught(&Idempotency, &asked(409, "DUPLICATE_ORDER"), WHAT);
        for (status, error) in [(429, "TOO_MANY_REQUESTS"), (503, "UNAVAILABLE"), (400, "INVALID")]
        {
            clean(&Idempotency, &asked(status, error));
        }
        let mut early = asked(409, "DUPLICATE_ORDER");
        let last = early.evidence.calls.last_mut().expect("it was asked");
        last.sent_at_us = first.sent_at_us;
        clean(&Idempotency, &early);
        let mut accepted = asked(201, "");
        let last = accepted.evidence.calls.last_mut().expect("it was asked");
        last.answer = first.answer;
        caught(&Idempotency, &accepted, WHAT);
        caught(&Idempotency, &accepted, "one key was accepted for two requests");
    }

    #[test]
    fn another_trip_under_a_key_that_is_not_called_used_is_caught() {
        const WHAT: &str = "a used key was not called used";
        let asked = |again: u64, status: u16, body: Value| {
            let mut history = History::good();
            let trip = |nights: u64| json!({"sagaType": "trip", "data": {"nights": nights}});
            let started = Some((201, json!({"id": "trip-1"})));
            history.call(0, "POST /sagas", Some("start-7"), trip(3), started);
            let call =
                history.call(0, "POST /sagas", Some("start-7"), trip(again), Some((status, body)));
            call.answer.as_mut().expect("it was answered").replayed = status == 201;
            history
        };
        let first = || json!({"id": "trip-1"});
        let reused = || json!({"error": "IDEMPOTENCY_KEY_REUSED"});
        clean(&Idempotency, &asked(3, 201, first()));
        clean(&Idempotency, &asked(4, 422, reused()));
        clean(&Idempotency, &asked(4, 503, json!({"error": "UNAVAILABLE"})));
        caught(&Idempotency, &asked(4, 201, first()), WHAT);
        caught(&Idempotency, &asked(4, 201, first()), "one key was accepted for two requests");
        caught(&Idempotency, &asked(4, 409, json!({"error": "STATE_FORBIDS"})), WHAT);
        caught(
            &Idempotency,
            &asked(3, 422, reused()),
            "a repetition was refused as another request",
        );
    }

    #[test]
    fn a_copy_of_what_was_refused_may_have_used_the_key() {
        let mut history = History::good();
        let products = json!({"items": [{"productId": "product-1"}]});
        let taken = Some((409, json!({"error": "DUPLICATE_ORDER"})));
        history.call(1, "POST /orders", Some("fresh"), products, taken);
        let problem = Some((422, json!({"error": "IDEMPOTENCY_KEY_REUSED"})));
        history.call(1, "POST /orders", Some("fresh"), json!({"other": 1}), problem);
        caught(&Idempotency, &history, "a key was called used though nobody had used it");
        let link = Link { from: Machine::Balancer, to: Machine::Node3 };
        let fault = Fault::Duplicate { link, percent: 30 };
        history.evidence.plan.episodes.push(Episode { id: 1, at_ms: 0, for_ms: 60_000, fault });
        clean(&Idempotency, &history);
    }

    #[test]
    fn a_repetition_that_is_refused_because_of_its_own_order_is_caught() {
        const WHAT: &str = "a repetition was refused because of its own order";
        let refused = |customer: u32, key: &str, of: usize| {
            let mut history = History::good();
            let problem = json!({"error": "DUPLICATE_ORDER", "existingOrderId": history.orders[of],
                "productId": "product-1"});
            let body = history.evidence.calls[0].body.clone();
            history.call(customer, "POST /orders", Some(key), body, Some((409, problem)));
            history
        };
        caught(&Idempotency, &refused(1, "key-1", 0), WHAT);
        // The first answer was lost, and who that is is known by another order.
        let mut lost = refused(1, "key-1", 0);
        let placed = lost.evidence.calls.iter_mut().filter(|it| answered(it, 201).is_some());
        placed.filter(|it| it.customer == 1).for_each(|call| call.answer = None);
        lost.completed_order(1, "key-9", "product-9");
        caught(&Idempotency, &lost, WHAT);
        // Others may use the same words, and another order may hold the product.
        clean(&Idempotency, &refused(2, "key-1", 0));
        clean(&Idempotency, &refused(1, "fresh", 0));
        clean(&Idempotency, &refused(1, "fresh", 1));
        // Nobody knows who this is.
        clean(&Idempotency, &refused(9, "key-1", 0));
    }

    #[test]
    fn a_key_that_accepts_two_bodies_is_caught() {
        let mut history = History::good();
        let order = history.orders[0].clone();
        history.place(1, "key-1", "product-7", &order, true);
        caught(&Idempotency, &history, "one key was accepted for two requests");
    }
}
