//! One node behind real HTTP, and a method for each endpoint.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sagaline::app::gateway::{FakeGateway, FakeSettings, Ledger};
use sagaline::engine::{MasterKey, NodeBuilder};
use sagaline::http::app::App;
use sagaline::http::auth::{NewAccount, PasswordSettings, own_correlation};
use sagaline::http::metrics::store_measures;
use sagaline::http::ready::Ready;
use sagaline::http::router;
use sagaline::http::serve::serve;
use sagaline::settings::{Rate, Secret, Settings};
use sagaline_storage::clock::{SystemClock, SystemEntropy};
use sagaline_storage::embedded::{Local, LocalSettings, open_embedded, open_in_memory};
use sagaline_storage::kv::Kv;
use sagaline_storage::memory::MemoryKv;
use sagaline_storage::rocksdb::RocksSettings;
use sagaline_storage::{Backend, Clock, EventStore};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use crate::client::{Answer, Ask};
use crate::clock::LaterClock;
use crate::consumers::Doubter;
use crate::outage::{Carrier, parcel};

/// Signs the tokens of every test node; tests that forge tokens need it.
pub(crate) const SECRET: &str = "a secret of the tests, 32 bytes long";

/// A running node.
pub(crate) struct TestApp {
    pub(crate) address: SocketAddr,
    /// An administrator's token.
    pub(crate) admin: String,
    ledger: Ledger,
    head: Box<dyn Fn() -> std::pin::Pin<Box<dyn Future<Output = u64> + Send>> + Send + Sync>,
    /// Ends serving when it is used or dropped.
    stop: Mutex<Option<oneshot::Sender<()>>>,
}

/// What is different from a node as it comes.
pub(crate) struct Setup {
    pub(crate) settings: Settings,
    pub(crate) gateway: FakeSettings,
    pub(crate) passwords: PasswordSettings,
    /// Has the node run parcels by this carrier.
    pub(crate) carrier: Option<Arc<Carrier>>,
}

impl Default for Setup {
    fn default() -> Self {
        let mut settings = Settings::defaults();
        // Products of a finished order are free at once unless a test says otherwise.
        settings.orders.product_lock_window = Duration::ZERO;
        settings.auth.login_rate_per_address = Rate { count: 10_000, per: Duration::from_secs(60) };
        // As cheap as argon2 allows: what a password costs is nobody's promise here.
        let passwords =
            PasswordSettings { memory_kib: 8, passes: 1, ..PasswordSettings::default() };
        Self { settings, gateway: FakeSettings::default(), passwords, carrier: None }
    }
}

impl TestApp {
    /// A node in memory.
    pub(crate) async fn start() -> Self {
        Self::start_with(Setup::default()).await
    }

    /// A node in memory with settings of its own.
    pub(crate) async fn start_with(setup: Setup) -> Self {
        Self::bare(setup).await.with_admin().await
    }

    /// The same, before any request.
    pub(crate) async fn bare(setup: Setup) -> Self {
        let local = LocalSettings::default();
        let (clock, entropy) = (SystemClock::default(), SystemEntropy);
        let backend = open_in_memory(MemoryKv::new(), clock, entropy, &local).await.unwrap();
        Self::over(backend, Ledger::in_memory(), setup).await
    }

    /// A node in memory whose clock the test can put forward.
    pub(crate) async fn with_clock() -> (Self, LaterClock) {
        let (local, clock) = (LocalSettings::default(), LaterClock::default());
        let backend = open_in_memory(MemoryKv::new(), clock.clone(), SystemEntropy, &local).await;
        let app = Self::over(backend.unwrap(), Ledger::in_memory(), Setup::default()).await;
        (app.with_admin().await, clock)
    }

    /// A node on the embedded store in a folder.
    pub(crate) async fn embedded(folder: &Path, setup: Setup) -> Self {
        let local = LocalSettings::default();
        let backend = open_embedded(folder, &RocksSettings::default(), &local).await.unwrap();
        let ledger = Ledger::open(&folder.join("ledger.jsonl")).unwrap();
        Self::over(backend, ledger, setup).await.with_admin().await
    }

    pub(crate) async fn over<K: Kv, C: Clock>(
        backend: Local<K, C, SystemEntropy>,
        ledger: Ledger,
        setup: Setup,
    ) -> Self {
        let counted = backend.events.clone();
        let (clock, entropy) = (backend.clock.clone(), backend.entropy);
        let own = clock.clone();
        let gateway = FakeGateway::with_ledger(ledger.clone(), setup.gateway, own, entropy);
        let ready = Ready {
            backend: backend.clone(),
            gateway: gateway.unwrap(),
            settings: setup.settings.clone(),
            passwords: setup.passwords,
            signing_secret: Secret::new(SECRET),
            master_key: MasterKey::new([7; 32]),
            ledger: Some(ledger.clone()),
            store_measures: store_measures(move || counted.counters()),
        };
        let more = |node: NodeBuilder<_>| {
            let node = node.consumer(Doubter::default());
            Ok(match &setup.carrier {
                Some(carrier) => node.saga(&parcel(carrier)?),
                None => node,
            })
        };
        let app = ready.start_with(more).await.unwrap();
        make_admin(&app).await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        tokio::spawn(async move {
            let stopped = async {
                drop(stopped.await);
                app.stop_waiting();
            };
            let drain = Duration::from_secs(5);
            serve(listener, router(app.clone()), clock, &setup.settings.http, drain, stopped).await;
            app.node().drain().await.unwrap();
        });
        let log = backend.events.clone();
        let head = move || {
            let log = log.clone();
            Box::pin(async move { log.head().await.unwrap().0 }) as std::pin::Pin<Box<_>>
        };
        let head = Box::new(head);
        Self { address, admin: String::new(), ledger, head, stop: Mutex::new(Some(stop)) }
    }

