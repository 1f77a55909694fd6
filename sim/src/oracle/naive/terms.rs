//! The deadlines that single steps of a saga have of their own, as its events tell them: each counts from the
//! announcement of its step, or from an operator's last retry of it.

use std::collections::BTreeMap;

use crate::evidence::LogEntry;
use crate::shape::SagaShape;

use super::json::{number, text};

/// The deadlines of one saga, as far as its events were taken in.
#[derive(Debug)]
pub struct Terms<'a> {
    shape: &'a SagaShape,
    /// Since when each step is under way that is neither done nor refused.
    since_us: BTreeMap<usize, u64>,
}

impl<'a> Terms<'a> {
    /// Of a saga of this shape that has only just begun.
    pub fn new(shape: &'a SagaShape) -> Self {
        Self { shape, since_us: BTreeMap::new() }
    }

    /// Takes in the next event.
    pub fn take(&mut self, entry: &LogEntry) {
        let Some(step) = step_of(entry).filter(|_| !undoes(entry)) else { return };
        match entry.event_type.as_str() {
            "StepStarted" | "RetryRequested" => {
                let at_us = number(&entry.payload, "atUs").unwrap_or(0);
                self.since_us.insert(step, at_us);
            }
            "StepSucceeded" | "StepRejected" | "StepSkipped" => {
                self.since_us.remove(&step);
            }
            _ => {}
        }
    }

    /// When the deadline of a step passes; none: it has none, or is not under way.
    pub fn due_us(&self, step: usize) -> Option<u64> {
        let term_us = self.shape.steps.get(step)?.term_us()?;
        self.since_us.get(&step).map(|since_us| since_us.saturating_add(term_us))
    }
}

/// The step that a saga's event is about.
pub fn step_of(entry: &LogEntry) -> Option<usize> {
    number(&entry.payload, "step").and_then(|step| usize::try_from(step).ok())
}

/// Whether it is about undoing the step.
pub fn undoes(entry: &LogEntry) -> bool {
    text(&entry.payload, "direction") == Some("compensation")
}
