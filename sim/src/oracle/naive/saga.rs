//! A saga, folded from its stream by a state machine of the oracles' own: written from the design's
//! rules, and on purpose not from the product's reducer. Whatever cannot follow is noted and folding goes on.

use serde_json::Value;

use crate::evidence::LogEntry;

use super::json::{number, text};

/// How far the doing, or the undoing, of a step is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Progress {
    /// Not announced.
    #[default]
    New,
    /// Announced, and nobody knows yet.
    Open,
    /// It happened; for an undo also: it never had to.
    Done,
    /// The participant's no.
    Rejected,
    /// An operator's word.
    Skipped,
}

impl Progress {
    /// Whether it counts as done.
    pub fn is_done(self) -> bool {
        matches!(self, Self::Done | Self::Skipped)
    }
}

/// One step; `[doing, undoing]`.
#[derive(Debug, Clone, Default)]
pub struct Step {
    /// How far it is.
    pub progress: [Progress; 2],
    /// The newest attempt announced.
    pub attempt: [u64; 2],
    /// Attempts before an operator's last retry, which the policy does not count.
    pub forgiven: [u64; 2],
    /// When the attempt that waits is due, by the clock of the node that said so.
    pub due: [Option<(u64, String)>; 2],
}

impl Step {
    /// Whether it may stand and has to be undone when the saga goes back.
    pub fn is_to_be_undone(&self) -> bool {
        !matches!(self.progress[0], Progress::New | Progress::Rejected)
            && !self.progress[1].is_done()
    }
}

/// How a saga ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Everything was done.
    Completed,
    /// Everything that was done is undone.
    Compensated,
}

/// A saga as its stream tells it.
#[derive(Debug)]
pub struct Saga<'a> {
    /// Its id.
    pub id: &'a str,
    /// Its type.
    pub saga_type: &'a str,
    /// Its input.
    pub input: &'a Value,
    /// The step that decides.
    pub pivot: Option<usize>,
    /// Its steps.
    pub steps: Vec<Step>,
    /// When it goes back unless the pivot has succeeded.
    pub deadline_at_us: Option<u64>,
    /// How it ended.
    pub end: Option<End>,
    /// Where it was aborted: the position.
    pub aborted_at: Option<u64>,
    /// An abort waits for the pivot to be settled.
    pub is_settling: bool,
    /// Steps that wait for an operator; none of a poisoned saga.
    pub parked: Vec<Option<(usize, usize)>>,
    /// Every parking had a reason.
    pub parked_with_reason: bool,
    /// It starts nothing new.
    pub is_paused: bool,
    /// When that was said, and by which clock.
    paused_at: Option<(u64, &'a str)>,
    /// An operator declared something done or not done: the ledger may disagree with the log.
    pub is_overruled: bool,
    /// Its events.
    pub entries: Vec<&'a LogEntry>,
    /// What cannot be: `(what, detail)`.
    pub illegal: Vec<(&'static str, String)>,
    /// Attempts that ended before they were due: step's detail, and how much too early in microseconds.
    pub early: Vec<Early<'a>>,
}

/// An attempt that ended before it could have begun.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Early<'a> {
    /// What is broken by it.
    pub what: &'static str,
    /// Where its end stands in the log.
    pub position: u64,
    /// Who noted it.
    pub node: &'a str,
    /// By how much.
    pub by_us: u64,
    /// Whether the clock that set the time is the clock that noted the end.
    pub one_clock: bool,
}

