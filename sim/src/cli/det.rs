//! `det`: the same seed in two fresh processes, in different folders, with different variables and with
//! everything elsewhere in memory. Both must see the same and end in the same state, and when they do not,
//! the first line in which they differ is shown.
//!
//! That code and stack lie elsewhere is the system's doing, and the heap is moved by what they tell. Where
//! that does not happen, nothing is shown about addresses, and the command says so and fails.

use std::path::Path;
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
    let (mut same, mut events, mut moved) = (0_u64, 0_u64, 0_u64);
    let work = |index| twice(args.seeds.at(index), args.scenario);
    let until = Until::Count(args.seeds.count());
    pool::each(pool::jobs(args.jobs), until, work, |_, (seed, twice), bar| match twice {
        Twice::Same { events: seen, elsewhere } => {
            same += 1;
            events += seen;
            moved += u64::from(elsewhere);
        }
        Twice::Differs(how) => {
            bar.println(format!("seed {seed}: {how}"));
            differing.push((seed, how));
        }
    })?;
    println!(
        "{same} seeds were the same run twice, with {events} events in their logs; {moved} of them with \
         code, heap and stack elsewhere in memory"
    );
    for (seed, how) in &differing {
        println!("NON-DETERMINISTIC seed {seed}: {how}");
        println!("REPRO: cargo sim run --seed {seed} --scenario {}", args.scenario);
    }
    if moved == 0 {
        println!("no two runs had different addresses: is the system's randomisation of them off?");
    }
    let good = differing.is_empty() && events > 0 && moved > 0;
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::from(NON_DETERMINISTIC) })
}

enum Twice {
    Same { events: u64, elsewhere: bool },
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
        child.layout(&folder.join("layout")).elsewhere(folder, variables).run()
    };
    let first = child(&one, &[("LANG", "C"), ("TZ", "UTC")])?;
    let variables =
        [("LANG", "de_DE.UTF-8"), ("TZ", "Pacific/Auckland"), ("SOMETHING_LONG", "…………")];
    let second = child(&other, &variables)?;
    let came = if first.digest == second.digest && first == second && !first.digest.is_empty() {
        let elsewhere = differ_all(&read(&one.join("layout"))?, &read(&other.join("layout"))?);
        Twice::Same { events: first.events, elsewhere }
    } else {
        Twice::Differs(difference(&one.join("trace"), &other.join("trace"))?)
    };
    std::fs::remove_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    Ok((seed, came))
}

/// Whether two lists of addresses have none in common.
fn differ_all(ones: &str, others: &str) -> bool {
    !ones.is_empty() && ones.split(' ').zip(others.split(' ')).all(|(one, other)| one != other)
}

fn read(file: &Path) -> Result<String, String> {
    std::fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))
}

fn difference(one: &Path, other: &Path) -> Result<String, String> {
    Ok(match trace::first_difference(&read(one)?, &read(other)?) {
        Some((line, one, other)) => format!("line {line}:\n  {one}\n  {other}"),
        None => "the traces are the same, what the oracles say is not".to_owned(),
    })
}
