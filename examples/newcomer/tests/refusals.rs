//! What `build()` says to a definition that cannot be, and a node to what it is not put together for: each
//! refusal names the step or the thing, the rule and the way out. `refusals.txt` has them to the word;
//! `BLESS=1 cargo test -p newcomer --test refusals` writes it anew.

use std::fmt::{Display, Write as _};
use std::time::Duration;

use sagaline::prelude::*;
use sagaline::saga::Json;
use sagaline::testing::{Memory, World};

/// A step whose name is its type's.
macro_rules! steps {
    ($($step:ident = $name:literal reads [$($read:literal),*];)*) => {
        $(
            struct $step;

            impl Step for $step {
                const NAME: &'static str = $name;
                const READS: &'static [&'static str] = &[$($read),*];
                type Saga = String;
                type Output = ();

                async fn action(&self, _: &Call<String>) -> Outcome<()> {
                    Ok(())
                }
            }

            impl Compensable for $step {
                async fn compensate(&self, _: &Call<String>, _: Option<&()>) -> Outcome<()> {
                    Ok(())
                }
            }
        )*
    };
}

steps! {
    Hotel = "hotel" reads [];
    Flight = "flight" reads [];
    Charge = "charge" reads [];
    Gift = "gift" reads [];
    Tickets = "tickets" reads [];
    Nameless = "Big Hotel" reads [];
    Receipt = "receipt" reads ["charge"];
    Letter = "letter" reads ["stamp"];
}

/// A read model of nothing.
struct Trips;

impl Projection for Trips {
    const NAME: &'static str = "trips";
    const VERSION: u32 = 1;
    const CATEGORIES: &'static [&'static str] = &["trip"];
    type Document = u32;

    fn keys(&self, _: &Recorded<'_>) -> Vec<String> {
        Vec::new()
    }

    fn apply(&self, _: &mut View<u32>, _: &Recorded<'_>) -> Result<(), CodecError> {
        Ok(())
    }
}

/// A consumer that does nothing.
struct Letters;

impl Consumer for Letters {
    const NAME: &'static str = "letters";
    const CATEGORIES: &'static [&'static str] = &["trip"];

    async fn consume(&self, _: &Delivery) -> Outcome<Ack> {
        Ok(Ack::new())
    }
}

type Built = Result<Definition<String>, DefinitionError>;

/// What is said to a mistake; `Ok`: what comes of it when it is not refused.
type Said = Result<String, String>;

fn trip() -> sagaline::engine::DefinitionBuilder<String> {
    Definition::new("trip")
}

fn under(policy: Policy) -> Built {
    trip().pivot(Charge).policy(policy).build()
}

fn graphs() -> Vec<(&'static str, Built)> {
    vec![
        ("no step", trip().build()),
        ("a name with a blank", trip().pivot(Nameless).build()),
        ("a saga without a name", Definition::new("").pivot(Charge).build()),
        ("a step twice", trip().compensable(Hotel).compensable(Hotel).build()),
        ("after itself", trip().compensable(Hotel).after(Hotel).build()),
        ("after nobody", trip().compensable(Hotel).after_step("hotle").build()),
        (
            "after the same step twice",
            trip().compensable(Hotel).pivot(Charge).after(Hotel).after(Hotel).build(),
        ),
        (
            "a circle",
            trip().compensable(Hotel).after(Flight).compensable(Flight).after(Hotel).build(),
        ),
        ("two pivots", trip().pivot(Charge).pivot(Gift).after(Charge).build()),
        (
            "compensable behind the pivot",
            trip().pivot(Charge).compensable(Hotel).after(Charge).build(),
        ),
        ("compensable beside the pivot", trip().pivot(Charge).compensable(Hotel).build()),
        (
            "retriable before the pivot",
            trip().retriable(Tickets).pivot(Charge).after(Tickets).build(),
        ),
        (
            "retriable without a pivot",
            trip().compensable(Hotel).retriable(Tickets).after(Hotel).build(),
        ),
        (
            "reads what runs beside it",
            trip()
                .compensable(Charge)
                .compensable(Receipt)
                .pivot(Gift)
                .after(Charge)
                .after(Receipt)
                .build(),
        ),
        ("reads what there is not", trip().pivot(Letter).build()),
        ("after in front of the first step", trip().after(Hotel).compensable(Flight).build()),
    ]
}

fn policies() -> Vec<(&'static str, Built)> {
    let policy = Policy::default;
    vec![
        (
            "a policy in front of the first step",
            trip().policy(Policy::attempts(3)).pivot(Charge).build(),
        ),
        ("no attempts", under(Policy::attempts(0))),
        ("no attempts of the undo", under(policy().compensation_attempts(0))),
        ("pauses the wrong way round", under(policy().backoff(5.s()..=1.s()))),
        ("no time for an attempt", under(policy().attempt_timeout(Duration::ZERO))),
        ("no time for a step", under(policy().deadline(Duration::ZERO))),
        ("no time for a saga", trip().pivot(Charge).deadline(Duration::ZERO).build()),
    ]
}

async fn node() -> NodeBuilder<Memory> {
    World::new().node().await.expect("a store in memory")
}

fn said<T, E: Display>(done: Result<T, E>) -> Said {
    done.map(|_| "it is done".to_owned()).map_err(|error| error.to_string())
}

async fn nodes() -> Vec<(&'static str, Said)> {
    let two_views = node().await.projection(Trips).projection(Trips).start().await;
    let two_groups = node().await.consumer(Letters).consumer(Letters).start().await;
    let without_sagas = node().await.start().await.expect("a node of nothing");
    let unknown = without_sagas.sagas().start_named("trip", "1".into(), Json::null()).await;
    vec![
        ("two projections of one name", said(two_views)),
        ("two consumers of one name", said(two_groups)),
        ("a saga that no node was given", said(unknown)),
    ]
}

#[test]
fn every_refusal_names_the_step_the_rule_and_the_way_out() {
    let runtime = World::runtime().expect("a runtime of one thread");
    let builds = graphs().into_iter().chain(policies());
    let builds = builds.map(|(mistake, built)| (mistake, said(built)));
    let mut text = String::new();
    for (mistake, said) in builds.chain(runtime.block_on(nodes())) {
        match said {
            Err(refusal) => writeln!(text, "# {mistake}\n{refusal}\n").expect("text takes text"),
            Ok(done) => panic!("{mistake} is not refused: {done}"),
        }
    }
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/refusals.txt");
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(path, &text).expect("the file can be written");
    }
    let kept = std::fs::read_to_string(path).expect("the file is there");
    assert!(kept == text, "the refusals have changed; they are now:\n{text}");
}
