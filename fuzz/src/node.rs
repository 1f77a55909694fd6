//! The node that targets ask over its router, and the thread they wait on.

use std::cell::RefCell;
use std::future::Future;

use axum::Router;
use sagaline::app::gateway::{FakeGateway, FakeSettings, Ledger};
use sagaline::domain::Role;
use sagaline::engine::MasterKey;
use sagaline::http::app::App;
use sagaline::http::auth::{NewAccount, PasswordSettings, own_correlation};
use sagaline::http::metrics::store_measures;
use sagaline::http::ready::Ready;
use sagaline::http::router;
use sagaline::settings::{Secret, Settings};
use sagaline_storage::LogCounters;
use sagaline_storage::clock::{SystemClock, SystemEntropy};
use sagaline_storage::embedded::{InMemory, LocalSettings, open_in_memory};
use sagaline_storage::memory::MemoryKv;
use tokio::runtime::{Builder, Runtime};

/// Signs the tokens of these nodes.
pub(super) const SECRET: &str = "a secret of the fuzz targets, 40 bytes..";
/// The administrator's.
pub(super) const EMAIL: &str = "admin@example.org";
/// The administrator's.
pub(super) const PASSWORD: &str = "correct horse battery";

thread_local! {
    static RUNTIME: RefCell<Runtime> =
        RefCell::new(Builder::new_current_thread().enable_all().build().unwrap());
}

/// Waits on this thread's runtime. What was spawned on it goes on at the next call.
pub(super) fn block_on<T>(work: impl Future<Output = T>) -> T {
    RUNTIME.with_borrow(|runtime| runtime.block_on(work))
}

/// A node in memory.
pub(super) struct Served {
    pub(super) app: App<InMemory<SystemClock>>,
    pub(super) router: Router,
}

impl Served {
    /// A fresh one, with an administrator. Passwords are as cheap as they get.
    pub(super) async fn start() -> Self {
        let (clock, entropy) = (SystemClock::default(), SystemEntropy);
        let local = LocalSettings::default();
        let backend = open_in_memory(MemoryKv::new(), clock, entropy, &local).await.unwrap();
        let ledger = Ledger::in_memory();
        let fake = FakeSettings::default();
        let gateway = FakeGateway::with_ledger(ledger.clone(), fake, clock, entropy).unwrap();
        let passwords =
            PasswordSettings { memory_kib: 8, passes: 1, ..PasswordSettings::default() };
        let ready = Ready {
            backend: backend.clone(),
            gateway,
            settings: Settings::defaults(),
            passwords,
            signing_secret: Secret::new(SECRET),
            ledger: Some(ledger),
            master_key: MasterKey::new([7; 32]),
            store_measures: store_measures(LogCounters::default),
        };
        let app = ready.start().await.unwrap();
        let new = NewAccount::check(EMAIL, PASSWORD, "Root", "Admin").unwrap();
        let (aggregates, correlation) = (app.node().aggregates(), own_correlation(&backend));
        new.create(&backend, &aggregates, app.passwords(), Role::Admin, correlation).await.unwrap();
        Self { router: router(app.clone()), app }
    }
}
