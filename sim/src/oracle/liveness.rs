//! Once the world is healed everything is done in time.

use super::case::Case;
use super::stable::stable;
use super::{Finding, Kind, Oracle};

/// See the module.
#[derive(Debug)]
pub struct Liveness;

impl Oracle for Liveness {
    fn name(&self) -> &'static str {
        "liveness"
    }

    fn kind(&self) -> Kind {
        Kind::Liveness
    }

    fn is_due(&self, _: &Case<'_>) -> bool {
        true
    }

    fn examine(&self, case: &Case<'_>) -> Finding {
        let mut finding = Finding { examined: 1, ..Finding::default() };
        for undone in &case.evidence.undone {
            finding
                .break_promise(&format!("not done in time: {}", stable(undone)), undone.as_str());
        }
        let planned = !case.evidence.plan.operations.is_empty();
        if planned && !case.is_quiet() && case.evidence.undone.is_empty() {
            finding.break_promise("the world did not come to rest in time", "nothing says why");
        }
        finding
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oracle::testing::{History, caught, clean};

    #[test]
    fn what_was_not_done_in_time_is_caught() {
        let mut history = History::good();
        clean(&Liveness, &history);
        history.evidence.undone.push("saga 7 is started".to_owned());
        caught(&Liveness, &history, "not done in time: saga # is started");
    }

    #[test]
    fn a_world_that_does_not_come_to_rest_is_caught() {
        let mut history = History::good();
        history.evidence.phases.quiet_at_us = None;
        caught(&Liveness, &history, "the world did not come to rest in time");
    }
}
