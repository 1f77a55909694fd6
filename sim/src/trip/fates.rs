//! How trips are started, and what single trips meet beside the faults.

use sagaline::prelude::Step;

use super::{Charge, Meal, Room, Seat, TRIP, Tickets};
use crate::fate::{Fate, How, Twist};
use crate::plan::Operation;
use crate::seed::Random;
use crate::shape::SagaShape;

/// A start of it under a key, and what it is to meet beside the faults.
pub fn start(shape: &SagaShape, key: u32, random: &mut Random) -> Operation {
    // A few are not what the steps can read.
    let input = match random.percent(3) {
        true => serde_json::json!({ "nights": "a few" }),
        false => serde_json::json!({ "nights": random.between(1, 14) }),
    };
    let fate = fate(shape, random);
    Operation::StartSaga { saga_type: TRIP.to_owned(), key, input, fate }
}

/// Makes of what a trip takes that of another one, which can be started as well. What no step can read stays
/// as it is.
pub fn stay_longer(input: &mut serde_json::Value) {
    if let Some(nights) = input["nights"].as_u64() {
        input["nights"] = serde_json::json!(nights + 1);
    }
}

/// So many of a hundred are told by a busy service to leave it alone for long: longer, with the second time,
/// than such a saga may take.
const LEFT_ALONE_PERCENT: u64 = 20;

/// Some trips meet a service that wants to be left alone, most of them behind the step that decides: what has
/// begun to be done is done then, although the deadline passes. Drawn apart, so that nothing else depends on it.
pub fn leave_alone(shape: &SagaShape, start: &mut Operation, mut random: Random) {
    let Operation::StartSaga { fate, .. } = start else { return };
    if !random.percent(LEFT_ALONE_PERCENT) {
        return;
    }
    let all: Vec<_> = shape.steps.iter().map(|step| step.name.clone()).collect();
    let any = random.pick(&all).cloned();
    let behind = random.percent(70);
    fate.busy = if behind { Some(Tickets::NAME.to_owned()) } else { any };
    fate.retry_after_s = Some(random.between(4, 7));
    if behind {
        (fate.no, fate.twist) = (None, None);
    }
}

/// So many of a hundred are refused, and one of their undos is told to come again later.
const UNDO_LEFT_ALONE_PERCENT: u64 = 15;

/// Some trips that nobody else holds up go back, and meet a service then that wants to be left alone. Drawn
/// apart, so that nothing else depends on it.
pub fn leave_undo_alone(start: &mut Operation, mut random: Random) {
    let Operation::StartSaga { fate, .. } = start else { return };
    if !random.percent(UNDO_LEFT_ALONE_PERCENT) || fate.retry_after_s.is_some() {
        return;
    }
    let undone = [Room::NAME, Seat::NAME, Meal::NAME];
    let busy_undo = random.pick(&undone).map(|step| (*step).to_owned());
    let (no, retry_after_s) = (Some(Charge::NAME.to_owned()), Some(random.between(2, 4)));
    *fate = Fate { no, busy_undo, retry_after_s, ..Fate::default() };
}

/// Where steps have policies of their own some trips meet what these are there for: a service that is full at
/// first, and one that wants to be left alone longer than its step may take. Drawn apart, so that nothing else
/// depends on it.
pub fn meet_policies(start: &mut Operation, mut random: Random) {
    let Operation::StartSaga { fate, .. } = start else { return };
    match random.below(10) {
        0..=2 => fate.full = Some(Meal::NAME.to_owned()),
        3 => {
            let step = if random.percent(60) { Seat::NAME } else { Charge::NAME };
            let (busy, retry_after_s) = (Some(step.to_owned()), Some(random.between(6, 7)));
            *fate = Fate { busy, retry_after_s, ..Fate::default() };
        }
        _ => {}
    }
}

fn fate(shape: &SagaShape, random: &mut Random) -> Fate {
    let mut fate = Fate::default();
    let deciding: Vec<_> = shape.deciding().map(|step| step.name.clone()).collect();
    if random.percent(35) {
        fate.no = random.pick(&deciding).cloned();
    }
    let all: Vec<_> = shape.steps.iter().map(|step| step.name.clone()).collect();
    if random.percent(10) {
        fate.busy = random.pick(&all).cloned();
    }
    let compensable: Vec<_> = shape.compensable().map(|step| step.name.clone()).collect();
    if random.percent(25) {
        let how = if random.percent(50) { How::RunTwice } else { How::DeliveredTwice };
        let step = random.pick(&compensable).cloned().unwrap_or_default();
        fate.twist = Some(Twist { step, undo: random.percent(40), how });
    }
    match random.below(8) {
        0 => undone_before_it_is_done(),
        1 => Fate { no: None, twist: held_back(random), ..fate },
        _ => fate,
    }
}

