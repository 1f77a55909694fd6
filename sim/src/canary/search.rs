//! Looking for a canary: seed after seed with the bug planted, until a run fails that does not fail
//! without it. Knows nothing of how a run is made.

use crate::run::Report;
use crate::seed::Seed;
use crate::verdict::{Signature, Verdict};

use super::registry::{Canary, OPEN};

/// The seeds to look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    /// The first.
    pub from: u64,
    /// At most so many that can tell something.
    pub budget: u64,
    /// The word of a canary's own oracle is taken without a run that has no bug: that fixed seeds are
    /// clean is tested elsewhere.
    pub is_quick: bool,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// Runs that could tell something; the last of them is the one that failed, if one did.
    pub seeds: u64,
    /// Seeds that fail without the bug too: they tell nothing.
    pub red: u64,
    /// The failure; none: there was none.
    pub failure: Option<Report>,
}

/// What a search says of its canary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Judgement {
    /// One of its own oracles was the first to see it.
    Caught,
    /// Somebody else was.
    ByAnother,
    /// Nobody has seen it.
    Missed,
    /// It is harmless, and nobody has seen anything.
    Silent,
    /// It is harmless, and somebody has seen something.
    Fired,
}

impl Judgement {
    /// Whether it is as it must be.
    pub const fn is_good(self) -> bool {
        matches!(self, Self::Caught | Self::Silent)
    }

    /// As it is printed.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Caught => "caught",
            Self::ByAnother => "CAUGHT BY ANOTHER",
            Self::Missed => "MISSED",
            Self::Silent => "silent",
            Self::Fired => "FIRED",
        }
    }
}

impl Found {
    /// What the failure was.
    pub fn signature(&self) -> Option<&Signature> {
        self.failure.as_ref().and_then(|report| report.verdict.signature())
    }

    /// Whether that is what the canary is there for.
    pub fn judgement(&self, canary: &Canary) -> Judgement {
        match (&self.failure, canary.is_harmless()) {
            (None, true) => Judgement::Silent,
            (None, false) => Judgement::Missed,
            (Some(_), true) => Judgement::Fired,
            (Some(report), false) if is_by_own(canary, &report.verdict) => Judgement::Caught,
            (Some(_), false) => Judgement::ByAnother,
        }
    }
}

/// Whether a failure is one that is known to be open without any canary.
fn is_open(signature: &Signature) -> bool {
    let is = |(oracle, what): &(&str, &str)| {
        signature.oracle == *oracle && signature.what.starts_with(what)
    };
    OPEN.iter().any(is)
}

/// An oracle with nothing to look at has not seen anything, whosever it is.
fn is_by_own(canary: &Canary, verdict: &Verdict) -> bool {
    match verdict {
        Verdict::Safety(signature) | Verdict::Liveness(signature) | Verdict::Crash(signature) => {
            canary.own.contains(&signature.oracle.as_str())
        }
        Verdict::Pass
        | Verdict::Unrecoverable { .. }
        | Verdict::NonDeterministic(_)
        | Verdict::Vacuous(_) => false,
    }
}

