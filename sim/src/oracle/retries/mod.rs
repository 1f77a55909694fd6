//! Calls stay within policy and budget (I9): each attempt was announced in the log and allowed by the policy, that
//! of the step where it has one of its own, with the policy's pauses ([`pauses`]), and all of them are made before
//! a person is asked ([`given_up`]); a node's repetitions are followed one by one against its budget ([`budget`]),
//! it has no more calls under way than places ([`places`]), does not go on calling who only fails ([`breaker`]),
//! heeds what it is told ([`said`]), waits for no call longer than it is to ([`waits`]), and epochs that the bank
//! saw as old have no effect.
//!
//! Calls are counted as they leave their node: the network and the bank make one arrive several times.

mod breaker;
mod bucket;
mod budget;
mod given_up;
mod pauses;
mod places;
mod said;
mod waits;

use std::collections::BTreeMap;

use crate::evidence::BankEffect;

use super::case::Case;
use super::naive::saga::Saga;
use super::naive::steps::{self, ATTEMPTS, Key};
use super::{Finding, Oracle};

/// See the module.
#[derive(Debug)]
pub struct Retries;

impl Oracle for Retries {
    fn name(&self) -> &'static str {
        "retries"
    }

    fn is_due(&self, case: &Case<'_>) -> bool {
        case.places_orders()
    }

    fn examine(&self, case: &Case<'_>) -> Finding {
        let mut finding = Finding::default();
        let calls = case.evidence.bank.iter().filter(|entry| entry.effect != BankEffect::Probed);
        let mut keys: BTreeMap<&str, &str> = BTreeMap::new();
        for call in calls {
            finding.look();
            keys.insert(&call.key, &call.order);
        }
        for (key, order) in keys {
            examine_key(case, key, order, &mut finding);
        }
        examine_sent(case, &mut finding);
        budget::examine(case, &mut finding);
        places::examine(case, &mut finding);
        breaker::examine(case, &mut finding);
        examine_attempts(case, &mut finding);
        pauses::examine(case, &mut finding);
        said::examine(case, &mut finding);
        waits::examine(case, &mut finding);
        examine_epochs(case, &mut finding);
        finding
    }
}

/// A call that the bank was asked for is one that its saga has.
fn examine_key(case: &Case<'_>, key: &str, order: &str, finding: &mut Finding) {
    let Some(parsed) = Key::parse(key) else {
        let detail = format!("{key} of order {order}");
        finding.break_promise("a key that is not saga, step and direction", detail);
        return;
    };
    let Some(saga) = case.sagas.get(parsed.saga) else { return };
    let names = steps::of(saga.saga_type).unwrap_or(&[]);
    if !names.is_empty() && !names.contains(&parsed.step) {
        finding.break_promise("a key of a step that its saga does not have", key);
    }
}

/// Under one epoch a key is called once for each announced attempt, and once more whenever another hand made the
/// owner look at the saga anew. What leaves a node is counted: what arrives others may have doubled.
fn examine_sent(case: &Case<'_>, finding: &mut Finding) {
    let mut sent: BTreeMap<(&str, u64), u64> = BTreeMap::new();
    for call in &case.evidence.sent {
        *sent.entry((&call.key, call.epoch)).or_default() += 1;
    }
    for ((key, epoch), count) in sent {
        let Some(parsed) = Key::parse(key) else { continue };
        let Some(saga) = case.sagas.get(parsed.saga) else { continue };
        let names = steps::of(saga.saga_type).unwrap_or(&[]);
        let place = names.iter().position(|name| *name == parsed.step);
        let Some(step) = place.and_then(|place| saga.steps.get(place)) else { continue };
        let most = step.attempt[usize::from(parsed.undoes)] + looks(saga);
        finding.expect(count <= most, "more calls than attempts were announced", || {
            format!("{key} under epoch {epoch}: {count} calls, at most {most}")
        });
    }
}

