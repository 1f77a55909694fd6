//! A travel booking whose participants do what the test says, with a ledger of what took effect.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use sagaline::domain::Aggregate;
use sagaline::engine::{
    Call, Compensable, Definition, EngineSettings, Failure, Node, NodeBuilder, Outcome, Probe, Step,
};
use sagaline::saga::Policy;
use sagaline_storage::clock::{Clock, SystemClock, SystemEntropy};
use sagaline_storage::embedded::{InMemory, LocalSettings, open_in_memory};
use sagaline_storage::memory::MemoryKv;
use serde::{Deserialize, Serialize};

pub(crate) type Memory = InMemory<SystemClock>;

pub(crate) async fn backend(kv: &MemoryKv) -> Memory {
    let clock = SystemClock::default();
    open_in_memory(kv.clone(), clock, SystemEntropy, &LocalSettings::default()).await.unwrap()
}

/// How the next calls of a step go; the last one goes on for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Does {
    Succeed,
    Reject,
    /// The effect happens, the answer is lost.
    LoseAnswer,
    /// Neither happens.
    Fail,
    Panic,
    Hang,
    /// It succeeds once the plan says something else.
    Hold,
}

/// The world outside: what was told to happen, and what took effect.
#[derive(Clone, Default)]
pub(crate) struct World(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    plan: BTreeMap<&'static str, Vec<Does>>,
    effective: BTreeSet<String>,
    calls: Vec<String>,
    under_way: Vec<&'static str>,
}

/// A call that is under way, until it is dropped.
struct UnderWay {
    world: World,
    what: &'static str,
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        let mut inner = self.world.0.lock();
        if let Some(place) = inner.under_way.iter().position(|what| *what == self.what) {
            inner.under_way.swap_remove(place);
        }
    }
}

impl World {
    pub(crate) fn plan(&self, what: &'static str, plan: &[Does]) {
        self.0.lock().plan.insert(what, plan.to_vec());
    }

    pub(crate) fn count(&self, what: &str) -> usize {
        self.0.lock().calls.iter().filter(|call| *call == what).count()
    }

    /// Calls that nobody has answered or given up.
    pub(crate) fn under_way(&self, what: &str) -> usize {
        self.0.lock().under_way.iter().filter(|call| **call == what).count()
    }

    fn begin(&self, what: &'static str) -> UnderWay {
        self.0.lock().under_way.push(what);
        UnderWay { world: self.clone(), what }
    }

    pub(crate) fn effective(&self) -> Vec<String> {
        let inner = self.0.lock();
        inner.effective.iter().map(|key| key.split('/').nth(1).unwrap().to_owned()).collect()
    }

    fn next(&self, what: &'static str) -> Does {
        let mut inner = self.0.lock();
        inner.calls.push(what.to_owned());
        match inner.plan.get_mut(what) {
            Some(plan) if plan.len() > 1 => plan.remove(0),
            Some(plan) => plan.first().copied().unwrap_or(Does::Succeed),
            None => Does::Succeed,
        }
    }

    async fn act(&self, what: &'static str, apply: impl Fn(&mut BTreeSet<String>)) -> Outcome<()> {
        let _under_way = self.begin(what);
        match self.next(what) {
            Does::Succeed => {
                apply(&mut self.0.lock().effective);
                Ok(())
            }
            Does::Reject => Err(Failure::rejected("NO", "not today")),
            Does::LoseAnswer => {
                apply(&mut self.0.lock().effective);
                Err(Failure::unknown("the answer was lost"))
            }
            Does::Fail => Err(Failure::unknown("connection refused")),
            Does::Panic => panic!("{what} panics"),
            Does::Hang => std::future::pending().await,
            Does::Hold => {
                while self.is_held(what) {
                    SystemClock::default().sleep(Duration::from_millis(1)).await;
                }
                apply(&mut self.0.lock().effective);
                Ok(())
            }
        }
    }

