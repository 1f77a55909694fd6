//! Proving a saga of one's own: [`check`] puts a user's sagas, with models of the services they call,
//! through the same world as the reference application, under the same faults and in front of the same
//! oracles, and then through everything that can happen to one saga at one place.
//!
//! In a plain build nothing is simulated: the test runs itself again, built with `--cfg madsim` into the
//! same target folder. There each world has a process of its own.

#[cfg(madsim)]
mod batch;
#[cfg(madsim)]
mod chaos;
mod faults;
mod invariant;
mod names;
#[cfg(madsim)]
mod one;
#[cfg(madsim)]
mod outcome;
#[cfg(not(madsim))]
mod outer;
#[cfg(madsim)]
mod processes;
mod starts;
#[cfg(madsim)]
mod sweep;
mod this_test;
#[cfg(madsim)]
mod words;

use std::ops::Range;

use sagaline::engine::{Definition, NodeBuilder};
use sagaline::saga::DefinitionError;
use serde::Serialize;
use serde::de::DeserializeOwned;

pub use faults::Faults;

use crate::evidence::LogEntry;
use crate::remotes::Model;
use crate::seed::Random;
use crate::shape::SagaShape;
use invariant::Invariant;
use starts::Start;

/// What a user's function puts its sagas into: a node of the simulated world.
#[cfg(madsim)]
pub type SimBackend = crate::services::SimBackend;
/// What a user's function puts its sagas into. In this build a node in memory, which is never started: the
/// simulated world is in the other build.
#[cfg(not(madsim))]
pub type SimBackend = sagaline_storage::embedded::InMemory<sagaline_storage::clock::SystemClock>;

/// A node to be, or why it cannot be.
type Built = Result<NodeBuilder<SimBackend>, DefinitionError>;

/// Puts a user's application into a node.
type App = dyn Fn(NodeBuilder<SimBackend>) -> Built + Send + Sync;

/// What is checked, and how. Made by [`check`].
#[cfg_attr(not(madsim), allow(dead_code, reason = "it is the other build that runs"))]
pub struct Check {
    app: Box<App>,
    remotes: Vec<(String, Box<dyn Model>)>,
    starts: Vec<Start>,
    invariants: Vec<Invariant>,
    seeds: Range<u64>,
    faults: Faults,
    sweep: bool,
    finds: Option<String>,
}

/// Proves a user's sagas in the simulated world.
///
/// `app` is the function that puts them, and their aggregates and read models, into a node: the same that
/// production uses, generic over the backend. Each host that a step calls has a model
/// ([`Ledger`](crate::remotes::Ledger), or a closure), and each saga a function that draws its inputs.
///
/// This is compiled and not run: a check finds the test that it stands in, to run it again, and here is none.
/// `examples/travel/tests/survives.rs` is run.
///
/// ```no_run
/// use sagaline::prelude::*;
/// use sagaline_sim::remotes::Ledger;
/// use sagaline_sim::{Faults, check};
///
/// # #[derive(Clone, Serialize, Deserialize)] struct Trip { nights: u64 }
/// # struct Hotel;
/// # impl Step for Hotel {
/// #     const NAME: &'static str = "hotel";
/// #     type Saga = Trip;
/// #     type Output = String;
/// #     async fn action(&self, call: &Call<Trip>) -> Outcome<String> {
/// #         call.http().post("http://hotels/book", call.input()).await
/// #     }
/// # }
/// fn travel() -> Result<Definition<Trip>, DefinitionError> {
///     Definition::new("travel-booking").pivot(Hotel).build()
/// }
///
/// fn travel_app<B: Backend>(node: NodeBuilder<B>) -> Result<NodeBuilder<B>, DefinitionError> {
///     Ok(node.saga(&travel()?))
/// }
///
/// // With `#[test]` above it:
/// fn trips_survive_everything() -> Result<(), DefinitionError> {
///     check(travel_app)
///         .remote("hotels", Ledger::at("/book").undone_at("/cancel", "of").asked_at("/calls"))
///         .saga(&travel()?, |random| Trip { nights: random.between(1, 14) })
///         .seeds(0..20)
///         .faults(Faults::all())
///         .run();
///     Ok(())
/// }
/// ```
///
/// # What is done
///
/// - **Seeds**: in each, forty sagas are started, repeated, looked at, sent back and paused while machines
///   crash, links break, clocks jump and services are slow, deaf, double or gone; then the world heals and
///   everything has to come to rest.
/// - **Sweeps** ([`Check::sweep`]): each step is refused; each action and each undo is run twice and
///   delivered twice, with and without a later step that sends the saga back; the node dies before and
///   behind each append and each call of a saga's life (of a life with more than 48 such places at 48 of
///   them, evenly).
///
/// # What is judged
///
/// The oracles of the simulation, as far as they are not about orders, and of the services' ledgers: an
/// action takes effect once, under its call's key, and never behind its undo; undos come in reverse; each
/// step of a completed saga has its effect (a step that acts on a service for one saga has to for every
/// one); nothing is left of one that was undone. Where nothing went wrong nobody has to wait for a person.
/// What was never examined, a service that was never called and a step that was never done or undone fail
/// the check as vacuous; faults that never mattered are named.
///
/// The effects of local steps are not seen: they are in the node's own log, and what they ought to be no
/// oracle knows. An undo of theirs that does nothing is found by an [invariant](Check::invariant) of yours, and
/// by nothing else.
///
/// # Names that are taken
///
/// The simulated nodes are those of the reference application, with yours in them. It has the aggregates
/// `order`, `payment`, `user` and `session`, the projections `orders`, `payments` and `sagas`, and the sagas
/// `order-processing` and `order-refund`. A projection or a saga of such a name is refused before anything is
/// simulated, such an aggregate behind the first world: when a saga has written to it.
///
/// # When it fails
///
/// The first line says how to run it again: `SAGALINE_PLAN=<file>` for one world made as small as it gets,
/// `SAGALINE_SEED=<seed>` for a whole seed; both before the test's own `cargo test`. Then come the oracle,
/// what it found, what went wrong in that world, and an HTML file to look at it.
pub fn check(app: impl Fn(NodeBuilder<SimBackend>) -> Built + Send + Sync + 'static) -> Check {
    Check {
        app: Box::new(app),
        remotes: Vec::new(),
        starts: Vec::new(),
        invariants: Vec::new(),
        seeds: 0..10,
        faults: Faults::all(),
        sweep: true,
        finds: None,
    }
}

