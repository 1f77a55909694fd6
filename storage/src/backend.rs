//! One type parameter for a whole world.

use crate::bus::MessageBus;
use crate::clock::{Clock, Entropy};
use crate::event_store::EventStore;
use crate::lock::LockService;
use crate::views::ViewStore;

/// The adapters of one world, so that signatures read `where B: Backend`.
pub trait Backend: Clone + Send + Sync + 'static {
    /// The log.
    type Events: EventStore;
    /// The read models.
    type Views: ViewStore;
    /// The locks.
    type Locks: LockService;
    /// The bus.
    type Bus: MessageBus;
    /// The clock.
    type Clock: Clock;
    /// The randomness.
    type Entropy: Entropy;

    /// A short name for people: `embedded`, `memory`, `cluster`.
    fn name(&self) -> &'static str;
    /// Other nodes may work on the same log at the same time. False: this process is the only one.
    fn shared(&self) -> bool;
    /// The log.
    fn events(&self) -> &Self::Events;
    /// The read models.
    fn views(&self) -> &Self::Views;
    /// The locks.
    fn locks(&self) -> &Self::Locks;
    /// The bus.
    fn bus(&self) -> &Self::Bus;
    /// The clock.
    fn clock(&self) -> &Self::Clock;
    /// The randomness.
    fn entropy(&self) -> &Self::Entropy;
}

/// A backend put together from parts.
#[derive(Debug, Clone)]
pub struct Parts<E, V, L, M, C, R> {
    /// A short name for people.
    pub name: &'static str,
    /// Other nodes may work on the same log at the same time.
    pub shared: bool,
    /// The log.
    pub events: E,
    /// The read models.
    pub views: V,
    /// The locks.
    pub locks: L,
    /// The bus.
    pub bus: M,
    /// The clock.
    pub clock: C,
    /// The randomness.
    pub entropy: R,
}

impl<E, V, L, M, C, R> Backend for Parts<E, V, L, M, C, R>
where
    E: EventStore,
    V: ViewStore,
    L: LockService,
    M: MessageBus,
    C: Clock,
    R: Entropy,
{
    type Events = E;
    type Views = V;
    type Locks = L;
    type Bus = M;
    type Clock = C;
    type Entropy = R;

    fn name(&self) -> &'static str {
        self.name
    }

    fn shared(&self) -> bool {
        self.shared
    }

    fn events(&self) -> &E {
        &self.events
    }

    fn views(&self) -> &V {
        &self.views
    }

    fn locks(&self) -> &L {
        &self.locks
    }

    fn bus(&self) -> &M {
        &self.bus
    }

    fn clock(&self) -> &C {
        &self.clock
    }

    fn entropy(&self) -> &R {
        &self.entropy
    }
}