    fn is_held(&self, what: &str) -> bool {
        self.0.lock().plan.get(what).is_some_and(|plan| plan.first() == Some(&Does::Hold))
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Trip {
    pub(crate) city: String,
}

#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Booking {
    pub(crate) city: Option<String>,
    pub(crate) confirmed: bool,
    pub(crate) cancelled: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[allow(clippy::enum_variant_names, reason = "the names are the events' stored types")]
pub(crate) enum BookingEvent {
    BookingMade { city: String },
    BookingConfirmed {},
    BookingCancelled {},
}

#[derive(Debug, Clone)]
pub(crate) enum BookingCommand {
    Make { city: String },
    Confirm,
    Cancel,
}

#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct BookingRefusal(String);

impl Aggregate for Booking {
    const CATEGORY: &'static str = "booking";
    type Command = BookingCommand;
    type Event = BookingEvent;
    type Refusal = BookingRefusal;

    fn decide(&self, command: BookingCommand) -> Result<Vec<BookingEvent>, BookingRefusal> {
        match command {
            BookingCommand::Make { city } if city == "Atlantis" => {
                Err(BookingRefusal("there is no Atlantis".to_owned()))
            }
            BookingCommand::Make { city } => Ok(vec![BookingEvent::BookingMade { city }]),
            BookingCommand::Confirm => Ok(vec![BookingEvent::BookingConfirmed {}]),
            BookingCommand::Cancel if self.cancelled => Ok(vec![]),
            BookingCommand::Cancel => Ok(vec![BookingEvent::BookingCancelled {}]),
        }
    }

    fn evolve(&mut self, event: &BookingEvent) {
        match event {
            BookingEvent::BookingMade { city } => self.city = Some(city.clone()),
            BookingEvent::BookingConfirmed {} => self.confirmed = true,
            BookingEvent::BookingCancelled {} => self.cancelled = true,
        }
    }

    fn claims(&self, event: &BookingEvent) -> Vec<sagaline::domain::ClaimIntent> {
        use sagaline::domain::ClaimIntent;
        let kind = "city".to_owned();
        let key = |city: &Option<String>| city.clone().unwrap();
        match event {
            BookingEvent::BookingMade { city } => {
                vec![ClaimIntent::Take { kind, key: city.clone() }]
            }
            BookingEvent::BookingConfirmed {} | BookingEvent::BookingCancelled {} => {
                vec![ClaimIntent::Release { kind, key: key(&self.city) }]
            }
        }
    }
}

pub(crate) struct Book;
pub(crate) struct Hotel(pub(crate) World);
pub(crate) struct Flight(pub(crate) World);
pub(crate) struct Charge(pub(crate) World);
pub(crate) struct Confirm;

impl Step for Book {
    const NAME: &'static str = "book";
    const LOCAL: bool = true;
    type Saga = Trip;
    type Output = ();

    async fn action(&self, call: &Call<Trip>) -> Outcome<()> {
        let city = call.input().city.clone();
        let id = call.saga_id().to_string();
        call.execute::<Booking>(&id, BookingCommand::Make { city }).await.map(drop)
    }
}

impl Compensable for Book {
    async fn compensate(&self, call: &Call<Trip>, _: Option<&()>) -> Outcome<()> {
        let id = call.saga_id().to_string();
        call.execute::<Booking>(&id, BookingCommand::Cancel).await.map(drop)
    }
}

macro_rules! remote {
    ($step:ident, $name:literal, $undo:literal) => {
        impl Step for $step {
            const NAME: &'static str = $name;
            type Saga = Trip;
            type Output = String;

            async fn action(&self, call: &Call<Trip>) -> Outcome<String> {
                let key = call.key().to_owned();
                self.0
                    .act($name, |done| {
                        done.insert(key.clone());
                    })
                    .await?;
                Ok(format!("{} in {}", $name, call.input().city))
            }

            async fn probe(&self, call: &Call<Trip>) -> Probe<String> {
                match self.0.0.lock().effective.contains(&call.action_key()) {
                    true => Probe::Happened(format!("{} as the probe says", $name)),
                    false => Probe::DidNotHappen,
                }
            }
        }

        impl Compensable for $step {
            async fn compensate(&self, call: &Call<Trip>, _: Option<&String>) -> Outcome<()> {
                let key = call.action_key();
                self.0
                    .act($undo, |done| {
                        done.remove(&key);
                    })
                    .await
            }
        }
    };
}

remote!(Hotel, "hotel", "undo hotel");
remote!(Flight, "flight", "undo flight");
remote!(Charge, "charge", "undo charge");

impl Step for Confirm {
    const NAME: &'static str = "confirm";
    const LOCAL: bool = true;
    const READS: &'static [&'static str] = &["charge"];
    type Saga = Trip;
    type Output = ();

    async fn action(&self, call: &Call<Trip>) -> Outcome<()> {
        assert!(call.result::<Charge>()?.starts_with("charge"));
        let id = call.saga_id().to_string();
        call.execute::<Booking>(&id, BookingCommand::Confirm).await.map(drop)
    }
}

/// Reads a result that it does not name.
pub(crate) struct Curious;

impl Step for Curious {
    const NAME: &'static str = "curious";
    type Saga = Trip;
    type Output = String;

    async fn action(&self, call: &Call<Trip>) -> Outcome<String> {
        call.result::<Hotel>()
    }
}

/// Works for longer than an attempt may take, and says so.
pub(crate) struct Thorough<C>(pub(crate) C);

impl<C: Clock> Step for Thorough<C> {
    const NAME: &'static str = "thorough";
    type Saga = Trip;
    type Output = u32;

    async fn action(&self, call: &Call<Trip>) -> Outcome<u32> {
        for _ in 0..10 {
            self.0.sleep(Duration::from_millis(40)).await;
            call.heartbeat();
        }
        Ok(call.attempt())
    }
}

/// Confirms the booking without a charge.
pub(crate) struct Settle;

impl Step for Settle {
    const NAME: &'static str = "settle";
    const LOCAL: bool = true;
    type Saga = Trip;
    type Output = ();

    async fn action(&self, call: &Call<Trip>) -> Outcome<()> {
        let id = call.saga_id().to_string();
        call.execute::<Booking>(&id, BookingCommand::Confirm).await.map(drop)
    }
}

pub(crate) fn definition(world: &World) -> Definition<Trip> {
    with_attempt_timeout(world, 200)
}

pub(crate) fn with_attempt_timeout(world: &World, attempt_timeout_ms: u64) -> Definition<Trip> {
    Definition::new("trip")
        .compensable(Book)
        .compensable(Hotel(world.clone()))
        .after(Book)
        .compensable(Flight(world.clone()))
        .after(Book)
        .pivot(Charge(world.clone()))
        .after(Hotel(world.clone()))
        .after(Flight(world.clone()))
        .retriable(Confirm)
        .after(Charge(world.clone()))
        .retry(Policy {
            attempts: 4,
            compensation_attempts: 3,
            backoff_min_ms: 5,
            backoff_max_ms: 20,
            attempt_timeout_ms,
            ..Policy::default()
        })
        .build()
        .unwrap()
}

pub(crate) async fn node(backend: Memory, world: &World) -> (Node<Memory>, Definition<Trip>) {
    let definition = definition(world);
    let settings = EngineSettings { shards: 4, drain_timeout_ms: 100, ..EngineSettings::default() };
    let node =
        NodeBuilder::new(backend).settings(settings).saga(&definition).start().await.unwrap();
    (node, definition)
}
