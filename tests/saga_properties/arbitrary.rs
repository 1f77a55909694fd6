//! Any state and any input, also such as no log leads to.

use proptest::prelude::*;
use sagaline::saga::{
    AbortReason, Definition, HISTORY_EVENTS_MAX, Input, Json, Moment, Outcome, ParkReason, Parked,
    Phase, Probe, Progress, SagaState, StepDirection, StepIndex, StepState, Stimulus, Timer, Verb,
    decide, evolve, pending_effects,
};

pub(crate) fn any_state() -> impl Strategy<Value = SagaState> {
    let progress = (
        any_phase(),
        proptest::collection::vec(any_step(), 0..9),
        proptest::option::of(any_index()),
        proptest::option::of(any_reason()),
        proptest::option::of(any_parked()),
        proptest::collection::vec(any_parked(), 0..3),
    );
    let rest = (any::<bool>(), any_number(), any_number(), any_events());
    (progress, rest).prop_map(|(progress, (paused, now_us, epoch, events))| {
        let (phase, steps, pivot, abort_requested, parked, also_parked) = progress;
        SagaState {
            saga_type: "any".into(),
            definition: "any".into(),
            pivot,
            input: Json::null(),
            phase,
            steps,
            aborted: abort_requested.clone().filter(|_| paused),
            abort_requested,
            parked,
            also_parked,
            paused,
            started_at_us: now_us,
            updated_at_us: now_us,
            deadline_at_us: (epoch % 2 == 0).then_some(now_us),
            epoch,
            events,
        }
    })
}

/// The same state, as if it belonged to this definition.
pub(crate) fn of_definition(mut state: SagaState, definition: &Definition) -> SagaState {
    state.definition = definition.hash().clone();
    state.pivot = definition.pivot();
    state.steps.resize_with(definition.steps().len(), StepState::default);
    state
}

/// Whatever is decided can be read back, and nothing panics on the way.
pub(crate) fn check_any(definition: &Definition, mut state: SagaState, inputs: Vec<Input>) {
    for input in inputs {
        let _ = pending_effects(definition, &state);
        let Ok(decision) = decide(definition, &state, input) else { continue };
        let before = state.events;
        for event in &decision.events {
            state = evolve(Some(state), event).unwrap();
        }
        let within =
            state.events <= HISTORY_EVENTS_MAX || state.has_ended() || before >= HISTORY_EVENTS_MAX;
        assert!(within, "{} events", state.events);
    }
}

pub(crate) fn any_input() -> impl Strategy<Value = Input> {
    prop_oneof![3 => any_machine_input(), 1 => with_moment(any_request())]
}

pub(crate) fn any_machine_input() -> impl Strategy<Value = Input> {
    with_moment(any_stimulus())
}

fn with_moment(stimulus: impl Strategy<Value = Stimulus>) -> impl Strategy<Value = Input> {
    (stimulus, any_number(), any_number(), any::<u64>()).prop_map(
        |(stimulus, now_us, epoch, jitter)| Input {
            moment: Moment { now_us, epoch, jitter },
            stimulus,
        },
    )
}

fn any_stimulus() -> impl Strategy<Value = Stimulus> {
    let returned = (any_index(), any_direction(), any_attempt(), any_outcome()).prop_map(
        |(step, direction, attempt, outcome)| Stimulus::Returned {
            step,
            direction,
            attempt,
            outcome,
        },
    );
    let answer = prop_oneof![
        Just(Probe::Happened(Json::null())),
        Just(Probe::DidNotHappen),
        Just(Probe::CannotTell)
    ];
    let probed = (any_index(), any_attempt(), answer, proptest::option::of(any::<u64>())).prop_map(
        |(step, attempt, answer, retry_after_ms)| Stimulus::Probed {
            step,
            attempt,
            answer,
            cause: "any".to_owned(),
            retry_after_ms,
        },
    );
    prop_oneof![3 => returned, 1 => probed, 2 => any_timer().prop_map(Stimulus::TimerFired)]
}

fn any_request() -> impl Strategy<Value = Stimulus> {
    let words = || (String::from("why"), String::from("who"));
    let operate = move |verb| {
        let (reason, actor) = words();
        Stimulus::Operate { verb, reason, actor }
    };
    let verb = prop_oneof![
        Just(Verb::Retry),
        Just(Verb::Skip),
        Just(Verb::Compensate),
        Just(Verb::ResolveSucceeded { result: Json::null() }),
        Just(Verb::ResolveRejected),
        Just(Verb::Pause),
        Just(Verb::Resume),
    ];
    let (reason, actor) = words();
    prop_oneof![
        4 => verb.prop_map(operate),
        1 => Just(Stimulus::Cancel { reason, actor }),
        1 => Just(Stimulus::Poisoned { cause: "any".to_owned() }),
    ]
}

