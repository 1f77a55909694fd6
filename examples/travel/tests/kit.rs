//! The trip without a runtime: its graph, its aggregate and its read model, by the test kit.

use sagaline::prelude::*;
use sagaline::testing::definition::{happened, rejected, succeeded, undone, unknown};
use sagaline::testing::{Log, aggregate, definition, projection};
use travel::{
    BY_TRAVELLER, Booking, Charge, Flight, Hotel, Itinerary, ItineraryCommand, ItineraryEvent,
    NotPaid, SendTickets, Trip, TripsByTraveller, travel,
};

fn trip() -> Trip {
    Trip { traveller: "ada".into(), city: "Lisbon".into(), nights: 3, budget_cents: 90_000 }
}

fn booking(reference: &str) -> Booking {
    Booking { reference: reference.into() }
}

fn paid() -> ItineraryEvent {
    ItineraryEvent::TripPaid { traveller: "ada".into(), city: "Lisbon".into() }
}

fn sent() -> ItineraryEvent {
    ItineraryEvent::TicketsSent { tickets: "t-1".into() }
}

#[test]
fn room_and_seat_are_booked_side_by_side() -> Result<(), DefinitionError> {
    let travel = travel()?;
    let begun = definition::given(&travel, &trip());
    assert_eq!(begun.pending(), ["call hotel", "call flight"]);
    begun
        .when(succeeded::<Flight>(&booking("seat")))
        .then(&["flight succeeded"], &[])
        .when(succeeded::<Hotel>(&booking("room")))
        .then(&["hotel succeeded", "charge started"], &["call charge"])
        .when(happened::<Charge>(&booking("charge")))
        .then(&["charge succeeded", "send-tickets started"], &["call send-tickets"])
        .when(succeeded::<SendTickets>(&booking("tickets")))
        .then(&["send-tickets succeeded", "saga completed"], &[]);
    assert_eq!(travel.undo_order(), ["flight", "hotel"]);
    Ok(())
}

#[test]
fn a_flight_in_doubt_is_undone_with_the_rest() -> Result<(), DefinitionError> {
    let travel = travel()?;
    definition::given(&travel, &trip())
        .after(unknown::<Flight>())
        .when(rejected::<Hotel>("FULL"))
        .then(&["hotel rejected: FULL", "saga aborted", "undo of flight started"], &["undo flight"])
        .when(undone::<Flight>())
        .then(&["flight undone", "saga compensated"], &[]);
    Ok(())
}

#[test]
fn tickets_are_sent_once_and_only_for_what_is_paid() {
    let pay = || ItineraryCommand::Pay { traveller: "ada".into(), city: "Lisbon".into() };
    let send = || ItineraryCommand::Send { tickets: "t-1".into() };
    aggregate::given::<Itinerary>([])
        .when(send())
        .refused(NotPaid)
        .when(pay())
        .then([paid()])
        .when(pay())
        .then([])
        .when(send())
        .then([sent()])
        .when(send())
        .then([]);
}

#[test]
fn a_traveller_finds_their_trips() {
    let log = Log::new()
        .event::<Itinerary>("1", paid())
        .event::<Itinerary>("2", paid())
        .event::<Itinerary>("1", sent());
    let trips = projection::given(TripsByTraveller, &log);
    assert_eq!(trips.view("1").and_then(|trip| trip.tickets).as_deref(), Some("t-1"));
    assert_eq!(trips.found(BY_TRAVELLER, "ada"), ["1", "2"]);
    assert!(trips.found(BY_TRAVELLER, "bob").is_empty());
}
