//! Sagaline: an event store and a saga engine that can be *proved*. The code that runs in production also
//! runs, seed by seed, in a deterministic simulation of several nodes under faults.
//!
//! A saga is a graph of steps across services of which none can be asked to take part in a transaction.
//! Either all of it happens, or what happened is undone; a crash, a lost answer, a second try and an
//! operator in a hurry change nothing about that.
//!
//! # A first saga
//!
//! ```
//! use sagaline::prelude::*;
//!
//! #[derive(Serialize, Deserialize)]
//! struct Coffee { cups: u32 }
//!
//! struct Grind;                                        // can be undone
//! impl Step for Grind {
//!     const NAME: &'static str = "grind";
//!     type Saga = Coffee;                              // what the saga is started with
//!     type Output = u32;                               // grams: stored with the step's success
//!     async fn action(&self, call: &Call<Coffee>) -> Outcome<u32> {
//!         Ok(18 * call.input().cups)
//!     }
//! }
//! impl Compensable for Grind {
//!     async fn compensate(&self, _: &Call<Coffee>, _grams: Option<&u32>) -> Outcome<()> {
//!         Ok(())                                       // the beans go back into the jar
//!     }
//! }
//!
//! struct Pay;                                          // decides: behind it there is no way back
//! impl Step for Pay {
//!     const NAME: &'static str = "pay";
//!     const READS: &'static [&'static str] = &[Grind::NAME];
//!     type Saga = Coffee;
//!     type Output = ();
//!     async fn action(&self, call: &Call<Coffee>) -> Outcome<()> {
//!         match call.result::<Grind>()? {
//!             ..=180 => Ok(()),
//!             _ => Err(Failure::rejected("TOO_MANY", "no such pot")),
//!         }
//!     }
//! }
//!
//! # sagaline::testing::World::runtime()?.block_on(async {
//! let coffee = Definition::new("coffee").compensable(Grind).pivot(Pay).after(Grind).build()?;
//! let world = sagaline::testing::World::new();         // in memory; on a disk: Node::embedded("./data")
//! let node = world.node().await?.saga(&coffee).start().await?;
//! let order = node.sagas().start(&coffee, "order-1", &Coffee { cups: 2 }).await?;   // durable when it returns
//! assert_eq!(node.sagas().wait(order.id).await?.end(), Some(End::Completed));
//!
//! let party = node.sagas().start(&coffee, "order-2", &Coffee { cups: 20 }).await?;
//! assert!(matches!(node.sagas().wait(party.id).await?.end(), Some(End::Compensated(_))));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! `examples/first` is this as a program: `cargo run -p first`, `kill -9` it wherever you like, run it
//! again. `examples/travel` has steps side by side, an aggregate, a read model, routes and a proof;
//! `examples/transfer` moves money, `examples/renewal` waits for weeks.
//!
//! # The words
//!
//! - A [`Step`](prelude::Step) is plain async code with a three-valued [`Outcome`](prelude::Outcome): it
//!   happened, it did not (`Rejected`), or nobody knows (`Unknown`). What is not known is asked for by the
//!   step's `probe`, or done again under the same idempotency key, before the saga goes anywhere.
//! - A step is *compensable* (it can be undone), the *pivot* (it decides) or *retriable* (behind the pivot:
//!   tried until it succeeds). [`Definition::build`](engine::DefinitionBuilder::build) refuses a graph that
//!   could get stuck, and says what to do about it.
//! - A [`Call`](prelude::Call) is all that a step depends on: input, results it has declared to read, key,
//!   epoch, attempt, an HTTP client that carries all of these.
//! - An [`Aggregate`](prelude::Aggregate) is a thing with a stream of its own; a step that only touches
//!   aggregates of the same store is `LOCAL` and commits in the saga's own append.
//! - A [`Projection`](prelude::Projection) is a read model: pure, rebuilt beside the one in use.
//! - Services that are called remember what they answered: the [barrier](engine::barrier), a library here
//!   and a [protocol](engine::barrier::protocol) for every other language.
//! - A saga ends as completed or compensated; one that cannot go on is *parked* with its reason until an
//!   operator's verb. It is never lost and never falsely "rolled back".
//!
//! # Worlds
//!
//! | world | started by | events are | for |
//! |---|---|---|---|
//! | embedded | `Node::embedded("./data")` | in RocksDB, in this process | one machine; the default |
//! | in memory | [`testing::World`] or [`Node::in_memory`](engine::Node::in_memory) | in memory; the clock is the test's | tests |
//! | simulation | `sagaline_sim::check(app)` | on a faulty disk behind a faulty network | proof |
//!
//! A [`Node`](prelude::Node) is a value: several live in one process, each on a folder of its own; each is
//! started, drained and dropped, and its folder is free then. Nothing is global. It brings [`routes`](engine::Node::router) to be nested under yours.
//!
//! # Testing
//!
//! [`testing`] has *given, when, then* for all three without a runtime, and a node whose time the test moves:
//!
//! ```
//! # use sagaline::prelude::*;
//! # macro_rules! step { ($step:ident, $name:literal) => {
//! #     struct $step;
//! #     impl Step for $step {
//! #         const NAME: &'static str = $name;
//! #         type Saga = u32;
//! #         type Output = u32;
//! #         async fn action(&self, _: &Call<u32>) -> Outcome<u32> { Ok(1) }
//! #     }
//! #     impl Compensable for $step {
//! #         async fn compensate(&self, _: &Call<u32>, _: Option<&u32>) -> Outcome<()> { Ok(()) }
//! #     }
//! # } }
//! # step!(Grind, "grind");
//! # step!(Pay, "pay");
//! # let coffee = Definition::new("coffee").compensable(Grind).pivot(Pay).after(Grind).build()?;
//! use sagaline::testing::definition::{given, rejected, succeeded};
//!
//! given(&coffee, &2)
//!     .after(succeeded::<Grind>(&36))
//!     .when(rejected::<Pay>("NO_COVER"))
//!     .then(
//!         &["pay rejected: NO_COVER", "saga aborted", "undo of grind started"],
//!         &["undo grind"],
//!     );
//! # Ok::<(), DefinitionError>(())
//! ```
//!
//! # Proving
//!
//! The services that a saga calls have models, and a test puts all of it into the simulated world. From
//! `docs/src/first-saga.md`, which has the whole crate, and a bug that this test finds:
//!
//! ```text
//! #[test]
//! fn parcels_survive_everything() -> Result<(), DefinitionError> {
//!     check(parcel_app)
//!         .remote("warehouse", Ledger::at("/pack").undone_at("/unpack", "of").asked_at("/calls"))
//!         .remote("cards", Ledger::at("/charge").asked_at("/calls"))
//!         .remote("carrier", Ledger::at("/collect"))
//!         .saga(&parcel()?, |random| Parcel {
//!             to: format!("customer-{}", random.below(100)),
//!             cents: random.between(100, 90_000),
//!         })
//!         .seeds(0..5)
//!         .faults(Faults::all())
//!         .run();
//!     Ok(())
//! }
//! ```
//!
//! Three whole nodes, the services that the saga calls, a network, clocks and disks that fail as a plan
//! drawn from the seed says; then oracles judge by what the services saw. A failing seed fails again.

pub mod settings;

pub mod limits;

mod canary;

pub mod domain;

pub mod saga;

pub mod codec;

pub mod engine;

pub mod worlds;

pub mod prelude;

pub mod testing;

pub mod http;

pub mod telemetry;

pub mod cli;

pub mod app;

pub mod projections;
