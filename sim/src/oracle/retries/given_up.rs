//! No person is asked before a step was tried as often as its policy says, since a person had it tried last.
//!
//! What the saga says of that is held against the attempts that its log has.

use crate::oracle::Finding;
use crate::oracle::naive::saga::Saga;
use crate::oracle::naive::terms::{step_of, undoes};

/// `allowed`: by step, how often it may be done and undone.
pub(super) fn examine(saga: &Saga<'_>, allowed: &[[u64; 2]], finding: &mut Finding) {
    let parked = saga.entries.iter().enumerate().filter(|(_, it)| it.event_type == "SagaParked");
    for (place, parked) in parked {
        let told = parked.payload["reason"]["attemptsUsedUp"]["attempts"].as_u64();
        let (Some(told), Some(step)) = (told, step_of(parked)) else { continue };
        let Some(then) = Saga::fold(saga.id, &saga.entries[..=place]) else { continue };
        let (Some(state), Some(allowed)) = (then.steps.get(step), allowed.get(step)) else {
            continue;
        };
        let direction = usize::from(undoes(parked));
        let made = state.attempt[direction].saturating_sub(state.forgiven[direction]).min(told);
        let wanted = allowed[direction];
        finding.expect(made >= wanted, "given up before the policy's last attempt", || {
            format!("saga {} at {}: {made} of {wanted}", saga.id, parked.position)
        });
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
        let parked = json!({"step": 1, "direction": "action", "atUs": 9, "reason": reason});
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
