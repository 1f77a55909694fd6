//! Many runs together: failures by their signature, bites, what the clients did, what oracles looked at;
//! and whether the batch as a whole proves anything.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::fault::FaultKind;
use crate::run::Report;
use crate::seed::Seed;
use crate::tally::Tally;
use crate::verdict::Verdict;

/// A batch smaller than this need not have met every fault.
const RUNS_FOR_BITES: u64 = 100;
/// A kind that was planned less often need not have bitten.
const PLANNED_FOR_BITES: u64 = 20;
/// The same for kinds that matter to few seeds. For a tail that is torn a crash must come in the moment of a write,
/// about one in eighty does; a clock must drift until somebody feels it, and a delayed message be delivered again.
const RARELY_BITE: [(FaultKind, u64); 3] = [
    (FaultKind::DiskTorn, 400),
    (FaultKind::ClockDrift, 200),
    (FaultKind::BusDelayedRedelivery, 200),
];
/// So many of a hundred operations must succeed, and not more than so many.
const SUCCESS_PERCENT: (u64, u64) = (40, 99);

/// Runs that failed in the same way.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Group {
    /// The first seed of it.
    pub(super) first: Seed,
    /// What it came to.
    pub(super) verdict: Verdict,
    /// How many.
    pub(super) count: u64,
    /// For a person: which order, event or call, of the first.
    pub(super) detail: String,
}

/// Counts over runs.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Batch {
    pub(super) runs: u64,
    pub(super) groups: BTreeMap<String, Group>,
    /// Episodes planned, and how often they mattered.
    pub(super) faults: BTreeMap<FaultKind, (u64, u64)>,
    /// What each oracle looked at in all, and in how many runs at nothing.
    pub(super) oracles: BTreeMap<String, (u64, u64)>,
    pub(super) tally: Tally,
    pub(super) simulated_us: u64,
    pub(super) events: u64,
    pub(super) store_calls: u64,
    pub(super) unrecoverable: u64,
}

impl Batch {
    /// Adds a run. Returns whether its failure is one that the batch has not seen before.
    pub(super) fn add(&mut self, report: &Report) -> bool {
        self.runs += 1;
        self.simulated_us += report.simulated_us;
        self.events += report.events;
        self.store_calls += report.store_calls;
        self.tally.add(&report.tally);
        for (kind, planned) in &report.planned {
            self.faults.entry(*kind).or_default().0 += planned;
        }
        for (kind, bites) in &report.bites {
            self.faults.entry(*kind).or_default().1 += bites;
        }
        for (name, finding) in &report.findings {
            let seen = self.oracles.entry(name.clone()).or_default();
            seen.0 += finding.examined;
            seen.1 += u64::from(finding.examined == 0);
        }
        self.unrecoverable += u64::from(matches!(report.verdict, Verdict::Unrecoverable { .. }));
        self.note_failure(report)
    }

    /// Adds the runs of another batch.
    pub(super) fn merge(&mut self, other: Self) {
        self.runs += other.runs;
        self.simulated_us += other.simulated_us;
        self.events += other.events;
        self.store_calls += other.store_calls;
        self.unrecoverable += other.unrecoverable;
        self.tally.add(&other.tally);
        for (name, group) in other.groups {
            let count = group.count;
            self.groups.entry(name).or_insert(Group { count: 0, ..group }).count += count;
        }
        for (kind, (planned, bites)) in other.faults {
            let seen = self.faults.entry(kind).or_default();
            *seen = (seen.0 + planned, seen.1 + bites);
        }
        for (name, (examined, empty)) in other.oracles {
            let seen = self.oracles.entry(name).or_default();
            *seen = (seen.0 + examined, seen.1 + empty);
        }
    }

