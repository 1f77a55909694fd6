//! What must hold of a user's log when everything is done. No oracle knows what local steps are to do: only
//! whoever wrote them does.

#[cfg(madsim)]
use crate::evidence::Evidence;
use crate::evidence::LogEntry;
#[cfg(madsim)]
use crate::oracle::case::Case;
#[cfg(madsim)]
use crate::oracle::{Finding, recoverable};
#[cfg(madsim)]
use crate::verdict::{Signature, Verdict};

/// Its name among the oracles.
#[cfg(madsim)]
pub(super) const ORACLE: &str = "invariant";

/// Says whether it holds, or why not.
type Holds = dyn Fn(&[LogEntry]) -> Result<(), String>;

/// Something that must hold.
#[cfg_attr(not(madsim), allow(dead_code, reason = "it is the other build that judges"))]
pub(super) struct Invariant {
    name: String,
    holds: Box<Holds>,
}

impl Invariant {
    /// This must hold.
    pub(super) fn new(
        name: &str,
        holds: impl Fn(&[LogEntry]) -> Result<(), String> + 'static,
    ) -> Self {
        Self { name: name.to_owned(), holds: Box::new(holds) }
    }
}

/// Judges a world in which every saga came to its end and no operator declared one done or not done; any
/// other it does not examine.
#[cfg(madsim)]
pub(super) fn judge(invariants: &[Invariant], evidence: &Evidence) -> Finding {
    let mut finding = Finding::default();
    if !is_done(evidence) {
        return finding;
    }
    for Invariant { name, holds } in invariants {
        finding.look();
        if let Err(why) = holds(&evidence.log) {
            finding.break_promise(name, why);
        }
    }
    finding
}

#[cfg(madsim)]
fn is_done(evidence: &Evidence) -> bool {
    let case = Case::new(evidence);
    let ended = case.sagas.values().all(|saga| saga.end.is_some() && !saga.is_overruled);
    case.is_quiet() && recoverable(evidence).is_none() && ended
}

/// The verdict on a run with a broken invariant: that, unless an oracle found something that must never be.
#[cfg(madsim)]
pub(super) fn verdict(of_oracles: &Verdict, finding: &Finding) -> Verdict {
    match (of_oracles, finding.violations.first()) {
        (Verdict::Safety(_), _) | (_, None) => of_oracles.clone(),
        (_, Some(broken)) => {
            let (oracle, what) = (ORACLE.to_owned(), broken.what.clone());
            Verdict::Safety(Signature { oracle, what })
        }
    }
}

#[cfg(all(test, madsim))]
mod tests {
    use serde_json::json;

    use super::*;

    /// A world with one saga, whose last event this is.
    fn world(last: &str) -> Evidence {
        let mut evidence = crate::testing::evidence();
        let logged = evidence.log.remove(0);
        let entry = |event_type: &str, payload| LogEntry {
            stream: "saga-1".to_owned(),
            event_type: event_type.to_owned(),
            payload,
            ..logged.clone()
        };
        let started = json!({ "sagaType": "transfer", "steps": 0, "pivot": 9, "input": {} });
        evidence.log = vec![entry("SagaStarted", started), entry(last, json!({}))];
        evidence
    }

    fn events(wanted: usize) -> [Invariant; 1] {
        let holds = move |log: &[LogEntry]| match log.len() {
            count if count == wanted => Ok(()),
            count => Err(format!("{count} events")),
        };
        [Invariant::new("the events are so many", holds)]
    }

    #[test]
    fn a_broken_invariant_is_the_verdict_by_its_name() {
        let ended = world("SagaCompleted");
        let holds = judge(&events(2), &ended);
        assert_eq!((holds.examined, holds.violations.len()), (1, 0));
        assert_eq!(verdict(&Verdict::Pass, &holds), Verdict::Pass);
        let broken = judge(&events(3), &ended);
        assert_eq!(broken.violations[0].detail, "2 events");
        let found = verdict(&Verdict::Pass, &broken);
        assert_eq!(found.to_string(), "SAFETY invariant: the events are so many");
        let (oracle, what) = ("effects".to_owned(), "an action took effect twice".to_owned());
        let deeper = Verdict::Safety(Signature { oracle, what });
        assert_eq!(verdict(&deeper, &broken), deeper);
    }

    #[test]
    fn a_world_that_is_not_done_is_not_judged() {
        assert_eq!(judge(&events(3), &world("SagaParked")).examined, 0);
        let mut restless = world("SagaCompleted");
        restless.phases.quiet_at_us = None;
        assert_eq!(judge(&events(3), &restless).examined, 0);
    }
}
