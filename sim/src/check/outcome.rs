//! What one world of a check came to, and what all of them did together: a check in which a service was
//! never called or a step never undone has proved nothing about it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::invariant::{self, Invariant};
use super::names;
use crate::evidence::{Evidence, Life};
use crate::oracle::case::Case;
use crate::oracle::naive::saga::{End, Saga};
use crate::run::Report;
use crate::shape::{SagaShape, StepKind};

/// One world.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Outcome {
    pub(super) report: Report,
    pub(super) lives: Vec<Life>,
    pub(super) seen: Seen,
    /// Why such an application cannot be checked.
    pub(super) refused: Option<String>,
}

/// What happened in one world or in many.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Seen {
    /// Sagas by their end.
    pub(super) completed: u64,
    pub(super) compensated: u64,
    pub(super) parked: u64,
    /// Sagas that never came to rest, or were started by nobody who waited.
    pub(super) open: u64,
    /// Requests to each service.
    pub(super) calls: BTreeMap<String, u64>,
    /// How often each step (`trip/hotel`) was done, and undone.
    pub(super) done: BTreeMap<String, u64>,
    pub(super) undone: BTreeMap<String, u64>,
    /// Nodes that were to die in a saga's life, and that did.
    pub(super) to_die: u64,
    pub(super) died: u64,
    /// Worlds that the user's invariants were asked about.
    pub(super) judged: u64,
}

impl Outcome {
    /// Judges a world.
    pub(super) fn of(evidence: &Evidence, invariants: &[Invariant]) -> Self {
        let (mut report, mut seen) = (Report::of(evidence), Seen::of(evidence));
        let finding = invariant::judge(invariants, evidence);
        seen.judged = u64::from(finding.examined > 0);
        report.verdict = invariant::verdict(&report.verdict, &finding);
        if !invariants.is_empty() {
            report.findings.push((invariant::ORACLE.to_owned(), finding));
        }
        let refused = names::refused(&evidence.log);
        Self { report, lives: evidence.lives.clone(), seen, refused }
    }

    /// A world that did not come to its end.
    pub(super) fn of_harness(report: Report) -> Self {
        Self { report, lives: Vec::new(), seen: Seen::default(), refused: None }
    }
}

impl Seen {
    fn of(evidence: &Evidence) -> Self {
        let mut seen = Self::default();
        for call in &evidence.remotes {
            *seen.calls.entry(call.remote.clone()).or_default() += 1;
        }
        let case = Case::new(evidence);
        for saga in case.sagas.values() {
            let shapes = evidence.plan.sagas.iter();
            if let Some(shape) = shapes.clone().find(|shape| shape.name == saga.saga_type) {
                seen.add_saga(saga, shape);
            }
        }
        let to_die = evidence.lives.iter().filter(|life| life.dies_at.is_some());
        seen.to_die = to_die.count() as u64;
        seen.died = evidence.lives.iter().filter(|life| life.died).count() as u64;
        seen
    }

    fn add_saga(&mut self, saga: &Saga<'_>, shape: &SagaShape) {
        match saga.end {
            Some(End::Completed) => self.completed += 1,
            Some(End::Compensated) => self.compensated += 1,
            None if !saga.parked.is_empty() => self.parked += 1,
            None => self.open += 1,
        }
        for (index, step) in shape.steps.iter().enumerate() {
            let place = format!("{}/{}", shape.name, step.name);
            let counts = [&mut self.done, &mut self.undone];
            for (direction, count) in counts.into_iter().enumerate() {
                let is_done = saga.progress(index, direction).is_done();
                *count.entry(place.clone()).or_default() += u64::from(is_done);
            }
        }
    }

    /// Adds another world's.
    pub(super) fn add(&mut self, other: &Self) {
        self.completed += other.completed;
        self.compensated += other.compensated;
        self.parked += other.parked;
        self.open += other.open;
        self.to_die += other.to_die;
        self.died += other.died;
        self.judged += other.judged;
        add(&mut self.calls, &other.calls);
        add(&mut self.done, &other.done);
        add(&mut self.undone, &other.undone);
    }

    /// How many sagas.
    pub(super) fn sagas(&self) -> u64 {
        self.completed + self.compensated + self.parked + self.open
    }

    /// What nothing was proved about; empty: nothing.
    pub(super) fn gaps<'a>(
        &self,
        remotes: impl Iterator<Item = &'a str>,
        shapes: impl Iterator<Item = &'a SagaShape>,
    ) -> Vec<String> {
        let none =
            |counts: &BTreeMap<String, u64>, at: &str| counts.get(at).copied().unwrap_or(0) == 0;
        let silent = remotes.filter(|name| none(&self.calls, name));
        let mut gaps: Vec<_> =
            silent.map(|name| format!("the service {name} was never called")).collect();
        for shape in shapes {
            for step in &shape.steps {
                let place = format!("{}/{}", shape.name, step.name);
                let (saga, name) = (&shape.name, &step.name);
                if none(&self.done, &place) {
                    gaps.push(format!("step {name} of {saga} was never done"));
                }
                if step.kind == StepKind::Compensable && none(&self.undone, &place) {
                    gaps.push(format!("step {name} of {saga} was never undone"));
                }
            }
        }
        if self.completed == 0 {
            gaps.push("no saga was completed".to_owned());
        }
        if self.to_die > 0 && self.died == 0 {
            gaps.push("no node died in the middle of a saga".to_owned());
        }
        gaps
    }
}

fn add<K: Ord + Clone>(to: &mut BTreeMap<K, u64>, from: &BTreeMap<K, u64>) {
    for (key, count) in from {
        *to.entry(key.clone()).or_default() += count;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shape::tests::trip;

    #[test]
    fn what_never_happened_is_named() {
        let place = |step: &str| format!("trip/{step}");
        let mut seen = Seen { completed: 1, ..Seen::default() };
        seen.calls.insert("hotels".to_owned(), 3);
        for step in ["hotel", "flight", "charge"] {
            seen.done.insert(place(step), 1);
        }
        seen.undone.insert(place("hotel"), 1);
        let mut both = seen.clone();
        both.add(&seen);
        assert_eq!((both.sagas(), both.calls["hotels"]), (2, 6));
        let shape = trip();
        let gaps = both.gaps(["hotels", "cards"].into_iter(), std::iter::once(&shape));
        assert_eq!(
            gaps,
            [
                "the service cards was never called",
                "step flight of trip was never undone",
                "step mail of trip was never done",
            ]
        );
    }
}