/// How often the owner of a saga may have had to look at it anew: events by another hand than before, and
/// what people asked for.
fn looks(saga: &Saga<'_>) -> u64 {
    let hands = saga.entries.windows(2).filter(|pair| pair[0].node != pair[1].node).count();
    let asked = saga.entries.iter().filter(|entry| entry.payload.get("actor").is_some()).count();
    let aborts = |entry: &&&crate::evidence::LogEntry| {
        matches!(entry.event_type.as_str(), "AbortRequested" | "SagaAborted")
    };
    (hands + asked + saga.entries.iter().filter(aborts).count()) as u64
}

/// No attempt beyond the policy's, but for what an operator allowed.
fn examine_attempts(case: &Case<'_>, finding: &mut Finding) {
    for saga in case.sagas.values() {
        let Some(allowed) = allowed(case, saga) else { continue };
        given_up::examine(saga, &allowed, finding);
        for (place, (step, allowed)) in saga.steps.iter().zip(allowed).enumerate() {
            // A pivot that is being settled is asked about for as long as it takes.
            let directions = if saga.pivot == Some(place) { 1..2 } else { 0..2 };
            for direction in directions {
                let made = step.attempt[direction].saturating_sub(step.forgiven[direction]);
                let most = allowed[direction];
                finding.expect(made <= most, "more attempts than the policy allows", || {
                    format!("saga {} step {place}: {made} attempts, at most {most}", saga.id)
                });
            }
        }
    }
}

/// How often each step of a saga may be tried to be done, and to be undone; none: its policy is not known.
fn allowed(case: &Case<'_>, saga: &Saga<'_>) -> Option<Vec<[u64; 2]>> {
    if steps::of(saga.saga_type).is_some() {
        return Some(vec![ATTEMPTS; saga.steps.len()]);
    }
    let shape = case.shape_of(saga.saga_type)?;
    let allowed = shape.steps.iter().map(|step| [step.attempts.into(), step.undo_attempts.into()]);
    Some(allowed.collect())
}

