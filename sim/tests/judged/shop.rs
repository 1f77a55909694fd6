//! A node with recorded ports, its customers' requests, and what is left when it has stopped.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use http::{Request, header};
use http_body_util::BodyExt;
use sagaline::app::gateway::{EntryKind, FakeGateway, FakeSettings, Ledger};
use sagaline::engine::{MasterKey, Projection, live_generation};
use sagaline::http::app::App;
use sagaline::http::auth::{NewAccount, PasswordSettings, own_correlation};
use sagaline::http::ready::Ready;
use sagaline::projections::{Orders, Payments, Sagas};
use sagaline::settings::{Secret, Settings};
use sagaline_sim::evidence::{
    Answer, BankEffect, BankEntry, Call, Evidence, LogEntry, Phases, digest_of,
};
use sagaline_sim::machine::Machine;
use sagaline_sim::plan::{Knobs, Operation, OrderShape, Plan, Planned};
use sagaline_sim::seed::Seed;
use sagaline_storage::backend::Parts;
use sagaline_storage::clock::{SystemClock, SystemEntropy};
use sagaline_storage::memory::{LocalBus, LocalLocks, MemoryKv};
use sagaline_storage::views::ViewStore;
use sagaline_storage::{
    AllQuery, Clock, EventStore, GlobalPosition, LocalSettings, Log, Views, open_in_memory,
};
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::recorder::{RecordedBus, RecordedLog, Recorder};

type Backend = Parts<
    RecordedLog<Log<MemoryKv, SystemClock>>,
    Views<MemoryKv>,
    LocalLocks<SystemClock>,
    RecordedBus<LocalBus>,
    SystemClock,
    SystemEntropy,
>;

const PASSWORD: &str = "correct horse battery";
const CLAIM_KINDS: [&str; 6] =
    ["saga-live", "saga-parked", "saga-start", "order-key", "product", "email"];

/// A node that serves.
#[derive(Clone)]
pub(crate) struct Shop {
    app: App<Backend>,
    router: Router,
    ledger: Ledger,
    recorder: Recorder,
}

/// Somebody with a token.
pub(crate) struct Person {
    number: u32,
    token: String,
    shop: Shop,
}

impl Shop {
    pub(crate) async fn open() -> Self {
        let recorder = Recorder::default();
        let (clock, entropy) = (SystemClock::default(), SystemEntropy);
        let local = LocalSettings::default();
        let plain = open_in_memory(MemoryKv::new(), clock, entropy, &local).await.unwrap();
        let backend = Parts {
            shared: false,
            name: plain.name,
            events: RecordedLog(plain.events, recorder.clone()),
            views: plain.views,
            locks: plain.locks,
            bus: RecordedBus(plain.bus, recorder.clone()),
            clock,
            entropy,
        };
        let ledger = Ledger::in_memory();
        let fake = FakeSettings::default();
        let gateway = FakeGateway::with_ledger(ledger.clone(), fake, clock, entropy).unwrap();
        let passwords =
            PasswordSettings { memory_kib: 8, passes: 1, ..PasswordSettings::default() };
        let ready = Ready {
            backend,
            gateway,
            settings: Settings::defaults(),
            passwords,
            signing_secret: Secret::new("a secret of the tests, 32 bytes long"),
            master_key: MasterKey::new([7; 32]),
            ledger: Some(ledger.clone()),
            store_measures: Arc::new(|_| ()),
        };
        let app = ready.start().await.unwrap();
        let router = sagaline::http::router(app.clone());
        Self { app, router, ledger, recorder }
    }

    pub(crate) async fn admin(&self) -> Person {
        let backend = self.app.node().backend();
        let email = "admin@example.org";
        let new = NewAccount::check(email, PASSWORD, "Root", "Admin").unwrap();
        let (aggregates, correlation) = (self.app.node().aggregates(), own_correlation(backend));
        let role = sagaline::domain::Role::Admin;
        new.create(backend, &aggregates, self.app.passwords(), role, correlation).await.unwrap();
        self.enter(1_000, "/auth/login", &json!({"email": email, "password": PASSWORD})).await
    }

    pub(crate) async fn customer(&self, number: u32) -> Person {
        let email = format!("customer-{number}@example.org");
        let body = json!({"email": email, "password": PASSWORD, "firstName": "A", "lastName": "B"});
        self.enter(number, "/auth/register", &body).await
    }

