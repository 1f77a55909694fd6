//! What an operator was told is done to a saga is in the saga's log: as many events of a verb as there were
//! acknowledgements, since each was carried out once. What became of a step that somebody decided on is what
//! they said.

use std::collections::BTreeMap;

use crate::evidence::{Call, LogEntry};
use crate::oracle::Finding;
use crate::oracle::case::Case;
use crate::oracle::naive::http::answered;
use crate::oracle::naive::json::text;

pub(super) fn examine(case: &Case<'_>, finding: &mut Finding) {
    let mut told: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for call in case.evidence.calls.iter().filter(|call| answered(call, 200).is_some()) {
        if let Some(asked) = asked(call) {
            *told.entry(asked).or_default() += 1;
        }
    }
    for ((saga, verb), told) in told {
        let entries = case.sagas.get(saga).map_or(&[][..], |saga| &saga.entries);
        let logged = (0..entries.len()).filter(|at| says(&entries[*at..], verb)).count();
        finding.expect(told <= logged, "an operator's verb was acknowledged and lost", || {
            format!("saga {saga}: {verb} acknowledged {told} times, {logged} in the log")
        });
    }
}

/// The saga and the verb.
fn asked(call: &Call) -> Option<(&str, &str)> {
    let path = call.request.strip_prefix("POST /saga/")?;
    let (verb, saga) = path.split_once('/')?;
    let verb = match (verb, text(&call.body, "outcome")) {
        ("resolve", Some("succeeded")) => "resolve as succeeded",
        ("resolve", Some("rejected")) => "resolve as rejected",
        _ => verb,
    };
    (!saga.contains('/')).then_some((saga, verb))
}

/// Whether the first of these events is what this verb leaves. A retry leaves one for each step that waited.
fn says(entries: &[&LogEntry], verb: &str) -> bool {
    let Some(entry) = entries.first() else { return false };
    let next = || entries.get(1).map_or("", |next| &*next.event_type);
    let by_operator = || entry.payload["reason"].get("operator").is_some();
    match verb {
        "pause" => entry.event_type == "SagaPaused",
        "resume" => entry.event_type == "SagaResumed",
        "skip" => entry.event_type == "StepSkipped",
        "resolve as succeeded" => {
            let ends = ["StepSucceeded", "CompensationSucceeded"];
            entry.event_type == "StepResolved" && ends.contains(&next())
        }
        "resolve as rejected" => {
            let ends = ["StepRejected", "RevocationRejected"];
            entry.event_type == "StepResolved" && ends.contains(&next())
        }
        "resolve" => entry.event_type == "StepResolved",
        "retry" => matches!(entry.event_type.as_str(), "RetryRequested" | "SagaUnparked"),
        "compensate" => {
            matches!(entry.event_type.as_str(), "AbortRequested" | "SagaAborted") && by_operator()
        }
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::Answers;
    use crate::oracle::testing::{History, caught, clean};

    const WHAT: &str = "an operator's verb was acknowledged and lost";

    fn told(history: &mut History, saga: &str, verb: &str) {
        let request = format!("POST /saga/{verb}/{saga}");
        history.call(0, &request, None, Value::Null, Some((200, json!({"id": saga}))));
    }

    #[test]
    fn a_verb_that_is_in_the_log_was_done() {
        let mut history = History::good();
        let saga = history.start_order(1, "key-9", "product-9");
        let by = json!({"reason": "r", "actor": "a", "atUs": 5});
        for (verb, event) in [("pause", "SagaPaused"), ("resume", "SagaResumed")] {
            history.say(&format!("saga-{saga}"), event, by.clone());
            told(&mut history, &saga, verb);
        }
        clean(&Answers, &history);
        let why = json!({"reason": {"operator": {"reason": "r", "actor": "a"}}, "atUs": 5});
        history.say(&format!("saga-{saga}"), "SagaAborted", why);
        told(&mut history, &saga, "compensate");
        clean(&Answers, &history);
        told(&mut history, &saga, "pause");
        caught(&Answers, &history, WHAT);
    }

    #[test]
    fn a_step_that_is_decided_on_otherwise_is_caught() {
        for (outcome, end) in [("succeeded", "StepSucceeded"), ("rejected", "StepRejected")] {
            let resolved = |end: &'static str| {
                let mut history = History::good();
                let saga = history.start_order(1, "key-9", "product-9");
                let by = json!({"step": 1, "direction": "action", "reason": "r", "actor": "a"});
                history.say(&format!("saga-{saga}"), "StepResolved", by);
                history.say(&format!("saga-{saga}"), end, json!({"step": 1, "atUs": 5}));
                let request = format!("POST /saga/resolve/{saga}");
                let answer = Some((200, json!({"id": saga})));
                history.call(0, &request, None, json!({ "outcome": outcome }), answer);
                history
            };
            clean(&Answers, &resolved(end));
            let other = if end == "StepRejected" { "StepSucceeded" } else { "StepRejected" };
            caught(&Answers, &resolved(other), WHAT);
        }
    }

    #[test]
    fn a_verb_that_left_nothing_is_caught() {
        for verb in ["pause", "resume", "skip", "resolve", "retry", "compensate"] {
            let mut history = History::good();
            let saga = history.orders[0].clone();
            told(&mut history, &saga, verb);
            caught(&Answers, &history, WHAT);
        }
    }
}
