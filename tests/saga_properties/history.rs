//! What holds for every log, read without the machine.

use std::collections::HashSet;

use sagaline::saga::{Definition, ParkReason, SagaEvent, StepDirection, StepIndex, StepKind};

/// Every event, and the turns that a run may take between them.
pub(crate) const PATHS: [&str; 27] = [
    "SagaStarted",
    "StepStarted",
    "StepSucceeded",
    "StepRejected",
    "RetryScheduled",
    "AbortRequested",
    "SagaAborted",
    "CompensationStarted",
    "CompensationSucceeded",
    "RevocationRejected",
    "SagaParked",
    "SagaPaused",
    "SagaResumed",
    "SagaUnparked",
    "RetryRequested",
    "StepSkipped",
    "StepResolved",
    "SagaCompleted",
    "SagaCompensated",
    "AbortRequested..SagaCompleted",
    "AbortRequested..SagaCompensated",
    "RevocationRejected..SagaCompleted",
    "RevocationRejected..SagaCompensated",
    "SagaParked..SagaCompleted",
    "SagaParked..SagaCompensated",
    "SagaParked..SagaParked",
    "SagaPaused..SagaAborted",
];

/// Which of them a log took.
pub(crate) fn paths(log: &[SagaEvent]) -> Vec<String> {
    let names: Vec<&str> = log.iter().map(SagaEvent::name).collect();
    let taken = |path: &&str| {
        let mut rest = names.iter();
        path.split("..").all(|wanted| rest.any(|name| *name == wanted))
    };
    PATHS.iter().filter(|path| taken(path)).map(|path| (*path).to_owned()).collect()
}

#[derive(Default)]
struct Seen {
    started: HashSet<StepIndex>,
    succeeded: HashSet<StepIndex>,
    rejected: HashSet<StepIndex>,
    skipped: HashSet<StepIndex>,
    undo_started: HashSet<StepIndex>,
    undone: HashSet<StepIndex>,
    aborts: usize,
    requests: usize,
    pivot_stands: bool,
    epoch: u64,
}

pub(crate) fn check(definition: &Definition, log: &[SagaEvent]) {
    let mut seen = Seen::default();
    for event in log {
        let epoch = event.epoch().unwrap_or(seen.epoch);
        assert!(epoch >= seen.epoch, "the epoch fell at {event:?}");
        seen.epoch = epoch;
        seen.check(definition, event, log);
    }
}

impl Seen {
    fn check(&mut self, definition: &Definition, event: &SagaEvent, log: &[SagaEvent]) {
        match event {
            SagaEvent::StepStarted { step, .. } => self.check_started(definition, *step, log),
            SagaEvent::StepSucceeded { step, .. } => {
                assert!(self.succeeded.insert(*step), "step {step:?} succeeded twice: {log:#?}");
                self.pivot_stands |= definition.pivot() == Some(*step);
            }
            SagaEvent::StepRejected { step, .. } => {
                assert!(!self.pivot_stands, "a final rejection behind the pivot: {log:#?}");
                assert!(self.rejected.insert(*step));
            }
            SagaEvent::StepSkipped { step, direction: StepDirection::Action, .. } => {
                self.skipped.insert(*step);
            }
            SagaEvent::AbortRequested { .. } => {
                assert!(!self.pivot_stands && self.aborts == 0, "a late request: {log:#?}");
                self.requests += 1;
                assert_eq!(self.requests, 1, "two requests: {log:#?}");
            }
            SagaEvent::SagaAborted { .. } => {
                assert!(!self.pivot_stands, "aborted behind the pivot: {log:#?}");
                self.aborts += 1;
                assert_eq!(self.aborts, 1, "two aborts: {log:#?}");
            }
            SagaEvent::CompensationStarted { step, .. } => {
                self.check_undo(definition, *step, log);
            }
            SagaEvent::CompensationSucceeded { step, .. }
            | SagaEvent::StepSkipped { step, direction: StepDirection::Compensation, .. } => {
                assert!(self.undone.insert(*step), "step {step:?} undone twice: {log:#?}");
            }
            SagaEvent::SagaParked { reason: ParkReason::Poisoned { cause }, .. } => {
                assert_eq!(cause, "by the test", "the machine lost its way: {log:#?}");
            }
            SagaEvent::SagaCompleted { .. } => self.check_completed(definition, log),
            SagaEvent::SagaCompensated { .. } => self.check_compensated(log),
            _ => {}
        }
    }

    fn check_started(&mut self, definition: &Definition, step: StepIndex, log: &[SagaEvent]) {
        assert!(self.started.insert(step), "step {step:?} started twice: {log:#?}");
        assert!(self.aborts == 0, "started after the abort: {log:#?}");
        let spec = definition.step(step).unwrap();
        for name in &spec.after {
            let (before, _) = definition.find(name).unwrap();
            let done = self.succeeded.contains(&before) || self.skipped.contains(&before);
            assert!(done, "step {step:?} started too early: {log:#?}");
        }
    }

    fn check_undo(&mut self, definition: &Definition, step: StepIndex, log: &[SagaEvent]) {
        assert!(!self.pivot_stands, "undo behind the pivot: {log:#?}");
        assert!(self.started.contains(&step) && !self.rejected.contains(&step));
        assert!(self.undo_started.insert(step), "step {step:?} undone twice: {log:#?}");
        let spec = definition.step(step).unwrap();
        assert_ne!(spec.kind, StepKind::Retriable, "a retriable step is undone: {log:#?}");
        let is_pivot = spec.kind == StepKind::Pivot;
        assert_eq!(is_pivot, self.aborts == 0, "the pivot is settled before all: {log:#?}");
        for (place, later) in definition.steps().iter().enumerate() {
            let later_index = StepIndex(place as u32);
            let open = later.after.contains(&spec.name)
                && self.started.contains(&later_index)
                && !self.rejected.contains(&later_index)
                && !self.undone.contains(&later_index);
            assert!(!open, "step {step:?} undone before {later_index:?}: {log:#?}");
        }
    }

    fn check_completed(&self, definition: &Definition, log: &[SagaEvent]) {
        assert!(self.aborts == 0, "completed after an abort: {log:#?}");
        let done = self.succeeded.union(&self.skipped).count();
        assert_eq!(done, definition.steps().len(), "completed too early: {log:#?}");
    }

    fn check_compensated(&self, log: &[SagaEvent]) {
        assert_eq!(self.aborts, 1, "compensated without an abort: {log:#?}");
        for step in self.started.difference(&self.rejected) {
            assert!(self.undone.contains(step), "step {step:?} is not undone: {log:#?}");
        }
    }
}
