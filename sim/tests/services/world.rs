//! A world with services and without nodes, for tests that ask the services themselves.

use std::future::Future;
use std::time::Duration;

use sagaline_sim::bites::Bites;
use sagaline_sim::fault::{Episode, Fault};
use sagaline_sim::machine::Machine;
use sagaline_sim::once;
use sagaline_sim::seed::Seed;
use sagaline_sim::services::{Participants, SimBackend, Witness, backend, boot_services};
use sagaline_sim::world::World;
use sagaline_storage::LogSettings;

/// The seed of these tests.
pub(crate) const SEED: u64 = 7;
/// How long a silent member of a group stays one.
pub(crate) const LEASE: Duration = Duration::from_secs(2);

/// In which every service has booted.
pub(crate) const BOOT_MS: u64 = 100;

/// Services, and the record of what they saw.
#[derive(Clone)]
pub(crate) struct Services {
    pub(crate) world: World,
    pub(crate) witness: Witness,
}

impl Services {
    /// Fresh ones, that serve.
    pub(crate) async fn boot() -> Self {
        let world = World::new(Seed(SEED), Bites::default());
        let witness = Witness::default();
        let hotel = |body: &str| match body.contains("full") {
            true => Err(("FULL".to_owned(), "no room is free".to_owned())),
            false => Ok(r#"{"room":7}"#.to_owned()),
        };
        let log = LogSettings::default();
        boot_services(&world, &witness, log, &Participants::default().with("hotel", hotel));
        let services = Self { world, witness };
        services.pass_ms(BOOT_MS).await;
        services
    }

    /// The ports, as a node has them; on the clients' machine, where nothing else runs.
    pub(crate) fn ports(&self) -> SimBackend {
        backend(&self.world, &self.witness, Machine::Clients, LEASE)
    }

    /// A fault from now on, until it is ended.
    pub(crate) fn begin(&self, fault: Fault) -> Episode {
        let episode = Episode { id: 1, at_ms: 0, for_ms: 0, fault };
        self.world.begin(&episode);
        episode
    }

    /// Lets so many milliseconds of the world's time pass.
    pub(crate) async fn pass_ms(&self, ms: u64) {
        self.world.timeline().after(ms * 1_000).await;
    }
}

/// Runs a test with services of its own.
pub(crate) fn with<F>(test: impl FnOnce(Services) -> F + Send + 'static)
where
    F: Future<Output = ()> + 'static,
{
    once::run(SEED, || async { test(Services::boot().await).await });
}
