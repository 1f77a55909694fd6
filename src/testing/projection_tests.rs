//! The kit for projections applies as a node does, and finds what a node would only show later.

use std::panic::catch_unwind;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::*;
use crate::codec::CodecError;
use crate::domain::Aggregate;
use crate::engine::IndexKey;

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Visit;

#[derive(Debug, Serialize, Deserialize)]
enum VisitEvent {
    Visited { city: String },
    Forgotten { city: String },
}

#[derive(Debug, thiserror::Error)]
#[error("never")]
struct Never;

impl Aggregate for Visit {
    const CATEGORY: &'static str = "visit";
    type Command = ();
    type Event = VisitEvent;
    type Refusal = Never;

    fn decide(&self, (): ()) -> Result<Vec<VisitEvent>, Never> {
        Ok(Vec::new())
    }

    fn evolve(&mut self, _: &VisitEvent) {}
}

/// Visits a city; `honest`: it names the document that it changes.
struct Cities {
    honest: bool,
}

impl Projection for Cities {
    const NAME: &'static str = "cities";
    const VERSION: u32 = 1;
    const CATEGORIES: &'static [&'static str] = &["visit"];
    type Document = u32;

    fn keys(&self, event: &Recorded<'_>) -> Vec<String> {
        let city = match event.of::<Visit>() {
            Ok(Some(VisitEvent::Visited { city } | VisitEvent::Forgotten { city })) => city,
            Ok(None) | Err(_) => return Vec::new(),
        };
        if self.honest { vec![city] } else { vec!["nowhere".to_owned()] }
    }

    fn apply(&self, view: &mut View<u32>, event: &Recorded<'_>) -> Result<(), CodecError> {
        match event.of::<Visit>()? {
            Some(VisitEvent::Visited { city }) => {
                let visits = view.get(&city).copied().unwrap_or(0);
                view.put(&city, visits + 1);
            }
            Some(VisitEvent::Forgotten { city }) => view.delete(&city),
            None => {}
        }
        Ok(())
    }

    fn index(&self, key: &str, visits: &u32) -> Vec<IndexKey> {
        let sort = visits.to_be_bytes().to_vec();
        vec![IndexKey::new("by_letter", Bytes::copy_from_slice(&key.as_bytes()[..1]), sort)]
    }
}

fn visited(city: &str) -> VisitEvent {
    VisitEvent::Visited { city: city.to_owned() }
}

fn log() -> Log {
    Log::new()
        .event::<Visit>("1", visited("Lisbon"))
        .event::<Visit>("2", visited("Lyon"))
        .event::<Visit>("1", visited("Lisbon"))
        .event::<Visit>("3", visited("Oslo"))
        .event::<Visit>("3", VisitEvent::Forgotten { city: "Oslo".to_owned() })
}

#[test]
fn a_log_leads_to_documents_and_their_order() {
    let cities = given(Cities { honest: true }, &log());
    assert_eq!((cities.view("Lisbon"), cities.view("Oslo")), (Some(2), None));
    assert_eq!(cities.keys(), ["Lisbon", "Lyon"]);
    assert_eq!(cities.found("by_letter", "L"), ["Lyon", "Lisbon"]);
    assert!(cities.found("by_letter", "O").is_empty());
}

#[test]
fn a_document_that_is_not_named_is_found() {
    let panic = catch_unwind(|| drop(given(Cities { honest: false }, &log()))).unwrap_err();
    let said = panic.downcast_ref::<String>().unwrap();
    assert!(said.contains("document `Lisbon` depends on how many events"), "{said}");
}

#[test]
fn events_of_other_categories_are_never_seen() {
    let mut log = log();
    log.push("other-1", &visited("Lisbon"));
    assert_eq!(given(Cities { honest: true }, &log).view("Lisbon"), Some(2));
    assert_eq!(log.events().len(), 6);
}
