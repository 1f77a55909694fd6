//! The test kit for definitions: given what happened, when this comes, then that follows. No runtime,
//! no clock, no participant.
//!
//! ```
//! # use sagaline::saga::testing::{given, started, succeeded};
//! # use sagaline::saga::*;
//! # let step = |name: &str, after: &[&str]| StepSpec {
//! #     name: name.into(),
//! #     kind: StepKind::Compensable,
//! #     after: after.iter().map(|name| (*name).into()).collect(),
//! #     policy: Policy::default(),
//! # };
//! let trip = Definition::new("trip", vec![step("hotel", &[]), step("flight", &["hotel"])], None)?;
//! let (hotel, flight) = (StepIndex(0), StepIndex(1));
//! given(&trip, [])
//!     .when(succeeded(hotel, 1, &"room 4"))
//!     .then_events(&["StepSucceeded", "StepStarted"])
//!     .then_effects(&[Effect::Invoke { step: flight, direction: StepDirection::Action, attempt: 1 }]);
//! # Ok::<(), DefinitionError>(())
//! ```

use serde::Serialize;

use super::definition::{Definition, StepIndex};
use super::effect::{Decision, Effect};
use super::event::{SagaEvent, StepDirection};
use super::input::{Input, Moment, Outcome, Refusal, Stimulus};
use super::json::Json;
use super::state::SagaState;

/// The moment of every input until [`Given::at`] says another: one second, epoch 1, no jitter.
pub const MOMENT: Moment = Moment { now_us: 1_000_000, epoch: 1, jitter: 0 };

/// A saga with a past.
#[derive(Debug, Clone)]
pub struct Given<'a> {
    definition: &'a Definition,
    log: Vec<SagaEvent>,
    moment: Moment,
}

/// What an input led to.
#[derive(Debug)]
pub struct When<'a> {
    given: Given<'a>,
    outcome: Result<Decision, Refusal>,
}

/// A saga that has begun with a `null` input and had these events since.
///
/// # Panics
/// When the events cannot follow on each other.
pub fn given<'a>(
    definition: &'a Definition,
    events: impl IntoIterator<Item = SagaEvent>,
) -> Given<'a> {
    let mut log = super::begin(definition, Json::null(), MOMENT).events;
    log.extend(events);
    given_log(definition, log)
}

/// A saga with exactly this log.
///
/// # Panics
/// When the log is empty or its events cannot follow on each other.
pub fn given_log(definition: &Definition, log: Vec<SagaEvent>) -> Given<'_> {
    let given = Given { definition, log, moment: MOMENT };
    given.state();
    given
}

/// What the kit calls an input: the call of this attempt succeeded.
///
/// # Panics
/// When the result is no JSON.
pub fn succeeded(step: StepIndex, attempt: u32, result: &impl Serialize) -> Stimulus {
    let result = Json::of(result).expect("a result of a step is JSON");
    returned(step, StepDirection::Action, attempt, Outcome::Succeeded(result))
}

/// The participant said no.
pub fn rejected(step: StepIndex, attempt: u32, code: &str) -> Stimulus {
    let outcome = Outcome::Rejected { code: code.to_owned(), reason: "no".to_owned() };
    returned(step, StepDirection::Action, attempt, outcome)
}

/// The call had no usable answer.
pub fn unknown(step: StepIndex, direction: StepDirection, attempt: u32) -> Stimulus {
    let outcome = Outcome::Unknown { cause: "timeout".to_owned(), retry_after_ms: None };
    returned(step, direction, attempt, outcome)
}

/// The step is undone.
pub fn undone(step: StepIndex, attempt: u32) -> Stimulus {
    returned(step, StepDirection::Compensation, attempt, Outcome::Succeeded(Json::null()))
}

/// Any answer to a call.
pub fn returned(
    step: StepIndex,
    direction: StepDirection,
    attempt: u32,
    outcome: Outcome,
) -> Stimulus {
    Stimulus::Returned { step, direction, attempt, outcome }
}

/// The saga has begun and nothing came back yet.
pub fn started(definition: &Definition) -> Given<'_> {
    given(definition, [])
}

impl<'a> Given<'a> {
    /// Inputs come at this time from now on.
    #[must_use]
    pub fn at(mut self, now_us: u64) -> Self {
        self.moment.now_us = now_us;
        self
    }

    /// Inputs come under these circumstances from now on.
    #[must_use]
    pub fn moment(mut self, moment: Moment) -> Self {
        self.moment = moment;
        self
    }

    /// The state that the log tells.
    ///
    /// # Panics
    /// When an event cannot follow.
    pub fn state(&self) -> SagaState {
        let folded = SagaState::fold(&self.log).unwrap_or_else(|error| panic!("{error}"));
        folded.expect("a log has at least its first event")
    }

    /// Everything that happened so far.
    pub fn log(&self) -> &[SagaEvent] {
        &self.log
    }

    /// What a restarted shell would do now.
    pub fn pending(&self) -> Vec<Effect> {
        super::pending_effects(self.definition, &self.state())
    }

    /// Decides on an input.
    pub fn when(self, stimulus: Stimulus) -> When<'a> {
        let input = Input { moment: self.moment, stimulus };
        let outcome = super::decide(self.definition, &self.state(), input);
        When { given: self, outcome }
    }

    /// Decides on an input and goes on, whatever follows.
    ///
    /// # Panics
    /// When it is refused.
    #[must_use]
    pub fn after(self, stimulus: Stimulus) -> Self {
        self.when(stimulus).go_on()
    }
}

impl<'a> When<'a> {
    /// Exactly these events and effects follow.
    ///
    /// # Panics
    /// When others do.
    #[track_caller]
    pub fn then(self, events: &[SagaEvent], effects: &[Effect]) -> Given<'a> {
        assert_eq!(self.decision().events, events, "events");
        self.then_effects(effects).go_on()
    }

    /// Events with exactly these names follow, in this order.
    ///
    /// # Panics
    /// When others do.
    #[track_caller]
    pub fn then_events(self, names: &[&str]) -> Self {
        let actual: Vec<&str> = self.decision().events.iter().map(SagaEvent::name).collect();
        assert_eq!(actual, names, "events {:#?}", self.decision().events);
        self
    }

    /// Exactly these effects follow, in this order.
    ///
    /// # Panics
    /// When others do.
    #[track_caller]
    pub fn then_effects(self, effects: &[Effect]) -> Self {
        assert_eq!(self.decision().effects, effects, "effects");
        self
    }

    /// Nothing follows.
    ///
    /// # Panics
    /// When something does.
    #[track_caller]
    pub fn then_nothing(self) -> Given<'a> {
        self.then(&[], &[])
    }

    /// It is refused so.
    ///
    /// # Panics
    /// When it is not.
    #[track_caller]
    pub fn then_refused(self, refusal: &Refusal) -> Given<'a> {
        assert_eq!(self.outcome.as_ref().err(), Some(refusal), "{:?}", self.outcome);
        self.given
    }

    /// The decision.
    ///
    /// # Panics
    /// When the input was refused.
    #[track_caller]
    pub fn decision(&self) -> &Decision {
        match &self.outcome {
            Ok(decision) => decision,
            Err(refusal) => panic!("it was refused: {refusal}"),
        }
    }

    /// The saga after that.
    ///
    /// # Panics
    /// When the input was refused.
    #[track_caller]
    pub fn go_on(mut self) -> Given<'a> {
        let events = self.decision().events.clone();
        self.given.log.extend(events);
        self.given.state();
        self.given
    }
}
