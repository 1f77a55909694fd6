//! A saga of one's own, in one file: a trip needs a room and a seat, booked side by side; when both are
//! there it is charged, and once it is charged the tickets are sent, whatever it takes. Before the charge
//! anything that fails undoes what was booked.
//!
//! ```text
//! hotel  ──┐
//!          ├──> charge ──> send-tickets        steps: four, of which two run side by side
//! flight ──┘      │             │
//!            TripPaid      TicketsSent         aggregate: the itinerary
//!                 └──────┬──────┘
//!                 TripsByTraveller             projection: what a traveller has booked
//! POST /trips   GET /trips/{id}   GET /travellers/{name}/trips
//! ```
//!
//! The participants are four services that are called over HTTP. Every call carries its idempotency key
//! and the fencing epoch, so they can tell a repetition from a second wish and a former owner.

use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::{get, post};
use axum::{Json, Router};
use sagaline::prelude::*;
use uuid::Uuid;

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

/// What came of a trip that was paid for; its id is the saga's.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Itinerary {
    /// It is paid for.
    pub is_paid: bool,
    /// The name of the tickets, once they are on their way.
    pub tickets: Option<String>,
}

/// What can be said of an itinerary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ItineraryCommand {
    /// The money was taken.
    Pay {
        /// Who travels.
        traveller: String,
        /// Where to.
        city: String,
    },
    /// The tickets are on their way.
    Send {
        /// Their name.
        tickets: String,
    },
}

/// What happens to an itinerary.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ItineraryEvent {
    /// The money was taken.
    TripPaid {
        /// Who travels.
        traveller: String,
        /// Where to.
        city: String,
    },
    /// The tickets are on their way.
    TicketsSent {
        /// Their name.
        tickets: String,
    },
}

/// Tickets are sent for what is paid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the trip is not paid for")]
pub struct NotPaid;

impl Aggregate for Itinerary {
    const CATEGORY: &'static str = "itinerary";
    type Command = ItineraryCommand;
    type Event = ItineraryEvent;
    type Refusal = NotPaid;

    fn decide(&self, command: ItineraryCommand) -> Result<Vec<ItineraryEvent>, NotPaid> {
        match command {
            ItineraryCommand::Pay { .. } if self.is_paid => Ok(Vec::new()),
            ItineraryCommand::Pay { traveller, city } => {
                Ok(vec![ItineraryEvent::TripPaid { traveller, city }])
            }
            ItineraryCommand::Send { .. } if !self.is_paid => Err(NotPaid),
            ItineraryCommand::Send { .. } if self.tickets.is_some() => Ok(Vec::new()),
            ItineraryCommand::Send { tickets } => Ok(vec![ItineraryEvent::TicketsSent { tickets }]),
        }
    }

    fn evolve(&mut self, event: &ItineraryEvent) {
        match event {
            ItineraryEvent::TripPaid { .. } => self.is_paid = true,
            ItineraryEvent::TicketsSent { tickets } => self.tickets = Some(tickets.clone()),
        }
    }
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
        let charge: Booking = call.http().post("http://cards/charge", &charged).await?;
        paid(call).await.map(|()| charge)
    }

    async fn probe(&self, call: &Call<Trip>) -> Probe<Booking> {
        let asked = call.http().probe(&format!("http://cards/calls/{}", call.key())).await;
        // What its action would have said of the itinerary belongs to a success that the probe finds.
        let lost = matches!(asked, Probe::Happened(_)) && paid(call).await.is_err();
        if lost { Probe::CannotTell } else { asked }
    }
}

/// Becomes durable together with the step's success, and only then.
async fn paid(call: &Call<Trip>) -> Outcome<()> {
    let Trip { traveller, city, .. } = call.input().clone();
    let pay = ItineraryCommand::Pay { traveller, city };
    call.execute::<Itinerary>(&call.saga_id().to_string(), pay).await.map(drop)
}

/// The tickets: sent until they have arrived.
pub struct SendTickets;

impl Step for SendTickets {
    const NAME: &'static str = "send-tickets";
    const PARTICIPANT: &'static str = "mail";
    type Saga = Trip;
    type Output = Booking;

    async fn action(&self, call: &Call<Trip>) -> Outcome<Booking> {
        let sent: Booking = call.http().post("http://mail/send", call.input()).await?;
        let send = ItineraryCommand::Send { tickets: sent.reference.clone() };
        call.execute::<Itinerary>(&call.saga_id().to_string(), send).await.map(|_| sent)
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

/// What a traveller has booked, as a read model: one document a trip.
pub struct TripsByTraveller;

/// A trip as it is shown.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TripView {
    /// The saga that booked it.
    pub id: String,
    /// Who travels.
    pub traveller: String,
    /// Where to.
    pub city: String,
    /// The name of the tickets, once they are on their way.
    pub tickets: Option<String>,
    /// Where in the log it was paid.
    pub paid_at: u64,
}

/// Where trips are found by who travels, in the order in which they were paid.
pub const BY_TRAVELLER: &str = "by_traveller";

impl Projection for TripsByTraveller {
    const NAME: &'static str = "trips";
    const VERSION: u32 = 1;
    const CATEGORIES: &'static [&'static str] = &[Itinerary::CATEGORY];
    type Document = TripView;

