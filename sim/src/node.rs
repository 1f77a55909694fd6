//! A whole node of the product on a simulated machine: router, serve loop, engine and log, over a store
//! in memory that outlives the machine's crashes. Started by the scenarios.

use std::net::SocketAddr;
use std::sync::Arc;

use madsim::runtime::{Handle, NodeHandle};
use sagaline::app::gateway::{FakeGateway, FakeSettings, Ledger};
use sagaline::http::auth::PasswordSettings;
use sagaline::http::ready::Ready;
use sagaline::http::router;
use sagaline::http::serve::serve;
use sagaline::settings::{Secret, Settings};
use sagaline_storage::clock::{SystemClock, SystemEntropy};
use sagaline_storage::embedded::{InMemory, LocalSettings, open_in_memory};
use sagaline_storage::memory::MemoryKv;
use sagaline_storage::{AllQuery, EventStore, GlobalPosition};
use tokio::net::TcpListener;

use crate::pause::pause_ms;
use crate::transcript::Transcript;

const PAGE_EVENTS: usize = 1_000;

/// A machine with what its crashes leave behind.
#[derive(Debug, Clone)]
pub struct SimNode {
    name: &'static str,
    address: SocketAddr,
    disk: MemoryKv,
    ledger: Ledger,
}

impl SimNode {
    /// A machine with an empty store; nothing runs on it yet.
    pub fn new(name: &'static str, address: SocketAddr) -> Self {
        Self { name, address, disk: MemoryKv::default(), ledger: Ledger::in_memory() }
    }

    /// Where its node listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Switches it on. Killed and restarted, it opens the same store again.
    pub fn switch_on(&self, world: &Handle) -> NodeHandle {
        let machine = self.clone();
        let boot = move || machine.clone().run();
        world.create_node().name(self.name).ip(self.address.ip()).init(boot).build()
    }

    async fn run(self) {
        let clock = SystemClock::default();
        let settings = Settings::defaults();
        let backend = self.open(clock).await;
        let fake = FakeSettings::default();
        let gateway = FakeGateway::with_ledger(self.ledger.clone(), fake, clock, SystemEntropy);
        let ready = Ready {
            backend,
            gateway: gateway.expect("a ledger that this gateway wrote"),
            settings: settings.clone(),
            // What a hash costs is no part of the simulation.
            passwords: PasswordSettings {
                memory_kib: 64,
                passes: 1,
                ..PasswordSettings::default()
            },
            signing_secret: Secret::new("a secret of the simulated world only"),
            ledger: Some(self.ledger),
            store_measures: Arc::new(|_| ()),
        };
        let app = ready.start().await.expect("a store in memory serves");
        // A restarted machine may find its old socket for a moment longer.
        let listener = loop {
            match TcpListener::bind(self.address).await {
                Ok(listener) => break listener,
                Err(_) => pause_ms(10).await,
            }
        };
        let drain = settings.node.drain_timeout;
        serve(listener, router(app), clock, &settings.http, drain, std::future::pending()).await;
    }

    async fn open(&self, clock: SystemClock) -> InMemory<SystemClock> {
        let settings = LocalSettings::default();
        let backend = open_in_memory(self.disk.clone(), clock, SystemEntropy, &settings).await;
        backend.expect("a store in memory opens")
    }

    /// Adds everything that was ever recorded: the whole log, and the gateway's ledger. The machine must
    /// be switched off.
    pub async fn record(&self, transcript: &mut Transcript) {
        let store = self.open(SystemClock::default()).await;
        let mut after = GlobalPosition::START;
        loop {
            let page = store.events.read_all(AllQuery::after(after, PAGE_EVENTS)).await;
            let page = page.expect("a store in memory serves");
            page.events.iter().for_each(|event| transcript.event(event));
            if page.end {
                break;
            }
            after = page.next;
        }
        for entry in self.ledger.read(0, usize::MAX).expect("a ledger in memory") {
            transcript.note(format!("ledger {entry:?}"));
        }
    }
}
