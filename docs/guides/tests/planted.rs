//! The mistake that the guide's first page plants is found, and by what the page says it is found.

#[allow(unreachable_pub, reason = "the page writes it as a library")]
mod parcel {
    include!(concat!(env!("OUT_DIR"), "/planted.rs"));
}

use sagaline::prelude::DefinitionError;
use sagaline_sim::check;
use sagaline_sim::remotes::Ledger;

#[test]
fn the_planted_mistake_is_found() -> Result<(), DefinitionError> {
    check(parcel::parcel_app)
        .remote("warehouse", Ledger::at("/pack").undone_at("/unpack", "of").asked_at("/calls"))
        .remote("cards", Ledger::at("/charge").asked_at("/calls"))
        .remote("carrier", Ledger::at("/collect"))
        .saga(&parcel::parcel()?, |random| parcel::Parcel {
            to: "Ada".to_owned(),
            cents: random.between(100, 90_000),
        })
        .seeds(0..0)
        .finds("effects: an effect is left of a saga that was undone");
    Ok(())
}
