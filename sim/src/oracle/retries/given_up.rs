//! No person is asked before a step was tried as often as its policy says, since a person had it tried last.
//!
//! What the saga says of that is held against the attempts that its log has.

use std::collections::BTreeMap;

use crate::oracle::Finding;
use crate::oracle::naive::json::number;
use crate::oracle::naive::saga::Saga;
use crate::oracle::naive::terms::{step_of, undoes};

/// `allowed`: by step, how often it may be done and undone.
pub(super) fn examine(saga: &Saga<'_>, allowed: &[[u64; 2]], finding: &mut Finding) {
    // The newest attempt, and how many of them a person's word has made up for.
    let mut made: BTreeMap<(usize, bool), [u64; 2]> = BTreeMap::new();
    for entry in &saga.entries {
        let Some(step) = step_of(entry) else { continue };
        let undoes = undoes(entry);
        let [newest, forgiven] = made.entry((step, undoes)).or_insert([1, 0]);
        let attempt = number(&entry.payload, "attempt").unwrap_or(*newest);
        match entry.event_type.as_str() {
            "RetryScheduled" | "RevocationRejected" => *newest = attempt,
            "RetryRequested" => (*newest, *forgiven) = (attempt, attempt.saturating_sub(1)),
            "SagaParked" => {
                let told = &entry.payload["reason"]["attemptsUsedUp"]["attempts"];
                let Some((told, allowed)) = told.as_u64().zip(allowed.get(step)) else { continue };
                let made = told.min(newest.saturating_sub(*forgiven));
                let wanted = allowed[usize::from(undoes)];
                finding.expect(made >= wanted, "given up before the policy's last attempt", || {
                    format!("saga {} at {}: {made} of {wanted}", saga.id, entry.position)
                });
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::oracle::naive::steps::{self, ATTEMPTS};
    use crate::oracle::retries::Retries;
    use crate::oracle::testing::{History, caught, clean};

    const WHAT: &str = "given up before the policy's last attempt";

    /// An order's payment was tried so often, and a person is asked, who is told of so many attempts.
    fn parked_after(made: u64, told: u64) -> (History, String) {
        let mut history = History::good();
        let order = history.start_order(1, "key-9", "product-9");
        let saga = format!("saga-{order}");
        try_on(&mut history, &saga, 2..=made);
        park(&mut history, &saga, told);
        (history, saga)
    }

    fn try_on(history: &mut History, saga: &str, attempts: std::ops::RangeInclusive<u64>) {
        for attempt in attempts {
            let due_at_us = 5 + steps::longest_pause_us((attempt - 1) % ATTEMPTS[0] + 1) / 2;
            let retry = json!({"step": 1, "direction": "action", "attempt": attempt,
                "dueAtUs": due_at_us, "cause": "lost", "atUs": 5});
            history.say(saga, "RetryScheduled", retry);
        }
    }

    fn park(history: &mut History, saga: &str, told: u64) {
        let reason = json!({"attemptsUsedUp": {"attempts": told, "cause": "lost"}});
        let parked = json!({"step": 1, "direction": "action", "atUs": 9,
            "reason": reason});
        history.say(saga, "SagaParked", parked);
    }

    #[test]
    fn a_person_who_is_asked_too_soon_is_caught() {
        let all = ATTEMPTS[0];
        clean(&Retries, &parked_after(all, all).0);
        caught(&Retries, &parked_after(all - 1, all - 1).0, WHAT);
        caught(&Retries, &parked_after(all - 1, all).0, WHAT);
        caught(&Retries, &parked_after(all, all - 1).0, WHAT);
    }

    #[test]
    fn what_a_person_has_tried_again_is_tried_as_often_once_more() {
        let all = ATTEMPTS[0];
        let again = |until: u64| {
            let (mut history, saga) = parked_after(all, all);
            let asked = json!({"step": 1, "direction": "action", "attempt": all + 1, "reason": "r",
                "actor": "a", "atUs": 10, "epoch": 1});
            history.say(&saga, "RetryRequested", asked);
            try_on(&mut history, &saga, all + 2..=until);
            park(&mut history, &saga, all);
            history
        };
        clean(&Retries, &again(2 * all));
        caught(&Retries, &again(2 * all - 1), WHAT);
        caught(&Retries, &again(all + 1), WHAT);
    }
}
