//! The kit for sagas: by name, at their time, and with words when it is otherwise.

use std::panic::catch_unwind;

use super::*;
use crate::engine::{Call, Compensable, Outcome, Step};
use crate::saga::{Policy, TimeUnits, Verb};

macro_rules! step {
    ($step:ident, $name:literal) => {
        struct $step;

        impl Step for $step {
            const NAME: &'static str = $name;
            type Saga = String;
            type Output = u32;

            async fn action(&self, _: &Call<String>) -> Outcome<u32> {
                Ok(1)
            }
        }

        impl Compensable for $step {
            async fn compensate(&self, _: &Call<String>, _: Option<&u32>) -> Outcome<()> {
                Ok(())
            }
        }
    };
}

step!(Hotel, "hotel");
step!(Flight, "flight");
step!(Charge, "charge");
step!(Tickets, "tickets");

fn trip() -> Definition<String> {
    Definition::new("trip")
        .compensable(Hotel)
        .compensable(Flight)
        .pivot(Charge)
        .after(Hotel)
        .after(Flight)
        .retriable(Tickets)
        .after(Charge)
        .retry(Policy::attempts(3).compensation_attempts(2).backoff(1.s()..=1.s()))
        .deadline(10.minutes())
        .build()
        .unwrap()
}

fn begun(trip: &Definition<String>) -> Given<'_> {
    given(trip, &"Lisbon".to_owned())
}

#[test]
fn a_trip_from_its_beginning_to_its_end() {
    let trip = trip();
    let begun = begun(&trip);
    assert_eq!(begun.events(), ["saga started", "hotel started", "flight started"]);
    assert_eq!(begun.pending(), ["call hotel", "call flight", "wait for the deadline"]);
    let end = begun
        .when(succeeded::<Flight>(&2))
        .then(&["flight succeeded"], &[])
        .when(unknown::<Hotel>())
        .then(&["hotel scheduled: attempt 2"], &["wait for hotel, attempt 2"])
        .when(retry_due::<Hotel>())
        .then(&[], &["call hotel, attempt 2"])
        .when(happened::<Hotel>(&1))
        .then(&["hotel succeeded", "charge started"], &["call charge"])
        .after(succeeded::<Charge>(&3))
        .when(cancelled())
        .refused("the pivot `charge` has succeeded, so the saga can only go forward")
        .when(succeeded::<Tickets>(&4))
        .then(&["tickets succeeded", "saga completed"], &[]);
    assert_eq!(end.state().status(), "completed");
    assert!(end.pending().is_empty());
}

#[test]
fn a_trip_that_goes_back_parks_and_is_brought_back() {
    let trip = trip();
    begun(&trip)
        .after(succeeded::<Hotel>(&1))
        .when(rejected::<Flight>("FULL"))
        .then(&["flight rejected: FULL", "saga aborted", "undo of hotel started"], &["undo hotel"])
        .when(undo_unknown::<Hotel>())
        .then(&["undo of hotel scheduled: attempt 2"], &["wait for undo of hotel, attempt 2"])
        .after(retry_due::<Hotel>())
        .when(undo_unknown::<Hotel>())
        .then(&["saga parked at undo of hotel"], &[])
        .when(operated(Verb::Retry))
        .then(&["undo of hotel requested: attempt 3"], &["wait for undo of hotel, attempt 3"])
        .when(retry_due::<Hotel>())
        .then(&[], &["undo hotel, attempt 3"])
        .when(undone::<Hotel>())
        .then(&["hotel undone", "saga compensated"], &[]);
}

#[test]
fn the_deadline_passes_at_its_time() {
    let trip = trip();
    let aborted = begun(&trip).after(saga_deadline_passed());
    assert!(aborted.events().contains(&"saga aborted".to_owned()), "{:?}", aborted.events());
}

#[test]
fn what_differs_is_shown_with_the_past() {
    let said =
        |test: fn()| catch_unwind(test).unwrap_err().downcast_ref::<String>().cloned().unwrap();
    let words = said(|| {
        let trip = trip();
        drop(begun(&trip).when(succeeded::<Hotel>(&1)).then(&["hotel succeded"], &[]));
    });
    assert_eq!(
        words,
        "saga `trip` decides on other events\n  wanted:\n    hotel succeded\n  decided:\n    hotel \
         succeeded\n  its past:\n    saga started\n    hotel started\n    flight started"
    );
    let words = said(|| {
        let trip = trip();
        drop(begun(&trip).when(succeeded::<Charge>(&1)));
    });
    assert!(words.starts_with("saga `trip`: no attempt of `charge` is under way"), "{words}");
    step!(Car, "car");
    let words = said(|| {
        let trip = trip();
        drop(begun(&trip).when(succeeded::<Car>(&1)));
    });
    let wanted = "saga `trip`: it has no step `car`; it has hotel, flight, charge, tickets";
    assert!(words.starts_with(wanted), "{words}");
}
