//! A decision in the making: the events so far and the state they lead to.

use std::borrow::Cow;

use super::HISTORY_EVENTS_MAX;
use crate::saga::definition::{Definition, StepIndex};
use crate::saga::effect::{Decision, Effect};
use crate::saga::event::{ParkReason, SagaEvent, StepDirection};
use crate::saga::evolve::EvolveError;
use crate::saga::input::{Moment, Refusal};
use crate::saga::resume;
use crate::saga::state::SagaState;

pub(super) struct Draft<'a> {
    pub(super) definition: &'a Definition,
    moment: Moment,
    before: &'a SagaState,
    /// Copied with the first event only: late inputs cost nothing.
    after: Cow<'a, SagaState>,
    events: Vec<SagaEvent>,
    /// What must be done again or now, though the log says the same as before.
    again: Vec<Effect>,
    fault: Option<EvolveError>,
}

impl<'a> Draft<'a> {
    pub(super) fn new(definition: &'a Definition, state: &'a SagaState, moment: Moment) -> Self {
        Self {
            definition,
            moment,
            before: state,
            after: Cow::Borrowed(state),
            events: Vec::new(),
            again: Vec::new(),
            fault: None,
        }
    }

    /// The state as it is after the events so far.
    pub(super) fn state(&self) -> &SagaState {
        &self.after
    }

    pub(super) fn now_us(&self) -> u64 {
        self.moment.now_us
    }

    pub(super) fn epoch(&self) -> u64 {
        self.moment.epoch
    }

    pub(super) fn jitter(&self) -> u64 {
        self.moment.jitter
    }

    pub(super) fn has_events(&self) -> bool {
        !self.events.is_empty()
    }

    /// Adds an event. One that cannot follow ends the draft: see [`Self::end`].
    pub(super) fn record(&mut self, event: SagaEvent) {
        if self.fault.is_some() {
            return;
        }
        match self.after.to_mut().apply(&event) {
            Ok(()) => self.events.push(event),
            Err(fault) => self.fault = Some(fault),
        }
    }

    /// Adds an effect that does not follow from a change of the state.
    pub(super) fn again(&mut self, effect: Effect) {
        self.again.push(effect);
    }

    /// The first decision of a saga: here everything is owed.
    pub(super) fn begin(mut self, started: SagaEvent) -> Decision {
        self.events.insert(0, started);
        let effects = resume::pending_effects(self.definition, &self.after);
        Decision { events: self.events, effects }
    }

    /// The decision: the events, and what is owed after them and was not before; and the state after the
    /// events, when there are any.
    ///
    /// When the history is full a person is refused and everybody else finds the saga parked. The same
    /// happens when an event could not be read back: that would be a fault of this machine, and a parked
    /// saga is one that somebody sees.
    pub(super) fn end(self, by_person: bool) -> Result<(Decision, Option<SagaState>), Refusal> {
        let events = self.before.events.saturating_add(self.events.len() as u64);
        let is_full = events >= HISTORY_EVENTS_MAX
            && !self.events.is_empty()
            && !self.after.has_ended()
            && !self.after.is_poisoned();
        if is_full && by_person {
            return Err(Refusal::HistoryFull { limit: HISTORY_EVENTS_MAX });
        }
        if is_full {
            return Ok(self.poisoned(format!("its history has {HISTORY_EVENTS_MAX} events")));
        }
        if let Some(fault) = &self.fault {
            let cause = format!("a decision does not follow from its log: {fault}");
            return Ok(self.poisoned(cause));
        }
        let effects = self.effects();
        let after = match self.after {
            Cow::Owned(after) if !self.events.is_empty() => Some(after),
            Cow::Owned(_) | Cow::Borrowed(_) => None,
        };
        Ok((Decision { events: self.events, effects }, after))
    }

    /// Nothing of the draft is kept: the saga is parked instead, and owes nothing.
    fn poisoned(&self, cause: String) -> (Decision, Option<SagaState>) {
        let event = SagaEvent::SagaParked {
            step: None,
            direction: StepDirection::Action,
            reason: ParkReason::Poisoned { cause },
            at_us: self.now_us(),
        };
        let mut after = self.before.clone();
        match after.apply(&event) {
            Ok(()) => (Decision { events: vec![event], effects: Vec::new() }, Some(after)),
            Err(_ended_or_parked_so) => (Decision::default(), None),
        }
    }

    fn effects(&self) -> Vec<Effect> {
        if self.events.is_empty() || !resume::is_worked_on(self.definition, &self.after) {
            return self.again.clone();
        }
        let was_worked_on = resume::is_worked_on(self.definition, self.before);
        let mut effects = Vec::new();
        for step in (0..self.after.steps.len()).map(StepIndex::of) {
            let owed = resume::owed_by_step(self.definition, &self.after, step);
            let before = match was_worked_on {
                true => resume::owed_by_step(self.definition, self.before, step),
                false => [None, None],
            };
            let new = owed.into_iter().zip(before).filter(|(owed, before)| owed != before);
            effects.extend(new.filter_map(|(owed, _)| owed));
        }
        let before = resume::owed_by_saga(self.before).filter(|_| was_worked_on);
        effects
            .extend(resume::owed_by_saga(&self.after).filter(|owed| before.as_ref() != Some(owed)));
        effects.extend_from_slice(&self.again);
        effects
    }
}
