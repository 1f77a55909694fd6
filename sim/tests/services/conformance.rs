//! The promises of the ports, kept by the adapters over the network. Every store, lock table and bus is a
//! world of its own.

use std::time::Duration;

use parking_lot::Mutex;
use sagaline_sim::machine::Machine;
use sagaline_sim::once;
use sagaline_sim::services::remote::{RemoteBus, RemoteEvents, RemoteLocks, RemoteViews};
use sagaline_sim::world::MachineClock;
use sagaline_storage::Clock;
use sagaline_storage::conformance::bus::{self, BusFactory};
use sagaline_storage::conformance::event_store::{self, Factory};
use sagaline_storage::conformance::lock::{self, LocksFactory};
use sagaline_storage::conformance::views::{self, ViewsFactory};

use crate::world::{BOOT_MS, SEED, Services};

/// Remembers the newest world: the suites ask one after the other.
#[derive(Default)]
struct Remote {
    newest: Mutex<Option<Services>>,
}

impl Remote {
    async fn fresh(&self) -> Services {
        let services = Services::boot().await;
        *self.newest.lock() = Some(services.clone());
        services
    }

    fn clock_of(&self, machine: Machine) -> MachineClock {
        let newest = self.newest.lock();
        newest.as_ref().expect("the suite has made a world").world.clock(machine)
    }
}

/// A world that is made when it is first opened.
type Place = Mutex<Option<Services>>;

impl Factory for Remote {
    type Store = RemoteEvents;
    type Place = Place;
    type Clock = MachineClock;

    const REOPENS: bool = true;

    fn place(&self) -> Place {
        Place::default()
    }

    async fn open(&self, place: &Place) -> RemoteEvents {
        let known = place.lock().clone();
        let services = match known {
            Some(services) => services,
            None => self.fresh().await,
        };
        *place.lock() = Some(services.clone());
        services.ports().events
    }

    /// The store's power fails and comes back.
    async fn close(&self, _: RemoteEvents) {
        let services = self.newest.lock().clone().expect("what is closed was opened");
        services.world.crash(Machine::Store, true);
        services.world.restart(Machine::Store);
        services.pass_ms(BOOT_MS).await;
    }

    fn clock(&self) -> MachineClock {
        self.clock_of(Machine::Store)
    }
}

impl ViewsFactory for Remote {
    type Store = RemoteViews;

    async fn create(&self) -> RemoteViews {
        self.fresh().await.ports().views
    }
}

impl LocksFactory for Remote {
    type Locks = RemoteLocks;

    async fn create(&self) -> RemoteLocks {
        self.fresh().await.ports().locks
    }

    fn ttl(&self) -> Duration {
        Duration::from_secs(10)
    }

    async fn pass(&self, time: Duration) {
        self.clock_of(Machine::Locks).sleep(time).await;
    }
}

impl BusFactory for Remote {
    type Bus = RemoteBus;

    async fn create(&self) -> RemoteBus {
        self.fresh().await.ports().bus
    }
}

#[test]
fn the_log_over_the_network_keeps_every_promise() {
    once::run(SEED, || async { event_store::run_all(&Remote::default()).await });
}

#[test]
fn the_views_over_the_network_keep_every_promise() {
    once::run(SEED, || async { views::run_all(&Remote::default()).await });
}

#[test]
fn the_locks_over_the_network_keep_every_promise() {
    once::run(SEED, || async { lock::run_all(&Remote::default()).await });
}

#[test]
fn the_bus_over_the_network_keeps_every_promise() {
    once::run(SEED, || async { bus::run_all(&Remote::default()).await });
}
