//! What a check says.

use std::fmt::Write;
use std::path::Path;

use super::chaos::CHAOS;
use super::outcome::{Outcome, Seen};
use super::sweep;
use super::this_test::ThisTest;
use crate::cli::tables;
use crate::fate::correlation;
use crate::fault::FaultKind;
use crate::plan::{Operation, Plan};

/// Faults and sagas of a failing plan that are shown.
const SHOWN: usize = 12;

/// Writing to text does not fail.
macro_rules! line {
    ($to:expr, $($what:tt)*) => {
        writeln!($to, $($what)*).expect("writing to text cannot fail")
    };
}

/// The plan in a file.
pub(super) fn plan_in(file: &Path) -> Result<Plan, String> {
    let text = std::fs::read_to_string(file);
    let text = text.map_err(|error| format!("{}: {error}", file.display()))?;
    serde_json::from_str(&text).map_err(|error| format!("{}: no plan: {error}", file.display()))
}

/// A failure: how to run it again, which promise, what went wrong in that world.
pub(super) fn of_failure(
    test: &ThisTest,
    whole: &Plan,
    small: &Plan,
    outcome: &Outcome,
    file: &Path,
) -> String {
    let again = format!("cargo test {}", test.arguments().join(" "));
    let mut text = String::new();
    line!(text, "REPRO: SAGALINE_PLAN={} {again}", file.display());
    if whole.scenario == CHAOS {
        line!(text, "   or: SAGALINE_SEED={} {again}", whole.seed);
    }
    line!(text, "{}", tables::of_run(&outcome.report).trim_end());
    let (faults, operations) = (small.episodes.len(), small.operations.len());
    let whole = (whole.episodes.len(), whole.operations.len());
    line!(
        text,
        "the plan: {faults} faults and {operations} operations (of {} and {})",
        whole.0,
        whole.1
    );
    for episode in small.episodes.iter().take(SHOWN) {
        let (at, long) = (episode.at_ms, episode.for_ms);
        line!(text, "  at {at} ms for {long} ms: {:?}", episode.fault);
    }
    if !small.left_broken.is_empty() {
        line!(text, "  when the rest was healed {:?} stayed broken", small.left_broken);
    }
    for story in stories(small).take(SHOWN) {
        line!(text, "  {story}");
    }
    let page = file.with_extension("").with_extension("html");
    if page.exists() {
        line!(text, "to look at: {}", page.display());
    }
    text
}

/// What single sagas of a plan met.
fn stories(plan: &Plan) -> impl Iterator<Item = String> {
    plan.operations.iter().filter_map(|planned| match &planned.operation {
        Operation::StartSaga { key, .. } => sweep::story(plan, &correlation(*key)),
        _ => None,
    })
}

/// What was proved.
pub(super) fn of_success(
    test: &str,
    worlds: u64,
    simulated_us: u64,
    seen: &Seen,
    toothless: &[FaultKind],
) -> String {
    let mut text = String::new();
    let Seen { completed, compensated, parked, open, to_die, died, judged, .. } = seen;
    let (sagas, seconds) = (seen.sagas(), simulated_us / 1_000_000);
    line!(
        text,
        "check {test}: {worlds} worlds, {seconds} simulated s, {sagas} sagas \
         ({completed} completed, {compensated} compensated, {parked} parked, {open} left open)"
    );
    let calls = seen.calls.iter().map(|(name, count)| format!("{name} {count}"));
    line!(text, "  calls: {}", calls.collect::<Vec<_>>().join(", "));
    if *to_die > 0 {
        line!(text, "  nodes died at {died} of {to_die} places of single sagas' lives");
    }
    if *judged > 0 {
        line!(text, "  invariants were judged in {judged} of {worlds} worlds");
    }
    if !toothless.is_empty() {
        let names: Vec<_> = toothless.iter().map(|kind| format!("{kind:?}")).collect();
        line!(text, "  faults that never mattered: {}", names.join(", "));
    }
    text
}
