//! What an operator was told is done to a saga is in the saga's log: as many events of a verb as there were
//! acknowledgements, since each was carried out once.

use std::collections::BTreeMap;

use crate::evidence::{Call, LogEntry};
use crate::oracle::Finding;
use crate::oracle::case::Case;
use crate::oracle::naive::http::answered;

pub(super) fn examine(case: &Case<'_>, finding: &mut Finding) {
    let mut told: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for call in case.evidence.calls.iter().filter(|call| answered(call, 200).is_some()) {
        if let Some(asked) = asked(call) {
            *told.entry(asked).or_default() += 1;
        }
    }
    for ((saga, verb), told) in told {
        let entries = case.sagas.get(saga).map_or(&[][..], |saga| &saga.entries);
        let logged = entries.iter().filter(|entry| says(entry, verb)).count();
        finding.expect(told <= logged, "an operator's verb was acknowledged and lost", || {
            format!("saga {saga}: {verb} acknowledged {told} times, {logged} in the log")
        });
    }
}

/// The saga and the verb.
fn asked(call: &Call) -> Option<(&str, &str)> {
    let path = call.request.strip_prefix("POST /saga/")?;
    let (verb, saga) = path.split_once('/')?;
    (!saga.contains('/')).then_some((saga, verb))
}

/// Whether an event is what this verb leaves. A retry leaves one for each step that waited.
fn says(entry: &LogEntry, verb: &str) -> bool {
    let by_operator = || entry.payload["reason"].get("operator").is_some();
    match verb {
        "pause" => entry.event_type == "SagaPaused",
        "resume" => entry.event_type == "SagaResumed",
        "skip" => entry.event_type == "StepSkipped",
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
    fn a_verb_that_left_nothing_is_caught() {
        for verb in ["pause", "resume", "skip", "resolve", "retry", "compensate"] {
            let mut history = History::good();
            let saga = history.orders[0].clone();
            told(&mut history, &saga, verb);
            caught(&Answers, &history, WHAT);
        }
    }
}
