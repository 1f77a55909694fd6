//! Golden bytes of a saga's events: their names and fields are stored, so every release reads these
//! lines, and writes the same.

#![allow(clippy::unwrap_used, reason = "tests")]

use sagaline::saga::{
    AbortReason, Json, ParkReason, SagaEvent, SagaState, StepDirection, StepIndex,
};

const STEP: StepIndex = StepIndex(1);

fn golden() -> Vec<(&'static str, SagaEvent)> {
    let mut golden = by_calls();
    golden.extend(by_abort());
    golden.extend(by_operators());
    golden
}

fn by_calls() -> Vec<(&'static str, SagaEvent)> {
    vec![
        (
            r#"{"SagaStarted":{"sagaType":"trip","definition":"ab12","steps":2,"pivot":1,"input":{"city": "Rome"},"startedAtUs":5,"deadlineAtUs":9,"epoch":3}}"#,
            SagaEvent::SagaStarted {
                saga_type: "trip".into(),
                definition: "ab12".into(),
                steps: 2,
                pivot: Some(STEP),
                input: serde_json::from_str(r#"{"city": "Rome"}"#).unwrap(),
                started_at_us: 5,
                deadline_at_us: Some(9),
                epoch: 3,
            },
        ),
        (
            r#"{"StepStarted":{"step":1,"atUs":5,"epoch":3}}"#,
            SagaEvent::StepStarted { step: STEP, at_us: 5, epoch: 3 },
        ),
        (
            r#"{"StepSucceeded":{"step":1,"result":"room 4","atUs":5}}"#,
            SagaEvent::StepSucceeded { step: STEP, result: Json::of("room 4").unwrap(), at_us: 5 },
        ),
        (
            r#"{"StepRejected":{"step":1,"code":"NO","reason":"full","atUs":5}}"#,
            SagaEvent::StepRejected {
                step: STEP,
                code: "NO".to_owned(),
                reason: "full".to_owned(),
                at_us: 5,
            },
        ),
        (
            r#"{"RetryScheduled":{"step":1,"direction":"action","attempt":2,"dueAtUs":7,"cause":"lost","atUs":5}}"#,
            SagaEvent::RetryScheduled {
                step: STEP,
                direction: StepDirection::Action,
                attempt: 2,
                due_at_us: 7,
                cause: "lost".to_owned(),
                at_us: 5,
            },
        ),
        (r#"{"SagaCompleted":{"atUs":5}}"#, SagaEvent::SagaCompleted { at_us: 5 }),
    ]
}

fn by_abort() -> Vec<(&'static str, SagaEvent)> {
    let words = || ("why".to_owned(), "ann".to_owned());
    let cancelled = |(reason, actor)| AbortReason::Cancelled { reason, actor };
    let operator = |(reason, actor)| AbortReason::Operator { reason, actor };
    let rejected =
        AbortReason::Rejected { step: STEP, code: "NO".to_owned(), reason: "full".to_owned() };
    let aborted = |reason| SagaEvent::SagaAborted { reason, at_us: 5 };
    vec![
        (
            r#"{"AbortRequested":{"reason":{"cancelled":{"reason":"why","actor":"ann"}},"atUs":5}}"#,
            SagaEvent::AbortRequested { reason: cancelled(words()), at_us: 5 },
        ),
        (
            r#"{"SagaAborted":{"reason":{"operator":{"reason":"why","actor":"ann"}},"atUs":5}}"#,
            aborted(operator(words())),
        ),
        (
            r#"{"SagaAborted":{"reason":{"deadline":{"step":1}},"atUs":5}}"#,
            aborted(AbortReason::Deadline { step: Some(STEP) }),
        ),
        (
            r#"{"SagaAborted":{"reason":{"rejected":{"step":1,"code":"NO","reason":"full"}},"atUs":5}}"#,
            aborted(rejected),
        ),
        (
            r#"{"CompensationStarted":{"step":1,"atUs":5,"epoch":3}}"#,
            SagaEvent::CompensationStarted { step: STEP, at_us: 5, epoch: 3 },
        ),
        (
            r#"{"CompensationSucceeded":{"step":1,"atUs":5}}"#,
            SagaEvent::CompensationSucceeded { step: STEP, at_us: 5 },
        ),
        (
            r#"{"RevocationRejected":{"step":1,"code":"STANDS","reason":"paid","attempt":2,"atUs":5,"epoch":3}}"#,
            SagaEvent::RevocationRejected {
                step: STEP,
                code: "STANDS".to_owned(),
                reason: "paid".to_owned(),
                attempt: 2,
                at_us: 5,
                epoch: 3,
            },
        ),
        (r#"{"SagaCompensated":{"atUs":5}}"#, SagaEvent::SagaCompensated { at_us: 5 }),
    ]
}

fn by_operators() -> Vec<(&'static str, SagaEvent)> {
    let (reason, actor) = ("why".to_owned(), "op".to_owned());
    let direction = StepDirection::Compensation;
    let parked = |step, reason| SagaEvent::SagaParked { step, direction, reason, at_us: 5 };
    let cause = || "lost".to_owned();
    vec![
        (
            r#"{"SagaParked":{"step":1,"direction":"compensation","reason":{"attemptsUsedUp":{"attempts":8,"cause":"lost"}},"atUs":5}}"#,
            parked(Some(STEP), ParkReason::AttemptsUsedUp { attempts: 8, cause: cause() }),
        ),
        (
            r#"{"SagaParked":{"step":1,"direction":"compensation","reason":{"deadlinePassed":{"cause":"lost"}},"atUs":5}}"#,
            parked(Some(STEP), ParkReason::DeadlinePassed { cause: cause() }),
        ),
        (
            r#"{"SagaParked":{"step":null,"direction":"compensation","reason":{"poisoned":{"cause":"lost"}},"atUs":5}}"#,
            parked(None, ParkReason::Poisoned { cause: cause() }),
        ),
        (
            r#"{"SagaPaused":{"reason":"why","actor":"op","atUs":5}}"#,
            SagaEvent::SagaPaused { reason: reason.clone(), actor: actor.clone(), at_us: 5 },
        ),
        (
            r#"{"SagaResumed":{"reason":"why","actor":"op","atUs":5}}"#,
            SagaEvent::SagaResumed { reason: reason.clone(), actor: actor.clone(), at_us: 5 },
        ),
        (
            r#"{"SagaUnparked":{"reason":"why","actor":"op","atUs":5,"epoch":3}}"#,
            SagaEvent::SagaUnparked {
                reason: reason.clone(),
                actor: actor.clone(),
                at_us: 5,
                epoch: 3,
            },
        ),
        (
            r#"{"RetryRequested":{"step":1,"direction":"compensation","attempt":4,"reason":"why","actor":"op","atUs":5,"epoch":3}}"#,
            SagaEvent::RetryRequested {
                step: STEP,
                direction,
                attempt: 4,
                reason: reason.clone(),
                actor: actor.clone(),
                at_us: 5,
                epoch: 3,
            },
        ),
        (
            r#"{"StepSkipped":{"step":1,"direction":"compensation","reason":"why","actor":"op","atUs":5}}"#,
            SagaEvent::StepSkipped {
                step: STEP,
                direction,
                reason: reason.clone(),
                actor: actor.clone(),
                at_us: 5,
            },
        ),
        (
            r#"{"StepResolved":{"step":1,"direction":"compensation","reason":"why","actor":"op","atUs":5}}"#,
            SagaEvent::StepResolved { step: STEP, direction, reason, actor, at_us: 5 },
        ),
    ]
}

#[test]
fn events_are_written_as_in_every_release() {
    for (line, event) in golden() {
        assert_eq!(serde_json::to_string(&event).unwrap(), line);
    }
}

#[test]
fn events_are_read_as_in_every_release() {
    for (line, event) in golden() {
        assert_eq!(serde_json::from_str::<SagaEvent>(line).unwrap(), event);
    }
}

#[test]
fn an_event_is_stored_under_its_name() {
    for (line, event) in golden() {
        let json: serde_json::Value = serde_json::from_str(line).unwrap();
        let names: Vec<&String> = json.as_object().unwrap().keys().collect();
        assert_eq!(names, [event.name()]);
        let fields = &json[event.name()];
        let at = fields.get("atUs").or_else(|| fields.get("startedAtUs"));
        assert_eq!(at.and_then(|at| at.as_u64()), Some(event.at_us()));
        assert_eq!(fields.get("epoch").and_then(|epoch| epoch.as_u64()), event.epoch());
    }
}

#[test]
fn a_state_folds_from_what_was_read() {
    let line = golden()[0].0;
    let event: SagaEvent = serde_json::from_str(line).unwrap();
    let state = SagaState::fold([&event]).unwrap().unwrap();
    assert_eq!(state.pivot, Some(STEP));
    assert_eq!(state.input.as_str(), r#"{"city": "Rome"}"#);
}
