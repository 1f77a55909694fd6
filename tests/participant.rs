//! A participant over HTTP that keeps the five rules of the barrier, and a saga that calls it. Two nodes
//! in one process, each with a store of its own.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, Request, Response, StatusCode};
use axum::routing::post;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use sagaline::engine::InProcess;
use sagaline::engine::barrier::protocol::{answer_action, answer_undo};
use sagaline::engine::barrier::{CallHeaders, Guarded};
use sagaline::prelude::*;
use sagaline::testing::{Memory, World};
use tower::ServiceExt;

const SAGA: &str = "00000000-0000-0000-0000-000000000007";

/// Beds of the one hotel there is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Hotel {
    taken: u32,
}

#[derive(Debug, Clone)]
enum HotelCommand {
    Take,
    Free,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
enum HotelEvent {
    BedTaken { bed: u32 },
    BedFreed {},
}

#[derive(Debug, PartialEq, thiserror::Error)]
#[error("both beds are taken")]
struct NoBed;

impl Aggregate for Hotel {
    const CATEGORY: &'static str = "hotel";
    type Command = HotelCommand;
    type Event = HotelEvent;
    type Refusal = NoBed;

    fn decide(&self, command: HotelCommand) -> Result<Vec<HotelEvent>, NoBed> {
        match command {
            HotelCommand::Take if self.taken == 2 => Err(NoBed),
            HotelCommand::Take => Ok(vec![HotelEvent::BedTaken { bed: self.taken + 1 }]),
            HotelCommand::Free => Ok(vec![HotelEvent::BedFreed {}]),
        }
    }

    fn evolve(&mut self, event: &HotelEvent) {
        match event {
            HotelEvent::BedTaken { .. } => self.taken += 1,
            HotelEvent::BedFreed {} => self.taken -= 1,
        }
    }
}

/// The service: its own node, and two routes that only map headers to calls and answers to statuses.
struct Service {
    node: Node<Memory>,
    router: Router,
}

type Answer = Result<Response<Full<Bytes>>, (StatusCode, String)>;

fn call(headers: &HeaderMap) -> Result<(CallHeaders, CommandMetadata), (StatusCode, String)> {
    let call = CallHeaders::read(headers);
    let call = call.map_err(|problem| (StatusCode::BAD_REQUEST, problem.to_string()))?;
    let metadata = CommandMetadata::of_request(call.correlation_id.clone());
    Ok((call, metadata))
}

async fn book(State(node): State<Node<Memory>>, headers: HeaderMap) -> Answer {
    let (call, metadata) = call(&headers)?;
    let bed = |hotel: &Hotel| hotel.taken;
    let guarded = Guarded::new(node.aggregates());
    let take = HotelCommand::Take;
    let done = guarded.act(&call.key, call.epoch, "grand", take, bed, &metadata).await;
    Ok(answer_action(&done))
}

async fn cancel(State(node): State<Node<Memory>>, headers: HeaderMap) -> Answer {
    let (call, metadata) = call(&headers)?;
    let guarded = Guarded::new(node.aggregates());
    let free = HotelCommand::Free;
    let undone = guarded.undo::<Hotel>(&call.key, call.epoch, "grand", free, &metadata).await;
    Ok(answer_undo(&undone))
}

impl Service {
    async fn open() -> Self {
        let node = World::new().node().await.unwrap().start().await.unwrap();
        let router = Router::new()
            .route("/book", post(book))
            .route("/cancel", post(cancel))
            .with_state(node.clone());
        Self { node, router }
    }

    async fn taken(&self) -> u32 {
        self.node.aggregates().load::<Hotel>("grand").await.unwrap().state.taken
    }

