//! The seeds of the fuzz targets, each given to its target: what once broke something stays mended, and
//! the targets stay right, on a stable compiler and in no time.

#![allow(clippy::unwrap_used, reason = "tests")]

#[path = "../fuzz/src/lib.rs"]
mod fuzz;

use std::fs;
use std::path::Path;

#[test]
fn every_seed_is_withstood() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds");
    for (name, target) in fuzz::TARGETS {
        let seeds = fs::read_dir(folder.join(name)).unwrap();
        let mut seeds: Vec<_> = seeds.map(|entry| entry.unwrap().path()).collect();
        seeds.sort();
        assert!(seeds.len() > 2, "{name}: {} seeds", seeds.len());
        for seed in seeds {
            eprintln!("{}", seed.display());
            target(&fs::read(&seed).unwrap());
        }
    }
}
