//! A view that is built anew takes the place of another when it has come as far: who reads it is not shown an
//! older state than before. And it does so in the end, once somebody was told that it is being built. The
//! store's own record of each swap is looked at.

use crate::evidence::{Call, Power, PowerChange};
use crate::fault::Fault;
use crate::machine::Machine;

use super::case::Case;
use super::naive::http::answered;
use super::{Finding, Oracle};

/// A build that was on its way when another one was asked for is the answer to that as well; and a store that
/// stands still may have begun the swap so long before the request was sent.
const UNDER_WAY_US: u64 = 30_000_000;

/// See the module.
#[derive(Debug)]
pub struct Swaps;

impl Oracle for Swaps {
    fn name(&self) -> &'static str {
        "swaps"
    }

    fn is_due(&self, case: &Case<'_>) -> bool {
        !case.evidence.swaps.is_empty() || owed(case).next().is_some()
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
        for (view, call) in owed(case) {
            let from_us = call.sent_at_us.saturating_sub(UNDER_WAY_US);
            let mut swaps = case.evidence.swaps.iter();
            let made = swaps.any(|swap| swap.view == view && swap.at_us >= from_us);
            finding.expect(made, "a rebuild was acknowledged and never made", || {
                format!("{view}, asked for at {} us", call.sent_at_us)
            });
        }
        finding
    }
}

/// Rebuilds that were acknowledged, each with its view, as far as their swaps must have been seen. A store
/// that fails around its commits, or cannot read its disk, makes a swap that nobody has witnessed.
fn owed<'a>(case: &'a Case<'_>) -> impl Iterator<Item = (&'a str, &'a Call)> {
    let is_witnessed = case.is_quiet() && !has_a_bad_disk(case);
    let told = move |call: &&Call| {
        is_witnessed && answered(call, 202).is_some() && !fails_behind(case, call)
    };
    let calls = case.evidence.calls.iter().filter(told);
    calls.filter_map(|call| Some((rebuilt(call)?, call)))
}

/// Whether the store failed after a request was sent, or shortly before, and before the end of the run.
fn fails_behind(case: &Case<'_>, call: &Call) -> bool {
    let quiet_at_us = case.evidence.phases.quiet_at_us.unwrap_or(0);
    let from_us = call.sent_at_us.saturating_sub(UNDER_WAY_US);
    let fails = |change: &PowerChange| {
        let is_store = change.machine == Machine::Store && change.what == Power::Crashed;
        is_store && (from_us..quiet_at_us).contains(&change.at_us)
    };
    case.evidence.power.iter().any(fails)
}

/// Whether the store's reads and writes may have failed.
fn has_a_bad_disk(case: &Case<'_>) -> bool {
    case.evidence.plan.episodes.iter().any(|episode| match &episode.fault {
        Fault::DiskError { machine, .. } | Fault::DiskFull { machine } => {
            *machine == Machine::Store
        }
        _ => false,
    })
}

/// The view that a request wants to have built anew.
fn rebuilt(call: &Call) -> Option<&str> {
    call.request.strip_prefix("POST /projections/")?.strip_suffix("/rebuild")
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::evidence::Swap;
    use crate::fault::Episode;
    use crate::oracle::testing::{History, caught, clean};

    const NEVER_MADE: &str = "a rebuild was acknowledged and never made";

    fn swapped(before: Option<u64>, after: Option<u64>) -> History {
        let mut history = History::good();
        history.evidence.plan.knobs.followers_page = 10;
        history.evidence.swaps.push(Swap { at_us: 5, view: "orders".to_owned(), before, after });
        history
    }

    /// A rebuild of the orders that was acknowledged.
    fn rebuilt_in_words() -> History {
        let mut history = History::good();
        let told = Some((202, json!({ "name": "orders" })));
        history.call(0, "POST /projections/orders/rebuild", None, Value::Null, told);
        history
    }

    fn swap(history: &mut History, view: &str, at_us: u64) {
        let (before, after) = (Some(3), Some(3));
        history.evidence.swaps.push(Swap { at_us, view: view.to_owned(), before, after });
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

    #[test]
    fn a_rebuild_that_is_acknowledged_and_never_made_is_caught() {
        let mut history = rebuilt_in_words();
        assert!(Swaps.is_due(&Case::new(&history.evidence)));
        caught(&Swaps, &history, NEVER_MADE);
        let at_us = history.sent_now();
        swap(&mut history, "sagas", at_us);
        caught(&Swaps, &history, NEVER_MADE);
        swap(&mut history, "orders", at_us);
        clean(&Swaps, &history);
    }

    #[test]
    fn a_swap_long_before_the_request_is_not_its_own() {
        let mut history = rebuilt_in_words();
        history.evidence.calls.last_mut().expect("a call").sent_at_us = UNDER_WAY_US + 100;
        swap(&mut history, "orders", 99);
        caught(&Swaps, &history, NEVER_MADE);
        // One swap answers several requests.
        swap(&mut history, "orders", 100);
        clean(&Swaps, &history);
    }

    #[test]
    fn a_swap_that_nobody_may_have_witnessed_is_not_missed() {
        let is_left_alone = |history: &History| {
            let case = Case::new(&history.evidence);
            !Swaps.is_due(&case) && Swaps.examine(&case) == Finding::default()
        };
        let mut restless = rebuilt_in_words();
        restless.evidence.phases.quiet_at_us = None;
        assert!(is_left_alone(&restless));
        let mut failed = rebuilt_in_words();
        let (at_us, machine) = (failed.sent_now(), Machine::Store);
        let change = PowerChange { at_us, machine, what: Power::Crashed };
        failed.evidence.power.push(change);
        assert!(is_left_alone(&failed));
        let mut unreadable = rebuilt_in_words();
        let fault = Fault::DiskError { machine: Machine::Store, percent: 5 };
        let episode = Episode { id: 1, at_ms: 0, for_ms: 1, fault };
        unreadable.evidence.plan.episodes.push(episode);
        assert!(is_left_alone(&unreadable));
        let mut refused = History::good();
        let no = Some((404, json!({})));
        refused.call(0, "POST /projections/orders/rebuild", None, Value::Null, no);
        assert!(is_left_alone(&refused));
    }
}
