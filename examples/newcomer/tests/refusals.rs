//! What `build()` says to a definition that cannot be: each refusal names the step, the rule and the way
//! out. `refusals.txt` has them to the word; `BLESS=1 cargo test -p newcomer --test refusals` writes it
//! anew.

use std::fmt::Write as _;
use std::time::Duration;

use sagaline::prelude::*;

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

type Built = Result<Definition<String>, DefinitionError>;

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
    ]
}

fn policies() -> Vec<(&'static str, Built)> {
    let policy = Policy::default;
    vec![
        ("no attempts", under(Policy::attempts(0))),
        ("no attempts of the undo", under(policy().compensation_attempts(0))),
        ("pauses the wrong way round", under(policy().backoff(5.s()..=1.s()))),
        ("no time for an attempt", under(policy().attempt_timeout(Duration::ZERO))),
        ("no time for a step", under(policy().deadline(Duration::ZERO))),
        ("no time for a saga", trip().pivot(Charge).deadline(Duration::ZERO).build()),
    ]
}

#[test]
fn every_refusal_names_the_step_the_rule_and_the_way_out() {
    let mut said = String::new();
    for (mistake, built) in graphs().into_iter().chain(policies()) {
        match built {
            Err(refusal) => writeln!(said, "# {mistake}\n{refusal}\n").expect("text takes text"),
            Ok(definition) => panic!("{mistake} is not refused:\n{definition}"),
        }
    }
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/refusals.txt");
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(path, &said).expect("the file can be written");
    }
    let kept = std::fs::read_to_string(path).expect("the file is there");
    assert!(kept == said, "the refusals have changed; they are now:\n{said}");
}
