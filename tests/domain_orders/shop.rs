//! The shop: the reference application on a node in memory whose time the test moves.

use std::time::Duration;

use sagaline::app::gateway::{EntryKind, FakeGateway, FakeSettings, Gateway, Ledger};
use sagaline::app::{
    Accepted, Cancelled, ChangeError, Orders, PlaceError, RefundOrder, order_processing,
    order_refund,
};
use sagaline::domain::{
    IdempotencyKey, LockPolicy, Order, OrderDraft, OrderId, PaymentStatus, UserId,
};
use sagaline::engine::{CommandMetadata, Definition, MasterKey, Node, NodeBuilder};
use sagaline::projections;
use sagaline::saga::SagaState;
use sagaline_storage::backend::Parts;
use sagaline_storage::clock::SystemEntropy;
use sagaline_storage::memory::{BusSettings, LocalBus, LocalLocks, ManualClock, MemoryKv};
use sagaline_storage::view_store::{ViewSettings, Views};
use sagaline_storage::{Backend, CorrelationId, EventStore, Log, LogSettings};
use uuid::Uuid;

/// The gateway that the money is in.
pub(crate) type Fake = FakeGateway<ManualClock, SystemEntropy>;

type Memory = Parts<
    Log<MemoryKv, ManualClock>,
    Views<MemoryKv>,
    LocalLocks<ManualClock>,
    LocalBus,
    ManualClock,
    SystemEntropy,
>;

pub(crate) const WINDOW: Duration = Duration::from_secs(5);

/// A node whose orders are paid through a gateway of this process.
pub(crate) struct Shop {
    pub(crate) node: Node<Memory>,
    pub(crate) orders: Orders<Memory>,
    pub(crate) refund: Definition<RefundOrder>,
    ledger: Ledger,
    pub(crate) clock: ManualClock,
}

impl Shop {
    pub(crate) async fn open() -> Self {
        Self::through(|gateway| gateway).await
    }

    /// With a gateway that stands in front of the fake one.
    pub(crate) async fn through<G: Gateway>(front: impl FnOnce(Fake) -> G) -> Self {
        let (clock, entropy, kv) = (ManualClock::default(), SystemEntropy, MemoryKv::new());
        let settings = LogSettings::default();
        let events = Log::open(kv.clone(), clock.clone(), &entropy, settings).await.unwrap();
        let backend = Parts {
            name: "memory",
            shared: false,
            events,
            views: Views::new(kv, ViewSettings::default()),
            locks: LocalLocks::new(clock.clone()),
            bus: LocalBus::new(BusSettings::default()),
            clock: clock.clone(),
            entropy,
        };
        let ledger = Ledger::in_memory();
        let gateway = FakeGateway::with_ledger(
            ledger.clone(),
            FakeSettings::default(),
            clock.clone(),
            entropy,
        );
        let (gateway, locks) = (front(gateway.unwrap()), LockPolicy::default());
        let processing = order_processing(gateway.clone(), locks).unwrap();
        let refund = order_refund(gateway).unwrap();
        let node = NodeBuilder::new(backend)
            .master_key(MasterKey::new([7; 32]))
            .saga(&processing)
            .saga(&refund)
            .projection(projections::Orders)
            .projection(projections::Payments)
            .projection(projections::Sagas)
            .start()
            .await
            .unwrap();
        let orders = Orders::new(node.clone(), processing, refund.clone(), locks);
        Self { node, orders, refund, ledger, clock }
    }

    pub(crate) async fn place(&self, request: Request<'_>) -> Result<Accepted, PlaceError> {
        let method = match request.method {
            "external" => r#"{"type":"external"}"#.to_owned(),
            token => format!(r#"{{"type":"card","token":"{token}"}}"#),
        };
        let json = format!(
            r#"{{"items":[{{"productId":"{}","productName":"Lamp","quantity":2,"price":19.99}}],
            "shippingAddress":{{"street":"1 Main St","city":"Springfield","zipCode":"1","country":"US"}},
            "paymentMethod":{method}}}"#,
            request.product
        );
        let details = serde_json::from_str::<OrderDraft>(&json).unwrap().check().unwrap().details;
        let key = request.key.map(|key| IdempotencyKey::parse(key).unwrap());
        let correlation_id = CorrelationId::new(format!("request-{}", request.product)).unwrap();
        self.orders.place(request.user(), details, key, correlation_id).await
    }

    pub(crate) async fn accepted(&self, token: &str) -> OrderId {
        self.place(Request { method: token, ..Request::default() }).await.unwrap().order_id
    }

    /// Lets time pass until the saga has ended or is parked.
    pub(crate) async fn end_of(&self, id: Uuid) -> SagaState {
        let sagas = self.node.sagas();
        let waiting = tokio::spawn(async move { sagas.wait(id).await });
        for _ in 0..10_000 {
            if waiting.is_finished() {
                return waiting.await.unwrap().unwrap();
            }
            self.clock.run_for(Duration::from_millis(250)).await;
        }
        panic!("the saga came to no end");
    }

    pub(crate) async fn order(&self, id: OrderId) -> Order {
        self.orders.load(id).await.unwrap().unwrap()
    }

    pub(crate) fn money(&self) -> Vec<EntryKind> {
        self.ledger.read(0, 1_000).unwrap().iter().map(|entry| entry.kind).collect()
    }

    pub(crate) async fn payment(&self, id: OrderId) -> PaymentStatus {
        let payment = self.node.aggregates().load(&id.to_string()).await.unwrap();
        let payment: sagaline::domain::Payment = payment.state;
        payment.status()
    }

    pub(crate) async fn cancel(&self, id: OrderId) -> Result<Cancelled, ChangeError> {
        self.cancel_within(id, Duration::from_secs(30)).await
    }

    pub(crate) async fn cancel_within(
        &self,
        id: OrderId,
        wait: Duration,
    ) -> Result<Cancelled, ChangeError> {
        self.orders.cancel(id, "changed my mind", "ada", wait, &metadata()).await
    }

    pub(crate) async fn catch_up(&self) {
        let head = self.node.backend().events().head().await.unwrap();
        let views = self.node.views::<projections::Orders>().unwrap();
        for _ in 0..1_000 {
            if views.position() >= head {
                return;
            }
            self.clock.run_for(Duration::from_millis(50)).await;
        }
        panic!("the view does not catch up");
    }
}

#[derive(Clone, Copy)]
pub(crate) struct Request<'a> {
    pub(crate) user: u128,
    pub(crate) product: &'a str,
    pub(crate) method: &'a str,
    pub(crate) key: Option<&'a str>,
}

impl Default for Request<'_> {
    fn default() -> Self {
        Self { user: 1, product: "lamp", method: "tok_ok", key: None }
    }
}

impl Request<'_> {
    pub(crate) fn user(&self) -> UserId {
        UserId::new(Uuid::from_u128(self.user))
    }
}

pub(crate) fn metadata() -> CommandMetadata {
    CommandMetadata { correlation_id: CorrelationId::new("later").unwrap(), causation_id: None }
}
