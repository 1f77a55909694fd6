//! The exhaustive part of a check: one saga for each thing that can happen to one saga at one place. Each
//! step is refused; each action and each undo is run twice and delivered twice, with and without a later
//! step that sends the saga back; and the node dies at each place of the saga's life. Nothing else goes
//! wrong in these worlds, so that each saga's end is known.

use std::collections::BTreeMap;

use super::starts::Start;
use crate::evidence::Life;
use crate::fate::{Fate, How, Twist, correlation};
use crate::plan::{Knobs, Operation, Plan, Planned};
use crate::seed::Seed;
use crate::shape::{SagaShape, StepKind, StepShape};

/// Between two sagas to which something happens beside each other.
const APART_MS: u64 = 300;
/// Between two sagas whose nodes die: the world is whole again by then.
const DEATHS_APART_MS: u64 = 6_000;
/// Deaths in one world.
const DEATHS_MAX: usize = 10;
/// Places of one life that are tried; a life with more of them is tried at so many, evenly.
const PLACES_MAX: u32 = 48;
/// Attempts of a step that is busy twice: one more than that.
const ATTEMPTS_MIN: u32 = 3;

/// The sagas that are refused, busy, run twice and delivered twice, in one world.
pub(super) fn steps(starts: &[Start]) -> Plan {
    let cases = starts.iter().flat_map(|start| {
        let fates = fates_of_steps(&start.shape);
        fates.into_iter().map(move |fate| (start, fate))
    });
    plan("sweep-steps", starts, &cases.collect::<Vec<_>>(), APART_MS)
}

/// Lives in which nothing happens, to count their places: all goes well, and the last step that can send
/// the saga back does.
pub(super) fn clean(starts: &[Start]) -> Plan {
    plan("sweep-lives", starts, &lives(starts), DEATHS_APART_MS / 2)
}

/// The worlds in which nodes die at each place of the lives that were counted.
pub(super) fn deaths(starts: &[Start], counted: &[Life]) -> Vec<Plan> {
    let places: BTreeMap<&str, u32> =
        counted.iter().map(|life| (life.saga.as_str(), life.places)).collect();
    let mut cases = Vec::new();
    for (key, (start, fate)) in (1..).zip(lives(starts)) {
        let count = places.get(correlation(key).as_str()).copied().unwrap_or(0);
        let tried = count.min(PLACES_MAX);
        cases.extend((1..=tried).map(|nth| {
            let dies_at = Some(nth * count / tried);
            (start, Fate { dies_at, ..fate.clone() })
        }));
    }
    let worlds = (1..).zip(cases.chunks(DEATHS_MAX));
    worlds
        .map(|(number, cases)| {
            plan(&format!("sweep-deaths-{number}"), starts, cases, DEATHS_APART_MS)
        })
        .collect()
}

/// The lives whose every place is tried.
fn lives(starts: &[Start]) -> Vec<(&Start, Fate)> {
    let of = |start| {
        let Start { shape, .. }: &Start = start;
        let back = shape.deciding().last().map(|step| no_at(&step.name));
        [Some(Fate::default()), back].into_iter().flatten().map(move |fate| (start, fate))
    };
    starts.iter().flat_map(of).collect()
}

fn fates_of_steps(shape: &SagaShape) -> Vec<Fate> {
    let mut fates = vec![Fate::default()];
    for step in &shape.steps {
        let name = step.name.as_str();
        if step.kind != StepKind::Retriable {
            fates.push(no_at(name));
        }
        if step.attempts >= ATTEMPTS_MIN {
            fates.push(Fate { busy: Some(name.to_owned()), ..Fate::default() });
        }
        for how in [How::RunTwice, How::DeliveredTwice] {
            fates.push(twisted(Fate::default(), name, false, how));
            if let Some(back) = shape.last_no_behind(name) {
                fates.push(twisted(no_at(&back.name), name, false, how));
                fates.extend(undone_twice(step, &back.name, how));
            }
        }
    }
    fates
}

fn undone_twice(step: &StepShape, back: &str, how: How) -> Option<Fate> {
    let can = step.kind == StepKind::Compensable;
    can.then(|| twisted(no_at(back), &step.name, true, how))
}

fn no_at(step: &str) -> Fate {
    Fate { no: Some(step.to_owned()), ..Fate::default() }
}

