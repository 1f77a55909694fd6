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
    assert!(said.contains("changes document `Lisbon`, which `keys` does not name"), "{said}");
}

/// Counts the visits before an unnamed city was forgotten: by documents that others have loaded.
struct Peeks;

impl Projection for Peeks {
    const NAME: &'static str = "peeks";
    const VERSION: u32 = 1;
    const CATEGORIES: &'static [&'static str] = &["visit"];
    type Document = u32;

    fn keys(&self, event: &Recorded<'_>) -> Vec<String> {
        match event.of::<Visit>() {
            Ok(Some(VisitEvent::Visited { city })) => vec![city],
            _ => vec!["forgotten".to_owned()],
        }
    }

    fn apply(&self, view: &mut View<u32>, event: &Recorded<'_>) -> Result<(), CodecError> {
        match event.of::<Visit>()? {
            Some(VisitEvent::Visited { city }) => view.put(&city, 1),
            Some(VisitEvent::Forgotten { city }) => {
                if let Some(visits) = view.get_mut(&city) {
                    *visits = 0;
                }
                let seen = u32::from(view.get(&city).is_some());
                view.put("forgotten", seen);
            }
            None => {}
        }
        Ok(())
    }
}

#[test]
fn a_document_that_is_not_named_is_not_seen_though_another_event_of_the_batch_has_loaded_it() {
    let peeks = given(Peeks, &log());
    assert_eq!((peeks.view("Oslo"), peeks.view("forgotten")), (Some(1), Some(0)));
}

/// How often it was seen, of which its stored form keeps less than its owner goes by.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Seen {
    before: u32,
    #[serde(skip)]
    times: u32,
}

struct Forgetful;

impl Projection for Forgetful {
    const NAME: &'static str = "forgetful";
    const VERSION: u32 = 1;
    const CATEGORIES: &'static [&'static str] = &["visit"];
    type Document = Seen;

    fn keys(&self, _: &Recorded<'_>) -> Vec<String> {
        vec!["all".to_owned()]
    }

    fn apply(&self, view: &mut View<Seen>, _: &Recorded<'_>) -> Result<(), CodecError> {
        let before = view.get("all").map_or(0, |seen| seen.times);
        view.put("all", Seen { before, times: before + 1 });
        Ok(())
    }
}

#[test]
fn a_document_that_does_not_come_back_as_it_was_stored_is_found() {
    let panic = catch_unwind(|| drop(given(Forgetful, &log()))).unwrap_err();
    let said = panic.downcast_ref::<String>().unwrap();
    assert!(said.contains("document `all` depends on how many events"), "{said}");
}

#[test]
fn events_of_other_categories_are_never_seen() {
    let mut log = log();
    log.push("other-1", &visited("Lisbon"));
    assert_eq!(given(Cities { honest: true }, &log).view("Lisbon"), Some(2));
    assert_eq!(log.events().len(), 6);
}