    fn keys(&self, event: &Recorded<'_>) -> Vec<String> {
        vec![event.envelope().stream.key().to_owned()]
    }

    fn apply(&self, view: &mut View<TripView>, event: &Recorded<'_>) -> Result<(), CodecError> {
        let id = event.envelope().stream.key();
        match event.of::<Itinerary>()? {
            Some(ItineraryEvent::TripPaid { traveller, city }) => {
                let (paid_at, tickets) = (event.envelope().position.0, None);
                view.put(id, TripView { id: id.to_owned(), traveller, city, tickets, paid_at });
            }
            Some(ItineraryEvent::TicketsSent { tickets }) => {
                if let Some(trip) = view.get_mut(id) {
                    trip.tickets = Some(tickets);
                }
            }
            None => {}
        }
        Ok(())
    }

    fn index(&self, _: &str, trip: &TripView) -> Vec<IndexKey> {
        let order = trip.paid_at.to_be_bytes().to_vec();
        vec![IndexKey::new(BY_TRAVELLER, trip.traveller.clone(), order)]
    }
}

/// Everything of this application in a node: one in the user's process, or one of the simulated world.
pub fn travel_app<B: Backend>(node: NodeBuilder<B>) -> Result<NodeBuilder<B>, DefinitionError> {
    Ok(node.saga(&travel()?).projection(TripsByTraveller))
}

/// Its routes, with the engine's own under `/engine`: to be nested, layered, or served as they are.
pub fn routes<B: Backend>(node: &Node<B>) -> Router {
    Router::new()
        .route("/trips", post(book::<B>))
        .route("/trips/{id}", get(look::<B>))
        .route("/travellers/{name}/trips", get(trips_of::<B>))
        .with_state(node.clone())
        .nest("/engine", node.router())
}

type Answer<T> = Result<(StatusCode, Json<T>), (StatusCode, String)>;
fn broken(problem: impl ToString) -> (StatusCode, String) {
    (StatusCode::SERVICE_UNAVAILABLE, problem.to_string())
}

/// Durable when it answers 202; the same `Idempotency-Key` and trip again are the same trip.
async fn book<B: Backend>(
    State(node): State<Node<B>>,
    headers: HeaderMap,
    Json(trip): Json<Trip>,
) -> Answer<Uuid> {
    let travel = travel().map_err(broken)?;
    let key = headers.get("idempotency-key").and_then(|key| key.to_str().ok());
    let request = key.map_or_else(StartRequest::default, StartRequest::keyed);
    let started = node.sagas().start(&travel, request, &trip).await;
    let refusal = |error: StartError| match error {
        StartError::KeyReused { .. } => (StatusCode::UNPROCESSABLE_ENTITY, error.to_string()),
        StartError::BadRequest(_) => (StatusCode::BAD_REQUEST, error.to_string()),
        error => broken(error),
    };
    started.map(|trip| (StatusCode::ACCEPTED, Json(trip.id))).map_err(refusal)
}

async fn look<B: Backend>(State(node): State<Node<B>>, Path(id): Path<Uuid>) -> Answer<TripView> {
    let views = node.views::<TripsByTraveller>().ok_or_else(|| broken("no such view"))?;
    match views.get(&id.to_string()).await.map_err(broken)? {
        Some(trip) => Ok((StatusCode::OK, Json(trip))),
        None => Err((StatusCode::NOT_FOUND, format!("no trip {id} is paid for"))),
    }
}

/// Which page of a traveller's trips.
#[derive(Debug, Deserialize)]
struct Page {
    after: Option<String>,
    #[serde(default = "ten")]
    limit: usize,
}

fn ten() -> usize {
    10
}

/// A page of trips.
#[derive(Debug, Serialize)]
struct Trips {
    trips: Vec<TripView>,
    /// Give it as `after` to see the next page.
    next: Option<String>,
}

async fn trips_of<B: Backend>(
    State(node): State<Node<B>>,
    Path(traveller): Path<String>,
    Query(page): Query<Page>,
) -> Answer<Trips> {
    let views = node.views::<TripsByTraveller>().ok_or_else(|| broken("no such view"))?;
    let query =
        DocumentQuery::of(BY_TRAVELLER, traveller).upwards().limit(page.limit.clamp(1, 100));
    let after = page.after.map(|after| hex(&after)).transpose();
    let query = query.after(after.map_err(|problem| (StatusCode::BAD_REQUEST, problem))?);
    let found = views.query(query).await.map_err(broken)?;
    let next = found.cursor.map(|cursor| cursor.iter().map(|byte| format!("{byte:02x}")).collect());
    Ok((StatusCode::OK, Json(Trips { trips: found.documents, next })))
}

/// A cursor is bytes; in an address it stands in hexadecimal.
fn hex(text: &str) -> Result<bytes::Bytes, String> {
    let byte = |at: usize| u8::from_str_radix(text.get(at..at + 2).unwrap_or("?"), 16);
    let bytes: Result<Vec<u8>, _> = (0..text.len()).step_by(2).map(byte).collect();
    bytes.map(Into::into).map_err(|_| format!("after {text:?}: wants the `next` of a page"))
}
