//! The most that a node's retry budget for one participant can have given it, followed through time. What is
//! known of each repetition is not when it was let go but between which two moments; and of what calls paid
//! into the budget, by when it was there. So the bucket pays as late as it can, and earlier only what would
//! run over: whatever a sound budget lets through, this one lets through with less than one to spare
//! ([`SLACK`]). Written from the rules of the design; the product's budget is not used here.

use std::collections::{BTreeMap, BTreeSet};

/// Whole repetitions are paid for with what would run over, which may be a part of one.
const SLACK: f64 = 1.0 + 1e-6;

/// How a budget is set.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Terms {
    /// The most that is saved up, and what it begins with.
    pub(super) burst: f64,
    /// What comes with each microsecond.
    pub(super) each_us: f64,
}

/// A moment and a number that tells two of the same moment apart.
type Place = (u64, usize);

/// Of one participant, on one node, from one boot to the next. Is told everything in the order of time.
#[derive(Debug)]
pub(super) struct Bucket {
    terms: Terms,
    saved: f64,
    at_us: u64,
    /// Repetitions that may have been let go by now and have not left, by when they leave.
    waiting: BTreeSet<Place>,
    /// What may have been paid in by now, by when it certainly has.
    lent: BTreeMap<Place, f64>,
}

impl Bucket {
    /// A full one.
    pub(super) fn new(terms: Terms, at_us: u64) -> Self {
        let (waiting, lent) = (BTreeSet::new(), BTreeMap::new());
        Self { terms, saved: terms.burst, at_us, waiting, lent }
    }

    /// From now on the repetition that leaves at `leaves` may be let go.
    pub(super) fn may_go(&mut self, now_us: u64, leaves: Place) {
        self.advance(now_us);
        self.waiting.insert(leaves);
    }

    /// So much is paid in now, or later, but before the moment of `until`.
    pub(super) fn earn(&mut self, now_us: u64, amount: f64, until: Place) {
        self.advance(now_us);
        self.lent.insert(until, amount);
    }

    /// The repetition leaves: it has been paid for. Returns by how much the budget is exceeded; none: it is
    /// not.
    pub(super) fn leave(&mut self, leaves: Place) -> Option<f64> {
        self.advance(leaves.0);
        if !self.waiting.remove(&leaves) {
            return None;
        }
        self.saved -= 1.0;
        while self.saved < 0.0
            && let Some((_, amount)) = self.lent.pop_first()
        {
            self.pay_in(amount);
        }
        (self.saved < -SLACK).then_some(-self.saved)
    }

    fn advance(&mut self, now_us: u64) {
        while let Some((&until, &amount)) = self.lent.first_key_value()
            && until.0 <= now_us
        {
            self.lent.remove(&until);
            self.fill(until.0);
            self.pay_in(amount);
        }
        self.fill(now_us);
    }

    fn fill(&mut self, now_us: u64) {
        let passed_us = now_us.saturating_sub(self.at_us);
        self.at_us = self.at_us.max(now_us);
        self.pay_in(passed_us as f64 * self.terms.each_us);
    }

    /// What would run over pays for those that leave first.
    fn pay_in(&mut self, amount: f64) {
        self.saved += amount;
        while self.saved > self.terms.burst && self.waiting.pop_first().is_some() {
            self.saved -= 1.0;
        }
        self.saved = self.saved.min(self.terms.burst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TERMS: Terms = Terms { burst: 3.0, each_us: 2e-6 };

    /// How many of `count` that may go at once, and leave one by one so far apart, are too many.
    fn too_many(bucket: &mut Bucket, count: usize, apart_us: u64) -> usize {
        let leaves = |number: usize| (number as u64 * apart_us, number);
        (0..count).for_each(|number| bucket.may_go(0, leaves(number)));
        (0..count).filter(|number| bucket.leave(leaves(*number)).is_some()).count()
    }

    #[test]
    fn what_is_saved_up_and_what_comes_with_time_can_be_spent_and_no_more() {
        assert_eq!(too_many(&mut Bucket::new(TERMS, 0), 4, 0), 0, "one is slack");
        assert_eq!(too_many(&mut Bucket::new(TERMS, 0), 7, 0), 3);
        assert_eq!(too_many(&mut Bucket::new(TERMS, 0), 50, 500_000), 0);
        assert!(too_many(&mut Bucket::new(TERMS, 0), 50, 250_000) > 20);
    }

    #[test]
    fn who_was_let_go_long_before_it_left_has_been_paid_for_by_then() {
        let mut bucket = Bucket::new(TERMS, 0);
        (0..20).for_each(|number| bucket.may_go(0, (10_000_000, number)));
        assert!((0..20).all(|number| bucket.leave((10_000_000, number)).is_none()));
        let mut bucket = Bucket::new(TERMS, 0);
        (0..20).for_each(|number| bucket.may_go(9_900_000, (10_000_000, number)));
        assert!((0..20).any(|number| bucket.leave((10_000_000, number)).is_some()));
    }

    #[test]
    fn what_is_paid_in_meanwhile_is_there_when_it_is_needed_and_does_not_run_over_before() {
        let mut bucket = Bucket::new(TERMS, 0);
        (0..4).for_each(|number| bucket.earn(0, 1.2, (1_000, number)));
        assert_eq!(too_many(&mut bucket, 8, 0), 0);
        let mut bucket = Bucket::new(TERMS, 0);
        (0..4).for_each(|number| bucket.earn(0, 1.2, (1_000, number)));
        (0..8).for_each(|number| bucket.may_go(2_000, (2_000, number)));
        let exceeded = (0..8).filter(|number| bucket.leave((2_000, *number)).is_some());
        assert!(exceeded.count() > 2, "it ran over");
    }
}
