//! What must hold of all canaries together.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use super::*;
use crate::oracle;

#[test]
fn there_are_enough_and_each_has_a_name_of_its_own() {
    let names: BTreeSet<_> = all().iter().map(|canary| canary.name).collect();
    assert_eq!(names.len(), all().len());
    let harmless = all().iter().filter(|canary| canary.is_harmless()).count();
    let bugs = all().len() - harmless;
    assert!(bugs >= 24 && harmless >= 2, "{bugs} and {harmless}");
}

#[test]
fn oracles_are_named_as_they_are_called() {
    let known: BTreeSet<_> = oracle::all().iter().map(|oracle| oracle.name()).collect();
    for canary in all() {
        for own in canary.own {
            assert!(known.contains(own), "{}: {own}", canary.name);
        }
    }
}

#[test]
fn an_unknown_name_is_told_the_known_ones() {
    assert_eq!(named("ack-before-sync").map(|canary| canary.name), Ok("ack-before-sync"));
    assert!(named("ack").expect_err("no such canary").contains("ack-before-sync"));
}

/// Every name that is planted somewhere is in the registry, and the other way round.
#[test]
fn what_is_planted_is_what_is_registered() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut planted = BTreeSet::new();
    for folder in ["src", "storage/src"] {
        collect(&root.join(folder), &mut planted);
    }
    let registered: BTreeSet<_> = all().iter().map(|canary| canary.name.to_owned()).collect();
    assert_eq!(planted, registered);
}

fn collect(folder: &Path, planted: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).expect("the sources are there") {
        let path = entry.expect("a readable folder").path();
        if path.is_dir() {
            collect(&path, planted);
            continue;
        }
        let text = fs::read_to_string(&path).expect("a source is text");
        let calls = text.split("planted(\"").skip(1).filter_map(|rest| rest.split_once('"'));
        planted.extend(calls.map(|(name, _)| name.to_owned()).filter(|name| name != "its-name"));
    }
}