    fn note_failure(&mut self, report: &Report) -> bool {
        let Some(signature) = report.verdict.signature() else { return false };
        let of_oracle = report.findings.iter().find(|(name, _)| *name == signature.oracle);
        let violation = of_oracle.and_then(|(_, finding)| finding.violations.first());
        let detail = violation.map_or_else(String::new, |violation| violation.detail.clone());
        let verdict = report.verdict.clone();
        let fresh = Group { first: report.seed, verdict, count: 0, detail };
        let group = self.groups.entry(report.verdict.to_string()).or_insert(fresh);
        group.count += 1;
        group.count == 1
    }

    /// What is wrong with the batch as a whole; empty: nothing.
    pub(super) fn complaints(&self) -> Vec<String> {
        let mut complaints = Vec::new();
        if self.runs >= RUNS_FOR_BITES {
            let toothless = |(kind, (planned, bites)): &(&FaultKind, &(u64, u64))| {
                let own = RARELY_BITE.iter().find(|(rare, _)| rare == *kind);
                let enough = own.map_or(PLANNED_FOR_BITES, |(_, enough)| *enough);
                *planned >= enough && *bites == 0
            };
            let kinds = self.faults.iter().filter(toothless);
            complaints.extend(kinds.map(|(kind, (planned, _))| {
                format!("{kind:?} was planned {planned} times and never mattered")
            }));
        }
        let (least, most) = SUCCESS_PERCENT;
        let success = self.tally.success_percent();
        if self.tally.operations() > 0 && !(least..=most).contains(&success) {
            complaints
                .push(format!("{success} % of all operations succeeded: wants {least} to {most}"));
        }
        complaints
    }

    /// Whether nothing failed and nothing is wrong with it.
    pub(super) fn is_good(&self) -> bool {
        self.groups.is_empty() && self.complaints().is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Plan;
    use crate::strategy::Scenario;

    fn failed(seed: u64, what: &str) -> Report {
        Report::of_harness(&Plan::draw(Seed(seed), Scenario::Quiet), what)
    }

    #[test]
    fn failures_are_grouped_by_their_signature() {
        let mut batch = Batch::default();
        assert!(batch.add(&failed(1, "a")));
        assert!(!batch.add(&failed(2, "a")));
        assert!(batch.add(&failed(3, "b")));
        let counts: Vec<_> =
            batch.groups.values().map(|group| (group.first, group.count)).collect();
        assert_eq!(counts, [(Seed(1), 2), (Seed(3), 1)]);
        assert!(!batch.is_good());
    }

    #[test]
    fn batches_together_are_one_of_all_runs() {
        let of = |seeds: &[(u64, &str)]| {
            let mut batch = Batch::default();
            for (seed, what) in seeds {
                batch.add(&failed(*seed, what));
            }
            batch
        };
        let mut merged = of(&[(1, "a"), (2, "b")]);
        merged.merge(of(&[(3, "b"), (4, "c")]));
        let all = of(&[(1, "a"), (2, "b"), (3, "b"), (4, "c")]);
        assert_eq!(serde_json::to_value(&merged).unwrap(), serde_json::to_value(&all).unwrap());
    }

    #[test]
    fn a_fault_that_never_bit_is_complained_of_in_a_big_batch_only() {
        let mut batch = Batch { runs: 99, ..Batch::default() };
        batch.faults.insert(FaultKind::Pause, (50, 0));
        assert_eq!(batch.complaints(), Vec::<String>::new());
        batch.runs = 100;
        assert!(batch.complaints()[0].contains("Pause"));
        batch.faults.insert(FaultKind::Pause, (50, 1));
        assert!(batch.is_good());
        batch.faults.insert(FaultKind::DiskTorn, (399, 0));
        assert!(batch.is_good());
        batch.faults.insert(FaultKind::DiskTorn, (400, 0));
        assert!(batch.complaints()[0].contains("DiskTorn"));
    }

    #[test]
    fn a_batch_in_which_nothing_succeeds_is_complained_of() {
        let mut batch = Batch::default();
        batch
            .tally
            .outcomes
            .entry("place order".to_owned())
            .or_default()
            .insert(crate::tally::Outcome::Failed, 9);
        assert!(batch.complaints()[0].contains("0 %"));
    }
}
