//! A log that a test writes holds what a node would have written.

use std::convert::Infallible;
use std::panic::catch_unwind;

use serde::Deserialize;
use serde_json::{Value, json};

use super::*;

/// What is in it, in cents; in version 1 of its events in euros. A command counts it.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Purse<const DASHED: bool> {
    cents: u64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum PurseEvent {
    Filled { cents: u64 },
    Counted { cents: u64 },
}

impl<const DASHED: bool> Aggregate for Purse<DASHED> {
    const CATEGORY: &'static str = if DASHED { "my-purse" } else { "purse" };
    type Command = ();
    type Event = PurseEvent;
    type Refusal = Infallible;

    fn decide(&self, (): ()) -> Result<Vec<PurseEvent>, Infallible> {
        Ok(vec![PurseEvent::Counted { cents: self.cents }])
    }

    fn evolve(&mut self, event: &PurseEvent) {
        if let PurseEvent::Filled { cents } = event {
            self.cents += cents;
        }
    }

    fn schema_version(_: &str) -> u16 {
        2
    }

    fn upcast(_: &str, _: u16, payload: Value) -> Value {
        json!({ "cents": payload["cents"].as_u64().unwrap() * 100 })
    }
}

fn filled(cents: u64) -> PurseEvent {
    PurseEvent::Filled { cents }
}

#[test]
fn an_event_of_today_is_read_as_it_was_written() {
    let log = Log::new().event::<Purse<false>>("ada", filled(5));
    assert_eq!(log.events()[0].schema_version, 2);
    assert_eq!(Recorded::new(&log.events()[0]).of::<Purse<false>>(), Ok(Some(filled(5))));
}

#[test]
fn an_old_event_is_lifted_before_an_aggregate_decides() {
    let mut log = Log::new();
    log.push("purse-ada", &filled(5));
    log = log.event::<Purse<false>>("ada", filled(7));
    assert!(log.execute::<Purse<false>>("ada", ()));
    let counted = Recorded::new(&log.events()[2]).of::<Purse<false>>();
    assert_eq!(counted, Ok(Some(PurseEvent::Counted { cents: 507 })));
}

#[test]
fn a_category_that_is_none_is_found() {
    let panic = catch_unwind(|| Log::new().event::<Purse<true>>("ada", filled(5))).unwrap_err();
    let said = panic.downcast_ref::<String>().unwrap();
    assert!(said.starts_with("aggregate category \"my-purse\""), "{said}");
}