/// Nothing takes effect under an epoch that the bank had seen surpassed for the order.
fn examine_epochs(case: &Case<'_>, finding: &mut Finding) {
    let mut newest: BTreeMap<&str, u64> = BTreeMap::new();
    for entry in &case.evidence.bank {
        let Some(key) = Key::parse(&entry.key) else { continue };
        let newest = newest.entry(key.saga).or_default();
        let acts = matches!(entry.effect, BankEffect::Done | BankEffect::Tombstone);
        if acts && entry.epoch < *newest {
            let detail = format!("{} under {}, seen {newest}", entry.key, entry.epoch);
            finding.break_promise("a call under an older epoch took effect", detail);
        }
        if !matches!(entry.effect, BankEffect::Probed | BankEffect::TurnedAway) {
            *newest = entry.epoch.max(*newest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::{Power, PowerChange, SentCall};
    use crate::fate::Fate;
    use crate::fault::{Episode, Fault};
    use crate::machine::Machine;
    use crate::oracle::testing::{History, caught, clean};
    use crate::plan::Operation;

    #[test]
    fn a_call_for_each_attempt_is_right() {
        assert!(clean(&Retries, &History::good()).examined > 10);
    }

    #[test]
    fn a_call_that_nobody_announced_is_caught() {
        let sent = |times: u64| {
            let mut history = herd(1, 0, Some(200));
            let first = history.evidence.sent[0].clone();
            history.evidence.sent.extend((1..times).map(|number| {
                let sent_at_us = first.sent_at_us + number * 1_000_000;
                SentCall { sent_at_us, answer: Some((sent_at_us + 500, 200)), ..first.clone() }
            }));
            history
        };
        clean(&Retries, &sent(2));
        caught(&Retries, &sent(3), "more calls than attempts were announced");
    }

    #[test]
    fn calls_that_others_have_doubled_are_no_more_than_were_sent() {
        let mut history = herd(1, 0, Some(200));
        let key = history.evidence.sent[0].key.clone();
        let order = history.orders[0].clone();
        for _ in 0..4 {
            history.bank(&order, "authorize", &key, 500, BankEffect::Repeated);
        }
        clean(&Retries, &history);
    }

    /// So many sagas whose second attempts all leave at once, so long after they were announced.
    fn herd(sagas: u32, waited_us: u64, answer: Option<u16>) -> History {
        let mut history = History::good();
        let mut keys = Vec::new();
        for customer in 1..=sagas {
            let name = format!("{customer}-9");
            let order = history.start_order(customer, &name, &name);
            let retry = serde_json::json!({"step": 1, "direction": "action", "attempt": 2,
                "dueAtUs": 50_005, "cause": "lost", "atUs": 5});
            history.say(&format!("saga-{order}"), "RetryScheduled", retry);
            keys.push(format!("{order}/authorize_payment/action"));
        }
        history.now_us += waited_us;
        for key in keys {
            let sent_at_us = history.sent_now();
            let answer = answer.map(|status| (sent_at_us + 500, status));
            let (by, to) = (Machine::Node1, "bank".to_owned());
            history.evidence.sent.push(SentCall { by, to, key, epoch: 1, sent_at_us, answer });
        }
        history
    }

    #[test]
    fn a_retry_without_a_budget_is_caught() {
        const WHAT: &str = "more repetitions than the retry budget gives";
        // A hundred are saved up, and ten a second come meanwhile.
        clean(&Retries, &herd(90, 0, Some(503)));
        caught(&Retries, &herd(200, 0, Some(503)), WHAT);
        caught(&Retries, &herd(200, 0, None), WHAT);
        // Who waits behind an open breaker has been let go by the budget before.
        clean(&Retries, &herd(200, 12_000_000, Some(503)));
    }

    #[test]
    fn who_is_asked_again_behind_a_no_is_caught() {
        let asked_again = |cause: &str| {
            let mut history = History::good();
            let order = history.start_order(1, "key-9", "product-9");
            let retry = serde_json::json!({"step": 1, "direction": "action", "attempt": 2,
                "dueAtUs": 50_005, "cause": cause, "atUs": 5});
            history.say(&format!("saga-{order}"), "RetryScheduled", retry);
            history
        };
        clean(&Retries, &asked_again("status 503"));
        caught(
            &Retries,
            &asked_again("CARD_DECLINED: no money"),
            "who has said no was asked again",
        );
    }

    #[test]
    fn who_wants_to_be_left_alone_is() {
        let retried = |due_us: u64| {
            let mut history = History::good();
            let trip = crate::shape::tests::trip();
            let fate =
                Fate { busy: Some("mail".to_owned()), retry_after_s: Some(4), ..Fate::default() };
            let start = Operation::StartSaga {
                saga_type: "trip".to_owned(),
                key: 7,
                input: serde_json::json!({}),
                fate,
            };
            let mut planned = history.evidence.plan.operations[0].clone();
            planned.operation = start;
            history.evidence.plan.operations.push(planned);
            history.evidence.plan.sagas.push(trip);
            let order = history.start_order(1, "key-9", "product-9");
            let stream = format!("saga-{order}");
            let retry = serde_json::json!({"step": 3, "direction": "action", "attempt": 2,
                "dueAtUs": 5 + due_us, "cause": "status 429", "atUs": 5});
            history.say(&stream, "RetryScheduled", retry);
            for entry in history.evidence.log.iter_mut().filter(|entry| entry.stream == stream) {
                entry.correlation_id = crate::fate::correlation(7);
                if entry.event_type == "SagaStarted" {
                    entry.payload["sagaType"] = serde_json::json!("trip");
                }
            }
            history
        };
        clean(&Retries, &retried(4_000_000));
        caught(&Retries, &retried(3_999_999), "a repetition sooner than was asked for");
    }

    #[test]
    fn more_calls_at_once_than_places_are_caught() {
        let mut history = herd(20, 0, Some(200));
        history.evidence.plan.knobs.participant_calls_max = 8;
        clean(&Retries, &history);
        let end_us = history.now_us + 1_000_000;
        let calls = history.evidence.sent.iter_mut();
        calls.take(8).for_each(|call| call.answer = Some((end_us, 200)));
        caught(&Retries, &history, "more calls at once than a node may have");
        for call in &mut history.evidence.sent {
            call.answer = Some((call.sent_at_us, 200));
        }
        clean(&Retries, &history);
    }

    #[test]
    fn a_call_beside_itself_is_caught() {
        let twice = |waited_us: u64, epoch: u64| {
            let mut history = herd(1, 0, Some(200));
            let mut again = history.evidence.sent.last().expect("a call").clone();
            again.sent_at_us += waited_us;
            again.epoch = epoch;
            again.answer = None;
            history.evidence.sent.push(again);
            history
        };
        caught(&Retries, &twice(499, 1), "a call was made beside itself");
        clean(&Retries, &twice(500, 1));
        // Who takes a saga over does not know what the former owner still waits for.
        clean(&Retries, &twice(499, 2));
    }

    #[test]
    fn a_ramp_of_answered_retries_is_no_storm() {
        clean(&Retries, &herd(200, 0, Some(200)));
    }

    #[test]
    fn who_was_switched_on_has_a_full_budget() {
        let mut history = herd(200, 0, Some(503));
        let middle = history.evidence.sent[100].sent_at_us;
        let (machine, what) = (Machine::Node1, Power::Booted);
        history.evidence.power.push(PowerChange { at_us: middle, machine, what });
        clean(&Retries, &history);
    }

    #[test]
    fn a_key_for_each_attempt_is_caught() {
        let mut history = History::good();
        let order = history.orders[0].clone();
        let key = format!("{order}/capture_payment/action/2");
        history.bank(&order, "capture", &key, 500, BankEffect::Refused);
        caught(&Retries, &history, "a key that is not saga, step and direction");
    }

    #[test]
    fn attempts_beyond_the_policy_are_caught() {
        let mut history = History::good();
        let order = history.start_order(1, "key-9", "product-9");
        for attempt in 2..=25 {
            let retry = serde_json::json!({"step": 1, "direction": "action", "attempt": attempt,
                "dueAtUs": 9, "cause": "lost", "atUs": 5});
            history.say(&format!("saga-{order}"), "RetryScheduled", retry);
        }
        caught(&Retries, &history, "more attempts than the policy allows");
    }

    #[test]
    fn a_key_with_the_attempt_in_the_step_is_caught() {
        let mut history = History::good();
        let order = history.orders[0].clone();
        let key = format!("{order}/capture_payment-2/action");
        history.bank(&order, "capture", &key, 500, BankEffect::Refused);
        caught(&Retries, &history, "a key of a step that its saga does not have");
    }

    fn paused(percent: u64) -> History {
        let mut history = History::good();
        for customer in 1..=5 {
            let name = format!("{customer}-9");
            let order = history.start_order(customer, &name, &name);
            for attempt in 2..=24 {
                let pause_us = steps::longest_pause_us(attempt) * percent / 100;
                let retry = serde_json::json!({"step": 1, "direction": "action",
                    "attempt": attempt, "dueAtUs": 5 + pause_us, "cause": "lost", "atUs": 5});
                history.say(&format!("saga-{order}"), "RetryScheduled", retry);
            }
        }
        history
    }

    #[test]
    fn pauses_that_do_not_grow_are_caught() {
        clean(&Retries, &paused(45));
        caught(&Retries, &paused(0), "repetitions without the policy's pauses");
    }

    #[test]
    fn a_pause_that_was_asked_for_and_is_not_made_is_caught() {
        let turned_away = |pause_us: u64| {
            let mut history = History::good();
            let fault = Fault::BankThrottle { percent: 50, retry_after_s: 2 };
            history.evidence.plan.episodes.push(Episode { id: 1, at_ms: 0, for_ms: 10, fault });
            let order = history.start_order(1, "key-9", "product-9");
            let retry = serde_json::json!({"step": 1, "direction": "action", "attempt": 2,
                "dueAtUs": 5 + pause_us, "cause": "status 429", "atUs": 5});
            history.say(&format!("saga-{order}"), "RetryScheduled", retry);
            history
        };
        clean(&Retries, &turned_away(2_000_000));
        caught(&Retries, &turned_away(1_999_999), "a repetition sooner than was asked for");
    }

    #[test]
    fn an_old_epoch_that_takes_effect_is_caught() {
        let mut history = History::good();
        history.evidence.bank[0].epoch = 2;
        caught(&Retries, &history, "a call under an older epoch took effect");
    }
}