impl<'a> Saga<'a> {
    /// Folds a stream; none when it is empty or begins with anything but the start.
    pub fn fold(id: &'a str, entries: &[&'a LogEntry]) -> Option<Self> {
        let first = *entries.first().filter(|first| first.event_type == "SagaStarted")?;
        let said = &first.payload;
        let place = |field| number(said, field).and_then(|n| usize::try_from(n).ok());
        let steps = place("steps").unwrap_or(0).min(64);
        let mut saga = Self {
            id,
            saga_type: text(said, "sagaType").unwrap_or(""),
            input: said.get("input").unwrap_or(&Value::Null),
            pivot: place("pivot"),
            steps: vec![Step::default(); steps],
            deadline_at_us: number(said, "deadlineAtUs"),
            end: None,
            aborted_at: None,
            is_settling: false,
            parked: Vec::new(),
            parked_with_reason: true,
            is_paused: false,
            paused_at: None,
            is_overruled: false,
            entries: entries.to_vec(),
            illegal: Vec::new(),
            early: Vec::new(),
        };
        entries.iter().skip(1).for_each(|entry| saga.apply(entry));
        Some(saga)
    }

    /// Whether it has ended, waits for an operator, or was paused by one.
    pub fn is_at_rest(&self) -> bool {
        self.end.is_some() || !self.parked.is_empty() || self.is_paused
    }

    /// The order whose money it gives back, when it is such a saga.
    pub fn refunds(&self) -> Option<&'a str> {
        let of = self.input.get("terms").and_then(|terms| text(terms, "orderId"));
        of.filter(|_| self.saga_type == "order-refund")
    }

    /// Whether the pivot has succeeded: from here on only forward.
    pub fn is_committed(&self) -> bool {
        self.pivot.is_some_and(|pivot| self.progress(pivot, 0).is_done())
    }

    /// How far a step is, in one direction.
    pub fn progress(&self, step: usize, direction: usize) -> Progress {
        self.steps.get(step).map_or(Progress::New, |step| step.progress[direction])
    }

    fn apply(&mut self, entry: &'a LogEntry) {
        if self.end.is_some() {
            self.wrong(entry, "an event behind the end of a saga");
        }
        let said = &entry.payload;
        let step = number(said, "step").and_then(|n| usize::try_from(n).ok());
        let at = step.filter(|step| *step < self.steps.len());
        match (entry.event_type.as_str(), at) {
            ("SagaStarted", _) => self.wrong(entry, "a saga was started twice"),
            ("StepStarted", Some(step)) => self.step_started(entry, step),
            ("StepSucceeded", Some(step)) => self.step_succeeded(entry, step),
            ("StepRejected", Some(step)) => self.step_rejected(entry, step),
            ("RetryScheduled", Some(step)) => self.retry(entry, step, false),
            ("RetryRequested", Some(step)) => self.retry(entry, step, true),
            ("AbortRequested", _) => self.abort_requested(entry),
            ("SagaAborted", _) => self.aborted(entry),
            ("CompensationStarted", Some(step)) => self.undo_started(entry, step),
            ("CompensationSucceeded", Some(step)) => self.undo_succeeded(entry, step),
            ("RevocationRejected", Some(step)) => self.revocation_rejected(entry, step),
            ("SagaParked", _) => self.park(entry, at),
            ("SagaPaused", _) => {
                self.is_paused = true;
                self.paused_at = number(said, "atUs").map(|at_us| (at_us, entry.node.as_str()));
            }
            ("SagaResumed", _) => (self.is_paused, self.paused_at) = (false, None),
            ("SagaUnparked", _) => self.parked.retain(Option::is_some),
            ("StepSkipped", Some(step)) => self.skipped(entry, step),
            ("StepResolved", Some(step)) => self.resolved(entry, step),
            ("SagaCompleted", _) => self.completed(entry),
            ("SagaCompensated", _) => self.compensated(entry),
            _ => self.wrong(entry, "an event that sagas do not have, or of no step of theirs"),
        }
    }

    fn wrong(&mut self, entry: &LogEntry, what: &'static str) {
        let detail = format!("saga {}: {} at {}", self.id, entry.event_type, entry.position);
        self.illegal.push((what, detail));
    }

    fn check(&mut self, holds: bool, entry: &LogEntry, what: &'static str) {
        if !holds {
            self.wrong(entry, what);
        }
    }

    fn set(&mut self, step: usize, direction: usize, progress: Progress) {
        self.steps[step].progress[direction] = progress;
        if progress != Progress::Open {
            self.steps[step].due[direction] = None;
            self.unpark(step, direction);
        }
    }

    fn unpark(&mut self, step: usize, direction: usize) {
        self.parked.retain(|parked| *parked != Some((step, direction)));
    }

    fn step_started(&mut self, entry: &LogEntry, step: usize) {
        let forward = self.aborted_at.is_none() && !self.is_settling;
        self.check(forward, entry, "a step was begun by a saga that goes back");
        self.check(!self.is_paused, entry, "a paused saga began something");
        self.check(self.progress(step, 0) == Progress::New, entry, "a step was announced twice");
        self.steps[step].attempt[0] = 1;
        self.set(step, 0, Progress::Open);
    }

    fn step_succeeded(&mut self, entry: &'a LogEntry, step: usize) {
        self.check_outcome(entry, step);
        self.on_time(entry, step, 0);
        self.set(step, 0, Progress::Done);
        if self.pivot == Some(step) {
            self.check(self.aborted_at.is_none(), entry, "a pivot succeeded behind the abort");
            self.is_settling = false;
        }
    }

    fn step_rejected(&mut self, entry: &'a LogEntry, step: usize) {
        self.check_outcome(entry, step);
        self.check(!self.is_committed(), entry, "a step behind the pivot was rejected for good");
        self.on_time(entry, step, 0);
        self.set(step, 0, Progress::Rejected);
    }

    fn check_outcome(&mut self, entry: &LogEntry, step: usize) {
        let [doing, undoing] = self.steps[step].progress;
        self.check(doing == Progress::Open, entry, "an outcome of a step that was not announced");
        let untouched = matches!(undoing, Progress::New | Progress::Rejected);
        self.check(untouched, entry, "an outcome of a step whose undo had begun");
    }

    fn retry(&mut self, entry: &'a LogEntry, step: usize, by_operator: bool) {
        let direction = direction(entry);
        let open = self.progress(step, direction) == Progress::Open;
        self.check(open, entry, "a retry of what was not under way");
        let attempt = number(&entry.payload, "attempt").unwrap_or(0);
        let follows = attempt == self.steps[step].attempt[direction] + 1;
        self.check(follows, entry, "attempts are not counted one by one");
        if !by_operator {
            self.on_time(entry, step, direction);
        }
        let step_state = &mut self.steps[step];
        step_state.attempt[direction] = attempt;
        let due = number(&entry.payload, "dueAtUs").filter(|_| !by_operator);
        step_state.due[direction] = due.map(|due| (due, entry.node.clone()));
        if by_operator {
            step_state.forgiven[direction] = attempt.saturating_sub(1);
            self.unpark(step, direction);
        }
    }

    /// An attempt that waits ends no earlier than it was to begin; and not at all while a pause holds up what
    /// was to begin behind it.
    fn on_time(&mut self, entry: &'a LogEntry, step: usize, direction: usize) {
        let Some((due, node)) = &self.steps[step].due[direction] else { return };
        let at = number(&entry.payload, "atUs").unwrap_or(u64::MAX);
        let mut early = |what, until: u64, clock: &str| {
            if let Some(by_us) = due.checked_sub(until).filter(|by_us| *by_us > 0) {
                let (position, noted_by) = (entry.position, entry.node.as_str());
                let one_clock = node == noted_by && clock == noted_by;
                self.early.push(Early { what, position, node: noted_by, by_us, one_clock });
            }
        };
        early("an attempt ended before it was due", at, &entry.node);
        if let Some((paused_us, clock)) = self.paused_at {
            early("a paused saga tried again", paused_us, clock);
        }
    }

    fn abort_requested(&mut self, entry: &LogEntry) {
        let running = self.aborted_at.is_none() && !self.is_committed();
        self.check(running, entry, "an abort was asked for that can no longer be");
        self.check(!self.is_settling, entry, "a second abort was asked for");
        self.is_settling = true;
        if let Some(pivot) = self.pivot.filter(|pivot| *pivot < self.steps.len()) {
            let open = self.progress(pivot, 0) == Progress::Open;
            self.check(open, entry, "an abort waits for a pivot that is not in doubt");
            // A parked attempt has had its answer: what is asked now counts as the next one.
            let is_answered = self.parked.contains(&Some((pivot, 0)));
            self.steps[pivot].attempt[0] += u64::from(is_answered);
            self.steps[pivot].due[0] = None;
        }
        self.parked.clear();
    }

    fn aborted(&mut self, entry: &LogEntry) {
        self.check(self.aborted_at.is_none(), entry, "a saga was aborted twice");
        self.check(!self.is_committed(), entry, "a saga was aborted behind its pivot");
        let in_doubt = |pivot: usize| {
            self.progress(pivot, 0) == Progress::Open && !self.progress(pivot, 1).is_done()
        };
        let settled = !self.pivot.is_some_and(in_doubt);
        self.check(settled, entry, "a saga was aborted while its pivot was in doubt");
        self.aborted_at = Some(entry.position);
        self.is_settling = false;
        self.parked.clear();
    }

    fn undo_started(&mut self, entry: &LogEntry, step: usize) {
        let revokes = self.is_settling && self.pivot == Some(step);
        let goes_back = self.aborted_at.is_some() || revokes;
        self.check(goes_back, entry, "an undo in a saga that does not go back");
        let standing = self.steps[step].is_to_be_undone();
        self.check(standing, entry, "an undo of what never happened");
        let fresh = self.progress(step, 1) == Progress::New;
        self.check(fresh, entry, "an undo was announced twice");
        self.check(!self.is_paused, entry, "a paused saga began something");
        let behind = self.steps.iter().skip(step + 1).any(Step::is_to_be_undone);
        let linear = super::steps::of(self.saga_type).is_some();
        self.check(revokes || !(linear && behind), entry, "an undo before that of a later step");
        self.steps[step].attempt[1] = 1;
        self.set(step, 1, Progress::Open);
    }

    fn undo_succeeded(&mut self, entry: &'a LogEntry, step: usize) {
        let open = self.progress(step, 1) == Progress::Open;
        self.check(open, entry, "an outcome of an undo that was not announced");
        self.on_time(entry, step, 1);
        self.set(step, 1, Progress::Done);
    }

    fn revocation_rejected(&mut self, entry: &LogEntry, step: usize) {
        let settling = self.is_settling && self.pivot == Some(step);
        self.check(settling, entry, "a revocation that nobody asked for");
        self.set(step, 1, Progress::Rejected);
        self.steps[step].attempt[0] = number(&entry.payload, "attempt").unwrap_or(0);
        self.steps[step].due[0] = None;
    }

    fn park(&mut self, entry: &'a LogEntry, at: Option<usize>) {
        let reason = entry.payload.get("reason").and_then(Value::as_object);
        self.parked_with_reason &= reason.is_some_and(|reason| !reason.is_empty());
        let direction = direction(entry);
        if let Some(step) = at {
            self.on_time(entry, step, direction);
            self.steps[step].due[direction] = None;
        }
        self.parked.push(at.map(|step| (step, direction)));
    }

    fn resolved(&mut self, entry: &LogEntry, step: usize) {
        let waits = self.parked.contains(&Some((step, direction(entry))));
        self.check(waits, entry, "a person decided on a step that waits for nobody");
        self.is_overruled = true;
    }

    fn skipped(&mut self, entry: &LogEntry, step: usize) {
        let direction = direction(entry);
        let waits = self.parked.contains(&Some((step, direction)));
        self.check(waits, entry, "a person decided on a step that waits for nobody");
        self.check(self.pivot != Some(step), entry, "a pivot was skipped");
        self.is_overruled = true;
        self.set(step, direction, Progress::Skipped);
    }

    fn completed(&mut self, entry: &LogEntry) {
        self.check(self.aborted_at.is_none(), entry, "an aborted saga completed");
        let done = self.steps.iter().all(|step| step.progress[0].is_done());
        self.check(done, entry, "a saga completed without all its steps");
        self.end = Some(End::Completed);
    }

    fn compensated(&mut self, entry: &LogEntry) {
        self.check(self.aborted_at.is_some(), entry, "a saga was undone that was not aborted");
        let left = self.steps.iter().any(Step::is_to_be_undone);
        self.check(!left, entry, "a saga was called undone with something left to undo");
        self.end = Some(End::Compensated);
    }
}

/// 0 doing, 1 undoing.
fn direction(entry: &LogEntry) -> usize {
    usize::from(text(&entry.payload, "direction") == Some("compensation"))
}