fn any_timer() -> impl Strategy<Value = Timer> {
    prop_oneof![
        3 => (any_index(), any_direction(), any_attempt())
            .prop_map(|(step, direction, attempt)| Timer::Retry { step, direction, attempt }),
        1 => any_index().prop_map(|step| Timer::StepDeadline { step }),
        1 => Just(Timer::SagaDeadline),
        1 => Just(Timer::Continue),
    ]
}

fn any_outcome() -> impl Strategy<Value = Outcome> {
    let rejected = prop_oneof![Just("BUSY"), Just("NO")]
        .prop_map(|code| Outcome::Rejected { code: code.to_owned(), reason: "any".to_owned() });
    let unknown = proptest::option::of(any::<u64>())
        .prop_map(|ms| Outcome::Unknown { cause: "any".to_owned(), retry_after_ms: ms });
    prop_oneof![Just(Outcome::Succeeded(Json::null())), rejected, unknown]
}

fn any_step() -> impl Strategy<Value = StepState> {
    (any_progress(), any_progress(), any_attempt(), any_attempt(), any_number()).prop_map(
        |(action, compensation, action_forgiven, compensation_forgiven, started)| StepState {
            action,
            compensation,
            action_forgiven,
            compensation_forgiven,
            deadline_from_us: (started % 3 != 0).then_some(started),
            ..StepState::default()
        },
    )
}

fn any_progress() -> impl Strategy<Value = Progress> {
    let waiting = (any_attempt(), any_number(), any_number());
    let waiting = waiting.prop_map(|(attempt, from_us, due_at_us)| Progress::Waiting {
        attempt,
        from_us,
        due_at_us,
        cause: "any".to_owned(),
    });
    prop_oneof![
        2 => Just(Progress::NotStarted),
        3 => any_attempt().prop_map(|attempt| Progress::Started { attempt }),
        2 => waiting,
        2 => Just(Progress::Succeeded),
        1 => Just(Progress::Rejected { code: "NO".to_owned(), reason: "any".to_owned() }),
        1 => Just(Progress::Skipped),
    ]
}

fn any_parked() -> impl Strategy<Value = Parked> {
    let reason = prop_oneof![
        Just(ParkReason::AttemptsUsedUp { attempts: 1, cause: "any".to_owned() }),
        Just(ParkReason::DeadlinePassed { cause: "any".to_owned() }),
        Just(ParkReason::Poisoned { cause: "any".to_owned() }),
    ];
    (proptest::option::of(any_index()), any_direction(), reason)
        .prop_map(|(step, direction, reason)| Parked { step, direction, reason, at_us: 1 })
}

fn any_reason() -> impl Strategy<Value = AbortReason> {
    proptest::option::of(any_index()).prop_map(|step| AbortReason::Deadline { step })
}

fn any_phase() -> impl Strategy<Value = Phase> {
    prop_oneof![
        4 => Just(Phase::Running),
        3 => Just(Phase::Committing),
        3 => Just(Phase::Compensating),
        1 => Just(Phase::Completed),
        1 => Just(Phase::Compensated),
    ]
}

fn any_direction() -> impl Strategy<Value = StepDirection> {
    prop_oneof![Just(StepDirection::Action), Just(StepDirection::Compensation)]
}

fn any_index() -> impl Strategy<Value = StepIndex> {
    prop_oneof![9 => 0..8u32, 1 => Just(63), 1 => Just(64), 1 => Just(u32::MAX)].prop_map(StepIndex)
}

fn any_attempt() -> impl Strategy<Value = u32> {
    prop_oneof![8 => 0..4u32, 1 => Just(u32::MAX), 1 => Just(u32::MAX - 1)]
}

fn any_number() -> impl Strategy<Value = u64> {
    prop_oneof![4 => 0..100u64, 1 => Just(u64::MAX), 1 => any::<u64>()]
}

fn any_events() -> impl Strategy<Value = u64> {
    prop_oneof![4 => 1..100u64, 2 => HISTORY_EVENTS_MAX - 6..HISTORY_EVENTS_MAX + 2, 1 => Just(u64::MAX)]
}
