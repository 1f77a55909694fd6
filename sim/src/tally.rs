//! What the clients of a run did and what became of it, counted: a batch in which nearly nothing or
//! nearly everything succeeds proves little.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::evidence::{AppendResult, Evidence, StoreWhat};
use crate::plan::Operation;

/// How an operation ended for its client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// Answered as wished: 2xx.
    Succeeded,
    /// Answered with a no: 4xx.
    Refused,
    /// Answered with a failure: 5xx.
    Failed,
    /// Never answered.
    Unanswered,
}

/// Counts of one run or of many.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Tally {
    /// By operation: how its last attempt ended. An operation that was never sent (its order was
    /// unknown) is not in it.
    pub outcomes: BTreeMap<String, BTreeMap<Outcome, u64>>,
    /// Requests by status; 0: no answer.
    pub statuses: BTreeMap<u16, u64>,
    /// Requests that were attempts after the first.
    pub repeated: u64,
    /// Requests to the store, of clients and nodes, by what came of them.
    pub store: BTreeMap<String, u64>,
}

impl Tally {
    /// Counts a run's calls.
    pub fn of(evidence: &Evidence) -> Self {
        let mut tally = Self::default();
        let mut ends: BTreeMap<u32, Outcome> = BTreeMap::new();
        for call in &evidence.calls {
            let status = call.answer.as_ref().map_or(0, |answer| answer.status);
            *tally.statuses.entry(status).or_default() += 1;
            let outcome = match status {
                0 => Outcome::Unanswered,
                200..=399 => Outcome::Succeeded,
                400..=499 => Outcome::Refused,
                _ => Outcome::Failed,
            };
            tally.repeated += u64::from(ends.insert(call.operation, outcome).is_some());
        }
        for call in &evidence.store_calls {
            *tally.store.entry(store_outcome(&call.what)).or_default() += 1;
        }
        for planned in &evidence.plan.operations {
            if let Some(outcome) = ends.get(&planned.id) {
                let name = name(&planned.operation).to_owned();
                *tally.outcomes.entry(name).or_default().entry(*outcome).or_default() += 1;
            }
        }
        tally
    }

    /// Adds another run's counts.
    pub fn add(&mut self, other: &Self) {
        for (name, outcomes) in &other.outcomes {
            let mine = self.outcomes.entry(name.clone()).or_default();
            for (outcome, count) in outcomes {
                *mine.entry(*outcome).or_default() += count;
            }
        }
        for (status, count) in &other.statuses {
            *self.statuses.entry(*status).or_default() += count;
        }
        for (outcome, count) in &other.store {
            *self.store.entry(outcome.clone()).or_default() += count;
        }
        self.repeated += other.repeated;
    }

    /// Operations that were sent.
    pub fn operations(&self) -> u64 {
        self.outcomes.values().flat_map(BTreeMap::values).sum()
    }

    /// Requests that were sent, of all attempts.
    pub fn requests(&self) -> u64 {
        self.statuses.values().sum()
    }

    /// How many of a hundred operations succeeded.
    pub fn success_percent(&self) -> u64 {
        let succeeded: u64 =
            self.outcomes.values().filter_map(|ends| ends.get(&Outcome::Succeeded)).sum();
        (succeeded * 100).checked_div(self.operations()).unwrap_or(0)
    }
}

fn store_outcome(what: &StoreWhat) -> String {
    let read = |events: &Option<_>| if events.is_some() { "read" } else { "read failed" };
    match what {
        StoreWhat::Append { result: AppendResult::Appended { .. }, .. } => "appended".to_owned(),
        StoreWhat::Append { result: AppendResult::Refused { why, .. }, .. } => why.clone(),
        StoreWhat::Append { result: AppendResult::Unknown, .. } => "outcome unknown".to_owned(),
        StoreWhat::ReadStream { events, .. } | StoreWhat::ReadAll { events, .. } => {
            read(events).to_owned()
        }
    }
}

/// The name of an operation's kind.
pub fn name(operation: &Operation) -> &'static str {
    match operation {
        Operation::PlaceOrder { .. } => "place order",
        Operation::StartSaga { .. } => "start saga",
        Operation::CancelOrder { .. } => "cancel order",
        Operation::ConfirmOrder { .. } => "confirm order",
        Operation::HandleOrder { .. } => "handle order",
        Operation::ReadOrder { .. } => "read order",
        Operation::ReadSaga { .. } => "read saga",
        Operation::TraceOrder { .. } => "trace order",
        Operation::ListOrders => "list orders",
        Operation::WalkList { .. } => "walk list",
        Operation::Operate { .. } => "operate",
        Operation::Rebuild { .. } => "rebuild",
        Operation::AskConsumer { .. } => "ask-consumer",
        Operation::Account { .. } => "account",
        Operation::ReadStream { .. } => "read stream",
        Operation::AppendList { .. } => "append to list",
        Operation::ReadList { .. } => "read list",
        Operation::ReadAll { .. } => "read log",
        Operation::HoldLock { .. } => "hold lock",
        Operation::OverstayLock { .. } => "overstay lock",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::evidence;

    #[test]
    fn an_operation_counts_once_by_its_last_attempt() {
        let mut run = evidence();
        let mut lost = run.calls[0].clone();
        lost.answer = None;
        run.calls.insert(0, lost);
        let tally = Tally::of(&run);
        assert_eq!((tally.operations(), tally.repeated, tally.success_percent()), (1, 1, 100));
        assert_eq!(tally.statuses, BTreeMap::from([(0, 1), (201, 1)]));
    }

    #[test]
    fn batches_add_up() {
        let one = Tally::of(&evidence());
        let mut both = one.clone();
        both.add(&one);
        assert_eq!((both.operations(), both.statuses[&201]), (2, 2));
    }

    #[test]
    fn nothing_done_is_no_success() {
        assert_eq!(Tally::default().success_percent(), 0);
    }
}
