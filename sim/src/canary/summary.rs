//! A round over many canaries: who was seen by whom and how soon.

use std::fmt;

use super::registry::Canary;
use super::search::{Found, Judgement};

/// How far a failing plan was made smaller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shrunk {
    /// Faults and operations before.
    pub from: usize,
    /// Faults and operations that are left.
    pub to: usize,
}

/// One canary's line.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// Which.
    pub canary: &'static Canary,
    /// What came of the search.
    pub found: Found,
    /// Its failing plan, made smaller, when that was asked for.
    pub shrunk: Option<Shrunk>,
}

/// All lines.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Summary {
    /// In any order.
    pub lines: Vec<Line>,
}

impl Line {
    /// What it says of its canary.
    pub fn judgement(&self) -> Judgement {
        self.found.judgement(self.canary)
    }
}

impl Summary {
    /// Whether every canary was caught by its own and every harmless one stayed silent.
    pub fn is_good(&self) -> bool {
        !self.lines.is_empty() && self.lines.iter().all(|line| line.judgement().is_good())
    }

    /// How many seeds the canaries needed that were caught, fewest first.
    fn seeds(&self) -> Vec<u64> {
        let caught = self.lines.iter().filter(|line| line.judgement() == Judgement::Caught);
        let mut seeds: Vec<_> = caught.map(|line| line.found.seeds).collect();
        seeds.sort_unstable();
        seeds
    }

    /// The share of their plans that is left of the shrunk ones, in percent, smallest first.
    fn left_percent(&self) -> Vec<u64> {
        let shrunk = self.lines.iter().filter_map(|line| line.shrunk);
        let percent = |shrunk: Shrunk| (shrunk.to * 100).div_ceil(shrunk.from.max(1)) as u64;
        let mut left: Vec<_> = shrunk.map(percent).collect();
        left.sort_unstable();
        left
    }
}

/// The value below which so many of a hundred are; of nothing 0.
fn percentile(sorted: &[u64], percent: usize) -> u64 {
    let place = (sorted.len() * percent).div_ceil(100).saturating_sub(1);
    sorted.get(place).copied().unwrap_or(0)
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (canary, found) = (self.canary, &self.found);
        let judgement = self.judgement().name();
        write!(f, "{:<42} {judgement:<7} {:>4} seeds", canary.name, found.seeds)?;
        if found.red > 0 {
            write!(f, " ({} red without it)", found.red)?;
        }
        if let Some((report, signature)) = found.failure.as_ref().zip(found.signature()) {
            write!(f, "  {} {}: {signature}", report.scenario, report.seed)?;
        }
        if let Some(Shrunk { from, to }) = self.shrunk {
            write!(f, "  [{to} of {from} events]")?;
        }
        Ok(())
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut lines: Vec<_> = self.lines.iter().collect();
        lines.sort_by_key(|line| (line.judgement().is_good(), line.found.seeds, line.canary.name));
        for line in lines {
            writeln!(f, "{line}")?;
        }
        let (seeds, left) = (self.seeds(), self.left_percent());
        let harmful = self.lines.iter().filter(|line| !line.canary.is_harmless()).count();
        let silent = self.lines.iter().filter(|line| line.judgement() == Judgement::Silent);
        write!(
            f,
            "{} of {harmful} canaries caught by their own oracles, seeds to detection: median {}, \
             p95 {}; {} of {} harmless ones silent",
            seeds.len(),
            percentile(&seeds, 50),
            percentile(&seeds, 95),
            silent.count(),
            self.lines.len() - harmful,
        )?;
        if !left.is_empty() {
            let (median, p95) = (percentile(&left, 50), percentile(&left, 95));
            write!(f, "; of a failing plan shrinking leaves: median {median} %, p95 {p95} %")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::canary::all;
    use crate::plan::Plan;
    use crate::run::Report;
    use crate::seed::Seed;
    use crate::strategy::Scenario;
    use crate::verdict::{Signature, Verdict};

    fn line(canary: &'static Canary, seeds: u64, oracle: &str) -> Line {
        let signature = Signature { oracle: oracle.to_owned(), what: "broken".to_owned() };
        let plan = Plan::draw(Seed(7), Scenario::Quiet);
        let report = Report::of_harness(&plan, "");
        let failure = Some(Report { verdict: Verdict::Safety(signature), ..report });
        Line { canary, found: Found { seeds, red: 0, failure }, shrunk: None }
    }

    #[test]
    fn median_and_p95_are_of_those_that_were_caught() {
        let harmful = all().iter().filter(|canary| !canary.is_harmless()).take(20);
        let lines = (1..).zip(harmful).map(|(seeds, canary)| line(canary, seeds, canary.own[0]));
        let mut summary = Summary { lines: lines.collect() };
        assert!(summary.is_good());
        assert!(summary.to_string().contains("20 of 20"), "{summary}");
        assert!(summary.to_string().contains("median 10, p95 19"), "{summary}");
        summary.lines.push(line(&all()[20], 99, "crashes"));
        assert!(!summary.is_good());
        assert!(summary.to_string().contains("20 of 21"), "{summary}");
        assert!(summary.to_string().starts_with(all()[20].name), "what is wrong comes first");
    }

    #[test]
    fn what_shrinking_leaves_is_told_in_hundredths() {
        let mut one = line(&all()[0], 1, all()[0].own[0]);
        one.shrunk = Some(Shrunk { from: 1_000, to: 25 });
        let summary = Summary { lines: vec![one] };
        assert!(summary.to_string().contains("median 3 %"), "{summary}");
    }

    #[test]
    fn a_round_without_canaries_proves_nothing() {
        assert!(!Summary::default().is_good());
    }
}