    pub(crate) async fn with_admin(mut self) -> Self {
        self.admin = self.token_of("admin@example.org").await;
        self
    }

    /// Tells the node to stop, as a signal would.
    pub(crate) fn stop(&self) {
        drop(self.stop.lock().unwrap().take());
    }

    /// The last position of the log: what a refused request must not change.
    pub(crate) async fn head(&self) -> u64 {
        (self.head)().await
    }

    pub(crate) fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    pub(crate) fn ask(&self, method: &str, path: &str) -> Ask {
        Ask::new(self.address, method, path)
    }

    pub(crate) async fn get(&self, token: &str, path: &str) -> Answer {
        self.ask("GET", path).bearer(token).send().await
    }

    pub(crate) async fn post(&self, token: &str, path: &str, body: &Value) -> Answer {
        self.ask("POST", path).bearer(token).json(body).send().await
    }

    pub(crate) async fn register(&self, email: &str) -> Answer {
        let body = json!({
            "email": email, "password": PASSWORD, "firstName": "Ada", "lastName": "Lovelace",
        });
        self.post("", "/auth/register", &body).await
    }

    pub(crate) async fn log_in(&self, email: &str, password: &str) -> Answer {
        self.post("", "/auth/login", &json!({"email": email, "password": password})).await
    }

    pub(crate) async fn profile(&self, token: &str) -> Answer {
        self.get(token, "/auth/profile").await
    }

    /// A new customer's token.
    pub(crate) async fn customer(&self) -> String {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let answer = self.register(&format!("customer-{number}@example.org")).await;
        answer.expect(201)["accessToken"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn token_of(&self, email: &str) -> String {
        let answer = self.log_in(email, PASSWORD).await;
        answer.expect(200)["accessToken"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn place(&self, token: &str, body: &Value) -> Answer {
        self.post(token, "/orders", body).await
    }

    /// Places an order and waits for the end of its saga.
    pub(crate) async fn place_and_wait(&self, token: &str, body: &Value) -> Answer {
        let ask = self.ask("POST", "/orders").bearer(token).header("prefer", "wait=30");
        ask.json(body).send().await
    }

    pub(crate) async fn order(&self, token: &str, id: &str) -> Answer {
        self.get(token, &format!("/orders/{id}")).await
    }

    pub(crate) async fn cancel(&self, token: &str, id: &str) -> Answer {
        self.ask("DELETE", &format!("/orders/{id}")).bearer(token).send().await
    }

    pub(crate) async fn confirm(&self, token: &str, id: &str, payment: &str) -> Answer {
        let ask = self.ask("PUT", &format!("/orders/{id}/confirm")).bearer(token);
        ask.json(&json!({"paymentId": payment})).send().await
    }

    pub(crate) async fn saga(&self, token: &str, id: &str) -> Answer {
        self.get(token, &format!("/sagas/{id}")).await
    }

    pub(crate) async fn operate(&self, token: &str, verb: &str, id: &str) -> Answer {
        let body = json!({"reason": "because the test says so"});
        self.post(token, &format!("/saga/{verb}/{id}"), &body).await
    }

    pub(crate) async fn trace(&self, token: &str, id: &str) -> Answer {
        self.get(token, &format!("/trace/order/{id}")).await
    }
}

/// Every account's password.
pub(crate) const PASSWORD: &str = "correct horse battery";

/// An order for one piece of a product, paid by this token.
pub(crate) fn order_for(product: &str, token: &str) -> Value {
    json!({
        "items": [{"productId": product, "productName": "Lamp", "quantity": 2, "price": 19.99}],
        "shippingAddress": {
            "street": "1 Main St", "city": "Springfield", "zipCode": "12345", "country": "US",
        },
        "paymentMethod": {"type": "card", "token": token},
    })
}

/// The id in a document.
#[track_caller]
pub(crate) fn id_of(document: &Value) -> String {
    document["id"].as_str().unwrap_or_else(|| panic!("no id in {document}")).to_owned()
}

async fn make_admin<B: Backend>(app: &App<B>) {
    let backend = app.node().backend();
    let new = NewAccount::check("admin@example.org", PASSWORD, "Root", "Admin").unwrap();
    let (aggregates, correlation) = (app.node().aggregates(), own_correlation(backend));
    let role = sagaline::domain::Role::Admin;
    new.create(backend, &aggregates, app.passwords(), role, correlation).await.unwrap();
}
