//! A user's saga that runs beside those of the reference application in every drawn plan: what these do not
//! have. Two steps are done side by side and undone again, participants keep the product's own barrier, many
//! sagas write to one aggregate, and a deadline comes while a service is away.

use std::collections::BTreeMap;
use std::time::Duration;

use sagaline::prelude::*;
#[cfg(madsim)]
use serde_json::json;

use crate::fate::{Fate, How, Twist};
use crate::plan::Operation;
#[cfg(madsim)]
use crate::remotes::{Guarded, Ledger, Model};
use crate::seed::Random;
use crate::shape::SagaShape;

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
pub fn trip() -> Result<Definition<Trip>, DefinitionError> {
    let policy = Policy {
        attempts: 10,
        compensation_attempts: 12,
        backoff_max_ms: 4_000,
        attempt_timeout_ms: 2_500,
        ..Policy::default()
    };
    Definition::new(TRIP)
        .compensable(Room)
        .compensable(Seat)
        .compensable(Meal)
        .after(Seat)
        .pivot(Charge)
        .after(Room)
        .after(Meal)
        .retriable(Tickets)
        .after(Charge)
        .retriable(Miles)
        .after(Charge)
        .retry(policy)
        .deadline(DEADLINE)
        .build()
}

/// Its shape; none: it cannot be built, which its own test would say.
pub fn shape() -> Option<SagaShape> {
    trip().ok().map(|trip| SagaShape::of(trip.as_value()))
}

/// A start of it under a key, and what it is to meet beside the faults.
pub fn start(shape: &SagaShape, key: u32, random: &mut Random) -> Operation {
    // A few are not what the steps can read.
    let input = match random.percent(3) {
        true => serde_json::json!({ "nights": "a few" }),
        false => serde_json::json!({ "nights": random.between(1, 14) }),
    };
    let fate = fate(shape, random);
    Operation::StartSaga { saga_type: TRIP.to_owned(), key, input, fate }
}

/// So many of a hundred are told by a busy service to leave it alone for long: longer, with the second time,
/// than such a saga may take.
const LEFT_ALONE_PERCENT: u64 = 20;

/// Some trips meet a service that wants to be left alone, most of them behind the step that decides: what has
/// begun to be done is done then, although the deadline passes. Drawn apart, so that nothing else depends on it.
pub fn leave_alone(shape: &SagaShape, start: &mut Operation, mut random: Random) {
    let Operation::StartSaga { fate, .. } = start else { return };
    if !random.percent(LEFT_ALONE_PERCENT) {
        return;
    }
    let all: Vec<_> = shape.steps.iter().map(|step| step.name.clone()).collect();
    let any = random.pick(&all).cloned();
    let behind = random.percent(70);
    fate.busy = if behind { Some(Tickets::NAME.to_owned()) } else { any };
    fate.retry_after_s = Some(random.between(4, 7));
    if behind {
        (fate.no, fate.twist) = (None, None);
    }
}

fn fate(shape: &SagaShape, random: &mut Random) -> Fate {
    let mut fate = Fate::default();
    let deciding: Vec<_> = shape.deciding().map(|step| step.name.clone()).collect();
    if random.percent(35) {
        fate.no = random.pick(&deciding).cloned();
    }
    let all: Vec<_> = shape.steps.iter().map(|step| step.name.clone()).collect();
    if random.percent(10) {
        fate.busy = random.pick(&all).cloned();
    }
    let compensable: Vec<_> = shape.compensable().map(|step| step.name.clone()).collect();
    if random.percent(25) {
        let how = if random.percent(50) { How::RunTwice } else { How::DeliveredTwice };
        let step = random.pick(&compensable).cloned().unwrap_or_default();
        fate.twist = Some(Twist { step, undo: random.percent(40), how });
    }
    match random.below(8) {
        0 => undone_before_it_is_done(),
        1 => Fate { no: None, twist: held_back(random), ..fate },
        _ => fate,
    }
}

/// A call of a service that keeps a barrier stays on its way while the step is tried again, perhaps by
/// another owner.
fn held_back(random: &mut Random) -> Option<Twist> {
    let step = if random.percent(50) { Seat::NAME } else { Charge::NAME };
    Some(Twist { step: step.to_owned(), undo: false, how: How::DeliveredLate })
}

/// One of two steps side by side is refused while the call of the other is on its way, and stays there: its
/// undo comes first.
fn undone_before_it_is_done() -> Fate {
    let (no, step) = (Some(Room::NAME.to_owned()), Seat::NAME.to_owned());
    let twist = Some(Twist { step, undo: false, how: How::DeliveredLate });
    Fate { no, twist, ..Fate::default() }
}

/// Puts it into a node, and beside it a consumer of what its accounts come to.
#[cfg(madsim)]
pub fn app<B: Backend>(node: NodeBuilder<B>) -> Result<NodeBuilder<B>, DefinitionError> {
    Ok(node.saga(&trip()?).consumer(crate::statement::Statement::default()))
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
    use crate::seed::Seed;

    #[test]
    fn the_trip_can_be_built_and_its_steps_are_side_by_side() {
        let shape = shape().expect("a sound definition");
        assert!(!shape.comes_after("room", "seat") && !shape.comes_after("seat", "room"));
        assert!(shape.comes_after("charge", "meal") && shape.comes_after("meal", "seat"));
    }

    #[test]
    fn some_trips_are_held_up_behind_the_step_that_decides() {
        let shape = shape().expect("a sound definition");
        let held_up = (0..200).filter(|seed| {
            let fate = Fate::default();
            let (saga_type, input) = (TRIP.to_owned(), serde_json::json!({ "nights": 1 }));
            let mut start = Operation::StartSaga { saga_type, key: 1, input, fate };
            leave_alone(&shape, &mut start, Seed(*seed).stream("trip"));
            let Operation::StartSaga { fate, .. } = start else { return false };
            assert_eq!(fate.busy.is_some(), fate.retry_after_s.is_some());
            fate.busy.as_deref() == Some(Tickets::NAME)
        });
        assert!((10..60).contains(&held_up.count()));
    }

    #[test]
    fn some_trips_are_refused_and_some_are_called_twice() {
        let shape = shape().expect("a sound definition");
        let mut random = Seed(1).stream("trips");
        let fates: Vec<_> = (0..100).map(|_| fate(&shape, &mut random)).collect();
        let count = |of: fn(&&Fate) -> bool| fates.iter().filter(of).count();
        assert!((20..60).contains(&count(|fate| fate.no.is_some())));
        assert!((10..60).contains(&count(|fate| fate.twist.is_some())));
        assert!((4..25).contains(&count(|fate| **fate == undone_before_it_is_done())));
    }
}
