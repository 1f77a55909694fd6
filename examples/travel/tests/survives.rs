//! The trip in the simulated world: three nodes, four services, everything that can go wrong.

use sagaline::prelude::DefinitionError;
use sagaline_sim::remotes::Ledger;
use sagaline_sim::{Faults, check};
use travel::{Trip, travel, travel_app};

fn bookings() -> Ledger {
    Ledger::at("/book").undone_at("/cancel", "of").asked_at("/calls")
}

#[test]
fn trips_survive_everything() -> Result<(), DefinitionError> {
    check(travel_app)
        .remote("hotels", bookings())
        .remote("flights", bookings())
        .remote("cards", Ledger::at("/charge").asked_at("/calls"))
        .remote("mail", Ledger::at("/send"))
        .saga(&travel()?, |random| Trip {
            traveller: format!("traveller-{}", random.below(1_000)),
            city: "Lisbon".to_owned(),
            nights: u8::try_from(random.between(1, 14)).unwrap_or(1),
            budget_cents: random.between(1_000, 900_000),
        })
        .seeds(0..20)
        .faults(Faults::all())
        .run();
    Ok(())
}
