//! A node in memory, its time in the test's hand.

use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use futures_util::future::{Either, select};
use sagaline_storage::{Clock, InMemory, StorageError, Timestamp};
use uuid::Uuid;

use crate::engine::{Node, NodeBuilder, RequestError};
use crate::saga::SagaState;
use crate::worlds::{ManualClock, MemoryKv};

/// What the nodes of a [`World`] run on.
pub type Memory = InMemory<ManualClock>;

/// What a node in memory stands on: a store that outlives it, and a clock that stands still until the test
/// moves it. For a runtime of one thread, which `#[tokio::test]` is.
///
/// ```
/// # use sagaline::prelude::*;
/// # struct Wait;
/// # impl Step for Wait {
/// #     const NAME: &'static str = "wait";
/// #     type Saga = u32;
/// #     type Output = ();
/// #     async fn action(&self, call: &Call<u32>) -> Outcome<()> {
/// #         if call.attempt() < 3 { Err(Failure::unknown("not yet")) } else { Ok(()) }
/// #     }
/// # }
/// use sagaline::testing::World;
///
/// # let runtime = sagaline::testing::World::runtime()?;
/// # runtime.block_on(async {
/// let patient = Policy::attempts(5).backoff(1.days()..=9.days());
/// let definition = Definition::new("patience").pivot(Wait).retry(patient).build()?;
///
/// let world = World::new();
/// let node = world.node().await?.saga(&definition).start().await?;
/// let started = node.sagas().start(&definition, "key-1", &7).await?;
/// let end = world.end_of(&node, started.id, 30.days()).await?;     // in a moment
/// assert_eq!(end.and_then(|saga| saga.end()), Some(End::Completed));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// A node that was dropped is started again by asking for another one: it finds what the first one left.
#[derive(Clone, Debug, Default)]
pub struct World {
    kv: MemoryKv,
    clock: ManualClock,
}

impl World {
    /// An empty store, at the first second of 2026.
    pub fn new() -> Self {
        let clock = ManualClock::starting_at(Timestamp(1_767_225_600_000_000));
        Self { kv: MemoryKv::new(), clock }
    }

    /// A node over this store and under this clock, to be put together and started.
    pub async fn node(&self) -> Result<NodeBuilder<Memory>, StorageError> {
        Node::in_memory(&self.kv, self.clock.clone()).await
    }

    /// The clock.
    pub fn clock(&self) -> &ManualClock {
        &self.clock
    }

    /// Time passes: whatever becomes due in it runs at its time, in order.
    pub async fn pass(&self, time: Duration) {
        self.clock.run_for(time).await;
    }

    /// Lets time pass until the saga has come to rest, at most `within`; it goes by in a thousand leaps.
    /// None: it is still under way.
    pub async fn end_of(
        &self,
        node: &Node<Memory>,
        saga: Uuid,
        within: Duration,
    ) -> Result<Option<SagaState>, RequestError> {
        let sagas = node.sagas();
        self.until(sagas.wait(saga), within).await.transpose()
    }

    /// Lets time pass until a future is ready, at most `within`; it goes by in a thousand leaps. None: it
    /// is not.
    pub async fn until<T>(&self, future: impl Future<Output = T>, within: Duration) -> Option<T> {
        const LEAPS: u32 = 1_000;
        let leap = (within / LEAPS).max(Duration::from_millis(1));
        let end = self.clock.monotonic().saturating_add(within);
        let mut future = pin!(future);
        loop {
            // Whatever can run now runs first, many times over.
            for _ in 0..8 {
                match select(future, pin!(self.clock.run_for(Duration::ZERO))).await {
                    Either::Left((output, _)) => return Some(output),
                    Either::Right(((), waiting)) => future = waiting,
                }
            }
            if self.clock.monotonic() >= end {
                return None;
            }
            self.clock.advance(leap);
        }
    }

    /// A runtime of one thread, for who has none.
    pub fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
        tokio::runtime::Builder::new_current_thread().enable_all().build()
    }
}
