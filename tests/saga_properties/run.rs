//! A saga driven by hand: a set of outstanding effects instead of a shell.

use std::collections::{BTreeSet, HashSet};

use sagaline::saga::{
    Definition, Effect, Input, Json, Moment, Outcome, Phase, Probe, Progress, SagaEvent, SagaState,
    StepDirection, StepIndex, Stimulus, Timer, Verb, begin, decide, evolve, pending_effects,
};

use crate::tape::Tape;
use crate::world::World;

pub(crate) struct Run<'a> {
    definition: &'a Definition,
    world: World,
    tape: Tape,
    moment: Moment,
    state: SagaState,
    log: Vec<SagaEvent>,
    /// What a running shell has outstanding.
    live: BTreeSet<Effect>,
    /// Calls that left and were given up: they may still arrive.
    lost: Vec<(StepIndex, StepDirection, u32)>,
    /// Inputs that made a difference: again they must make none.
    spent: Vec<Stimulus>,
}

impl<'a> Run<'a> {
    pub(crate) fn begin(definition: &'a Definition, world: World, tape: Tape) -> Self {
        let moment = Moment { now_us: 1_000, epoch: 1, jitter: 0 };
        let decision = begin(definition, Json::null(), moment);
        let mut run = Self::with_log(definition, world, tape, decision.events);
        run.live = decision.effects.into_iter().collect();
        run.check_outstanding();
        run
    }

    /// A shell that finds this log.
    pub(crate) fn resume(definition: &'a Definition, world: World, log: Vec<SagaEvent>) -> Self {
        let mut run = Self::with_log(definition, world, Tape::empty(), log);
        run.live = pending_effects(definition, &run.state).into_iter().collect();
        run
    }

    fn with_log(definition: &'a Definition, world: World, tape: Tape, log: Vec<SagaEvent>) -> Self {
        let state = SagaState::fold(&log).unwrap().unwrap();
        let moment = Moment { now_us: state.updated_at_us, epoch: state.epoch, jitter: 0 };
        let (live, lost, spent) = (BTreeSet::new(), Vec::new(), Vec::new());
        Self { definition, world, tape, moment, state, log, live, lost, spent }
    }

    pub(crate) fn log(&self) -> &[SagaEvent] {
        &self.log
    }

    /// Plays the tape to its end.
    pub(crate) fn play(&mut self) {
        while let Some(choice) = self.tape.next(32) {
            self.moment.jitter = choice as u64;
            match choice {
                0..10 => self.answer_call(),
                10..13 => self.lose_call(),
                13..18 => self.fire_timer(),
                18..20 => self.lost_call_arrives(),
                20..22 => self.repeat_input(),
                22 => self.wait(),
                23 => self.cancel(),
                24..27 => self.operate(),
                27..29 => self.crash(),
                29 => self.answer_unusably(),
                30 => self.probe_after_loss(),
                _ => self.poison(),
            }
        }
    }

    /// Everything works from now on and operators do their work: the saga must reach its end.
    pub(crate) fn finish(&mut self) {
        for _ in 0..2_000 {
            if self.state.has_ended() {
                return;
            }
            if self.state.paused {
                self.verb(Verb::Resume);
            } else if self.state.parked.is_some() {
                self.verb(Verb::Retry);
            } else {
                self.step_on();
            }
        }
        panic!("no end: {:#?}", self.log);
    }

    /// Everything works from now on and nobody touches the saga, unless it waits for somebody.
    pub(crate) fn finish_alone(&mut self) {
        let waited = self.state.parked.is_some();
        if self.state.paused {
            self.verb(Verb::Resume);
        }
        while !self.state.has_ended() && (self.state.parked.is_none() || !self.live.is_empty()) {
            self.step_on();
            assert!(self.log.len() < 1_000, "no end: {:#?}", self.log);
        }
        let ends = self.state.has_ended() || waited;
        assert!(ends, "parked though everything worked: {:#?}", self.log);
        self.finish();
    }

    pub(crate) fn let_lost_calls_arrive(&mut self) {
        for (step, direction, _) in std::mem::take(&mut self.lost) {
            self.world.arrives(step, direction);
        }
    }

    /// What people declared by hand is beyond the machine's knowledge.
    pub(crate) fn check_ledger(&self) {
        let declared: HashSet<StepIndex> = self.log.iter().filter_map(declared).collect();
        let expected = i32::from(self.state.phase == Phase::Completed);
        for step in (0..self.state.steps.len()).map(|place| StepIndex(place as u32)) {
            if !declared.contains(&step) {
                let stands = self.world.stands(step);
                assert_eq!(stands, expected, "step {} in the ledger: {:#?}", step.0, self.log);
            }
        }
    }

