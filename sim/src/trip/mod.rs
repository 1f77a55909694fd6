//! A user's saga that runs beside those of the reference application in every drawn plan: what these do not
//! have. Two steps are done side by side and undone again, participants keep the product's own barrier, many
//! sagas write to one aggregate, and a deadline comes while a service is away. In most of the plans some of its
//! steps have policies and deadlines of their own.

mod fates;
mod policies;

use std::collections::BTreeMap;
use std::time::Duration;

use sagaline::prelude::*;
#[cfg(madsim)]
use serde_json::json;

#[cfg(madsim)]
use crate::remotes::{Guarded, Ledger, Model};
use crate::shape::SagaShape;

pub use fates::{leave_alone, leave_undo_alone, meet_policies, start, stay_longer};
pub use policies::Policies;
use policies::usual;

/// The saga's name.
pub const TRIP: &str = "trip";

/// Long enough for a trip in which a service is slow, and too short for one in which it is gone.
const DEADLINE: Duration = Duration::from_secs(9);

/// So few that many trips write to one.
const ACCOUNTS: u64 = 3;

/// What is wanted.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Trip {
    nights: u64,
}

/// A service's name for what it did.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Booking {
    reference: String,
}

#[derive(Debug, Serialize)]
struct Cancellation {
    of: String,
}

async fn book(call: &Call<Trip>, service: &str) -> Outcome<Booking> {
    call.http().post(&format!("http://{service}/book"), call.input()).await
}

async fn asked(call: &Call<Trip>, service: &str) -> Probe<Booking> {
    call.http().probe(&format!("http://{service}/calls/{}", call.key())).await
}

async fn cancel(call: &Call<Trip>, service: &str) -> Outcome<()> {
    let of = Cancellation { of: call.action_key() };
    call.http().post::<Booking>(&format!("http://{service}/cancel"), &of).await.map(drop)
}

struct Room;

impl Step for Room {
    const NAME: &'static str = "room";
    const PARTICIPANT: &'static str = "rooms";
    type Saga = Trip;
    type Output = Booking;

    async fn action(&self, call: &Call<Trip>) -> Outcome<Booking> {
        book(call, Self::PARTICIPANT).await
    }

    async fn probe(&self, call: &Call<Trip>) -> Probe<Booking> {
        asked(call, Self::PARTICIPANT).await
    }
}

impl Compensable for Room {
    async fn compensate(&self, call: &Call<Trip>, _: Option<&Booking>) -> Outcome<()> {
        cancel(call, Self::PARTICIPANT).await
    }
}

struct Seat;

impl Step for Seat {
    const NAME: &'static str = "seat";
    const PARTICIPANT: &'static str = "seats";
    type Saga = Trip;
    type Output = Booking;

    async fn action(&self, call: &Call<Trip>) -> Outcome<Booking> {
        book(call, Self::PARTICIPANT).await
    }

    async fn probe(&self, call: &Call<Trip>) -> Probe<Booking> {
        asked(call, Self::PARTICIPANT).await
    }
}

impl Compensable for Seat {
    async fn compensate(&self, call: &Call<Trip>, _: Option<&Booking>) -> Outcome<()> {
        cancel(call, Self::PARTICIPANT).await
    }
}

/// Needs the seat; nobody can ask whether it was given.
struct Meal;

impl Step for Meal {
    const NAME: &'static str = "meal";
    const PARTICIPANT: &'static str = "meals";
    type Saga = Trip;
    type Output = Booking;

    async fn action(&self, call: &Call<Trip>) -> Outcome<Booking> {
        book(call, Self::PARTICIPANT).await
    }
}

impl Compensable for Meal {
    async fn compensate(&self, call: &Call<Trip>, _: Option<&Booking>) -> Outcome<()> {
        cancel(call, Self::PARTICIPANT).await
    }
}

struct Charge;

impl Step for Charge {
    const NAME: &'static str = "charge";
    const PARTICIPANT: &'static str = "cards";
    type Saga = Trip;
    type Output = Booking;

    async fn action(&self, call: &Call<Trip>) -> Outcome<Booking> {
        book(call, Self::PARTICIPANT).await
    }

    async fn probe(&self, call: &Call<Trip>) -> Probe<Booking> {
        asked(call, Self::PARTICIPANT).await
    }
}

struct Tickets;

impl Step for Tickets {
    const NAME: &'static str = "tickets";
    const PARTICIPANT: &'static str = "mail";
    type Saga = Trip;
    type Output = Booking;

    async fn action(&self, call: &Call<Trip>) -> Outcome<Booking> {
        book(call, Self::PARTICIPANT).await
    }
}