    async fn enter(&self, number: u32, path: &str, body: &Value) -> Person {
        let nobody = Person { number, token: String::new(), shop: self.clone() };
        let (_, answer) = nobody.send("POST", path, None, None, body).await;
        let token = answer["accessToken"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned();
        Person { token, ..nobody }
    }

    /// Every saga has ended, and everything is published and in the views: a node that stops leaves that
    /// to the next one.
    async fn come_to_rest(&self) {
        let (node, bound) = (self.app.node(), Duration::from_secs(60));
        let log = &node.backend().events;
        while !log.claims("saga-live", None, 1).await.unwrap().is_empty() {
            node.backend().clock.sleep(Duration::from_millis(5)).await;
        }
        let head = node.backend().events.0.head().await.unwrap();
        assert!(node.views::<Orders>().unwrap().caught_up(head, bound).await);
        assert!(node.views::<Payments>().unwrap().caught_up(head, bound).await);
        assert!(node.views::<Sagas>().unwrap().caught_up(head, bound).await);
        while node.outbox_position() < head {
            node.backend().clock.sleep(Duration::from_millis(5)).await;
        }
    }

    /// Stops the node in good order and hands over everything that was seen.
    pub(crate) async fn close(self) -> Evidence {
        let healed_at_us = self.recorder.now_us();
        self.come_to_rest().await;
        self.app.node().drain().await.unwrap();
        let backend = self.app.node().backend().clone();
        let (log, claims) = (log(&backend).await, claims(&backend).await);
        let documents = documents(&backend).await;
        let quiet_at_us = Some(self.recorder.now_us());
        let phases = Phases { chaos_at_us: 0, healed_at_us, quiet_at_us };
        let seen = std::mem::take(&mut *self.recorder.seen.lock());
        Evidence {
            plan: plan(),
            calls: seen.calls,
            store_calls: seen.store_calls,
            lock_calls: Vec::new(),
            log,
            claims,
            bank: bank(&self.ledger),
            remotes: Vec::new(),
            sent: Vec::new(),
            unreached: Vec::new(),
            lives: Vec::new(),
            bus: seen.bus,
            at_risk: Vec::new(),
            store_answers: Vec::new(),
            contradictions: Vec::new(),
            looks: Vec::new(),
            walks: Vec::new(),
            swaps: Vec::new(),
            documents,
            subscribers: Vec::new(),
            readings: Vec::new(),
            handed: Vec::new(),
            shards: seen.shards,
            power: Vec::new(),
            stops: Vec::new(),
            confessed: Vec::new(),
            leaks: Vec::new(),
            bites: Default::default(),
            phases,
            undone: Vec::new(),
            crashes: Vec::new(),
        }
    }
}

impl Person {
    /// A request, written down with its answer.
    pub(crate) async fn send(
        &self,
        method: &str,
        path: &str,
        key: Option<&str>,
        prefer: Option<&str>,
        body: &Value,
    ) -> (u16, Value) {
        let recorder = &self.shop.recorder;
        let sent_at_us = recorder.now_us();
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::CONTENT_TYPE, "application/json");
        let token = Some(format!("Bearer {}", self.token)).filter(|_| !self.token.is_empty());
        for (name, value) in
            [("authorization", token.as_deref()), ("idempotency-key", key), ("prefer", prefer)]
        {
            if let Some(value) = value {
                request = request.header(name, value);
            }
        }
        let text = if body.is_null() { String::new() } else { body.to_string() };
        let request = request.body(Body::from(text)).unwrap();
        let response = self.shop.router.clone().oneshot(request).await.unwrap();
        let status = response.status().as_u16();
        let replayed = response.headers().contains_key("idempotent-replayed");
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        let answer: Value = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
        let (node, said) = (None, BTreeMap::new());
        recorder.seen.lock().calls.push(Call {
            operation: 0,
            customer: self.number,
            to: Machine::Node1,
            request: format!("{method} {path}"),
            key: key.map(str::to_owned),
            body: body.clone(),
            sent_at_us,
            ended_at_us: recorder.now_us(),
            answer: Some(Answer { status, replayed, node, said, body: answer.clone() }),
        });
        (status, answer)
    }

    pub(crate) fn number(&self) -> u32 {
        self.number
    }

    /// Places an order and waits for its end.
    pub(crate) async fn place(&self, key: &str, product: &str, token: &str) -> (u16, Value) {
        self.send("POST", "/orders", Some(key), Some("wait=30"), &order(product, token)).await
    }
}

