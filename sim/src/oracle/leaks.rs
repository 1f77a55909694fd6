//! Nothing is left when everything was switched off in good order: no task, no connection, no lock.

use super::case::Case;
use super::stable::stable;
use super::{Finding, Oracle};

/// See the module.
#[derive(Debug)]
pub struct Leaks;

impl Oracle for Leaks {
    fn name(&self) -> &'static str {
        "leaks"
    }

    fn is_due(&self, _: &Case<'_>) -> bool {
        true
    }

    fn examine(&self, case: &Case<'_>) -> Finding {
        let mut finding = Finding { examined: 1, ..Finding::default() };
        for leak in &case.evidence.leaks {
            finding.break_promise(&format!("left behind: {}", stable(leak)), leak.as_str());
        }
        finding
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oracle::testing::{History, caught, clean};

    #[test]
    fn what_is_left_behind_is_caught() {
        let mut history = History::good();
        clean(&Leaks, &history);
        history.evidence.leaks.push("a connection of node-1 to the store".to_owned());
        caught(&Leaks, &history, "left behind: a connection of node-# to the store");
    }
}