    async fn call(&self, path: &str, key: &str, epoch: u64) -> (u16, String) {
        let request = Request::post(path)
            .header("idempotency-key", key)
            .header("sagaline-epoch", epoch)
            .header("x-correlation-id", "request-7");
        let request = request.body(Body::empty()).unwrap();
        let response = self.router.clone().oneshot(request).await.unwrap();
        let status = response.status().as_u16();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    async fn book(&self, step: &str, epoch: u64) -> (u16, String) {
        self.call("/book", &format!("{SAGA}/{step}/action"), epoch).await
    }

    async fn cancel(&self, step: &str, epoch: u64) -> (u16, String) {
        self.call("/cancel", &format!("{SAGA}/{step}/compensation"), epoch).await
    }
}

fn ok(bed: &str) -> (u16, String) {
    (200, bed.to_owned())
}

#[tokio::test]
async fn what_comes_twice_has_the_first_answer_also_when_that_was_a_no() {
    let hotel = Service::open().await;
    assert_eq!(hotel.book("a", 1).await, ok("1"));
    assert_eq!(hotel.book("b", 1).await, ok("2"));
    assert_eq!(hotel.book("a", 2).await, ok("1"));
    let (status, words) = hotel.book("c", 1).await;
    assert_eq!(status, 409, "{words}");
    assert!(words.contains("both beds are taken"), "{words}");
    assert_eq!(hotel.cancel("a", 2).await.0, 200);
    assert_eq!(hotel.cancel("a", 2).await.0, 200);
    assert_eq!(hotel.taken().await, 1);
    assert_eq!(hotel.book("c", 2).await, (409, words));
}

#[tokio::test]
async fn an_undo_that_comes_first_leaves_a_tombstone() {
    let hotel = Service::open().await;
    assert_eq!(hotel.cancel("a", 1).await.0, 200);
    let (status, words) = hotel.book("a", 1).await;
    assert_eq!((status, words.contains("UNDONE")), (409, true), "{words}");
    assert_eq!(hotel.taken().await, 0);
}

#[tokio::test]
async fn a_former_owner_and_a_stranger_are_not_served() {
    let hotel = Service::open().await;
    assert_eq!(hotel.book("a", 5).await, ok("1"));
    for (status, words) in [hotel.book("a", 4).await, hotel.cancel("a", 4).await] {
        assert_eq!((status, words.contains("OLDER_EPOCH")), (421, true), "{words}");
    }
    let (status, words) = hotel.call("/book", "order-7", 5).await;
    assert_eq!((status, words.starts_with("header Idempotency-Key")), (400, true), "{words}");
    assert_eq!(hotel.taken().await, 1);
}

struct Bed;

impl Step for Bed {
    const NAME: &'static str = "bed";
    type Saga = u64;
    type Output = u32;

    async fn action(&self, call: &Call<u64>) -> Outcome<u32> {
        call.http().post("http://hotel/book", &()).await
    }
}

impl Compensable for Bed {
    async fn compensate(&self, call: &Call<u64>, _: Option<&u32>) -> Outcome<()> {
        call.http().post("http://hotel/cancel", &()).await
    }
}

/// Pays up to 100.
struct Pay;

impl Step for Pay {
    const NAME: &'static str = "pay";
    type Saga = u64;
    type Output = ();

    async fn action(&self, call: &Call<u64>) -> Outcome<()> {
        let rejected = || Failure::rejected("NO_COVER", "no");
        if *call.input() > 100 { Err(rejected()) } else { Ok(()) }
    }
}

#[tokio::test]
async fn a_saga_books_and_a_saga_that_goes_back_leaves_nothing() {
    let hotel = Service::open().await;
    let stay = Definition::new("stay").compensable(Bed).pivot(Pay).after(Bed).build().unwrap();
    let services = InProcess::new().service("hotel", hotel.router.clone());
    let world = World::new();
    let node = world.node().await.unwrap().saga(&stay).connect(Arc::new(services));
    let node = node.start().await.unwrap();

    for (key, price, taken) in [("1", 7, 1), ("2", 700, 1), ("3", 70, 2)] {
        let started = node.sagas().start(&stay, key, &price).await.unwrap();
        let end = world.end_of(&node, started.id, 1.minutes()).await.unwrap().unwrap();
        assert_eq!(end.phase == Phase::Completed, price <= 100, "{end:?}");
        assert_eq!(hotel.taken().await, taken);
    }
    node.drain().await.unwrap();
}

/// Wants a bed, whichever it is.
struct AnyBed;

impl Step for AnyBed {
    const NAME: &'static str = "any-bed";
    type Saga = u64;
    type Output = ();

    async fn action(&self, call: &Call<u64>) -> Outcome<()> {
        call.http().post("http://hotel/book", &()).await
    }
}

#[tokio::test]
async fn a_result_that_a_step_does_not_want_is_no_failure() {
    let hotel = Service::open().await;
    let stay = Definition::new("stay").pivot(AnyBed).build().unwrap();
    let services = InProcess::new().service("hotel", hotel.router.clone());
    let world = World::new();
    let node = world.node().await.unwrap().saga(&stay).connect(Arc::new(services));
    let node = node.start().await.unwrap();
    let started = node.sagas().start(&stay, "1", &7).await.unwrap();
    let end = world.end_of(&node, started.id, 1.minutes()).await.unwrap().unwrap();
    assert_eq!(end.phase, Phase::Completed, "{end:?}");
    assert_eq!(hotel.taken().await, 1);
    node.drain().await.unwrap();
}

#[tokio::test]
async fn a_service_that_is_not_there_is_an_unknown_outcome() {
    let world = World::new();
    let impatient = Policy::attempts(2).compensation_attempts(1);
    let stay = Definition::new("stay").pivot(Bed).retry(impatient).build().unwrap();
    let node = world.node().await.unwrap().saga(&stay).connect(Arc::new(InProcess::new()));
    let node = node.start().await.unwrap();
    let started = node.sagas().start(&stay, "1", &7).await.unwrap();
    let end = world.end_of(&node, started.id, 1.hours()).await.unwrap().unwrap();
    let Some(End::Parked(reason)) = end.end() else { panic!("{end:?}") };
    assert!(format!("{reason:?}").contains("no service `hotel` in this process"), "{reason:?}");
}
