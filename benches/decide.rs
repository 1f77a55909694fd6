//! What the machine costs: `decide` and `evolve` of every input of a saga of four steps, from its begin
//! to its end. One figure is one input: its decision and the folding of its events.

use std::hint::black_box;
use std::time::Duration;

use criterion::Criterion;
use sagaline::saga::{
    Definition, Input, Json, Moment, Outcome, Policy, SagaEvent, SagaState, StepDirection,
    StepIndex, StepKind, StepSpec, Stimulus, begin, decide, evolve,
};

const INPUTS_PER_SAGA: u32 = 5;
const WANTED_NS: f64 = 1_000.0;

fn definition() -> Definition {
    let step = |name: &str, kind, after: &[&str]| StepSpec {
        name: name.into(),
        kind,
        after: after.iter().map(|name| (*name).into()).collect(),
        policy: Policy::default(),
    };
    let steps = vec![
        step("place_order", StepKind::Compensable, &[]),
        step("authorize_payment", StepKind::Compensable, &["place_order"]),
        step("capture_payment", StepKind::Pivot, &["authorize_payment"]),
        step("confirm_order", StepKind::Retriable, &["capture_payment"]),
    ];
    Definition::new("order-processing", steps, Some(60_000)).expect("the reference saga is valid")
}

fn fold(mut state: Option<SagaState>, events: &[SagaEvent]) -> Option<SagaState> {
    for event in events {
        state = Some(evolve(state, event).expect("a decision can be read back"));
    }
    state
}

fn saga(definition: &Definition, input: &Json, result: &Json) -> Option<SagaState> {
    let moment = Moment { now_us: 1_000_000, epoch: 1, jitter: 42 };
    let mut state = fold(None, &begin(definition, input.clone(), moment).events);
    for step in (0..4).map(StepIndex) {
        let stimulus = Stimulus::Returned {
            step,
            direction: StepDirection::Action,
            attempt: 1,
            outcome: Outcome::Succeeded(result.clone()),
        };
        let before = state.as_ref().expect("the saga has begun");
        let decision = decide(definition, before, Input { moment, stimulus });
        let decision = black_box(decision.expect("results are never refused"));
        state = fold(state, &decision.events);
    }
    state
}

fn main() {
    let definition = definition();
    let input = Json::of(&"the order").expect("a text is JSON");
    let result = Json::of(&"the receipt").expect("a text is JSON");
    let end = saga(&definition, &input, &result).expect("the saga has begun");
    assert!(end.has_ended(), "the measured saga must reach its end");

    let mut criterion = Criterion::default()
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2))
        .sample_size(50)
        .without_plots()
        .configure_from_args();
    let mut rounds_ns: Vec<f64> = Vec::new();
    criterion.bench_function("decide_evolve/saga_of_four_steps", |bencher| {
        bencher.iter_custom(|sagas| {
            let took = measured(|| {
                for _ in 0..sagas {
                    black_box(saga(black_box(&definition), &input, &result));
                }
            });
            rounds_ns.push(took.as_nanos() as f64 / (sagas * u64::from(INPUTS_PER_SAGA)) as f64);
            took
        });
    });
    criterion.final_summary();
    print_bar(&mut rounds_ns);
}

#[allow(clippy::disallowed_methods, reason = "a bench measures real time and is never simulated")]
fn measured(work: impl FnOnce()) -> Duration {
    let begun = std::time::Instant::now();
    work();
    begun.elapsed()
}

fn print_bar(rounds_ns: &mut [f64]) {
    rounds_ns.sort_by(f64::total_cmp);
    let Some(median_ns) = rounds_ns.get(rounds_ns.len() / 2) else { return };
    let verdict = if *median_ns <= WANTED_NS { "ok" } else { "short" };
    println!("BAR decide_evolve {median_ns:.0} ns wants <={WANTED_NS:.0} {verdict}");
}
