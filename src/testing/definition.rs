//! Sagas: given what a saga has heard so far, when it hears this, then these events and these effects. No
//! step's code runs: this tests the graph, its kinds and its policies.
//!
//! ```
//! use sagaline::prelude::*;
//! use sagaline::testing::definition::{given, rejected, succeeded, undone};
//! # macro_rules! step { ($step:ident, $name:literal) => {
//! #     struct $step;
//! #     impl Step for $step {
//! #         const NAME: &'static str = $name;
//! #         type Saga = String;
//! #         type Output = u32;
//! #         async fn action(&self, _: &Call<String>) -> Outcome<u32> { Ok(1) }
//! #     }
//! #     impl Compensable for $step {
//! #         async fn compensate(&self, _: &Call<String>, _: Option<&u32>) -> Outcome<()> { Ok(()) }
//! #     }
//! # } }
//! # step!(Hotel, "hotel");
//! # step!(Charge, "charge");
//!
//! let trip = Definition::new("trip").compensable(Hotel).pivot(Charge).after(Hotel).build()?;
//! given(&trip, &"Lisbon".to_owned())
//!     .when(succeeded::<Hotel>(&4))
//!     .then(&["hotel succeeded", "charge started"], &["call charge"])
//!     .when(rejected::<Charge>("NO_COVER"))
//!     .then(
//!         &["charge rejected: NO_COVER", "saga aborted", "undo of hotel started"],
//!         &["undo hotel"],
//!     )
//!     .when(undone::<Hotel>())
//!     .then(&["hotel undone", "saga compensated"], &[]);
//! # Ok::<(), DefinitionError>(())
//! ```
//!
//! Events and effects are lines: what they can be, a failing test shows. With `assert_eq!` on values the
//! same is done by [`crate::saga::testing`], below this.

use serde::Serialize;

pub use super::heard::{
    Heard, cancelled, deadline_passed, did_not_happen, happened, operated, rejected, retry_due,
    saga_deadline_passed, succeeded, undo_rejected, undo_unknown, undone, unknown,
};
use super::{listed, script};
use crate::engine::Definition;
use crate::saga::{
    Decision, Definition as Value, Effect, Input, Json, Moment, Refusal, SagaEvent, SagaState,
    Stimulus, begin, decide, pending_effects,
};

/// Every input comes so much later than the one before, in microseconds; a timer at its time.
const APART_US: u64 = 1_000;

/// A saga with a past.
#[derive(Debug, Clone)]
pub struct Given<'a> {
    definition: &'a Value,
    log: Vec<SagaEvent>,
    moment: Moment,
}

/// What an input led to.
#[derive(Debug)]
pub struct When<'a> {
    given: Given<'a>,
    decided: Result<Decision, Refusal>,
}

/// A saga that has just begun with this input.
///
/// # Panics
/// When the input is no JSON.
#[track_caller]
pub fn given<'a, T: Serialize>(definition: &'a Definition<T>, input: &T) -> Given<'a> {
    let input = match Json::of(input) {
        Ok(input) => input,
        Err(error) => panic!("the input of a saga must be JSON: {error}"),
    };
    let moment = Moment { now_us: 1_000_000, epoch: 1, jitter: 0 };
    let definition = &definition.registered.definition;
    Given { definition, log: begin(definition, input, moment).events, moment }
}