/// A call of a service that keeps a barrier stays on its way while the step is tried again, perhaps by
/// another owner.
fn held_back(random: &mut Random) -> Option<Twist> {
    let step = if random.percent(50) { Seat::NAME } else { Charge::NAME };
    Some(Twist { step: step.to_owned(), undo: false, how: How::DeliveredLate })
}

/// One of two steps side by side is refused while the call of the other is on its way, and stays there: its
/// undo comes first.
fn undone_before_it_is_done() -> Fate {
    let (no, step) = (Some(Room::NAME.to_owned()), Seat::NAME.to_owned());
    let twist = Some(Twist { step, undo: false, how: How::DeliveredLate });
    Fate { no, twist, ..Fate::default() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed::Seed;
    use crate::trip::Policies;

    fn built() -> SagaShape {
        crate::trip::shape(Policies::One).expect("a sound definition")
    }

    /// A trip that meets nothing.
    fn plain() -> Operation {
        let (saga_type, input) = (TRIP.to_owned(), serde_json::json!({ "nights": 1 }));
        Operation::StartSaga { saga_type, key: 1, input, fate: Fate::default() }
    }

    fn fate_of(start: &Operation) -> &Fate {
        match start {
            Operation::StartSaga { fate, .. } => fate,
            other => panic!("{other:?} starts no saga"),
        }
    }

    #[test]
    fn some_trips_meet_what_the_policies_of_single_steps_are_there_for() {
        let drawn = |seed| {
            let mut start = plain();
            meet_policies(&mut start, Seed(seed).stream("trip"));
            fate_of(&start).clone()
        };
        let fates: Vec<_> = (0..200).map(drawn).collect();
        let count = |of: fn(&&Fate) -> bool| fates.iter().filter(of).count();
        assert!((30..90).contains(&count(|fate| fate.full.as_deref() == Some("meal"))));
        assert!(count(|fate| fate.busy.as_deref() == Some("seat")) > 3);
        assert!(count(|fate| fate.busy.as_deref() == Some("charge")) > 2);
        let is_long = |fate: &Fate| fate.retry_after_s.is_none_or(|seconds| seconds > 5);
        assert!(fates.iter().all(is_long));
    }

    #[test]
    fn some_trips_are_held_up_behind_the_step_that_decides() {
        let held_up = (0..200).filter(|seed| {
            let mut start = plain();
            leave_alone(&built(), &mut start, Seed(*seed).stream("trip"));
            let fate = fate_of(&start);
            assert_eq!(fate.busy.is_some(), fate.retry_after_s.is_some());
            fate.busy.as_deref() == Some(Tickets::NAME)
        });
        assert!((10..60).contains(&held_up.count()));
    }

    #[test]
    fn some_trips_are_held_up_on_their_way_back() {
        let held_up = (0..200).filter(|seed| {
            let mut start = plain();
            leave_undo_alone(&mut start, Seed(*seed).stream("trip"));
            let fate = fate_of(&start);
            assert_eq!(fate.busy_undo.is_some(), fate.retry_after_s.is_some());
            assert_eq!(fate.busy_undo.is_some(), fate.no.as_deref() == Some(Charge::NAME));
            fate.busy_undo.is_some()
        });
        assert!((10..60).contains(&held_up.count()));
    }

    #[test]
    fn some_trips_are_refused_and_some_are_called_twice() {
        let shape = built();
        let mut random = Seed(1).stream("trips");
        let fates: Vec<_> = (0..100).map(|_| fate(&shape, &mut random)).collect();
        let count = |of: fn(&&Fate) -> bool| fates.iter().filter(of).count();
        assert!((20..60).contains(&count(|fate| fate.no.is_some())));
        assert!((10..60).contains(&count(|fate| fate.twist.is_some())));
        assert!((4..25).contains(&count(|fate| **fate == undone_before_it_is_done())));
    }
}
