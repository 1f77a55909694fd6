//! What a run comes to, in the few lines that a batch keeps of it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::evidence::Evidence;
use crate::fault::FaultKind;
use crate::oracle::{self, Finding};
use crate::plan::Plan;
use crate::seed::Seed;
use crate::tally::Tally;
use crate::trace;
use crate::verdict::{Signature, Verdict};

/// A run, judged.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// Whose run it was.
    pub seed: Seed,
    /// Of which scenario.
    pub scenario: String,
    /// What it comes to.
    pub verdict: Verdict,
    /// The hash of its trace, and that of the state in which it ended.
    pub digest: String,
    /// What each oracle found.
    pub findings: Vec<(String, Finding)>,
    /// How many episodes of each kind were planned.
    pub planned: BTreeMap<FaultKind, u64>,
    /// How often each kind mattered.
    pub bites: BTreeMap<FaultKind, u64>,
    /// What the clients did, and what came of it.
    pub tally: Tally,
    /// How long the run took in the world's time, in microseconds.
    pub simulated_us: u64,
    /// Events in the log at the end.
    pub events: u64,
    /// Requests to the store.
    pub store_calls: u64,
}

impl Report {
    /// Judges a run.
    pub fn of(evidence: &Evidence) -> Self {
        let (verdict, findings) = oracle::judge(evidence);
        let findings = findings.into_iter().map(|(name, finding)| (name.to_owned(), finding));
        Self {
            seed: evidence.plan.seed,
            scenario: evidence.plan.scenario.clone(),
            verdict,
            digest: trace::digest(evidence),
            findings: findings.collect(),
            planned: planned(&evidence.plan),
            bites: evidence.bites.clone(),
            tally: Tally::of(evidence),
            simulated_us: evidence.phases.quiet_at_us.unwrap_or_else(|| last_us(evidence)),
            events: evidence.log.len() as u64,
            store_calls: evidence.store_calls.len() as u64,
        }
    }

    /// A run that did not come to its end: the program that ran it did.
    pub fn of_harness(plan: &Plan, what: &str) -> Self {
        let signature = Signature { oracle: "harness".to_owned(), what: what.to_owned() };
        Self {
            seed: plan.seed,
            scenario: plan.scenario.clone(),
            verdict: Verdict::Crash(signature),
            digest: String::new(),
            findings: Vec::new(),
            planned: planned(plan),
            bites: BTreeMap::new(),
            tally: Tally::default(),
            simulated_us: 0,
            events: 0,
            store_calls: 0,
        }
    }
}

fn planned(plan: &Plan) -> BTreeMap<FaultKind, u64> {
    let mut planned = BTreeMap::new();
    for episode in &plan.episodes {
        *planned.entry(episode.fault.kind()).or_default() += 1;
    }
    planned
}

fn last_us(evidence: &Evidence) -> u64 {
    let calls = evidence.store_calls.iter().map(|call| call.ended_at_us);
    calls.max().unwrap_or(0).max(evidence.phases.healed_at_us)
}
