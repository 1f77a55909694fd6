//! Properties of the saga machine, without a runtime: random definitions, random schedules of answers,
//! losses, timers, crashes, late and double inputs and operators' verbs, against participants with a
//! barrier and a ledger.
//!
//! After every single input: the events fold; what a running shell has outstanding equals what a
//! restarted one would do; epochs never fall. At every end the ledger is right, and stays right when all
//! calls that were ever lost arrive after all.

#![allow(clippy::unwrap_used, reason = "tests")]

mod arbitrary;
mod definitions;
mod history;
mod run;
mod tape;
mod world;

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use sagaline::saga::{
    Decision, Definition, Input, Json, Moment, SagaState, begin, decide, pending_effects,
};

use run::Run;
use tape::Tape;
use world::World;

/// At least 600 cases; `PROPTEST_CASES` asks for more.
fn config() -> ProptestConfig {
    let config = ProptestConfig::default();
    ProptestConfig { cases: config.cases.max(600), failure_persistence: None, ..config }
}

fn tape() -> impl Strategy<Value = Vec<u32>> {
    proptest::collection::vec(any::<u32>(), 0..250)
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn every_schedule_ends_with_the_right_ledger(
        definition in definitions::any_definition(),
        tape in tape(),
    ) {
        let mut tape = Tape::new(tape);
        let world = World::new(&definition, &mut tape);
        let mut run = Run::begin(&definition, world, tape);
        run.play();
        run.finish();
        history::check(&definition, run.log());
        run.check_ledger();
        run.let_lost_calls_arrive();
        run.check_ledger();
    }

    #[test]
    fn every_prefix_of_every_log_reaches_an_end_when_resumed(
        definition in definitions::any_definition(),
        tape in proptest::collection::vec(any::<u32>(), 0..120),
    ) {
        let mut played = Tape::new(tape);
        let world = World::new(&definition, &mut played);
        let mut run = Run::begin(&definition, world, played);
        run.play();
        run.finish();
        let log = run.log().to_vec();
        for cut in 1..=log.len() {
            let world = World::willing(&definition, cut);
            let mut resumed = Run::resume(&definition, world, log[..cut].to_vec());
            resumed.finish_alone();
            history::check(&definition, resumed.log());
        }
    }

    #[test]
    fn decide_never_panics_on_any_state_and_input(
        definition in definitions::any_definition(),
        other in definitions::any_definition(),
        state in arbitrary::any_state(),
        inputs in proptest::collection::vec(arbitrary::any_input(), 1..8),
        belongs in 0..4u8,
    ) {
        let state = match belongs {
            0 => state,
            1 => arbitrary::of_definition(state, &other),
            _ => arbitrary::of_definition(state, &definition),
        };
        arbitrary::check_any(&definition, state, inputs);
    }

    #[test]
    fn inputs_for_another_definition_change_nothing(
        definition in definitions::any_definition(),
        other in definitions::any_definition(),
        input in arbitrary::any_machine_input(),
    ) {
        prop_assume!(definition.hash() != other.hash());
        let state = begun(&other);
        prop_assert_eq!(decide(&definition, &state, input), Ok(Decision::default()));
        prop_assert_eq!(pending_effects(&definition, &state), vec![]);
    }

    #[test]
    fn a_definition_reads_back_from_its_document(definition in definitions::any_definition()) {
        let json = serde_json::to_string(&definition).unwrap();
        let read: Definition = serde_json::from_str(&json).unwrap();
        prop_assert_eq!(read.hash(), definition.hash());
        prop_assert_eq!(read, definition);
    }

    #[test]
    fn logs_read_back_from_json(definition in definitions::any_definition(), tape in tape()) {
        let mut tape = Tape::new(tape);
        let world = World::new(&definition, &mut tape);
        let mut run = Run::begin(&definition, world, tape);
        run.play();
        for event in run.log() {
            let json = serde_json::to_string(event).unwrap();
            prop_assert_eq!(&serde_json::from_str::<sagaline::saga::SagaEvent>(&json).unwrap(), event);
        }
    }
}

/// The properties say nothing about paths that no schedule takes.
#[test]
fn the_schedules_lead_to_every_event_and_every_way_of_settling_a_pivot() {
    let mut runner = TestRunner::deterministic();
    let strategy = (definitions::any_definition(), tape());
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    for _ in 0..2_000 {
        let (definition, tape) = strategy.new_tree(&mut runner).unwrap().current();
        let mut tape = Tape::new(tape);
        let world = World::new(&definition, &mut tape);
        let mut run = Run::begin(&definition, world, tape);
        run.play();
        run.finish();
        for path in history::paths(run.log()) {
            *seen.entry(path).or_default() += 1;
        }
    }
    let missing: Vec<&str> =
        history::PATHS.iter().copied().filter(|path| !seen.contains_key(*path)).collect();
    assert!(missing.is_empty(), "never: {missing:?} of {seen:#?}");
}

fn begun(definition: &Definition) -> SagaState {
    let moment = Moment { now_us: 1, epoch: 0, jitter: 0 };
    let decision = begin(definition, Json::null(), moment);
    SagaState::fold(&decision.events).unwrap().unwrap()
}

#[test]
fn an_input_of_an_older_epoch_changes_nothing() {
    let definition = definitions::one_step();
    let moment = Moment { now_us: 1, epoch: 7, jitter: 0 };
    let events = begin(&definition, Json::null(), moment).events;
    let state = SagaState::fold(&events).unwrap().unwrap();
    let stimulus = sagaline::saga::testing::succeeded(Default::default(), 1, &0);
    let stale = Input { moment: Moment { epoch: 6, ..moment }, stimulus: stimulus.clone() };
    assert_eq!(decide(&definition, &state, stale), Ok(Decision::default()));
    let current = Input { moment, stimulus };
    assert_eq!(decide(&definition, &state, current).unwrap().events.len(), 2);
}
