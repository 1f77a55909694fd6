//! The product never panics and never ends by itself, and no node says of itself that it has met what cannot
//! be: a saga that nobody can work on, an event that a view cannot read, more sagas under way than there are.

use super::case::Case;
use super::stable::stable;
use super::{Finding, Kind, Oracle};

/// See the module.
#[derive(Debug)]
pub struct Crashes;

impl Oracle for Crashes {
    fn name(&self) -> &'static str {
        "crashes"
    }

    fn kind(&self) -> Kind {
        Kind::Crash
    }

    fn is_due(&self, _: &Case<'_>) -> bool {
        true
    }

    fn examine(&self, case: &Case<'_>) -> Finding {
        let mut finding = Finding { examined: 1, ..Finding::default() };
        for crash in &case.evidence.crashes {
            finding.break_promise(
                &format!("a process ended by itself: {}", stable(crash)),
                crash.as_str(),
            );
        }
        for confessed in &case.evidence.confessed {
            let what = format!("a node says what must never be: {}", stable(confessed));
            finding.break_promise(&what, confessed.as_str());
        }
        finding
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oracle::testing::{History, caught, clean};

    #[test]
    fn a_panic_is_caught() {
        let mut history = History::good();
        clean(&Crashes, &history);
        history.evidence.crashes.push("node-1 panicked at actor.rs:1".to_owned());
        caught(&Crashes, &history, "a process ended by itself: node-# panicked at actor.rs:#");
        let mut history = History::good();
        history.evidence.confessed.push("node-1 counts sagas_quarantined: 2".to_owned());
        let what = "a node says what must never be: node-# counts sagas_quarantined: #";
        caught(&Crashes, &history, what);
    }
}