/// Looks for it. `run` makes a run of a seed, with the bug or without.
pub fn search<E>(
    canary: &Canary,
    range: Range,
    mut run: impl FnMut(Seed, bool) -> Result<Report, E>,
) -> Result<Found, E> {
    let mut found = Found { seeds: 0, red: 0, failure: None };
    for seed in (range.from..).map(Seed) {
        // A world in which nearly every seed is red cannot tell anything at all.
        if found.seeds >= range.budget || found.red > range.budget {
            break;
        }
        let report = run(seed, true)?;
        let Some(signature) = report.verdict.signature() else {
            found.seeds += 1;
            continue;
        };
        let is_sure = range.is_quick && is_by_own(canary, &report.verdict);
        let is_red =
            is_open(signature) || (!is_sure && run(seed, false)?.verdict.signature().is_some());
        if is_red {
            found.red += 1;
            continue;
        }
        found.seeds += 1;
        found.failure = Some(report);
        break;
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::canary::named;
    use crate::plan::Plan;
    use crate::strategy::Scenario;

    fn report(seed: Seed, verdict: Verdict) -> Report {
        let plan = Plan::draw(seed, Scenario::Quiet);
        Report { verdict, ..Report::of_harness(&plan, "") }
    }

    fn seen_by(oracle: &str) -> Verdict {
        Verdict::Safety(Signature { oracle: oracle.to_owned(), what: "broken".to_owned() })
    }

    /// Seeds of `red` fail always; `shows` is the first that fails with the bug alone.
    fn looked(shows: u64, red: &[u64], verdict: &Verdict) -> Found {
        searched(shows, red, verdict, false)
    }

    fn searched(shows: u64, red: &[u64], verdict: &Verdict, is_quick: bool) -> Found {
        let run = |seed: Seed, planted| {
            let fails = red.contains(&seed.0) || (planted && seed.0 >= shows);
            let verdict = if fails { verdict.clone() } else { Verdict::Pass };
            Ok::<_, ()>(report(seed, verdict))
        };
        let range = Range { from: 0, budget: 10, is_quick };
        let canary = named("ack-before-sync").expect("it is there");
        search(canary, range, run).expect("the runs are made")
    }

    #[test]
    fn the_first_run_that_fails_with_the_bug_alone_is_the_one() {
        let found = looked(3, &[1, 3], &seen_by("durability"));
        assert_eq!((found.seeds, found.red), (4 - 1, 2), "0, 2 and 4 tell something");
        assert_eq!(found.failure.as_ref().map(|report| report.seed), Some(Seed(4)));
        let canary = named("ack-before-sync").expect("it is there");
        assert_eq!(found.judgement(canary), Judgement::Caught);
    }

    #[test]
    fn a_quick_look_takes_the_own_oracles_word_and_nobody_elses() {
        let all: Vec<_> = (0..1_000).collect();
        let found = searched(0, &all, &seen_by("durability"), true);
        assert_eq!((found.seeds, found.red, found.failure.is_some()), (1, 0, true));
        let found = searched(0, &all, &seen_by("answers"), true);
        assert_eq!((found.seeds, found.failure), (0, None));
    }

    #[test]
    fn another_oracle_is_not_its_own_and_neither_is_one_that_saw_nothing() {
        let canary = named("ack-before-sync").expect("it is there");
        let by_another = looked(0, &[], &seen_by("answers"));
        assert_eq!(by_another.judgement(canary), Judgement::ByAnother);
        let signature = Signature { oracle: "durability".to_owned(), what: "nothing".to_owned() };
        let vacuous = looked(0, &[], &Verdict::Vacuous(signature));
        assert_eq!(vacuous.judgement(canary), Judgement::ByAnother);
    }

    #[test]
    fn what_nobody_sees_is_missed_unless_it_is_harmless() {
        let found = looked(99, &[], &seen_by("money"));
        assert_eq!((found.seeds, found.failure.is_none()), (10, true));
        let judged = |name| found.judgement(named(name).expect("it is there"));
        assert_eq!(judged("ack-before-sync"), Judgement::Missed);
        assert_eq!(judged("harmless-appends-wait"), Judgement::Silent);
        let fired = looked(0, &[], &seen_by("money"));
        let harmless = named("harmless-appends-wait").expect("it is there");
        assert_eq!(fired.judgement(harmless), Judgement::Fired);
        assert!(!Judgement::Fired.is_good() && !Judgement::Missed.is_good());
    }

    #[test]
    fn what_is_known_to_be_open_tells_nothing() {
        for (oracle, what) in OPEN {
            let what = format!("{what}: and more");
            let signature = Signature { oracle: (*oracle).to_owned(), what };
            let found = looked(0, &[], &Verdict::Safety(signature));
            assert_eq!((found.seeds, found.failure), (0, None), "{oracle}");
        }
    }

    #[test]
    fn a_world_that_is_always_red_ends_the_search() {
        let all: Vec<_> = (0..1_000).collect();
        let found = looked(0, &all, &seen_by("money"));
        assert_eq!((found.seeds, found.red, found.failure), (0, 11, None));
    }
}
