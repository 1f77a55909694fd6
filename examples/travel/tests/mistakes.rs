//! Trips with a mistake in them, as they are made every day. The check must find each, by the oracle whose
//! promise it breaks: otherwise it proves nothing about the trip without.

use sagaline::prelude::*;
use sagaline_sim::remotes::{Effect, Ledger, Reply, Request};
use sagaline_sim::{Check, check};
use serde_json::json;
use travel::{Booking, Charge, Flight, SendTickets, Trip};

/// A way to book and cancel a room, and to send tickets.
trait Habits: Send + Sync + 'static {
    /// Books a room.
    fn book(call: &Call<Trip>) -> impl Future<Output = Outcome<Booking>> + Send {
        async { call.http().post("http://hotels/book", call.input()).await }
    }

    /// Cancels it.
    fn cancel(call: &Call<Trip>) -> impl Future<Output = Outcome<()>> + Send {
        async {
            let of = Cancellation { of: Some(call.action_key()) };
            call.http().post::<Booking>("http://hotels/cancel", &of).await.map(drop)
        }
    }

    /// Sends the tickets.
    fn send(call: &Call<Trip>) -> impl Future<Output = Outcome<Booking>> + Send {
        async { call.http().post("http://mail/send", call.input()).await }
    }
}

#[derive(Serialize)]
struct Cancellation {
    of: Option<String>,
}

struct Room<H>(H);

impl<H: Habits> Step for Room<H> {
    const NAME: &'static str = "hotel";
    const PARTICIPANT: &'static str = "hotels";
    type Saga = Trip;
    type Output = Booking;

    async fn action(&self, call: &Call<Trip>) -> Outcome<Booking> {
        H::book(call).await
    }
}

impl<H: Habits> Compensable for Room<H> {
    async fn compensate(&self, call: &Call<Trip>, _room: Option<&Booking>) -> Outcome<()> {
        H::cancel(call).await
    }
}

struct Tickets<H>(H);

impl<H: Habits> Step for Tickets<H> {
    const NAME: &'static str = SendTickets::NAME;
    const PARTICIPANT: &'static str = "mail";
    type Saga = Trip;
    type Output = Booking;

    async fn action(&self, call: &Call<Trip>) -> Outcome<Booking> {
        H::send(call).await
    }
}

fn trip<H: Habits + Copy>(habits: H) -> Result<Definition<Trip>, DefinitionError> {
    Definition::new("travel-booking")
        .compensable(Room(habits))
        .compensable(Flight)
        .pivot(Charge)
        .after_step("hotel")
        .after(Flight)
        .retriable(Tickets(habits))
        .after(Charge)
        .build()
}

/// The sweeps alone, on a quiet day: none of these mistakes needs bad luck.
fn checked<H: Habits + Copy>(habits: H) -> Result<Check, DefinitionError> {
    let bookings = || Ledger::at("/book").undone_at("/cancel", "of").asked_at("/calls");
    let definition = trip(habits)?;
    let checked = check(move |node| Ok(node.saga(&trip(habits)?)))
        .remote("hotels", bookings())
        .remote("flights", bookings())
        .remote("cards", Ledger::at("/charge").asked_at("/calls"))
        .remote("mail", Ledger::at("/send"))
        .saga(&definition, |random| Trip {
            traveller: "Ada".to_owned(),
            city: "Lisbon".to_owned(),
            nights: 3,
            budget_cents: random.between(1_000, 900_000),
        })
        .seeds(0..0);
    Ok(checked)
}

/// Each attempt is a new wish.
#[derive(Clone, Copy)]
struct KeyPerAttempt;

impl Habits for KeyPerAttempt {
    async fn book(call: &Call<Trip>) -> Outcome<Booking> {
        let key = format!("{}/{}", call.key(), call.attempt());
        call.http().post_as("http://hotels/book", &key, call.input()).await
    }
}

#[test]
fn a_key_per_attempt_is_found() -> Result<(), DefinitionError> {
    checked(KeyPerAttempt)?.finds("effects: an effect under a key that is not its call's");
    Ok(())
}

/// Nothing to cancel: the room will not be missed.
#[derive(Clone, Copy)]
struct NoCancellation;

impl Habits for NoCancellation {
    async fn cancel(_: &Call<Trip>) -> Outcome<()> {
        Ok(())
    }
}

#[test]
fn an_undo_that_does_nothing_is_found() -> Result<(), DefinitionError> {
    checked(NoCancellation)?.finds("effects: an effect is left of a saga that was undone");
    Ok(())
}

/// A cancellation that does not say of what.
#[derive(Clone, Copy)]
struct CancellationOfNothing;

impl Habits for CancellationOfNothing {
    async fn cancel(call: &Call<Trip>) -> Outcome<()> {
        let of = Cancellation { of: None };
        call.http().post::<Booking>("http://hotels/cancel", &of).await.map(drop)
    }
}

#[test]
fn an_undo_of_nothing_is_found() -> Result<(), DefinitionError> {
    checked(CancellationOfNothing)?.finds("effects: an undo does not say what it undoes");
    Ok(())
}

/// No answer is good news.
#[derive(Clone, Copy)]
struct Optimism;

impl Habits for Optimism {
    async fn send(call: &Call<Trip>) -> Outcome<Booking> {
        let sent = call.http().post("http://mail/send", call.input()).await;
        Ok(sent.unwrap_or_else(|_| Booking { reference: "surely".to_owned() }))
    }
}

#[test]
fn unknown_taken_as_success_is_found() -> Result<(), DefinitionError> {
    checked(Optimism)?.finds("effects: a step of a completed saga has no effect");
    Ok(())
}

/// No answer is bad news.
#[derive(Clone, Copy)]
struct Pessimism;

impl Habits for Pessimism {
    async fn cancel(_: &Call<Trip>) -> Outcome<()> {
        Err(Failure::rejected("GAVE_UP", "it will hardly work"))
    }
}

#[test]
fn an_undo_that_gives_up_is_found() -> Result<(), DefinitionError> {
    let what = "effects: a saga waits for a person in a world in which every service answers";
    checked(Pessimism)?.finds(what);
    Ok(())
}

/// Nothing wrong with the trip.
#[derive(Clone, Copy)]
struct Care;

impl Habits for Care {}

/// Books whatever comes, as often as it comes.
fn forgetful(request: &Request) -> Reply {
    let yes = Reply::ok(json!({ "reference": "some room" }));
    let key = request.key.clone().unwrap_or_default();
    match (request.method.as_str(), request.body["of"].as_str()) {
        ("GET", _) => Reply::no(404, "NOT_FOUND", "no room is remembered here"),
        (_, Some(of)) => yes.having(Effect::Undone { of: of.to_owned() }),
        (_, None) => yes.having(Effect::Done { key }),
    }
}

#[test]
fn a_service_that_forgets_its_keys_is_found() -> Result<(), DefinitionError> {
    let checked = checked(Care)?.remote("hotels", forgetful);
    checked.finds("effects: an action took effect twice");
    Ok(())
}