    fn step_on(&mut self) {
        if let Some(call) = self.live.iter().find(|effect| is_call(effect)).cloned() {
            let stimulus = self.carry_out(&call);
            self.feed(stimulus, Some(&call));
            return;
        }
        let timers = self.live.iter().filter_map(|effect| match effect {
            Effect::SetTimer { timer, due_at_us } => Some((*due_at_us, *timer)),
            Effect::Invoke { .. } | Effect::Probe { .. } => None,
        });
        let Some((due_at_us, timer)) = timers.min() else {
            panic!("nobody works on it and it has not ended: {:#?}", self.log);
        };
        self.moment.now_us = self.moment.now_us.max(due_at_us);
        self.feed(Stimulus::TimerFired(timer), Some(&Effect::SetTimer { timer, due_at_us }));
    }

    fn answer_call(&mut self) {
        if let Some(call) = self.pick(is_call) {
            let stimulus = self.carry_out(&call);
            self.feed(stimulus, Some(&call));
        }
    }

    /// The answer is lost, or the request is late, or both.
    fn lose_call(&mut self) {
        let Some(Effect::Invoke { step, direction, attempt }) = self.pick(is_invoke) else {
            return;
        };
        if self.tape.one_in(2) {
            self.world.arrives(step, direction);
        }
        self.lost.push((step, direction, attempt));
        let outcome = Outcome::Unknown { cause: "lost".to_owned(), retry_after_ms: None };
        let call = Effect::Invoke { step, direction, attempt };
        self.feed(Stimulus::Returned { step, direction, attempt, outcome }, Some(&call));
    }

    fn probe_after_loss(&mut self) {
        let Some(Effect::Invoke { step, direction, attempt }) = self.pick(is_invoke) else {
            return;
        };
        if direction == StepDirection::Compensation {
            return;
        }
        if self.tape.one_in(2) {
            self.world.arrives(step, direction);
        }
        self.lost.push((step, direction, attempt));
        let stimulus = probed(step, attempt, self.world.probe(step));
        self.feed(stimulus, Some(&Effect::Invoke { step, direction, attempt }));
    }

    /// A rejection that is not final, and of an undo one that is none.
    fn answer_unusably(&mut self) {
        let Some(Effect::Invoke { step, direction, attempt }) = self.pick(is_invoke) else {
            return;
        };
        let is_revocation = self.definition.pivot() == Some(step);
        if direction == StepDirection::Compensation && is_revocation {
            return;
        }
        let outcome = Outcome::Rejected { code: "BUSY".to_owned(), reason: "later".to_owned() };
        let call = Effect::Invoke { step, direction, attempt };
        self.feed(Stimulus::Returned { step, direction, attempt, outcome }, Some(&call));
    }

    fn fire_timer(&mut self) {
        let Some(Effect::SetTimer { timer, due_at_us }) = self.pick(|effect| !is_call(effect))
        else {
            return;
        };
        // Mostly retries: deadlines would end most runs early.
        let is_deadline = matches!(timer, Timer::SagaDeadline | Timer::StepDeadline { .. });
        if is_deadline && !self.tape.one_in(3) {
            return;
        }
        if !self.tape.one_in(5) {
            self.moment.now_us = self.moment.now_us.max(due_at_us);
        }
        self.feed(Stimulus::TimerFired(timer), Some(&Effect::SetTimer { timer, due_at_us }));
    }

    fn lost_call_arrives(&mut self) {
        let Some(place) = self.tape.next(self.lost.len()) else { return };
        let (step, direction, attempt) = self.lost[place];
        let outcome = self.world.arrives(step, direction);
        if self.tape.one_in(2) {
            self.feed(Stimulus::Returned { step, direction, attempt, outcome }, None);
        }
    }

    fn repeat_input(&mut self) {
        let Some(place) = self.tape.next(self.spent.len()) else { return };
        let stimulus = self.spent[place].clone();
        let input = Input { moment: self.moment, stimulus };
        if let Ok(decision) = decide(self.definition, &self.state, input.clone()) {
            assert!(decision.events.is_empty(), "{input:?} again: {decision:?} on {:#?}", self.log);
        }
    }

    fn wait(&mut self) {
        self.moment.now_us += self.tape.or_zero(1_000_000) as u64;
        self.moment.epoch += self.tape.or_zero(3) as u64;
    }

    fn cancel(&mut self) {
        let (reason, actor) = ("why not".to_owned(), "ann".to_owned());
        self.feed(Stimulus::Cancel { reason, actor }, None);
    }

    fn operate(&mut self) {
        let verb = match self.tape.or_zero(9) {
            0 => Verb::Skip,
            1 => Verb::Compensate,
            2 => Verb::ResolveSucceeded { result: Json::null() },
            3 => Verb::ResolveRejected,
            4 => Verb::Pause,
            5 | 6 => Verb::Resume,
            _ => Verb::Retry,
        };
        self.verb(verb);
    }

