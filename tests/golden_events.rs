//! Golden files of every event in every schema version it was ever written under: `golden/CATEGORY/TYPE.vN.json`
//! is the payload of one event as it stands in some log, `TYPE.vN.CASE.json` another of that type.
//!
//! What a release writes under a version no later one may write differently: whoever changes the shape of an
//! event raises its version ([`Aggregate::schema_version`]), writes an upcaster ([`Aggregate::upcast`]) and adds
//! a golden file of the new version, that the older files of the same case are lifted to. Files are added and
//! never changed. What stands under a subject's key is shown opened: how it is sealed has golden bytes beside the
//! code that seals.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use sagaline::codec;
use sagaline::domain::{Aggregate, Order, Payment, Session, User};
use sagaline::engine::barrier::Barrier;
use sagaline::saga::SagaEvent;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// A golden file by the parts of its name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Name {
    event_type: String,
    version: u16,
    case: String,
}

impl Name {
    fn of(path: &Path) -> Self {
        let text = path.file_name().unwrap().to_str().unwrap();
        let stem = text.strip_suffix(".json").unwrap_or_else(|| panic!("{text}: wants .json"));
        let mut parts = stem.splitn(3, '.');
        let event_type = parts.next().unwrap().to_owned();
        let version = parts.next().and_then(|part| part.strip_prefix('v')?.parse().ok());
        let version = version.unwrap_or_else(|| panic!("{text}: wants TYPE.vN.json"));
        Self { event_type, version, case: parts.next().unwrap_or_default().to_owned() }
    }
}

fn folder(category: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(category)
}

fn files(category: &str) -> BTreeMap<Name, String> {
    let entries = fs::read_dir(folder(category)).unwrap();
    let read = |entry: std::io::Result<fs::DirEntry>| {
        let path = entry.unwrap().path();
        (Name::of(&path), fs::read_to_string(&path).unwrap().trim_end().to_owned())
    };
    entries.map(read).collect()
}

/// The names of an enum's variants, as its deserialiser tells them to somebody who asks for another.
fn variants<E: DeserializeOwned>() -> BTreeSet<String> {
    let error = codec::decode::<E>("?", b"{}").err().expect("there is no such event").problem;
    let (_, known) = error.split_once("expected").unwrap();
    known.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// Holds a category's files to its events: `today` is the version of a type, `lift` an old payload in today's
/// shape.
fn check<E: Serialize + DeserializeOwned>(
    category: &str,
    today: impl Fn(&str) -> u16,
    lift: impl Fn(&Name, &str) -> String,
) {
    let files = files(category);
    for event_type in variants::<E>() {
        for version in 1..=today(&event_type) {
            let there = files.keys().any(|name| {
                (name.event_type.as_str(), name.version) == (event_type.as_str(), version)
            });
            assert!(there, "golden/{category}/{event_type}.v{version}.json is missing");
        }
    }
    for (name, payload) in &files {
        let version = today(&name.event_type);
        assert!(name.version <= version, "{name:?}: today's version is {version}");
        let event: E = codec::decode(&name.event_type, lift(name, payload).as_bytes())
            .unwrap_or_else(|error| panic!("{name:?} is not read any more: {error}"));
        let written = codec::encode(&event).unwrap();
        assert_eq!(written.event_type, name.event_type);
        let written = String::from_utf8(written.payload.to_vec()).unwrap();
        let golden = Name { version, ..name.clone() };
        let golden =
            files.get(&golden).unwrap_or_else(|| panic!("no file for {golden:?}: {written}"));
        assert_eq!(
            &written, golden,
            "{name:?} is written differently: raise the schema version, write an upcaster, add a file"
        );
    }
}

fn check_aggregate<A: Aggregate>() {
    let lift = |name: &Name, payload: &str| {
        let lifted = codec::lift::<A>(&name.event_type, name.version, payload.as_bytes()).unwrap();
        String::from_utf8(lifted.into_owned()).unwrap()
    };
    check::<A::Event>(A::CATEGORY, A::schema_version, lift);
}

#[test]
fn orders_are_written_as_in_their_golden_files() {
    check_aggregate::<Order>();
}

#[test]
fn payments_are_written_as_in_their_golden_files() {
    check_aggregate::<Payment>();
}

#[test]
fn users_and_sessions_are_written_as_in_their_golden_files() {
    check_aggregate::<User>();
    check_aggregate::<Session>();
}

#[test]
fn barriers_are_written_as_in_their_golden_files() {
    check_aggregate::<Barrier>();
}

#[test]
fn sagas_are_written_as_in_their_golden_files() {
    assert!(
        variants::<SagaEvent>().iter().eq(&BTreeSet::from(SagaEvent::NAMES.map(str::to_owned)))
    );
    check::<SagaEvent>("saga", |_| 1, |_, payload| payload.to_owned());
}

#[test]
fn an_old_event_is_read_in_todays_shape() {
    let lifted = codec::lift::<Order>("OrderShipped", 1, b"{}").unwrap();
    assert_eq!(&*lifted, br#"{"by":null}"#);
    let newer = codec::lift::<Order>("OrderShipped", 3, b"{}").unwrap_err();
    assert!(newer.to_string().contains("newer program"), "{newer}");
}

/// Every folder is looked at by a test: here, and for requests to consumers beside their type.
#[test]
fn no_golden_file_is_forgotten() {
    let entries = fs::read_dir(folder("")).unwrap();
    let found: BTreeSet<_> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    let known = ["barrier", "consumer", "order", "payment", "saga", "session", "user"];
    assert!(found.iter().eq(&known), "{found:?}");
}
