//! A view that is built anew takes the place of another when it has come as far: who reads it is not shown an
//! older state than before. The store's own record of each swap is looked at.

use super::case::Case;
use super::{Finding, Oracle};

/// See the module.
#[derive(Debug)]
pub struct Swaps;

impl Oracle for Swaps {
    fn name(&self) -> &'static str {
        "swaps"
    }

    fn is_due(&self, case: &Case<'_>) -> bool {
        !case.evidence.swaps.is_empty()
    }

    fn examine(&self, case: &Case<'_>) -> Finding {
        let mut finding = Finding::default();
        // A node that does not know yet that another keeps the view now may move the old one by a page.
        let page = case.evidence.plan.knobs.followers_page as u64;
        for swap in &case.evidence.swaps {
            let (before, after) = (swap.before.unwrap_or(0), swap.after.unwrap_or(0));
            let holds = after.saturating_add(page) >= before && (after > 0 || before == 0);
            finding.expect(holds, "a view was replaced by one that is further back", || {
                format!("{} at {} us: {after} for {before}", swap.view, swap.at_us)
            });
        }
        finding
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::Swap;
    use crate::oracle::testing::{History, caught, clean};

    fn swapped(before: Option<u64>, after: Option<u64>) -> History {
        let mut history = History::good();
        history.evidence.plan.knobs.followers_page = 10;
        history.evidence.swaps.push(Swap { at_us: 5, view: "orders".to_owned(), before, after });
        history
    }

    #[test]
    fn a_view_that_is_as_far_may_replace_another() {
        for (before, after) in [(Some(100), Some(100)), (Some(100), Some(93)), (None, None)] {
            clean(&Swaps, &swapped(before, after));
        }
    }

    #[test]
    fn a_view_that_was_swapped_early_is_caught() {
        for (before, after) in [(Some(100), Some(80)), (Some(3), None)] {
            let history = swapped(before, after);
            caught(&Swaps, &history, "a view was replaced by one that is further back");
        }
    }
}
