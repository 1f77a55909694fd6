//! Reports as text for a terminal.

use std::collections::BTreeMap;
use std::fmt::{Display, Write};

use crate::run::Report;
use crate::tally::{Outcome, Tally};

use super::batch::Batch;

/// Violations of one oracle that are shown.
const SHOWN: usize = 5;

/// Writing to text does not fail.
macro_rules! line {
    ($to:expr, $($what:tt)*) => {
        writeln!($to, $($what)*).expect("writing to text cannot fail")
    };
}

/// One run.
pub(crate) fn of_run(report: &Report) -> String {
    let mut text = String::new();
    line!(text, "{} {}: {}", report.scenario, report.seed, report.verdict);
    let seconds = report.simulated_us as f64 / 1e6;
    let (events, calls) = (report.events, report.store_calls);
    line!(
        text,
        "{seconds:.1} simulated s, {events} events, {calls} store requests, digest {}",
        report.digest
    );
    for (name, finding) in &report.findings {
        line!(text, "  {name:<28} {:>8} examined", finding.examined);
        for violation in finding.violations.iter().take(SHOWN) {
            line!(text, "    BROKEN {}: {}", violation.what, violation.detail);
        }
        let more = finding.violations.len().saturating_sub(SHOWN);
        if more > 0 {
            line!(text, "    and {more} more");
        }
    }
    for (kind, planned) in &report.planned {
        let bites = report.bites.get(kind).copied().unwrap_or(0);
        line!(text, "  {:<28} {planned:>3} planned, bit {bites} times", format!("{kind:?}"));
    }
    text + &of_tally(&report.tally)
}

fn of_tally(tally: &Tally) -> String {
    let mut text = String::new();
    line!(
        text,
        "{:<18} {:>10} {:>10} {:>10} {:>10}",
        "operation",
        "succeeded",
        "refused",
        "failed",
        "unanswered"
    );
    for (name, ends) in &tally.outcomes {
        let count = |outcome| ends.get(&outcome).copied().unwrap_or(0);
        let (yes, no) = (count(Outcome::Succeeded), count(Outcome::Refused));
        let (failed, lost) = (count(Outcome::Failed), count(Outcome::Unanswered));
        line!(text, "{name:<18} {yes:>10} {no:>10} {failed:>10} {lost:>10}");
    }
    line!(text, "answers {} (0: none)", counts(&tally.statuses));
    line!(text, "store {}", counts(&tally.store));
    let (again, percent) = (tally.repeated, tally.success_percent());
    line!(text, "{again} requests were sent again; {percent} % of the operations succeeded");
    text
}

fn counts<K: Display>(of: &BTreeMap<K, u64>) -> String {
    of.iter().map(|(name, count)| format!("{name}: {count}")).collect::<Vec<_>>().join(", ")
}

/// A batch: failures last, where they are seen.
pub(super) fn of_batch(batch: &Batch) -> String {
    let mut text = String::new();
    line!(text, "{:<24} {:>8} {:>8}", "fault", "planned", "bit");
    for (kind, (planned, bites)) in &batch.faults {
        line!(text, "{:<24} {planned:>8} {bites:>8}", format!("{kind:?}"));
    }
    text += &of_tally(&batch.tally);
    let simulated_h = batch.simulated_us as f64 / 3.6e9;
    line!(text, "{} runs, {simulated_h:.1} simulated hours, {} events", batch.runs, batch.events);
    if batch.unrecoverable > 0 {
        line!(text, "{} runs lost what no design could keep", batch.unrecoverable);
    }
    for complaint in batch.complaints() {
        line!(text, "COMPLAINT {complaint}");
    }
    let mut groups: Vec<_> = batch.groups.values().collect();
    groups.sort_by_key(|group| std::cmp::Reverse(group.count));
    for group in groups {
        line!(text, "{:>5} × {} (first: seed {})", group.count, group.verdict, group.first);
        if !group.detail.is_empty() {
            line!(text, "        {}", group.detail);
        }
    }
    text
}

/// What the oracles of a batch looked at.
pub(super) fn of_oracles(batch: &Batch) -> String {
    let mut text = String::new();
    line!(text, "{:<28} {:>12} {:>14}", "oracle", "examined", "runs without");
    for (name, (examined, without)) in &batch.oracles {
        line!(text, "{name:<28} {examined:>12} {without:>14}");
    }
    text
}