fn twisted(fate: Fate, step: &str, undo: bool, how: How) -> Fate {
    Fate { twist: Some(Twist { step: step.to_owned(), undo, how }), ..fate }
}

/// A world in which nothing goes wrong but what these sagas meet, one after the other.
fn plan(scenario: &str, starts: &[Start], cases: &[(&Start, Fate)], apart_ms: u64) -> Plan {
    let seed = Seed(1);
    let mut random = seed.stream("check/sweep");
    let operations: Vec<Planned> = (1..)
        .zip(cases)
        .map(|(id, (start, fate))| {
            start.planned(id, u64::from(id) * apart_ms, &mut random, fate.clone())
        })
        .collect();
    let last_ms = operations.last().map_or(0, |planned| planned.at_ms);
    Plan {
        seed,
        scenario: scenario.to_owned(),
        knobs: Knobs { lease_ms: 2_000, ..Knobs::draw(seed) },
        sagas: starts.iter().map(|start| start.shape.clone()).collect(),
        chaos_ms: last_ms + apart_ms,
        left_broken: Vec::new(),
        episodes: Vec::new(),
        operations,
    }
}

/// What a saga of a sweep met, in words.
pub(super) fn story(plan: &Plan, saga: &str) -> Option<String> {
    let fate = plan.operations.iter().find_map(|planned| match &planned.operation {
        Operation::StartSaga { key, fate, .. } if correlation(*key) == saga => Some(fate),
        _ => None,
    })?;
    let mut words = Vec::new();
    words.extend(fate.no.iter().map(|step| format!("{step} is refused")));
    words.extend(fate.busy.iter().map(|step| format!("{step} is busy twice")));
    words.extend(fate.busy_undo.iter().map(|step| format!("the undo of {step} is busy twice")));
    words.extend(fate.twist.iter().map(|twist| {
        let what = if twist.undo { "the undo" } else { "the action" };
        let how = match twist.how {
            How::RunTwice => "is run twice, its first answer being lost",
            How::DeliveredTwice => "is delivered three times",
            How::DeliveredLate => "is delivered when nobody waits for it any more",
        };
        format!("{what} of {} {how}", twist.step)
    }));
    words.extend(fate.dies_at.iter().map(|place| format!("its node dies at place {place}")));
    (!words.is_empty()).then(|| format!("{saga}: {}", words.join("; ")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shape::tests::trip;

    fn start() -> Vec<Start> {
        vec![Start::new(trip(), |random| random.below(10))]
    }

    fn fates(plan: &Plan) -> Vec<&Fate> {
        plan.operations
            .iter()
            .filter_map(|planned| match &planned.operation {
                Operation::StartSaga { fate, .. } => Some(fate),
                _ => None,
            })
            .collect()
    }

    #[test]
    fn every_step_is_refused_run_twice_and_undone_twice() {
        let plan = steps(&start());
        let fates = fates(&plan);
        let nos = fates.iter().filter(|fate| fate.no.is_some() && fate.twist.is_none()).count();
        assert_eq!(nos, 3, "each step before and at the pivot");
        let twisted = |undo: bool| {
            fates
                .iter()
                .filter(|fate| fate.twist.as_ref().is_some_and(|it| it.undo == undo))
                .count()
        };
        assert_eq!((twisted(false), twisted(true)), (4 * 2 + 2 * 2, 2 * 2));
        assert!(plan.episodes.is_empty());
    }

    #[test]
    fn a_node_dies_at_every_place_of_every_life() {
        let starts = start();
        let count = clean(&starts).operations.len();
        assert_eq!(count, 2, "forward, and back");
        let life =
            |saga: &str, places| Life { saga: saga.to_owned(), places, dies_at: None, died: false };
        let counted = [life("check-1", 12), life("check-2", 100)];
        let worlds = deaths(&starts, &counted);
        let places: Vec<_> =
            worlds.iter().flat_map(fates).filter_map(|fate| fate.dies_at).collect();
        assert_eq!(places.len(), 12 + 48);
        assert_eq!(places[..12], (1..=12).collect::<Vec<_>>());
        assert_eq!(places.last(), Some(&100));
        assert!(worlds.iter().all(|world| world.operations.len() <= DEATHS_MAX));
        let told = story(&worlds[0], "check-1").expect("something happens to it");
        assert_eq!(told, "check-1: its node dies at place 1");
    }
}