impl Check {
    /// Who answers at `http://{host}`, whatever the port. The last one said for a host is the one.
    #[must_use]
    pub fn remote(mut self, host: &str, model: impl Model) -> Self {
        self.remotes.push((host.to_owned(), Box::new(model)));
        self
    }

    /// Starts sagas of this definition with inputs drawn from the seed.
    #[must_use]
    pub fn saga<T>(
        mut self,
        definition: &Definition<T>,
        input: impl Fn(&mut Random) -> T + 'static,
    ) -> Self
    where
        T: Serialize + DeserializeOwned + Send + Sync + 'static,
    {
        let shape = SagaShape::of(definition.as_value());
        self.starts.push(Start::new(shape, input));
        self
    }

    /// Wants this of the log when everything is done, in sweeps and in seeds: `money is neither made nor lost`.
    /// It alone judges what local steps do.
    ///
    /// It is asked about each world that came to rest with every saga at its end. A world in which a saga waits
    /// for a person, or in which an operator declared a step done or not done, is not judged by it; the summary
    /// says how many were. When it is broken the check fails with `invariant: ` and the name.
    #[must_use]
    pub fn invariant(
        mut self,
        name: &str,
        holds: impl Fn(&[LogEntry]) -> Result<(), String> + 'static,
    ) -> Self {
        self.invariants.push(Invariant::new(name, holds));
        self
    }

    /// Which seeds; 0 to 9 unless said otherwise.
    #[must_use]
    pub fn seeds(self, seeds: Range<u64>) -> Self {
        Self { seeds, ..self }
    }

    /// What can go wrong in the seeds; everything unless said otherwise.
    #[must_use]
    pub fn faults(self, faults: Faults) -> Self {
        Self { faults, ..self }
    }

    /// Whether the sweeps are done; they are unless said otherwise.
    #[must_use]
    pub fn sweep(self, sweep: bool) -> Self {
        Self { sweep, ..self }
    }

    /// Does it, and wants it to fail with this: `effects: an action took effect twice`. For a saga with a
    /// mistake in it: a check that cannot fail proves nothing.
    ///
    /// # Panics
    ///
    /// When it does not fail, or with something else first; and as [`Check::run`] does.
    pub fn finds(mut self, what: &str) {
        self.finds = Some(what.to_owned());
        self.run();
    }

    /// Does it. Only from within a test: it finds that test by its name, to run it again.
    ///
    /// # Panics
    ///
    /// When something that was promised did not hold, when nothing was proved, and when the test cannot be
    /// run again.
    pub fn run(self) {
        assert!(!self.starts.is_empty(), "nothing to check: say which sagas with `.saga(…)`");
        #[cfg(madsim)]
        one::or_all(self);
        #[cfg(not(madsim))]
        outer::run(self.app.as_ref());
    }
}
