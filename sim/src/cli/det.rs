//! `det`: the same seed in two fresh processes, in different folders and with different variables. Both
//! must see the same, and when they do not, the first line in which they differ is shown.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::seed::Seed;
use crate::strategy::Scenario;
use crate::trace;

use super::child::{Child, What};
use super::pool::{self, Until};
use super::{Done, SwarmArgs};

const NON_DETERMINISTIC: u8 = 126;

pub(super) fn run(args: &SwarmArgs) -> Done {
    let mut differing = Vec::new();
    let (mut same, mut events) = (0_u64, 0_u64);
    let work = |index| twice(args.seeds.at(index), args.scenario);
    let until = Until::Count(args.seeds.count());
    pool::each(pool::jobs(args.jobs), until, work, |_, (seed, twice), bar| match twice {
        Twice::Same { events: seen } => {
            same += 1;
            events += seen;
        }
        Twice::Differs(how) => {
            bar.println(format!("seed {seed}: {how}"));
            differing.push((seed, how));
        }
    })?;
    println!("{same} seeds were the same run twice, with {events} events in their logs");
    for (seed, how) in &differing {
        println!("NON-DETERMINISTIC seed {seed}: {how}");
        println!("REPRO: cargo sim run --seed {seed} --scenario {}", args.scenario);
    }
    let good = differing.is_empty() && events > 0;
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::from(NON_DETERMINISTIC) })
}

enum Twice {
    Same { events: u64 },
    Differs(String),
}

fn twice(seed: Seed, scenario: Scenario) -> Result<(Seed, Twice), String> {
    let folder = std::env::temp_dir().join(format!("sagaline-det-{}-{seed}", std::process::id()));
    let (one, other) = (folder.join("one"), folder.join("another one with a longer name"));
    for folder in [&one, &other] {
        std::fs::create_dir_all(folder).map_err(|error| error.to_string())?;
    }
    let child = |folder: &Path, variables: &[(&str, &str)]| {
        let child = Child::new(What::Drawn(seed, scenario)).trace(&folder.join("trace"));
        child.elsewhere(folder, variables).run()
    };
    let first = child(&one, &[("LANG", "C"), ("TZ", "UTC")])?;
    let variables =
        [("LANG", "de_DE.UTF-8"), ("TZ", "Pacific/Auckland"), ("SOMETHING_LONG", "…………")];
    let second = child(&other, &variables)?;
    let came = if first.digest == second.digest && first == second && !first.digest.is_empty() {
        Twice::Same { events: first.events }
    } else {
        Twice::Differs(difference(&one.join("trace"), &other.join("trace"))?)
    };
    std::fs::remove_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    Ok((seed, came))
}

fn difference(one: &PathBuf, other: &PathBuf) -> Result<String, String> {
    let read = |file: &PathBuf| {
        std::fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))
    };
    Ok(match trace::first_difference(&read(one)?, &read(other)?) {
        Some((line, one, other)) => format!("line {line}:\n  {one}\n  {other}"),
        None => "the traces are the same, what the oracles say is not".to_owned(),
    })
}
