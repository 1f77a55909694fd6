//! What a saga does to an aggregate of the node's own store is done once, in the append of the step that does
//! it, and was decided on what the aggregate really was. Accounts are looked at, to which many trips add: each
//! event says what its account comes to.

use std::collections::BTreeMap;

use crate::evidence::LogEntry;
use crate::plan::Operation;

use super::case::Case;
use super::naive::json::{number, text};
use super::naive::saga::End;
use super::{Finding, Oracle};

/// The sagas that do it.
const TRIP: &str = "trip";

/// See the module.
#[derive(Debug)]
pub struct Aggregates;

impl Oracle for Aggregates {
    fn name(&self) -> &'static str {
        "aggregates"
    }

    fn is_due(&self, case: &Case<'_>) -> bool {
        let trip = |operation: &Operation| match operation {
            Operation::StartSaga { saga_type, .. } => saga_type == TRIP,
            _ => false,
        };
        let trips = case.sagas.values().any(|saga| saga.saga_type == TRIP);
        // Beside the orders trips are the simulation's own: what a user calls so is the user's.
        case.places_orders() && case.plans(trip) && trips
    }

    fn examine(&self, case: &Case<'_>) -> Finding {
        let mut finding = Finding::default();
        if !self.is_due(case) {
            return finding;
        }
        let mut added: BTreeMap<&str, u64> = BTreeMap::new();
        let accounts = case.streams.range("account-"..);
        for (account, entries) in accounts.take_while(|(name, _)| name.starts_with("account-")) {
            examine_account(account, entries, &mut finding);
            for entry in entries {
                *added.entry(text(&entry.payload, "trip").unwrap_or("")).or_default() += 1;
            }
        }
        for saga in case.sagas.values().filter(|saga| saga.saga_type == TRIP) {
            let times = added.remove(saga.id).unwrap_or(0);
            let detail = || format!("saga {}: {times} times", saga.id);
            finding.expect(times <= 1, "a step acted on an aggregate more than once", detail);
            let wanted = match saga.end {
                Some(End::Completed) => saga.is_overruled || times == 1,
                Some(End::Compensated) => times == 0,
                None => true,
            };
            finding.expect(wanted, "an aggregate does not have what its saga did", detail);
        }
        for (trip, _) in added {
            let what = "an aggregate has what no saga did";
            finding.break_promise(what, format!("saga {trip}"));
        }
        finding
    }
}

/// Each event goes on from the one before it.
fn examine_account(account: &str, entries: &[&LogEntry], finding: &mut Finding) {
    let (mut total, mut trips) = (0, 0);
    for entry in entries {
        total += number(&entry.payload, "miles").unwrap_or(0);
        trips += 1;
        let said = (number(&entry.payload, "total"), number(&entry.payload, "trips"));
        finding.expect(
            said == (Some(total), Some(trips)),
            "an event was decided on a state that its aggregate never had",
            || format!("{account} at {}: {said:?}, is {total} and {trips}", entry.position),
        );
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::fate::Fate;
    use crate::machine::Machine;
    use crate::oracle::testing::{History, caught, clean};
    use crate::plan::Planned;

    fn trips() -> History {
        let mut history = History::good();
        let operation = Operation::StartSaga {
            saga_type: TRIP.to_owned(),
            key: 1,
            input: Value::Null,
            fate: Fate::default(),
        };
        let (id, at_ms, customer, to) = (900, 0, 0, Machine::Balancer);
        let planned = Planned { id, at_ms, customer, to, gives_up_after_ms: None, operation };
        history.evidence.plan.operations.push(planned);
        for (trip, total) in [("t1", 100), ("t2", 300)] {
            let started =
                json!({"sagaType": TRIP, "steps": 0, "pivot": 9, "input": {}, "epoch": 1});
            history.say(&format!("saga-{trip}"), "SagaStarted", started);
            add(&mut history, trip, if total == 100 { 100 } else { 200 }, total);
            history.say(&format!("saga-{trip}"), "SagaCompleted", json!({}));
        }
        history
    }

    fn add(history: &mut History, trip: &str, miles: u64, total: u64) {
        let trips = if total == 100 { 1 } else { 2 };
        let payload = json!({"trip": trip, "miles": miles, "total": total, "trips": trips});
        history.say("account-1", "MilesAdded", payload);
    }

    #[test]
    fn each_trip_once_on_top_of_the_other_is_right() {
        assert!(clean(&Aggregates, &trips()).examined >= 6);
    }

    #[test]
    fn what_a_user_calls_a_trip_and_an_account_is_the_users() {
        let mut history = trips();
        add(&mut history, "t1", 100, 700);
        let is_start = |it: &Planned| matches!(it.operation, Operation::StartSaga { .. });
        history.evidence.plan.operations.retain(is_start);
        assert_eq!(Aggregates.examine(&Case::new(&history.evidence)), Finding::default());
    }

    #[test]
    fn a_state_that_never_was_is_caught() {
        let mut history = trips();
        let last = history.evidence.log.iter_mut().rfind(|entry| entry.stream == "account-1");
        last.expect("it was added").payload["total"] = json!(200);
        caught(
            &Aggregates,
            &history,
            "an event was decided on a state that its aggregate never had",
        );
    }

    #[test]
    fn what_is_done_twice_or_not_at_all_is_caught() {
        let mut history = trips();
        add(&mut history, "t2", 200, 500);
        caught(&Aggregates, &history, "a step acted on an aggregate more than once");
        let mut history = trips();
        history.evidence.log.retain(|entry| entry.stream != "account-1");
        caught(&Aggregates, &history, "an aggregate does not have what its saga did");
    }
}