/// Miles that a traveller has: many trips write to few accounts, and each event says what the account comes
/// to, so that one that was decided on what never was can be told.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Account {
    total: u64,
    trips: u64,
}

/// What a step was given of what others returned, by their names.
type Given = BTreeMap<String, Booking>;

struct Credit {
    trip: String,
    miles: u64,
    given: Given,
}

#[derive(Debug, Serialize, Deserialize)]
enum AccountEvent {
    MilesAdded { trip: String, miles: u64, total: u64, trips: u64, given: Given },
}

impl Aggregate for Account {
    const CATEGORY: &'static str = "account";
    type Command = Credit;
    type Event = AccountEvent;
    type Refusal = std::convert::Infallible;

    fn decide(
        &self,
        Credit { trip, miles, given }: Credit,
    ) -> Result<Vec<AccountEvent>, Self::Refusal> {
        let (total, trips) = (self.total + miles, self.trips + 1);
        Ok(vec![AccountEvent::MilesAdded { trip, miles, total, trips, given }])
    }

    fn evolve(&mut self, event: &AccountEvent) {
        let AccountEvent::MilesAdded { miles, .. } = event;
        self.total += miles;
        self.trips += 1;
    }
}

/// Done within the saga's own append. What it reads it only writes down, for the oracle of results.
struct Miles;

/// What a step returned; nothing when an operator has declared it done without saying with what.
fn given<S: Step<Output = Booking>>(call: &Call<Trip>) -> Option<(String, Booking)> {
    Some((S::NAME.to_owned(), call.result::<S>().ok()?))
}

impl Step for Miles {
    const NAME: &'static str = "miles";
    const READS: &'static [&'static str] = &[Room::NAME, Charge::NAME];
    const LOCAL: bool = true;
    const PARTICIPANT: &'static str = "accounts";
    type Saga = Trip;
    type Output = ();

    async fn action(&self, call: &Call<Trip>) -> Outcome<()> {
        let nights = call.input().nights;
        let given = given::<Room>(call).into_iter().chain(given::<Charge>(call)).collect();
        let credit = Credit { trip: call.saga_id().to_string(), miles: nights * 100, given };
        call.execute::<Account>(&(nights % ACCOUNTS).to_string(), credit).await.map(drop)
    }
}

/// The saga.
pub fn trip(policies: Policies) -> Result<Definition<Trip>, DefinitionError> {
    Definition::new(TRIP)
        .compensable(Room)
        .compensable(Seat)
        .policy(policies.of_seats())
        .compensable(Meal)
        .policy(policies.of_meals())
        .after(Seat)
        .pivot(Charge)
        .policy(policies.of_charges())
        .after(Room)
        .after(Meal)
        .retriable(Tickets)
        .policy(policies.of_tickets())
        .after(Charge)
        .retriable(Miles)
        .after(Charge)
        .retry(usual())
        .deadline(DEADLINE)
        .build()
}

/// Its shape; none: it cannot be built, which its own test would say.
pub fn shape(policies: Policies) -> Option<SagaShape> {
    trip(policies).ok().map(|trip| SagaShape::of(trip.as_value()))
}

/// Puts it into a node.
#[cfg(madsim)]
pub fn app<B: Backend>(
    node: NodeBuilder<B>,
    policies: Policies,
) -> Result<NodeBuilder<B>, DefinitionError> {
    Ok(node.saga(&trip(policies)?))
}

/// Who answers its calls, by host.
#[cfg(madsim)]
pub fn services() -> Vec<(String, Box<dyn Model>)> {
    let ledger = || Ledger::at("/book").undone_at("/cancel", "of").asked_at("/calls");
    let reference = |number: u64| json!({ "reference": format!("number-{number}") });
    let models: [(&str, Box<dyn Model>); 5] = [
        ("rooms", Box::new(ledger())),
        ("seats", Box::new(Guarded::new(reference))),
        ("meals", Box::new(Guarded::new(reference))),
        ("cards", Box::new(Guarded::new(reference))),
        ("mail", Box::new(ledger())),
    ];
    models.map(|(name, model)| (name.to_owned(), model)).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_trip_can_be_built_and_its_steps_are_side_by_side() {
        for policies in [Policies::One, Policies::Own] {
            let shape = shape(policies).expect("a sound definition");
            assert!(!shape.comes_after("room", "seat") && !shape.comes_after("seat", "room"));
            assert!(shape.comes_after("charge", "meal") && shape.comes_after("meal", "seat"));
        }
    }
}