    fn verb(&mut self, verb: Verb) {
        let (reason, actor) = ("because".to_owned(), "op".to_owned());
        self.feed(Stimulus::Operate { verb, reason, actor }, None);
    }

    fn poison(&mut self) {
        if self.tape.one_in(3) {
            self.feed(Stimulus::Poisoned { cause: "by the test".to_owned() }, None);
        }
    }

    /// The shell dies; another one folds the log.
    fn crash(&mut self) {
        let left = std::mem::take(&mut self.live);
        self.lose(left);
        self.moment.epoch += 1;
        self.live = pending_effects(self.definition, &self.state).into_iter().collect();
    }

    fn carry_out(&mut self, call: &Effect) -> Stimulus {
        match *call {
            Effect::Invoke { step, direction, attempt } => {
                let outcome = self.world.arrives(step, direction);
                Stimulus::Returned { step, direction, attempt, outcome }
            }
            Effect::Probe { step, attempt } => probed(step, attempt, self.world.probe(step)),
            Effect::SetTimer { .. } => unreachable!("a timer is no call"),
        }
    }

    fn feed(&mut self, stimulus: Stimulus, consumed: Option<&Effect>) {
        let input = Input { moment: self.moment, stimulus: stimulus.clone() };
        let Ok(decision) = decide(self.definition, &self.state, input) else {
            return;
        };
        if let Some(consumed) = consumed {
            self.live.remove(consumed);
        }
        let changes = !decision.events.is_empty();
        for event in decision.events {
            self.state = evolve(Some(self.state.clone()), &event).unwrap();
            self.log.push(event);
        }
        self.live.extend(decision.effects);
        if changes && !matches!(stimulus, Stimulus::Operate { .. } | Stimulus::Poisoned { .. }) {
            self.spent.push(stimulus);
        }
        self.check_outstanding();
    }

    /// What is not owed any more is given up; what is left is exactly what a restart would do.
    fn check_outstanding(&mut self) {
        let pending = pending_effects(self.definition, &self.state);
        let owed: BTreeSet<Effect> = pending.iter().cloned().collect();
        assert_eq!(owed.len(), pending.len(), "an effect is owed twice: {pending:?}");
        let (kept, moot): (BTreeSet<_>, BTreeSet<_>) =
            self.live.iter().cloned().partition(|effect| owed.contains(&self.as_owed(effect)));
        let kept_as_owed: BTreeSet<Effect> =
            kept.iter().map(|effect| self.as_owed(effect)).collect();
        assert_eq!(kept_as_owed, owed, "outstanding and owed after {:#?}", self.log);
        self.live = kept;
        self.lose(moot);
    }

    /// The beginning of a retry is no event: the log knows the call as its timer.
    fn as_owed(&self, effect: &Effect) -> Effect {
        let (step, direction, called) = match *effect {
            Effect::Invoke { step, direction, attempt } => (step, direction, attempt),
            Effect::Probe { step, attempt } => (step, StepDirection::Action, attempt),
            Effect::SetTimer { .. } => return effect.clone(),
        };
        match *self.state.steps[step.0 as usize].progress(direction) {
            Progress::Waiting { attempt, due_at_us, .. } if attempt == called => {
                Effect::SetTimer { timer: Timer::Retry { step, direction, attempt }, due_at_us }
            }
            _ => effect.clone(),
        }
    }

    fn lose(&mut self, given_up: BTreeSet<Effect>) {
        for effect in given_up {
            if let Effect::Invoke { step, direction, attempt } = effect {
                self.lost.push((step, direction, attempt));
            }
        }
    }

    fn pick(&mut self, wanted: impl Fn(&Effect) -> bool) -> Option<Effect> {
        let candidates: Vec<Effect> = self.live.iter().filter(|e| wanted(e)).cloned().collect();
        let place = self.tape.next(candidates.len())?;
        candidates.into_iter().nth(place)
    }
}

fn is_call(effect: &Effect) -> bool {
    matches!(effect, Effect::Invoke { .. } | Effect::Probe { .. })
}

fn is_invoke(effect: &Effect) -> bool {
    matches!(effect, Effect::Invoke { .. })
}

fn probed(step: StepIndex, attempt: u32, answer: Probe) -> Stimulus {
    let cause = "no answer".to_owned();
    Stimulus::Probed { step, attempt, answer, cause, retry_after_ms: None }
}

fn declared(event: &SagaEvent) -> Option<StepIndex> {
    match event {
        SagaEvent::StepSkipped { step, .. } | SagaEvent::StepResolved { step, .. } => Some(*step),
        _ => None,
    }
}
