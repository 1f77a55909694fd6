//! The verdict of a run: every oracle is asked, the deepest broken promise names the failure.

use crate::evidence::Evidence;
use crate::fault::FaultKind;
use crate::machine::Machine;
use crate::verdict::{Signature, Verdict};

use super::case::Case;
use super::{Finding, Kind, Oracle, all};

/// Asks every oracle. Safety comes before a crash, a crash before what did not end, and that before an
/// oracle with nothing to look at; within a kind the order is that of [`all()`].
pub fn judge(evidence: &Evidence) -> (Verdict, Vec<(&'static str, Finding)>) {
    let case = Case::new(evidence);
    let oracles = all();
    let findings: Vec<_> =
        oracles.iter().map(|oracle| (oracle.name(), oracle.examine(&case))).collect();
    let verdict = verdict(&case, &oracles, &findings);
    (verdict, findings)
}

fn verdict(case: &Case<'_>, oracles: &[Box<dyn Oracle>], findings: &[(&str, Finding)]) -> Verdict {
    let first = |kind| {
        let of_kind = oracles.iter().zip(findings).filter(|(oracle, _)| oracle.kind() == kind);
        of_kind.filter_map(|(oracle, (_, finding))| broken(oracle.name(), finding)).next()
    };
    let destroyed = recoverable(case.evidence);
    // Without its only store nothing that is judged by the final log says anything about the product.
    match destroyed {
        Some(because) => match first(Kind::Crash) {
            Some(signature) => Verdict::Crash(signature),
            None => Verdict::Unrecoverable { because },
        },
        None => first(Kind::Safety)
            .map(Verdict::Safety)
            .or_else(|| first(Kind::Crash).map(Verdict::Crash))
            .or_else(|| first(Kind::Liveness).map(Verdict::Liveness))
            .or_else(|| vacuous(case, oracles, findings).map(Verdict::Vacuous))
            .unwrap_or(Verdict::Pass),
    }
}

fn broken(oracle: &str, finding: &Finding) -> Option<Signature> {
    let first = finding.violations.first()?;
    Some(Signature { oracle: oracle.to_owned(), what: first.what.clone() })
}

fn vacuous(
    case: &Case<'_>,
    oracles: &[Box<dyn Oracle>],
    findings: &[(&str, Finding)],
) -> Option<Signature> {
    let mut of_each = oracles.iter().zip(findings);
    let empty = of_each.find(|(oracle, (_, finding))| finding.examined == 0 && oracle.is_due(case));
    let (oracle, _) = empty?;
    let what = "nothing was examined".to_owned();
    Some(Signature { oracle: oracle.name().to_owned(), what })
}

/// What the faults destroyed that no design could have kept, if they did: acknowledged data on the disk
/// of the one store there is. Lost writes that were never synced are not among it.
pub fn recoverable(evidence: &Evidence) -> Option<String> {
    let flipped = evidence.bites.get(&FaultKind::DiskBitFlip).copied().unwrap_or(0);
    let at_store = |fault: &crate::fault::Fault| {
        matches!(fault, crate::fault::Fault::DiskBitFlip { machine: Machine::Store })
    };
    if flipped > 0 && evidence.plan.episodes.iter().any(|episode| at_store(&episode.fault)) {
        return Some("a synced record of the only store was damaged".to_owned());
    }
    evidence
        .plan
        .left_broken
        .contains(&Machine::Store)
        .then(|| "the only store stays broken".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::{Episode, Fault};
    use crate::oracle::testing::History;
    use crate::plan::{Operation, Planned};

    #[test]
    fn a_good_history_passes_and_every_oracle_that_is_due_examined_something() {
        let (verdict, findings) = judge(&History::good().evidence);
        assert_eq!(verdict, Verdict::Pass, "{findings:#?}");
        assert_eq!(findings.len(), all().len());
        // No saga of a user's, no lock, no consumer, no subscription and no account is in it, no view that was built
        // anew, and no node that was told to end; and nobody looked round at its end.
        const NOT_IN_IT: [&str; 11] = [
            "effects",
            "aggregates",
            "results",
            "locks",
            "consumers",
            "subscriptions",
            "accounts",
            "swaps",
            "rights",
            "shown",
            "stops",
        ];
        for (name, finding) in findings {
            assert_eq!(finding.examined > 0, !NOT_IN_IT.contains(&name), "{name}");
        }
    }

    #[test]
    fn an_oracle_without_anything_to_look_at_fails_the_run() {
        let mut history = History::good();
        history.evidence.bus.clear();
        history.evidence.log.clear();
        history.evidence.store_calls.clear();
        let (verdict, _) = judge(&history.evidence);
        assert!(!matches!(verdict, Verdict::Pass), "{verdict}");
        let empty = History::empty();
        let (verdict, _) = judge(&empty.evidence);
        assert_eq!(verdict, Verdict::Pass, "nothing was planned");
        let mut planned = History::empty();
        planned.evidence.phases.quiet_at_us = Some(1);
        planned.evidence.plan.operations.push(Planned {
            id: 1,
            at_ms: 0,
            customer: 1,
            to: Machine::Balancer,
            gives_up_after_ms: None,
            operation: Operation::ListOrders,
        });
        let (verdict, _) = judge(&planned.evidence);
        assert!(matches!(verdict, Verdict::Vacuous(_)), "{verdict}");
    }

    #[test]
    fn safety_comes_before_a_crash_and_a_crash_before_liveness() {
        let mut history = History::good();
        history.evidence.undone.push("saga 1".to_owned());
        assert!(matches!(judge(&history.evidence).0, Verdict::Liveness(_)));
        history.evidence.crashes.push("node-1 panicked".to_owned());
        assert!(matches!(judge(&history.evidence).0, Verdict::Crash(_)));
        history.evidence.log.pop();
        let (verdict, _) = judge(&history.evidence);
        assert_eq!(verdict.signature().map(|it| it.oracle.as_str()), Some("durability"));
    }

    #[test]
    fn a_store_that_was_damaged_beyond_repair_is_nobodys_fault_unless_somebody_panics() {
        let mut history = History::good();
        history.evidence.log.pop();
        let fault = Fault::DiskBitFlip { machine: Machine::Store };
        let episode = Episode { id: 1, at_ms: 0, for_ms: 1, fault };
        history.evidence.plan.episodes.push(episode);
        assert!(matches!(judge(&history.evidence).0, Verdict::Safety(_)), "it never bit");
        history.evidence.bites.insert(FaultKind::DiskBitFlip, 1);
        assert!(matches!(judge(&history.evidence).0, Verdict::Unrecoverable { .. }));
        history.evidence.crashes.push("node-1 panicked".to_owned());
        assert!(matches!(judge(&history.evidence).0, Verdict::Crash(_)));
    }
}
