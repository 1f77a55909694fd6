//! A saga of one's own, in one file: a trip needs a room and a seat, booked side by side; when both are
//! there it is charged, and once it is charged the tickets are sent, whatever it takes. Before the charge
//! anything that fails undoes what was booked.
//!
//! The participants are four services that are called over HTTP. Every call carries its idempotency key
//! and the fencing epoch, so they can tell a repetition from a second wish and refuse a node that has
//! lost its shard.

use sagaline::prelude::*;

/// What a traveller asks for: the saga's input.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trip {
    /// Who travels.
    pub traveller: String,
    /// Where to.
    pub city: String,
    /// For how many nights.
    pub nights: u8,
    /// The most it may cost, in cents.
    pub budget_cents: u64,
}

/// A booking, as the hotel or the airline confirms it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Booking {
    /// Their name for it.
    pub reference: String,
}

/// Which booking is cancelled: the key of the call that made it, or was to make it. Whoever has not seen
/// that call remembers to refuse it.
#[derive(Debug, Serialize)]
struct Cancellation {
    of: String,
}

impl Cancellation {
    fn of(call: &Call<Trip>) -> Self {
        Self { of: call.action_key() }
    }
}

/// What is charged: it names what it is for.
#[derive(Debug, Serialize)]
struct Charged<'a> {
    traveller: &'a str,
    cents: u64,
    room: String,
    seat: String,
}

/// A room for the nights.
pub struct Hotel;

impl Step for Hotel {
    const NAME: &'static str = "hotel";
    const PARTICIPANT: &'static str = "hotels";
    type Saga = Trip;
    type Output = Booking;

    async fn action(&self, call: &Call<Trip>) -> Outcome<Booking> {
        call.http().post("http://hotels/book", call.input()).await
    }

    async fn probe(&self, call: &Call<Trip>) -> Probe<Booking> {
        call.http().probe(&format!("http://hotels/calls/{}", call.key())).await
    }
}

impl Compensable for Hotel {
    async fn compensate(&self, call: &Call<Trip>, _room: Option<&Booking>) -> Outcome<()> {
        call.http().post::<Booking>("http://hotels/cancel", &Cancellation::of(call)).await.map(drop)
    }
}

/// A seat on the plane.
pub struct Flight;

impl Step for Flight {
    const NAME: &'static str = "flight";
    const PARTICIPANT: &'static str = "flights";
    type Saga = Trip;
    type Output = Booking;

    async fn action(&self, call: &Call<Trip>) -> Outcome<Booking> {
        call.http().post("http://flights/book", call.input()).await
    }

    async fn probe(&self, call: &Call<Trip>) -> Probe<Booking> {
        call.http().probe(&format!("http://flights/calls/{}", call.key())).await
    }
}

impl Compensable for Flight {
    async fn compensate(&self, call: &Call<Trip>, _seat: Option<&Booking>) -> Outcome<()> {
        call.http()
            .post::<Booking>("http://flights/cancel", &Cancellation::of(call))
            .await
            .map(drop)
    }
}

/// The money: from here on there is no way back.
pub struct Charge;

impl Step for Charge {
    const NAME: &'static str = "charge";
    const PARTICIPANT: &'static str = "cards";
    const READS: &'static [&'static str] = &[Hotel::NAME, Flight::NAME];
    type Saga = Trip;
    type Output = Booking;

    async fn action(&self, call: &Call<Trip>) -> Outcome<Booking> {
        let trip = call.input();
        let (room, seat) = (call.result::<Hotel>()?, call.result::<Flight>()?);
        let charged = Charged {
            traveller: &trip.traveller,
            cents: trip.budget_cents,
            room: room.reference,
            seat: seat.reference,
        };
        call.http().post("http://cards/charge", &charged).await
    }

    async fn probe(&self, call: &Call<Trip>) -> Probe<Booking> {
        call.http().probe(&format!("http://cards/calls/{}", call.key())).await
    }
}

/// The tickets: sent until they have arrived.
pub struct SendTickets;

impl Step for SendTickets {
    const NAME: &'static str = "send-tickets";
    const PARTICIPANT: &'static str = "mail";
    type Saga = Trip;
    type Output = Booking;

    async fn action(&self, call: &Call<Trip>) -> Outcome<Booking> {
        call.http().post("http://mail/send", call.input()).await
    }
}

/// The whole trip.
pub fn travel() -> Result<Definition<Trip>, DefinitionError> {
    Definition::new("travel-booking")
        .compensable(Hotel)
        .compensable(Flight)
        .pivot(Charge)
        .after(Hotel)
        .after(Flight)
        .retriable(SendTickets)
        .after(Charge)
        .build()
}

/// Everything of this application in a node: one in the user's process, or one of the simulated world.
pub fn travel_app<B: Backend>(node: NodeBuilder<B>) -> Result<NodeBuilder<B>, DefinitionError> {
    Ok(node.saga(&travel()?))
}
