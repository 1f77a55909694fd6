//! How the steps of trips are tried: all by one policy, or some by one of their own, with deadlines of their own
//! beside the trip's. The one can be undone, the next decides, and the last comes behind that.

use std::time::Duration;

use sagaline::prelude::Policy;

use crate::fate::FULL;
use crate::seed::Seed;
use crate::shape::SagaShape;

/// In so many of a hundred seeds some steps have policies of their own.
const OWN_PERCENT: u64 = 60;

const SEAT_DEADLINE: Duration = Duration::from_secs(5);
const CHARGE_DEADLINE: Duration = Duration::from_secs(4);
const TICKETS_DEADLINE: Duration = Duration::from_secs(9);

/// How the steps of trips are tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Policies {
    /// All of them by one policy.
    One,
    /// Some by a policy of their own.
    Own,
}

impl Policies {
    /// Those of a seed.
    pub fn draw(seed: Seed) -> Self {
        if seed.stream("plan/policies").percent(OWN_PERCENT) { Self::Own } else { Self::One }
    }

    /// Those of trips of this shape: a plan on file has the trips that it was drawn with.
    pub fn of(trip: &SagaShape) -> Self {
        let own = trip.steps.iter().any(|step| step.term_us().is_some());
        if own { Self::Own } else { Self::One }
    }

    pub(super) fn of_seats(self) -> Policy {
        self.own(usual().deadline(SEAT_DEADLINE))
    }

    /// Asked again soon and not often, also when they are full.
    pub(super) fn of_meals(self) -> Policy {
        self.own(Policy {
            attempts: 5,
            backoff_min_ms: 40,
            backoff_max_ms: 160,
            attempt_timeout_ms: 1_500,
            retried_rejections: vec![FULL.to_owned()],
            ..usual()
        })
    }

    pub(super) fn of_charges(self) -> Policy {
        self.own(usual().deadline(CHARGE_DEADLINE))
    }

    pub(super) fn of_tickets(self) -> Policy {
        self.own(usual().deadline(TICKETS_DEADLINE))
    }

    fn own(self, policy: Policy) -> Policy {
        match self {
            Self::One => usual(),
            Self::Own => policy,
        }
    }
}

/// The policy of every step that has none of its own.
pub(super) fn usual() -> Policy {
    Policy {
        attempts: 10,
        compensation_attempts: 12,
        backoff_max_ms: 4_000,
        attempt_timeout_ms: 2_500,
        ..Policy::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shape::StepShape;
    use crate::trip::shape;

    #[test]
    fn a_plan_says_by_its_trips_which_policies_they_have() {
        let own = shape(Policies::Own).expect("a sound definition");
        assert_eq!(Policies::of(&own), Policies::Own);
        let term_us = |step: &str| own.step(step).and_then(StepShape::term_us);
        assert_eq!(term_us("seat"), Some(5_000_000));
        assert_eq!((term_us("room"), term_us("meal")), (None, None));
        let meal = own.step("meal").and_then(|step| step.policy.clone()).expect("as it was built");
        assert_eq!((meal.pause_min_ms, meal.pause_max_ms), (40, 160));
        assert_eq!(meal.asked_again, [FULL]);
        let mut one = shape(Policies::One).expect("a sound definition");
        assert_eq!(Policies::of(&one), Policies::One);
        // As it stands in plans that were written before steps had policies of their own.
        one.steps.iter_mut().for_each(|step| step.policy = None);
        assert_eq!(Policies::of(&one), Policies::One);
    }

    #[test]
    fn some_seeds_have_one_policy_and_more_have_several() {
        let drawn = (0..100).filter(|seed| Policies::draw(Seed(*seed)) == Policies::Own);
        assert!((40..80).contains(&drawn.count()));
    }
}