/// An order of one product.
pub(crate) fn order(product: &str, token: &str) -> Value {
    let paid = match token {
        "external" => json!({"type": "external"}),
        token => json!({"type": "card", "token": token}),
    };
    json!({
        "items": [{"productId": product, "productName": "Lamp", "quantity": 2, "price": 19.99}],
        "shippingAddress": {
            "street": "1 Main St", "city": "Springfield", "zipCode": "12345", "country": "US",
        },
        "paymentMethod": paid,
    })
}

fn plan() -> Plan {
    let operation = Operation::PlaceOrder {
        key: 1,
        products: vec![1],
        token: "tok_ok".to_owned(),
        shape: OrderShape::Plain,
        otherwise: None,
        wait_s: Some(30),
    };
    let (id, at_ms, customer, to) = (1, 0, 1, Machine::Node1);
    let planned = Planned { id, at_ms, customer, to, gives_up_after_ms: None, operation };
    let knobs = Knobs {
        shards: 64,
        lease_ms: 3_000,
        product_lock_ms: 5_000,
        participant_calls_max: 512,
        breaker_outcomes: 10,
        breaker_open_ms: 500,
        lock_per_customer: false,
        snapshot_events: 512,
        retry_burst: 100,
        retries_per_s: 10,
        followers_page: 2_000,
        store_keeps: 4_096,
        store_batch: 1_024,
        conflict_retries: 8,
        short_tokens_s: 0,
        subscriptions: false,
        reads_put_aside_percent: 0,
    };
    Plan {
        seed: Seed(1),
        scenario: "no faults".to_owned(),
        knobs,
        sagas: Vec::new(),
        chaos_ms: 0,
        left_broken: Vec::new(),
        episodes: Vec::new(),
        operations: vec![planned],
    }
}

async fn log(backend: &Backend) -> Vec<LogEntry> {
    let page = backend.events.0.read_all(AllQuery::after(GlobalPosition::START, 10_000)).await;
    let events = page.unwrap().events.into_iter();
    let entries = events.map(|event| LogEntry {
        position: event.position.0,
        stream: event.stream.to_string(),
        version: event.version.0,
        id: event.id.0.to_string(),
        event_type: event.event_type.to_string(),
        correlation_id: event.correlation_id.to_string(),
        causation_id: event.causation_id.map(|id| id.0.to_string()),
        node: event.node_id.to_string(),
        recorded_at_us: event.recorded_at.0,
        schema_version: event.schema_version,
        payload: serde_json::from_slice(&event.payload).unwrap(),
        payload_digest: digest_of(&event.payload),
    });
    entries.collect()
}

async fn claims(backend: &Backend) -> Vec<(String, String, String)> {
    let mut claims = Vec::new();
    for kind in CLAIM_KINDS {
        let held = backend.events.claims(kind, None, 1_000).await.unwrap();
        claims.extend(held.into_iter().map(|holder| {
            (kind.to_owned(), holder.claim.key.to_string(), holder.owner.to_string())
        }));
    }
    claims
}

async fn documents(backend: &Backend) -> Vec<(String, String, Value)> {
    let kept = [
        (Orders::NAME, Orders::VERSION),
        (Payments::NAME, Payments::VERSION),
        (Sagas::NAME, Sagas::VERSION),
    ];
    let mut documents = Vec::new();
    for (name, version) in kept {
        let view = live_generation(&backend.views, name, version).await.unwrap().view;
        let page = backend.views.scan(&view, None, 1_000).await.unwrap();
        documents.extend(page.documents.into_iter().map(|(key, document)| {
            let key = String::from_utf8(key.to_vec()).unwrap();
            (view.to_string(), key, serde_json::from_slice(&document).unwrap())
        }));
    }
    documents
}

fn bank(ledger: &Ledger) -> Vec<BankEntry> {
    let entries = ledger.read(0, usize::MAX).unwrap().into_iter();
    let told = entries.map(|entry| BankEntry {
        seq: entry.seq,
        at_us: entry.at.0,
        by: Machine::Node1,
        key: entry.key,
        epoch: entry.epoch,
        order: entry.order_id.to_string(),
        operation: entry.operation.as_str().to_owned(),
        amount_minor: entry.amount.0.minor(),
        effect: match entry.kind {
            EntryKind::Refused => BankEffect::Declined,
            EntryKind::Void if entry.amount.0.minor() == 0 => BankEffect::Tombstone,
            EntryKind::Authorize | EntryKind::Capture | EntryKind::Void | EntryKind::Refund => {
                BankEffect::Done
            }
        },
        said: None,
    });
    told.collect()
}
