//! Makes a failing plan smaller while it still fails in the same way: delta debugging (Zeller's ddmin)
//! over faults and operations together, then shorter times. Knows nothing of how a plan is tried: the
//! command line runs candidates in processes of their own, several at once.

use crate::fault::Episode;
use crate::plan::{Plan, Planned};

/// Tries candidates and says which is the first that still fails as the original does.
pub trait Trial {
    /// How many candidates are tried at once.
    fn width(&self) -> usize;

    /// The index of the first of these that fails in the same way.
    fn first_failing(&mut self, candidates: &[Plan]) -> Option<usize>;
}

/// Something that can be left out of a plan.
#[derive(Debug, Clone)]
enum Atom {
    Episode(Episode),
    Operation(Planned),
}

/// A plan that fails in the same way and from which nothing can be left out alone.
///
/// Whole stretches of time go first: most failures need little of it, and a short run costs little.
pub fn shrink(plan: &Plan, trial: &mut impl Trial) -> Plan {
    let mut smallest = cut_while_failing(trial, plan, without_end);
    smallest = cut_while_failing(trial, &smallest, without_beginning);
    smallest = first_of(trial, &smallest, vec![without_faults(&smallest)]);
    loop {
        let before = size(&smallest);
        smallest = ddmin(&smallest, trial);
        smallest = shorten(&smallest, trial);
        if size(&smallest) == before {
            return smallest;
        }
    }
}

fn size(plan: &Plan) -> (usize, u64) {
    let lengths = plan.episodes.iter().map(|episode| episode.for_ms).sum::<u64>();
    (plan.episodes.len() + plan.operations.len(), lengths + plan.chaos_ms)
}

/// The first candidate that fails, else the plan itself.
fn first_of(trial: &mut impl Trial, plan: &Plan, candidates: Vec<Plan>) -> Plan {
    for some in candidates.chunks(trial.width().max(1)) {
        if let Some(index) = trial.first_failing(some) {
            return some[index].clone();
        }
    }
    plan.clone()
}

fn without_faults(plan: &Plan) -> Plan {
    Plan { episodes: Vec::new(), left_broken: Vec::new(), ..plan.clone() }
}

/// Takes the first cut after which it still fails, and cuts that again, until none does.
fn cut_while_failing(
    trial: &mut impl Trial,
    plan: &Plan,
    cuts: impl Fn(&Plan) -> Vec<Plan>,
) -> Plan {
    let mut smallest = plan.clone();
    loop {
        let before = size(&smallest);
        let smaller = cuts(&smallest).into_iter().filter(|cut| size(cut) < before).collect();
        smallest = first_of(trial, &smallest, smaller);
        if size(&smallest) == before {
            return smallest;
        }
    }
}

/// Less and less left out at the end: the shortest runs are tried first.
fn without_end(plan: &Plan) -> Vec<Plan> {
    SIXTEENTHS.map(|left| cut_at(plan, (plan.chaos_ms * left / 16).max(1))).to_vec()
}

/// Less and less left out at the beginning, by the time of what is there.
fn without_beginning(plan: &Plan) -> Vec<Plan> {
    SIXTEENTHS.map(|left| since(plan, plan.chaos_ms - plan.chaos_ms * left / 16)).to_vec()
}

/// How much of the time is left.
const SIXTEENTHS: [u64; 5] = [1, 2, 4, 8, 12];

fn since(plan: &Plan, from_ms: u64) -> Plan {
    let mut late = plan.clone();
    late.operations.retain(|planned| planned.at_ms >= from_ms);
    late.episodes.retain(|episode| episode.at_ms + episode.for_ms > from_ms);
    late
}

fn cut_at(plan: &Plan, chaos_ms: u64) -> Plan {
    let mut cut = plan.clone();
    cut.chaos_ms = chaos_ms;
    cut.operations.retain(|planned| planned.at_ms < chaos_ms);
    cut.episodes.retain(|episode| episode.at_ms < chaos_ms);
    for episode in &mut cut.episodes {
        episode.for_ms = episode.for_ms.min(chaos_ms - episode.at_ms);
    }
    cut
}

fn atoms(plan: &Plan) -> Vec<Atom> {
    // Operations first: there are many, and whole blocks of them go at once.
    let operations = plan.operations.iter().cloned().map(Atom::Operation);
    operations.chain(plan.episodes.iter().cloned().map(Atom::Episode)).collect()
}

fn with(plan: &Plan, atoms: &[Atom]) -> Plan {
    let mut made = Plan { episodes: Vec::new(), operations: Vec::new(), ..plan.clone() };
    for atom in atoms {
        match atom {
            Atom::Episode(episode) => made.episodes.push(episode.clone()),
            Atom::Operation(planned) => made.operations.push(planned.clone()),
        }
    }
    made
}