impl<'a> Given<'a> {
    /// It hears something.
    ///
    /// # Panics
    /// When that cannot be: the definition has no such step, or no attempt of it is under way.
    #[must_use]
    #[track_caller]
    pub fn when(mut self, heard: Heard) -> When<'a> {
        let state = self.state();
        let stimulus = match heard.stimulus(self.definition, &state) {
            Ok(stimulus) => stimulus,
            Err(problem) => panic!("saga `{}`: {problem}\n{}", self.definition.name(), self.past()),
        };
        self.moment.now_us = (self.moment.now_us + APART_US).max(self.due_at_us(&state, &stimulus));
        let decided = decide(self.definition, &state, Input { moment: self.moment, stimulus });
        When { given: self, decided }
    }

    /// It hears something and goes on, whatever follows.
    ///
    /// # Panics
    /// When that cannot be, or is refused.
    #[must_use]
    #[track_caller]
    pub fn after(self, heard: Heard) -> Self {
        self.when(heard).go_on()
    }

    /// Its state.
    ///
    /// # Panics
    /// Never: only what the machine decided is in its log.
    pub fn state(&self) -> SagaState {
        match SagaState::fold(&self.log) {
            Ok(Some(state)) => state,
            Ok(None) => panic!("a saga's log has its first event"),
            Err(error) => panic!("the machine wrote a log that it cannot read: {error}"),
        }
    }

    /// Everything that has happened to it, a line each.
    pub fn events(&self) -> Vec<String> {
        self.log.iter().map(|event| script::event(self.definition, event)).collect()
    }

    /// What a node that is started now would do, a line each.
    pub fn pending(&self) -> Vec<String> {
        let owed = pending_effects(self.definition, &self.state());
        owed.iter().map(|effect| script::effect(self.definition, effect)).collect()
    }

    /// When a timer is due; at once, what is no timer or was not set.
    fn due_at_us(&self, state: &SagaState, stimulus: &Stimulus) -> u64 {
        let Stimulus::TimerFired(fired) = stimulus else { return 0 };
        let set =
            pending_effects(self.definition, state).into_iter().find_map(|effect| match effect {
                Effect::SetTimer { timer, due_at_us } if timer == *fired => Some(due_at_us),
                Effect::SetTimer { .. } | Effect::Invoke { .. } | Effect::Probe { .. } => None,
            });
        set.unwrap_or(0)
    }

    fn past(&self) -> String {
        format!("  its past:\n{}", listed(self.events(), |line| line))
    }
}

impl<'a> When<'a> {
    /// Exactly these events and effects follow, in this order. Goes on behind them.
    ///
    /// # Panics
    /// When others do.
    #[track_caller]
    pub fn then(self, events: &[&str], effects: &[&str]) -> Given<'a> {
        let decision = self.decision();
        let definition = self.given.definition;
        let actual: Vec<_> = decision.events.iter().map(|e| script::event(definition, e)).collect();
        self.compare("events", &actual, events);
        let actual: Vec<_> =
            decision.effects.iter().map(|e| script::effect(definition, e)).collect();
        self.compare("effects", &actual, effects);
        self.go_on()
    }

    /// It is refused, in these words. Goes on as if nothing was asked.
    ///
    /// # Panics
    /// When it is not.
    #[track_caller]
    pub fn refused(self, words: &str) -> Given<'a> {
        match &self.decided {
            Err(refusal) => {
                let (name, past) = (self.given.definition.name(), self.given.past());
                assert_eq!(refusal.to_string(), words, "saga `{name}`\n{past}");
                self.given
            }
            Ok(_) => panic!(
                "saga `{}` does not refuse it as `{words}`\n{}",
                self.given.definition.name(),
                self.given.past()
            ),
        }
    }

    /// Whatever follows; goes on behind it.
    ///
    /// # Panics
    /// When it is refused.
    #[must_use]
    #[track_caller]
    pub fn go_on(mut self) -> Given<'a> {
        let events = self.decision().events.clone();
        self.given.log.extend(events);
        self.given
    }

    #[track_caller]
    fn decision(&self) -> &Decision {
        match &self.decided {
            Ok(decision) => decision,
            Err(refusal) => panic!(
                "saga `{}` refuses it: {refusal}\n{}",
                self.given.definition.name(),
                self.given.past()
            ),
        }
    }

    #[track_caller]
    fn compare(&self, what: &str, actual: &[String], wanted: &[&str]) {
        assert!(
            actual == wanted,
            "saga `{}` decides on other {what}\n  wanted:\n{}\n  decided:\n{}\n{}",
            self.given.definition.name(),
            listed(wanted, |line| (*line).to_owned()),
            listed(actual, Clone::clone),
            self.given.past(),
        );
    }
}

#[cfg(test)]
#[path = "definition_tests.rs"]
mod tests;