fn ddmin(plan: &Plan, trial: &mut impl Trial) -> Plan {
    let mut left = atoms(plan);
    let mut parts = 2;
    while left.len() > 1 {
        let chunk = left.len().div_ceil(parts);
        let without = |i: usize| {
            let (from, to) = (i * chunk, left.len().min((i + 1) * chunk));
            [&left[..from.min(left.len())], &left[to..]].concat()
        };
        let count = left.len().div_ceil(chunk);
        let smaller: Vec<Vec<Atom>> = (0..count).map(without).collect();
        let plans: Vec<Plan> = smaller.iter().map(|atoms| with(plan, atoms)).collect();
        let width = trial.width().max(1);
        let failing = plans
            .chunks(width)
            .zip(0..)
            .find_map(|(some, turn)| trial.first_failing(some).map(|index| turn * width + index));
        match failing {
            Some(index) => {
                left.clone_from(&smaller[index]);
                parts = parts.saturating_sub(1).max(2);
            }
            None if chunk == 1 => break,
            None => parts = (parts * 2).min(left.len()),
        }
    }
    with(plan, &left)
}

/// Halves every length as often as it still fails: of the episodes, and of the whole chaos.
fn shorten(plan: &Plan, trial: &mut impl Trial) -> Plan {
    let mut shortest = plan.clone();
    for index in 0..shortest.episodes.len() {
        while shortest.episodes[index].for_ms > 1 {
            let mut shorter = shortest.clone();
            shorter.episodes[index].for_ms /= 2;
            if trial.first_failing(std::slice::from_ref(&shorter)).is_none() {
                break;
            }
            shortest = shorter;
        }
    }
    let last = |plan: &Plan| {
        let episodes = plan.episodes.iter().map(|episode| episode.at_ms + episode.for_ms);
        episodes.chain(plan.operations.iter().map(|planned| planned.at_ms + 1)).max().unwrap_or(1)
    };
    let cut = cut_at(&shortest, last(&shortest).min(shortest.chaos_ms));
    if cut == shortest { shortest } else { first_of(trial, &shortest, vec![cut]) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed::Seed;
    use crate::strategy::Scenario;

    /// Fails when the plan has all of these.
    struct Needs {
        episodes: Vec<u32>,
        operations: Vec<u32>,
        at_least_ms: u64,
        tried: usize,
    }

    impl Trial for Needs {
        fn width(&self) -> usize {
            2
        }

        fn first_failing(&mut self, candidates: &[Plan]) -> Option<usize> {
            self.tried += candidates.len();
            candidates.iter().position(|plan| {
                let episode = |id: &u32| {
                    plan.episodes.iter().any(|e| e.id == *id && e.for_ms >= self.at_least_ms)
                };
                let operation = |id: &u32| plan.operations.iter().any(|o| o.id == *id);
                self.episodes.iter().all(episode) && self.operations.iter().all(operation)
            })
        }
    }

    fn shrunk(mut needs: Needs) -> (Plan, usize) {
        let plan = Plan::draw(Seed(3), Scenario::Standard);
        assert!(needs.first_failing(std::slice::from_ref(&plan)).is_some(), "needs what is there");
        let small = shrink(&plan, &mut needs);
        (small, needs.tried)
    }

    #[test]
    fn only_what_the_failure_needs_is_left() {
        let plan = Plan::draw(Seed(3), Scenario::Standard);
        let long = plan.episodes.iter().find(|e| e.for_ms > 400).expect("a long episode").id;
        let needs = Needs {
            episodes: vec![long],
            operations: vec![17, 400, 803],
            at_least_ms: 100,
            tried: 0,
        };
        let (small, tried) = shrunk(needs);
        let ids: Vec<_> = small.operations.iter().map(|planned| planned.id).collect();
        assert_eq!(ids, [17, 400, 803]);
        assert_eq!(small.episodes.iter().map(|e| e.id).collect::<Vec<_>>(), [long]);
        assert!((100..200).contains(&small.episodes[0].for_ms), "{:?}", small.episodes[0]);
        assert!(tried < 200, "{tried} trials");
    }

    #[test]
    fn a_failure_without_faults_keeps_none() {
        let needs = Needs { episodes: Vec::new(), operations: vec![5], at_least_ms: 0, tried: 0 };
        let (small, _) = shrunk(needs);
        assert!(small.episodes.is_empty());
        assert_eq!(small.operations.len(), 1);
        assert!(small.chaos_ms < 1_000, "the chaos ends with its last operation");
    }
}
